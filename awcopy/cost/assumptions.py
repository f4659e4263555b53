"""What an estimate has to say beside its figures: what was assumed, and where egress is free. Works out no figure."""

from __future__ import annotations

from collections.abc import Iterable

from awcopy.cost.book import USUAL_TIER, Book
from awcopy.cost.prices import Kind
from awcopy.cost.usage import Usage
from awcopy.model.objects import ARCHIVED_CLASSES
from awcopy.planning.blocks import RUN_BYTES
from awcopy.planning.tiers import AUTO
from awcopy.units import format_size

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


def list_assumptions(usage: Usage, book: Book) -> Iterable[str]:
    """Yield what was taken for granted, a sentence each; the book has noted what its table lacks."""
    terms = book.terms
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
