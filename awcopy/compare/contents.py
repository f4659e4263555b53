"""Reading both sides and comparing their bytes; nothing that either side says about them is believed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from awcopy.compare.ahead import map_ahead
from awcopy.compare.sides import Pair
from awcopy.errors import StorageError
from awcopy.model.objects import Span
from awcopy.planning.compare import Finding, judge_bytes, judge_listing
from awcopy.units import MIB

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from awcopy.compare.sides import Check

SPAN_BYTES = 4 * MIB  # of each side, read at once


@dataclass(frozen=True, slots=True)
class _Unit:
    """A span of a pair; none where there is nothing to read."""

    one: Pair | Finding
    span: Span | None = None
    is_last: bool = True  # of its pair


def compare_contents(check: Check, found: Iterable[Pair | Finding]) -> Iterator[Finding]:
    """Yield the findings in order; the spans of a large pair are read at once, as those of many small ones are."""
    for unit in map_ahead(partial(_read, check), _units(found), at_once=check.at_once):
        if isinstance(unit.one, Finding):
            yield unit.one
        elif unit.is_last:
            yield unit.one.finding or judge_bytes(unit.one.obj, unit.one.blob, is_same=True)


def _units(found: Iterable[Pair | Finding]) -> Iterator[_Unit]:
    for one in found:
        if isinstance(one, Finding):
            yield _Unit(one)
            continue
        size = one.obj.size_bytes
        if size != one.blob.size_bytes:
            yield _Unit(judge_listing(one.obj, one.blob))
        elif not size:
            yield _Unit(one)
        for offset in range(0, size if size == one.blob.size_bytes else 0, SPAN_BYTES):
            length = min(SPAN_BYTES, size - offset)
            yield _Unit(one, Span(offset=offset, size_bytes=length), is_last=offset + length == size)


def _read(check: Check, unit: _Unit) -> _Unit:
    one, span = unit.one, unit.span
    if isinstance(one, Finding) or span is None or one.finding:
        return unit
    ours, theirs = bytearray(span.size_bytes), bytearray(span.size_bytes)
    try:
        check.retrier.call(lambda: check.source.read_range(one.obj, span, memoryview(ours)))
        check.retrier.call(lambda: check.sink.read_range(one.blob, span, memoryview(theirs)))
    except StorageError as error:
        one.finding = one.fail(error)
        return unit
    if ours != theirs:
        one.finding = judge_bytes(one.obj, one.blob, is_same=False)
    return unit
