"""What a job deletes at the source: whether anything at all, and which objects are kept, and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from awcopy.model.outcome import UNCHANGED, AtSource, Result
from awcopy.planning.metadata import STAMP_MODIFIED, is_stamped_by, is_stamped_with, read_notices, read_proof

if TYPE_CHECKING:
    from awcopy.model.job import Job
    from awcopy.model.objects import BlobHead, ObjectHead
    from awcopy.model.outcome import Outcome, Totals
    from awcopy.model.spec import Deletion

FAILURES = "failures"
MAX_DELETE = "max_delete"
# A listing and a HEAD may round an object's date differently.
_SAME_MOMENT = timedelta(seconds=1)
_METADATA_MISSING = "metadata_missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """Why nothing is deleted."""

    code: str
    detail: str


def find_guard(deletion: Deletion, totals: Totals) -> Guard | None:
    """Return what keeps a job from deleting anything, once everything is copied; None when nothing does."""
    if totals.failed.objects and not deletion.despite_failures:
        failed = (
            f"{totals.failed.objects} objects failed" if totals.failed.objects > 1 else "an object failed"
        )
        return Guard(code=FAILURES, detail=f"nothing was deleted at the source, because {failed}")
    most = deletion.most
    if most is not None and totals.deletable.objects > most:
        count = totals.deletable.objects
        detail = (
            f"nothing was deleted at the source: {count} objects are more than --max-delete {most} allows"
        )
        return Guard(code=MAX_DELETE, detail=detail)
    return None


def is_to_open(job: Job, totals: Totals) -> bool:
    """Return whether the job, or one of its items, holds anything to be deleted, at the side at which it deletes."""
    if job.spec.pruning:
        return totals.extra.objects > 0
    return job.spec.deletion is not None and totals.deletable.objects > 0


def may_go(outcome: Outcome) -> bool:
    """Return whether the object's copy is there, so that it is looked at whether it can be deleted."""
    is_there = outcome.result is Result.COPIED or (
        outcome.result is Result.SKIPPED and outcome.reason == UNCHANGED
    )
    return is_there and outcome.at_source is not AtSource.DELETED


def why_blob_does_not_do(job: Job, outcome: Outcome, blob: BlobHead | None) -> str:
    """Return why the sink's blob does not show that the object is safe there, or nothing when it does.

    The blob must still be there and say of itself that it is a copy of this very object: by this job, or,
    where it was left alone as unchanged, by an earlier one, whose proof it names.
    """
    if blob is None:
        return "blob_missing"
    is_copied = outcome.result is Result.COPIED
    if not is_stamped_with(blob, outcome) or (is_copied and not is_stamped_by(blob, job.id)):
        return "blob_differs"
    proof = outcome.proof if is_copied else read_proof(blob.metadata)[0]
    if job.spec.deletion is None or proof.is_weaker_than(job.spec.deletion.weakest_proof):
        return "proof_too_weak"
    if any(notice.startswith(_METADATA_MISSING) for notice in read_notices(blob.metadata)):
        return _METADATA_MISSING
    return ""


def is_still(outcome: Outcome, head: ObjectHead, blob: BlobHead) -> bool:
    """Return whether the source still holds what was copied, its metadata included.

    S3 keeps the ETag when only the metadata is written anew, but not the date.
    """
    is_same = head.etag == outcome.etag and head.size_bytes == outcome.size_bytes
    return is_same and abs(head.modified_at - _modified_at(blob, head.modified_at)) < _SAME_MOMENT


def _modified_at(blob: BlobHead, otherwise: datetime) -> datetime:
    try:
        stamped = datetime.fromisoformat(blob.metadata[STAMP_MODIFIED])
    except (KeyError, ValueError):
        return otherwise
    return stamped if stamped.tzinfo else otherwise
