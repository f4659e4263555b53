from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from awcopy.crc64 import crc64
from awcopy.errors import (
    AccessDenied,
    BlobConflict,
    ConnectionLost,
    CredentialsRefused,
    JobInterrupted,
    LeaseLost,
)
from awcopy.model.items import FileState, ItemKind, ItemState, claim, give_back
from awcopy.model.job import JobState
from awcopy.model.objects import Algorithm, Checksum
from awcopy.model.outcome import Proof, Result, Tally
from awcopy.model.spec import MetadataPolicy, Overwrite, SourceSpec, Verify
from awcopy.planning.blocks import plan_blocks
from awcopy.sink.memory import StoredBlob
from awcopy.steps.copy_blocks import CRASHES_PER_RANGE, copy_blocks
from awcopy.steps.lease import Lease
from awcopy.steps.list_objects import range_item
from tests.unit.factories import JOB_ID, make_blob, make_file, make_item
from tests.unit.world import LEASE_S, Crash

CONTENT = bytes(range(250)) * 5  # 13 blocks in ranges of 4: the last range has one block, of 50 bytes
FILE = 2

pytestmark = pytest.mark.usefixtures("low_limits")


@pytest.fixture
def job(world, spec):
    return world.submit(state=JobState.RUNNING, spec=spec, sink_was_empty=True)


def add_file(world, job, content=CONTENT, **changes):
    """Put an object into the source, and what the listing makes of it into the ledger."""
    obj = world.source.put_object("big", content, **changes)
    plan = plan_blocks(len(content), job.spec.block_size_bytes, job.spec.agents)
    file = make_file(
        FILE,
        object=obj,
        blob="big",
        block_size_bytes=plan.block_size_bytes,
        blocks=plan.blocks,
        blocks_per_range=plan.blocks_per_range,
        range_crcs=(None,) * plan.ranges,
    )
    parent = world.ledger.add_item(make_item(1, kind=ItemKind.LIST_OBJECTS, state=ItemState.DONE))
    world.ledger.extend(parent, [range_item(JOB_ID, FILE, 0, plan)], [file])


def lease_range(world, index, **changes):
    item = replace(world.ledger.get_item(JOB_ID, FILE + 1 + index), **changes)
    item = item if item.state is ItemState.READY else give_back(item, attempts=item.attempts)
    leased = world.ledger.update_item(
        claim(item, agent=index, generation=1, now=world.ledger.now(), lease_s=LEASE_S)
    )
    return Lease(world.ledger, leased, lease_s=LEASE_S, monotonic=world.clock.monotonic)


def copy_range(world, job, index, **changes):
    lease = lease_range(world, index, **changes)
    copy_blocks(world.context, job, lease)
    return lease.item


def copy_all(world, job, order=(0, 1, 2, 3)):
    return [copy_range(world, job, index) for index in order]


def the_file(world):
    return world.ledger.get_file(JOB_ID, FILE)


def test_the_first_range_adds_the_items_of_the_others(world, job):
    add_file(world, job)
    copy_range(world, job, 0)
    items = list(world.ledger.list_items(JOB_ID))[1:]
    assert [item.number for item in items] == [3, 4, 5, 6]
    assert [item.size_bytes for item in items] == [400, 400, 400, 50]
    assert [(item.range.first, item.range.end) for item in items] == [(0, 4), (4, 8), (8, 12), (12, 13)]


def test_more_ranges_than_one_write_takes_are_added_in_several(world, job):
    add_file(world, job, bytes(400 * 12))
    copy_range(world, job, 0)
    assert len(list(world.ledger.list_items(JOB_ID))) == 13


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 3, 2, 1), (0, 2, 3, 1)])
def test_whoever_completes_the_last_range_commits_the_file(world, job, order):
    add_file(world, job)
    items = copy_all(world, job, order)
    assert world.sink.blobs["big"].content == CONTENT
    assert the_file(world).outcome_item == FILE + 1 + order[-1]
    assert [item.outcome_fence for item in items] == [0, 0, 0, 1]
    assert sum((item.totals.copied for item in items), Tally()) == Tally(objects=1, size_bytes=1250)


def test_the_file_has_one_outcome_with_the_crc_of_the_whole(world, job):
    add_file(world, job)
    copy_all(world, job)
    [outcome] = world.report(job).values()
    assert (outcome.result, outcome.proof, outcome.crc64) == (Result.COPIED, Proof.CRC64, crc64(CONTENT))
    assert world.sink_calls.calls["stage_block"] == 13


def test_each_range_leaves_its_crc_in_the_files_row(world, job):
    add_file(world, job)
    copy_all(world, job, (0, 2))
    assert the_file(world).range_crcs == (crc64(CONTENT[:400]), None, crc64(CONTENT[800:1200]), None)


@pytest.mark.parametrize("overwrite", [Overwrite.NEVER, Overwrite.CHANGED])
def test_a_file_that_is_not_to_be_copied_is_skipped_by_its_first_range_alone(world, job, overwrite):
    add_file(world, job)
    stamp = {"awcopy_etag": the_file(world).object.etag, "awcopy_size": "1250"}
    head = make_blob(name="big", size_bytes=1250, metadata=stamp)
    world.sink.blobs["big"] = StoredBlob(content=b"old", head=head)
    copy_range(world, replace(job, spec=replace(job.spec, overwrite=overwrite)), 0)
    assert [outcome.result for outcome in world.report(job).values()] == [Result.SKIPPED]
    assert len(list(world.ledger.list_items(JOB_ID))) == 2
    assert world.source_calls.calls["read_range"] == 0


def test_a_range_done_again_sends_only_the_blocks_that_are_missing(world, job):
    add_file(world, job)
    lease = lease_range(world, 0)
    reads = []

    def interrupt_third_read():
        reads.append(1)
        if len(reads) == 3:
            lease.interrupt("paused")

    world.source_calls.do("read_range", interrupt_third_read)
    with pytest.raises(JobInterrupted):
        copy_blocks(world.context, job, lease)
    copy_range(world, job, 0)
    assert world.sink_calls.calls["stage_block"] == 4


def test_a_range_that_was_recorded_but_not_completed_is_recorded_once(world, job):
    add_file(world, job)
    first = lease_range(world, 0)
    first.complete = _lose_lease
    with pytest.raises(LeaseLost):
        copy_blocks(world.context, job, first)
    copy_all(world, job)
    assert [outcome.result for outcome in world.report(job).values()] == [Result.COPIED]
    assert world.sink_calls.calls["stage_block"] == 13


def test_an_owner_that_died_before_the_commit_is_the_owner_when_it_comes_back(world, job):
    add_file(world, job)
    copy_all(world, job, (0, 1, 2))
    world.sink_calls.fail("commit_blocks", Crash())
    with pytest.raises(Crash):
        copy_range(world, job, 3)
    world.sink_calls.plans.clear()
    assert copy_range(world, job, 3).totals.copied.objects == 1
    assert world.sink_calls.calls["stage_block"] == 13


def test_an_owner_that_died_after_the_commit_records_the_copy_once(world, job):
    add_file(world, job)
    copy_all(world, job, (0, 1, 2))
    last = lease_range(world, 3)
    last.complete = _lose_lease
    with pytest.raises(LeaseLost):
        copy_blocks(world.context, job, last)
    copy_range(world, job, 3)
    [outcome] = world.report(job).values()
    assert (outcome.result, outcome.proof) == (Result.COPIED, Proof.CRC64)
    assert world.sink_calls.calls["commit_blocks"] == 1


# Trouble: whoever meets it first owns the file, and the others stop.


@pytest.mark.parametrize("index", [0, 1, 3])
def test_a_file_that_cannot_be_read_has_one_outcome(world, job, index):
    add_file(world, job)
    if index:
        copy_range(world, job, 0)
    world.source_calls.fail("read_range", AccessDenied("no"))
    items = copy_all(world, job, (index, *(other for other in (1, 2, 3) if other != index)))
    [outcome] = world.report(job).values()
    assert (outcome.result, outcome.reason) == (Result.FAILED, "access_denied")
    assert the_file(world).outcome_item == FILE + 1 + index
    assert sum(item.totals.failed.objects for item in items) == 1


def test_a_file_that_changed_is_copied_as_it_is_now_by_its_owner(world, job):
    add_file(world, job)
    copy_range(world, job, 0)
    new = CONTENT[::-1] + b"longer"
    world.source.put_object("big", new)
    items = copy_all(world, job, (1, 2, 3))
    assert world.sink.blobs["big"].content == new
    assert [outcome.result for outcome in world.report(job).values()] == [Result.COPIED]
    totals = sum((item.totals for item in items[1:]), items[0].totals)
    assert totals.copied.size_bytes == len(new)
    assert totals.listed.size_bytes == len(new) - len(CONTENT)


def test_a_file_whose_sum_is_wrong_is_never_committed(world, job):
    add_file(world, job, crc64=1)
    copy_all(world, job)
    [outcome] = world.report(job).values()
    assert (outcome.result, outcome.reason) == (Result.FAILED, "corrupt")
    assert world.sink.blobs == {}


def test_a_blob_that_appears_meanwhile_is_treated_as_asked(world, job):
    add_file(world, job)
    job = replace(job, spec=replace(job.spec, overwrite=Overwrite.NEVER))
    copy_all(world, job, (0, 1, 2))
    world.sink.blobs["big"] = StoredBlob(content=b"new", head=make_blob(name="big"))
    copy_range(world, job, 3)
    [outcome] = world.report(job).values()
    assert (outcome.result, outcome.reason) == (Result.SKIPPED, "exists")
    assert world.sink.blobs["big"].content == b"new"


@pytest.mark.parametrize("error", [AccessDenied("no"), BlobConflict("a lease is held")])
def test_a_blob_that_cannot_be_looked_at_fails_the_file_and_not_the_job(world, job, error):
    add_file(world, job)
    world.sink_calls.fail("head", error)
    copy_range(world, job, 0)
    [outcome] = world.report(job).values()
    assert (outcome.result, outcome.reason) == (Result.FAILED, error.code)


@pytest.mark.parametrize("op", ["read_range", "head"])
def test_refused_credentials_leave_the_file_to_all_its_ranges(world, job, op):
    add_file(world, job)
    (world.source_calls if op == "read_range" else world.sink_calls).fail(op, CredentialsRefused("expired"))
    with pytest.raises(CredentialsRefused):
        copy_range(world, job, 0)
    assert the_file(world).outcome_item == 0
    world.source_calls.plans.clear()
    world.sink_calls.plans.clear()
    copy_all(world, job)
    assert world.sink.blobs["big"].content == CONTENT
    assert the_file(world).outcome_item == FILE + 4


@pytest.mark.parametrize("op", ["read_range", "stage_block"])
def test_a_failure_that_may_pass_leaves_the_file_to_all_its_ranges(world, job, op):
    add_file(world, job)
    (world.source_calls if op == "read_range" else world.sink_calls).fail(op, ConnectionLost("no route"))
    with pytest.raises(ConnectionLost):
        copy_range(world, job, 0)
    world.source_calls.plans.clear()
    world.sink_calls.plans.clear()
    copy_all(world, job)
    assert the_file(world).outcome_item == FILE + 4


def test_an_outage_that_lasts_is_the_files_outcome_in_the_end(world, job):
    add_file(world, job)
    world.source_calls.fail("read_range", ConnectionLost("no route"))
    copy_range(world, job, 0, attempts=3)
    assert [outcome.reason for outcome in world.report(job).values()] == ["connection_lost"]


def test_a_range_that_kills_its_workers_fails_its_file_alone(world, job):
    add_file(world, job)
    copy_range(world, job, 0)
    copy_range(world, job, 1, attempts=CRASHES_PER_RANGE)
    copy_all(world, job, (2, 3))
    [outcome] = world.report(job).values()
    assert (outcome.result, outcome.reason) == (Result.FAILED, "crashed_worker")


# Two workers at once.


def test_a_file_opened_by_two_workers_has_one_owner(world, job):
    add_file(world, job)
    zombie = lease_range(world, 0)
    second = []

    def another_takes_over():
        second.append(copy_range(world, job, 0, state=ItemState.READY))

    world.sink_calls.do("head", another_takes_over, times=1)
    with pytest.raises(LeaseLost):
        copy_blocks(world.context, job, zombie)
    copy_all(world, job, (1, 2, 3))
    assert [outcome.result for outcome in world.report(job).values()] == [Result.COPIED]


def test_a_zombie_that_opens_a_file_late_takes_nothing_from_its_owner(world, job):
    add_file(world, job)
    zombie = lease_range(world, 0)

    def another_fails():
        world.source_calls.fail("read_range", AccessDenied("no"))
        copy_range(world, job, 0, state=ItemState.READY)

    world.sink_calls.do("head", another_fails, times=1)
    with pytest.raises(LeaseLost):
        copy_blocks(world.context, job, zombie)
    assert the_file(world).outcome_item == FILE + 1
    assert [outcome.reason for outcome in world.report(job).values()] == ["access_denied"]


def test_the_last_crc_takes_no_file_from_an_owner_that_met_trouble(world, job):
    add_file(world, job)
    copy_all(world, job, (0, 3))
    lost = lease_range(world, 2)
    lost.complete = _lose_lease
    with pytest.raises(LeaseLost):
        copy_blocks(world.context, job, lost)

    def let_range_2_fail():
        world.sink_calls.fail("staged_blocks", AccessDenied("no"))
        copy_range(world, job, 2)

    world.source_calls.do("read_range", let_range_2_fail, times=1)
    copy_range(world, job, 1)
    assert None not in the_file(world).range_crcs
    assert the_file(world).outcome_item == FILE + 3
    assert [outcome.reason for outcome in world.report(job).values()] == ["access_denied"]


def test_a_zombie_owner_that_commits_late_records_nothing(world, job):
    add_file(world, job)
    copy_all(world, job, (0, 1, 2))
    zombie = lease_range(world, 3)
    world.sink_calls.do("commit_blocks", lambda: copy_range(world, job, 3, state=ItemState.READY), times=1)
    with pytest.raises(LeaseLost):
        copy_blocks(world.context, job, zombie)
    item = world.ledger.get_item(JOB_ID, FILE + 4)
    assert (item.state, item.outcome_fence) == (ItemState.DONE, 2)
    assert [outcome.attempts for outcome in world.report(job).values()] == [1]
    assert world.sink.blobs["big"].content == CONTENT


def test_crcs_recorded_by_two_workers_at_once_are_both_kept(world, job):
    add_file(world, job)
    copy_range(world, job, 0)
    update_file = world.ledger.update_file

    def let_another_be_first(holder, file):
        world.ledger.update_file = update_file
        copy_range(world, job, 2)
        return update_file(holder, file)

    world.ledger.update_file = let_another_be_first
    copy_range(world, job, 1)
    assert [crc is None for crc in the_file(world).range_crcs] == [False, False, False, True]


def test_a_zombie_of_a_range_that_another_has_done_owns_no_file(world, job):
    """Its own copy met trouble long after; the file has other ranges that are still to be done."""
    add_file(world, job)
    zombie = lease_range(world, 0)

    def lose_the_item_and_fail():
        world.source_calls.plans.clear()
        copy_range(world, job, 0, state=ItemState.READY)
        raise AccessDenied("no")

    world.source_calls.do("read_range", lose_the_item_and_fail)
    with pytest.raises(LeaseLost):
        copy_blocks(world.context, job, zombie)
    assert the_file(world).outcome_item == 0
    copy_all(world, job, (1, 2, 3))
    assert [outcome.result for outcome in world.report(job).values()] == [Result.COPIED]


def test_a_planned_file_is_open_once_its_first_range_began(world, job):
    add_file(world, job)
    assert the_file(world).state is FileState.PLANNED
    copy_range(world, job, 0)
    assert the_file(world).state is FileState.OPEN


def _lose_lease(*_arguments, **_named):
    raise LeaseLost("another worker has it")


# Proofs that a shared file can have.

MD5 = Checksum(algorithm=Algorithm.MD5, value=hashlib.md5(CONTENT, usedforsecurity=False).digest())
OTHER = Checksum(algorithm=Algorithm.MD5, value=bytes(16))


def asking(world, spec, **asked):
    return world.submit(state=JobState.RUNNING, spec=replace(spec, **asked), sink_was_empty=True)


def test_a_shared_file_with_an_md5_is_not_read_twice_unless_asked(world, job):
    add_file(world, job, has_crc64=False, checksums=[MD5])
    copy_all(world, job)
    assert world.report(job)["big"].proof is Proof.BLOCKS
    assert world.source_calls.calls["read_range"] == 13


@pytest.mark.parametrize(
    "asked",
    [
        {"verify": Verify.FULL},
        {"require_proof": Proof.MD5},
        {"source": SourceSpec(bucket="bucket", endpoint_url="http://store.example")},
    ],
)
def test_a_shared_file_is_read_twice_for_its_md5_where_that_is_worth_it(world, spec, asked):
    job = asking(world, spec, **asked)
    add_file(world, job, has_crc64=False, checksums=[MD5])
    copy_all(world, job)
    assert world.report(job)["big"].proof is Proof.MD5
    assert (world.source_calls.calls["read_range"], world.sink_calls.calls["stage_block"]) == (26, 13)
    assert world.sink.blobs["big"].head.metadata["awcopy_proof"] == "md5"


def test_a_shared_file_with_another_md5_is_never_committed(world, spec):
    job = asking(world, spec, verify=Verify.FULL)
    add_file(world, job, has_crc64=False, checksums=[OTHER])
    world.sink.blobs["big"] = StoredBlob(content=b"old", head=make_blob(name="big"))
    copy_all(world, job)
    assert world.report(job)["big"].reason == "corrupt"
    assert world.sink.blobs["big"].content == b"old"


def test_a_shared_file_that_cannot_have_the_required_proof_is_not_read_at_all(world, spec):
    job = asking(world, spec, require_proof=Proof.CRC64)
    add_file(world, job, has_crc64=False, checksums=[MD5])
    copy_range(world, job, 0)
    assert world.report(job)["big"].reason == "proof_too_weak"
    assert world.source_calls.calls["read_range"] == 0
    assert len(list(world.ledger.list_items(JOB_ID))) == 2  # no other range was added


# Properties that a shared file may not have.


@pytest.mark.parametrize(
    ("asked", "facts", "reason"),
    [
        ({"metadata": MetadataPolicy.FAIL}, {"metadata": {"a-b": "c"}}, "metadata_not_allowed"),
        ({"copies_tags": True}, {"tags": {"k": "é" * 100}}, "tags_not_allowed"),
    ],
)
def test_a_shared_file_that_a_strict_job_refuses_is_not_read_at_all(world, spec, asked, facts, reason):
    job = asking(world, spec, **asked)
    add_file(world, job, **facts)
    copy_range(world, job, 0)
    assert world.report(job)["big"].reason == reason
    assert world.source_calls.calls["read_range"] == 0


def test_a_shared_file_with_more_metadata_than_azure_keeps_is_never_committed(world, job):
    add_file(world, job, metadata={"large": "x" * 9000})
    copy_all(world, job)
    assert world.report(job)["big"].reason == "metadata_not_allowed"
    assert world.sink.blobs == {}
