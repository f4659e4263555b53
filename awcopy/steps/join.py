"""The sink's side of a sync: read beside the source's listing, so that nothing is asked of what is unchanged."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from awcopy.errors import RequestRefused
from awcopy.model.items import ListRange
from awcopy.planning.alongside import Alongside, sink_prefix
from awcopy.planning.filters import compile_selection
from awcopy.planning.naming import blob_name
from awcopy.planning.overwrite import Act, decide_overwrite
from awcopy.transfer.engine import settle_unread, skip_object

if TYPE_CHECKING:
    from collections.abc import Sequence

    from awcopy.model.job import Job
    from awcopy.model.objects import BlobHead, SourceObject
    from awcopy.model.outcome import Outcome
    from awcopy.steps.context import StepContext
    from awcopy.steps.lease import Lease


class Join:
    """Objects as they are listed, each beside the blob of its name.

    A store that lists in an order of its own costs a look at the sink for each name that comes too late, by
    the item that would copy it; nothing is ever settled by the lack of a blob.
    """

    def __init__(self, job: Job, blobs: Alongside) -> None:
        self._job = job
        self._blobs = blobs
        self._is_selected = compile_selection(job.spec.selection, job.spec.source.prefix)
        self._name = ""
        self._blob: BlobHead | None = None

    def takes(self, obj: SourceObject) -> bool:
        """Return whether the job's selection takes the object; its blob is joined in any case."""
        self._name = blob_name(self._job.spec, obj.key)
        self._blob = self._blobs.find(self._name)
        return self._is_selected(obj)

    def settle(self, obj: SourceObject) -> Outcome | None:
        """Return the outcome of the object that was taken last, if it needs no work; decided as for a copy."""
        if self._blob is None or settle_unread(self._job, obj, self._name):
            return None
        decision = decide_overwrite(self._job, obj, self._blob)
        return skip_object(obj, self._name, decision.reason) if decision.act is Act.SKIP else None

    def mark(self, at: ListRange) -> ListRange:
        """Return the range with the place at which the join stands now."""
        return replace(at, sink_token=self._blobs.token, sink_after=self._blobs.joined)


def open_join(context: StepContext, job: Job, lease: Lease) -> Join:
    """Return the join of a leased list item, where the one before it stood."""
    _, sink = context.stores_of(job)
    retrier = context.retrier(lease.check)
    prefix, at = sink_prefix(job.spec), lease.item.range
    assert isinstance(at, ListRange)  # noqa: S101 - a list item has no other kind of range

    def fetch(token: str) -> tuple[Sequence[BlobHead], str]:
        try:
            page = retrier.call(lambda: sink.list_page(prefix, token=token))
        except RequestRefused:
            if not token:
                raise
            # A marker may be forgotten after a while; what is joined is then read once more, and passed over.
            page = retrier.call(lambda: sink.list_page(prefix))
        return page.blobs, page.token

    return Join(job, Alongside(fetch, token=at.sink_token, after=at.sink_after))
