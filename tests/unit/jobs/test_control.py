from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from awcopy.errors import AccessDenied, IllegalMove, JobNotFound
from awcopy.jobs.control import (
    cancel_job,
    change_agents,
    change_bandwidth,
    clean_jobs,
    pause_job,
    remove_job,
    resume_job,
    retry_job,
)
from awcopy.jobs.retry import reopen_failed
from awcopy.model.items import ItemState
from awcopy.model.job import ENDED, JobId, JobState
from awcopy.model.outcome import Result
from tests.unit.factories import JOB_ID, NOW, make_item, make_spec
from tests.unit.world import Crash, World

S = JobState


@pytest.fixture
def world():
    return World()


def job_of(world):
    return world.ledger.get_job(JOB_ID)


@pytest.mark.parametrize(
    ("act", "state", "becomes"),
    [
        (pause_job, S.QUEUED, S.PAUSED),
        (pause_job, S.RUNNING, S.PAUSED),
        (pause_job, S.PAUSED, S.PAUSED),
        (resume_job, S.PAUSED, S.QUEUED),
        (resume_job, S.FAILED, S.QUEUED),
        (cancel_job, S.QUEUED, S.CANCELLING),
        (cancel_job, S.RUNNING, S.CANCELLING),
        (cancel_job, S.PAUSED, S.CANCELLING),
        (cancel_job, S.CANCELLING, S.CANCELLING),
    ],
)
def test_a_job_does_as_it_is_told(world, act, state, becomes):
    world.submit(state=state)
    assert act(world.fleet, JOB_ID) == job_of(world)
    assert job_of(world).state is becomes


@pytest.mark.parametrize(
    ("act", "state"),
    [
        *[(pause_job, state) for state in sorted((S.CANCELLING, *ENDED))],
        *[(resume_job, state) for state in sorted(set(S) - {S.PAUSED, S.FAILED})],
        *[(cancel_job, state) for state in sorted(ENDED - {S.COMPLETED_WITH_ERRORS, S.FAILED})],
        *[(remove_job, state) for state in sorted(set(S) - ENDED)],
        *[(retry_job, state) for state in sorted(set(S) - {S.COMPLETED_WITH_ERRORS})],
    ],
)
def test_a_job_refuses_what_makes_no_sense(world, act, state):
    job = world.submit(state=state)
    with pytest.raises(IllegalMove):
        act(world.fleet, JOB_ID)
    assert job_of(world) == job


@pytest.mark.parametrize("act", [pause_job, resume_job, cancel_job, retry_job, remove_job])
def test_a_job_that_is_not_there_is_said_to_be_so(world, act):
    with pytest.raises(JobNotFound):
        act(world.fleet, JOB_ID)


def test_a_pause_says_whose_it_is_and_a_resumption_forgets_it(world):
    world.submit(state=S.RUNNING)
    assert pause_job(world.fleet, JOB_ID).pause_reason == "user"
    assert resume_job(world.fleet, JOB_ID).pause_reason == ""


def test_a_pause_for_credentials_stays_one_when_the_user_pauses_too(world):
    world.submit(state=S.PAUSED, pause_reason="auth")
    assert pause_job(world.fleet, JOB_ID).pause_reason == "auth"


def test_a_change_that_meets_another_is_made_upon_that(world):
    world.submit(state=S.RUNNING)
    update_job = world.ledger.update_job

    def let_another_be_first(job):
        world.ledger.update_job = update_job
        update_job(replace(job_of(world), name="renamed"))
        return update_job(job)

    world.ledger.update_job = let_another_be_first
    pause_job(world.fleet, JOB_ID)
    assert (job_of(world).name, job_of(world).state) == ("renamed", S.PAUSED)


def test_a_resumption_may_bring_new_credentials(world):
    world.submit(state=S.PAUSED, pause_reason="auth")
    resume_job(world.fleet, JOB_ID, "sealed anew")
    assert job_of(world).sealed == "sealed anew"
    assert job_of(world).events[-1].detail == "resumed with new credentials"


def test_a_change_is_dated_by_the_ledgers_clock(world):
    world.submit(state=S.RUNNING)
    world.clock.seconds += 90
    assert pause_job(world.fleet, JOB_ID).changed_at == world.ledger.now()


def test_a_resumption_without_credentials_keeps_those_it_has(world):
    world.submit(state=S.PAUSED)
    assert resume_job(world.fleet, JOB_ID).sealed == "sealed"


@pytest.mark.parametrize("state", [S.QUEUED, S.RUNNING, S.PAUSED])
def test_the_number_of_agents_can_be_changed(world, state):
    world.submit(state=state)
    assert change_agents(world.fleet, JOB_ID, 9).spec.agents == 9
    assert job_of(world).state is state


@pytest.mark.parametrize("state", [S.CANCELLING, *sorted(ENDED)])
def test_the_agents_of_a_job_that_is_over_cannot_be_changed(world, state):
    world.submit(state=state)
    with pytest.raises(IllegalMove):
        change_agents(world.fleet, JOB_ID, 9)


@pytest.mark.parametrize("state", [S.QUEUED, S.RUNNING, S.PAUSED])
def test_the_bandwidth_can_be_changed_and_that_is_noted(world, state):
    world.submit(state=state)
    assert change_bandwidth(world.fleet, JOB_ID, 5 << 20).spec.bandwidth == 5 << 20
    assert job_of(world).state is state
    [event] = [one for one in job_of(world).events if one.what == "bandwidth"]
    assert event.detail == "at most 5.0 MiB a second"
    assert change_bandwidth(world.fleet, JOB_ID, 5 << 20) == job_of(world)  # nothing is written


@pytest.mark.parametrize("state", [S.CANCELLING, *sorted(ENDED)])
def test_the_bandwidth_of_a_job_that_is_over_cannot_be_changed(world, state):
    world.submit(state=state)
    with pytest.raises(IllegalMove):
        change_bandwidth(world.fleet, JOB_ID, 1 << 20)


# Pause and resume, the whole way.


def test_a_job_that_was_paused_goes_on_where_it_was(world):
    contents = world.put({f"k{number}": b"x" for number in range(9)})
    job = world.submit(spec=make_spec(files_per_task=2, agents=1))
    generation = world.start(job)
    world.source_calls.do("read_object", lambda: pause_job(world.fleet, JOB_ID), name="k3", times=1)
    world.take_turns(generation)
    assert job_of(world).state is S.PAUSED
    resume_job(world.fleet, JOB_ID)
    world.run(job)
    world.assert_copied(job, contents)
    assert world.sink_calls.calls["put_blob"] == 9


# Retry.


@pytest.fixture
def failed(world):
    """A job of nine objects, two of which failed, each in an item of its own kind of trouble."""
    contents = world.put({f"k{number}": b"x" for number in range(8)} | {"odd/./name": b"x"})
    for key in ("k1", "k5"):
        world.source_calls.fail("read_object", AccessDenied("no"), name=key)
    job = world.submit(spec=make_spec(files_per_task=3, agents=1))
    assert world.run(job).job.state is S.COMPLETED_WITH_ERRORS
    world.source_calls.plans.clear()
    world.sink_calls.calls.clear()
    return contents


def test_a_retry_tries_what_failed_and_nothing_else(world, failed):
    job, objects = retry_job(world.fleet, JOB_ID)
    assert (job.state, objects) == (S.QUEUED, 3)
    ended = world.run(job)
    assert ended.totals.copied.objects == 8
    assert world.sink_calls.calls["put_blob"] == 2
    assert set(world.report(job)) == set(failed)


def test_a_retry_for_one_reason_leaves_other_failures_as_they_are(world, failed):
    job, objects = retry_job(world.fleet, JOB_ID, reason="access_denied")
    ended = world.run(job)
    assert objects == 2
    assert (ended.job.state, ended.totals.failed.objects) == (S.COMPLETED_WITH_ERRORS, 1)
    assert world.report(job)["odd/./name"].result is Result.FAILED


def test_while_a_retry_runs_the_totals_add_up(world, failed):
    job, _ = retry_job(world.fleet, JOB_ID)
    world.start(job)
    totals = world.snapshot(job).totals
    assert (totals.listed.objects, totals.copied.objects, totals.failed.objects) == (9, 6, 3)
    assert set(world.report(job)) == set(failed)


def test_a_retry_for_a_reason_that_nothing_failed_for_is_refused(world, failed):
    with pytest.raises(IllegalMove, match="no object"):
        retry_job(world.fleet, JOB_ID, reason="not_found")
    assert job_of(world).state is S.COMPLETED_WITH_ERRORS
    assert all(item.state is ItemState.DONE for item in world.ledger.list_items(JOB_ID))


def test_a_retry_that_is_cut_short_changes_nothing(world, failed):
    before = world.snapshot(job_of(world)), list(world.ledger.list_items(JOB_ID))
    update_job, world.ledger.update_job = world.ledger.update_job, _crash
    with pytest.raises(Crash):
        retry_job(world.fleet, JOB_ID)
    world.ledger.update_job = update_job
    assert (world.snapshot(job_of(world)), list(world.ledger.list_items(JOB_ID))) == before


def test_a_retry_that_is_begun_again_after_the_job_has_ended_harms_nothing(world, failed):
    """A worker stood still while it took the job up, and another brought the job to its end."""
    world.source_calls.fail("read_object", AccessDenied("no"), name="k1")
    job, _ = retry_job(world.fleet, JOB_ID)
    late = world.ledger.get_job(JOB_ID)
    ended = world.run(job)
    report = world.report(job)
    reopen_failed(world.fleet, late)
    assert (world.snapshot(job), world.report(job)) == (ended, report)
    job, objects = retry_job(world.fleet, JOB_ID, reason="access_denied")
    world.source_calls.plans.clear()
    assert (objects, world.run(job).totals.copied.objects) == (1, 8)


@pytest.mark.parametrize("written", [0, 1, 2])
def test_a_retry_whose_beginning_is_cut_short_is_begun_again(world, failed, written):
    job, _ = retry_job(world.fleet, JOB_ID)
    update_item, left = world.ledger.update_item, [None] * written

    def crash_in_the_end(item):
        if not left:
            raise Crash
        left.pop()
        return update_item(item)

    world.ledger.update_item = crash_in_the_end
    with pytest.raises(Crash):
        world.start(job)
    world.ledger.update_item = update_item
    ended = world.run(job)
    assert (ended.totals.copied.objects, ended.job.retry_reason) == (8, None)
    assert set(world.report(job)) == set(failed)


def test_what_fails_again_is_not_tried_again_when_the_job_is_resumed(world, failed):
    world.source_calls.fail("read_object", AccessDenied("no"), name="k1")
    job, _ = retry_job(world.fleet, JOB_ID)
    generation = world.start(job)
    world.source_calls.do("read_object", lambda: pause_job(world.fleet, JOB_ID), name="k5", times=1)
    world.take_turns(generation)
    done = list(world.ledger.list_items(JOB_ID, states=(ItemState.DONE,)))
    assert any(item.totals.failed.objects for item in done)
    resume_job(world.fleet, JOB_ID)
    world.run(job)
    assert [world.ledger.get_item(JOB_ID, item.number) for item in done] == done


def test_what_failed_again_can_be_tried_again(world, failed):
    world.source_calls.fail("read_object", AccessDenied("no"), name="k1")
    for _ in range(3):
        job, _ = retry_job(world.fleet, JOB_ID, reason="access_denied")
        ended = world.run(job)
        assert ended.totals.ended.objects == ended.totals.listed.objects == 9
    world.source_calls.plans.clear()
    job, objects = retry_job(world.fleet, JOB_ID, reason="access_denied")
    assert (objects, world.run(job).totals.copied.objects) == (1, 8)


def test_bytes_add_up_while_a_retry_runs_though_an_object_had_changed_its_length(world):
    world.put({"a": b"x", "b": b"x"})
    world.source_calls.do("read_object", lambda: world.source.put_object("a", b"longer"), name="a", times=1)
    world.source_calls.fail("read_object", AccessDenied("no"), name="b")
    job = world.submit(spec=make_spec(agents=1))
    world.run(job)
    retry_job(world.fleet, JOB_ID)
    world.start(job)
    assert world.snapshot(job).totals.pending.size_bytes == 0


# Removal.


@pytest.mark.parametrize("state", sorted(ENDED))
def test_a_job_that_is_over_can_be_removed(world, state):
    world.submit(state=state)
    world.ledger.add_item(make_item())
    remove_job(world.fleet, JOB_ID)
    assert world.ledger.list_jobs() == []
    assert list(world.ledger.list_items(JOB_ID)) == []


def test_jobs_that_ended_long_ago_are_cleaned_away(world):
    old, new = NOW - timedelta(days=9), NOW + timedelta(days=9)
    for job_id, state, changed_at in (
        ("a", S.COMPLETED, old),
        ("b", S.COMPLETED, new),
        ("c", S.RUNNING, old),
        ("d", S.CANCELLED, old),
    ):
        world.submit(id=JobId(job_id), state=state, changed_at=changed_at)
    assert list(clean_jobs(world.fleet, NOW)) == ["a", "d"]
    assert [job.id for job in world.ledger.list_jobs()] == ["b", "c"]


def test_many_jobs_are_cleaned_away_page_by_page(world):
    for number in range(450):
        world.submit(id=JobId(f"{number:04}"), state=S.COMPLETED)
    assert len(list(clean_jobs(world.fleet, datetime.now(UTC)))) == 450


def _crash(_job):
    raise Crash
