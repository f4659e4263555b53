"""Looking prices up for one estimate: the terms that decide on them, and what stands in where the table has none.

Multiplies nothing. Whatever had to be replaced is noted, so that the estimate can say it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from awcopy.cost.prices import USUAL_AWS_REGION, USUAL_AZURE_REGION, USUAL_CLASS, Kind, Price, Prices
from awcopy.planning.tiers import choose_tier
from awcopy.units import GIB

USUAL_TIER = "Hot"
_ABOUT = {
    Kind.S3_LIST: "price of lists",
    Kind.S3_GET: "prices of GETs",
    Kind.S3_RETRIEVAL: "prices of retrieval",
    Kind.S3_RESTORE: "prices of restore requests",
    Kind.S3_STORAGE: "prices of storage",
    Kind.AZURE_WRITE: "prices of Azure writes",
    Kind.AZURE_OTHER: "price of Azure's other operations",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What decides on prices beside the objects. Regions that the table does not have are replaced, and said."""

    region: str = ""  # the bucket's; empty: not known
    azure_region: str = ""
    tier: str = ""  # auto: by storage class; empty: the account's default, taken to be Hot
    sent_bytes: int = 0  # what has left AWS this month already, which is charged first
    is_aws: bool = True


@dataclass(slots=True)
class Book:
    """The table as one estimate looks prices up in it, with a note of whatever was not there, and the dates it used."""

    prices: Prices
    terms: Terms
    notes: dict[str, None] = field(default_factory=dict)  # in order, each once
    dates: set[str] = field(default_factory=set)  # of the prices that were used

    @property
    def region(self) -> str:
        """The region whose egress is charged."""
        return self.terms.region if self.terms.region in self.prices.places(Kind.EGRESS) else USUAL_AWS_REGION

    @property
    def azure_region(self) -> str:
        """The account's region, or the one that stands for it."""
        known = self.prices.places(Kind.AZURE_WRITE)
        return self.terms.azure_region if self.terms.azure_region in known else USUAL_AZURE_REGION

    def tier(self, storage_class: str) -> str:
        """Return the access tier that objects of a class go to."""
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

    def egress(self, size_bytes: int, sent_bytes: int) -> Iterable[tuple[Decimal, Decimal]]:
        """Yield the GB and the price of each step of the egress of bytes that leave after others, free ones first.

        The steps count what is charged, so that the first ends 10,240 GB beyond the free ones, as the
        price list words it: "first 10 TB / month data transfer out beyond the global free tier".
        """
        free = self._use(self.prices.find(Kind.EGRESS_FREE_GB, self.region))
        steps = self.prices.steps(Kind.EGRESS, self.region)
        starts = [Decimal(0), *(free + step.above_gb for step in steps)]
        values = [Decimal(0), *map(self._use, steps)]
        first = Decimal(sent_bytes) / GIB
        last = Decimal(sent_bytes + size_bytes) / GIB
        for index, (start, price) in enumerate(zip(starts, values, strict=True)):
            end = starts[index + 1] if index + 1 < len(starts) else last
            quantity = min(last, end) - max(first, start)
            if quantity > 0:
                yield quantity, price
