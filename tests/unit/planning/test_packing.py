from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from awcopy.model.outcome import Tally
from awcopy.planning.packing import MAX_PACK_BYTES, pack_objects
from awcopy.units import MIB
from tests.unit.factories import make_object, make_outcome

LARGE = 64 * MIB


def pack(objects, *, files_per_pack=500, most_rows=99, is_selected=lambda _: True, settle=lambda _: None):
    return list(
        pack_objects(
            objects,
            is_selected=is_selected,
            settle=settle,
            is_large=lambda obj: obj.size_bytes > LARGE,
            files_per_pack=files_per_pack,
            most_rows=most_rows,
        )
    )


def objects_of(*sizes):
    return [make_object(f"{index:06}", size_bytes=size) for index, size in enumerate(sizes)]


sizes = st.lists(st.sampled_from([0, 1, MIB, LARGE, LARGE + 1, MAX_PACK_BYTES, MAX_PACK_BYTES * 9]))


@given(sizes=sizes, files_per_pack=st.integers(1, 5), most_rows=st.integers(2, 9))
def test_every_object_is_packed_once_and_in_order(sizes, files_per_pack, most_rows):
    objects = objects_of(*sizes)
    batches = pack(objects, files_per_pack=files_per_pack, most_rows=most_rows)
    small = [obj for batch in batches for files in batch.packs for obj in files]
    large = [obj for batch in batches for obj in batch.large]
    assert small == [obj for obj in objects if obj.size_bytes <= LARGE]
    assert large == [obj for obj in objects if obj.size_bytes > LARGE]


@given(sizes=sizes, files_per_pack=st.integers(1, 5), most_rows=st.integers(2, 9))
def test_a_batch_goes_on_where_the_one_before_ended(sizes, files_per_pack, most_rows):
    batches = pack(objects_of(*sizes), files_per_pack=files_per_pack, most_rows=most_rows)
    before = ""
    for batch in batches:
        keys = sorted(obj.key for files in (*batch.packs, batch.large) for obj in files)
        assert before < keys[0]
        assert keys[-1] == batch.last.key
        before = batch.last.key


@given(sizes=sizes, files_per_pack=st.integers(1, 5), most_rows=st.integers(2, 9))
def test_batches_and_packs_stay_within_their_limits(sizes, files_per_pack, most_rows):
    for batch in pack(objects_of(*sizes), files_per_pack=files_per_pack, most_rows=most_rows):
        assert 1 <= len(batch.packs) + 2 * len(batch.large) <= most_rows
        for files in batch.packs:
            assert 1 <= len(files) <= files_per_pack
            assert len(files) == 1 or sum(obj.size_bytes for obj in files) <= MAX_PACK_BYTES


@given(sizes=sizes, most_rows=st.integers(2, 9))
def test_batches_count_what_they_hold(sizes, most_rows):
    batches = pack(objects_of(*sizes), most_rows=most_rows)
    assert sum((batch.listed for batch in batches), Tally()) == Tally(
        objects=len(sizes), size_bytes=sum(sizes)
    )


def test_objects_that_are_not_selected_are_counted_and_left_out():
    [batch] = pack(objects_of(1, 2, 4), is_selected=lambda obj: obj.size_bytes != 2)
    assert [obj.size_bytes for obj in batch.packs[0]] == [1, 4]
    assert batch.listed == Tally(objects=2, size_bytes=5)
    assert batch.excluded == Tally(objects=1, size_bytes=2)


def test_a_page_of_which_nothing_is_selected_still_says_how_far_it_came():
    [batch] = pack(objects_of(1, 2), is_selected=lambda _: False)
    assert (batch.last.key, batch.packs, batch.large) == ("000001", [], [])


def test_no_objects_make_no_batch():
    assert pack([]) == []


def test_a_full_page_of_small_objects_is_two_packs_in_one_batch():
    [batch] = pack(objects_of(*[1] * 1000))
    assert [len(files) for files in batch.packs] == [500, 500]


def test_a_pack_is_filled_up_to_256_mib():
    [batch] = pack(objects_of(*[LARGE] * 5))
    assert [len(files) for files in batch.packs] == [4, 1]


@pytest.mark.parametrize(("most_rows", "batches"), [(2, 3), (4, 2), (6, 1)])
def test_a_large_file_takes_two_rows(most_rows, batches):
    assert len(pack(objects_of(*[LARGE + 1] * 3), most_rows=most_rows)) == batches


def test_what_needs_no_work_is_settled_and_takes_one_row():
    objects = objects_of(*[1] * 6)
    settled = {obj.key: make_outcome(obj.key) for obj in objects[::2]}
    [batch] = pack(objects, settle=lambda obj: settled.get(obj.key))
    assert batch.settled == list(settled.values())
    assert (batch.packs, batch.rows, batch.listed.objects) == ([objects[1::2]], 2, 6)
