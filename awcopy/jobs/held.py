"""What the agents of a job do at this moment: the items that they hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from awcopy.model.items import BlockRange, Item, ItemState, ListRange
from awcopy.units import format_size, say_count

if TYPE_CHECKING:
    from awcopy.jobs.fleet import Fleet
    from awcopy.model.job import JobId

MOST_HELD = 1_000  # the most agents that a job may have


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldItem:
    """One item that an agent holds, in words that are the same for every kind."""

    item: Item

    @property
    def does(self) -> str:
        """What is done, for a person."""
        match self.item.range:
            case BlockRange(file=file, first=first, end=end):
                return f"copies blocks {first} to {end - 1} of large file {file}"
            case ListRange(after=after):
                return "lists keys" if not after else "lists more keys"
            case _:
                return "copies files"

    def to_json(self) -> dict[str, Any]:
        """Return the item as the JSON API has it."""
        until = self.item.lease_until
        return {
            "agent": self.item.agent,
            "item": self.item.number,
            "kind": self.item.kind.value,
            "does": self.does,
            "objects": self.item.objects,
            "bytes": self.item.size_bytes,
            "attempts": self.item.attempts,
            "generation": self.item.generation,
            "lease_until": until.isoformat() if until else None,
        }


def say_what_it_holds(item: Item) -> str:
    """Return what is in an item, for people and without a key: ``500 files, 12.0 MiB``; nothing of a listing."""
    match item.range:
        case BlockRange(file=file, first=first, end=end):
            return f"blocks {first} to {end - 1} of large file {file}, {format_size(item.size_bytes)}"
        case ListRange():
            return ""
        case _:
            return f"{say_count(item.objects, 'file')}, {format_size(item.size_bytes)}"


def list_held(fleet: Fleet, job_id: JobId) -> list[HeldItem]:
    """Return the items that agents hold, by agent."""
    held = fleet.ledger.list_items(job_id, states=(ItemState.LEASED,), limit=MOST_HELD)
    return sorted((HeldItem(item=item) for item in held), key=lambda one: (one.item.agent, one.item.number))
