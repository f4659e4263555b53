from __future__ import annotations

import threading

import pytest

from awcopy.compare.ahead import map_ahead


def test_results_come_in_order_whatever_takes_long():
    second_is_done = threading.Event()

    def work(number):
        if number == 1:
            assert second_is_done.wait(10)
        elif number == 2:
            second_is_done.set()
        return number * 10

    assert list(map_ahead(work, range(1, 50), at_once=2)) == [number * 10 for number in range(1, 50)]


def test_only_so_many_inputs_are_taken_ahead():
    taken = []
    results = map_ahead(lambda number: number, (taken.append(n) or n for n in range(100)), at_once=3)
    assert next(results) == 0
    assert len(taken) == 6
    results.close()


def test_an_error_of_the_work_ends_it_all():
    def work(number):
        if number == 5:
            raise ValueError("five")
        return number

    found = []
    with pytest.raises(ValueError, match="five"):
        found += map_ahead(work, range(100), at_once=2)
    with pytest.raises(ValueError, match="inputs"):
        list(map_ahead(work, _broken_inputs(), at_once=2))


def _broken_inputs():
    yield 1
    raise ValueError("inputs")
