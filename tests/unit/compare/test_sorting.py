from __future__ import annotations

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from awcopy.compare.sorting import sort_entries


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=3), max_size=40), st.integers(1, 9)
)
def test_entries_come_in_order_and_each_name_once_however_many_runs_it_takes(names, run_entries):
    entries = [(name, place) for place, name in enumerate(names)]
    found = list(sort_entries(entries, run_entries=run_entries, chunk_entries=2))
    first = dict(reversed(entries))
    assert found == sorted(first.items(), key=lambda entry: entry[0].encode())


def test_memory_does_not_grow_with_the_number_of_entries():
    entries = ((f"{number * 7919 % 30_011:08}", number) for number in range(30_000))
    tracemalloc.start()
    try:
        last, total = "", 0
        for name, _ in sort_entries(entries, run_entries=1000, chunk_entries=10):
            assert name > last
            last, total = name, total + 1
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert total == 30_000
    assert peak < 1_000_000
