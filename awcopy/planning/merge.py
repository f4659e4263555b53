"""Walking through two sorted listings side by side, whatever their length."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from awcopy.errors import OutOfOrder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

L = TypeVar("L")
R = TypeVar("R")
T = TypeVar("T")

_NO_MORE = None


def merge_join(
    left: Iterable[tuple[str, L]], right: Iterable[tuple[str, R]]
) -> Iterator[tuple[str, L | None, R | None]]:
    """Yield each name of either side once, in order, with what each side has under it; None for nothing.

    Holds one entry of each side at a time. Names are compared by code points, which for valid text is the
    order of its UTF-8 bytes, in which S3 lists.

    Args:
        left: Names with what they stand for, in strictly rising order of the names.
        right: The same of the other side.

    Raises:
        OutOfOrder: A side is not in that order, so that whatever would be found might be wrong.
    """
    lefts, rights = in_order(left, "source"), in_order(right, "destination")
    ours, theirs = next(lefts, _NO_MORE), next(rights, _NO_MORE)
    while ours is not None and theirs is not None:
        if ours[0] == theirs[0]:
            yield ours[0], ours[1], theirs[1]
            ours, theirs = next(lefts, _NO_MORE), next(rights, _NO_MORE)
        elif ours[0] < theirs[0]:
            yield ours[0], ours[1], None
            ours = next(lefts, _NO_MORE)
        else:
            yield theirs[0], None, theirs[1]
            theirs = next(rights, _NO_MORE)
    while ours is not None:
        yield ours[0], ours[1], None
        ours = next(lefts, _NO_MORE)
    while theirs is not None:
        yield theirs[0], None, theirs[1]
        theirs = next(rights, _NO_MORE)


def in_order(entries: Iterable[tuple[str, T]], side: str) -> Iterator[tuple[str, T]]:
    """Yield the entries as they come.

    Raises:
        OutOfOrder: A name is not above the one before it.
    """
    last = None
    for entry in entries:
        name = entry[0]
        if last is not None and name <= last:
            raise OutOfOrder(
                f"the {side} does not list its names in order, so the two sides cannot be joined"
            )
        last = name
        yield entry
