from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from awcopy.errors import UsageError
from awcopy.planning.blocks import (
    MAX_BLOCK_BYTES,
    MAX_BLOCKS,
    MAX_RANGE_BYTES,
    MAX_RANGES,
    block_id,
    check_block_size,
    choose_block_size,
    pin_blocks,
    plan_blocks,
    read_block_id,
)
from awcopy.units import GIB, MIB, TIB
from tests.unit.factories import NOW, make_object

LARGEST = MAX_BLOCKS * MAX_BLOCK_BYTES
PIN = "0123456789abcdef"


@pytest.mark.parametrize(
    ("object_bytes", "blocks", "last_bytes"),
    [
        (1, 1, 1),
        (8 * MIB - 1, 1, 8 * MIB - 1),
        (8 * MIB, 1, 8 * MIB),
        (8 * MIB + 1, 2, 1),
        (3 * 8 * MIB, 3, 8 * MIB),
        (3 * 8 * MIB + 1, 4, 1),
        (MAX_BLOCKS * 8 * MIB, MAX_BLOCKS, 8 * MIB),
    ],
)
def test_an_object_is_cut_into_blocks_of_which_only_the_last_may_be_shorter(object_bytes, blocks, last_bytes):
    plan = plan_blocks(object_bytes, 8 * MIB, agents=4)
    assert plan.blocks == blocks
    assert plan.span(blocks - 1).size_bytes == last_bytes


def test_an_empty_object_has_no_blocks_and_no_ranges():
    plan = plan_blocks(0, 8 * MIB, agents=4)
    assert (plan.blocks, plan.ranges) == (0, 0)


def test_the_requested_block_size_is_kept_while_it_fits():
    assert choose_block_size(MAX_BLOCKS * 8 * MIB, 8 * MIB) == 8 * MIB


def test_one_byte_more_than_fits_raises_the_block_size_to_the_next_whole_mib():
    assert choose_block_size(MAX_BLOCKS * 8 * MIB + 1, 8 * MIB) == 9 * MIB


@pytest.mark.parametrize("object_bytes", [50 * 10**12, 5 * TIB, 50 * TIB, LARGEST])
def test_huge_objects_fit_into_a_blob(object_bytes):
    plan = plan_blocks(object_bytes, 8 * MIB, agents=4)
    assert plan.blocks <= MAX_BLOCKS
    assert plan.block_size_bytes <= MAX_BLOCK_BYTES
    assert plan.ranges <= MAX_RANGES


def test_the_largest_blob_has_fifty_thousand_blocks_of_four_thousand_mib():
    plan = plan_blocks(LARGEST, 8 * MIB, agents=4)
    assert (plan.blocks, plan.block_size_bytes) == (MAX_BLOCKS, MAX_BLOCK_BYTES)


def test_an_object_larger_than_any_blob_is_refused():
    with pytest.raises(UsageError, match="larger than any blob"):
        plan_blocks(LARGEST + 1, 8 * MIB, agents=4)


@pytest.mark.parametrize("size_bytes", [1, 4 * MIB, MAX_BLOCK_BYTES])
def test_azure_takes_these_block_sizes(size_bytes):
    assert check_block_size(size_bytes) == size_bytes


@pytest.mark.parametrize("size_bytes", [-1, 0, MAX_BLOCK_BYTES + 1])
def test_azure_does_not_take_these_block_sizes(size_bytes):
    with pytest.raises(UsageError, match="4,000 MiB"):
        check_block_size(size_bytes)


@pytest.mark.parametrize(
    ("object_bytes", "agents", "range_bytes"),
    [
        (65 * MIB, 4, 64 * MIB),  # never less than is worth a task
        (4 * GIB, 4, 256 * MIB),  # a quarter of an agent's share
        (4 * GIB, 1, 512 * MIB),  # never more than a task should take
        (100 * GIB, 4, 512 * MIB),
        (380 * GIB, 4, 512 * MIB),
    ],
)
def test_a_range_is_a_quarter_of_an_agents_share_within_bounds(object_bytes, agents, range_bytes):
    assert plan_blocks(object_bytes, 8 * MIB, agents).range_bytes(0) == range_bytes


@given(
    object_bytes=st.integers(1, TIB) | st.integers(1, LARGEST),
    block_bytes=st.integers(MIB, MAX_BLOCK_BYTES),
    agents=st.integers(1, 500),
)
def test_ranges_stay_within_their_bounds(object_bytes, block_bytes, agents):
    plan = plan_blocks(object_bytes, block_bytes, agents)
    assert plan.blocks <= MAX_BLOCKS
    assert 1 <= plan.ranges <= MAX_RANGES
    least = -(-plan.blocks // MAX_RANGES)
    if plan.blocks_per_range > max(1, least):
        assert plan.blocks_per_range * plan.block_size_bytes <= MAX_RANGE_BYTES


@given(object_bytes=st.integers(1, 20_000), block_bytes=st.integers(1, 3_000), agents=st.integers(1, 5))
def test_spans_partition_the_object(object_bytes, block_bytes, agents):
    plan = plan_blocks(object_bytes, block_bytes, agents)
    end = 0
    for index in range(plan.blocks):
        span = plan.span(index)
        assert span.offset == end
        assert 1 <= span.size_bytes <= plan.block_size_bytes
        end += span.size_bytes
    assert end == object_bytes


@given(object_bytes=st.integers(1, 60 * TIB), agents=st.integers(1, 50))
def test_ranges_partition_the_blocks_and_the_bytes(object_bytes, agents):
    plan = plan_blocks(object_bytes, 8 * MIB, agents)
    ranges = [plan.range_blocks(index) for index in range(plan.ranges)]
    assert [blocks.start for blocks in ranges[1:]] == [blocks.stop for blocks in ranges[:-1]]
    assert (ranges[0].start, ranges[-1].stop) == (0, plan.blocks)
    assert sum(plan.range_bytes(index) for index in range(plan.ranges)) == object_bytes


@given(index=st.integers(0, MAX_BLOCKS - 1), crc=st.integers(0, 2**64 - 1))
def test_a_block_id_says_its_index_and_crc(index, crc):
    assert read_block_id(PIN, block_id(PIN, index, crc)) == (index, crc)


def test_all_block_ids_have_one_length_that_azure_takes():
    lengths = {len(block_id(PIN, index, crc)) for index in (0, MAX_BLOCKS - 1) for crc in (0, 2**64 - 1)}
    assert len(lengths) == 1
    assert max(lengths) <= 64


@pytest.mark.parametrize(
    "text",
    [
        "",
        "AAAAAA==",
        block_id("f" * 16, 1, 1),  # another pin
        block_id(PIN, 1, 1)[:-1],
        block_id(PIN, 1, 1) + "0",
        PIN + "0000g" + "0" * 16,
        PIN + "+0001" + "0" * 16,
        PIN + "0x001" + "0" * 16,
        PIN + "0_0_1" + "0" * 16,
        PIN + "00001" + " " * 15 + "1",
        PIN + "0000A" + "0" * 16,  # ours are in lower case
    ],
)
def test_the_id_of_anyone_elses_block_is_rejected(text):
    assert read_block_id(PIN, text) is None


@given(rest=st.text(alphabet="0123456789abcdefABCDEF+-_x .", min_size=21, max_size=21))
def test_an_id_that_is_read_is_the_one_that_would_be_written(rest):
    found = read_block_id(PIN, PIN + rest)
    assert found is None or block_id(PIN, *found) == PIN + rest


def test_equal_content_has_equal_pins():
    assert pin_blocks(make_object("a"), 8, 0) == pin_blocks(make_object("b"), 8, 0)


@pytest.mark.parametrize(
    ("changes", "block_bytes", "restart"),
    [
        ({"etag": "e2"}, 8, 0),
        ({"version_id": "v"}, 8, 0),
        ({"size_bytes": 8}, 8, 0),
        ({}, 9, 0),
        ({}, 8, 1),
    ],
)
def test_other_content_other_blocks_and_a_restart_have_other_pins(changes, block_bytes, restart):
    assert pin_blocks(make_object(**changes), block_bytes, restart) != pin_blocks(make_object(), 8, 0)


def test_without_an_etag_contents_are_told_apart_by_their_dates():
    older, newer = (make_object(etag="", modified_at=NOW + timedelta(seconds=second)) for second in (0, 1))
    assert pin_blocks(older, 8, 0) != pin_blocks(newer, 8, 0)
