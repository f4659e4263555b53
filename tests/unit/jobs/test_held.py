from __future__ import annotations

import pytest

from awcopy.jobs.held import HeldItem, list_held, say_what_it_holds
from awcopy.model.items import BlockRange, ItemState, ListRange
from tests.unit.factories import JOB_ID, make_item
from tests.unit.world import World


@pytest.mark.parametrize(
    ("range_", "does"),
    [
        (None, "copies files"),
        (ListRange(), "lists keys"),
        (ListRange(after="k"), "lists more keys"),
        (BlockRange(file=7, index=0, first=10, end=20), "copies blocks 10 to 19 of large file 7"),
    ],
)
def test_what_is_done_is_said_in_words(range_, does):
    assert HeldItem(item=make_item(range=range_)).does == does


def test_only_items_that_agents_hold_are_listed_by_agent():
    world = World()
    world.submit()
    for number, (state, agent) in enumerate(
        [(ItemState.LEASED, 1), (ItemState.READY, -1), (ItemState.LEASED, 0), (ItemState.DONE, -1)], start=1
    ):
        world.ledger.add_item(make_item(number, state=state, agent=agent))

    assert [one.item.number for one in list_held(world.fleet, JOB_ID)] == [3, 1]


@pytest.mark.parametrize(
    ("range_", "holds"),
    [
        (None, "1,500 files, 12.0 MiB"),
        (ListRange(after="k"), ""),
        (BlockRange(file=7, index=0, first=10, end=20), "blocks 10 to 19 of large file 7, 12.0 MiB"),
    ],
)
def test_what_an_item_holds_is_said_without_a_key(range_, holds):
    assert say_what_it_holds(make_item(range=range_, objects=1_500, size_bytes=12 * 1024**2)) == holds
