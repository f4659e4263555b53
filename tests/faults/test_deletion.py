"""What may happen while objects are deleted at the source: nothing goes whose copy is not proved."""

from __future__ import annotations

import signal

import pytest

from awcopy.jobs.queries import read_report
from awcopy.model.job import JobId, JobState
from awcopy.model.outcome import AtSource, Outcome
from tests.faults.fleet import LEASE_S, RECONCILE_S, FaultFleet, content_of
from tests.faults.http_proxy import APPLY_THEN_DROP, Op, refuse
from tests.faults.moments import at_request, kill

OBJECTS = 60
CONTENTS = {f"k{number:03}": content_of(f"{number}", 2000) for number in range(OBJECTS)}
LAST = f"k{OBJECTS - 1:03}"

pytestmark = pytest.mark.timeout(180)


def move(fleet: FaultFleet, bucket: str, *options: str) -> JobId:
    """Start a job that deletes at the source, in ten items."""
    fleet.make_bucket(bucket, CONTENTS)
    return fleet.submit(bucket, "--files-per-task", "6", "--delete-source", "--yes", *options)


def left(fleet: FaultFleet, bucket: str) -> set[str]:
    return {entry["Key"] for entry in fleet.client.list_objects_v2(Bucket=bucket).get("Contents", ())}


def assert_right(fleet: FaultFleet, job_id: JobId, bucket: str, kept: dict[str, str]) -> list[Outcome]:
    """Check that all but the kept objects are gone, that each was copied before, and that the report says so."""
    lines = list(read_report(fleet.fleet, job_id))
    assert sorted(line.key for line in lines) == sorted(CONTENTS)
    assert {one.key: one.source_reason for one in lines if one.at_source is AtSource.KEPT} == kept
    assert left(fleet, bucket) == set(kept)
    totals = fleet.job(job_id).totals
    assert (totals.deleted.objects, totals.kept.objects) == (OBJECTS - len(kept), len(kept))
    assert totals.copied.objects == totals.listed.objects == OBJECTS
    assert all(fleet.blob(bucket, key) == content for key, content in CONTENTS.items())
    etags = {line.key: f'"{line.etag}"' for line in lines}
    copied_by = max(one.started for one in fleet.azure.log.puts())
    deletes = fleet.s3.log.all(Op.DELETE)
    assert {one.name for one in deletes} >= CONTENTS.keys() - kept.keys()
    assert all(one.headers.get("if-match") == etags[one.name] for one in deletes)
    assert min(one.started for one in deletes) > copied_by
    return lines


def test_worker_process_sigkill_mid_deletion_and_an_object_swapped_before_it(fleet: FaultFleet) -> None:
    # Nobody but the deletion looks at an object before it.
    swap = at_request(
        fleet.s3, Op.HEAD, 1, lambda _: fleet.put("moved", LAST, b"new"), lambda one: one.name == LAST
    )
    moment = at_request(fleet.s3, Op.DELETE, 20, kill(fleet, signal.SIGKILL))
    job_id = move(fleet, "moved")
    swap.wait()
    killed = moment.wait()
    job = fleet.ended(job_id, within_s=LEASE_S + 2 * RECONCILE_S + 30)
    assert job.state is JobState.COMPLETED_WITH_ERRORS
    assert_right(fleet, job_id, "moved", {LAST: "source_changed"})
    assert not fleet.s3.log.all(Op.DELETE, name=LAST)
    assert fleet.client.get_object(Bucket="moved", Key=LAST)["Body"].read() == b"new"
    fleet.wait_for_workers()
    assert killed not in fleet.workers()


def test_deletions_that_are_applied_and_not_answered_count_once(fleet: FaultFleet) -> None:
    fleet.s3.add(APPLY_THEN_DROP, Op.DELETE, probability=0.3, title="unanswered")
    job_id = move(fleet, "unanswered")
    assert fleet.ended(job_id).state is JobState.COMPLETED
    assert_right(fleet, job_id, "unanswered", {})
    assert fleet.s3.log.faults()["unanswered"] >= 3


def test_one_object_that_may_not_be_deleted_is_kept_alone(fleet: FaultFleet) -> None:
    fleet.s3.add(refuse(403, "AccessDenied"), Op.DELETE, name="k007")
    job_id = move(fleet, "locked")
    assert fleet.ended(job_id).state is JobState.COMPLETED_WITH_ERRORS
    assert_right(fleet, job_id, "locked", {"k007": "access_denied"})


def test_an_object_that_cannot_be_read_keeps_all_the_others(fleet: FaultFleet) -> None:
    fleet.s3.add(refuse(403, "AccessDenied"), Op.GET, name="k007")
    job_id = move(fleet, "all-kept")
    job = fleet.ended(job_id)
    assert (job.state, job.guard) == (JobState.COMPLETED_WITH_ERRORS, "failures")
    assert left(fleet, "all-kept") == set(CONTENTS)
    assert not fleet.s3.log.all(Op.DELETE)
