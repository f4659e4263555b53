"""What an operator looks at first: how many jobs there are, what needs a person, and what comes next."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any

from awcopy.jobs.schedule_control import look_at_each, next_runs
from awcopy.model.job import JobState
from awcopy.model.schedule import Fate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from awcopy.jobs.fleet import Fleet
    from awcopy.jobs.queries import JobSnapshot
    from awcopy.live.base import ProcessBeat
    from awcopy.model.job import Job
    from awcopy.model.schedule import Schedule

OVERVIEW_SCHEMA = "awcopy.overview/1"
LATELY = timedelta(hours=24)
MOST_SHOWN = 20  # open jobs with their totals
_MOST_NEXT = 5
_MOST_MISSED = 3
_FAILED = frozenset({JobState.FAILED, JobState.COMPLETED_WITH_ERRORS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """One thing that goes on only when a person sees to it."""

    kind: str  # no_redis, no_workers, paused or missed
    says: str
    job: str = ""
    schedule: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """What the schedules say: it changes by the minute, and takes a request for each of them to find out."""

    missed: tuple[Attention, ...] = ()
    coming: tuple[tuple[str, datetime], ...] = ()  # which are due next, and when


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The fleet at one moment."""

    running: int
    queued: int
    paused: int
    failed_lately: int
    workers: int | None  # None while Redis, where they say that they are there, does not answer
    slots: int | None
    copied_bytes: int  # of jobs that ended in the last 24 hours, and of those shown
    jobs: tuple[JobSnapshot, ...]  # the newest that are open
    attention: tuple[Attention, ...]
    coming: tuple[tuple[str, datetime], ...]  # as ``Ahead`` has it

    def to_json(self) -> dict[str, Any]:
        """Return the overview as the JSON API has it."""
        names = ("running", "queued", "paused", "failed_lately", "workers", "slots", "copied_bytes")
        return {
            "schema": OVERVIEW_SCHEMA,
            **{name: getattr(self, name) for name in names},
            "jobs": [snapshot.to_json() for snapshot in self.jobs],
            "attention": [
                {"kind": one.kind, "says": one.says, "job": one.job, "schedule": one.schedule}
                for one in self.attention
            ],
            "coming": [{"schedule": name, "at": at.isoformat()} for name, at in self.coming],
        }


def look_ahead(fleet: Fleet) -> Ahead:
    """Return what the schedules say now."""
    now, schedules = fleet.ledger.now(), fleet.ledger.list_schedules()
    due = [(one.name, at) for one in schedules for at in next_runs(one, now)]
    missed = look_at_each(schedules, lambda one: list(_missed(fleet, one, now)))
    return Ahead(
        missed=tuple(chain.from_iterable(missed)),
        coming=tuple(sorted(due, key=lambda pair: pair[1])[:_MOST_NEXT]),
    )


def take_overview(fleet: Fleet, ahead: Ahead, take: Callable[[Job], JobSnapshot]) -> Overview:
    """Return how the fleet is now; reads the jobs that are open or ended lately.

    Args:
        fleet: Where the jobs are.
        ahead: What the schedules say.
        take: Returns the snapshot of an open job.
    """
    now = fleet.ledger.now()
    found = fleet.ledger.open_jobs(ended_since=now - LATELY)
    opened = [job for job in found if not job.has_ended]
    lately = [job for job in found if job.has_ended]
    states = Counter(job.state for job in opened)
    shown = tuple(take(job) for job in opened[:MOST_SHOWN])
    workers = fleet.ask_live(lambda live: live.workers())
    return Overview(
        running=states[JobState.RUNNING] + states[JobState.CANCELLING],
        queued=states[JobState.QUEUED],
        paused=states[JobState.PAUSED],
        failed_lately=sum(job.state in _FAILED for job in lately),
        workers=None if workers is None else len(workers),
        slots=None if workers is None else sum(worker.slots for worker in workers),
        copied_bytes=sum(job.totals.copied.size_bytes for job in lately)
        + sum(snapshot.totals.copied.size_bytes for snapshot in shown),
        jobs=shown,
        attention=(*_without_workers(opened, workers), *_paused(opened), *ahead.missed),
        coming=ahead.coming,
    )


def _without_workers(opened: list[Job], workers: Sequence[ProcessBeat] | None) -> list[Attention]:
    if workers is None:
        says = "Redis does not answer: which workers there are, and what is under way in files, is not known"
        return [Attention(kind="no_redis", says=says)]
    waiting = [job for job in opened if job.state is not JobState.PAUSED]
    if workers or not waiting:
        return []
    return [Attention(kind="no_workers", says="jobs wait, and no worker is running: start `awcopy worker`")]


def _paused(opened: list[Job]) -> list[Attention]:
    """Return the jobs that paused by themselves; what a user paused needs nobody."""
    return [
        Attention(kind="paused", says=job.detail or f"paused: {job.pause_reason}", job=job.id)
        for job in opened
        if job.state is JobState.PAUSED and job.pause_reason != "user"
    ]


def _missed(fleet: Fleet, schedule: Schedule, now: datetime) -> Iterator[Attention]:
    for one in fleet.ledger.list_occurrences(schedule.name, fates={Fate.MISSED}, limit=_MOST_MISSED):
        if now - one.planned_at > LATELY:
            return
        says = f"the occurrence of {one.planned_at:%Y-%m-%d %H:%M} UTC was missed"
        yield Attention(kind="missed", says=says, schedule=schedule.name)
