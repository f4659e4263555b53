"""Where a range of keys is split, so that two agents can list it: found by a few looks at the source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

LAST_CHARACTER: Final = "\U0010ffff"  # sorts after everything that a key can go on with
_ASCII_END: Final = 0x80  # names in other scripts are split off as one


def find_split(key: str, prefix: str, first_above: Callable[[str], str]) -> str:
    """Return a text above ``key`` with keys of the range above it; empty when none is found.

    Keys of which more is alike belong together, as in folders. So the split is made at the first character in which
    keys above this one differ from it: half of the characters that are met there lie on each side. What has many
    keys for one character is split again by whoever lists it.

    Args:
        key: Listed last.
        prefix: With which all keys of the range begin, this one too.
        first_above: Returns the first key of the range above a text, or nothing. It is asked up to
            log2(len(key)) + 8 times; keys may come and go meanwhile.
    """
    depth, first = _find_fork(key, prefix, first_above)
    if not first:
        return ""
    lead, at = key[:depth], ord(key[depth])
    last = _find_last(lead, ord(first[depth]), first_above)
    middle = at if at >= _ASCII_END else (at + min(last, _ASCII_END)) // 2
    return f"{lead}{chr(middle)}{LAST_CHARACTER}"


def _find_fork(key: str, prefix: str, first_above: Callable[[str], str]) -> tuple[int, str]:
    """Return the place of the first character in which a key above differs, and the first such key."""
    low, high, found = len(prefix), len(key), ""
    while low < high:
        # At the first look, the last place: what has nothing there has nothing anywhere.
        place = (low + high) // 2 if found else high - 1
        above = first_above(f"{key[: place + 1]}{LAST_CHARACTER}")
        if above:
            high, found = place, above
        elif found:
            low = place + 1
        else:
            return 0, ""
    is_fork = found.startswith(key[:high]) and found[high : high + 1] > key[high : high + 1]
    return (high, found) if is_fork else (0, "")


def _find_last(lead: str, low: int, first_above: Callable[[str], str]) -> int:
    """Return the greatest of the characters that follow after the lead, as far as they are ASCII."""
    high = _ASCII_END
    while low < high:
        middle = (low + high + 1) // 2
        above = first_above(f"{lead}{chr(middle - 1)}{LAST_CHARACTER}")
        if above.startswith(lead) and len(above) > len(lead):
            low = max(middle, ord(above[len(lead)]))
        else:
            high = middle - 1
    return low
