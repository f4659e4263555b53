"""The pages: all jobs, one job and what can be done to it, the workers, and the system."""

from __future__ import annotations

import json
import secrets
import shlex
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

from flask import Blueprint, redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.exceptions import NotFound

from awcopy.cli.copy import MOST_AGENTS
from awcopy.cli.request import COMMANDS, read_request
from awcopy.cli.request_values import command_words
from awcopy.errors import UsageError
from awcopy.model.job import JobState
from awcopy.model.spec import Archived, Overwrite
from awcopy.units import parse_rate
from web import actions
from web.fleet import (
    current_fleet,
    current_history,
    keep_markup,
    parse_job_id,
    read_failures,
    read_filter,
    read_job,
    read_jobs,
    read_overview,
    see_held,
    see_system,
)
from web.forms import require_token
from web.view import JobView

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from awcopy.jobs.queries import JobSnapshot

blueprint = Blueprint("pages", __name__)

_LONGEST_RATE = 20
_TEXTS = (
    "command", "source", "sink", "name", "source_profile", "sink_profile", "overwrite", "backup_prefix", "archived",
    "tier",
)  # fmt: skip
_CHOICES = {
    "commands": list(COMMANDS),
    "overwrites": [one.value for one in Overwrite if one is not Overwrite.PROMPT],
    "archives": [one.value for one in Archived if one is not Archived.RESTORE],
}


@blueprint.get("/")
def show_overview() -> str:
    """Return the page that an operator keeps open."""
    record, overview = read_overview()
    now = datetime.now(UTC)
    jobs = [JobView(snapshot=snapshot, now=now) for snapshot in overview.jobs]
    return render_template("overview.html", record=record, overview=overview, jobs=jobs)


@blueprint.get("/jobs")
def list_jobs() -> str:
    """Return the page of all jobs, or of those that were asked for, newest first."""
    snapshots, following = read_jobs()
    wanted = read_filter()
    return render_template(
        "jobs.html",
        rows=[keep_markup("row", snapshot, _render_row) for snapshot in snapshots],
        following=following,
        wanted=wanted,
        states=list(JobState),
        kept={"state": sorted(wanted.states), "text": wanted.text or None},
        is_first_page="after" not in request.args,
        query=request.query_string.decode("ascii", "replace"),
    )


@blueprint.get("/jobs/new")
def ask_for_job() -> str:
    """Return the form that a new job begins with."""
    return render_template("new_job.html", values={}, command="", **_CHOICES)


@blueprint.post("/jobs/new")
def create_job() -> str | Response:
    """Show the job that the form describes, to be looked at; or submit it, once that was done."""
    require_token()
    values = _read_job_form()
    if request.form.get("step") != "submit":
        asked = read_request(values)
        command = shlex.join(command_words(asked.spec, asked.name))
        return render_template(
            "new_job.html", values=request.form, command=command, key=secrets.token_urlsafe(16), **_CHOICES
        )
    body = json.dumps(values, sort_keys=True).encode()
    job, _ = actions.create_job(values, request.form.get("key") or None, body)
    return redirect(url_for("pages.show_job", job_id=job.id), HTTPStatus.SEE_OTHER)


@blueprint.get("/jobs/<job_id>")
def show_job(job_id: str) -> str:
    """Return the page of one job."""
    snapshot, history = read_job(job_id), current_history()
    job = snapshot.job
    return render_template(
        "job.html",
        job=JobView(snapshot=snapshot, now=datetime.now(UTC), rate_bytes_per_s=history.rate(job.id)),
        failures=read_failures(snapshot) if snapshot.totals.failed.objects else None,
        held=[] if job.has_ended else see_held(job.id),
        command=actions.command_of(job),
        paces=history.paces(job.id),
    )


@blueprint.post("/jobs/<job_id>/<verb>")
def act(job_id: str, verb: str) -> Response:
    """Do to a job what a form of its page asks, and show the job again."""
    require_token()
    found = parse_job_id(job_id)
    match verb:
        case "pause":
            actions.pause_job(found)
        case "resume":
            actions.resume_job(found)
        case "cancel":
            actions.cancel_job(found)
        case "retry":
            actions.retry_job(found, request.form.get("reason", ""))
        case "agents":
            actions.change_agents(found, _read_agents())
        case "bandwidth":
            actions.change_bandwidth(found, _read_bandwidth())
        case _:
            raise NotFound
    # By GET, so that reloading the page does nothing twice.
    return redirect(url_for("pages.show_job", job_id=found), HTTPStatus.SEE_OTHER)


@blueprint.get("/workers")
def list_workers() -> str:
    """Return the page of the processes that are there."""
    live = current_fleet().live
    processes = live.processes()
    return render_template("workers.html", processes=processes, waiting=live.waiting_messages())


@blueprint.get("/system")
def show_system() -> str:
    """Return the page of what ``awcopy doctor`` finds from here."""
    return render_template("system.html", findings=see_system())


def _render_row(snapshot: JobSnapshot) -> Markup:
    return Markup(render_template("job_row.html", job=JobView(snapshot=snapshot, now=datetime.now(UTC))))  # noqa: S704 - a template's


def _read_job_form() -> dict[str, object]:
    """Return the values of a job as ``awcopy.cli.request`` reads them; what is empty is left out."""
    form = request.form
    values: dict[str, object] = {name: text for name in _TEXTS if (text := form.get(name, "").strip())}
    for name in ("include", "exclude"):
        if globs := form.get(name, "").split():
            values[name] = globs
    if values.get("command") == "sync" and values.get("overwrite") == Overwrite.CHANGED:
        del values["overwrite"]  # as a sync does in any case; the form sends one of them always
    values["recursive"] = "recursive" in form
    values["agents"] = _read_agents()
    return values


def _read_bandwidth() -> int:
    text = request.form.get("bandwidth", "").strip()
    if len(text) > _LONGEST_RATE:
        raise UsageError("that is no rate", hint="write it like 200M, or leave it empty for no limit")
    return parse_rate(text or "0")


def _read_agents() -> int:
    text = request.form.get("agents", "")
    # Four digits at most, as the largest number of agents has.
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(MOST_AGENTS))):
        raise UsageError(f"a job has 1 to {MOST_AGENTS} agents")
    return int(text)
