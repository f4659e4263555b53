"""Which access tier a blob gets; asks no store whether its account has tiers."""

from __future__ import annotations

from typing import Final

AUTO: Final = "auto"
TIERS: Final = ("Hot", "Cool", "Cold", "Archive")

# By what S3 charges for reading and for how soon the object can be read, nearest first.
_BY_STORAGE_CLASS: Final = {
    "STANDARD": "Hot",
    "REDUCED_REDUNDANCY": "Hot",
    "INTELLIGENT_TIERING": "Hot",  # its present place is not in the listing; Azure moves nothing by itself
    "EXPRESS_ONEZONE": "Hot",
    "STANDARD_IA": "Cool",
    "ONEZONE_IA": "Cool",
    "GLACIER_IR": "Cold",
    "GLACIER": "Archive",
    "DEEP_ARCHIVE": "Archive",
}


def choose_tier(asked: str, storage_class: str) -> str:
    """Return the tier of a blob: the one asked for, by ``auto`` its object's, or empty for the account's own.

    Classes that are not known (those of other S3-compatible stores) leave it to the account.
    """
    return _BY_STORAGE_CLASS.get(storage_class, "") if asked == AUTO else asked
