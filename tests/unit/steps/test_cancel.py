from __future__ import annotations

from dataclasses import replace

import pytest

from awcopy.errors import AccessDenied, CredentialsError
from awcopy.jobs.control import cancel_job
from awcopy.model.items import ItemKind, ItemState, claim
from awcopy.model.job import JobState
from awcopy.model.outcome import Result, Tally
from awcopy.steps.agent import stop_job, take_turn
from awcopy.steps.finish import finish
from awcopy.steps.lease import Lease
from awcopy.steps.places import Turn
from awcopy.steps.reconcile import reconcile
from tests.unit.factories import make_spec
from tests.unit.world import LEASE_S

SPEC = make_spec(agents=1, files_per_task=2, block_size_bytes=100)

pytestmark = pytest.mark.usefixtures("low_limits")


def run_until(world, kind, contents):
    """Run a job until an item of some kind is next, and return the job and that turn."""
    world.put(contents)
    job = world.submit(spec=SPEC)
    [turn] = world.start(job).turns()
    while turn.kind is not kind:
        turn = take_turn(world.context, turn)
        assert isinstance(turn, Turn)
    return job, turn


def cancel(world, job):
    cancel_job(world.fleet, job.id)
    return finish(world.context, job.id).job


FILES = {f"k{number}": b"xy" for number in range(5)}


def test_a_job_that_was_not_begun_is_cancelled_with_nothing_listed(world):
    job = world.submit()
    ended = cancel(world, job)
    assert (ended.state, ended.totals.listed, ended.sealed) == (JobState.CANCELLED, Tally(), "")


def test_what_was_not_attempted_is_recorded_as_cancelled(world):
    job, _ = run_until(world, ItemKind.COPY_FILES, FILES)
    ended = cancel(world, job)
    assert ended.state is JobState.CANCELLED
    assert {outcome.result for outcome in world.report(job).values()} == {Result.CANCELLED}
    assert set(world.report(job)) == set(FILES)
    assert ended.totals.cancelled == ended.totals.listed == Tally(objects=5, size_bytes=10)


def test_a_job_that_failed_is_given_up_with_an_outcome_for_every_object(world):
    job, _ = run_until(world, ItemKind.COPY_FILES, FILES)
    stop_job(world.context, job, JobState.FAILED, "the container is gone")
    ended = cancel(world, job)
    assert (ended.state, ended.totals.pending.objects) == (JobState.CANCELLED, 0)
    assert set(world.report(job)) == set(FILES)


def test_what_was_copied_stays_copied(world):
    job, turn = run_until(world, ItemKind.COPY_FILES, FILES)
    take_turn(world.context, turn)
    ended = cancel(world, job)
    assert (ended.totals.copied.objects, ended.totals.cancelled.objects) == (2, 3)
    assert len(world.sink.blobs) == 2


def test_what_was_copied_before_an_interruption_counts_as_copied(world):
    job, turn = run_until(world, ItemKind.COPY_FILES, FILES)
    interrupted = []

    def keep(lease):
        world.source_calls.do("read_object", lambda: lease.interrupt("cancelled"), times=1)
        interrupted.append(lease)
        return _NoKeeper()

    take_turn(replace(world.context, keep=keep), turn)
    assert [lease.item.state for lease in interrupted] == [ItemState.READY]
    world.source_calls.plans.clear()
    ended = cancel(world, job)
    assert ended.totals.copied.objects == len(world.sink.blobs)
    assert ended.totals.copied.objects + ended.totals.cancelled.objects == 5


def test_an_item_that_is_held_keeps_the_job_from_ending(world):
    job, turn = run_until(world, ItemKind.COPY_FILES, FILES)
    item = world.ledger.get_item(job.id, turn.item)
    leased = world.ledger.update_item(
        claim(item, agent=0, generation=1, now=world.ledger.now(), lease_s=LEASE_S)
    )
    assert cancel(world, job).state is JobState.CANCELLING
    Lease(world.ledger, leased, lease_s=LEASE_S).give_back()
    assert finish(world.context, job.id).job.state is JobState.CANCELLED


def test_an_item_whose_worker_died_is_settled_when_its_lease_ran_out(world):
    job, turn = run_until(world, ItemKind.COPY_FILES, FILES)
    item = world.ledger.get_item(job.id, turn.item)
    world.ledger.update_item(claim(item, agent=0, generation=1, now=world.ledger.now(), lease_s=LEASE_S))
    cancel(world, job)
    world.clock.seconds += LEASE_S + 1
    reconcile(world.context)
    ended = world.ledger.get_job(job.id)
    assert (ended.state, ended.totals.pending) == (JobState.CANCELLED, Tally())


@pytest.mark.parametrize("ranges_done", [0, 1, 2])
def test_a_large_file_that_was_under_way_is_cancelled_once(world, ranges_done):
    job, turn = run_until(world, ItemKind.COPY_BLOCKS, {"big": bytes(1_300)})
    for _ in range(ranges_done):
        turn = take_turn(world.context, turn)
    ended = cancel(world, job)
    [outcome] = world.report(job).values()
    assert outcome.result is Result.CANCELLED
    assert ended.totals.cancelled == Tally(objects=1, size_bytes=1_300)
    assert world.sink.blobs == {}


def test_a_large_file_that_was_committed_is_copied(world):
    job, turn = run_until(world, ItemKind.COPY_BLOCKS, {"big": bytes(1_300)})
    while isinstance(turn, Turn):
        turn = take_turn(world.context, turn)
    ended = cancel(world, job)
    assert (ended.state, ended.totals.copied.objects) == (JobState.CANCELLED, 1)


def test_a_sink_that_refuses_to_tell_keeps_no_job_from_being_cancelled(world):
    job, turn = run_until(world, ItemKind.COPY_FILES, FILES)
    item = world.ledger.get_item(job.id, turn.item)
    world.ledger.update_item(replace(item, fence=1))
    world.sink_calls.fail("head", AccessDenied("no"))
    ended = cancel(world, job)
    assert (ended.state, ended.totals.cancelled.objects) == (JobState.CANCELLED, 5)


@pytest.mark.parametrize(("fence", "detail"), [(0, ""), (1, "it may have been copied")])
def test_credentials_that_cannot_be_opened_keep_no_job_from_being_cancelled(world, fence, detail):
    job, turn = run_until(world, ItemKind.COPY_FILES, FILES)
    item = world.ledger.update_item(replace(world.ledger.get_item(job.id, turn.item), fence=fence))

    def refuse(_job):
        raise CredentialsError("sealed for a key that is gone")

    world.use_ledger(world.ledger)
    world.context = replace(world.context, open_stores=refuse)
    ended = cancel(world, job)
    assert (ended.state, ended.totals.cancelled.objects) == (JobState.CANCELLED, 5)
    assert (
        detail
        in world.report(job)[
            world.ledger.read_manifest(job.id, item.number, fence=item.manifest_fence)[0].key
        ].detail
    )


def test_a_cancelled_listing_counts_what_it_had_listed(world):
    world.put(FILES)
    job = world.submit(spec=SPEC)
    world.start(job)
    ended = cancel(world, job)
    assert (ended.state, ended.totals.listed.objects) == (JobState.CANCELLED, 0)


def test_settled_objects_keep_their_own_reason(world):
    job, _ = run_until(world, ItemKind.COPY_FILES, {"a/./b": b"x", "c/": b"", "d": b"x"})
    cancel(world, job)
    results = {key: outcome.result for key, outcome in world.report(job).items()}
    assert results == {"a/./b": Result.FAILED, "c/": Result.SKIPPED, "d": Result.CANCELLED}


def test_cancelling_twice_changes_nothing(world):
    job, _ = run_until(world, ItemKind.COPY_FILES, FILES)
    cancel_job(world.fleet, job.id)
    before = world.ledger.get_job(job.id)
    assert cancel_job(world.fleet, job.id) == before


class _NoKeeper:
    def __enter__(self):
        return None

    def __exit__(self, *_):
        return None
