"""Trying again what failed in a job: how much that is, and the items that are to be done again for it.

An item that is to be done again keeps its totals and its outcomes until it is. So whenever this is cut short,
or comes late, the job's sums and its report are right.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from awcopy.errors import Conflict
from awcopy.model.items import FIRST_ITEM, ItemState, Retry

if TYPE_CHECKING:
    from awcopy.jobs.fleet import Fleet
    from awcopy.model.items import Item
    from awcopy.model.job import Job
    from awcopy.model.outcome import Totals

log = structlog.get_logger(__name__)


def count_failed(fleet: Fleet, job: Job, reason: str) -> int:
    """Return how many objects of a job that has ended failed for a reason, or at all if it is empty."""
    if job.totals.are_failures_counted:
        return _count_counted(job.totals, reason)
    return sum(_count(fleet, item, reason) for item in fleet.ledger.list_items(job.id))


def reopen_failed(fleet: Fleet, job: Job) -> None:
    """Make the items ready in which objects failed that the job is to try again; may be called again."""
    reason = job.retry_reason or ""
    for item in fleet.ledger.list_items(job.id, states=(ItemState.DONE, ItemState.READY)):
        if not _count(fleet, item, reason):
            continue
        retry = Retry(fence=item.outcome_fence, reason=reason)
        try:
            again = replace(item, state=ItemState.READY, is_deleting=False, retry=retry, attempts=0)
            fleet.ledger.update_item(again)
        except Conflict:
            log.info("item_changed_meanwhile", item=item.number)


def reopen_deletion(fleet: Fleet, job: Job) -> None:
    """Let a job that deletes at the source come to that again, when everything is copied; may be called again."""
    first = fleet.ledger.get_item(job.id, FIRST_ITEM)
    if first is None or not first.is_deleting or first.state is not ItemState.DONE:
        return
    try:
        fleet.ledger.update_item(replace(first, is_deleting=False))
    except Conflict:
        log.info("item_changed_meanwhile", item=first.number)


def _count(fleet: Fleet, item: Item, reason: str) -> int:
    if item.totals.are_failures_counted:
        return _count_counted(item.totals, reason)
    retry = Retry(fence=item.outcome_fence, reason=reason)
    return sum(map(retry.takes, fleet.ledger.read_outcomes(item.job_id, item.number, item.outcome_fence)))


def _count_counted(totals: Totals, reason: str) -> int:
    return sum(count.tally.objects for count in totals.failures.counts if reason in ("", count.reason))
