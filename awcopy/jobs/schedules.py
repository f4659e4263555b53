"""Firing schedules: each occurrence is written down once, and leads to one job or to the reason why not.

The row of an occurrence is inserted if it is absent, its fate is decided by a conditional write, and its job's
id stands in it before the job does: so any number of processes may do this at once, and die at any point.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from awcopy.errors import AwcopyError, Conflict, JobNotFound
from awcopy.jobs.submit import JobRequest, make_job, next_job_id
from awcopy.jobs.watermark import resolve_since
from awcopy.model.job import JobId, say_state
from awcopy.model.schedule import OPEN_FATES, CatchUp, Fate, Occurrence, Overlap, Schedule
from awcopy.planning.occurrences import find_due, is_late

if TYPE_CHECKING:
    from datetime import datetime

    from awcopy.jobs.fleet import Fleet

log = structlog.get_logger(__name__)

_LATE = "nothing fired it in time; it is missed, by --catch-up {}"
_LOOKED_BACK = 5  # occurrences whose jobs may not have ended


def fire_schedules(fleet: Fleet) -> list[JobId]:
    """Write down what is due, start what is to run, and return the jobs that are to be dispatched.

    The ledger's time decides. May be called at any time, by several processes at once.
    """
    started: list[JobId] = []
    for schedule in fleet.ledger.list_schedules():
        try:
            if not schedule.is_paused:
                _reserve(fleet, schedule)
            started += settle_occurrences(fleet, schedule)
        except AwcopyError as error:
            log.warning("schedule_not_fired", schedule=schedule.name, error=error.code, message=error.message)
    return started


def run_now(fleet: Fleet, schedule: Schedule) -> Occurrence:
    """Write down an occurrence of this second, or of the first one that has none; return it, to be settled as any."""
    now = fleet.ledger.now()
    at = now.replace(microsecond=0)
    while True:
        try:
            return fleet.ledger.add_occurrence(_reserved(fleet, schedule, at, now))
        except Conflict:
            at += timedelta(seconds=1)


def settle_occurrences(fleet: Fleet, schedule: Schedule) -> list[JobId]:
    """Decide about the occurrences that are written down and open; return the jobs to be dispatched."""
    started: list[JobId] = []
    opened = list(fleet.ledger.list_occurrences(schedule.name, fates=OPEN_FATES))
    for occurrence in reversed(opened):  # the oldest first
        try:
            settled = _settle(fleet, schedule, occurrence)
        except Conflict:
            continue  # somebody else is at it
        if settled.fate is Fate.STARTED and settled.job_id:
            started.append(settled.job_id)
    return started


def _reserve(fleet: Fleet, schedule: Schedule) -> None:
    now = fleet.ledger.now()
    due = find_due(schedule, now)
    if due.up_to is None:
        return
    late = _LATE.format(schedule.catch_up.value)
    rows = [
        Occurrence(
            schedule=schedule.name,
            planned_at=at,
            fate=Fate.MISSED,
            detail=late,
            is_untold=bool(schedule.spec.notify),
        )
        for at in due.missed
    ]
    rows += [_reserved(fleet, schedule, at, now) for at in due.to_run]
    for row in rows:
        try:
            fleet.ledger.add_occurrence(row)
        except Conflict:
            log.info("occurrence_is_there", schedule=schedule.name)
    for row in rows:
        if row.fate is Fate.MISSED:
            log.warning("occurrence_missed", schedule=schedule.name, planned_at=row.planned_at.isoformat())
    try:
        fleet.ledger.update_schedule(replace(schedule, fired_to=due.up_to))
    except Conflict:
        log.info("schedule_changed_meanwhile", schedule=schedule.name)


def _reserved(fleet: Fleet, schedule: Schedule, at: datetime, now: datetime) -> Occurrence:
    job_id = next_job_id(fleet, now)
    return Occurrence(schedule=schedule.name, planned_at=at, fate=Fate.RESERVED, job_id=job_id)


def _settle(fleet: Fleet, schedule: Schedule, occurrence: Occurrence) -> Occurrence:
    """Take an occurrence one or more moves further and return it.

    Raises:
        Conflict: Somebody else has moved it.
    """
    ledger, job_id = fleet.ledger, occurrence.job_id
    assert job_id  # noqa: S101 - every occurrence that is not missed has one
    if occurrence.fate is not Fate.STARTING:
        busy = _why_busy(fleet, schedule, occurrence)
        waits = schedule.overlap is Overlap.QUEUE or _catches_up(schedule, occurrence, ledger.now())
        if busy and not waits:
            is_untold = bool(schedule.spec.notify)
            skipped = replace(occurrence, fate=Fate.SKIPPED, detail=busy, is_untold=is_untold)
            return ledger.update_occurrence(skipped)
        if busy:
            waiting = replace(occurrence, fate=Fate.WAITING, detail=busy)
            return waiting if occurrence.fate is Fate.WAITING else ledger.update_occurrence(waiting)
        occurrence = ledger.update_occurrence(replace(occurrence, fate=Fate.STARTING, detail=""))
    _write_job(fleet, schedule, occurrence, job_id)
    return ledger.update_occurrence(replace(occurrence, fate=Fate.STARTED))


def _catches_up(schedule: Schedule, occurrence: Occurrence, now: datetime) -> bool:
    """Return whether it is one of several late ones, which run one after the other."""
    return schedule.catch_up is CatchUp.ALL and (
        occurrence.fate is Fate.WAITING or is_late(occurrence.planned_at, now)
    )


def _why_busy(fleet: Fleet, schedule: Schedule, occurrence: Occurrence) -> str:
    """Return which earlier job has not ended, or nothing."""
    fates = (Fate.STARTING, Fate.STARTED)
    for other in fleet.ledger.list_occurrences(schedule.name, fates=fates, limit=_LOOKED_BACK):
        if other.planned_at == occurrence.planned_at:
            continue
        try:
            job = fleet.ledger.get_job(other.job_id or JobId(""))
        except JobNotFound:
            if other.fate is Fate.STARTING:
                return f"job {other.job_id}, of an earlier occurrence, is being started"
            continue  # it was removed
        if not job.has_ended:
            return f"job {job.id}, of an earlier occurrence, is {say_state(job.state)}"
    return ""


def _write_job(fleet: Fleet, schedule: Schedule, occurrence: Occurrence, job_id: JobId) -> None:
    request = JobRequest(spec=resolve_since(fleet, schedule.spec), name=schedule.name, user=schedule.user)
    why = f"schedule {schedule.name}, due at {occurrence.planned_at:%Y-%m-%d %H:%M:%S} UTC"
    try:
        fleet.ledger.add_job(make_job(request, job_id, fleet.ledger.now(), why=why))
    except Conflict:
        log.info("job_is_there", job_id=job_id)
