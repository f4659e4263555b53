from __future__ import annotations

from dataclasses import replace

import pytest

from awcopy.errors import (
    AccessDenied,
    ConnectionLost,
    CredentialsError,
    CredentialsRefused,
    StoreNotFound,
    UsageError,
)
from awcopy.jobs import control
from awcopy.model.items import ItemKind, ItemState
from awcopy.model.job import JobState
from awcopy.model.objects import SinkAccount
from awcopy.steps.dispatch import dispatch
from tests.unit.factories import make_spec
from tests.unit.world import Crash


def test_a_queued_job_becomes_running_with_a_listing_as_its_first_item(world):
    job = world.submit()
    world.start(job)
    [item] = world.ledger.list_items(job.id)
    assert (item.kind, item.state, item.number) == (ItemKind.LIST_OBJECTS, ItemState.READY, 1)
    assert world.ledger.get_job(job.id).state is JobState.RUNNING


@pytest.mark.parametrize("agents", [1, 4])
def test_the_first_generation_has_a_place_for_each_agent(world, agents):
    generation = world.start(world.submit(spec=make_spec(agents=agents)))
    assert (generation.number, generation.places) == (1, agents)
    assert [turn.place for turn in generation.turns()] == list(range(agents))


def test_a_second_dispatch_starts_nothing(world):
    job = world.submit()
    world.start(job)
    before = world.ledger.get_job(job.id)
    assert dispatch(world.context, job.id) is None
    assert world.ledger.get_job(job.id) == before
    assert len(list(world.ledger.list_items(job.id))) == 1


@pytest.mark.parametrize("state", sorted(set(JobState) - {JobState.QUEUED}))
def test_only_a_queued_job_is_dispatched(world, state):
    job = world.submit(state=state)
    assert dispatch(world.context, job.id) is None
    assert list(world.ledger.list_items(job.id)) == []


@pytest.mark.parametrize("was_empty", [True, False])
def test_the_job_knows_whether_the_sink_was_empty(world, was_empty):
    if not was_empty:
        world.source.put_object("k", b"x")
        world.run(world.submit(id="another"))
    job = world.submit()
    world.start(job)
    assert world.ledger.get_job(job.id).sink_was_empty is was_empty


@pytest.mark.parametrize("is_hierarchical", [True, False])
def test_the_job_knows_whether_the_account_has_directories(world, is_hierarchical):
    world.sink.facts = SinkAccount(kind="StorageV2", is_hierarchical=is_hierarchical)
    job = world.submit()
    world.start(job)
    assert world.ledger.get_job(job.id).spec.sink.has_directories is is_hierarchical


def test_a_receiver_whom_this_worker_does_not_know_is_an_event_and_the_copy_goes_on(world):
    def find_receiver(name: str) -> None:
        if name == "nobody":
            raise CredentialsError(
                "there is no profile 'nobody'", hint="`awcopy profile add nobody` makes it"
            )

    world.context = replace(world.context, find_receiver=find_receiver)
    world.source.put_object("k", b"x")
    job = world.submit(spec=make_spec(notify=("ops", "nobody")))
    world.run(job)
    ended = world.ledger.get_job(job.id)
    assert ended.state is JobState.COMPLETED
    [told] = [event for event in ended.events if event.what == "notification"]
    assert told.detail == (
        "nobody cannot be told by the worker that took the job up: there is no profile 'nobody'; "
        "`awcopy profile add nobody` makes it"
    )


def test_a_receiver_at_whom_looking_goes_wrong_keeps_no_job_from_copying(world):
    def find_receiver(_name: str) -> None:
        raise ZeroDivisionError

    world.context = replace(world.context, find_receiver=find_receiver)
    world.source.put_object("k", b"x")
    job = world.submit(spec=make_spec(notify=("ops",)))
    world.run(job)
    assert world.ledger.get_job(job.id).state is JobState.COMPLETED


def test_a_job_that_wants_what_the_account_has_not_fails_before_it_begins(world):
    world.sink.facts = SinkAccount(kind="BlockBlobStorage")
    job = world.submit(spec=make_spec(tier="Cool"))
    assert dispatch(world.context, job.id) is None
    failed = world.ledger.get_job(job.id)
    assert failed.state is JobState.FAILED
    assert "no access tiers" in failed.detail


@pytest.mark.parametrize("store", ["source_calls", "sink_calls"])
@pytest.mark.parametrize(
    ("error", "state", "reason"),
    [
        (AccessDenied("no"), JobState.PAUSED, "auth"),
        (CredentialsRefused("expired"), JobState.PAUSED, "auth"),
        (CredentialsError("no key"), JobState.PAUSED, "auth"),
        (StoreNotFound("no"), JobState.FAILED, ""),
        (ConnectionLost("no"), JobState.QUEUED, ""),
        (UsageError("no"), JobState.FAILED, ""),
    ],
)
def test_a_job_that_cannot_begin_says_why(world, store, error, state, reason):
    getattr(world, store).fail("probe", error)
    job = world.submit()
    assert dispatch(world.context, job.id) is None
    stopped = world.ledger.get_job(job.id)
    assert (stopped.state, stopped.pause_reason) == (state, reason)
    assert error.message in stopped.detail
    assert list(world.ledger.list_items(job.id)) == []


@pytest.mark.parametrize(("error", "sealed"), [(AccessDenied("no"), "sealed"), (StoreNotFound("no"), "")])
def test_credentials_are_wiped_when_the_job_has_ended_and_not_before(world, error, sealed):
    world.source_calls.fail("probe", error)
    job = world.submit()
    dispatch(world.context, job.id)
    assert world.ledger.get_job(job.id).sealed == sealed


def test_stores_that_cannot_be_opened_pause_the_job(world):
    def refuse(_job):
        raise CredentialsError("sealed for someone else")

    job = world.submit()
    assert dispatch(replace(world.context, open_stores=refuse), job.id) is None
    assert world.ledger.get_job(job.id).pause_reason == "auth"


def test_a_dispatch_that_died_after_its_first_item_can_be_done_again(world):
    job = world.submit()
    world.ledger.update_job = _crash
    with pytest.raises(Crash):
        dispatch(world.context, job.id)
    del world.ledger.update_job
    assert world.start(job).number == 1
    assert len(list(world.ledger.list_items(job.id))) == 1


def test_a_job_that_is_cancelled_while_it_is_dispatched_stays_cancelled(world):
    job = world.submit()
    world.sink_calls.do(
        "probe",
        lambda: world.ledger.update_job(replace(world.ledger.get_job(job.id), state=JobState.CANCELLING)),
    )
    assert dispatch(world.context, job.id) is None
    assert world.ledger.get_job(job.id).state is JobState.CANCELLING


def _crash(_job):
    raise Crash


def test_a_job_that_is_resumed_opens_its_stores_anew_as_its_credentials_may_be_others(world):
    opened = []

    def open_stores(job):
        opened.append(job.id)
        return world.context.open_stores(job)

    context = replace(world.context, open_stores=open_stores)
    world.sink_calls.fail("probe", CredentialsRefused("expired"))
    job = world.submit()
    dispatch(context, job.id)
    control.resume_job(world.context.fleet, job.id)
    dispatch(context, job.id)
    assert opened == [job.id] * 2
