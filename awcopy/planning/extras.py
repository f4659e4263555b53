"""Which blobs at the sink are extra: copies, by name and stamp, of objects that the source does not have."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from awcopy.model.objects import SourceObject
from awcopy.model.outcome import Outcome, Result
from awcopy.model.spec import NamePolicy
from awcopy.planning.deletion import FAILURES, MAX_DELETE, Guard
from awcopy.planning.filters import compile_selection
from awcopy.planning.metadata import is_copied_from, is_stamped_by
from awcopy.planning.naming import blob_name, key_of

if TYPE_CHECKING:
    from awcopy.model.job import Job
    from awcopy.model.objects import BlobHead
    from awcopy.model.outcome import Totals
    from awcopy.model.spec import JobSpec, Pruning

EMPTY_SOURCE = "empty_source"
_PERCENT = 100


class ExtraFinder:
    """Tells of blobs that the join has passed which of them are extra."""

    def __init__(self, job: Job) -> None:
        self._job = job
        spec, chosen = job.spec, job.spec.selection
        # By names alone: an object that is left out for its date or size is listed, and so its blob is not passed.
        by_name = replace(chosen, newer_than=None, older_than=None, min_size_bytes=None, max_size_bytes=None)
        self._is_selected = compile_selection(by_name, spec.source.prefix)

    def is_foreign(self, blob: BlobHead) -> bool:
        """Return whether the blob is somebody else's: of another source, or without a stamp that names any.

        Such blobs are left alone, unless the job takes them all.
        """
        job = self._job
        if blob.is_directory or (job.spec.pruning is not None and job.spec.pruning.takes_unstamped):
            return False
        return not is_copied_from(blob, job.spec.source, key_of(job.spec, blob.name))

    def find(self, blob: BlobHead) -> Outcome | None:
        """Return the blob as an extra one, with its ETag and the key that it would be a copy of; None if it is none.

        Other people's blobs, and copies from other sources, are none, unless the job takes them; nor are directories,
        blobs that the selection would not have copied, and blobs that this very job has written.
        """
        job, key = self._job, key_of(self._job.spec, blob.name)
        takes_all = job.spec.pruning is not None and job.spec.pruning.takes_unstamped
        is_ours = takes_all or is_copied_from(blob, job.spec.source, key)
        if not is_ours or is_stamped_by(blob, job.id) or blob.is_directory:
            return None
        if not key.startswith(job.spec.source.prefix) or blob_name(job.spec, key) != blob.name:
            return None
        listed = SourceObject(key=key, size_bytes=blob.size_bytes, etag="", modified_at=blob.modified_at)
        if not self._is_selected(listed):
            return None
        detail = "no object stands for this blob"
        return Outcome(
            key=key,
            blob=blob.name,
            result=Result.EXTRA,
            size_bytes=blob.size_bytes,
            etag=blob.etag,
            detail=detail,
        )


def lists_in_order(spec: JobSpec) -> bool:
    """Return whether a name that the join has passed cannot come any more: Amazon lists in order, as it is known."""
    return spec.source.is_amazon and spec.names is NamePolicy.FAIL


def find_pruning_guard(pruning: Pruning, totals: Totals) -> Guard | None:
    """Return what keeps a job from deleting extra blobs, once all else is done; None when nothing does."""
    extra, listed = totals.extra.objects, totals.listed.objects + totals.excluded.objects
    nothing = "nothing was deleted at the destination"
    if totals.failed.objects:
        return Guard(code=FAILURES, detail=f"{nothing}, because objects failed")
    if not listed:
        detail = f"{nothing}: the source is empty, and {extra} blobs are left of what it held"
        return Guard(code=EMPTY_SOURCE, detail=detail)
    if pruning.most is not None and extra > pruning.most:
        detail = f"{nothing}: {extra} extra blobs are more than --max-delete {pruning.most} allows"
        return Guard(code=MAX_DELETE, detail=detail)
    share = _PERCENT * extra / (extra + listed)
    if pruning.most_percent is not None and share > pruning.most_percent:
        allowed = f"--max-delete {pruning.most_percent:g}% allows"
        detail = f"{nothing}: {extra} extra blobs, {share:.1f} % of all names, are more than {allowed}"
        return Guard(code=MAX_DELETE, detail=detail)
    return None
