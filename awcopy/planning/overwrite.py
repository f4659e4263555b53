"""What happens to a blob that is there already, and to objects that are never copied."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from functools import cache
from typing import TYPE_CHECKING

from awcopy.model.objects import ALWAYS, IF_ABSENT, Condition
from awcopy.model.outcome import UNCHANGED
from awcopy.model.spec import Compare, Overwrite
from awcopy.planning.compare import Verdict, judge_checksums
from awcopy.planning.metadata import STAMP_MODIFIED, is_placeholder, is_stamped_by, is_stamped_with

if TYPE_CHECKING:
    from awcopy.model.job import Job
    from awcopy.model.objects import BlobHead, ObjectHead, SourceObject
    from awcopy.model.spec import JobSpec, SinkSpec


# A listing and a HEAD may round an object's date differently.
_SAME_MOMENT = timedelta(seconds=1)

PLACEHOLDER = "placeholder"  # why a blob is replaced whatever the job says about those that are there


class Act(Enum):
    """What to do with one object."""

    COPY = auto()
    SKIP = auto()
    KEEP = auto()  # this very job has copied it already


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do, under which condition at the sink, and why when nothing is copied."""

    act: Act
    condition: Condition = ALWAYS
    reason: str = ""  # of a skip, or PLACEHOLDER
    kept: BlobHead | None = None  # the blob that this job has written, when it is kept


COPY_NEW = Decision(act=Act.COPY, condition=IF_ABSENT)


def decide_overwrite(
    job: Job, obj: SourceObject, blob: BlobHead | None, head: ObjectHead | None = None
) -> Decision:
    """Return what becomes of the object, given the blob that bears its name now.

    The condition makes the sink refuse the write when the blob has changed since it was looked at. A job
    writes each blob once; what it has written stays, also if the object was another when it was listed.
    Without a ``head`` an object that ``needs_head`` counts as changed. A directory of that name is nothing that
    the object could be the same as; the sink refuses to write over it.
    """
    if blob is None or (job.spec.sink.has_directories and blob.is_directory):
        return COPY_NEW
    is_encrypted = _is_encrypted_as_asked(job.spec.sink, blob)
    if is_stamped_by(blob, job.id) and is_encrypted:
        return Decision(act=Act.KEEP, kept=blob)
    match Overwrite.ALWAYS if is_placeholder(blob) else job.spec.overwrite:
        case Overwrite.ALWAYS:
            return _replace(blob)
        case Overwrite.NEVER:
            return _skip("exists")
        case Overwrite.CHANGED | Overwrite.PROMPT:
            is_same = is_encrypted and _is_unchanged(job.spec, obj, blob, head)
            reason = UNCHANGED if is_same else _why_not_approved(job.spec, blob)
            return _skip(reason) if reason else _replace(blob)
        case Overwrite.NEWER:
            is_newer = obj.modified_at > _modified_at(blob)
            return _replace(blob) if is_newer else _skip("not_newer")


@cache
def _skip(reason: str) -> Decision:
    return Decision(act=Act.SKIP, reason=reason)


def _replace(blob: BlobHead) -> Decision:
    reason = PLACEHOLDER if is_placeholder(blob) else ""
    return Decision(act=Act.COPY, condition=Condition(if_match=blob.etag), reason=reason)


def needs_head(job: Job, obj: SourceObject, blob: BlobHead | None) -> bool:
    """Return whether the source has to be asked for the object's checksum before anything can be decided."""
    by_checksum = job.spec.sync is not None and job.spec.sync.compare is Compare.CHECKSUM
    return (
        by_checksum
        and blob is not None
        and blob.size_bytes == obj.size_bytes
        and not is_stamped_by(blob, job.id)
    )


def _why_not_approved(spec: JobSpec, blob: BlobHead) -> str:
    """Return why a blob is not replaced that somebody did not agree to, as it is now; nothing if they did."""
    approval = spec.approval
    was_there = approval.until is not None and blob.modified_at <= approval.until
    is_approved = was_there or blob.etag in approval.etags
    return "" if spec.overwrite is not Overwrite.PROMPT or is_approved else "not_approved"


def _is_unchanged(spec: JobSpec, obj: SourceObject, blob: BlobHead, head: ObjectHead | None) -> bool:
    match spec.sync.compare if spec.sync else Compare.STAMP:
        case Compare.STAMP:
            return _is_same(blob, obj) or (not spec.has_stamps and _seems_same(blob, obj))
        case Compare.SIZE_MTIME:
            return _has_same_date(blob, obj) if STAMP_MODIFIED in blob.metadata else _seems_same(blob, obj)
        case Compare.CHECKSUM:
            if head is None or head.etag != obj.etag:
                return False
            return judge_checksums(obj, head, blob).verdict is Verdict.SAME


def _has_same_date(blob: BlobHead, obj: SourceObject) -> bool:
    is_of_date = abs(_modified_at(blob) - obj.modified_at) < _SAME_MOMENT
    return is_of_date and blob.size_bytes == obj.size_bytes


def _is_same(blob: BlobHead, obj: SourceObject) -> bool:
    if is_stamped_with(blob, obj):
        return True
    same_md5 = bool(blob.content_md5) and blob.content_md5.hex() == obj.etag.lower()
    return same_md5 and blob.size_bytes == obj.size_bytes


def _seems_same(blob: BlobHead, obj: SourceObject) -> bool:
    """Return what can be told without a stamp: a blob of that size was written since the object was."""
    return blob.size_bytes == obj.size_bytes and blob.modified_at >= obj.modified_at


def _is_encrypted_as_asked(sink: SinkSpec, blob: BlobHead) -> bool:
    """Return whether the blob has the encryption that the job asks for; one that asks for none takes any."""
    return sink.encryption_scope in ("", blob.encryption_scope) and sink.key_sha256 in ("", blob.key_sha256)


def _modified_at(blob: BlobHead) -> datetime:
    try:
        stamped = datetime.fromisoformat(blob.metadata[STAMP_MODIFIED])
    except (KeyError, ValueError):
        return blob.modified_at
    return stamped if stamped.tzinfo else blob.modified_at
