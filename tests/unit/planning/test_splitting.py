from __future__ import annotations

from bisect import bisect_right
from math import log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from awcopy.planning.splitting import find_split

NUMBERS = [f"{number:07}" for number in range(0, 10_000_000, 1000)]
DAYS = [
    f"log/{year}/{month:02}/{day:02}"
    for year in (2024, 2025)
    for month in range(1, 13)
    for day in range(1, 29)
]
KEYS = st.lists(st.text(st.sampled_from("ab/\x00z~é中\uffff😀"), max_size=6), min_size=1, unique=True)


class Looks:
    """The keys of a range, and how often they were looked at."""

    def __init__(self, keys: list[str]) -> None:
        self.keys = sorted(keys)
        self.count = 0

    def first_above(self, text: str) -> str:
        self.count += 1
        place = bisect_right(self.keys, text)
        return self.keys[place] if place < len(self.keys) else ""


@pytest.mark.parametrize(
    ("keys", "prefix", "at", "share"),
    [
        (NUMBERS, "", 0, (0.4, 0.6)),
        (NUMBERS, "", 4_000, (0.4, 0.6)),
        ([f"{number:x}" for number in range(0x1000, 0x10000, 7)], "", 10, (0.3, 0.7)),
        (DAYS, "log/", 0, (0.5, 0.5)),
        (DAYS, "log/", DAYS.index("log/2025/01/02"), (0.2, 0.8)),
        ([f"only/{text}" for text in ("a", "b")], "only/", 0, (0.5, 1)),
    ],
)
def test_a_range_is_split_near_its_middle(keys, prefix, at, share):
    looks = Looks(keys)
    split = find_split(keys[at], prefix, looks.first_above)
    above = sum(key > split for key in keys)
    assert share[0] <= above / (len(keys) - at) <= share[1]
    assert looks.count <= log2(len(keys[at])) + 9


@given(KEYS, st.data())
def test_a_split_leaves_keys_above_it_and_lies_above_what_is_listed(keys, data):
    looks = Looks(keys)
    key = data.draw(st.sampled_from(looks.keys))
    split = find_split(key, "", looks.first_above)
    assert not split or (key < split < looks.keys[-1])
    split.encode()  # so that it can be asked for


@given(KEYS, st.data())
def test_keys_may_go_meanwhile(keys, data):
    looks = Looks(keys)
    key = data.draw(st.sampled_from(looks.keys))

    def first_above(text: str) -> str:
        found = looks.first_above(text)
        if found and data.draw(st.booleans()):
            looks.keys.remove(found)
        return found

    split = find_split(key, "", first_above)
    assert not split or key < split


@pytest.mark.parametrize(("keys", "key"), [([], "a"), (["a"], "a"), (["b", "b/c"], "b"), (["b"], "")])
def test_what_has_no_two_parts_is_not_split(keys, key):
    assert find_split(key, key if not key else "", Looks(keys).first_above) == ""
