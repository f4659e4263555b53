"""The sink's side of a sync: read beside the source's listing, so that nothing is asked of what is unchanged."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from awcopy.errors import RequestRefused
from awcopy.model.items import Item, ItemKind, ItemState, ListRange
from awcopy.model.outcome import Tally, Totals, tally_outcomes
from awcopy.planning.alongside import Alongside, sink_prefix
from awcopy.planning.extras import ExtraFinder, lists_in_order
from awcopy.planning.filters import compile_selection
from awcopy.planning.naming import blob_of
from awcopy.planning.overwrite import Act, decide_overwrite
from awcopy.transfer.context import run_each
from awcopy.transfer.engine import settle_unread, skip_object
from awcopy.transfer.pruning import has_object

if TYPE_CHECKING:
    from collections.abc import Sequence

    from awcopy.ledger.base import Ledger
    from awcopy.model.job import Job
    from awcopy.model.objects import BlobHead, SourceObject
    from awcopy.model.outcome import Outcome
    from awcopy.planning.alongside import Fetch
    from awcopy.steps.context import StepContext
    from awcopy.steps.lease import Lease

EXTRAS_PER_ITEM = 1000


class Join:
    """Objects as they are listed, each beside the blob of its name.

    A store that lists in an order of its own costs a look at the sink for each name that comes too late, by
    the item that would copy it; nothing is ever settled by the lack of a blob.
    """

    def __init__(self, context: StepContext, job: Job, lease: Lease, fetch: Fetch) -> None:
        self._context = context
        self._job = job
        self._lease = lease
        at = _range(lease)
        is_pruning = job.spec.pruning is not None
        self._blobs = Alongside(
            fetch, on_passed=self._note if is_pruning else None, token=at.sink_token, after=at.sink_after
        )
        self._extras: list[Outcome] = []
        self._foreign_sizes: list[int] = []
        self._finder = ExtraFinder(job)
        self._is_selected = compile_selection(job.spec.selection, job.spec.source.prefix)
        self._name = ""
        self._blob: BlobHead | None = None

    def takes(self, obj: SourceObject) -> bool:
        """Return whether the job's selection takes the object; its blob is joined in any case."""
        self._name = blob_of(self._job.spec, obj)
        self._blob = self._blobs.find(self._name)
        return self._is_selected(obj)

    def settle(self, obj: SourceObject) -> Outcome | None:
        """Return the outcome of the object that was taken last, if it needs no work; decided as for a copy."""
        if self._blob is None or settle_unread(self._job, obj, self._name):
            return None
        decision = decide_overwrite(self._job, obj, self._blob)
        return skip_object(obj, self._name, decision.reason) if decision.act is Act.SKIP else None

    def drain(self) -> None:
        """Come to the end of the sink's listing, if blobs that no object stands for are wanted."""
        if self._job.spec.pruning:
            while self._blobs.pass_some(EXTRAS_PER_ITEM):
                self._lease.check()
            self.flush()

    def flush(self) -> None:
        """Write the extra blobs that were met as an item that is done until they are to be deleted."""
        extras, self._extras = self._extras, []
        if extras and not lists_in_order(self._job.spec):
            # A name that was passed may come yet: the source itself is asked.
            transfer = self._context.transfer(self._job, self._lease)
            is_there = run_each(transfer, lambda one: has_object(transfer, one), extras)
            extras = [one for one, there in zip(extras, is_there, strict=True) if not there]
        if not extras:
            return
        number = _range(self._lease).next_number
        child = settled_item(self._context.fleet.ledger, self._lease.item, number, extras)
        mark, found = replace(self.mark(_range(self._lease)), next_number=number + 1), self.take_found()
        self._lease.extend(lambda item: replace(item, range=mark, totals=item.totals + found), [child], [])

    def _note(self, blob: BlobHead) -> None:
        if self._finder.is_foreign(blob):
            self._foreign_sizes.append(blob.size_bytes)
        elif extra := self._finder.find(blob):
            self._extras.append(extra)
            if len(self._extras) >= EXTRAS_PER_ITEM:
                self.flush()

    def take_found(self) -> Totals:
        """Return what was met of others' blobs since the last call; to be written together with the mark."""
        sizes, self._foreign_sizes = self._foreign_sizes, []
        return Totals(foreign=Tally(objects=len(sizes), size_bytes=sum(sizes)))

    def mark(self, at: ListRange) -> ListRange:
        """Return the range with the place at which the join stands now."""
        return replace(at, sink_token=self._blobs.token, sink_after=self._blobs.joined)


def open_join(context: StepContext, job: Job, lease: Lease) -> Join:
    """Return the join of a leased list item, where the one before it stood."""
    _, sink = context.stores_of(job)
    retrier = context.retrier(lease.check)
    prefix = sink_prefix(job.spec)

    def fetch(token: str) -> tuple[Sequence[BlobHead], str]:
        try:
            page = retrier.call(lambda: sink.list_page(prefix, token=token))
        except RequestRefused:
            if not token:
                raise
            # A marker may be forgotten after a while; what is joined is then read once more, and passed over.
            page = retrier.call(lambda: sink.list_page(prefix))
        return page.blobs, page.token

    return Join(context, job, lease, fetch)


def settled_item(ledger: Ledger, lister: Item, number: int, settled: list[Outcome]) -> Item:
    """Return an item that is done from the start: what it holds needs no work."""
    ledger.write_outcomes(lister.job_id, number, lister.fence, settled)
    return Item(
        job_id=lister.job_id,
        number=number,
        kind=ItemKind.COPY_FILES,
        state=ItemState.DONE,
        objects=len(settled),
        size_bytes=sum(outcome.size_bytes for outcome in settled),
        totals=tally_outcomes(settled),
        fence=lister.fence,  # so that whoever claims it, to delete, writes a document of its own
        outcome_fence=lister.fence,
    )


def _range(lease: Lease) -> ListRange:
    at = lease.item.range
    assert isinstance(at, ListRange)  # noqa: S101 - a list item has no other kind of range
    return at
