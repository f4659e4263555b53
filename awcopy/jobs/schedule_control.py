"""Looking at schedules and changing them, for the command line, the API and the pages alike."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from awcopy.errors import Conflict, ScheduleNotFound, UsageError
from awcopy.jobs.queries import REMOVED
from awcopy.model.schedule import CatchUp, Fate, Overlap, Schedule, is_schedule_name
from awcopy.planning.occurrences import check_times, next_times

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from awcopy.jobs.fleet import Fleet
    from awcopy.model.job import Job
    from awcopy.model.schedule import Occurrence
    from awcopy.model.spec import JobSpec

_Seen = TypeVar("_Seen")

SCHEMA = "awcopy.schedule/1"
_AT_ONCE = 8
# What waits, or is skipped, has the id of a job that may never be written.
_HAS_JOB = frozenset({Fate.STARTING, Fate.STARTED})


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRequest:
    """A schedule as it is asked for."""

    name: str
    spec: JobSpec
    user: str = ""
    cron: str = ""
    zone: str = "UTC"
    every_s: int = 0
    catch_up: CatchUp = CatchUp.LATEST
    overlap: Overlap = Overlap.SKIP


def create_schedule(fleet: Fleet, request: ScheduleRequest) -> Schedule:
    """Add the schedule that a request asks for, from the ledger's present on, and return it.

    Raises:
        UsageError: As ``add_schedule`` has it.
    """
    fleet.ledger.prepare()
    now = fleet.ledger.now().replace(microsecond=0)
    schedule = Schedule(
        name=request.name,
        user=request.user,
        spec=request.spec,
        created_at=now,
        fired_to=now,
        cron=request.cron,
        zone=request.zone,
        every_s=request.every_s,
        catch_up=request.catch_up,
        overlap=request.overlap,
    )
    return add_schedule(fleet, schedule)


def add_schedule(fleet: Fleet, schedule: Schedule) -> Schedule:
    """Add a schedule, and return it.

    Raises:
        UsageError: Its name or its times cannot be, or there is one of this name.
    """
    name = schedule.name
    if not is_schedule_name(name):
        hint = "use lower-case letters, digits, '.', '_' and '-'"
        raise UsageError(f"{name!r} cannot be the name of a schedule", hint=hint)
    check_times(cron=schedule.cron, zone=schedule.zone, every_s=schedule.every_s)
    try:
        return fleet.ledger.add_schedule(schedule)
    except Conflict:
        hint = f"`awcopy schedule rm {name}` removes it"
        raise UsageError(f"there is a schedule {name!r} already", hint=hint) from None


def find_schedule(fleet: Fleet, name: str) -> Schedule:
    """Return the schedule of this name.

    Raises:
        ScheduleNotFound: There is none.
    """
    found = fleet.ledger.get_schedule(name)
    if found is None:
        raise ScheduleNotFound(f"there is no schedule {name!r}", hint="`awcopy schedule list` shows them all")
    return found


def pause_schedule(fleet: Fleet, name: str) -> Schedule:
    """Let no occurrence run until the schedule is resumed; raise as ``find_schedule`` does."""
    return _change(fleet, name, lambda one, _now: replace(one, is_paused=True))


def resume_schedule(fleet: Fleet, name: str) -> Schedule:
    """Go on from the next occurrence; raise as ``find_schedule`` does."""
    return _change(
        fleet, name, lambda one, now: replace(one, is_paused=False, fired_to=now) if one.is_paused else one
    )


def remove_schedule(fleet: Fleet, name: str) -> None:
    """Remove a schedule and its history; raise as ``find_schedule`` does."""
    fleet.ledger.delete_schedule(find_schedule(fleet, name).name)


def next_runs(schedule: Schedule, now: datetime, count: int = 1) -> list[datetime]:
    """Return when the schedule is due next; never while it is paused."""
    if schedule.is_paused:
        return []
    return list(islice(next_times(schedule, max(now, schedule.fired_to)), count))


def say_when(schedule: Schedule) -> str:
    """Return the times of a schedule for a person."""
    return f"{schedule.cron} {schedule.zone}" if schedule.cron else f"every {_largest_unit(schedule.every_s)}"


def _largest_unit(seconds: int) -> str:
    for unit, length_s in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds % length_s == 0:
            return f"{seconds // length_s} {unit}"
    return f"{seconds} s"


def look_at_each(schedules: Sequence[Schedule], look: Callable[[Schedule], _Seen]) -> list[_Seen]:
    """Return what ``look`` returns of each schedule, several at once: each takes a request to the ledger."""
    with ThreadPoolExecutor(max(1, min(_AT_ONCE, len(schedules)))) as pool:
        return list(pool.map(look, schedules))


def describe_schedules(fleet: Fleet) -> list[dict[str, object]]:
    """Return all schedules by name, as ``describe_schedule`` does."""
    return look_at_each(fleet.ledger.list_schedules(), lambda one: describe_schedule(fleet, one))


def describe_schedule(fleet: Fleet, one: Schedule) -> dict[str, object]:
    """Return a schedule and its latest occurrence as the JSON that every interface prints."""
    latest = next(iter(fleet.ledger.list_occurrences(one.name, limit=1)), None)
    due = next_runs(one, fleet.ledger.now())
    return {
        "schema": SCHEMA,
        "name": one.name,
        "state": "paused" if one.is_paused else "active",
        "when": say_when(one),
        "next": due[0].isoformat() if due else "",
        "source": str(one.spec.source),
        "sink": str(one.spec.sink),
        "catch_up": one.catch_up.value,
        "overlap": one.overlap.value,
        "notify": list(one.spec.notify),
        "user": one.user,
        "created_at": one.created_at.isoformat(),
        "latest": latest.fate.value if latest else "",
        "latest_job": (latest.job_id or "") if latest else "",
    }


def describe_occurrences(fleet: Fleet, occurrences: Iterable[Occurrence]) -> list[dict[str, str]]:
    """Return what became of times at which a schedule was due."""
    found = list(occurrences)
    jobs = fleet.ledger.get_jobs([one.job_id for one in found if one.job_id])
    return [
        {
            "planned_at": f"{one.planned_at:%Y-%m-%d %H:%M:%S}",
            "what": one.fate.value,
            "job": one.job_id or "",
            "job_state": _state(jobs.get(one.job_id)) if one.job_id and one.fate in _HAS_JOB else "",
            "why": one.detail,
        }
        for one in found
    ]


def _state(job: Job | None) -> str:
    return job.state.value if job else REMOVED


def _change(fleet: Fleet, name: str, change: Callable[[Schedule, datetime], Schedule]) -> Schedule:
    while True:
        found = find_schedule(fleet, name)
        try:
            return fleet.ledger.update_schedule(change(found, fleet.ledger.now().replace(microsecond=0)))
        except Conflict:
            continue
