from __future__ import annotations

from dataclasses import replace

import pytest

from awcopy.errors import AccessDenied, ConnectionLost, CredentialsRefused, JobInterrupted, LeaseLost
from awcopy.model.items import Careful, ItemState, Retry, claim, give_back
from awcopy.model.job import JobState
from awcopy.model.outcome import Result, Tally
from awcopy.model.spec import Overwrite
from awcopy.steps.copy_files import CAREFUL_AFTER, copy_files
from awcopy.steps.lease import Lease
from tests.unit.factories import make_item, make_spec
from tests.unit.world import LEASE_S, Crash


def add_item(world, contents, **changes):
    """Put the objects into the source and into the manifest of an item."""
    job = world.submit(state=JobState.RUNNING, sink_was_empty=True, spec=make_spec(block_size_bytes=100))
    objects = [world.source.put_object(key, content) for key, content in contents.items()]
    world.ledger.write_manifest(job.id, 1, objects)
    size_bytes = sum(obj.size_bytes for obj in objects)
    world.ledger.add_item(make_item(1, objects=len(objects), size_bytes=size_bytes, **changes))
    return job


def lease_item(world, job, **changes):
    item = replace(world.ledger.get_item(job.id, 1), **changes)
    item = item if item.state is ItemState.READY else give_back(item, attempts=item.attempts)
    leased = world.ledger.update_item(
        claim(item, agent=0, generation=1, now=world.ledger.now(), lease_s=LEASE_S)
    )
    return Lease(world.ledger, leased, lease_s=LEASE_S, monotonic=world.clock.monotonic)


def copy(world, job, **changes):
    lease = lease_item(world, job, **changes)
    copy_files(world.context, job, lease)
    return lease.item


def test_every_object_of_the_item_gets_its_outcome_and_the_item_its_totals(world):
    job = add_item(world, {"a": b"xx", "b": bytes(250), "c/": b""})
    item = copy(world, job)
    assert item.state is ItemState.DONE
    assert item.totals.copied == Tally(objects=2, size_bytes=252)
    assert item.totals.skipped == Tally(objects=1, size_bytes=0)
    assert {key: outcome.result for key, outcome in world.report(job).items()} == {
        "a": Result.COPIED,
        "b": Result.COPIED,
        "c/": Result.SKIPPED,
    }


def test_into_an_empty_sink_nothing_is_looked_at_first(world):
    copy(world, add_item(world, {"a": b"x", "b": b"x"}))
    assert world.sink_calls.calls["head"] == 0


def test_what_was_copied_before_an_interruption_is_counted_and_not_sent_again(world):
    job = add_item(world, {"a": b"x", "b": b"x"})
    world.ledger.write_outcomes = _crash
    with pytest.raises(Crash):
        copy(world, job)
    del world.ledger.write_outcomes
    item = copy(world, job)
    assert item.totals.copied == Tally(objects=2, size_bytes=2)
    assert world.sink_calls.calls["put_blob"] == 2


def test_outcomes_of_an_earlier_claim_are_not_part_of_the_report(world):
    job = add_item(world, {"a": b"x"})
    world.ledger.write_outcomes(job.id, 1, 1, [])
    item = copy(world, job, fence=1)
    assert (item.fence, item.outcome_fence) == (2, 2)
    assert set(world.report(job)) == {"a"}


def test_a_worker_that_lost_its_item_records_nothing(world):
    job = add_item(world, {"a": b"x"})
    lease = lease_item(world, job)
    world.ledger.update_item(world.ledger.get_item(job.id, 1))
    with pytest.raises(LeaseLost):
        copy_files(world.context, job, lease)
    assert world.ledger.get_item(job.id, 1).state is ItemState.LEASED
    assert world.report(job) == {}


@pytest.mark.parametrize("new", [b"", b"much longer than it was"])
def test_bytes_add_up_when_an_object_changed_its_length_since_it_was_listed(world, new):
    job = add_item(world, {"a": b"old", "b": b"x"})
    world.source.put_object("a", new)
    totals = copy(world, job).totals
    assert totals.copied == Tally(objects=2, size_bytes=len(new) + 1)
    assert totals.listed == Tally(objects=0, size_bytes=len(new) - 3)  # on top of what the listing said


def test_refused_credentials_are_no_objects_outcome(world):
    job = add_item(world, {"a": b"x"})
    world.source_calls.fail("read_object", CredentialsRefused("expired"))
    with pytest.raises(CredentialsRefused):
        copy(world, job)
    assert world.report(job) == {}


# Failures that may pass.


def test_a_failure_that_may_pass_is_worth_another_attempt_at_the_item(world):
    job = add_item(world, {"a": b"x", "b": b"x"})
    world.source_calls.fail("read_object", ConnectionLost("no route"), name="b")
    with pytest.raises(ConnectionLost, match="1 objects"):
        copy(world, job)
    world.source_calls.plans.clear()
    assert copy(world, job).totals.copied.objects == 2
    assert world.sink_calls.calls["put_blob"] == 2


def test_a_failure_that_does_not_pass_is_recorded_in_the_end(world):
    job = add_item(world, {"a": b"x", "b": b"x"}, attempts=CAREFUL_AFTER)
    world.source_calls.fail("read_object", ConnectionLost("no route"), name="b")
    copy(world, job)
    assert [outcome.reason for outcome in world.report(job).values()] == ["", "connection_lost"]


# Retrying what failed.


def fail_then_retry(world, reason=""):
    job = add_item(world, {"a": b"x", "b": b"x", "c/./d": b"x"})
    world.source_calls.fail("read_object", AccessDenied("no"), name="b")
    done = copy(world, job)
    world.source_calls.plans.clear()
    world.sink_calls.calls.clear()
    retry = Retry(fence=done.outcome_fence, reason=reason)
    item = copy(world, job, state=ItemState.READY, retry=retry, outcome_fence=0)
    return job, item


def test_a_retry_copies_what_failed_and_keeps_the_other_outcomes(world):
    job, item = fail_then_retry(world)
    assert item.totals.copied.objects == 2
    assert world.sink_calls.calls["put_blob"] == 1
    assert {key: outcome.result.value for key, outcome in world.report(job).items()} == {
        "a": "copied",
        "b": "copied",
        "c/./d": "failed",
    }


def test_a_retry_of_one_reason_leaves_other_failures_alone(world):
    job, item = fail_then_retry(world, reason="name_not_allowed")
    assert (item.totals.copied.objects, item.totals.failed.objects) == (1, 2)
    assert world.sink_calls.calls["put_blob"] == 0
    assert world.report(job)["b"].reason == "access_denied"


# An item that kills its workers.


def copy_until_done(world, job, *, most=12):
    """Copy the item as often as it takes, each time with a new worker; return the number of crashes."""
    for crashes in range(most):
        try:
            copy(world, job)
        except Crash:
            continue
        return crashes
    raise AssertionError("the item never comes to its end")


@pytest.mark.parametrize("culprit", ["k0", "k1", "k4"])
def test_an_object_that_kills_its_worker_is_found_and_fails_alone(world, culprit):
    job = add_item(world, {f"k{number}": b"x" for number in range(5)})
    world.source_calls.do("read_object", _raise_crash, name=culprit)
    copy_until_done(world, job)
    reasons = {key: outcome.reason for key, outcome in world.report(job).items()}
    assert reasons == {f"k{n}": "crashed_worker" if f"k{n}" == culprit else "" for n in range(5)}


def test_several_objects_that_kill_their_workers_are_found_one_by_one(world):
    job = add_item(world, {f"k{number}": b"x" for number in range(5)})
    for culprit in ("k1", "k3"):
        world.source_calls.do("read_object", _raise_crash, name=culprit)
    copy_until_done(world, job)
    reasons = [outcome.reason for outcome in world.report(job).values()]
    assert reasons == ["", "crashed_worker", "", "crashed_worker", ""]


def test_an_object_is_not_blamed_for_interruptions_in_good_order(world):
    job = add_item(world, {"a": b"x", "b": b"x"}, attempts=CAREFUL_AFTER)
    for _ in range(4):
        lease = lease_item(world, job, attempts=CAREFUL_AFTER)
        world.source_calls.do("read_object", lambda held=lease: held.interrupt("paused"), name="b")
        with pytest.raises(JobInterrupted):
            copy_files(world.context, job, lease)
    world.source_calls.plans.clear()
    copy(world, job)
    assert {outcome.reason for outcome in world.report(job).values()} == {""}


def test_an_object_that_awcopy_cannot_handle_fails_alone(world):
    job = add_item(world, {"a": b"x", "b": b"x"}, attempts=CAREFUL_AFTER)
    world.source_calls.fail("read_object", ZeroDivisionError(), name="a")
    copy(world, job)
    assert [outcome.reason for outcome in world.report(job).values()] == ["internal", ""]


def test_nothing_is_left_of_the_careful_way_when_the_item_is_done(world):
    job = add_item(world, {"a": b"x"}, attempts=CAREFUL_AFTER, careful=Careful(index=0))
    assert copy(world, job).careful is None


@pytest.mark.parametrize("overwrite", Overwrite)
def test_the_careful_way_sends_nothing_twice(world, overwrite):
    job = add_item(world, {"a": b"x", "b": b"x"})
    job = replace(job, spec=replace(job.spec, overwrite=overwrite))
    world.source_calls.do("read_object", _raise_crash, name="b", times=4)
    copy_until_done(world, job)
    assert world.sink_calls.calls["put_blob"] == 2


def _raise_crash():
    raise Crash


def _crash(*_arguments):
    raise Crash
