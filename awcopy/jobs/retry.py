"""Trying again what failed in a job: how much that is, and the items that are to be done again for it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from awcopy.errors import Conflict
from awcopy.model.items import ItemState, Retry
from awcopy.model.outcome import tally_outcomes

if TYPE_CHECKING:
    from awcopy.jobs.fleet import Fleet
    from awcopy.model.items import Item
    from awcopy.model.job import Job, JobId
    from awcopy.model.outcome import Outcome

log = structlog.get_logger(__name__)


def count_failed(fleet: Fleet, job_id: JobId, reason: str) -> int:
    """Return how many objects of the job failed for a reason, or at all if it is empty."""
    return sum(len(_split(fleet, item, reason)[1]) for item in fleet.ledger.list_items(job_id))


def reopen_failed(fleet: Fleet, job: Job) -> None:
    """Make the items ready in which objects failed that the job is to try again; may be called again."""
    for item in fleet.ledger.list_items(job.id, states=(ItemState.DONE,)):
        kept, again = _split(fleet, item, job.retry_reason or "")
        if not again:
            continue
        reopened = replace(
            item,
            state=ItemState.READY,
            retry=Retry(fence=item.outcome_fence, reason=job.retry_reason or ""),
            attempts=0,
            totals=replace(tally_outcomes(kept), listed=item.totals.listed),
            outcome_fence=0,
        )
        try:
            fleet.ledger.update_item(reopened)
        except Conflict:
            log.info("item_reopened_already", item=item.number)


def _split(fleet: Fleet, item: Item, reason: str) -> tuple[list[Outcome], list[Outcome]]:
    """Return the item's outcomes that stay, and those of objects that are to be tried again."""
    if not item.totals.failed.objects:
        return [], []
    retry = Retry(fence=item.outcome_fence, reason=reason)
    outcomes = fleet.ledger.read_outcomes(item.job_id, item.number, item.outcome_fence)
    again = [outcome for outcome in outcomes if retry.takes(outcome)]
    return [outcome for outcome in outcomes if not retry.takes(outcome)], again
