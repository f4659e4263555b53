from __future__ import annotations

from dataclasses import replace

import pytest

from awcopy.errors import LeaseLost, ServiceUnreachable
from awcopy.live.memory import MemoryLive
from awcopy.model.items import ItemKind, ItemState, ListRange, claim
from awcopy.model.job import JobState
from awcopy.model.outcome import Tally, Totals
from awcopy.steps.agent import End, take_turn
from awcopy.steps.dispatch import next_generation
from awcopy.steps.lease import Lease
from awcopy.steps.places import Turn
from awcopy.steps.reconcile import reconcile
from tests.unit.factories import JOB_ID, make_item, make_spec
from tests.unit.world import LEASE_S

AGENTS = 3


@pytest.fixture
def job(world):
    """A running job of three agents, whose first generation has just begun."""
    job = world.submit(spec=make_spec(agents=AGENTS))
    next_generation(world.fleet, job)
    return world.ledger.get_job(JOB_ID)


def add_items(world, *states):
    for number, state in enumerate(states, start=2):
        world.ledger.add_item(make_item(number))
        if state is ItemState.LEASED:
            lease_item(world, number)
        elif state is ItemState.DONE:
            world.ledger.update_item(replace(item(world, number), state=state))


def lease_item(world, number=2, *, place=0, generation=1):
    ledger = world.ledger
    claimed = claim(
        item(world, number), agent=place, generation=generation, now=ledger.now(), lease_s=LEASE_S
    )
    return Lease(ledger, ledger.update_item(claimed), lease_s=LEASE_S, monotonic=world.clock.monotonic)


def item(world, number=2):
    return world.ledger.get_item(JOB_ID, number)


def job_of(world):
    return world.ledger.get_job(JOB_ID)


# Leases.


def test_an_item_whose_lease_ran_out_can_be_had_again(world, job):
    add_items(world, ItemState.LEASED)
    world.clock.seconds += LEASE_S + 1
    reconcile(world.context)
    assert (item(world).state, item(world).attempts, item(world).fence) == (ItemState.READY, 1, 1)
    assert world.live.pop_ready(JOB_ID) == 2


def test_an_item_whose_lease_runs_is_left_alone(world, job):
    add_items(world, ItemState.LEASED)
    before = item(world)
    world.clock.seconds += LEASE_S - 1
    reconcile(world.context)
    assert item(world) == before


def test_a_lease_that_is_renewed_at_the_last_moment_stays(world, job):
    add_items(world, ItemState.READY)
    lease = lease_item(world)
    world.clock.seconds += LEASE_S + 1
    list_items = world.ledger.list_items

    def list_then_renew(*arguments, **wanted):
        world.ledger.list_items = list_items
        items = list(list_items(*arguments, **wanted))
        lease.renew()
        return iter(items)

    world.ledger.list_items = list_then_renew
    reconcile(world.context)
    assert item(world).state is ItemState.LEASED
    lease.check()


def test_a_zombie_whose_item_was_freed_cannot_complete_it(world, job):
    add_items(world, ItemState.READY)
    zombie = lease_item(world)
    world.clock.seconds += LEASE_S + 1
    reconcile(world.context)
    freed = item(world)
    with pytest.raises(LeaseLost):
        zombie.complete(Totals(copied=Tally(objects=1)), has_outcomes=True)
    assert item(world) == freed


def test_a_zombie_whose_item_another_has_done_changes_nothing(world, job):
    add_items(world, ItemState.READY)
    zombie = lease_item(world)
    world.clock.seconds += LEASE_S + 1
    reconcile(world.context)
    lease_item(world, place=1).complete(Totals(copied=Tally(objects=1)), has_outcomes=True)
    done = item(world)
    for write in (zombie.give_back, lambda: zombie.complete(Totals(), has_outcomes=True)):
        with pytest.raises(LeaseLost):
            write()
    assert item(world) == done
    assert done.outcome_fence == 2


def test_leases_of_a_paused_job_are_freed_too(world, job):
    add_items(world, ItemState.LEASED)
    world.ledger.update_job(replace(job, state=JobState.PAUSED))
    world.clock.seconds += LEASE_S + 1
    assert reconcile(world.context).generations == []
    assert item(world).state is ItemState.READY


# Places.


def started(world):
    return [(one.number, one.places) for one in reconcile(world.context).generations]


def revived(world):
    repairs = reconcile(world.context)
    assert repairs.generations == []
    return [(turn.generation, turn.place, turn.turn) for turn in repairs.turns]


def test_a_generation_that_has_just_begun_is_left_alone(world, job):
    add_items(world, *[ItemState.READY] * 9)
    assert revived(world) == []


def test_places_that_fell_silent_are_revived_at_their_next_turn(world, job):
    add_items(world, *[ItemState.READY] * 9)
    world.live.pass_turn(JOB_ID, 1, 1, 0)
    world.clock.seconds += LEASE_S
    assert revived(world) == [(1, 0, 1), (1, 1, 2), (1, 2, 1)]
    assert job_of(world).generation == 1


def test_two_reconciles_revive_a_place_once(world, job):
    add_items(world, *[ItemState.READY] * 9)
    world.clock.seconds += LEASE_S
    assert len(revived(world)) == AGENTS
    assert revived(world) == []


def test_two_reconciles_at_once_revive_a_place_once(world, job):
    add_items(world, *[ItemState.READY] * 9)
    world.clock.seconds += LEASE_S
    places, other = world.live.places, []

    def look_while_another_revives(*arguments):
        world.live.places = places
        seen = places(*arguments)
        other.extend(revived(world))
        return seen

    world.live.places = look_while_another_revives
    assert revived(world) == []
    assert len(other) == AGENTS


def test_a_message_that_comes_after_its_place_was_revived_does_nothing(world, job):
    add_items(world, *[ItemState.READY] * 9)
    world.clock.seconds += LEASE_S
    revived(world)
    late = Turn(job_id=JOB_ID, generation=1, place=0, item=2)
    assert take_turn(world.context, late) is End.SUPERSEDED
    assert item(world).fence == 0


def test_agents_that_hold_items_are_alive_however_long_those_take(world, job):
    add_items(world, *[ItemState.READY] * 9)
    leases = [lease_item(world, 2 + place, place=place) for place in range(AGENTS)]
    for _ in range(9):
        world.clock.seconds += LEASE_S / 2
        for lease in leases:
            lease.renew()
        assert revived(world) == []


def test_a_place_that_was_lost_is_revived_and_no_more_than_that(world, job):
    add_items(world, *[ItemState.READY] * 9)
    leases = [lease_item(world, 2 + place, place=place) for place in (0, 1)]
    world.clock.seconds += LEASE_S / 2
    for lease in leases:
        lease.renew()
    assert revived(world) == [(1, 2, 1)]


def test_items_that_are_held_for_an_older_generation_count_as_agents(world, job):
    add_items(world, *[ItemState.READY] * 9)
    lease = lease_item(world)
    generation = next_generation(world.fleet, job_of(world))
    assert (generation.number, generation.places) == (2, AGENTS - 1)
    world.live.pass_turn(JOB_ID, 2, 0, 0)
    assert revived(world) == []
    lease.give_back()
    assert revived(world) == [(2, AGENTS - 1, 0)]


def test_a_generation_in_which_every_place_is_kept_starts_nothing(world, job):
    add_items(world, *[ItemState.READY] * 9)
    for place in range(AGENTS):
        lease_item(world, 2 + place, place=place)
    assert next_generation(world.fleet, job_of(world)) is None
    assert job_of(world).generation == 2
    assert revived(world) == []


def test_while_the_last_items_are_done_no_agents_are_missed(world, job):
    add_items(world, ItemState.LEASED, ItemState.DONE)
    world.clock.seconds += LEASE_S / 2
    assert revived(world) == []


def test_a_lost_live_state_means_that_no_place_goes_on(world, job):
    add_items(world, *[ItemState.READY] * 9)
    world.live.forget_job(JOB_ID)
    assert started(world) == [(2, AGENTS)]


def test_while_messages_wait_silent_agents_are_only_late(world, job):
    add_items(world, *[ItemState.READY] * 9)
    world.clock.seconds += LEASE_S
    world.live.waiting_messages = lambda: 5
    assert revived(world) == []


def test_agents_that_are_silent_for_very_long_are_lost_whatever_waits(world, job):
    add_items(world, *[ItemState.READY] * 9)
    world.clock.seconds += 100 * LEASE_S
    world.live.waiting_messages = lambda: 5
    assert len(revived(world)) == AGENTS


def test_with_its_places_gone_a_job_goes_on_though_messages_of_others_wait(world, job):
    add_items(world, *[ItemState.READY] * 9)
    world.live.forget_job(JOB_ID)
    world.live.waiting_messages = lambda: 5
    assert started(world) == [(2, AGENTS)]


def test_the_old_generations_messages_do_nothing_after_that(world, job):
    add_items(world, ItemState.READY)
    world.live.forget_job(JOB_ID)
    assert started(world) == [(2, AGENTS)]
    old = Turn(job_id=JOB_ID, generation=1, place=0, item=2)
    assert take_turn(world.context, old) is End.GIVEN_UP
    assert item(world).fence == 0


# Jobs.


def test_a_job_whose_items_are_all_done_is_ended(world, job):
    add_items(world, ItemState.DONE)
    assert started(world) == []
    assert job_of(world).state is JobState.COMPLETED


def test_a_job_that_nobody_took_up_is_dispatched_again(world):
    world.submit()
    assert reconcile(world.context).dispatches == []
    world.clock.seconds += LEASE_S
    assert reconcile(world.context).dispatches == [JOB_ID]


def test_a_job_whose_dispatch_waits_behind_other_messages_is_not_dispatched_again(world):
    world.submit()
    world.clock.seconds += LEASE_S
    world.live.waiting_messages = lambda: 1
    assert reconcile(world.context).dispatches == []


@pytest.mark.parametrize("state", [JobState.PAUSED, JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED])
def test_a_job_that_is_not_to_run_is_left_alone(world, state):
    job = world.submit(state=state)
    world.clock.seconds += 100 * LEASE_S
    repairs = reconcile(world.context)
    assert (repairs.dispatches, repairs.generations, repairs.turns) == ([], [], [])
    assert job_of(world) == job


def test_a_job_that_cannot_be_looked_at_does_not_keep_the_others_waiting(world, job):
    add_items(world, ItemState.DONE)
    other = world.submit(id="zybq000000000000", state=JobState.RUNNING)
    list_items = world.ledger.list_items

    def refuse_other(job_id, **wanted):
        if job_id == other.id:
            raise ServiceUnreachable("throttled")
        return list_items(job_id, **wanted)

    world.ledger.list_items = refuse_other
    reconcile(world.context)
    assert job_of(world).state is JobState.COMPLETED


def test_an_emptied_redis_in_the_middle_of_a_job_costs_nothing(world):
    contents = world.put({f"k{number}": b"x" for number in range(9)})
    job = world.submit(spec=make_spec(agents=2, files_per_task=1))
    turns = world.start(job).turns()
    for _ in range(8):
        turns.append(take_turn(world.context, turns.pop(0)))
    world.live = MemoryLive(world.clock.monotonic)
    world.use_ledger(world.ledger)
    assert [take_turn(world.context, turn) for turn in turns] == [End.SUPERSEDED] * 2
    world.recover(job)
    world.assert_copied(job, contents)


def test_a_listing_that_nobody_works_on_is_taken_up_again(world, job):
    world.ledger.add_item(make_item(1, kind=ItemKind.LIST_OBJECTS, range=ListRange()))
    world.clock.seconds += LEASE_S
    assert len(revived(world)) == AGENTS
