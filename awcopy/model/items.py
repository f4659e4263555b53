"""Work items: what one task does, and who holds it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from awcopy.errors import IllegalMove
from awcopy.model.job import JobId
from awcopy.model.objects import SourceObject
from awcopy.model.outcome import Outcome, Result, Totals

FIRST_ITEM = 1
LAST_ITEM = 10**12 - 1


class ItemKind(StrEnum):
    """What an item's task does; also the last word of the Celery task's name."""

    LIST_OBJECTS = "list_objects"
    COPY_FILES = "copy_files"
    COPY_BLOCKS = "copy_blocks"
    DELETE_OBJECTS = "delete_objects"  # a batch that is copied, at the source; see ``Item.is_deleting``


class ItemState(StrEnum):
    """Where an item stands."""

    READY = "ready"  # anyone may claim it
    WAITING = "waiting"  # nobody may before its ``not_before``; then ``reconcile`` makes it ready
    LEASED = "leased"  # one worker holds it until ``lease_until``, and renews that
    DONE = "done"  # its outcomes are recorded; it changes only if it is opened again


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRange:
    """A range of keys to list, how far it has come, and the item numbers that belong to it."""

    after: str = ""  # the next page begins above this key
    before: str = ""  # keys below this one belong to the range; empty: to the end
    token: str = ""  # the source's continuation token for the next page, where one is at hand
    planned_to: str = ""  # of the next page, objects up to and including this key are planned already
    planned_version: str = ""  # in a listing of versions: up to and including this one of that key
    planned_at: datetime | None = None  # and this is its date; a key's versions come newest first
    sink_token: str = ""  # of a sync: the sink's page in which the join stands
    sink_after: str = ""  # of a sync: blobs up to and including this name are joined
    next_number: int = FIRST_ITEM + 1
    last_number: int = LAST_ITEM


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockRange:
    """A run of blocks of one large file: ``first`` up to, not including, ``end``."""

    file: int
    index: int  # which of the file's ranges this is, from 0
    first: int
    end: int
    next_index: int = 1  # in the first range: the next range of the file that has no item yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Which outcomes of an earlier run of an item are to be replaced; all others stay."""

    fence: int  # the claim that recorded them
    reason: str = ""  # only objects that failed for this reason; empty: all that failed

    def takes(self, outcome: Outcome) -> bool:
        """Return whether the object of this outcome is to be tried again."""
        return outcome.result is Result.FAILED and self.reason in ("", outcome.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Careful:
    """Where an item that kills its worker stands; written before each object, to know the culprit."""

    index: int  # of the object in the item's manifest
    tries: int = 1  # how often work on this object was begun
    crashed: tuple[int, ...] = ()  # objects that are not tried again


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One row of the ledger's table of work items."""

    job_id: JobId
    number: int
    kind: ItemKind
    state: ItemState = ItemState.READY
    objects: int = 0  # planned, known for copy_files
    size_bytes: int = 0
    manifest_fence: int = 0  # the claim of the list item under which the manifest was written
    range: ListRange | BlockRange | None = None
    fence: int = 0  # counts the claims; whoever claimed last holds the item
    attempts: int = 0  # claims that were not given back in good order
    agent: int = -1
    generation: int = 0
    lease_until: datetime | None = None
    not_before: datetime | None = None  # of a waiting item
    restore_until: datetime | None = None  # objects that are not restored by then fail
    totals: Totals = field(default_factory=Totals)
    outcome_fence: int = 0  # which claim's outcome document counts; 0: none
    retry: Retry | None = None  # set when failed objects of a done item are to be tried again
    careful: Careful | None = None  # set while an item that keeps killing its worker goes object by object
    is_deleting: bool = False  # its objects are copied, and what may be is now deleted at the source
    version: str = ""  # the ledger's ETag of this row

    @property
    def task(self) -> ItemKind:
        """What the item's task does now."""
        return ItemKind.DELETE_OBJECTS if self.is_deleting else self.kind


class FileState(StrEnum):
    """Where a large file stands."""

    PLANNED = "planned"  # nobody has looked at it yet
    OPEN = "open"  # it is to be copied, and its ranges have items; or it has an owner that skips it


@dataclass(frozen=True, slots=True, kw_only=True)
class LargeFile:
    """A file whose blocks are spread over several items, and what they have staged so far."""

    job_id: JobId
    number: int
    object: SourceObject
    blob: str
    block_size_bytes: int
    blocks: int
    blocks_per_range: int
    state: FileState = FileState.PLANNED
    range_crcs: tuple[int | None, ...] = ()  # by range index; None until its last block is staged
    outcome_item: int = 0  # the file's owner: the item that holds, or will hold, its one outcome
    version: str = ""


def claim(item: Item, *, agent: int, generation: int, now: datetime, lease_s: float) -> Item:
    """Return the item as held by an agent; write it with the version that was read, or not at all.

    Raises:
        IllegalMove: The item is not ready.
    """
    if item.state is not ItemState.READY:
        raise IllegalMove(f"item {item.number} is {item.state}, not ready")
    return replace(
        item,
        state=ItemState.LEASED,
        agent=agent,
        generation=generation,
        fence=item.fence + 1,
        attempts=item.attempts + 1,
        lease_until=now + timedelta(seconds=lease_s),
    )


def give_back(item: Item, *, attempts: int | None = None) -> Item:
    """Return the item as ready for anyone; without a number of attempts, the present one is not counted."""
    return replace(
        item,
        state=ItemState.READY,
        agent=-1,
        lease_until=None,
        attempts=max(0, item.attempts - 1) if attempts is None else attempts,
    )


def put_off(
    item: Item, until: datetime, *, restore_until: datetime, totals: Totals, retry: Retry | None
) -> Item:
    """Return the item as waiting; the attempt is not counted, and ``retry`` says what is then done again."""
    return replace(
        give_back(item),
        state=ItemState.WAITING,
        not_before=until,
        restore_until=restore_until,
        totals=_recorded(totals, item.number, item.fence),
        retry=retry,
    )


def wake(item: Item) -> Item:
    """Return a waiting item as ready."""
    return replace(item, state=ItemState.READY, not_before=None)


def open_for_deletion(item: Item) -> Item:
    """Return a done item as ready to delete at the source what it copied.

    Its totals and the outcomes that it has recorded stand until the deletion has recorded others.

    Raises:
        IllegalMove: The item is not done.
    """
    if item.state is not ItemState.DONE:
        raise IllegalMove(f"item {item.number} is {item.state}, not done")
    return replace(item, state=ItemState.READY, is_deleting=True, attempts=0)


def complete(item: Item, totals: Totals, *, has_outcomes: bool) -> Item:
    """Return the item as done with its totals; its outcomes are those written under the present fence."""
    return replace(
        item,
        state=ItemState.DONE,
        agent=-1,
        lease_until=None,
        totals=_recorded(totals, item.number, item.fence) if has_outcomes else totals,
        outcome_fence=item.fence if has_outcomes else 0,
        retry=None,
        careful=None,
        restore_until=None,
    )


def _recorded(totals: Totals, number: int, fence: int) -> Totals:
    return (
        replace(totals, failures=totals.failures.recorded(number, fence))
        if totals.failures.counts
        else totals
    )
