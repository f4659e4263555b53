"""Sizes, numbers and times as people write and read them; no other meaning is attached to them here."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from awcopy.errors import UsageError

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB
TIB = 1024 * GIB

_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*")
_SIZE_FACTORS = {
    "": 1, "b": 1,
    "k": KIB, "kib": KIB, "kb": 10**3,
    "m": MIB, "mib": MIB, "mb": 10**6,
    "g": GIB, "gib": GIB, "gb": 10**9,
    "t": TIB, "tib": TIB, "tb": 10**12,
}  # fmt: skip
_SIZE_NAMES = ((TIB, "TiB"), (GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB"))

_AGE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([smhdw])\s*")
_AGE_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def parse_size(text: str) -> int:
    """Return a size in bytes: ``4M`` and ``4MiB`` are 4 x 2**20, ``4MB`` is 4 x 10**6, ``4096`` is bytes.

    ``4M`` is binary because the original ``/B:4M`` was.

    Raises:
        UsageError: The text is not a size.
    """
    match = _SIZE.fullmatch(text)
    factor = _SIZE_FACTORS.get(match[2].lower()) if match else None
    if match is None or factor is None:
        raise UsageError(f"{text!r} is not a size", hint="write it like 512K, 8M, 1.5GiB or 4096 (bytes)")
    return int(float(match[1]) * factor)


def write_size(size_bytes: int) -> str:
    """Return a size as ``parse_size`` takes it, exactly and as short as may be: ``200M``, ``1536K``, ``1000``."""
    for factor, name in _SIZE_NAMES:
        if size_bytes and size_bytes % factor == 0:
            return f"{size_bytes // factor}{name[0]}"
    return str(size_bytes)


def format_size(size_bytes: float) -> str:
    """Return a size for people, in binary units with at most one decimal: ``312 B``, ``1.5 MiB``."""
    for factor, name in _SIZE_NAMES:
        if size_bytes >= factor:
            return f"{size_bytes / factor:.1f} {name}"
    return f"{int(size_bytes)} B"


def parse_rate(text: str) -> int:
    """Return the bytes a second that ``200M`` or ``1.5GiB/s`` means; 0 means any number.

    Raises:
        UsageError: It is no such rate, or so low that a block would take hours.
    """
    rate = parse_size(text.strip().removesuffix("/s"))
    if 0 < rate < KIB:
        raise UsageError("a rate is 1K or more", hint="write it like 200M, or 0 for no limit")
    return rate


def say_rate(rate: int) -> str:
    """Return a rate for people."""
    return f"at most {format_size(rate)} a second" if rate else "no limit"


def format_count(count: int) -> str:
    """Return a number with a comma between thousands."""
    return f"{count:,}"


def say_count(count: int, thing: str) -> str:
    """Return how many of a thing there are: ``1 object``, ``2,000 objects``."""
    return f"{format_count(count)} {thing if count == 1 else thing + 's'}"


def format_duration(seconds: float) -> str:
    """Return a length of time for people: ``9 s``, ``3 m 20 s``, ``2 h 5 m``."""
    whole = round(seconds)
    if whole < 60:  # noqa: PLR2004 - sixty seconds make a minute
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:  # noqa: PLR2004 - sixty minutes make an hour
        return f"{minutes} m {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} m"


def parse_duration(text: str) -> float:
    """Return a length of time in seconds: ``30m``, ``6h``, ``1d``.

    Raises:
        UsageError: The text is none.
    """
    found = _AGE.fullmatch(text)
    if found is None:
        raise UsageError(f"{text!r} is not a length of time", hint="write it like 30m, 6h or 1d")
    return float(found[1]) * _AGE_SECONDS[found[2]]


def parse_when(text: str, *, now: datetime) -> datetime:
    """Return a moment in UTC from an age (``36h``, ``7d``) or an ISO 8601 date or time.

    A date or time without an offset is taken as UTC.

    Raises:
        UsageError: The text is neither.
    """
    age = _AGE.fullmatch(text)
    try:
        if age:
            return now - timedelta(seconds=parse_duration(text))
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        hint = "write an age like 36h or 7d, or a date like 2026-01-31 or 2026-01-31T12:00:00Z"
        raise UsageError(f"{text!r} is not a time", hint=hint) from None
