from __future__ import annotations

from dataclasses import replace

import pytest

from awcopy.errors import ServiceUnreachable
from awcopy.model.items import ItemState
from awcopy.model.job import JobState
from awcopy.model.outcome import Tally, Totals
from awcopy.steps.finish import finish
from tests.unit.factories import make_item

DONE = Totals(listed=Tally(objects=2, size_bytes=9), copied=Tally(objects=2, size_bytes=9))
FAILED = Totals(listed=Tally(objects=1, size_bytes=5), failed=Tally(objects=1, size_bytes=5))


def add_items(world, *items):
    for number, (state, totals) in enumerate(items, start=1):
        world.ledger.add_item(make_item(number, state=state, totals=totals))


def submit_running(world, **changes):
    return world.submit(state=JobState.RUNNING, **changes)


@pytest.mark.parametrize("state", [ItemState.READY, ItemState.LEASED])
def test_while_an_item_is_open_nothing_happens(world, state):
    job = submit_running(world)
    add_items(world, (ItemState.DONE, DONE), (state, Totals()))
    assert finish(world.context, job.id).job == job
    assert world.ledger.get_job(job.id) == job


def test_a_job_without_items_has_not_begun(world):
    job = submit_running(world)
    assert finish(world.context, job.id).job.state is JobState.RUNNING


@pytest.mark.parametrize(
    ("totals", "state"), [(DONE, JobState.COMPLETED), (FAILED, JobState.COMPLETED_WITH_ERRORS)]
)
def test_what_failed_decides_how_the_job_ends(world, totals, state):
    job = submit_running(world)
    add_items(world, (ItemState.DONE, DONE), (ItemState.DONE, totals))
    ended = finish(world.context, job.id).job
    assert (ended.state, ended.totals) == (state, DONE + totals)


def test_objects_without_an_outcome_are_never_called_complete(world):
    job = submit_running(world)
    add_items(world, (ItemState.DONE, Totals(listed=Tally(objects=3, size_bytes=9))))
    ended = finish(world.context, job.id).job
    assert ended.state is JobState.FAILED
    assert "3 listed objects have no outcome" in ended.detail


@pytest.mark.parametrize("totals", [DONE, FAILED, Totals(listed=Tally(objects=1))])
def test_sealed_credentials_are_wiped_at_the_end(world, totals):
    job = submit_running(world)
    add_items(world, (ItemState.DONE, totals))
    assert finish(world.context, job.id).job.sealed == ""
    assert world.ledger.get_job(job.id).sealed == ""


@pytest.mark.parametrize(
    "state", [JobState.QUEUED, JobState.PAUSED, JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED]
)
def test_a_job_that_does_not_run_is_left_alone(world, state):
    job = world.submit(state=state)
    add_items(world, (ItemState.DONE, DONE))
    assert finish(world.context, job.id).job == job


def test_finishing_twice_changes_nothing_more(world):
    job = submit_running(world)
    add_items(world, (ItemState.DONE, DONE))
    assert finish(world.context, job.id) == finish(world.context, job.id)


def test_the_live_state_of_an_ended_job_is_forgotten(world):
    job = submit_running(world)
    add_items(world, (ItemState.DONE, DONE))
    world.live.push_ready(job.id, [1])
    finish(world.context, job.id)
    assert world.live.pop_ready(job.id) is None


def test_a_live_state_that_does_not_answer_keeps_no_job_from_ending(world):
    job = submit_running(world)
    add_items(world, (ItemState.DONE, DONE))

    def refuse(_job_id):
        raise ServiceUnreachable("Redis is gone")

    world.live.forget_job = refuse
    assert finish(world.context, job.id).job.state is JobState.COMPLETED


def test_a_job_that_changes_meanwhile_is_looked_at_again(world):
    job = submit_running(world)
    add_items(world, (ItemState.DONE, DONE))
    list_items = world.ledger.list_items

    def change_then_list(job_id, **wanted):
        world.ledger.list_items = list_items
        world.ledger.update_job(replace(job, name="renamed"))
        return list_items(job_id, **wanted)

    world.ledger.list_items = change_then_list
    ended = finish(world.context, job.id).job
    assert (ended.state, ended.name) == (JobState.COMPLETED, "renamed")
