"""Copying a range of the blocks of one large file; whoever completes the last range commits the file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from awcopy.errors import Conflict, StorageError, TransientError
from awcopy.ledger.base import EXTEND_LIMIT
from awcopy.model.items import BlockRange, FileState, LargeFile
from awcopy.model.outcome import Totals
from awcopy.planning.blocks import BlockPlan, PinnedFile
from awcopy.planning.metadata import may_refuse
from awcopy.planning.overwrite import Act
from awcopy.planning.pieces import cover_blocks, in_order
from awcopy.planning.proofs import plan_proof
from awcopy.steps.copy_files import CAREFUL_AFTER, check_passing, record_outcomes
from awcopy.steps.list_objects import range_item
from awcopy.steps.restore import Attempt, wait_for_restores
from awcopy.transfer.blocks import combine_pieces, stage_blocks, staged_pieces
from awcopy.transfer.engine import ENDS_THE_ITEM, fail_object, finish_file, look_at_sink, look_at_source
from awcopy.transfer.properties import check_properties

if TYPE_CHECKING:
    from collections.abc import Callable

    from awcopy.model.job import Job
    from awcopy.steps.context import StepContext
    from awcopy.steps.lease import Lease
    from awcopy.transfer.context import Transfer


# Attempts at a range, passing failures and lost workers together, after which its file is given up.
CRASHES_PER_RANGE = 2 * CAREFUL_AFTER


def copy_blocks(context: StepContext, job: Job, lease: Lease) -> None:
    """Stage the item's blocks; commit the file if they were its last.

    The first range decides, before anything is read, whether the file is copied at all, and only then adds
    the items of the other ranges. A file has one owner, the item that records its outcome: the one that
    recorded the last range's CRC, or the first one that met trouble; the row in the ledger says which.
    """
    at = lease.item.range
    assert isinstance(at, BlockRange)  # noqa: S101 - an item of this kind has no other kind of range
    transfer = context.transfer(job, lease)
    file = context.fleet.ledger.get_file(job.id, at.file)
    if lease.item.attempts > CRASHES_PER_RANGE:
        file = take_ownership(context, lease, file)
        _record_crash(context, transfer, file, lease)
        return
    if file.state is FileState.PLANNED:
        file = _open_file(context, transfer, file, lease)
    if at.index == 0 and not file.outcome_item:
        _add_ranges(context, lease, file)
    if not file.outcome_item:
        file = _copy_range(context, transfer, file, at, lease)
    if file.outcome_item == lease.item.number:
        outcome = finish_file(transfer, _pin(file))
        outcomes = [outcome]
        check_passing(lease, outcomes)
        if not wait_for_restores(context, job, lease, Attempt(transfer, [file.object], outcomes, [])):
            record_outcomes(context, lease, outcomes, listed_bytes=file.object.size_bytes)
    else:
        lease.complete(Totals(), has_outcomes=False)


def take_ownership(context: StepContext, lease: Lease, file: LargeFile) -> LargeFile:
    """Make the leased item the file's owner unless the file has one, and return the file as it is then."""
    number = lease.item.number

    def own(row: LargeFile) -> LargeFile:
        return row if row.outcome_item else replace(row, outcome_item=number)

    return _change(context, lease, file, own)


def _record_crash(context: StepContext, transfer: Transfer, file: LargeFile, lease: Lease) -> None:
    if file.outcome_item != lease.item.number:
        lease.complete(Totals(), has_outcomes=False)
        return
    detail = "each time its blocks were copied, the worker that did it died"
    outcome = fail_object(transfer, file.object, "crashed_worker", detail)
    record_outcomes(context, lease, [outcome], listed_bytes=file.object.size_bytes)


def _open_file(context: StepContext, transfer: Transfer, file: LargeFile, lease: Lease) -> LargeFile:
    try:
        act = look_at_sink(transfer, file.object, file.blob).act
        spec = transfer.job.spec
        if act is Act.COPY and (spec.require_proof or may_refuse(spec)):
            head = look_at_source(transfer, _pin(file))
            plan_proof(spec, head, reads_all=False)
            check_properties(transfer, head, file.object)
    except StorageError as error:
        if _is_for_later(error, lease):
            raise
        act = None  # the owner meets it again and makes it the file's outcome
    owner = 0 if act is Act.COPY else lease.item.number

    def open_row(row: LargeFile) -> LargeFile:
        if row.state is FileState.OPEN:
            return row
        return replace(row, state=FileState.OPEN, outcome_item=owner)

    return _change(context, lease, file, open_row)


def _add_ranges(context: StepContext, lease: Lease, file: LargeFile) -> None:
    plan = _plan(file)
    while True:
        at = lease.item.range
        assert isinstance(at, BlockRange)  # noqa: S101 - as above
        end = min(at.next_index + EXTEND_LIMIT, plan.ranges)
        if at.next_index >= end:
            return
        added = [range_item(file.job_id, file.number, index, plan) for index in range(at.next_index, end)]
        mark = replace(at, next_index=end)
        lease.extend(lambda item, mark=mark: replace(item, range=mark), added, [])  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
        context.hint(file.job_id, [item.number for item in added])


def _copy_range(
    context: StepContext, transfer: Transfer, file: LargeFile, at: BlockRange, lease: Lease
) -> LargeFile:
    pinned = _pin(file)
    number = lease.item.number
    indexes = range(at.first, at.end)
    try:
        # Only an item that was begun before can have blocks at the sink already.
        known = staged_pieces(transfer, pinned) if lease.item.fence > 1 else {}
        staged, missing = cover_blocks(known, indexes)
        staged |= stage_blocks(transfer, pinned, missing)
    except StorageError as error:
        if _is_for_later(error, lease):
            raise
        # Whatever it is, the owner meets it again and makes it the file's outcome.
        return take_ownership(context, lease, file)
    crc = combine_pieces(pinned, in_order(staged, indexes))

    def record(row: LargeFile) -> LargeFile:
        range_crcs = (*row.range_crcs[: at.index], crc, *row.range_crcs[at.index + 1 :])
        is_last = None not in range_crcs and not row.outcome_item
        return replace(row, range_crcs=range_crcs, outcome_item=number if is_last else row.outcome_item)

    return _change(context, lease, file, record)


def _is_for_later(error: StorageError, lease: Lease) -> bool:
    """Return whether the item is to be done again, so that the file stays shared among its ranges."""
    may_pass = isinstance(error, TransientError) and lease.item.attempts <= CAREFUL_AFTER
    return may_pass or isinstance(error, ENDS_THE_ITEM)


def _change(
    context: StepContext, lease: Lease, file: LargeFile, change: Callable[[LargeFile], LargeFile]
) -> LargeFile:
    while True:
        changed = change(file)
        if changed == file:
            return file
        try:
            return lease.update_file(changed)
        except Conflict:
            file = context.fleet.ledger.get_file(file.job_id, file.number)


def _plan(file: LargeFile) -> BlockPlan:
    return BlockPlan(
        size_bytes=file.object.size_bytes,
        block_size_bytes=file.block_size_bytes,
        blocks=file.blocks,
        blocks_per_range=file.blocks_per_range,
    )


def _pin(file: LargeFile) -> PinnedFile:
    return PinnedFile(object=file.object, blob=file.blob, plan=_plan(file))
