from __future__ import annotations

from dataclasses import replace

import pytest

from awcopy.errors import ServiceUnreachable
from awcopy.jobs.sums import sum_items
from awcopy.model.items import ItemState
from awcopy.model.outcome import Tally, Totals
from tests.unit.factories import JOB_ID, make_item
from tests.unit.world import World


@pytest.fixture
def world():
    return World()


DONE = Totals(copied=Tally(objects=1, size_bytes=5))


class Clock:
    """Each look at it takes some seconds: finding the sums takes as long."""

    def __init__(self, seconds):
        self.now = 0.0
        self.seconds = seconds

    def __call__(self):
        self.now += self.seconds
        return self.now


def add_done(world, number):
    world.ledger.add_item(make_item(number))
    world.ledger.update_item(
        replace(world.ledger.get_item(JOB_ID, number), state=ItemState.DONE, totals=DONE)
    )


def copied(world, seconds):
    return sum_items(world.fleet, JOB_ID, Clock(seconds)).totals.copied.objects


def test_items_add_up(world):
    add_done(world, 2)
    world.ledger.add_item(make_item(3))
    sums = sum_items(world.fleet, JOB_ID)
    assert (sums.totals, sums.open_items, sums.busy_agents, sums.is_listing) == (DONE, 1, 0, False)


def test_sums_that_are_found_quickly_are_of_this_moment(world):
    add_done(world, 2)
    assert copied(world, 0.01) == 1
    add_done(world, 3)
    assert copied(world, 0.01) == 2


def test_sums_that_take_long_are_shared_for_a_while_and_then_found_anew_by_one(world):
    add_done(world, 2)
    assert copied(world, 3.0) == 1
    add_done(world, 3)
    assert copied(world, 3.0) == 2  # the first to come after them finds them again
    add_done(world, 4)
    assert [copied(world, 3.0) for _ in range(5)] == [2] * 5
    world.clock.seconds += 31
    assert copied(world, 3.0) == 3
    assert copied(world, 3.0) == 3


def test_sums_never_go_back(world):
    add_done(world, 2)
    assert copied(world, 3.0) == 1
    add_done(world, 3)
    assert copied(world, 0.01) == 2  # found anew, and quickly this time
    assert copied(world, 0.01) == 2


@pytest.mark.parametrize("op", ["recall", "remember", "once_every"])
def test_without_redis_the_sums_are_the_ledgers(world, op):
    def refuse(*_arguments):
        raise ServiceUnreachable("gone")

    add_done(world, 2)
    copied(world, 3.0)
    add_done(world, 3)
    setattr(world.live, op, refuse)
    assert copied(world, 3.0) == 2


def test_what_another_version_shares_is_found_anew(world):
    add_done(world, 2)
    world.live.remember(JOB_ID, "{}")
    assert copied(world, 0.01) == 1
