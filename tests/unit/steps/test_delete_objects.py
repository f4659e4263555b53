from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from awcopy.errors import ConnectionLost, CredentialsRefused, JobInterrupted, SourceChanged, UsageError
from awcopy.jobs.control import cancel_job, resume_job, retry_job
from awcopy.jobs.queries import Phase
from awcopy.jobs.submit import check_abilities
from awcopy.ledger.memory import MemoryLedger
from awcopy.model.job import JobState
from awcopy.model.outcome import AtSource, Proof, Result
from awcopy.model.spec import Deletion, Overwrite
from awcopy.steps.dispatch import dispatch
from awcopy.steps.finish import finish
from awcopy.steps.reconcile import reconcile
from tests.unit.factories import make_spec
from tests.unit.world import LEASE_S, Crash, World

pytestmark = pytest.mark.usefixtures("low_limits")
CONTENTS = {f"k{number}": b"x" * number for number in range(1, 6)} | {"large": b"y" * 950}


@pytest.fixture
def spec(spec):
    return replace(spec, deletion=Deletion())


def put(world):
    return world.put(CONTENTS)


def left(world) -> set[str]:
    return {obj.key for obj in world.source.list_page("").objects}


def begin_deletion(world, job):
    """Copy everything, and return the first turns of the generation that deletes."""
    world.take_turns(dispatch(world.context, job.id))
    return finish(world.context, job.id).generation.turns()


def fates(world, job):
    return {key: (line.at_source, line.source_reason) for key, line in world.report(job).items()}


def test_everything_that_was_copied_and_proved_is_deleted(world, spec):
    put(world)
    job = world.submit(spec=spec)
    totals = world.run(job).totals
    assert left(world) == set()
    assert world.ledger.get_job(job.id).state is JobState.COMPLETED
    assert totals.deleted == totals.copied == totals.listed
    assert totals.kept.objects == totals.pending.objects == 0
    assert set(fates(world, job).values()) == {(AtSource.DELETED, "")}
    assert set(world.sink.blobs) == set(CONTENTS)


def test_nothing_is_deleted_unless_that_was_asked(world, spec):
    put(world)
    job = world.submit(spec=replace(spec, deletion=None))
    world.run(job)
    assert left(world) == set(CONTENTS)
    assert world.source_calls.calls["delete"] == 0


def test_nothing_is_deleted_before_everything_is_copied(world, spec):
    put(world)
    job = world.submit(spec=spec)
    world.take_turns(dispatch(world.context, job.id))
    assert world.source_calls.calls["delete"] == 0
    generation = finish(world.context, job.id).generation
    assert world.snapshot(job).phase is Phase.DELETING
    assert generation.number == 2
    assert len(world.report(job)) == len(CONTENTS)


def test_a_bucket_that_keeps_versions_says_so_in_the_report(world, spec):
    put(world)
    world.source.keeps_versions = True
    job = world.submit(spec=spec)
    world.run(job)
    assert set(fates(world, job).values()) == {(AtSource.DELETED, "delete_marker")}


def test_what_an_earlier_job_has_copied_is_deleted_too(world, spec):
    put(world)
    first = world.submit(id="zzzz000000000001", spec=replace(spec, deletion=None))
    world.run(first)
    job = world.submit(spec=spec)
    totals = world.run(job).totals
    assert left(world) == set()
    assert totals.skipped == totals.unchanged == totals.deleted


def test_what_was_left_alone_for_another_reason_is_not_touched(world, spec):
    put(world)
    world.run(world.submit(id="zzzz000000000001", spec=replace(spec, deletion=None)))
    job = world.submit(spec=replace(spec, overwrite=Overwrite.NEVER))
    totals = world.run(job).totals
    assert left(world) == set(CONTENTS)
    assert (totals.deleted.objects, totals.kept.objects) == (0, 0)
    assert world.ledger.get_job(job.id).state is JobState.COMPLETED


@pytest.mark.parametrize("despite", [False, True])
def test_a_failure_keeps_everything_unless_asked_otherwise(world, spec, despite):
    put(world)
    world.source.put_object("ends-in-a-dot.", b"1")
    job = world.submit(spec=replace(spec, deletion=Deletion(despite_failures=despite)))
    ended = world.run(job).job
    assert left(world) == {"ends-in-a-dot."} | (set() if despite else set(CONTENTS))
    assert ended.state is JobState.COMPLETED_WITH_ERRORS
    assert ended.guard == ("" if despite else "failures")
    assert ("an object failed" in ended.detail) is not despite


def test_more_objects_than_allowed_keep_everything(world, spec):
    put(world)
    job = world.submit(spec=replace(spec, deletion=Deletion(most=len(CONTENTS) - 1)))
    ended = world.run(job).job
    assert left(world) == set(CONTENTS)
    assert (ended.state, ended.guard) == (JobState.COMPLETED_WITH_ERRORS, "max_delete")
    assert "--max-delete 5" in ended.detail


def test_an_object_that_was_replaced_after_its_copy_is_kept(world, spec):
    put(world)
    job = world.submit(spec=spec)
    turns = begin_deletion(world, job)
    world.source.put_object("k3", b"new")
    world.take_all(turns)
    finish(world.context, job.id)
    assert left(world) == {"k3"}
    assert fates(world, job)["k3"] == (AtSource.KEPT, "source_changed")
    ended = world.ledger.get_job(job.id)
    assert ended.state is JobState.COMPLETED_WITH_ERRORS
    assert (ended.totals.kept.objects, ended.totals.deleted.objects) == (1, len(CONTENTS) - 1)


def test_an_object_that_is_replaced_after_the_last_look_is_kept(world, spec):
    put(world)
    job = world.submit(spec=spec)
    world.source_calls.do("delete", lambda: world.source.put_object("k3", b"new"), name="k3", times=1)
    world.run(job)
    assert fates(world, job)["k3"] == (AtSource.KEPT, "source_changed")
    assert left(world) == {"k3"}


def test_an_object_whose_deletion_was_not_answered_counts_as_deleted(world, spec):
    """Some servers answer the second try as if the object were another, though it is gone."""
    put(world)

    def lose_answer():
        world.source.delete_object("k3")
        raise SourceChanged("the condition did not hold")

    world.source_calls.do("delete", lose_answer, name="k3", times=1)
    job = world.submit(spec=spec)
    totals = world.run(job).totals
    assert totals.deleted == totals.listed


@pytest.mark.parametrize("is_gone", [True, False])
def test_an_object_whose_blob_is_not_the_copy_any_more_is_kept(world, spec, is_gone):
    put(world)
    job = world.submit(spec=spec)
    turns = begin_deletion(world, job)
    blob = world.sink.blobs.pop("k3")
    if not is_gone:
        world.sink.blobs["k3"] = replace(blob, head=replace(blob.head, metadata={}))
    world.take_all(turns)
    assert fates(world, job)["k3"] == (AtSource.KEPT, "blob_missing" if is_gone else "blob_differs")
    assert left(world) == {"k3"}


def test_an_object_with_a_weak_proof_is_kept_and_deleted_only_if_that_is_asked(world, spec):
    world.source.put_object("weak", b"content", etag="d41d8-2", has_crc64=False)
    job = world.submit(spec=spec)
    world.run(job)
    assert fates(world, job) == {"weak": (AtSource.KEPT, "proof_too_weak")}
    again = world.submit(
        id="zaaa000000000001", spec=replace(spec, deletion=Deletion(weakest_proof=Proof.BLOCKS))
    )
    world.run(again)
    assert left(world) == set()


def test_an_object_that_may_not_be_deleted_is_kept_and_a_retry_deletes_it(world, spec):
    put(world)
    world.source.refuses_deletes = True
    job = world.submit(spec=spec)
    world.run(job)
    assert set(fates(world, job).values()) == {(AtSource.KEPT, "access_denied")}
    world.source.refuses_deletes = False
    _, objects = retry_job(world.fleet, job.id)
    world.run(job)
    assert objects == len(CONTENTS)
    assert left(world) == set()
    assert world.ledger.get_job(job.id).state is JobState.COMPLETED


def test_a_retry_copies_what_failed_and_then_deletes_what_is_there_yet(world, spec):
    put(world)
    world.source.put_object("k9", b"9")
    world.source_calls.fail("read_object", ConnectionLost("no"), name="k9")
    job = world.submit(spec=replace(spec, deletion=Deletion(despite_failures=True)))
    world.run(job)
    assert left(world) == {"k9"}
    world.source_calls.plans.clear()
    assert retry_job(world.fleet, job.id)[1] == 1
    totals = world.run(job).totals
    assert left(world) == set()
    assert totals.deleted == totals.copied == totals.listed
    assert set(fates(world, job).values()) == {(AtSource.DELETED, "")}


def test_refused_credentials_pause_the_job_and_it_goes_on_afterwards(world, spec):
    put(world)
    job = world.submit(spec=spec)
    world.source_calls.fail("delete", CredentialsRefused("expired"), name="k4")
    world.run(job)
    assert world.ledger.get_job(job.id).pause_reason == "auth"
    world.source_calls.plans.clear()
    resume_job(world.fleet, job.id)
    totals = world.run(job).totals
    assert (left(world), totals.deleted) == (set(), totals.listed)


def test_a_passing_failure_is_tried_again(world, spec):
    put(world)
    job = world.submit(spec=spec)
    world.source_calls.fail("delete", ConnectionLost("reset"), name="k4", times=8)
    totals = world.run(job).totals
    assert totals.deleted == totals.listed


def test_an_interrupted_deletion_goes_on_where_it_stopped(world, spec):
    put(world)
    job = world.submit(spec=spec)
    turns = begin_deletion(world, job)
    world.source_calls.fail("delete", JobInterrupted("paused"), name="k2", times=1)
    world.take_all(turns)
    finish(world.context, job.id)
    totals = world.recover(job).totals
    assert (left(world), totals.deleted) == (set(), totals.listed)


def cancel_in_the_middle(world, job):
    """Cancel once k1 is deleted and k2 is about to be; return the cancelled job."""
    turns = begin_deletion(world, job)

    def cancel():
        cancel_job(world.fleet, job.id)
        raise JobInterrupted("cancelled")

    world.source_calls.do("delete", cancel, name="k2", times=1)
    world.take_all(turns)
    return finish(world.context, job.id).job


def test_a_cancelled_deletion_says_what_is_gone_and_what_is_left(world, spec):
    put(world)
    job = world.submit(spec=replace(spec, agents=1))
    ended = cancel_in_the_middle(world, job)
    assert ended.state is JobState.CANCELLED
    gone = set(CONTENTS) - left(world)
    assert gone
    for key, fate in fates(world, job).items():
        assert fate == ((AtSource.DELETED, "") if key in gone else (AtSource.KEPT, "cancelled"))
    assert {line.result for line in world.report(job).values()} == {Result.COPIED}
    assert ended.totals.deleted.objects == len(gone)
    assert ended.totals.deleted + ended.totals.kept == ended.totals.listed


def test_a_cancelled_deletion_whose_source_does_not_answer_says_that(world, spec):
    put(world)
    job = world.submit(spec=replace(spec, agents=1))
    world.source_calls.do("head", lambda: None)
    turns = begin_deletion(world, job)

    def cancel():
        cancel_job(world.fleet, job.id)
        world.source_calls.fail("head", ConnectionLost("away"))
        raise JobInterrupted("cancelled")

    world.source_calls.do("delete", cancel, name="k2", times=1)
    world.take_all(turns)
    finish(world.context, job.id)
    assert "it may have been deleted" in world.report(job)["k2"].detail


def test_finishing_again_begins_the_deletion_once(world, spec):
    put(world)
    job = world.submit(spec=spec)
    world.take_turns(dispatch(world.context, job.id))
    assert finish(world.context, job.id).generation
    assert finish(world.context, job.id).generation is None
    assert reconcile(world.context).generations == []


class CrashingLedger(MemoryLedger):
    """Ends the process just after one of its writes."""

    left = 10**9

    def _put(self, known, key, record):
        stored = MemoryLedger._put(self, known, key, record)
        self.left -= 1
        if not self.left:
            raise Crash
        return stored


def test_a_process_that_dies_at_any_write_of_the_deletion_leaves_what_others_finish(spec):
    for number in itertools.count(1):
        world = World()
        ledger = CrashingLedger(world.clock.now)
        world.use_ledger(ledger)
        put(world)
        job = world.submit(spec=spec)
        world.take_turns(dispatch(world.context, job.id))
        ledger.left = number
        try:
            generation = finish(world.context, job.id).generation
            while generation:
                world.take_turns(generation)
                generation = finish(world.context, job.id).generation
        except Crash:
            totals = world.recover(job).totals
            assert (left(world), totals.deleted) == (set(), totals.listed)
            assert world.ledger.get_job(job.id).state is JobState.COMPLETED
        else:
            break
    assert number > 10


def test_a_worker_that_lost_its_lease_records_nothing_and_another_goes_on(world, spec):
    put(world)
    job = world.submit(spec=replace(spec, agents=1))
    turns = begin_deletion(world, job)

    def stand_still():
        world.clock.seconds += 2 * LEASE_S
        reconcile(world.context)

    world.source_calls.do("delete", stand_still, times=1)
    world.take_all(turns)
    totals = world.recover(job).totals
    assert (left(world), totals.deleted) == (set(), totals.listed)
    assert set(fates(world, job).values()) == {(AtSource.DELETED, "")}


def test_blobs_must_be_stamped():
    spec = make_spec(deletion=Deletion(), has_stamps=False)
    with pytest.raises(UsageError, match="stamps"):
        check_abilities(spec, None, None, lambda call: call())
