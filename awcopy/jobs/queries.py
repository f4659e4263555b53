"""What a job looks like now: one snapshot for the command line, the JSON API and the pages alike."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from awcopy.errors import JobNotFound
from awcopy.jobs.sums import sum_items
from awcopy.ledger.codec import decode_record, encode_record
from awcopy.model.job import Job, JobId, JobState
from awcopy.model.outcome import PROOF_NAMES, Totals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from awcopy.jobs.fleet import Fleet
    from awcopy.jobs.sums import Sums
    from awcopy.model.outcome import Outcome, Tally

AnyJob = TypeVar("AnyJob")

JOB_SCHEMA = "awcopy.job/1"
REMOVED = "removed"  # in place of a state
LAST_JOB = "@last"
_HELD = "held"
_TALLIES = (
    "listed",
    "copied",
    "skipped",
    "failed",
    "cancelled",
    "unchanged",
    "deleted",
    "kept",
    "extra",
    "foreign",
    "excluded",
)
_ROUTES = ("server", "stream")


class Phase(StrEnum):
    """What a job is doing, as far as its items tell."""

    QUEUED = "queued"
    LISTING = "listing"  # keys are still being listed, and copied meanwhile
    COPYING = "copying"  # every key is listed
    DELETING = "deleting"  # everything is copied; what may be is deleted at the source
    PAUSED = "paused"
    CANCELLING = "cancelling"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSnapshot:
    """One job at one moment; its totals are derived from the ledger and add up."""

    job: Job
    phase: Phase
    totals: Totals
    open_items: int = 0
    busy_agents: int = 0
    waiting_items: int = 0  # of the open ones: nobody works on them before S3 has restored their objects
    moved_bytes: int | None = 0  # that reached the sink, files under way included; None while Redis is away

    @property
    def is_listing(self) -> bool:
        """Whether the totals of what was listed may still grow."""
        return self.phase in {Phase.QUEUED, Phase.LISTING}

    @property
    def is_final(self) -> bool:
        """Whether the job's row says all of this, so that it changes only with the row."""
        return _is_final(self.job)

    @property
    def is_deleting(self) -> bool:
        """Whether everything is copied, and what may be is being deleted at the source."""
        return self.phase is Phase.DELETING

    def to_json(self) -> dict[str, Any]:
        """Return the snapshot as the JSON that every interface prints."""
        job = self.job
        return {
            "schema": JOB_SCHEMA,
            "id": job.id,
            "name": job.name,
            "user": job.user,
            "state": job.state.value,
            "phase": self.phase.value,
            "source": str(job.spec.source),
            "sink": str(job.spec.sink),
            "source_profile": job.spec.source.profile,
            "sink_profile": job.spec.sink.profile,
            "agents": job.spec.agents,
            "bandwidth": job.spec.bandwidth,
            "busy_agents": self.busy_agents,
            "open_items": self.open_items,
            "waiting_items": self.waiting_items,
            "generation": job.generation,
            "created_at": job.created_at.isoformat(),
            "changed_at": job.changed_at.isoformat(),
            "detail": job.detail,
            "pause_reason": job.pause_reason,
            "guard": job.guard,
            "totals": {name: _tally_json(getattr(self.totals, name)) for name in _TALLIES},
            "route": job.spec.route.value,
            "streams_because": job.streams_because,
            "routes": {name: getattr(self.totals.routes, name) for name in _ROUTES},
            "proofs": {name: getattr(self.totals.proofs, name) for name in PROOF_NAMES},
            "incomplete": self.totals.incomplete,
            "moved_bytes": self.moved_bytes,
        }


def snapshot_record(snapshot: JobSnapshot) -> dict[str, object]:
    """Return all of a snapshot as JSON has it, for a process without access to the ledger; but no credentials.

    Whether the job holds any can be told: ``sealed`` is a word then.
    """
    job = replace(snapshot.job, sealed=_HELD if snapshot.job.sealed else "", request_id="", version="")
    return encode_record(replace(snapshot, job=job))


def read_snapshot(record: Mapping[str, object]) -> JobSnapshot:
    """Return the snapshot that ``snapshot_record`` was given. Raises ``AwcopyError`` if it is none."""
    return decode_record(JobSnapshot, record)


def take_snapshot(fleet: Fleet, job_id: JobId) -> JobSnapshot:
    """Return the job as it is now.

    Raises:
        JobNotFound: There is no such job.
    """
    return snapshot_of(fleet, fleet.ledger.get_job(job_id))


def snapshot_of(fleet: Fleet, job: Job, sums: Sums | None = None) -> JobSnapshot:
    """Return the snapshot of a job that was just read, with its items' sums if they were, too.

    An ended job's items are not read again.
    """
    if _is_final(job):
        return JobSnapshot(
            job=job, phase=Phase.ENDED, totals=job.totals, moved_bytes=job.totals.copied.size_bytes
        )
    sums = sums or sum_items(fleet, job.id)
    return JobSnapshot(
        job=job,
        phase=_phase(job, sums),
        totals=sums.totals,
        open_items=sums.open_items,
        busy_agents=sums.busy_agents,
        waiting_items=sums.waiting_items,
        moved_bytes=fleet.ask_live(lambda live: live.moved_bytes(job.id)),
    )


def find_job(fleet: Fleet, text: str) -> Job:
    """Return the one job whose id starts with the text; ``@last`` is the newest. Raises as ``choose_job`` does."""
    return choose_job(text, lambda prefix, limit: fleet.ledger.list_jobs(id_prefix=prefix, limit=limit))


def choose_job(text: str, look_up: Callable[[str, int], Sequence[AnyJob]]) -> AnyJob:
    """Return the one job that a text means: by how its id starts, or as ``@last`` the newest.

    Args:
        text: As a person writes it.
        look_up: Returns the newest jobs whose ids start so, at most so many.

    Raises:
        JobNotFound: There is none, or more than one.
    """
    if text == LAST_JOB:
        newest = look_up("", 1)
        if not newest:
            raise JobNotFound("there is no job yet", hint="start one with `awcopy copy`")
        return newest[0]
    found = look_up(text.lower(), 2)
    if len(found) == 1:
        return found[0]
    if found:
        raise JobNotFound(f"more than one job's id starts with {text!r}", hint="write more of the id")
    raise JobNotFound(f"no job's id starts with {text!r}", hint="`awcopy jobs list` shows them all")


def state_of(fleet: Fleet, job_id: JobId) -> str:
    """Return the state of a job; ``REMOVED`` if it is gone."""
    try:
        return fleet.ledger.get_job(job_id).state.value
    except JobNotFound:
        return REMOVED


def read_report(fleet: Fleet, job_id: JobId) -> Iterator[Outcome]:
    """Yield the outcome of every object that has one, by item."""
    for item in fleet.ledger.list_items(job_id):
        if item.outcome_fence:
            yield from fleet.ledger.read_outcomes(job_id, item.number, item.outcome_fence)


def read_report_page(fleet: Fleet, job_id: JobId, after: int, most: int) -> tuple[list[Outcome], int]:
    """Return outcomes of the items after one, and after which the next page begins; 0 when there is none.

    Items are taken whole, until there are at least so many outcomes.
    """
    found: list[Outcome] = []
    for item in fleet.ledger.list_items(job_id, after=after):
        if len(found) >= most:
            return found, after
        if item.outcome_fence:
            found += fleet.ledger.read_outcomes(job_id, item.number, item.outcome_fence)
        after = item.number
    return found, 0


def _is_final(job: Job) -> bool:
    # What failed as a whole may have agents that still record what they did.
    return job.has_ended and job.state is not JobState.FAILED


def _phase(job: Job, sums: Sums) -> Phase:
    if job.has_ended:
        return Phase.ENDED
    if job.state is JobState.RUNNING:
        return Phase.DELETING if sums.is_deleting else Phase.LISTING if sums.is_listing else Phase.COPYING
    return Phase(job.state.value)


def _tally_json(tally: Tally) -> dict[str, int]:
    return {"objects": tally.objects, "bytes": tally.size_bytes}
