"""How a page of listed objects is packed into work items."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from awcopy.model.outcome import Tally
from awcopy.units import MIB

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from awcopy.model.objects import SourceObject
    from awcopy.model.outcome import Outcome

MAX_PACK_BYTES = 256 * MIB

# Rows of the ledger that one pack and one large file cost: an item, and an item with its file.
_PACK_ROWS = 1
_LARGE_ROWS = 2


@dataclass(slots=True)
class Batch:
    """What consecutive keys of a listing turn into, all written to the ledger at once."""

    last: SourceObject
    packs: list[list[SourceObject]] = field(default_factory=list)  # none is empty
    large: list[SourceObject] = field(default_factory=list)
    settled: list[Outcome] = field(default_factory=list)  # of objects that need no work
    listed_sizes: list[int] = field(default_factory=list)
    excluded_sizes: list[int] = field(default_factory=list)
    pack_bytes: int = 0  # of the last pack

    @property
    def listed(self) -> Tally:
        """What the selection took in."""
        return Tally(objects=len(self.listed_sizes), size_bytes=sum(self.listed_sizes))

    @property
    def excluded(self) -> Tally:
        """What it left out."""
        return Tally(objects=len(self.excluded_sizes), size_bytes=sum(self.excluded_sizes))

    @property
    def objects(self) -> int:
        """How many objects of the listing it is made of."""
        return len(self.listed_sizes) + len(self.excluded_sizes)

    @property
    def rows(self) -> int:
        """The number of rows that the batch adds to the ledger."""
        return _PACK_ROWS * (len(self.packs) + bool(self.settled)) + _LARGE_ROWS * len(self.large)

    def add_small(self, obj: SourceObject, files_per_pack: int) -> None:
        """Put an object into the last pack, or into a new one when it does not fit."""
        fits = (
            self.packs
            and len(self.packs[-1]) < files_per_pack
            and self.pack_bytes + obj.size_bytes <= MAX_PACK_BYTES
        )
        if not fits:
            self.packs.append([])
            self.pack_bytes = 0
        self.packs[-1].append(obj)
        self.pack_bytes += obj.size_bytes


def pack_objects(
    objects: Iterable[SourceObject],
    *,
    is_selected: Callable[[SourceObject], bool],
    settle: Callable[[SourceObject], Outcome | None],
    is_large: Callable[[SourceObject], bool],
    files_per_pack: int,
    most_rows: int,
) -> Iterator[Batch]:
    """Yield batches of at most ``most_rows`` rows that together hold every object once, in listed order.

    What ``settle`` returns an outcome for needs no work. A pack holds at most ``files_per_pack`` objects and
    256 MiB, or a single object of any size. No batch is yielded for no objects. Of each object
    ``is_selected`` is asked first, then the others, before the next object is looked at.
    """
    batch: Batch | None = None
    for obj in objects:
        if batch is None or batch.rows + _LARGE_ROWS > most_rows:
            if batch:
                yield batch
            batch = Batch(last=obj)
        batch.last = obj
        if not is_selected(obj):
            batch.excluded_sizes.append(obj.size_bytes)
            continue
        batch.listed_sizes.append(obj.size_bytes)
        if outcome := settle(obj):
            batch.settled.append(outcome)
        elif is_large(obj):
            batch.large.append(obj)
        else:
            batch.add_small(obj, files_per_pack)
    if batch:
        yield batch
