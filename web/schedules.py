"""The pages of schedules, and what a visitor does to one; the API's routes call the same functions."""

from __future__ import annotations

from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

import structlog
from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.exceptions import NotFound

from awcopy.cli.request import LONGEST_VALUE, OTHERS, read_request
from awcopy.cli.sync import LAST
from awcopy.errors import ScheduleNotFound, UsageError
from awcopy.jobs import schedule_control
from awcopy.jobs.schedule_control import ScheduleRequest
from awcopy.model.schedule import CatchUp, Overlap, is_schedule_name
from awcopy.units import parse_duration
from web.auth import current_visitor, require_deleting_role
from web.fleet import current_fleet, current_settings, see_schedules
from web.forms import require_token
from workers import control

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from awcopy.model.schedule import Occurrence, Schedule

log = structlog.get_logger(__name__)

Choice = TypeVar("Choice", bound=StrEnum)

# What a schedule has beside its job, and what holds where nothing is said.
OWN_VALUES = {
    "name": "",
    "cron": "",
    "zone": "UTC",
    "every": "",
    "catch_up": CatchUp.LATEST.value,
    "overlap": Overlap.SKIP.value,
}
FORM_FIELDS = (
    "name", "source", "sink", "source_profile", "sink_profile", "backup_prefix", "cron", "zone", "every"
)  # fmt: skip
MOST_PAST = 30
NEXT_RUNS = 5

blueprint = Blueprint("schedules", __name__, url_prefix="/schedules")


@blueprint.get("/")
def list_schedules() -> str:
    """Return the page of all schedules."""
    return render_template("schedules.html", schedules=see_schedules())


@blueprint.get("/<name>")
def show_schedule(name: str) -> str:
    """Return the page of one schedule: when it is due, and what became of its latest 30 times."""
    fleet, schedule = current_fleet(), find(name)
    past = fleet.ledger.list_occurrences(name, limit=MOST_PAST)
    return render_template(
        "schedule.html",
        schedule=schedule_control.describe_schedule(fleet, schedule),
        coming=schedule_control.next_runs(schedule, fleet.ledger.now(), NEXT_RUNS),
        deletes=schedule.spec.deletes,
        past=schedule_control.describe_occurrences(fleet, past),
    )


@blueprint.post("/")
def add() -> Response:
    """Add the schedule that the form of the page describes, and show it."""
    require_token()
    values = {name: value for name in FORM_FIELDS if (value := request.form.get(name, "").strip())}
    schedule = create({**values, "recursive": True})
    return redirect(url_for("schedules.show_schedule", name=schedule.name), HTTPStatus.SEE_OTHER)


@blueprint.post("/<name>/<verb>")
def act(name: str, verb: str) -> Response:
    """Do to a schedule what a form of its page asks, and show it again; without it, show the others."""
    require_token()
    match verb:
        case "run":
            run(name)
        case "pause":
            pause(name)
        case "resume":
            resume(name)
        case "remove":
            remove(name)
            return redirect(url_for("schedules.list_schedules"), HTTPStatus.SEE_OTHER)
        case _:
            raise NotFound
    return redirect(url_for("schedules.show_schedule", name=name), HTTPStatus.SEE_OTHER)


def find(name: str) -> Schedule:
    """Return the schedule of this name; raise ``ScheduleNotFound``, also for what cannot be a name."""
    if not is_schedule_name(name):  # the ledger's query language never sees it
        raise ScheduleNotFound("there is no schedule of this name")
    return schedule_control.find_schedule(current_fleet(), name)


def create(values: dict[str, Any]) -> Schedule:
    """Add the schedule that the values describe, and return it.

    Args:
        values: ``name``, ``cron`` and ``zone`` or ``every``, and perhaps ``catch_up`` and ``overlap``; the others are
            those of a sync.

    Raises:
        UsageError: It cannot be as it is written, or there is one of this name.
    """
    own = {name: _text(values, name, usual) for name, usual in OWN_VALUES.items()}
    job = {name: value for name, value in values.items() if name not in OWN_VALUES}
    if foreign := sorted(set(job) & {"command", *OTHERS}):
        raise UsageError(
            f"there is no {foreign[0]!r} in a schedule", hint="it syncs, and keeps no credentials"
        )
    spec = read_request(job, command="sync").spec
    if job.get("since", "") not in ("", LAST):
        raise UsageError(f"since is {LAST!r} here, or left out")
    if spec.deletes:
        require_deleting_role()
    asked = ScheduleRequest(
        name=own["name"],
        user=current_visitor().name,
        spec=spec,
        cron=own["cron"],
        zone=own["zone"],
        every_s=int(parse_duration(own["every"])) if own["every"] else 0,
        catch_up=_choose(CatchUp, own["catch_up"]),
        overlap=_choose(Overlap, own["overlap"]),
    )
    _note("add", asked.name)
    return schedule_control.create_schedule(current_fleet(), asked)


def run(name: str) -> Occurrence:
    """Run a schedule's job now, beside its times. Raises as ``find`` does."""
    schedule = _find_startable(name)
    _note("run", schedule.name)
    return control.run_schedule(current_settings(), current_fleet(), schedule)


def pause(name: str) -> Schedule:
    """Let no occurrence run until the schedule is resumed. Raises as ``find`` does."""
    _note("pause", (schedule := find(name)).name)
    return schedule_control.pause_schedule(current_fleet(), schedule.name)


def resume(name: str) -> Schedule:
    """Go on from the next occurrence. Raises as ``find`` does."""
    _note("resume", (schedule := _find_startable(name)).name)
    return schedule_control.resume_schedule(current_fleet(), schedule.name)


def remove(name: str) -> None:
    """Remove a schedule and its history. Raises as ``find`` does."""
    _note("remove", (schedule := find(name)).name)
    schedule_control.remove_schedule(current_fleet(), schedule.name)


def _find_startable(name: str) -> Schedule:
    schedule = find(name)
    if schedule.spec.deletes:
        require_deleting_role()
    return schedule


def _text(values: dict[str, Any], name: str, usual: str) -> str:
    value = values.get(name, usual)
    if not isinstance(value, str) or len(value) > LONGEST_VALUE or not value.isprintable():
        raise UsageError(f"{name} is a text of at most {LONGEST_VALUE} characters")
    return value


def _choose(kind: type[Choice], value: str) -> Choice:
    try:
        return kind(value)
    except ValueError:
        raise UsageError(f"there is no such choice, {value!r}", hint=f"write {', '.join(kind)}") from None


def _note(action: str, name: str) -> None:
    visitor, address = current_visitor(), request.remote_addr
    log.info("asked_over_http", action=action, schedule=name, token=visitor.name, address=address)
