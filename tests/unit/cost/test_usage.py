"""Counting requests: the numbers that the README's table of costs names, for each object."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from awcopy.cost.usage import Requests, Usage
from awcopy.units import GIB, MIB
from tests.unit.factories import make_object

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def count(*sizes: int, block: int = 8 * MIB, replaces: bool = False, **facts) -> Usage:
    usage = Usage(block_size_bytes=block, now=NOW, **facts)
    for size in sizes:
        usage.add(make_object(size_bytes=size), replaces=replaces)
    return usage


@pytest.mark.parametrize(
    ("size", "reads", "writes", "looks"),
    [
        (0, 1, 1, 1),  # one GET and one Put Blob, a HEAD before it
        (8 * MIB, 1, 1, 1),
        (8 * MIB + 1, 4, 3, 3),  # two GETs and two HEADs; two Put Blocks and a Put Block List
        (16 * MIB, 4, 3, 3),
        (400_000 * MIB, 50_002, 50_001, 3),
        (400_000 * MIB + 1, 44_447, 44_446, 3),  # more than 50,000 blocks of 8 MiB: 9 MiB blocks
    ],
)
def test_requests_of_one_object(size: int, reads: int, writes: int, looks: int) -> None:
    (used,) = count(size).classes.values()
    assert used.requests_of(8 * MIB) == Requests(reads=reads, writes=writes, looks=looks)


@pytest.mark.parametrize(
    ("size", "reads", "writes", "looks"),
    [
        (0, 1, 1, 1),  # nothing for Azure to read
        (MIB - 1, 1, 1, 1),  # streamed
        (MIB, 2, 2, 1),  # Azure's GET and a HEAD; Put Block From URL and Put Block List
        (8 * MIB, 2, 2, 1),
        (64 * MIB, 3, 2, 3),  # one run: no receipt
        (64 * MIB + 1, 4, 5, 3),  # two runs and their receipts
        (640 * MIB, 12, 21, 3),
    ],
)
def test_requests_of_an_object_that_azure_reads_by_itself(size, reads, writes, looks) -> None:
    usage = count(size, server_from_bytes=MIB)
    (used,) = usage.classes.values()
    assert used.requests_of(8 * MIB) == Requests(reads=reads, writes=writes, looks=looks)


@pytest.mark.parametrize(
    ("size", "writes"),
    [
        (0, 1),  # an empty blob has no block
        (1, 2),  # a Put Block, and Put Block List once Azure has confirmed it
        (8 * MIB, 2),
        (8 * MIB + 1, 3),  # as where no blob is
    ],
)
def test_requests_of_an_object_that_replaces_a_blob(size, writes) -> None:
    (used,) = count(size, replaces=True).classes.values()
    assert used.requests_of(8 * MIB).writes == writes
    (by_azure,) = count(size, replaces=True, server_from_bytes=1).classes.values()
    assert by_azure.requests_of(8 * MIB).writes == min(writes, 2)


def test_a_block_size_smaller_than_those_offered_is_counted_too() -> None:
    (used,) = count(3, block=1).classes.values()
    assert used.requests_of(1).writes == 4
    assert used.requests_of(4 * MIB).writes == 1


def test_lists_hold_a_thousand_keys() -> None:
    usage = count()
    assert usage.lists == 1
    usage.listed = 1000
    assert usage.lists == 1
    usage.leave()
    assert (usage.lists, usage.left_alone) == (2, 1)


def test_folder_markers_are_listed_and_not_copied() -> None:
    usage = count()
    usage.add(make_object("data/", size_bytes=0))
    assert (usage.listed, usage.folder_markers, usage.classes) == (1, 1, {})


def test_classes_are_counted_apart() -> None:
    usage = count(GIB)
    usage.add(make_object(size_bytes=1, storage_class="GLACIER"))
    assert {name: (used.objects, used.size_bytes) for name, used in usage.classes.items()} == {
        "STANDARD": (1, GIB),
        "GLACIER": (1, 1),
    }
