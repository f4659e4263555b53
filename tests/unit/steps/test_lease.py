from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from awcopy.errors import JobInterrupted, LeaseLost, ServiceUnreachable
from awcopy.model.items import ItemKind, ItemState, ListRange, claim
from awcopy.model.job import JobState
from awcopy.model.outcome import Tally, Totals
from awcopy.steps.lease import Lease, LeaseKeeper
from tests.unit.factories import JOB_ID, make_item
from tests.unit.world import LEASE_S

TOTALS = Totals(copied=Tally(objects=1, size_bytes=7))


@pytest.fixture
def lease(world):
    item = world.ledger.add_item(make_item(1, kind=ItemKind.LIST_OBJECTS, range=ListRange()))
    return lease_of(world, item)


def lease_of(world, item):
    ledger = world.ledger
    leased = ledger.update_item(claim(item, agent=0, generation=1, now=ledger.now(), lease_s=LEASE_S))
    return Lease(ledger, leased, lease_s=LEASE_S, monotonic=world.clock.monotonic)


def row(world):
    return world.ledger.get_item(JOB_ID, 1)


def test_work_may_go_on_while_the_lease_is_young(world, lease):
    world.clock.seconds += LEASE_S / 2
    lease.check()


def test_work_ends_at_two_thirds_of_a_lease_that_is_not_renewed(world, lease):
    world.clock.seconds += LEASE_S * 2 / 3 + 1
    with pytest.raises(LeaseLost):
        lease.check()


def test_a_renewed_lease_is_young_again(world, lease):
    for _ in range(5):
        world.clock.seconds += LEASE_S / 2
        lease.renew()
        lease.check()
    assert row(world).lease_until == world.ledger.now() + timedelta(seconds=LEASE_S)
    assert row(world).fence == 1


def test_a_lease_that_another_took_cannot_be_renewed(world, lease):
    world.ledger.update_item(replace(row(world), fence=2))
    lease.renew()
    with pytest.raises(LeaseLost):
        lease.check()
    assert row(world).fence == 2


def test_a_ledger_that_does_not_answer_once_ends_nothing(world, lease):
    update_item, world.ledger.update_item = world.ledger.update_item, _unreachable
    lease.renew()
    lease.check()
    world.ledger.update_item = update_item
    world.clock.seconds += LEASE_S / 2
    lease.renew()
    lease.check()


def test_a_ledger_that_stays_away_ends_the_work_before_the_lease_does(world, lease):
    world.ledger.update_item = _unreachable
    world.clock.seconds += LEASE_S - 1
    lease.renew()
    with pytest.raises(LeaseLost):
        lease.check()


def test_an_interruption_ends_the_work_in_good_order(lease):
    lease.interrupt("paused")
    with pytest.raises(JobInterrupted, match="paused"):
        lease.check()


def test_a_lost_lease_is_not_taken_for_an_interruption(world, lease):
    world.ledger.update_item(row(world))
    lease.renew()
    lease.interrupt("paused")
    with pytest.raises(LeaseLost):
        lease.check()


@pytest.mark.parametrize(
    "write",
    [
        lambda lease: lease.complete(TOTALS, has_outcomes=True),
        lambda lease: lease.give_back(),
        lambda lease: lease.give_back(attempts=1),
        lambda lease: lease.save(lambda item: replace(item, objects=9)),
        lambda lease: lease.extend(lambda item: item, [make_item(2)], []),
    ],
)
def test_a_zombie_writes_nothing(world, lease, write):
    world.ledger.update_item(replace(row(world), fence=2))
    before = list(world.ledger.list_items(JOB_ID))
    with pytest.raises(LeaseLost):
        write(lease)
    assert list(world.ledger.list_items(JOB_ID)) == before


@pytest.mark.parametrize(("attempts", "kept"), [(None, 0), (1, 1), (0, 0)])
def test_an_item_that_is_given_back_can_be_claimed_at_once(world, lease, attempts, kept):
    lease.give_back(attempts=attempts)
    assert (row(world).state, row(world).attempts) == (ItemState.READY, kept)
    lease_of(world, row(world)).check()


def test_what_is_saved_or_extended_stays_leased(world, lease):
    lease.save(lambda item: replace(item, objects=9))
    lease.extend(lambda item: replace(item, size_bytes=5), [make_item(2)], [])
    assert (row(world).state, row(world).objects, row(world).size_bytes) == (ItemState.LEASED, 9, 5)
    assert lease.item == row(world)


def test_a_renewal_that_comes_too_late_does_not_open_a_done_item(world, lease):
    lease.complete(TOTALS, has_outcomes=True)
    lease.renew()
    assert (row(world).state, row(world).totals, row(world).outcome_fence) == (ItemState.DONE, TOTALS, 1)


def test_renewals_beside_the_work_never_cost_the_lease(world, lease):
    start = threading.Barrier(2, timeout=5)

    def renew():
        start.wait()
        for _ in range(200):
            lease.renew()

    beside = threading.Thread(target=renew)
    beside.start()
    start.wait()
    for number in range(200):
        lease.save(lambda item, number=number: replace(item, objects=number))
    beside.join()
    lease.complete(TOTALS, has_outcomes=False)
    assert (row(world).state, row(world).objects) == (ItemState.DONE, 199)


# The keeper.


@pytest.fixture
def keeper(world):
    """A keeper whose thread is not started: its rounds are called one by one."""
    keeper = LeaseKeeper(world.ledger, LEASE_S)
    keeper._thread = threading.current_thread()
    return keeper


@pytest.mark.parametrize("state", sorted(set(JobState) - {JobState.RUNNING}))
def test_the_leases_of_a_job_that_does_not_run_any_more_are_interrupted(world, lease, keeper, state):
    world.submit(state=state)
    keeper._interrupt_unwanted([lease])
    with pytest.raises(JobInterrupted, match=state.value):
        lease.check()


def test_the_leases_of_a_removed_job_are_interrupted(lease, keeper):
    keeper._interrupt_unwanted([lease])
    with pytest.raises(JobInterrupted, match="removed"):
        lease.check()


def test_the_leases_of_a_job_that_runs_are_left_alone_whatever_its_generation(world, lease, keeper):
    world.submit(state=JobState.RUNNING, generation=9)
    keeper._interrupt_unwanted([lease])
    lease.check()


def test_a_job_that_cannot_be_looked_at_is_taken_to_run(world, lease, keeper):
    world.ledger.get_job = _unreachable
    keeper._interrupt_unwanted([lease])
    lease.check()


def test_a_process_that_is_to_end_interrupts_what_it_holds_and_what_is_to_come(lease, keeper):
    with keeper.keep(lease):
        keeper.interrupt_all("the worker is stopping")
        with pytest.raises(JobInterrupted, match="stopping"):
            lease.check()


def test_a_process_that_is_to_end_begins_nothing(lease, keeper):
    keeper.interrupt_all("the worker is stopping")
    with keeper.keep(lease), pytest.raises(JobInterrupted):
        lease.check()


def test_only_leases_that_are_held_are_looked_after(lease, keeper):
    with keeper.keep(lease):
        assert keeper._held == {lease}
    assert keeper._held == set()


def test_a_keeper_renews_by_itself(world):
    renewed = threading.Event()
    world.submit(state=JobState.RUNNING)
    item = world.ledger.add_item(make_item())
    lease = lease_of(world, item)
    lease.renew = renewed.set
    with LeaseKeeper(world.ledger, 0.2).keep(lease):
        assert renewed.wait(5)


def test_a_keeper_outlives_a_round_that_goes_wrong(world):
    renewed = threading.Event()
    world.submit(state=JobState.RUNNING)
    lease = lease_of(world, world.ledger.add_item(make_item()))
    rounds = iter([ZeroDivisionError()])

    def renew():
        for error in rounds:
            raise error
        renewed.set()

    lease.renew = renew
    with LeaseKeeper(world.ledger, 0.1).keep(lease):
        assert renewed.wait(5)


def _unreachable(*_arguments):
    raise ServiceUnreachable("the ledger does not answer")
