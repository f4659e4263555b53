"""What the items of a job add up to, shared by all who look at it.

Reading every item of a large job takes seconds, so the processes of a fleet do it in turn, the more rarely
the longer it takes, and show each other what they found: all at one moment, so that it adds up.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from awcopy.errors import AwcopyError
from awcopy.ledger.codec import dump_record, load_record
from awcopy.model.items import ItemKind, ItemState
from awcopy.model.outcome import Totals

if TYPE_CHECKING:
    from collections.abc import Callable

    from awcopy.jobs.fleet import Fleet
    from awcopy.model.job import JobId

# Sums are shared when they took longer than this to find: some hundred items at Azure.
_SHARED_ABOVE_S = 0.2
# So many times as long as it takes to find sums they are shown, before somebody finds them anew.
_SHOWN_TIMES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """The items of a job at one moment."""

    totals: Totals
    open_items: int = 0
    busy_agents: int = 0
    waiting_items: int = 0
    ready_items: int = 0
    first_ready: int = 0  # the number of the first item that is ready; 0: none
    is_listing: bool = False
    is_deleting: bool = False
    seconds: float = 0.0  # that it took to find this


def sum_items(fleet: Fleet, job_id: JobId, clock: Callable[[], float] = time.monotonic) -> Sums:
    """Return the sums of a job's items: of this moment, or of a large job those that somebody found lately."""
    shared = _recall(fleet, job_id)
    if shared and not _is_due(fleet, job_id, shared):
        return shared
    begun = clock()
    sums = _sum(fleet, job_id)
    sums = replace(sums, seconds=clock() - begun)
    # Once they are shared they stay so, or others would be shown older ones after these.
    if shared or sums.seconds > _SHARED_ABOVE_S:
        _remember(fleet, job_id, sums)
    return sums


def _sum(fleet: Fleet, job_id: JobId) -> Sums:
    totals, open_items, busy, waiting, listing, deleting = Totals(), 0, 0, 0, False, False
    ready = first_ready = 0
    for item in fleet.ledger.list_items(job_id):
        totals += item.totals
        if item.state is not ItemState.DONE:
            open_items += 1
            if item.state is ItemState.READY:
                ready += 1
                first_ready = first_ready or item.number
            busy += item.state is ItemState.LEASED
            waiting += item.state is ItemState.WAITING
            listing = listing or item.task is ItemKind.LIST_OBJECTS
            deleting = deleting or item.is_deleting
    return Sums(
        totals=totals,
        open_items=open_items,
        busy_agents=busy,
        waiting_items=waiting,
        ready_items=ready,
        first_ready=first_ready,
        is_listing=listing,
        is_deleting=deleting,
    )


def _recall(fleet: Fleet, job_id: JobId) -> Sums | None:
    """Return the sums that are shared, or None."""
    text = fleet.ask_live(lambda live: live.recall(job_id))
    try:
        return load_record(Sums, text) if text else None
    except AwcopyError:  # another version wrote it: the ledger is asked instead
        return None


def _is_due(fleet: Fleet, job_id: JobId, shared: Sums) -> bool:
    """Return whether it is this caller's turn to find the sums anew."""
    is_turn = fleet.ask_live(lambda live: live.once_every(f"sum:{job_id}", _SHOWN_TIMES * shared.seconds))
    return is_turn is not False


def _remember(fleet: Fleet, job_id: JobId, sums: Sums) -> None:
    fleet.ask_live(lambda live: live.remember(job_id, dump_record(sums)))
