"""The price table: dated list prices by region, storage class and access tier, read from a CSV file.

Owns the file's form and the look-up with what it assumes when a price is not there. Applies no price.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from functools import cached_property
from importlib.resources import files

from awcopy.errors import UsageError
from awcopy.model.objects import ARCHIVED_CLASSES

COLUMNS = ("kind", "place", "name", "above_gb", "value", "seen", "source")
SHIPPED = "prices.csv"
EVERYWHERE = "*"
_DATE = re.compile(r"\d{4}(-\d\d){0,2}")
_PLACE = re.compile(r"[a-z0-9-]+|\*")
_NAME = re.compile(r"\w*", re.ASCII)


class Kind(StrEnum):
    """What a price is of; the unit is in the head of the shipped table."""

    EGRESS = "egress"
    EGRESS_FREE_GB = "egress_free_gb"
    S3_LIST = "s3_list"
    S3_GET = "s3_get"
    S3_RETRIEVAL = "s3_retrieval"
    S3_RESTORE = "s3_restore"
    S3_STORAGE = "s3_storage"
    S3_LEAST_DAYS = "s3_least_days"
    S3_LEAST_BYTES = "s3_least_bytes"
    AZURE_WRITE = "azure_write"
    AZURE_OTHER = "azure_other"


_OF_ARCHIVED = (Kind.S3_RESTORE, Kind.S3_RETRIEVAL)

# Where a price is looked up that a region has none of its own for; the estimate says so.
USUAL_AWS_REGION = "us-east-1"
USUAL_AZURE_REGION = "eastus"
USUAL_CLASS = "STANDARD"


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """One row of the table."""

    kind: Kind
    place: str
    name: str = ""
    above_gb: Decimal = Decimal(0)
    value: Decimal
    seen: str  # the date of the source's own publication, as exact as it is known
    source: str

    @property
    def key(self) -> tuple[Kind, str, str, Decimal]:
        """What the row is the price of; a table has one row for each."""
        return self.kind, self.place, self.name, self.above_gb


@dataclass(frozen=True)
class Prices:
    """A whole table. ``origin`` says for people where it came from."""

    rows: tuple[Price, ...]
    origin: str

    @cached_property
    def _steps(self) -> Mapping[tuple[Kind, str, str], tuple[Price, ...]]:
        steps: dict[tuple[Kind, str, str], tuple[Price, ...]] = {}
        for row in sorted(self.rows, key=lambda row: row.above_gb):
            steps[row.key[:3]] = (*steps.get(row.key[:3], ()), row)
        return steps

    def steps(self, kind: Kind, place: str, name: str = "") -> tuple[Price, ...]:
        """Return the prices by amount, lowest amount first, of this very place; none when it has none."""
        return self._steps.get((kind, place, name), ())

    def find(self, kind: Kind, place: str, name: str = "") -> Price | None:
        """Return the price of the place, else that of every place, else None."""
        found = self.steps(kind, place, name) or self.steps(kind, EVERYWHERE, name)
        return found[0] if found else None

    def places(self, kind: Kind) -> tuple[str, ...]:
        """Return the regions that have a price of that kind, sorted."""
        return tuple(sorted({row.place for row in self.rows if row.kind is kind} - {EVERYWHERE}))

    def names(self, kind: Kind) -> frozenset[str]:
        """Return the classes or tiers that have a price of that kind anywhere."""
        return frozenset(row.name for row in self.rows if row.kind is kind)

    def least(self, kind: Kind) -> Mapping[str, int]:
        """Return the least days or bytes that each storage class is charged for."""
        return {row.name: int(row.value) for row in self.rows if row.kind is kind}

    @property
    def seen(self) -> tuple[str, str]:
        """The oldest and the newest date in the table."""
        dates = [row.seen for row in self.rows]
        return min(dates), max(dates)

    def updated(self, rows: Iterable[Price], origin: str) -> Prices:
        """Return the table with these rows in place of what they are prices of; the others stay.

        All steps of a kind, place and name are replaced together.
        """
        given = tuple(rows)
        replaced = {row.key[:3] for row in given}
        kept = tuple(row for row in self.rows if row.key[:3] not in replaced)
        return Prices((*kept, *given), origin)


def shipped_prices() -> Prices:
    """Return the table that comes with awcopy."""
    text = files(__package__).joinpath(SHIPPED).read_text(encoding="utf-8")
    return parse_prices(text, "the table shipped with awcopy")


def parse_prices(text: str, origin: str) -> Prices:
    """Return the table that a CSV file holds; lines that begin with ``#`` are remarks.

    Raises:
        UsageError: It is no such table; the message names the file and the line.
    """
    numbered = [(number, line) for number, line in enumerate(text.splitlines(), 1) if _is_row(line)]
    if not numbered or tuple(numbered[0][1].split(",")) != COLUMNS:
        raise UsageError(
            f"{origin} is no price table: it does not begin with the line {','.join(COLUMNS)}",
            hint="`awcopy config prices -o csv` prints one to start from",
        )
    rows = tuple(_parse_row(line, f"{origin}, line {number}") for number, line in numbered[1:])
    table = Prices(rows, origin)
    _check_whole(table)
    return table


def format_prices(prices: Prices) -> str:
    """Return the table as ``parse_prices`` reads it."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in prices.rows:
        above = f"{row.above_gb:f}" if row.kind is Kind.EGRESS else ""
        writer.writerow((row.kind.value, row.place, row.name, above, f"{row.value:f}", row.seen, row.source))
    return out.getvalue()


def _is_row(line: str) -> bool:
    return bool(line.strip()) and not line.startswith("#")


def _parse_row(line: str, where: str) -> Price:
    cells = next(csv.reader([line]))
    if len(cells) != len(COLUMNS):
        raise UsageError(f"{where}: {len(cells)} cells where {len(COLUMNS)} belong")
    kind, place, name, above, value, seen, source = cells
    if kind not in set(Kind):
        raise UsageError(f"{where}: there is no kind {kind!r}", hint=f"the kinds are {', '.join(Kind)}")
    if not (_PLACE.fullmatch(place) and _NAME.fullmatch(name) and _DATE.fullmatch(seen) and source):
        raise UsageError(f"{where}: the place, the name, the date seen or the source cannot be read")
    return Price(
        kind=Kind(kind),
        place=place,
        name=name,
        above_gb=_parse_number(above or "0", where),
        value=_parse_number(value, where),
        seen=seen,
        source=source,
    )


def _parse_number(text: str, where: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number < 0:
        raise UsageError(
            f"{where}: {text!r} is no price", hint="write a number like 0.09, without a currency"
        )
    return number


def _check_whole(table: Prices) -> None:
    """Raise unless an estimate finds at least the usual region's price of everything."""
    seen: set[tuple[Kind, str, str, Decimal]] = set()
    for row in table.rows:
        if row.key in seen:
            raise UsageError(f"{table.origin} has two prices of {' '.join(filter(None, row.key[:3]))}")
        seen.add(row.key)
    wanted = [
        *((Kind.EGRESS, USUAL_AWS_REGION, ""), (Kind.EGRESS_FREE_GB, USUAL_AWS_REGION, "")),
        *((Kind.S3_LIST, USUAL_AWS_REGION, ""), (Kind.S3_GET, USUAL_AWS_REGION, USUAL_CLASS)),
        *((Kind.AZURE_WRITE, USUAL_AZURE_REGION, tier) for tier in ("Hot", "Cool", "Cold", "Archive")),
        (Kind.AZURE_OTHER, USUAL_AZURE_REGION, ""),
        *((kind, USUAL_AWS_REGION, name) for kind in _OF_ARCHIVED for name in sorted(ARCHIVED_CLASSES)),
    ]
    for kind, place, name in wanted:
        if table.find(kind, place, name) is None:
            raise UsageError(f"{table.origin} lacks a price: {' '.join(filter(None, (kind, place, name)))}")
    for place in table.places(Kind.EGRESS):
        if table.steps(Kind.EGRESS, place)[0].above_gb:
            raise UsageError(f"{table.origin}: egress from {place} has no price from 0 GB on")
