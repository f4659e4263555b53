"""The charges of a copy: what was counted, times the prices of a book. Every figure is a sum of parts.

Pure. Owns what is charged for and how; how prices are looked up is in ``book``, what was counted in ``usage``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from awcopy.cost.book import Book
from awcopy.cost.prices import Kind
from awcopy.cost.usage import ClassUsage, Usage
from awcopy.model.objects import ARCHIVED_CLASSES
from awcopy.units import GIB

_MONTH_S = 30 * 86_400  # as a month of storage is taken here; AWS counts the month's own hours


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


def copy_charges(
    book: Book, classes: Mapping[str, ClassUsage], block_size: int, sent_bytes: int
) -> tuple[Charge, ...]:
    """Return what copying the objects of these classes costs; lists, and looks at others, are beside."""
    moved = sum(used.size_bytes for used in classes.values())
    egress = tuple(Part(quantity=gb, unit="GB", price=price) for gb, price in book.egress(moved, sent_bytes))
    retrieval = tuple(
        Part(quantity=_gb(used.size_bytes), unit="GB", price=price, name=name)
        for name, used in sorted(classes.items())
        if name not in ARCHIVED_CLASSES and (price := book.aws(Kind.S3_RETRIEVAL, name))
    )
    return (
        Charge(code="egress", about=f"egress from {book.region}", parts=egress),
        Charge(code="s3_requests", about="S3 GETs and HEADs", parts=tuple(_reads(book, classes, block_size))),
        Charge(code="s3_retrieval", about="S3 retrieval", parts=retrieval),
        Charge(code="azure_writes", about="Azure writes", parts=tuple(_writes(book, classes, block_size))),
        Charge(code="azure_looks", about="Azure looks", parts=(_looks(book, classes, block_size),)),
    )


def _reads(book: Book, classes: Mapping[str, ClassUsage], block_size: int) -> Iterable[Part]:
    for name, used in sorted(classes.items()):
        yield _thousand(used.requests_of(block_size).reads, book.get(name), name)


def _writes(book: Book, classes: Mapping[str, ClassUsage], block_size: int) -> Iterable[Part]:
    """Yield a part for each tier that blobs go to."""
    writes = Counter[str]()
    for name, used in sorted(classes.items()):
        writes[book.tier(name)] += used.requests_of(block_size).writes
    for tier, count in writes.items():
        yield _ten_thousand(count, book.azure(Kind.AZURE_WRITE, tier), tier)


def _looks(book: Book, classes: Mapping[str, ClassUsage], block_size: int) -> Part:
    looks = sum(used.requests_of(block_size).looks for used in classes.values())
    return _ten_thousand(looks, book.azure(Kind.AZURE_OTHER))


def request_parts(book: Book, classes: Mapping[str, ClassUsage], block_size: int) -> tuple[Part, ...]:
    """Return what the requests at both stores would cost with a block size."""
    return (
        *_reads(book, classes, block_size),
        *_writes(book, classes, block_size),
        _looks(book, classes, block_size),
    )


def list_charges(book: Book, usage: Usage) -> Iterable[Charge]:
    """Yield what listing costs, and looking at what is there and stays."""
    yield Charge(code="s3_lists", about="S3 lists", parts=(_thousand(usage.lists, book.aws(Kind.S3_LIST)),))
    if usage.left_alone:
        part = _ten_thousand(usage.left_alone, book.azure(Kind.AZURE_OTHER))
        yield Charge(code="azure_skips", about="Azure looks at what is there", parts=(part,))


def restore_charges(book: Book, archived: Mapping[str, ClassUsage]) -> Iterable[Charge]:
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


def restored_copy_charges(
    book: Book, archived: Mapping[str, ClassUsage], block_size: int, sent_bytes: int
) -> Iterable[Charge]:
    """Yield what copying the archived objects costs, once all the others have been."""
    if archived:
        copying = copy_charges(book, archived, block_size, sent_bytes)
        parts = tuple(part for charge in copying for part in charge.parts)
        yield Charge(code="restored_copy", about="copying what was restored", parts=parts)


def early_deletion_charges(
    book: Book, classes: Mapping[str, ClassUsage], about: str = "early deletion, if the source is deleted now"
) -> Iterable[Charge]:
    """Yield what is charged for objects that are deleted at the source before their least time is over."""
    parts = tuple(
        Part(
            quantity=Decimal(used.early_byte_seconds) / GIB / _MONTH_S,
            unit="GB-months",
            price=book.aws(Kind.S3_STORAGE, name),
            name=name,
        )
        for name, used in sorted(classes.items())
        if used.early_byte_seconds
    )
    if parts:
        yield Charge(code="early_deletion", about=about, parts=parts)


def move_charges(book: Book, classes: Mapping[str, ClassUsage]) -> Iterable[Charge]:
    """Yield what deleting at the source costs after a copy: a look at both sides for each object.

    The deletions themselves are free at S3.
    """
    heads = tuple(_thousand(used.objects, book.get(name), name) for name, used in sorted(classes.items()))
    looks = _ten_thousand(sum(used.objects for used in classes.values()), book.azure(Kind.AZURE_OTHER))
    yield Charge(code="move_looks", about="looks before each deletion", parts=(*heads, looks))
    yield from early_deletion_charges(book, classes, "early deletion at the source")


def _gb(size_bytes: int) -> Decimal:
    return Decimal(size_bytes) / GIB


def _thousand(requests: int, price: Decimal, name: str = "") -> Part:
    return Part(quantity=Decimal(requests), unit="requests", price=price, per=1000, name=name)


def _ten_thousand(operations: int, price: Decimal, name: str = "") -> Part:
    return Part(quantity=Decimal(operations), unit="operations", price=price, per=10_000, name=name)
