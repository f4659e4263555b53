"""The estimate: what was counted, at the prices of a table, with all that had to be assumed. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from awcopy.cost.assumptions import PROGRAMMES, list_assumptions
from awcopy.cost.book import USUAL_TIER, Book, Terms
from awcopy.cost.charges import (
    Charge,
    copy_charges,
    early_deletion_charges,
    list_charges,
    move_charges,
    request_parts,
    restore_charges,
    restored_copy_charges,
)
from awcopy.cost.prices import Kind, Prices
from awcopy.cost.usage import ClassUsage, Usage
from awcopy.model.objects import ARCHIVED_CLASSES
from awcopy.model.outcome import Route
from awcopy.model.spec import Archived, JobSpec
from awcopy.planning.proofs import is_thorough
from awcopy.planning.route import SMALLEST_BYTES, may_copy_server_side

_LEAST_SAVING_USD = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockChoice:
    """What one block size would cost in requests at both stores."""

    block_size_bytes: int
    reads: int  # GETs and HEADs at S3
    writes: int  # at Azure
    usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What copying the counted objects costs, in US dollars at list prices."""

    origin: str
    seen: tuple[str, str]  # the oldest and the newest date of a price that was used
    region: str
    azure_region: str
    tier: str
    usage: Usage
    charges: tuple[Charge, ...]
    beside: tuple[Charge, ...]  # in no total: what restoring or deleting would cost, where the job does not
    blocks: tuple[BlockChoice, ...]
    assumptions: tuple[str, ...]
    programmes: tuple[str, ...] = PROGRAMMES

    @property
    def total_usd(self) -> Decimal:
        """The sum of the charges."""
        return sum((charge.usd for charge in self.charges), Decimal(0))

    @property
    def without_egress_usd(self) -> Decimal:
        """What is left where egress is free."""
        return sum((charge.usd for charge in self.charges if charge.code != "egress"), Decimal(0))

    @property
    def cheaper_block(self) -> BlockChoice | None:
        """The block size that saves most, the smallest of equals; None when that is less than a cent."""
        best = min(self.blocks, key=lambda each: (each.usd, each.block_size_bytes))
        return best if self.saving_usd(best) >= _LEAST_SAVING_USD else None

    def saving_usd(self, choice: BlockChoice) -> Decimal:
        """Return what a block size saves against the one that was asked for."""
        chosen = next(each for each in self.blocks if each.block_size_bytes == self.usage.block_size_bytes)
        return chosen.usd - choice.usd


def start_usage(prices: Prices, spec: JobSpec, now: datetime) -> Usage:
    """Return a count with nothing in it yet, that knows the job's routes and the table's least days and bytes."""
    smallest = SMALLEST_BYTES if spec.route is Route.AUTO else 1
    return Usage(
        block_size_bytes=spec.block_size_bytes,
        server_from_bytes=smallest if may_copy_server_side(spec) else None,
        may_read_twice=is_thorough(spec),
        restores=spec.archived is Archived.RESTORE,
        deletes=spec.deletion is not None,
        now=now,
        least_days=prices.least(Kind.S3_LEAST_DAYS),
        least_bytes=prices.least(Kind.S3_LEAST_BYTES),
    )


def estimate_copy(usage: Usage, prices: Prices, terms: Terms) -> Estimate:
    """Return what copying the counted objects costs.

    Unless the job restores them, archived objects are in no total, since the copy leaves them alone; what their
    restore and their copy would cost stands beside. So does what deleting all objects early would cost, unless the
    job is a move: then it counts, of what is copied.
    """
    book = Book(prices, terms)
    archived = {name: used for name, used in sorted(usage.classes.items()) if name in ARCHIVED_CLASSES}
    copied = {
        name: used for name, used in usage.classes.items() if usage.restores or name not in ARCHIVED_CLASSES
    }
    charges = [
        *copy_charges(book, copied, usage.block_size_bytes, terms.sent_bytes),
        *list_charges(book, usage),
    ]
    beside: list[Charge] = []
    if usage.restores:
        charges += restore_charges(book, archived)
    else:
        moved = sum(used.size_bytes for used in copied.values())
        beside += restore_charges(book, archived)
        beside += restored_copy_charges(book, archived, usage.block_size_bytes, terms.sent_bytes + moved)
    if usage.deletes:
        charges += move_charges(book, copied)
    else:
        beside += early_deletion_charges(book, usage.classes)
    return Estimate(
        origin=prices.origin,
        seen=(min(book.dates), max(book.dates)),
        region=book.region,
        azure_region=book.azure_region,
        tier=terms.tier or USUAL_TIER,
        usage=usage,
        charges=tuple(charges),
        beside=tuple(beside),
        blocks=tuple(_block_choice(book, copied, size) for size in usage.block_sizes),
        assumptions=tuple(list_assumptions(usage, book)),
    )


def _block_choice(book: Book, classes: Mapping[str, ClassUsage], block_size: int) -> BlockChoice:
    return BlockChoice(
        block_size_bytes=block_size,
        reads=sum(used.requests_of(block_size).reads for used in classes.values()),
        writes=sum(used.requests_of(block_size).writes for used in classes.values()),
        usd=sum((part.usd for part in request_parts(book, classes, block_size)), Decimal(0)),
    )
