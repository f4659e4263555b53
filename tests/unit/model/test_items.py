from __future__ import annotations

from datetime import timedelta

import pytest

from awcopy.errors import IllegalMove
from awcopy.model.items import ItemState, claim, complete, give_back
from awcopy.model.outcome import Tally, Totals
from tests.unit.factories import NOW, make_item


def claimed(item=None, **changes):
    facts = {"agent": 3, "generation": 2, "now": NOW, "lease_s": 60.0, **changes}
    return claim(item or make_item(), **facts)


def test_a_claim_names_who_holds_the_item_and_until_when():
    item = claimed()
    assert (item.state, item.agent, item.generation) == (ItemState.LEASED, 3, 2)
    assert item.lease_until == NOW + timedelta(seconds=60)


def test_every_claim_raises_the_fence():
    first = claimed()
    assert (first.fence, claimed(give_back(first)).fence) == (1, 2)


@pytest.mark.parametrize("state", [ItemState.LEASED, ItemState.DONE])
def test_only_a_ready_item_can_be_claimed(state):
    with pytest.raises(IllegalMove):
        claimed(make_item(state=state))


def test_an_attempt_that_ended_in_good_order_is_not_counted():
    assert give_back(claimed()).attempts == 0


def test_an_attempt_that_went_wrong_is_counted():
    assert give_back(claimed(), attempts=1).attempts == 1


def test_an_item_that_is_given_back_is_nobodys():
    item = give_back(claimed())
    assert (item.state, item.agent, item.lease_until) == (ItemState.READY, -1, None)


def test_a_done_item_keeps_the_fence_of_its_outcomes():
    totals = Totals(copied=Tally(objects=1, size_bytes=7))
    item = complete(claimed(), totals, has_outcomes=True)
    assert (item.state, item.totals, item.outcome_fence) == (ItemState.DONE, totals, 1)


def test_a_done_item_without_outcomes_names_none():
    assert complete(claimed(), Totals(), has_outcomes=False).outcome_fence == 0
