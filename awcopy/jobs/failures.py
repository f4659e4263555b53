"""What failed in a job, grouped by reason: how much, one example of each, and what may help."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from awcopy.model.outcome import Outcome, Result, Tally

if TYPE_CHECKING:
    from awcopy.jobs.fleet import Fleet
    from awcopy.model.job import JobId

FAILURES_SCHEMA = "awcopy.failures/1"
# Each item has its outcomes in a document of its own. A person waits, so no more are read for one answer.
MOST_DOCUMENTS = 100

HINTS = {
    "access_denied": "allow the job's credentials to read these objects and to write their blobs, then retry",
    "archived": "retry with --archived restore in a new job, or restore the objects first",
    "blob_conflict": "somebody else wrote the blobs meanwhile; retry to look at them again",
    "blob_protected": "the blobs that are there are leased, immutable or archived; change that, then retry",
    "blocks_missing": "another program may be deleting or writing the same blobs; end it, then retry",
    "connection_lost": "look at the network between the workers and the stores, then retry",
    "corrupt": "bytes changed on the way, again and again; look at proxies and memory, then retry",
    "crashed_worker": "these objects ended the workers that copied them; look at the workers' logs and memory",
    "encryption_key": "the objects or blobs are encrypted with another key than the one that was given",
    "foreign_blocks": "another program has unfinished uploads of these blobs; end it, or wait a week, then retry",
    "internal": "a defect of awcopy: please report it with the traceback in the worker's log",
    "metadata_not_allowed": "copy them with --metadata rename or exclude",
    "name_conflict": "a file and a directory cannot have one name: rename one at the source, or use a flat account",
    "name_not_allowed": "copy them with --names encode",
    "not_found": "the objects were deleted after they had been listed",
    "source_unreadable": "run it again with --route auto, which streams what Azure cannot read by itself",
    "proof_too_weak": "the source keeps no checksum that gives the proof asked for; ask for a weaker one",
    "refused": "the example says what the store refused",
    "restore_limit": "restoring them would pass the limits of the job; raise those in a new job",
    "server_fault": "the store failed again and again; retry later",
    "source_unstable": "the objects were changed while they were copied; retry copies them as they are now",
    "tags_denied": "allow the credentials to read tags (s3:GetObjectTagging), or leave out --tags",
    "tags_not_allowed": "copy them with --metadata rename or exclude, or without --tags",
    "throttled": "the store asked for fewer requests all the time; retry later, or with fewer agents",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureGroup:
    """All objects that failed for one reason."""

    reason: str
    tally: Tally
    example: Outcome

    @property
    def hint(self) -> str:
        """What may help; empty for a reason that has none."""
        return HINTS.get(self.reason, "")

    def to_json(self) -> dict[str, Any]:
        """Return the group as the JSON API has it."""
        return {
            "reason": self.reason,
            "objects": self.tally.objects,
            "bytes": self.tally.size_bytes,
            "hint": self.hint,
            "example": {
                "key": self.example.key,
                "blob": self.example.blob,
                "detail": self.example.detail,
                "attempts": self.example.attempts,
            },
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """The groups, the largest first; when not everything was read, the counts are those of what was."""

    groups: tuple[FailureGroup, ...] = ()
    is_complete: bool = True

    def to_json(self) -> dict[str, Any]:
        """Return the groups as the JSON API has them."""
        return {
            "schema": FAILURES_SCHEMA,
            "complete": self.is_complete,
            "groups": [group.to_json() for group in self.groups],
        }


def group_failures(fleet: Fleet, job_id: JobId) -> Failures:
    """Return what failed so far, by reason, out of the first documents that hold a failure."""
    groups: dict[str, FailureGroup] = {}
    documents = 0
    for item in fleet.ledger.list_items(job_id):
        if not (item.outcome_fence and item.totals.failed.objects):
            continue
        if documents == MOST_DOCUMENTS:
            return Failures(groups=_sorted(groups), is_complete=False)
        documents += 1
        for outcome in fleet.ledger.read_outcomes(job_id, item.number, item.outcome_fence):
            if outcome.result is Result.FAILED:
                groups[outcome.reason] = _with(groups.get(outcome.reason), outcome)
    return Failures(groups=_sorted(groups))


def _with(group: FailureGroup | None, outcome: Outcome) -> FailureGroup:
    tally = Tally(objects=1, size_bytes=outcome.size_bytes)
    if group is None:
        return FailureGroup(reason=outcome.reason, tally=tally, example=outcome)
    return FailureGroup(reason=group.reason, tally=group.tally + tally, example=group.example)


def _sorted(groups: dict[str, FailureGroup]) -> tuple[FailureGroup, ...]:
    return tuple(sorted(groups.values(), key=lambda group: (-group.tally.objects, group.reason)))
