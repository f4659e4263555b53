"""Listing a range of keys: every page becomes work items, and the range remembers how far it has come."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from itertools import accumulate, chain
from typing import TYPE_CHECKING

from awcopy.errors import RequestRefused, StorageError
from awcopy.ledger.base import EXTEND_LIMIT
from awcopy.model.items import BlockRange, Item, ItemKind, ItemState, LargeFile, ListRange
from awcopy.model.outcome import Totals
from awcopy.model.spec import Versions
from awcopy.planning.blocks import LARGE_FILE_BYTES, BlockPlan, plan_blocks
from awcopy.planning.filters import compile_selection
from awcopy.planning.naming import blob_of
from awcopy.planning.packing import pack_objects
from awcopy.planning.splitting import find_split
from awcopy.source.base import ListPage
from awcopy.steps.join import open_join, settled_item
from awcopy.transfer.engine import settle_unread

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from awcopy.ledger.base import Ledger
    from awcopy.model.job import Job, JobId
    from awcopy.model.objects import SourceObject
    from awcopy.model.spec import JobSpec
    from awcopy.planning.packing import Batch
    from awcopy.source.base import Source
    from awcopy.steps.context import StepContext
    from awcopy.steps.join import Join
    from awcopy.steps.lease import Lease

PAGES_PER_TURN = 50  # then the range is given back, so that a listing never holds its task for long
PAGES_PER_SPLIT = 5  # so many are listed before it is asked whether others should help, and again
PAGES_AT_ONCE = 5  # of a sync are planned together: as many objects as the sink lists in a page
LEAST_NUMBERS = 10**9  # of items, that each part of a split range keeps for what it will find
_NEXT = "\0"  # what a text goes on with to be the next one after it


def list_objects(context: StepContext, job: Job, lease: Lease) -> None:
    """List the item's range, or a stretch of it, and write what it holds as work items.

    Every write moves the range's own mark in the same transaction, so that a key is planned exactly once
    however often the step is interrupted and done again.

    Raises:
        StorageError: The source cannot be listed; nothing after the last write was planned.
    """
    source, _ = context.stores_of(job)
    retrier = context.retrier(lease.check)
    join = open_join(context, job, lease) if job.spec.sync else None
    # Little of a sync is to be copied as a rule, so that most agents wait for its end in any case. A store with an
    # order of its own is asked for a page again by its mark alone, and the less is asked again the better.
    at_once = PAGES_AT_ONCE if join and job.spec.source.is_amazon else 1
    for number in range(1, PAGES_PER_TURN // at_once + 1):
        lease.check()
        at = _range(lease)
        pages = [retrier.call(lambda at=at: _next_page(source, job.spec, at))]  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
        if at.token:
            pages += _pages_after(source, job.spec, at, pages[0], most=at_once - 1, check=lease.check)
        _plan_pages(context, job, lease, pages, join)
        if _is_last(pages[-1], at):
            if join:
                join.drain()
            totals = lease.item.totals + join.take_found() if join else lease.item.totals
            lease.complete(totals, has_outcomes=False)
            return
        following = _following(_range(lease), pages[-1])
        # A page further, the attempts before it are forgotten: a long listing may outlive many workers.
        lease.save(lambda item, following=following: replace(item, range=following, attempts=1))  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
        if number % PAGES_PER_SPLIT == 0 and _is_to_split(context, job, following):
            _split(
                context, job, lease, lambda above: retrier.call(lambda: _first_above(source, job.spec, above))
            )
    lease.give_back()
    context.hint(job.id, [lease.item.number])


def _range(lease: Lease) -> ListRange:
    at = lease.item.range
    assert isinstance(at, ListRange)  # noqa: S101 - a list item has no other kind of range
    return at


def _is_last(page: ListPage, at: ListRange) -> bool:
    return not page.token or (bool(at.before) and any(obj.key >= at.before for obj in page.objects))


def _pages_after(
    source: Source, spec: JobSpec, at: ListRange, page: ListPage, *, most: int, check: Callable[[], None]
) -> list[ListPage]:
    """Return the pages after one that are planned with it. What fails now is tried again as the first of the next."""
    pages: list[ListPage] = []
    while len(pages) < most and not _is_last(page, at):
        check()
        at = _following(replace(at, planned_to=""), page)
        try:
            page = _next_page(source, spec, at)
        except StorageError:
            break
        if not page.objects:
            break
        pages.append(page)
    return pages


def _next_page(source: Source, spec: JobSpec, at: ListRange) -> ListPage:
    prefix = spec.source.prefix
    if spec.versions is Versions.ALL:
        return source.list_versions(prefix, token=at.token)
    try:
        return source.list_page(prefix, after=at.after, token=at.token)
    except RequestRefused:
        if not at.token:
            raise
        return source.list_page(prefix, after=at.after)  # some stores forget their tokens after a while


def _plan_pages(
    context: StepContext, job: Job, lease: Lease, pages: Sequence[ListPage], join: Join | None
) -> None:
    at = _range(lease)
    parts = [_unplanned(pages[0], at), *(page.objects for page in pages[1:])]
    ends = list(accumulate(map(len, parts)))
    batches = pack_objects(
        [obj for obj in chain.from_iterable(parts) if not at.before or obj.key < at.before],
        is_selected=join.takes if join else compile_selection(job.spec.selection, job.spec.source.prefix),
        settle=join.settle if join else _settle_nothing,
        is_large=lambda obj: _is_large(job, obj),
        files_per_pack=job.spec.files_per_task,
        most_rows=EXTEND_LIMIT,
    )
    planned = 0
    for batch in batches:
        planned += batch.objects
        # The page that is asked for again after a crash is the one in which this batch ends: no more is compared.
        page = bisect_left(ends, planned)
        before = pages[page - 1] if page else None
        begin = _following(replace(_range(lease), planned_to=""), before) if before else _range(lease)
        _write_batch(context, job, lease, batch, begin, join)


def _is_to_split(context: StepContext, job: Job, at: ListRange) -> bool:
    """Return whether other agents lack work, and could list a part of the range.

    Only what Amazon lists is known to come in the order in which keys compare here. The sink's side of a sync is
    read from its beginning on, and so are versions.
    """
    spec = job.spec
    if not spec.source.is_amazon or spec.sync or spec.versions is Versions.ALL or at.planned_to:
        return False
    if at.last_number - at.next_number < 2 * LEAST_NUMBERS:
        return False
    ready = context.fleet.ledger.list_items(job.id, states=(ItemState.READY,), limit=spec.agents)
    return sum(1 for _ in ready) < spec.agents


def _split(context: StepContext, job: Job, lease: Lease, first_above: Callable[[str], str]) -> None:
    """Make the upper part of the range an item of its own, in the transaction that takes it from this one."""
    at = _range(lease)

    def within(above: str) -> str:
        found = first_above(above)
        return "" if at.before and found >= at.before else found

    split = find_split(at.after, job.spec.source.prefix, within)
    if not split:
        return
    middle = (at.next_number + at.last_number) // 2
    upper = replace(at, after=split, token="", next_number=middle + 1)
    lower = replace(at, before=split + _NEXT, last_number=middle - 1)
    child = Item(job_id=job.id, number=middle, kind=ItemKind.LIST_OBJECTS, range=upper)
    lease.extend(lambda item: replace(item, range=lower), [child], [])
    context.hint(job.id, [middle])


def _first_above(source: Source, spec: JobSpec, above: str) -> str:
    try:
        found = source.list_page(spec.source.prefix, after=above, limit=1).objects
    except RequestRefused:  # then the range is not split, and listed all the same
        return ""
    return found[0].key if found else ""


def _settle_nothing(_obj: SourceObject) -> None:
    return None


def _following(at: ListRange, page: ListPage) -> ListRange:
    """Return the range with its next page after this one, which is planned.

    A page that is asked for again may end earlier than it did, because keys were added before its end. What
    was planned beyond that is remembered, or it would be planned twice.
    """
    if not page.objects:
        return replace(at, token=page.token)
    last = page.objects[-1].key
    following = replace(at, after=last, token=page.token)
    if at.planned_to >= last and not any(_is_mark(obj, at) for obj in page.objects):
        return following
    return replace(following, planned_to="", planned_version="", planned_at=None)


def _unplanned(page: ListPage, at: ListRange) -> tuple[SourceObject, ...]:
    """Return the objects of a page that come after what is planned of it, in the order of the source.

    Some stores list in an order of their own, so that the place of the key decides; only when the object is
    gone by now does the key itself.
    """
    if not at.planned_to:
        return page.objects
    for index, obj in enumerate(page.objects):
        if _is_mark(obj, at):
            return page.objects[index + 1 :]
    return tuple(obj for obj in page.objects if _is_after_mark(obj, at))


def _is_mark(obj: SourceObject, at: ListRange) -> bool:
    return obj.key == at.planned_to and at.planned_version in ("", obj.version_id)


def _is_after_mark(obj: SourceObject, at: ListRange) -> bool:
    if obj.key == at.planned_to and at.planned_at:
        # If the mark's own version is gone, one of the same date may be planned twice; none is lost.
        return obj.modified_at <= at.planned_at
    return obj.key > at.planned_to


def _is_large(job: Job, obj: SourceObject) -> bool:
    # What has to be restored first waits as a whole, in an item of its own if it is large.
    may_be_large = obj.size_bytes > LARGE_FILE_BYTES and not obj.is_archived
    return may_be_large and settle_unread(job, obj, blob_of(job.spec, obj)) is None


def _write_batch(
    context: StepContext, job: Job, lease: Lease, batch: Batch, begin: ListRange, join: Join | None
) -> None:
    if join:
        join.flush()
    at = replace(_range(lease), after=begin.after, token=begin.token)
    number = at.next_number
    children: list[Item] = []
    if batch.settled:
        children.append(settled_item(context.fleet.ledger, lease.item, number, batch.settled))
        number += 1
    files: list[LargeFile] = []
    for pack in batch.packs:
        children.append(_files_item(context.fleet.ledger, lease.item, number, pack))
        number += 1
    for obj in batch.large:
        plan = plan_blocks(obj.size_bytes, job.spec.block_size_bytes, job.spec.agents)
        files.append(_large_file(job, number, obj, plan))
        children.append(range_item(job.id, number, 0, plan))
        number += 1 + plan.ranges
    # The page's own beginning stays until all of it is planned, so that the same page can be asked for again.
    mark = replace(_mark(at, batch.last), next_number=number)
    mark = join.mark(mark) if join else mark
    found = Totals(listed=batch.listed, excluded=batch.excluded)
    found = found + join.take_found() if join else found
    lease.extend(lambda item: replace(item, range=mark, totals=item.totals + found), children, files)
    context.hint(job.id, [child.number for child in children if child.state is ItemState.READY])


def _mark(at: ListRange, last: SourceObject) -> ListRange:
    """Return the range with everything planned up to and including this object."""
    if not last.version_id:
        return replace(at, planned_to=last.key)
    return replace(at, planned_to=last.key, planned_version=last.version_id, planned_at=last.modified_at)


def _files_item(ledger: Ledger, lister: Item, number: int, pack: list[SourceObject]) -> Item:
    # Under the lister's own fence, so that one that was frozen and woke up writes over nobody's manifest.
    ledger.write_manifest(lister.job_id, number, pack, fence=lister.fence)
    return Item(
        job_id=lister.job_id,
        number=number,
        manifest_fence=lister.fence,
        kind=ItemKind.COPY_FILES,
        objects=len(pack),
        size_bytes=sum(obj.size_bytes for obj in pack),
    )


def _large_file(job: Job, number: int, obj: SourceObject, plan: BlockPlan) -> LargeFile:
    return LargeFile(
        job_id=job.id,
        number=number,
        object=obj,
        blob=blob_of(job.spec, obj),
        block_size_bytes=plan.block_size_bytes,
        blocks=plan.blocks,
        blocks_per_range=plan.blocks_per_range,
        range_crcs=(None,) * plan.ranges,
    )


def range_item(job_id: JobId, file_number: int, index: int, plan: BlockPlan) -> Item:
    """Return the item of one range of a large file; the file's number decides its own."""
    blocks = plan.range_blocks(index)
    return Item(
        job_id=job_id,
        number=file_number + 1 + index,
        kind=ItemKind.COPY_BLOCKS,
        size_bytes=plan.range_bytes(index),
        range=BlockRange(file=file_number, index=index, first=blocks.start, end=blocks.stop),
    )
