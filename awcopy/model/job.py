"""A job: the states it goes through, what happened to it, and how it is named."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import NewType

from awcopy.errors import IllegalMove
from awcopy.model.outcome import Tally, Totals
from awcopy.model.spec import JobSpec

JobId = NewType("JobId", str)

# Crockford's base 32, which leaves out the letters that are mistaken for digits.
_BASE32 = "0123456789abcdefghjkmnpqrstvwxyz"
_TIME_LENGTH = 10  # 50 bits of milliseconds: until the year 37648
_RANDOM_LENGTH = 6
# Each job's row holds so many, so that every read of it stays small.
MOST_EVENTS = 50
LONGEST_EVENT = 300
_LAST_MS = 32**_TIME_LENGTH - 1
_JOB_ID = re.compile(f"[{_BASE32}]{{{_TIME_LENGTH + _RANDOM_LENGTH}}}", re.ASCII)
_LATEST_MS = 253_402_300_799_000  # the end of the year 9999, which is Python's too


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"  # submitted; no worker has taken it up yet
    RUNNING = "running"  # listing and copying, with agents of the current generation
    PAUSED = "paused"  # no new work is begun; ``pause_reason`` says why
    CANCELLING = "cancelling"  # work under way ends; what was not attempted is recorded as cancelled
    COMPLETED = "completed"  # every listed object was copied, or rightly skipped
    COMPLETED_WITH_ERRORS = "completed_with_errors"  # ended; an object failed, or was not deleted as asked
    FAILED = "failed"  # could not list or could not go on at all; ``detail`` says why
    CANCELLED = "cancelled"  # ended by the user


_STATES = frozenset(JobState)
_ACTIVE = frozenset({JobState.QUEUED, JobState.RUNNING, JobState.CANCELLING})
TOLD = frozenset(
    {JobState.COMPLETED, JobState.COMPLETED_WITH_ERRORS, JobState.FAILED}
)  # to who wants to know
ENDED = frozenset({JobState.COMPLETED, JobState.COMPLETED_WITH_ERRORS, JobState.FAILED, JobState.CANCELLED})

MOVES: dict[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.PAUSED, JobState.CANCELLING, JobState.FAILED}),
    JobState.RUNNING: frozenset({JobState.PAUSED, JobState.CANCELLING, *ENDED} - {JobState.CANCELLED}),
    JobState.PAUSED: frozenset({JobState.QUEUED, JobState.CANCELLING}),  # resume
    JobState.CANCELLING: frozenset({JobState.CANCELLED}),
    JobState.COMPLETED: frozenset(),
    JobState.COMPLETED_WITH_ERRORS: frozenset({JobState.QUEUED}),  # retry of what failed
    JobState.FAILED: frozenset({JobState.QUEUED, JobState.CANCELLING}),  # resume, or give it up
    JobState.CANCELLED: frozenset(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEvent:
    """Something that happened to a job as a whole."""

    at: datetime
    what: str  # the state that it went into; "generation", "agents" or "bandwidth" for what leaves the state as it is
    detail: str = ""  # for a person


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One row of the ledger's table of jobs."""

    id: JobId
    name: str
    user: str
    spec: JobSpec
    state: JobState
    created_at: datetime
    changed_at: datetime
    generation: int = 0  # counts the chords of agents; messages of older ones do nothing
    detail: str = ""  # why the job failed or was paused, for a person
    pause_reason: str = ""  # user, auth or journal
    streams_because: str = ""  # why server-side copying was given up for the whole job, for a person
    guard: str = ""  # why nothing was deleted at the source although that was asked: failures or max_delete
    totals: Totals = field(default_factory=Totals)  # final once the job has ended
    retry_reason: str | None = (
        None  # set until objects that failed are begun again: for this reason, or for any
    )
    sealed: str = field(default="", repr=False)  # credentials as ciphertext, wiped at the end
    restoring: Tally = Tally()  # what was asked to be restored so far; counted before it is asked for
    was_sealed: bool = False  # credentials came with the job, so that resuming it later needs them again
    sink_was_empty: bool = (
        False  # nothing under the sink's prefix at dispatch: no need to look before each write
    )
    is_untold: bool = False  # it has ended, and whom to tell of that is not written down yet
    request_id: str = ""  # digests of the key and the body of the request that it came with, if it had a key
    events: tuple[JobEvent, ...] = field(default=(), repr=False)  # the latest, oldest first
    version: str = ""  # the ledger's ETag of this row

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will happen to the job by itself."""
        return self.state in ENDED


def new_job_id(now: datetime) -> JobId:
    """Return a job id of 16 characters that sorts before all earlier ones; not secret, practically unique."""
    left = _LAST_MS - int(now.timestamp() * 1000)
    rand = "".join(secrets.choice(_BASE32) for _ in range(_RANDOM_LENGTH))
    return JobId(_encode_base32(left) + rand)


def is_job_id(text: str) -> bool:
    """Return whether a text can be a job's id."""
    return _JOB_ID.fullmatch(text) is not None


def is_job_prefix(text: str) -> bool:
    """Return whether a job's id can start with a text."""
    return (
        bool(text)
        and _JOB_ID.fullmatch(text + _BASE32[0] * (_TIME_LENGTH + _RANDOM_LENGTH - len(text))) is not None
    )


def made_at(job_id: JobId) -> datetime:
    """Return the moment that ``new_job_id`` was given; one that no clock reaches is the latest there is."""
    left = 0
    for letter in job_id[:_TIME_LENGTH]:
        left = 32 * left + _BASE32.index(letter)
    return datetime.fromtimestamp(min(_LAST_MS - left, _LATEST_MS) / 1000, UTC)


def _encode_base32(number: int) -> str:
    return "".join(_BASE32[(number >> (5 * place)) & 31] for place in reversed(range(_TIME_LENGTH)))


# What is done to a job that goes into a state, where that is called otherwise than the state.
_DONE_TO_IT = {
    JobState.QUEUED: "resumed or retried",
    JobState.RUNNING: "started",
    JobState.CANCELLING: "cancelled",
}
_HINTS = {
    (JobState.CANCELLED, JobState.QUEUED): "run the same `awcopy copy` again: it skips what is there already",
    (JobState.RUNNING, JobState.QUEUED): "it is at work already: `awcopy jobs watch` follows it",
    (
        JobState.QUEUED,
        JobState.QUEUED,
    ): "it starts as soon as a worker is free: `awcopy jobs watch` follows it",
}


def say_state(state: JobState) -> str:
    """Return a state as people say it."""
    return state.value.replace("_", " ")


def active_seconds(job: Job, now: datetime) -> float:
    """Return how long the job has been at work or in the queue, without the time that it was paused or had ended."""
    total_s, since, is_active = 0.0, job.created_at, True
    for event in job.events:
        if event.what not in _STATES:
            continue
        total_s += (event.at - since).total_seconds() if is_active else 0.0
        since, is_active = event.at, event.what in _ACTIVE
    until = job.changed_at if not job.events and job.has_ended else now
    return total_s + ((until - since).total_seconds() if is_active else 0.0)


def remember(job: Job, what: str, *, at: datetime, detail: str = "") -> Job:
    """Return the job with one more event; of very many the oldest are forgotten."""
    event = JobEvent(at=at, what=what, detail=detail[:LONGEST_EVENT])
    return replace(job, events=(*job.events, event)[-MOST_EVENTS:])


def move(job: Job, to: JobState, *, at: datetime, detail: str = "", why: str = "") -> Job:
    """Return the job in its new state; the ledger decides whether it is still the row that was read.

    ``detail`` stays with the state, as what is to be known about it; ``why`` is for the job's events alone.

    Raises:
        IllegalMove: The table of moves does not have it.
    """
    if to not in MOVES[job.state]:
        raise IllegalMove(
            f"job {job.id} is {say_state(job.state)} and cannot be {_DONE_TO_IT.get(to, say_state(to))}",
            hint=_HINTS.get((job.state, to), ""),
        )
    is_untold = bool(job.spec.notify) and to in TOLD
    moved = replace(job, state=to, changed_at=at, detail=detail, is_untold=is_untold)
    return remember(moved, to.value, at=at, detail=detail or why)
