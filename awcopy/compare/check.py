"""Comparing what a copy would write with what is there, name by name, in little memory."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from awcopy.compare.ahead import map_ahead
from awcopy.compare.contents import compare_contents
from awcopy.compare.sides import Check, LeftOut, Pair, pair_sides
from awcopy.errors import SourceChanged, StorageError
from awcopy.planning.compare import Finding, Level, judge_checksums, judge_listing

if TYPE_CHECKING:
    from collections.abc import Iterator


def compare_sides(check: Check, left_out: LeftOut) -> Iterator[Finding]:
    """Yield a finding for each name of either side, in order of the blobs' names.

    At the level of listings nothing is asked of single objects. At the others several are looked at at once,
    and memory is bounded by their number, whatever the number of names and the size of objects.

    Args:
        check: What to compare, and how.
        left_out: Is told what is not compared, as it is met.

    Raises:
        OutOfOrder: A side does not list in order, and was expected to.
        StorageError: A side cannot be listed, or the credentials expired; what happens to a single object is
            its finding.
    """
    found = pair_sides(check, left_out)
    if check.level is Level.LISTING:
        return (judge_listing(one.obj, one.blob) if isinstance(one, Pair) else one for one in found)
    if check.level is Level.CHECKSUM:
        return map_ahead(partial(_judge_head, check), found, at_once=check.at_once)
    return compare_contents(check, found)


def _judge_head(check: Check, one: Pair | Finding) -> Finding:
    if isinstance(one, Finding):
        return one
    try:
        head = check.retrier.call(lambda: check.source.head(one.obj.key, version_id=one.obj.version_id))
        if head.etag != one.obj.etag:
            raise SourceChanged("the object changed while it was compared")
    except StorageError as error:
        return one.fail(error)
    return judge_checksums(one.obj, head, one.blob)
