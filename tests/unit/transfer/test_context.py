from __future__ import annotations

import threading
import time

import pytest
import structlog

from awcopy.errors import JobInterrupted
from awcopy.transfer.context import run_each
from tests.unit.world import World, make_transfer


@pytest.mark.parametrize("connections", [1, 2, 16])
def test_results_come_in_the_order_of_the_inputs(connections):
    transfer = make_transfer(World(), connections=connections)
    assert run_each(transfer, lambda number: number * 2, range(50)) == [number * 2 for number in range(50)]


@pytest.mark.parametrize("connections", [1, 4])
def test_the_log_of_every_thread_says_whose_work_it_is(connections):
    with structlog.contextvars.bound_contextvars(job_id="0abc"):
        seen = run_each(
            make_transfer(World(), connections=connections),
            lambda _: structlog.contextvars.get_contextvars(),
            range(8),
        )
    assert seen == [{"job_id": "0abc"}] * 8


def test_nothing_to_do_is_done_at_once():
    assert run_each(make_transfer(World()), lambda _: 1 / 0, []) == []


@pytest.mark.parametrize(("connections", "at_once", "most"), [(3, None, 3), (3, 2, 2), (3, 9, 9)])
def test_so_many_are_under_way_at_once(connections, at_once, most):
    together = threading.Barrier(most, timeout=5)
    transfer = make_transfer(World(), connections=connections)
    run_each(transfer, lambda _: together.wait(), range(most), at_once=at_once)
    assert not together.broken


def test_no_more_than_the_connections_are_under_way_at_once():
    lock, under_way, most = threading.Lock(), [], [0]

    def work(number):
        with lock:
            under_way.append(number)
            most[0] = max(most[0], len(under_way))
        with lock:
            under_way.remove(number)

    run_each(make_transfer(World(), connections=3), work, range(100))
    assert most[0] <= 3


@pytest.mark.parametrize("connections", [1, 4])
def test_the_first_error_ends_it(connections):
    begun = []

    def work(number):
        begun.append(number)
        if number == 0:
            raise ZeroDivisionError
        time.sleep(0.01)  # or all may have been begun before the first error is seen

    with pytest.raises(ZeroDivisionError):
        run_each(make_transfer(World(), connections=connections), work, range(10_000))
    assert len(begun) < 10_000


@pytest.mark.parametrize("connections", [1, 4])
def test_nothing_is_begun_once_the_work_is_not_wanted_any_more(connections):
    begun = []

    def check():
        if len(begun) >= 5:
            raise JobInterrupted("paused")

    with pytest.raises(JobInterrupted):
        run_each(make_transfer(World(), connections=connections, check=check), begun.append, range(100))
    assert 5 <= len(begun) <= 5 + connections
