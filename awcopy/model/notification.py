"""A notification: what somebody outside is to be told of a job or of a time at which a schedule was due."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from awcopy.model.job import Job, JobId, JobState
from awcopy.model.schedule import Fate, Occurrence

_DIGITS = 32  # of an id: 128 bits

# After each attempt that failed the next one waits twice as long; all of them take about nine hours.
FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(hours=1)
MOST_ATTEMPTS = 16


class Event(StrEnum):
    """What somebody is told."""

    COMPLETED = "completed"  # a job, and every object rightly
    FAILED = "failed"  # a job could not go on, or left objects behind
    MISSED = (
        "missed"  # no job runs for an occurrence: nothing fired it in time, or an earlier job had not ended
    )
    TEST = "test"  # nothing; whether it arrives is tried


EVENT_OF_STATE = {
    JobState.COMPLETED: Event.COMPLETED,
    JobState.COMPLETED_WITH_ERRORS: Event.FAILED,
    JobState.FAILED: Event.FAILED,
}
MISSED_FATES = frozenset({Fate.MISSED, Fate.SKIPPED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One row of the ledger's table of notifications, there until it is delivered or given up.

    Holds no address and no key: ``receiver`` names a profile on the workers.
    """

    id: str  # the same however often it is sent, so that a receiver can drop what comes again
    event: Event
    receiver: str
    created_at: datetime
    due_at: datetime  # of the next attempt
    job_id: JobId | None = None
    schedule: str = ""
    planned_at: datetime | None = None  # of a missed occurrence
    detail: str = ""  # for a person
    attempts: int = 0
    version: str = ""  # the ledger's ETag of this row


def of_job(job: Job, receiver: str, now: datetime) -> Notification:
    """Return what a receiver is to be told of a job that has ended."""
    event = EVENT_OF_STATE[job.state]
    return Notification(
        id=_name(job.id, job.changed_at.isoformat(), receiver),
        event=event,
        receiver=receiver,
        created_at=now,
        due_at=now,
        job_id=job.id,
        detail=job.detail,
    )


def of_occurrence(occurrence: Occurrence, receiver: str, now: datetime) -> Notification:
    """Return what a receiver is to be told of an occurrence for which no job runs."""
    return Notification(
        id=_name(occurrence.schedule, occurrence.planned_at.isoformat(), receiver),
        event=Event.MISSED,
        receiver=receiver,
        created_at=now,
        due_at=now,
        schedule=occurrence.schedule,
        planned_at=occurrence.planned_at,
        detail=occurrence.detail,
    )


def begin_attempt(notification: Notification, now: datetime) -> Notification:
    """Return the notification with one more attempt; when that comes to nothing, the next one is due then."""
    wait = min(LONGEST_WAIT, FIRST_WAIT * 2**notification.attempts)
    return replace(notification, attempts=notification.attempts + 1, due_at=now + wait)


def _name(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:_DIGITS]
