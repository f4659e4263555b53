"""The estimate: what was counted, at the prices of a table, with all that had to be assumed.

Pure. Every figure is a sum of parts, quantity times price, so that it can be worked out again by hand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from awcopy.cost.prices import USUAL_AWS_REGION, USUAL_AZURE_REGION, USUAL_CLASS, Kind, Price, Prices
from awcopy.cost.usage import ClassUsage, Usage
from awcopy.model.job import Archived, JobSpec
from awcopy.model.objects import ARCHIVED_CLASSES
from awcopy.model.outcome import Route
from awcopy.planning.blocks import RUN_BYTES
from awcopy.planning.proofs import is_thorough
from awcopy.planning.route import SMALLEST_BYTES, may_copy_server_side
from awcopy.planning.tiers import AUTO, choose_tier
from awcopy.units import GIB, format_size

USUAL_TIER = "Hot"
_MONTH_S = 30 * 86_400  # as a month of storage is taken here; AWS counts the month's own hours
_LEAST_SAVING_USD = Decimal("0.01")

PROGRAMMES = (
    (
        "Leaving AWS: AWS credits the egress of customers who move all their data off AWS, if they ask AWS Support "
        "first (AWS News Blog, 2024-03-05: Free data transfer out to internet when moving out of AWS)."
    ),
    (
        "EU Data Act: customers in the EU get reduced egress rates on request; from 2027-01-12 a provider may charge "
        "nothing for switching away (Regulation (EU) 2023/2854, Article 29)."
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What decides on prices beside the objects. Regions that the table does not have are replaced, and said."""

    region: str = ""  # the bucket's; empty: not known
    azure_region: str = ""
    tier: str = ""  # auto: by storage class; empty: the account's default, taken to be Hot
    sent_bytes: int = 0  # what has left AWS this month already, which is charged first
    is_aws: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Quantity times price: ``quantity / per * price`` dollars."""

    quantity: Decimal
    unit: str  # GB, requests, operations or GB-months
    price: Decimal
    per: int = 1
    name: str = ""  # the storage class or tier, where parts differ by it

    @property
    def usd(self) -> Decimal:
        """The part's cost, not rounded."""
        return self.quantity * self.price / self.per


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """One line of the estimate."""

    code: str  # for programs
    about: str  # for people
    parts: tuple[Part, ...]

    @property
    def usd(self) -> Decimal:
        """The sum of the parts, not rounded."""
        return sum((part.usd for part in self.parts), Decimal(0))


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
    beside: tuple[Charge, ...]  # in no total: what restoring or deleting would cost
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
        now=now,
        least_days=prices.least(Kind.S3_LEAST_DAYS),
        least_bytes=prices.least(Kind.S3_LEAST_BYTES),
    )


def estimate_copy(usage: Usage, prices: Prices, terms: Terms) -> Estimate:
    """Return what copying the counted objects costs.

    Unless the job restores them, archived objects are in no total, since the copy leaves them alone; what their
    restore and their copy would cost stands beside.
    """
    book = _Book(prices, terms)
    archived = {name: used for name, used in sorted(usage.classes.items()) if name in ARCHIVED_CLASSES}
    copied = {
        name: used for name, used in usage.classes.items() if usage.restores or name not in ARCHIVED_CLASSES
    }
    charges = (*_charges(book, usage, copied, terms.sent_bytes), *_listing(book, usage))
    early = tuple(_early_deletion(book, usage))
    if usage.restores:
        charges, beside = (*charges, *_restore(book, archived)), early
    else:
        moved = sum(used.size_bytes for used in copied.values())
        beside = (*_restore(book, archived), *_restored_copy(book, usage, archived, moved), *early)
    return Estimate(
        origin=prices.origin,
        seen=(min(book.dates), max(book.dates)),
        region=book.region,
        azure_region=book.azure_region,
        tier=terms.tier or USUAL_TIER,
        usage=usage,
        charges=charges,
        beside=beside,
        blocks=tuple(_block_choice(book, copied, size) for size in usage.block_sizes),
        assumptions=tuple(_assumptions(usage, terms, book)),
    )


@dataclass(slots=True)
class _Book:
    """The table as one estimate looks prices up in it, with a note of whatever was not there."""

    prices: Prices
    terms: Terms
    notes: dict[str, None] = field(default_factory=dict)  # in order, each once
    dates: set[str] = field(default_factory=set)  # of the prices that were used

    @property
    def region(self) -> str:
        return self.terms.region if self.terms.region in self.prices.places(Kind.EGRESS) else USUAL_AWS_REGION

    @property
    def azure_region(self) -> str:
        known = self.prices.places(Kind.AZURE_WRITE)
        return self.terms.azure_region if self.terms.azure_region in known else USUAL_AZURE_REGION

    def tier(self, storage_class: str) -> str:
        return choose_tier(self.terms.tier, storage_class) or USUAL_TIER

    def aws(self, kind: Kind, name: str = "") -> Decimal:
        """Return a price of the bucket's region, or that of the usual region with a note."""
        # The region itself, also when the table lacks its egress: it may well have its other prices.
        found = self.prices.find(kind, self.terms.region or USUAL_AWS_REGION, name)
        if found is None:
            found = self.prices.find(kind, USUAL_AWS_REGION, name)
            if found is not None and self.terms.is_aws:
                self.notes[
                    f"{_ABOUT[kind]} of {self.terms.region}: the table has none, so {found.place}'s"
                ] = None
        return self._use(found)

    def get(self, storage_class: str) -> Decimal:
        """Return the price of 1,000 GETs of a class; a class that the table does not know counts as STANDARD."""
        if storage_class in self.prices.names(Kind.S3_GET):
            return self.aws(Kind.S3_GET, storage_class)
        self.notes[
            f"storage class {storage_class}: the table does not know it, so priced as {USUAL_CLASS}"
        ] = None
        return self.aws(Kind.S3_GET, USUAL_CLASS)

    def azure(self, kind: Kind, name: str = "") -> Decimal:
        """Return a price of the account's region, or that of the usual region with a note."""
        found = self.prices.find(kind, self.azure_region, name)
        if found is None:
            found = self.prices.find(kind, USUAL_AZURE_REGION, name)
            self.notes[
                f"{_ABOUT[kind]} of {self.azure_region}: the table has none, so {USUAL_AZURE_REGION}'s"
            ] = None
        return self._use(found)

    def _use(self, found: Price | None) -> Decimal:
        """Return the value of a price, its date noted; what has no price anywhere costs nothing."""
        if found is None:
            return Decimal(0)
        self.dates.add(found.seen)
        return found.value

    def egress(self, size_bytes: int, sent_bytes: int) -> tuple[Part, ...]:
        """Return the parts of the egress charge of bytes that leave after others: what is free, then the steps.

        The steps count what is charged, so that the first ends 10,240 GB beyond the free ones, as the
        price list words it: "first 10 TB / month data transfer out beyond the global free tier".
        """
        free = self._use(self.prices.find(Kind.EGRESS_FREE_GB, self.region))
        steps = self.prices.steps(Kind.EGRESS, self.region)
        starts = [Decimal(0), *(free + step.above_gb for step in steps)]
        values = [Decimal(0), *map(self._use, steps)]
        first = Decimal(sent_bytes) / GIB
        last = Decimal(sent_bytes + size_bytes) / GIB
        parts = []
        for index, (start, price) in enumerate(zip(starts, values, strict=True)):
            end = starts[index + 1] if index + 1 < len(starts) else last
            quantity = min(last, end) - max(first, start)
            if quantity > 0:
                parts.append(Part(quantity=quantity, unit="GB", price=price))
        return tuple(parts)


_ABOUT = {
    Kind.S3_LIST: "price of lists",
    Kind.S3_GET: "prices of GETs",
    Kind.S3_RETRIEVAL: "prices of retrieval",
    Kind.S3_RESTORE: "prices of restore requests",
    Kind.S3_STORAGE: "prices of storage",
    Kind.AZURE_WRITE: "prices of Azure writes",
    Kind.AZURE_OTHER: "price of Azure's other operations",
}


def _charges(
    book: _Book, usage: Usage, classes: Mapping[str, ClassUsage], sent_bytes: int
) -> tuple[Charge, ...]:
    """Return what copying the objects of these classes costs, lists and looks at others left out."""
    size = usage.block_size_bytes
    moved = sum(used.size_bytes for used in classes.values())
    retrieval = tuple(
        Part(quantity=_gb(used.size_bytes), unit="GB", price=price, name=name)
        for name, used in sorted(classes.items())
        if name not in ARCHIVED_CLASSES and (price := book.aws(Kind.S3_RETRIEVAL, name))
    )
    return (
        Charge(code="egress", about=f"egress from {book.region}", parts=book.egress(moved, sent_bytes)),
        Charge(code="s3_requests", about="S3 GETs and HEADs", parts=tuple(_requests(book, classes, size))),
        Charge(code="s3_retrieval", about="S3 retrieval", parts=retrieval),
        Charge(code="azure_writes", about="Azure writes", parts=tuple(_writes(book, classes, size))),
        Charge(code="azure_looks", about="Azure looks", parts=(_looks(book, classes, size),)),
    )


def _requests(book: _Book, classes: Mapping[str, ClassUsage], block_size: int) -> Iterable[Part]:
    for name, used in sorted(classes.items()):
        yield _thousand(used.requests_of(block_size).reads, book.get(name), name)


def _writes(book: _Book, classes: Mapping[str, ClassUsage], block_size: int) -> Iterable[Part]:
    """Yield a part for each tier that blobs go to."""
    writes = Counter[str]()
    for name, used in sorted(classes.items()):
        writes[book.tier(name)] += used.requests_of(block_size).writes
    for tier, count in writes.items():
        yield _ten_thousand(count, book.azure(Kind.AZURE_WRITE, tier), tier)


def _looks(book: _Book, classes: Mapping[str, ClassUsage], block_size: int) -> Part:
    looks = sum(used.requests_of(block_size).looks for used in classes.values())
    return _ten_thousand(looks, book.azure(Kind.AZURE_OTHER))


def _block_choice(book: _Book, classes: Mapping[str, ClassUsage], block_size: int) -> BlockChoice:
    parts = [
        *_requests(book, classes, block_size),
        *_writes(book, classes, block_size),
        _looks(book, classes, block_size),
    ]
    return BlockChoice(
        block_size_bytes=block_size,
        reads=sum(used.requests_of(block_size).reads for used in classes.values()),
        writes=sum(used.requests_of(block_size).writes for used in classes.values()),
        usd=sum((part.usd for part in parts), Decimal(0)),
    )


def _listing(book: _Book, usage: Usage) -> Iterable[Charge]:
    yield Charge(code="s3_lists", about="S3 lists", parts=(_thousand(usage.lists, book.aws(Kind.S3_LIST)),))
    if usage.left_alone:
        part = _ten_thousand(usage.left_alone, book.azure(Kind.AZURE_OTHER))
        yield Charge(code="azure_skips", about="Azure looks at what is there", parts=(part,))


def _restore(book: _Book, archived: Mapping[str, ClassUsage]) -> Iterable[Charge]:
    """Yield what restoring the archived objects costs, where there are any."""
    requests = [
        _thousand(used.objects, book.aws(Kind.S3_RESTORE, name), name) for name, used in archived.items()
    ]
    retrieval = [
        Part(quantity=_gb(used.size_bytes), unit="GB", price=book.aws(Kind.S3_RETRIEVAL, name), name=name)
        for name, used in archived.items()
    ]
    if archived:
        about = "restoring what is archived (Standard)"
        yield Charge(code="restore", about=about, parts=(*requests, *retrieval))


def _restored_copy(
    book: _Book, usage: Usage, archived: Mapping[str, ClassUsage], moved_bytes: int
) -> Iterable[Charge]:
    """Yield what copying the archived objects costs, once all the others have been."""
    if archived:
        copying = _charges(book, usage, archived, book.terms.sent_bytes + moved_bytes)
        parts = tuple(part for charge in copying for part in charge.parts)
        yield Charge(code="restored_copy", about="copying what was restored", parts=parts)


def _early_deletion(book: _Book, usage: Usage) -> Iterable[Charge]:
    """Yield what deleting the objects at the source at once would cost, as a move does."""
    parts = tuple(
        Part(
            quantity=Decimal(used.early_byte_seconds) / GIB / _MONTH_S,
            unit="GB-months",
            price=book.aws(Kind.S3_STORAGE, name),
            name=name,
        )
        for name, used in sorted(usage.classes.items())
        if used.early_byte_seconds
    )
    if parts:
        yield Charge(code="early_deletion", about="early deletion, if the source is deleted now", parts=parts)


def _gb(size_bytes: int) -> Decimal:
    return Decimal(size_bytes) / GIB


def _thousand(requests: int, price: Decimal, name: str = "") -> Part:
    return Part(quantity=Decimal(requests), unit="requests", price=price, per=1000, name=name)


def _ten_thousand(operations: int, price: Decimal, name: str = "") -> Part:
    return Part(quantity=Decimal(operations), unit="operations", price=price, per=10_000, name=name)


def _routes(usage: Usage) -> Iterable[str]:
    streamed = f"through workers, in blocks of {format_size(usage.block_size_bytes)}"
    if usage.may_read_twice:
        yield "no object is read a second time for its proof, which costs its egress again (--verify full)"
    if usage.server_from_bytes is None:
        yield f"bytes go {streamed}; nothing has to be tried again"
        return
    yield (
        f"objects of {format_size(usage.server_from_bytes)} and more are read by Azure itself, in runs of "
        f"{format_size(RUN_BYTES)}, the others go {streamed}; nothing has to be tried again"
    )


def _assumptions(usage: Usage, terms: Terms, book: _Book) -> Iterable[str]:
    known = book.prices.steps(Kind.EGRESS, terms.region)
    if not terms.is_aws:
        yield f"the source is not AWS: what its own provider charges is not known; prices of {book.region}"
    elif not terms.region:
        yield f"the bucket's region is not known (--region says it): prices of {book.region}"
    elif not known:
        dearest = max(row.value for row in book.prices.rows if row.kind is Kind.EGRESS)
        yield (
            f"egress from {terms.region}: the table has no price, so {book.region}'s; "
            f"the dearest region's is {dearest} a GB"
        )
    elif len(known) == 1:
        yield f"egress from {terms.region}: only the first step's price is known, so it is used for all"
    sent = f"{format_size(terms.sent_bytes)} have" if terms.sent_bytes else "nothing else has"
    yield f"all bytes leave AWS over the internet, once, within one month in which {sent} left it before"
    yield from book.notes
    yield from _routes(usage)
    if not terms.tier:
        yield f"blobs go to the {USUAL_TIER} tier, as the account's default"
    elif terms.tier == AUTO:
        yield "each blob goes to the tier of its object's storage class"
    if terms.azure_region != book.azure_region:
        why = (
            "the table does not know " + terms.azure_region
            if terms.azure_region
            else "--azure-region says another"
        )
        yield f"the account is in {book.azure_region}, LRS ({why}); Azure takes bytes in free of charge"
    else:
        yield f"the account in {book.azure_region} is LRS; Azure takes bytes in free of charge"
    yield from _about_classes(usage)
    yield "before tax, discounts and credits; storage in Azure, workers, Redis and the ledger are not in it"


def _about_classes(usage: Usage) -> Iterable[str]:
    if any(used.early_byte_seconds for used in usage.classes.values()):
        yield "early deletion counts from each object's date; what a lifecycle rule moved later costs more"
    if usage.restores and not ARCHIVED_CLASSES.isdisjoint(usage.classes):
        yield "archived objects are restored in the Standard tier; Bulk costs less; storing restored copies, more"
    if "INTELLIGENT_TIERING" in usage.classes:
        yield "no object of INTELLIGENT_TIERING lies in one of its archive tiers, which a listing does not tell"
