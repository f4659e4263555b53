from __future__ import annotations

from dataclasses import replace

import pytest

from awcopy.errors import (
    AccessDenied,
    ConnectionLost,
    CredentialsError,
    CredentialsRefused,
    ServiceUnreachable,
    StoreNotFound,
)
from awcopy.live.base import KEPT
from awcopy.model.items import ItemKind, ItemState, ListRange, claim
from awcopy.model.job import JobState
from awcopy.steps.agent import MAX_ATTEMPTS, End, stop_job, take_turn
from awcopy.steps.dispatch import next_generation
from awcopy.steps.places import Turn
from tests.unit.factories import JOB_ID, make_item, make_spec
from tests.unit.world import LEASE_S


@pytest.fixture
def turn(world):
    """The first turn of the first of two places; the job has one item that copies ``a`` and one for ``b``."""
    job = world.submit(spec=make_spec(agents=2))
    next_generation(world.fleet, job)
    for number, key in ((2, "a"), (3, "b")):
        obj = world.source.put_object(key, b"x")
        world.ledger.write_manifest(JOB_ID, number, [obj])
        world.ledger.add_item(make_item(number, objects=1, size_bytes=1))
    return Turn(job_id=JOB_ID, generation=1, place=0)


def item(world, number=2):
    return world.ledger.get_item(JOB_ID, number)


def job_of(world):
    return world.ledger.get_job(JOB_ID)


def with_item(turn, number=2):
    return replace(turn, item=number)


def test_a_turn_without_item_finds_the_next_one(world, turn):
    following = take_turn(world.context, turn)
    assert following == replace(turn, turn=1, item=2, kind=ItemKind.COPY_FILES)
    assert following.holds == "1 file, 1 B"
    assert item(world).state is ItemState.READY


def test_a_turn_runs_its_item_and_finds_the_next_one(world, turn):
    following = take_turn(world.context, with_item(turn))
    assert item(world).state is ItemState.DONE
    assert set(world.sink.blobs) == {"a"}
    assert following.turn == 1


def test_a_claim_says_which_place_holds_the_item(world, turn):
    seen = []
    world.source_calls.do("read_object", lambda: seen.append(item(world)))
    take_turn(world.context, with_item(replace(turn, place=1)))
    assert (seen[0].state, seen[0].agent, seen[0].generation, seen[0].fence) == (ItemState.LEASED, 1, 1, 1)
    assert (seen[0].lease_until - world.ledger.now()).total_seconds() == LEASE_S


def test_hints_are_followed_oldest_first(world, turn):
    world.live.push_ready(JOB_ID, [3, 2])
    assert take_turn(world.context, turn).item == 3


def test_lost_hints_are_found_in_the_ledger(world, turn):
    assert world.live.pop_ready(JOB_ID) is None
    assert take_turn(world.context, turn).item == 2


def test_a_live_state_that_takes_no_hints_loses_no_item(world, turn):
    world.live.push_ready = _unreachable
    assert take_turn(world.context, turn) == replace(turn, turn=1)
    del world.live.push_ready
    world.clock.seconds += 2
    assert take_turn(world.context, replace(turn, turn=1)).item == 2


def test_hints_are_fetched_from_the_ledger_by_one_agent_at_a_time(world, turn):
    first, second = take_turn(world.context, turn), take_turn(world.context, replace(turn, place=1))
    assert {first.item, second.item} == {2, 3}


@pytest.mark.parametrize("item_number", [0, 2])
def test_the_same_turn_taken_again_is_superseded(world, turn, item_number):
    turn = with_item(turn, item_number)
    assert isinstance(take_turn(world.context, turn), Turn)
    assert take_turn(world.context, turn) is End.SUPERSEDED


def test_the_same_turn_taken_again_copies_nothing_again(world, turn):
    take_turn(world.context, with_item(turn))
    before = item(world)
    take_turn(world.context, with_item(turn))
    assert item(world) == before
    assert world.sink_calls.calls["put_blob"] == 1


def test_a_redelivered_turn_whose_place_was_not_handed_on_hands_it_on(world, turn):
    pass_turn, world.live.pass_turn = world.live.pass_turn, _unreachable
    with pytest.raises(ServiceUnreachable):
        take_turn(world.context, with_item(turn))
    world.live.pass_turn = pass_turn
    following = take_turn(world.context, with_item(turn))
    assert (following.turn, world.sink_calls.calls["put_blob"]) == (1, 1)


def test_an_item_that_another_worker_holds_is_left_to_it(world, turn):
    held = world.ledger.update_item(replace(item(world), state=ItemState.LEASED, fence=1))
    assert take_turn(world.context, with_item(turn)).item == 3
    assert item(world) == held


def test_an_item_that_is_claimed_at_the_same_moment_is_left_to_the_other(world, turn):
    get_item = world.ledger.get_item

    def let_another_claim(job_id, number):
        found = get_item(job_id, number)
        world.ledger.get_item = get_item
        world.ledger.update_item(replace(found, state=ItemState.LEASED, fence=1))
        return found

    world.ledger.get_item = let_another_claim
    take_turn(world.context, with_item(turn))
    assert item(world).fence == 1
    assert world.sink_calls.calls["put_blob"] == 0


@pytest.mark.parametrize("number", [2, 99])
def test_a_hint_at_nothing_does_no_harm(world, turn, number):
    world.ledger.update_item(replace(item(world), state=ItemState.DONE))
    world.live.push_ready(JOB_ID, [number])
    following = take_turn(world.context, turn)
    assert isinstance(take_turn(world.context, following), Turn)


# The end of a place.


def test_with_nothing_left_the_place_is_given_up(world, turn):
    for number in (2, 3):
        world.ledger.update_item(replace(item(world, number), state=ItemState.DONE))
    assert take_turn(world.context, turn) is End.GIVEN_UP


def test_with_nothing_ready_but_copies_under_way_the_place_is_given_up(world, turn):
    for number in (2, 3):
        world.ledger.update_item(replace(item(world, number), state=ItemState.LEASED))
    assert take_turn(world.context, turn) is End.GIVEN_UP


def test_whoever_finds_that_nothing_is_left_wakes_one_that_waits(world, turn):
    for number in (2, 3):
        world.ledger.update_item(replace(item(world, number), state=ItemState.DONE))
    assert take_turn(world.context, turn) is End.GIVEN_UP
    woken = take_turn(world.context, replace(turn, place=1))
    assert woken == replace(turn, place=1, turn=1)
    assert take_turn(world.context, woken) is End.GIVEN_UP


def test_while_a_listing_is_under_way_the_place_waits(world, turn):
    listing = make_item(1, kind=ItemKind.LIST_OBJECTS, state=ItemState.LEASED, range=ListRange())
    world.ledger.add_item(listing)
    for number in (2, 3):
        world.ledger.update_item(replace(item(world, number), state=ItemState.DONE))
    assert take_turn(world.context, turn) == replace(turn, turn=1)


@pytest.mark.parametrize("state", sorted(set(JobState) - {JobState.RUNNING}))
def test_an_agent_of_a_job_that_does_not_run_does_nothing(world, turn, state):
    world.ledger.update_job(replace(job_of(world), state=state))
    assert take_turn(world.context, with_item(turn)) is End.GIVEN_UP
    assert item(world).fence == 0


def test_an_agent_of_a_job_that_was_removed_gives_its_place_up(world, turn):
    world.ledger.delete_job(JOB_ID)
    assert take_turn(world.context, with_item(turn)) is End.GIVEN_UP


@pytest.mark.parametrize("generation", [0, 2])
def test_an_agent_of_another_generation_does_nothing(world, turn, generation):
    live_before = world.live.places(JOB_ID, 1)
    assert take_turn(world.context, with_item(replace(turn, generation=generation))) is End.GIVEN_UP
    assert item(world).fence == 0
    assert world.live.places(JOB_ID, 1) == live_before


def test_an_agent_whose_generation_ended_goes_on_in_a_place_that_is_kept_for_it(world, turn):
    world.source_calls.do("read_object", lambda: next_generation(world.fleet, job_of(world)), times=1)
    following = take_turn(world.context, with_item(turn))
    assert following == Turn(job_id=JOB_ID, generation=2, place=1, turn=0, item=3, kind=ItemKind.COPY_FILES)
    assert take_turn(world.context, following) is End.GIVEN_UP
    assert item(world, 3).state is ItemState.DONE


def test_an_item_that_is_claimed_while_its_generation_ends_is_given_back(world, turn):
    update_item = world.ledger.update_item

    def end_the_generation(claimed):
        world.ledger.update_item = update_item
        assert next_generation(world.fleet, job_of(world)).places == 2
        return update_item(claimed)

    world.ledger.update_item = end_the_generation
    assert take_turn(world.context, with_item(turn)) is End.SUPERSEDED
    assert (item(world).state, item(world).attempts) == (ItemState.READY, 0)
    assert world.sink_calls.calls["put_blob"] == 0


def test_an_agent_that_lost_its_item_takes_no_place_that_is_kept_for_another(world, turn):
    def lose_it_and_fail():
        next_generation(world.fleet, job_of(world))
        world.ledger.update_item(replace(item(world), fence=7))
        raise ConnectionLost("gone")

    world.ledger.read_manifest = lambda *_arguments, **_named: lose_it_and_fail()
    assert take_turn(world.context, with_item(turn)) is End.SUPERSEDED
    assert world.live.places(JOB_ID, 2)[1].turn == KEPT


def test_an_agent_that_ended_its_item_before_takes_no_place_that_is_kept_for_another(world, turn):
    pop_ready = world.live.pop_ready

    def begin_the_next_generation(*arguments, **named):
        world.live.pop_ready = pop_ready
        held = claim(item(world, 3), agent=1, generation=1, now=world.ledger.now(), lease_s=60)
        world.ledger.update_item(held)
        world.ledger.add_item(make_item(4))
        next_generation(world.fleet, job_of(world))
        return pop_ready(*arguments, **named)

    world.live.pop_ready = begin_the_next_generation
    assert take_turn(world.context, with_item(turn)) is End.SUPERSEDED
    assert world.live.places(JOB_ID, 2)[1].kept_for == "3.1"
    assert item(world).state is ItemState.DONE


def test_a_message_that_came_twice_takes_no_place_that_is_kept(world, turn):
    world.source_calls.do("read_object", lambda: next_generation(world.fleet, job_of(world)), times=1)
    take_turn(world.context, with_item(turn))
    assert take_turn(world.context, with_item(turn)) is End.GIVEN_UP


def test_an_item_that_was_given_back_is_not_run_beside_the_next_one_of_its_place(world, turn):
    """A message came twice: its twin gave the item back and went on while this one was about to claim it."""
    update_item = world.ledger.update_item

    def let_the_twin_go_on(claimed):
        world.ledger.update_item = update_item
        world.live.pass_turn(JOB_ID, 1, 0, 0)
        return update_item(claimed)

    world.ledger.update_item = let_the_twin_go_on
    assert take_turn(world.context, with_item(turn)) is End.SUPERSEDED
    assert (item(world).state, item(world).attempts) == (ItemState.READY, 0)
    assert world.sink_calls.calls["put_blob"] == 0


def test_when_the_live_state_is_lost_the_place_goes_no_further(world, turn):
    world.live.forget_job(JOB_ID)
    assert take_turn(world.context, with_item(turn)) is End.SUPERSEDED
    assert item(world).state is ItemState.DONE


# Trouble.


def break_item(world, error):
    world.ledger.read_manifest = _raiser(error)


@pytest.mark.parametrize("error", [ServiceUnreachable("down"), ConnectionLost("lost"), ZeroDivisionError()])
def test_an_item_that_meets_trouble_is_given_back_and_counted(world, turn, error):
    break_item(world, error)
    assert isinstance(take_turn(world.context, with_item(turn)), Turn)
    assert (item(world).state, item(world).attempts, item(world).agent) == (ItemState.READY, 1, -1)
    assert job_of(world).state is JobState.RUNNING


@pytest.mark.parametrize("error", [ServiceUnreachable("down"), ZeroDivisionError()])
def test_an_item_that_meets_trouble_too_often_fails_the_job_with_the_reason(world, turn, error):
    break_item(world, error)
    world.ledger.update_item(replace(item(world), attempts=MAX_ATTEMPTS - 1))
    take_turn(world.context, with_item(turn))
    assert job_of(world).state is JobState.FAILED
    assert f"item 2 failed {MAX_ATTEMPTS} times" in job_of(world).detail


def test_an_item_that_failed_its_job_counts_from_the_beginning_when_that_is_resumed(world, turn):
    break_item(world, ServiceUnreachable("down"))
    world.ledger.update_item(replace(item(world), attempts=MAX_ATTEMPTS - 1))
    take_turn(world.context, with_item(turn))
    assert (item(world).state, item(world).attempts) == (ItemState.READY, 0)


def test_a_listing_that_ends_its_worker_again_and_again_fails_the_job(world, turn):
    listing = make_item(1, kind=ItemKind.LIST_OBJECTS, range=ListRange(), attempts=MAX_ATTEMPTS)
    world.ledger.add_item(listing)
    take_turn(world.context, with_item(turn, 1))
    assert job_of(world).state is JobState.FAILED
    assert "worker ended" in job_of(world).detail
    assert world.source_calls.calls["list_page"] == 0


@pytest.mark.parametrize("error", [CredentialsRefused("expired"), CredentialsError("no key")])
def test_refused_credentials_pause_the_job_and_keep_its_objects(world, turn, error):
    break_item(world, error)
    assert take_turn(world.context, with_item(turn)) is not End.SUPERSEDED
    assert (job_of(world).state, job_of(world).pause_reason) == (JobState.PAUSED, "auth")
    assert item(world).state is ItemState.READY
    assert job_of(world).sealed == "sealed"


def test_a_store_that_is_gone_fails_the_job(world, turn):
    world.sink_calls.fail("put_blob", StoreNotFound("there is no such container"))
    world.sink_calls.fail("head", StoreNotFound("there is no such container"))
    take_turn(world.context, with_item(turn))
    assert job_of(world).state is JobState.FAILED
    assert "no such container" in job_of(world).detail
    assert job_of(world).sealed == ""


def test_access_denied_on_one_object_stops_neither_item_nor_job(world, turn):
    world.source_calls.fail("read_object", AccessDenied("no"))
    take_turn(world.context, with_item(turn))
    assert item(world).state is ItemState.DONE
    assert world.report(job_of(world))["a"].reason == "access_denied"


def test_a_lease_that_was_lost_is_neither_recorded_nor_counted(world, turn):
    def take_away():
        world.ledger.update_item(replace(item(world), fence=7))

    world.source_calls.do("read_object", take_away)
    take_turn(world.context, with_item(turn))
    assert (item(world).state, item(world).fence, item(world).attempts) == (ItemState.LEASED, 7, 1)


def test_an_interrupted_item_is_given_back_in_good_order(world, turn):
    context = replace(world.context, keep=_Interrupting)
    take_turn(context, with_item(turn))
    assert (item(world).state, item(world).attempts) == (ItemState.READY, 0)


@pytest.mark.parametrize("state", sorted(set(JobState) - {JobState.RUNNING, JobState.QUEUED}))
def test_a_job_that_has_stopped_is_not_stopped_again(world, state):
    job = world.submit(state=state)
    stop_job(world.context, replace(job, state=JobState.RUNNING), JobState.FAILED, "why")
    assert world.ledger.get_job(job.id) == job


@pytest.mark.parametrize("later", [{"generation": 9}, {"state": JobState.QUEUED}])
def test_a_job_that_was_resumed_is_not_stopped_for_what_its_old_credentials_met(world, turn, later):
    seen = job_of(world)
    resumed = world.ledger.update_job(replace(seen, **later))
    stop_job(world.context, seen, JobState.PAUSED, "the credentials were refused", reason="auth")
    assert job_of(world) == resumed


def test_stopping_a_job_that_changes_meanwhile_looks_again(world, turn):
    update_job = world.ledger.update_job

    def let_another_be_first(job):
        world.ledger.update_job = update_job
        update_job(replace(job_of(world), name="renamed"))
        return update_job(job)

    world.ledger.update_job = let_another_be_first
    stop_job(world.context, job_of(world), JobState.FAILED, "why")
    assert (job_of(world).state, job_of(world).name) == (JobState.FAILED, "renamed")


class _Interrupting:
    def __init__(self, lease):
        lease.interrupt("the worker is stopping")

    def __enter__(self):
        return None

    def __exit__(self, *_):
        return None


def _raiser(error):
    def refuse(*_arguments, **_named):
        raise error

    return refuse


_unreachable = _raiser(ServiceUnreachable("Redis is gone"))
