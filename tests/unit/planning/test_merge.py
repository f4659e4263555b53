from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from awcopy.errors import OutOfOrder
from awcopy.planning.merge import merge_join

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
sides = st.dictionaries(names, st.integers(), max_size=30)


def by_name(side: dict[str, int]) -> list[tuple[str, int]]:
    """Return a side as a store lists it: in order of the UTF-8 bytes of its names."""
    return sorted(side.items(), key=lambda entry: entry[0].encode())


def joined_naively(left: dict[str, int], right: dict[str, int]) -> list[tuple[str, int | None, int | None]]:
    every = sorted({*left, *right}, key=str.encode)
    return [(name, left.get(name), right.get(name)) for name in every]


@given(sides, sides)
def test_each_name_of_either_side_comes_once_in_byte_order(left, right):
    assert list(merge_join(by_name(left), by_name(right))) == joined_naively(left, right)


@given(sides)
def test_a_side_joined_with_itself_has_everything_twice(side):
    assert [(left, right) for _, left, right in merge_join(by_name(side), by_name(side))] == [
        (value, value) for _, value in by_name(side)
    ]


@pytest.mark.parametrize(
    ("left", "right", "side"),
    [
        (["b", "a"], ["c"], "source"),
        (["a", "a"], ["c"], "source"),
        (["a"], ["c", "b"], "destination"),
        (["a", "c", "b"], ["a"], "source"),
        (["a/b", "a-b"], ["z"], "source"),  # folder by folder, as SeaweedFS lists
        (["\U00010000", "\uffff"], [], "source"),  # by UTF-16 units, as JavaScript sorts
    ],
)
def test_a_side_that_is_not_in_order_is_named(left, right, side):
    with pytest.raises(OutOfOrder, match=f"the {side} does not list"):
        list(merge_join([(name, 1) for name in left], [(name, 1) for name in right]))


def test_memory_does_not_grow_with_the_number_of_names():
    def side(step):
        return ((f"{number:08}", number) for number in range(0, 60_000, step))

    tracemalloc.start()
    try:
        total = sum(1 for _ in merge_join(side(2), side(3)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert total == 40_000
    assert peak < 1_000_000  # 40,000 names take several times as much
