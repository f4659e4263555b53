"""Archived objects that take their time: asked for once, waited for in the ledger, copied when they are there.

No server here has an archive whose restores take hours. SeaweedFS keeps the storage class and shows it in its
listing; the proxy before it says what Amazon says of an object that is archived, being restored, and restored.
"""

from __future__ import annotations

from threading import Event

import pytest

from awcopy.model.items import ItemState
from awcopy.model.job import JobId, JobState
from awcopy.model.outcome import Proof
from awcopy.units import MIB
from tests.faults.fleet import FaultFleet, content_of
from tests.faults.http_proxy import Answer, Exchange, Fault, Op, refuse
from tests.faults.invariants import Expected, assert_invariants
from tests.faults.processes import wait_until

COLD = {"cold/blocks.bin": ("GLACIER", 3 * MIB + 1), "cold/small.txt": ("DEEP_ARCHIVE", 1000)}
WARM = {"warm/a.txt": 1000, "warm/b.txt": 2000}
ONGOING = Fault(headers={"x-amz-restore": 'ongoing-request="true"'})
DONE = Fault(
    headers={"x-amz-restore": 'ongoing-request="false", expiry-date="Fri, 21 Dec 2029 00:00:00 GMT"'}
)

pytestmark = pytest.mark.timeout(180)


class Archive:
    """What a bucket's server says of the cold keys, until they are restored."""

    def __init__(self, fleet: FaultFleet, bucket: str) -> None:
        self.fleet = fleet
        self.is_restored = Event()
        fleet.client.create_bucket(Bucket=bucket)
        for key, (storage_class, size) in COLD.items():
            fleet.client.put_object(
                Bucket=bucket, Key=key, Body=content_of(key, size), StorageClass=storage_class,
                ChecksumAlgorithm="CRC64NVME",
            )  # fmt: skip
        for key, size in WARM.items():
            fleet.put(bucket, key, content_of(key, size))
        fleet.s3.add(refuse(403, "InvalidObjectState"), Op.GET, match=self.is_frozen, title="frozen")
        fleet.s3.add(ONGOING, Op.HEAD, match=self.is_frozen, title="ongoing")
        fleet.s3.add(DONE, Op.HEAD, match=lambda one: one.name in COLD, title="done")
        accepted = Fault(answer=Answer(status=202, code="Accepted"))
        fleet.s3.add(accepted, Op.OTHER, match=is_restore, times=len(COLD), title="asked")
        fleet.s3.add(refuse(409, "RestoreAlreadyInProgress"), Op.OTHER, match=is_restore, title="asked again")

    def is_frozen(self, exchange: Exchange) -> bool:
        return exchange.name in COLD and not self.is_restored.is_set()

    def restored_keys(self) -> list[str]:
        """Return the keys whose restore was asked for, as often as it was."""
        return sorted(one.name for one in self.fleet.s3.log.all(Op.OTHER) if is_restore(one))

    def looks(self) -> int:
        """Return how often somebody tried to read what is frozen."""
        return self.fleet.s3.log.faults()["frozen"]


def is_restore(exchange: Exchange) -> bool:
    return exchange.method == "POST" and exchange.query.startswith("restore")


def is_waiting(fleet: FaultFleet, job_id: JobId) -> bool:
    states = {item.state for item in fleet.items(job_id)} - {ItemState.DONE}
    return states == {ItemState.WAITING}


def start(fleet: FaultFleet, bucket: str) -> JobId:
    """Submit a copy that restores, and return it once all that is left of it waits."""
    job_id = fleet.submit(bucket, "--archived", "restore", "--restore-max-objects", "9", "--block-size", "1M")
    fleet.wait(job_id, "all is copied that can be read", lambda seen: seen.totals.copied.objects == len(WARM))
    wait_until("the rest waits", lambda: is_waiting(fleet, job_id), within_s=60)
    return job_id


def test_a_restore_is_waited_for_in_the_ledger_and_copied_when_it_is_done(fleet: FaultFleet) -> None:
    archive = Archive(fleet, "restoring")
    job_id = start(fleet, "restoring")
    assert fleet.job(job_id).state is JobState.RUNNING
    # Nothing but the ledger knows of it: no message, no hint, no process.
    fleet.kill_workers()
    fleet.redis.flushall()
    seen = archive.looks()
    assert fleet.snapshot(job_id).totals.pending.objects == len(COLD)
    fleet.start_workers()
    wait_until("it is looked at again, twice", lambda: archive.looks() >= seen + 4, within_s=60)
    assert fleet.snapshot(job_id).totals.copied.objects == len(WARM)
    archive.is_restored.set()
    fleet.ended(job_id)
    lines = {
        line.key: line for line in assert_invariants(fleet, job_id, "restoring", Expected(lost_messages=8))
    }
    assert {line.proof for line in lines.values()} == {Proof.CRC64}
    assert archive.restored_keys() == sorted(COLD), "each is asked for once, though it is looked at often"
    assert not fleet.s3.log.faults()["asked again"]


def test_a_job_that_waits_for_restores_can_be_cancelled(fleet: FaultFleet) -> None:
    archive = Archive(fleet, "restoring-in-vain")
    job_id = start(fleet, "restoring-in-vain")
    cancelled = fleet.awcopy("jobs", "cancel", job_id)
    assert cancelled.returncode == 0, cancelled.stderr
    fleet.ended(job_id)
    lines = assert_invariants(fleet, job_id, "restoring-in-vain", Expected(state=JobState.CANCELLED))
    assert {line.key for line in lines if line.reason == "cancelled"} == set(COLD)
    assert archive.restored_keys() == sorted(COLD)
