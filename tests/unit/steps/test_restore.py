"""Archived objects: skipped, failed, or restored, waited for in the ledger, and copied."""

from __future__ import annotations

import pytest

from awcopy.cli.progress import describe
from awcopy.cli.summary import summary_lines
from awcopy.errors import AccessDenied
from awcopy.jobs.control import cancel_job
from awcopy.model.items import ItemState
from awcopy.model.job import JobState
from awcopy.model.outcome import Result, Tally
from awcopy.model.spec import Archived, Restore
from awcopy.steps.finish import finish
from awcopy.steps.reconcile import reconcile
from tests.unit.factories import make_spec
from tests.unit.world import LEASE_S, Crash, World

LARGE = 65 * 1024 * 1024


@pytest.fixture
def world() -> World:
    made = World()
    made.source.put_object("plain", b"plain")
    for key in ("cold-1", "cold-2"):
        made.source.put_object(key, b"cold", storage_class="DEEP_ARCHIVE")
    made.source.put_object("tiered", b"tiered", storage_class="INTELLIGENT_TIERING", is_archived=True)
    return made


def submit(world: World, archived: Archived = Archived.RESTORE, **restore):
    return world.submit(spec=make_spec(archived=archived, restore=Restore(**restore), agents=1))


def results(world: World, job) -> dict[str, tuple[Result, str]]:
    return {key: (one.result, one.reason) for key, one in world.report(job).items()}


def waiting(world: World, job):
    return list(world.ledger.list_items(job.id, states=(ItemState.WAITING,)))


@pytest.mark.parametrize(
    ("archived", "result"), [(Archived.SKIP, Result.SKIPPED), (Archived.FAIL, Result.FAILED)]
)
def test_archived_objects_end_as_the_policy_says_wherever_that_is_found_out(world, archived, result):
    job = submit(world, archived)
    world.run(job)
    assert results(world, job) == {
        "plain": (Result.COPIED, ""),
        **dict.fromkeys(("cold-1", "cold-2", "tiered"), (result, "archived")),
    }
    assert not world.source.restoring


def test_what_has_been_restored_already_is_copied_whatever_the_policy(world):
    world.source.restoring = {"cold-1"}
    world.source.finish_restores()
    job = submit(world, Archived.SKIP)
    world.run(job)
    assert results(world, job)["cold-1"] == (Result.COPIED, "")


def test_objects_are_restored_waited_for_and_copied(world):
    job = submit(world)
    snapshot = world.run(job)
    assert world.source.restoring == {"cold-1", "cold-2", "tiered"}
    assert snapshot.job.state is JobState.RUNNING
    assert snapshot.totals.copied.objects == 1
    assert len(waiting(world, job)) == 1
    world.source.finish_restores()
    assert world.recover(job).job.state is JobState.COMPLETED
    assert {outcome.result for outcome in world.report(job).values()} == {Result.COPIED}
    assert world.sink.blobs["cold-2"].content == b"cold"
    assert world.ledger.get_job(job.id).totals.copied == world.ledger.get_job(job.id).totals.listed


def test_nothing_is_looked_at_before_it_is_due_and_nothing_asked_for_twice(world):
    job = submit(world)
    world.run(job)
    read, asked = world.source_calls.calls["read_object"], world.source_calls.calls["request_restore"]
    world.clock.seconds += world.context.restore_poll_s - 1
    assert reconcile(world.context).generations == reconcile(world.context).turns == []
    assert world.source_calls.calls["read_object"] == read
    for _ in range(3):
        world.clock.seconds += world.context.restore_poll_s
        run_repairs(world)
    assert world.source_calls.calls["read_object"] > read
    assert world.source_calls.calls["request_restore"] == asked == 3
    assert len(waiting(world, job)) == 1


def run_repairs(world: World) -> None:
    repairs = reconcile(world.context)
    world.take_all([turn for one in repairs.generations for turn in one.turns()] + repairs.turns)


def test_some_may_be_restored_before_others(world):
    job = submit(world)
    world.run(job)
    world.source.restoring = {"tiered"}
    world.source.finish_restores()
    world.clock.seconds += world.context.restore_poll_s
    run_repairs(world)
    assert set(world.sink.blobs) == {"plain", "tiered"}
    assert world.snapshot(job).totals.copied.objects == 2
    world.source.restoring = {"cold-1", "cold-2"}
    world.source.finish_restores()
    assert world.recover(job).job.state is JobState.COMPLETED


def test_what_is_not_restored_in_time_fails(world):
    job = submit(world, days=2)
    world.run(job)
    world.clock.seconds += 2 * 86_400
    snapshot = world.recover(job)
    assert snapshot.job.state is JobState.COMPLETED_WITH_ERRORS
    assert results(world, job)["cold-1"] == (Result.FAILED, "archived")
    assert world.report(job)["cold-1"].detail == "it was not restored within 2 days"
    assert snapshot.totals.pending == Tally()


@pytest.mark.parametrize("limit", [{"most_objects": 1}, {"most_bytes": 7}])
def test_no_more_is_restored_than_the_limit_allows(world, limit):
    job = submit(world, **limit)
    world.run(job)
    assert world.source.restoring == {"cold-1"}
    assert world.ledger.get_job(job.id).restoring == Tally(objects=1, size_bytes=4)
    world.source.finish_restores()
    world.recover(job)
    assert results(world, job) == {
        "plain": (Result.COPIED, ""),
        "cold-1": (Result.COPIED, ""),
        **dict.fromkeys(("cold-2", "tiered"), (Result.FAILED, "restore_limit")),
    }


def test_the_limit_is_the_jobs_not_an_items(world):
    spec = make_spec(archived=Archived.RESTORE, restore=Restore(most_objects=2), agents=1, files_per_task=1)
    job = world.submit(spec=spec)
    world.run(job)
    assert len(world.source.restoring) == 2


def test_an_object_that_may_not_be_restored_fails_with_the_reason(world):
    world.source_calls.fail("request_restore", AccessDenied("no s3:RestoreObject"), name="cold-1")
    job = submit(world)
    world.run(job)
    world.source.finish_restores()
    world.recover(job)
    assert results(world, job)["cold-1"] == (Result.FAILED, "access_denied")
    assert results(world, job)["cold-2"] == (Result.COPIED, "")


@pytest.mark.parametrize("facts", [{"storage_class": "GLACIER"}, {"is_archived": True}])
def test_a_large_file_waits_too(facts):
    world = World()
    content = bytes(LARGE)
    world.source.put_object("large", content, **facts)
    job = submit(world)
    world.run(job)
    assert world.source.restoring == {"large"} or facts == {"is_archived": True}
    assert len(waiting(world, job)) == 1
    world.source.finish_restores()
    world.recover(job)
    world.assert_copied(job, {"large": content})


def test_a_job_that_waits_can_be_cancelled(world):
    job = submit(world)
    world.run(job)
    cancel_job(world.fleet, job.id)
    ended = finish(world.context, job.id).job
    assert ended.state is JobState.CANCELLED
    assert results(world, job)["cold-1"][0] is Result.CANCELLED
    assert ended.totals.pending == Tally()


def test_an_attempt_that_is_done_again_asks_again_and_ends_well(world):
    job = submit(world)
    generation = world.start(job)
    world.use_ledger(CrashingLedger(world.ledger))
    with pytest.raises(Crash):
        world.take_turns(generation)
    world.use_ledger(world.ledger.ledger)
    world.clock.seconds += 2 * LEASE_S
    run_repairs(world)
    world.clock.seconds += world.context.silent_s
    run_repairs(world)
    assert world.source_calls.calls["request_restore"] == 6
    world.source.finish_restores()
    assert world.recover(job).job.state is JobState.COMPLETED


class CrashingLedger:
    """A ledger whose process dies when it is to write that an item waits."""

    def __init__(self, ledger) -> None:
        self.ledger = ledger

    def __getattr__(self, name: str):
        return getattr(self.ledger, name)

    def update_item(self, item):
        if item.state is ItemState.WAITING:
            raise Crash
        return self.ledger.update_item(item)


def test_a_job_that_waits_says_so(world):
    job = submit(world)
    snapshot = world.run(job)
    assert (snapshot.waiting_items, snapshot.busy_agents, snapshot.to_json()["waiting_items"]) == (1, 0, 1)
    assert "waiting for S3 to restore" in describe(snapshot, 0.0)[0]
    assert any("waiting for S3" in line.plain for line in summary_lines(snapshot))
