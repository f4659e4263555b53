from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from awcopy.model.objects import StagedBlock
from awcopy.model.outcome import Route
from awcopy.planning.blocks import MAX_BLOCKS, block_id, plan_blocks
from awcopy.planning.pieces import (
    Piece,
    cover_blocks,
    in_order,
    read_pieces,
    receipt_id,
    route_of,
    split_runs,
)
from awcopy.units import GIB, MIB, TIB

PIN, SINK_PIN = "0" * 16, "f" * 16
PLAN = plan_blocks(95, 10, agents=4)  # ten blocks, the last of five bytes


def sent(index: int, crc: int = 1) -> Piece:
    return Piece(block_id=block_id(PIN, index, crc), first=index, end=index + 1, crc64=crc)


def run(first: int, end: int, crc: int = 1, *, nonce: int = 7) -> Piece:
    return Piece(block_id=block_id(SINK_PIN, first, nonce), first=first, end=end, crc64=crc, by_sink=True)


def held(*pieces: Piece, receipts: bool = True) -> list[StagedBlock]:
    """Return what a sink lists that holds these pieces."""
    found = [
        StagedBlock(block_id=one.block_id, size_bytes=PLAN.extent(one.first, one.end).size_bytes)
        for one in pieces
    ]
    if receipts:
        found += [StagedBlock(block_id=receipt_id(one), size_bytes=1) for one in pieces if one.by_sink]
    return found


def read(staged: list[StagedBlock]) -> dict[int, Piece]:
    return read_pieces(PLAN, PIN, SINK_PIN, staged)


@pytest.mark.parametrize("piece", [sent(0), sent(9), run(0, 8), run(3, 4), run(8, 10), run(9, 10)])
def test_what_is_staged_is_read_back(piece):
    assert read(held(piece)) == {piece.first: piece}


def test_all_ids_of_a_blob_have_one_length():
    pieces = (sent(0), run(0, 8), run(8, 10, 2**64 - 1, nonce=2**64 - 1))
    assert len({len(block.block_id) for block in held(*pieces)}) == 1


def test_a_run_without_a_receipt_was_under_way_and_does_not_count():
    assert read(held(run(0, 8), receipts=False)) == {}


def test_a_receipt_is_for_its_own_run_only():
    before, after = run(0, 8, nonce=1), run(0, 8, nonce=2)
    staged = [*held(before), *held(after, receipts=False)]
    assert read(staged) == {0: before}


def test_a_run_of_another_length_than_its_blocks_does_not_count():
    short = StagedBlock(block_id=run(0, 8).block_id, size_bytes=79)
    assert read([short, StagedBlock(block_id=receipt_id(run(0, 8)), size_bytes=1)]) == {}


def test_two_attempts_with_the_same_bytes_are_one_and_with_others_are_none():
    assert set(read(held(run(0, 8, nonce=1), run(0, 8, nonce=2)))) == {0}
    assert read(held(run(0, 8, 1, nonce=1), run(0, 8, 2, nonce=2))) == {}


def test_the_longest_piece_is_taken():
    assert read(held(sent(0), run(0, 8), run(0, 4, nonce=9))) == {0: run(0, 8)}


def test_pieces_of_both_kinds_cover_a_file_together():
    staged = read(held(run(0, 4), sent(4), run(6, 10)))
    used, missing = cover_blocks(staged, range(10))
    assert (list(used), missing) == ([0, 4, 6], [5])
    whole = in_order(used | {5: sent(5)}, range(10))
    assert [(one.first, one.end) for one in whole] == [(0, 4), (4, 5), (5, 6), (6, 10)]


def test_a_piece_that_reaches_beyond_a_range_is_not_taken_for_it():
    assert cover_blocks({2: run(2, 6)}, range(2, 4)) == ({}, [2, 3])


@given(indexes=st.sets(st.integers(0, 60)), longest=st.integers(1, 9))
def test_runs_hold_each_block_once_and_are_no_longer_than_allowed(indexes, longest):
    runs = split_runs(sorted(indexes), longest)
    assert [index for one in runs for index in one] == sorted(indexes)
    assert all(1 <= len(one) <= longest for one in runs)


def test_neighbours_make_one_run():
    assert split_runs([0, 1, 2, 3, 5], 3) == [range(3), range(3, 4), range(5, 6)]


@pytest.mark.parametrize(
    ("pieces", "route"),
    [([run(0, 8)], Route.SERVER), ([run(0, 8), sent(8)], Route.STREAM), ([sent(0)], Route.STREAM)],
)
def test_the_route_is_server_only_if_no_worker_saw_a_byte(pieces, route):
    assert route_of(pieces) is route


@pytest.mark.parametrize(
    ("size_bytes", "block_bytes", "run_bytes"),
    [(GIB, 8 * MIB, 64 * MIB), (GIB, 100 * MIB, 100 * MIB), (GIB, 24 * MIB, 48 * MIB)],
)
def test_a_run_has_64_mib_or_one_block(size_bytes, block_bytes, run_bytes):
    plan = plan_blocks(size_bytes, block_bytes, agents=4)
    assert plan.blocks_per_run * plan.block_size_bytes == run_bytes


@pytest.mark.parametrize("size_bytes", [5 * TIB, 48 * TIB])
def test_runs_and_receipts_of_the_largest_objects_are_half_of_what_azure_holds(size_bytes):
    plan = plan_blocks(size_bytes, 8 * MIB, agents=4)
    runs = -(-plan.blocks // plan.blocks_per_run)
    assert 2 * runs <= MAX_BLOCKS
    assert plan.blocks_per_run * plan.block_size_bytes <= 4000 * MIB
