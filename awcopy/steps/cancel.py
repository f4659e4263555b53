"""Settling what a cancelled job has not done: every listed object still gets its one outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from awcopy.errors import AwcopyError, Conflict, LeaseLost
from awcopy.model.items import BlockRange, Item, ItemKind, ItemState, claim, wake
from awcopy.model.outcome import Totals
from awcopy.steps.copy_blocks import take_ownership
from awcopy.steps.copy_files import read_objects, record_outcomes, split_retried
from awcopy.steps.delete_objects import cancel_deletion
from awcopy.steps.lease import Lease
from awcopy.transfer.engine import cancel_object

if TYPE_CHECKING:
    from awcopy.model.job import Job
    from awcopy.steps.context import StepContext
    from awcopy.transfer.context import Transfer

log = structlog.get_logger(__name__)

_CANCELLER = -1  # no agent's place
_RENEW_AFTER = 50  # looks at the sink


def cancel_items(context: StepContext, job: Job) -> None:
    """Settle every item of the job that nobody holds; those that are held are given back before long."""
    for item in context.fleet.ledger.list_items(job.id, states=(ItemState.READY, ItemState.WAITING)):
        try:
            _cancel_item(context, job, item)
        except (Conflict, LeaseLost):
            continue  # somebody else settles it


def _cancel_item(context: StepContext, job: Job, item: Item) -> None:
    ledger = context.fleet.ledger
    free = wake(item) if item.state is ItemState.WAITING else item
    claimed = claim(
        free, agent=_CANCELLER, generation=job.generation, now=ledger.now(), lease_s=context.lease_s
    )
    lease = Lease(ledger, ledger.update_item(claimed), lease_s=context.lease_s)
    if item.kind is ItemKind.LIST_OBJECTS:
        lease.complete(item.totals, has_outcomes=False)  # what was not listed is not counted
    elif item.is_deleting:
        cancel_deletion(context, lease, _open(context, job, lease))
    elif item.kind is ItemKind.COPY_FILES:
        _cancel_files(context, job, lease)
    else:
        _cancel_blocks(context, job, lease)


def _cancel_files(context: StepContext, job: Job, lease: Lease) -> None:
    kept, objects = split_retried(context, job, lease, read_objects(context, lease))
    was_begun = lease.item.fence > 1
    transfer = _open(context, job, lease) if was_begun else None
    cancelled = []
    for index, obj in enumerate(objects, start=1):
        cancelled.append(cancel_object(job, obj, transfer, was_begun=was_begun))
        if was_begun and index % _RENEW_AFTER == 0:
            lease.renew()
    record_outcomes(context, lease, [*kept, *cancelled], listed_bytes=lease.item.size_bytes)


def _cancel_blocks(context: StepContext, job: Job, lease: Lease) -> None:
    at = lease.item.range
    assert isinstance(at, BlockRange)  # noqa: S101 - an item of this kind has no other kind of range
    file = take_ownership(context, lease, context.fleet.ledger.get_file(job.id, at.file))
    if file.outcome_item != lease.item.number:
        lease.complete(Totals(), has_outcomes=False)
        return
    outcome = cancel_object(job, file.object, _open(context, job, lease), was_begun=True)
    record_outcomes(context, lease, [outcome], listed_bytes=file.object.size_bytes)


def _open(context: StepContext, job: Job, lease: Lease) -> Transfer | None:
    """Return what a look at the sink needs; None with credentials that cannot be opened or used any more."""
    try:
        return context.transfer(job, lease)
    except AwcopyError as error:
        log.warning("stores_not_opened", job_id=job.id, error=error.code)
        return None
