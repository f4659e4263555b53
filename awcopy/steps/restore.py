"""Restoring archived objects: asking for it within the job's limits, waiting in the ledger, waking what is due.

An item whose objects are being restored is put off: nobody holds it, and no task and no message waits for it.
When it is due, `reconcile` makes it ready again, and whoever claims it tries the objects that were missing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from awcopy.errors import Conflict, ObjectArchived, StorageError
from awcopy.model.items import ItemState, Retry, put_off, wake
from awcopy.model.outcome import Outcome, Result, Tally, tally_outcomes
from awcopy.model.spec import Archived
from awcopy.transfer.context import run_each
from awcopy.transfer.engine import ENDS_THE_ITEM

if TYPE_CHECKING:
    from awcopy.model.job import Job
    from awcopy.model.objects import SourceObject
    from awcopy.steps.context import StepContext
    from awcopy.steps.lease import Lease
    from awcopy.transfer.context import Transfer

log = structlog.get_logger(__name__)

_OVER_LIMIT = "restore_limit"


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of one attempt at an item: an outcome for each object, and those that were settled before."""

    transfer: Transfer
    objects: list[SourceObject]
    outcomes: list[Outcome]  # changed in place where a restore is refused
    kept: list[Outcome]


def wait_for_restores(context: StepContext, job: Job, lease: Lease, attempt: Attempt) -> bool:
    """Have what is archived restored and put the item off; return False when there is nothing to wait for.

    The first time, the objects are counted against the job's limits and asked for. An attempt that was cut
    short counts again, so that a limit may be reached too early, and never too late. Nothing is asked for
    twice later on: a restored copy is kept at least as long as the item is waited for.
    """
    item, now = lease.item, context.fleet.ledger.now()
    if job.spec.archived is not Archived.RESTORE or not any(map(_is_archived, attempt.outcomes)):
        return False
    if item.restore_until is None:
        _request(context, job, attempt)
    until = item.restore_until or now + timedelta(days=job.spec.restore.days)
    waiting = sum(map(_is_archived, attempt.outcomes))
    if not waiting or now >= until:
        _say_too_late(job, attempt)
        return False
    outcomes = [*attempt.kept, *attempt.outcomes]
    context.fleet.ledger.write_outcomes(item.job_id, item.number, item.fence, outcomes)
    settled = tally_outcomes(one for one in outcomes if not _is_archived(one))
    due = min(until, now + timedelta(seconds=context.restore_poll_s))
    retry = Retry(fence=item.fence, reason=ObjectArchived.code)
    lease.put_off(
        lambda row: put_off(
            row, due, restore_until=until, totals=replace(settled, listed=row.totals.listed), retry=retry
        )
    )
    log.info("item_waits_for_restore", item=item.number, objects=waiting)
    return True


def wake_due(context: StepContext, job: Job) -> bool:
    """Make the job's items ready whose time has come; return whether others still wait."""
    ledger = context.fleet.ledger
    now = ledger.now()
    still = False
    for item in ledger.list_items(job.id, states=(ItemState.WAITING,)):
        if item.not_before and item.not_before > now:
            still = True
            continue
        try:
            ledger.update_item(wake(item))
        except Conflict:
            continue  # somebody else did, or the job is being cancelled
        context.hint(job.id, [item.number])
    return still


def _is_archived(outcome: Outcome) -> bool:
    return outcome.result is Result.FAILED and outcome.reason == ObjectArchived.code


def _request(context: StepContext, job: Job, attempt: Attempt) -> None:
    """Ask for what is archived, as far as the limits go; what cannot be asked for gets its outcome.

    What can be read by now is in no state to be restored: it is said to be archived, and tried again when due.
    """
    indexes = [index for index, outcome in enumerate(attempt.outcomes) if _is_archived(outcome)]
    admitted = _reserve(context, job, [attempt.objects[index] for index in indexes])
    for index in indexes[admitted:]:
        detail = "it is archived, and the limit of what may be restored is reached"
        attempt.outcomes[index] = replace(attempt.outcomes[index], reason=_OVER_LIMIT, detail=detail)
    errors = run_each(attempt.transfer, lambda index: _request_one(job, attempt, index), indexes[:admitted])
    for index, error in zip(indexes, errors, strict=False):
        if error:
            attempt.outcomes[index] = replace(
                attempt.outcomes[index], reason=error.code, detail=error.message
            )


def _request_one(job: Job, attempt: Attempt, index: int) -> StorageError | None:
    restore, source = job.spec.restore, attempt.transfer.source
    try:
        attempt.transfer.retrier.call(
            lambda: source.request_restore(attempt.objects[index], tier=restore.tier.value, days=restore.days)
        )
    except ENDS_THE_ITEM:
        raise
    except StorageError as error:
        return error
    return None


def _reserve(context: StepContext, job: Job, objects: list[SourceObject]) -> int:
    """Count objects against the job's limits and return how many of them, from the first on, stay within."""
    ledger, restore = context.fleet.ledger, job.spec.restore
    while True:
        row = ledger.get_job(job.id)
        taken, count = row.restoring, 0
        for obj in objects:
            more = taken + Tally(objects=1, size_bytes=obj.size_bytes)
            is_over = restore.most_objects and more.objects > restore.most_objects
            if is_over or (restore.most_bytes and more.size_bytes > restore.most_bytes):
                break
            taken, count = more, count + 1
        if not count:
            return 0
        try:
            ledger.update_job(replace(row, restoring=taken))
        except Conflict:
            continue
        return count


def _say_too_late(job: Job, attempt: Attempt) -> None:
    detail = f"it was not restored within {job.spec.restore.days} days"
    for index, outcome in enumerate(attempt.outcomes):
        if _is_archived(outcome):
            attempt.outcomes[index] = replace(outcome, detail=detail)
