"""Which role each request needs: one line for each, and what stands in no line is refused."""

from __future__ import annotations

from typing import Final

from awcopy.errors import AwcopyError
from awcopy.model.token import Role

# No token is needed, and nobody looks whose it is.
ANYONE: Final = None

NEEDED: Final[dict[tuple[str, str], Role | None]] = {
    ("GET", "static"): ANYONE,
    ("GET", "auth.ask_for_token"): ANYONE,
    ("POST", "auth.log_in"): ANYONE,
    ("POST", "auth.log_out"): ANYONE,
    ("GET", "pages.show_overview"): Role.VIEWER,
    ("GET", "pages.list_jobs"): Role.VIEWER,
    ("GET", "pages.ask_for_job"): Role.OPERATOR,
    ("POST", "pages.create_job"): Role.OPERATOR,
    ("GET", "pages.show_job"): Role.VIEWER,
    ("GET", "pages.list_workers"): Role.VIEWER,
    ("GET", "pages.show_system"): Role.VIEWER,
    ("POST", "pages.act"): Role.OPERATOR,
    ("GET", "schedules.list_schedules"): Role.VIEWER,
    ("GET", "schedules.show_schedule"): Role.VIEWER,
    ("POST", "schedules.add"): Role.OPERATOR,
    ("POST", "schedules.act"): Role.OPERATOR,
    ("GET", "events.stream"): Role.VIEWER,
    ("GET", "metrics.show"): Role.VIEWER,
    ("GET", "api.show_overview"): Role.VIEWER,
    ("GET", "api.list_jobs"): Role.VIEWER,
    ("POST", "api.create_job"): Role.OPERATOR,
    ("GET", "api.show_job"): Role.VIEWER,
    ("GET", "api.show_spec"): Role.VIEWER,
    ("GET", "api.show_failures"): Role.VIEWER,
    ("GET", "api.show_agents"): Role.VIEWER,
    ("POST", "api.change_agents"): Role.OPERATOR,
    ("POST", "api.change_bandwidth"): Role.OPERATOR,
    ("GET", "api.download_report"): Role.VIEWER,
    ("GET", "api.download_journal"): Role.VIEWER,
    ("POST", "api.pause_job"): Role.OPERATOR,
    ("POST", "api.resume_job"): Role.OPERATOR,
    ("POST", "api.cancel_job"): Role.OPERATOR,
    ("POST", "api.retry_job"): Role.OPERATOR,
    ("GET", "api.list_schedules"): Role.VIEWER,
    ("POST", "api.add_schedule"): Role.OPERATOR,
    ("GET", "api.show_schedule"): Role.VIEWER,
    ("GET", "api.show_history"): Role.VIEWER,
    ("POST", "api.run_schedule"): Role.OPERATOR,
    ("POST", "api.pause_schedule"): Role.OPERATOR,
    ("POST", "api.resume_schedule"): Role.OPERATOR,
    ("DELETE", "api.remove_schedule"): Role.OPERATOR,
    ("DELETE", "api.remove_job"): Role.ADMIN,
    ("POST", "api.remove_jobs"): Role.ADMIN,
    ("POST", "api.show_since"): Role.VIEWER,
    ("GET", "api.show_me"): Role.VIEWER,
    ("GET", "api.show_public_key"): Role.VIEWER,
    ("GET", "api.list_workers"): Role.VIEWER,
    ("GET", "api.show_system"): Role.VIEWER,
    # For load balancers and for whatever restarts a process that does not answer; they tell numbers only.
    ("GET", "api.show_health"): ANYONE,
    ("GET", "api.show_readiness"): ANYONE,
    ("GET", "api.show_description"): ANYONE,
}
# Of jobs and schedules that delete: to create one, to run it, to let it go on. Likewise to remove what is known of
# jobs, which is the record of what was copied.
DELETING: Final = Role.ADMIN


def needed_role(method: str, endpoint: str) -> Role | None:
    """Return the role that a request needs, or ``ANYONE``.

    Raises:
        AwcopyError: The request stands in no line of the table, so it is answered to nobody.
    """
    # Flask answers these two by itself, by what the other methods are.
    if method == "OPTIONS":
        return ANYONE
    try:
        return NEEDED["GET" if method == "HEAD" else method, endpoint]
    except KeyError:
        raise AwcopyError(f"{method} {endpoint} has no role") from None
