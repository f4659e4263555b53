"""Deleting at the source what was copied, or at the sink what is extra: the job's second phase, over the same items.

Each item is opened again for it, and records its outcomes anew, with what became of the objects at the source.
The first item opens all the others, so that the job has one place that says how far it has come.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from awcopy.errors import Conflict, ConnectionLost
from awcopy.model.items import ItemKind, ItemState, open_for_deletion
from awcopy.model.outcome import AtSource, Result, tally_outcomes
from awcopy.planning.deletion import is_to_open, may_go
from awcopy.steps.copy_files import CAREFUL_AFTER, PASSING
from awcopy.transfer.context import run_each
from awcopy.transfer.deletion import delete_object, keep_object, settle_deletion
from awcopy.transfer.pruning import prune_blob, settle_pruning

if TYPE_CHECKING:
    from collections.abc import Iterable

    from awcopy.model.items import Item
    from awcopy.model.job import Job
    from awcopy.model.outcome import Outcome
    from awcopy.steps.context import StepContext
    from awcopy.steps.lease import Lease
    from awcopy.transfer.context import Transfer

_OPENED_AT_ONCE = 500
_RENEW_AFTER = 50  # looks at the source


def delete_objects(context: StepContext, job: Job, lease: Lease) -> None:
    """Delete at the source what the item copied, object by object; of the first item, open the others for it.

    May be done again at any point: what is gone by then counts as deleted.
    """
    if lease.item.kind is ItemKind.LIST_OBJECTS:
        _open_items(context, job, lease)
        return
    transfer = context.transfer(job, lease)
    delete = prune_blob if job.spec.pruning else delete_object
    outcomes = run_each(transfer, lambda one: delete(transfer, one), _outcomes(context, lease))
    _check_passing(lease, outcomes)
    _record(context, lease, outcomes)


def cancel_deletion(context: StepContext, lease: Lease, transfer: Transfer | None) -> None:
    """Record of an item that was opened for deletion what has been deleted by now, and keep the rest."""
    was_begun = lease.item.fence > lease.item.outcome_fence + 1
    settled = []
    for index, outcome in enumerate(_outcomes(context, lease), start=1):
        if was_begun:
            settled.append(settle_pruning(transfer, settle_deletion(transfer, outcome)))
        else:
            settled.append(keep_object(outcome, "cancelled") if may_go(outcome) else outcome)
        if was_begun and index % _RENEW_AFTER == 0:
            lease.renew()
    _record(context, lease, settled)


def _outcomes(context: StepContext, lease: Lease) -> list[Outcome]:
    item = lease.item
    return context.fleet.ledger.read_outcomes(item.job_id, item.number, item.outcome_fence)


def _open_items(context: StepContext, job: Job, lease: Lease) -> None:
    transfer = context.transfer(job, lease)
    done = context.fleet.ledger.list_items(job.id, states=(ItemState.DONE,))
    todo = (item for item in done if item.outcome_fence and is_to_open(job, item.totals))
    while some := list(islice(todo, _OPENED_AT_ONCE)):
        run_each(transfer, lambda item: _open(context, item), some)
        context.hint(job.id, [item.number for item in some])
    lease.complete(lease.item.totals, has_outcomes=False)


def _open(context: StepContext, item: Item) -> None:
    try:
        context.fleet.ledger.update_item(open_for_deletion(item))
    except Conflict:
        return  # an earlier attempt has opened it


def _check_passing(lease: Lease, outcomes: Iterable[Outcome]) -> None:
    """Return when the outcomes are to be recorded; raise while some may come out right in another attempt."""
    at_source = sum(one.at_source is AtSource.KEPT and one.source_reason in PASSING for one in outcomes)
    passing = at_source + sum(one.result is Result.KEPT and one.reason in PASSING for one in outcomes)
    if passing and lease.item.attempts <= CAREFUL_AFTER:
        raise ConnectionLost(f"{passing} objects met a failure that may pass")


def _record(context: StepContext, lease: Lease, outcomes: list[Outcome]) -> None:
    item = lease.item
    context.fleet.ledger.write_outcomes(item.job_id, item.number, item.fence, outcomes)
    # What was listed stays as the copying counted it.
    totals = replace(tally_outcomes(outcomes), listed=item.totals.listed)
    lease.complete(totals, has_outcomes=True)
