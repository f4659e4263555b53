"""What failed in a job, grouped by reason: how much, one example of each, and what may help."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from awcopy.model.outcome import FailureCount, FailureCounts, Outcome, Result, Tally, Totals, tally_outcomes

if TYPE_CHECKING:
    from awcopy.jobs.fleet import Fleet
    from awcopy.model.job import JobId

FAILURES_SCHEMA = "awcopy.failures/1"
# Of items that an older awcopy recorded, which did not count by reason, no more documents are read for one answer.
MOST_DOCUMENTS = 100
_MOST_EXAMPLES = 256

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
    "wrong_blob_left": "these blobs hold wrong bytes, and could not be emptied: delete them, then retry",
    "throttled": "the store asked for fewer requests all the time; retry later, or with fewer agents",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureGroup:
    """All objects that failed for one reason."""

    count: FailureCount
    example: Outcome | None  # None when it cannot be looked up

    @property
    def reason(self) -> str:
        """The reason."""
        return self.count.reason

    @property
    def hint(self) -> str:
        """What may help; empty for a reason that has none."""
        return HINTS.get(self.reason, "")

    def to_json(self) -> dict[str, Any]:
        """Return the group as the JSON API has it."""
        one = self.example
        return {
            "reason": self.reason,
            "objects": self.count.tally.objects,
            "bytes": self.count.tally.size_bytes,
            "hint": self.hint,
            "example": one
            and {"key": one.key, "blob": one.blob, "detail": one.detail, "attempts": one.attempts},
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


class Examples:
    """One outcome for each reason, looked up once: what a claim has recorded never changes. Safe for many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[JobId, FailureCount], Outcome] = OrderedDict()

    def find(self, fleet: Fleet, job_id: JobId, count: FailureCount) -> Outcome | None:
        """Return the first outcome with the reason in the document that the count names."""
        key = job_id, replace(count, tally=Tally())
        with self._lock:
            if found := self._known.get(key):
                self._known.move_to_end(key)
                return found
        outcomes = fleet.ledger.read_outcomes(job_id, count.item, count.fence) if count.item else []
        found = next((one for one in outcomes if _is(one, count.reason)), None)
        if found:
            with self._lock:
                self._known[key] = found
                while len(self._known) > _MOST_EXAMPLES:
                    self._known.popitem(last=False)
        return found


def group_failures(fleet: Fleet, job_id: JobId, totals: Totals, examples: Examples | None = None) -> Failures:
    """Return what failed so far, by reason, the job's totals being these.

    Args:
        fleet: Where the job is.
        job_id: The job.
        totals: Its totals at this moment.
        examples: What was looked up before.
    """
    examples = examples or Examples()
    counts, is_complete = totals.failures, True
    if not totals.are_failures_counted:
        counts, is_complete = _count_failures(fleet, job_id)
    groups = [
        FailureGroup(count=count, example=examples.find(fleet, job_id, count)) for count in counts.counts
    ]
    groups.sort(key=lambda group: (-group.count.tally.objects, group.reason))
    return Failures(groups=tuple(groups), is_complete=is_complete)


def _count_failures(fleet: Fleet, job_id: JobId) -> tuple[FailureCounts, bool]:
    """Return the counts of all items, those that have none read from the first documents; and whether all were."""
    counts, documents = FailureCounts(), 0
    for item in fleet.ledger.list_items(job_id):
        if item.totals.are_failures_counted:
            counts += item.totals.failures
        elif documents == MOST_DOCUMENTS:
            return counts, False
        elif item.outcome_fence:
            documents += 1
            outcomes = fleet.ledger.read_outcomes(job_id, item.number, item.outcome_fence)
            counts += tally_outcomes(outcomes).failures.recorded(item.number, item.outcome_fence)
    return counts, True


def _is(outcome: Outcome, reason: str) -> bool:
    return outcome.result is Result.FAILED and outcome.reason == reason
