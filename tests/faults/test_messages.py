"""Messages that are lost, that come twice, and that come when all is over: by hand, in Redis' own lists."""

from __future__ import annotations

import json

import pytest

from awcopy.model.job import JobId
from tests.faults.fleet import LEASE_S, RECONCILE_S, FaultFleet, content_of
from tests.faults.http_proxy import Exchange, Fault, Op
from tests.faults.invariants import Expected, assert_invariants
from tests.faults.moments import at_request
from tests.faults.processes import wait_until

OBJECTS = 120
QUEUE = "awcopy"
# More agents than the fleet has slots, so that messages wait in the queue.
OPTIONS = ("--files-per-task", "6", "--agents", "16")
STRIKES = range(20, OBJECTS, 20)
MENDED_S = 2 * (LEASE_S + RECONCILE_S) + 30

pytestmark = pytest.mark.timeout(180)


def start(fleet: FaultFleet, bucket: str) -> JobId:
    """Start a job of 120 small objects in 20 items."""
    fleet.s3.add(Fault(delay_s=0.2), Op.GET, title="slow")
    fleet.make_bucket(bucket, {f"k{number:03}": content_of(f"{number}", 2000) for number in range(OBJECTS)})
    return fleet.submit(bucket, *OPTIONS)


def waiting(fleet: FaultFleet) -> list[bytes]:
    """Return the messages that wait in the queue."""
    return fleet.redis.lrange(QUEUE, 0, -1)


def unacknowledged(fleet: FaultFleet) -> list[bytes]:
    """Return the messages that workers have and have not acknowledged, as they stood in the queue."""
    held = fleet.redis.hvals("unacked")
    return [json.dumps(json.loads(entry)[0]).encode() for entry in held]


def blob_etags(fleet: FaultFleet, container: str) -> dict[str, str]:
    """Return the ETag of every blob: it changes with each write."""
    return {blob.name: blob.etag for blob in fleet.blobs.get_container_client(container).list_blobs()}


def test_messages_taken_out_of_the_queue_mid_job(fleet: FaultFleet) -> None:
    taken: list[bytes] = []

    def take(_: Exchange) -> None:
        while message := fleet.redis.lpop(QUEUE):
            taken.append(message)

    for number in STRIKES:
        at_request(fleet.s3, Op.GET, number, take)
    job_id = start(fleet, "messages-taken")
    fleet.ended(job_id, within_s=MENDED_S)
    assert_invariants(fleet, job_id, "messages-taken")
    assert taken
    assert len(fleet.azure.log.puts()) == OBJECTS


def test_all_messages_vanish_those_that_workers_hold_too(fleet: FaultFleet) -> None:

    def take(_: Exchange) -> None:
        fleet.redis.delete(QUEUE, "unacked", "unacked_index")

    moment = at_request(fleet.s3, Op.GET, 40, take)
    job_id = start(fleet, "messages-gone")
    moment.wait()
    fleet.ended(job_id, within_s=MENDED_S)
    assert_invariants(fleet, job_id, "messages-gone")
    assert len(fleet.azure.log.puts()) == OBJECTS


def test_messages_come_three_times_mid_job_and_again_when_all_is_over(fleet: FaultFleet) -> None:
    copied: list[bytes] = []

    def copy(_: Exchange) -> None:
        messages = waiting(fleet) + unacknowledged(fleet)
        copied.extend(messages)
        fleet.redis.rpush(QUEUE, *messages, *messages)

    for number in (20, 60):  # what has come three times then comes three times again
        at_request(fleet.s3, Op.GET, number, copy)
    job_id = start(fleet, "messages-copied")
    fleet.ended(job_id, within_s=MENDED_S)
    assert_invariants(fleet, job_id, "messages-copied")
    assert len(fleet.azure.log.puts()) == OBJECTS
    rows, blobs = fleet.items(job_id), blob_etags(fleet, "messages-copied")
    fleet.redis.rpush(QUEUE, *copied)
    wait_until("all are taken", lambda: not waiting(fleet) + unacknowledged(fleet), within_s=30)
    assert_invariants(fleet, job_id, "messages-copied", Expected())
    assert fleet.items(job_id) == rows
    assert blob_etags(fleet, "messages-copied") == blobs
