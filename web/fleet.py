"""The fleet that one Flask app looks at, and what its views read from it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog
from flask import current_app, g, request

import awcopy
from awcopy.errors import JobNotFound, UsageError
from awcopy.jobs import health
from awcopy.jobs.failures import Examples, Failures, group_failures
from awcopy.jobs.held import HeldItem, list_held
from awcopy.jobs.overview import Overview, look_ahead, take_overview
from awcopy.jobs.queries import JobSnapshot, snapshot_of
from awcopy.jobs.schedule_control import describe_schedules
from awcopy.jobs.search import JobFilter, find_jobs
from awcopy.model.job import JobId, JobState, is_job_id, is_job_prefix
from web.headers import SAFE_METHODS
from web.watching import FRESH_S, Edition, Editions, History, Looks

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from flask import Flask, Response
    from markupsafe import Markup

    from awcopy.config import Settings
    from awcopy.jobs.fleet import Fleet
    from awcopy.jobs.health import Finding
    from awcopy.model.job import Job

    JobsSeen: TypeAlias = tuple[list[JobSnapshot], JobId | None]

DEFAULT_PAGE = 50
LARGEST_PAGE = 200
LONGEST_TEXT = 200

JOBS_SCHEMA = "awcopy.jobs/1"
# Many jobs at once: they are read for what needs a person, and no bar grows visibly within a second.
_MANY_SHOWN_S = 2.0
# Of what a job's items add up to: less than its row is shown, since it is found after that.
_SUMS_SHOWN_S = 0.8
# What is no job's progress, and takes many requests to find out.
_SHOWN_S = 15.0
_SETTLES_IN = timedelta(minutes=5)
_EXTENSION = "awcopy.fleet"
_WATCH = "awcopy.watch"


def attach_fleet(app: Flask, fleet: Fleet, settings: Settings) -> None:
    """Make the fleet the one that the app's views look at, and the settings those that they publish with."""
    app.extensions[_EXTENSION] = fleet, settings
    app.extensions[_WATCH] = watch = Watch(fleet=fleet)
    app.before_request(_name_job_in_log)

    @app.after_request
    def look_anew(response: Response) -> Response:
        # Whoever may change nothing makes nobody work.
        if request.method not in SAFE_METHODS and "visitor" in g:
            watch.looks.forget()
        return response


def _name_job_in_log() -> None:
    """Make every line that the request logs say which job it is about."""
    structlog.contextvars.clear_contextvars()  # threads serve one request after the other
    text = (request.view_args or {}).get("job_id", "")
    if is_job_id(text):
        structlog.contextvars.bind_contextvars(job_id=text)


def current_fleet() -> Fleet:
    """Return the fleet of the app that answers the present request."""
    fleet: Fleet = current_app.extensions[_EXTENSION][0]
    return fleet


def current_settings() -> Settings:
    """Return the settings of the app that answers the present request."""
    settings: Settings = current_app.extensions[_EXTENSION][1]
    return settings


def current_history() -> History:
    """Return how far jobs had come whenever the app looked at them."""
    return _current_watch().history


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """A fleet, and what an app remembers of it from one look to the next."""

    fleet: Fleet
    editions: Editions = field(default_factory=Editions)
    looks: Looks = field(default_factory=Looks)
    history: History = field(default_factory=History)
    examples: Examples = field(default_factory=Examples)

    def take(self, job: Job) -> JobSnapshot:
        """Return the snapshot of a job that was just read; what its items add up to may be a second old."""
        snapshot = self.looks.share((job.id, job.version), partial(_take_snapshot, self.fleet, job))
        self.history.note(snapshot)
        return snapshot

    def see_job(self, job_id: JobId) -> JobSnapshot:
        """Return how a job was within the last second, or at its end."""

        def look() -> tuple[JobSnapshot, float]:
            snapshot = self.take(self.fleet.ledger.get_job(job_id))
            # What has ended may begin again, and whoever comes then would see no more of it than the end.
            return snapshot, 0.0 if snapshot.job.has_ended else FRESH_S

        return self.looks.share(("job", job_id), look)

    def see_jobs(self, query: JobQuery, *, shown_s: float = _MANY_SHOWN_S) -> JobsSeen:
        """Return how a page of jobs was within the last two seconds, or so many; with 0, how it is."""

        def look() -> tuple[JobsSeen, float]:
            page = find_jobs(self.fleet, query.wanted, limit=query.limit, after=query.after)
            return ([self.take(job) for job in page.jobs], page.following), shown_s

        return self.looks.share((query, shown_s), look)

    def see_overview(self) -> Overview:
        """Return how the fleet was within the last two seconds, and its schedules within the last half minute."""

        def look() -> tuple[Overview, float]:
            ahead = self.looks.share("ahead", lambda: (look_ahead(self.fleet), _SHOWN_S), late_s=_SHOWN_S)
            return take_overview(self.fleet, ahead, self.take), _MANY_SHOWN_S

        return self.looks.share("overview", look)

    def describe(self, overview: Overview) -> dict[str, Any]:
        """Return an overview as the JSON API has it, with the rate of this moment."""
        rate = sum(self.history.rate(snapshot.job.id) for snapshot in overview.jobs)
        return {**overview.to_json(), "bytes_per_s": int(rate)}


def _current_watch() -> Watch:
    watch: Watch = current_app.extensions[_WATCH]
    return watch


@dataclass(frozen=True, slots=True, kw_only=True)
class JobQuery:
    """Which page of which jobs is asked for."""

    wanted: JobFilter
    limit: int
    after: JobId | None


def read_job(text: str) -> JobSnapshot:
    """Return the job with this id as it was within the last second.

    Raises:
        JobNotFound: There is none, or the text cannot be an id.
    """
    return _current_watch().see_job(parse_job_id(text))


def read_jobs(*, as_they_are: bool = False) -> JobsSeen:
    """Return the page of jobs that the query asks for, newest first, and after which the next one starts.

    ``?limit=&after=`` choose the page, ``state`` (again for several) and ``text`` which jobs.

    Args:
        as_they_are: Whether somebody acts on what is said, and not as they were within the last two seconds.

    Raises:
        UsageError: The limit is not a number from 1 to 200, there is no such state, or the text is too long.
        JobNotFound: ``after`` cannot be a job's id.
    """
    watch, query = _current_watch(), parse_query()
    return watch.see_jobs(query, shown_s=0.0) if as_they_are else watch.see_jobs(query)


def keep_markup(what: str, snapshot: JobSnapshot, render: Callable[[JobSnapshot], Markup]) -> Markup:
    """Return what a job looks like somewhere; of a job whose row says all of it, and thus its version, made once.

    It may depend on nothing but the job: neither on who looks nor on when.
    """
    job = snapshot.job
    if not snapshot.is_final:
        return render(snapshot)
    return _current_watch().looks.share((what, job.id, job.version), lambda: (render(snapshot), math.inf))


def see_held(job_id: JobId) -> list[HeldItem]:
    """Return what a job's agents held within the last second."""
    watch = _current_watch()
    return watch.looks.share(("held", job_id), lambda: (list_held(watch.fleet, job_id), FRESH_S))


def see_system() -> list[Finding]:
    """Return how each part of the fleet was within the last seconds: finding it out writes to the ledger.

    While something is amiss, whoever asks has it looked at again: it may have been mended.
    """
    fleet, keys = current_fleet(), current_settings().keys

    def look() -> tuple[list[Finding], float]:
        findings = health.run_checks(health.fleet_checks(fleet, awcopy.__version__, keys))
        is_well = all(one.state is not health.State.FAIL for one in findings)
        return findings, _SHOWN_S if is_well else 0.0

    return _current_watch().looks.share("system", look)


def see_schedules() -> list[dict[str, object]]:
    """Return all schedules as they were within the last seconds: each of them takes a request to the ledger."""
    watch = _current_watch()
    return watch.looks.share(
        "schedules", lambda: (describe_schedules(watch.fleet), _SHOWN_S), late_s=_SHOWN_S
    )


def read_failures(snapshot: JobSnapshot) -> Failures:
    """Return what failed of a job that was just read, by reason."""
    watch = _current_watch()
    return group_failures(watch.fleet, snapshot.job.id, snapshot.totals, watch.examples)


def jobs_record(snapshots: list[JobSnapshot], following: JobId | None) -> dict[str, Any]:
    """Return a page of jobs as the JSON API has it."""
    return {"schema": JOBS_SCHEMA, "jobs": [snapshot.to_json() for snapshot in snapshots], "next": following}


def read_overview() -> tuple[dict[str, Any], Overview]:
    """Return the overview as the JSON API has it, with the rate of this moment, and as a record."""
    watch = _current_watch()
    overview = watch.see_overview()
    return watch.describe(overview), overview


def current_watch() -> Callable[[], Edition]:
    """Return what to call again and again for the latest edition of what the query asks for.

    ``?job=ID`` is one job, ``?view=overview`` the overview, anything else a page of jobs as ``read_jobs``
    reads it. Raises as these do.
    """
    watch = _current_watch()
    latest = watch.editions.latest
    if "job" in request.args:
        job_id = parse_job_id(request.args["job"])
        return partial(latest, job_id, partial(watch.see_job, job_id), _tell_job)
    if request.args.get("view") == "overview":
        return partial(latest, "overview", watch.see_overview, lambda seen: (watch.describe(seen), False))
    query = parse_query()
    return partial(latest, query, partial(watch.see_jobs, query), lambda seen: (jobs_record(*seen), False))


def _tell_job(snapshot: JobSnapshot) -> tuple[dict[str, Any], bool]:
    return snapshot.to_json(), snapshot.job.has_ended


def parse_query() -> JobQuery:
    """Return which page of jobs the query asks for. Raises as ``read_jobs`` does."""
    after = request.args.get("after")
    return JobQuery(
        wanted=read_filter(),
        limit=parse_limit(DEFAULT_PAGE, LARGEST_PAGE),
        after=None if after is None else parse_job_id(after),
    )


def _take_snapshot(fleet: Fleet, job: Job) -> tuple[JobSnapshot, float]:
    snapshot = snapshot_of(fleet, job)
    # The items of a job that failed as a whole are added up each time. What was under way when it failed has ended,
    # or given up its lease, after a while; then nothing changes until the job's row does.
    is_quiet = job.has_ended and not snapshot.busy_agents
    is_settled = is_quiet and fleet.ledger.now() - job.changed_at > _SETTLES_IN
    return snapshot, math.inf if is_settled else _SUMS_SHOWN_S


def read_filter() -> JobFilter:
    """Return which jobs the query asks for. Raises as ``read_jobs`` does."""
    text = request.args.get("text", "")
    if len(text) > LONGEST_TEXT:
        raise UsageError(f"text may have {LONGEST_TEXT} characters")
    states = frozenset(filter(None, request.args.getlist("state")))
    if not states <= set(JobState):
        raise UsageError("there is no such state", hint=f"write one of {', '.join(JobState)}")
    id_prefix = request.args.get("id", "")
    if "id" in request.args and not is_job_prefix(id_prefix):
        raise UsageError("no job's id starts so", hint="an id has 16 letters and digits")
    return JobFilter(states=frozenset(map(JobState, states)), text=text, id_prefix=id_prefix)


def parse_job_id(text: str) -> JobId:
    """Return the id that a text is, whether or not there is such a job.

    Ids come from the address bar: what cannot be one never reaches the ledger's query language.

    Raises:
        JobNotFound: It cannot be one.
    """
    if not is_job_id(text):
        raise JobNotFound("there is no job with this id", hint="an id has 16 letters and digits")
    return JobId(text)


def parse_limit(usual: int, largest: int) -> int:
    """Return how many the query asks for at most. Raises ``UsageError`` when that is no number, or too large."""
    text = request.args.get("limit", str(usual))
    # Four digits at most: int() of a text of any length takes time that grows with its square.
    if not re.fullmatch(r"[0-9]{1,4}", text) or not 1 <= int(text) <= largest:
        raise UsageError(f"limit must be a number from 1 to {largest}")
    return int(text)
