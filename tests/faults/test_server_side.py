"""The server-side route on real workers: Azure reads from S3 by itself, or is kept from it.

Amazon's name stands for the S3 server here; what plays Azure's part is `copying_proxy`, which says what it
does not prove.
"""

from __future__ import annotations

import os
import signal
from threading import Event

import pytest

from awcopy.model.job import JobId, JobState
from awcopy.model.outcome import Proof, Route
from awcopy.transfer.breaker import FAILURES_BEFORE_STREAMING
from awcopy.units import GIB, MIB
from tests.faults.copying_proxy import is_copy
from tests.faults.fleet import AMAZON_URL, FaultFleet, content_of
from tests.faults.http_proxy import Exchange, Fault, Op, refuse
from tests.faults.invariants import Expected, assert_invariants

AMAZON = ("--endpoint-url", AMAZON_URL)
RUN_BYTES = 64 * MIB
PROCESSES, SLOTS = 2, 4

pytestmark = pytest.mark.timeout(180)


def is_foreign(exchange: Exchange) -> bool:
    """Return whether somebody reads with a signed URL: not one of the workers, which sign headers."""
    return "X-Amz-Signature=" in exchange.query


def objects_of(bucket: str, *, small: int = 3, large_bytes: int = 20 * MIB) -> dict[str, bytes]:
    """Return objects of 2 MiB and one of three runs of blocks, if blocks are of 1 MiB and runs of eight."""
    sizes = {**{f"k{number:02}": 2 * MIB + number for number in range(small)}, "large.bin": large_bytes}
    return {key: content_of(f"{bucket}/{key}", size) for key, size in sizes.items()}


def copy(fleet: FaultFleet, bucket: str, *options: str, small: int = 3) -> JobId:
    fleet.make_bucket(bucket, objects_of(bucket, small=small))
    job_id = fleet.submit(bucket, *AMAZON, *options)
    fleet.ended(job_id)
    return job_id


def bytes_sent(fleet: FaultFleet) -> int:
    """Return the bytes of bodies that workers sent to Azure, lists of blocks not counted."""
    return sum(one.sent_bytes for one in fleet.azure.log.all(Op.PUT, Op.PUT_BLOCK))


def bytes_read(fleet: FaultFleet) -> int:
    """Return the bytes of objects that workers read from S3."""
    return sum(one.received_bytes for one in fleet.s3.log.gets() if not is_foreign(one))


@pytest.mark.timeout(600)
def test_a_gibibyte_is_copied_and_no_byte_of_it_passes_through_a_worker(fleet: FaultFleet) -> None:
    fleet.client.create_bucket(Bucket="gibibyte")
    fleet.client.put_object(
        Bucket="gibibyte", Key="zeros.bin", Body=bytes(GIB), ChecksumAlgorithm="CRC64NVME"
    )
    job_id = fleet.submit("gibibyte", *AMAZON, "--agents", "2")
    job = fleet.ended(job_id, within_s=300)
    assert job.state is JobState.COMPLETED, fleet.describe(job_id)
    (line,) = assert_invariants(fleet, job_id, "gibibyte")
    assert (line.route, line.proof, line.size_bytes) == (Route.SERVER, Proof.CRC64, GIB)
    runs = [one for one in fleet.azure.log.staged() if is_copy(one)]
    assert sum(one.copied_bytes for one in runs) >= GIB  # more, if a slow machine made one run be read again
    assert bytes_read(fleet) == 0
    assert bytes_sent(fleet) == len([one for one in fleet.azure.log.staged() if not is_copy(one)])  # receipts
    assert GIB // RUN_BYTES <= bytes_sent(fleet) <= len(runs)


def test_small_objects_stream_and_others_do_not(fleet: FaultFleet) -> None:
    objects = objects_of("sizes") | {"tiny": content_of("tiny", 1000), "empty": b""}
    fleet.make_bucket("sizes", objects)
    job_id = fleet.submit("sizes", *AMAZON)
    fleet.ended(job_id)
    lines = assert_invariants(fleet, job_id, "sizes")
    assert {line.key for line in lines if line.route is Route.STREAM} == {"tiny", "empty"}
    assert {line.proof for line in lines} == {Proof.CRC64}
    assert bytes_read(fleet) == bytes_sent(fleet) == 1000


def test_when_azure_is_kept_out_the_job_streams_and_says_why(fleet: FaultFleet) -> None:
    fleet.s3.add(refuse(403, "AccessDenied"), Op.GET, match=is_foreign, title="closed")
    job_id = copy(fleet, "closed", small=30)
    lines = assert_invariants(fleet, job_id, "closed")
    assert {line.route for line in lines} == {Route.STREAM}
    assert "AccessDenied" in fleet.job(job_id).streams_because
    # Each process may find it out by itself, with all of its requests under way at once.
    assert FAILURES_BEFORE_STREAMING <= fleet.s3.log.faults()["closed"] < len(lines)
    shown = fleet.awcopy("jobs", "show", job_id).stdout
    assert "streamed after all" in shown


def test_a_refusal_now_and_then_costs_that_object_its_route_alone(fleet: FaultFleet) -> None:
    fleet.s3.add(refuse(403, "AccessDenied"), Op.GET, match=is_foreign, times=2, title="whim")
    lines = assert_invariants(fleet, copy(fleet, "whim"), "whim")
    assert sorted(line.route for line in lines) == [Route.SERVER, Route.SERVER, Route.STREAM, Route.STREAM]


def test_who_asks_for_fewer_requests_is_obeyed(fleet: FaultFleet) -> None:
    fleet.s3.add(refuse(503, "SlowDown"), Op.GET, match=is_foreign, times=3, title="slow source")
    fleet.azure.add(refuse(503, "ServerBusy"), Op.PUT_BLOCK, match=is_copy, times=3, title="slow sink")
    lines = assert_invariants(fleet, copy(fleet, "slow"), "slow")
    assert {line.route for line in lines} == {Route.SERVER}


def test_an_object_that_is_replaced_while_azure_reads_it_is_begun_anew(fleet: FaultFleet) -> None:
    after = content_of("after", 20 * MIB)
    fleet.s3.add(
        Fault(call=lambda _: fleet.put("replaced", "large.bin", after)),
        Op.GET, name="large.bin", match=is_foreign, times=1, title="replaced",
    )  # fmt: skip
    job_id = copy(fleet, "replaced")
    versions = {"large.bin": (after,)}
    lines = assert_invariants(fleet, job_id, "replaced", Expected(versions=versions))
    assert {line.key: line.attempts for line in lines}["large.bin"] == 2


def test_a_forced_route_fails_what_azure_cannot_read_and_says_why(fleet: FaultFleet) -> None:
    fleet.s3.add(refuse(403, "AccessDenied"), Op.GET, name="k01", match=is_foreign)
    job_id = copy(fleet, "forced", "--route", "server")
    failed = {"k01": "source_unreadable"}
    lines = assert_invariants(
        fleet, job_id, "forced", Expected(state=JobState.COMPLETED_WITH_ERRORS, failed=failed)
    )
    (line,) = (line for line in lines if line.key == "k01")
    assert "AccessDenied" in line.detail
    assert bytes_read(fleet) == 0


def test_a_killed_worker_costs_no_run_that_azure_had_read(fleet: FaultFleet) -> None:
    fleet.client.create_bucket(Bucket="killed")
    part = content_of("killed", 8 * MIB)
    content = b"".join(part[shift:] + part[:shift] for shift in range(48))  # six runs
    fleet.put("killed", "large.bin", content)
    known: list[int] = []
    moment = Event()

    def kill(exchange: Exchange) -> None:
        known.extend(one.number for one in fleet.azure.log.staged() if one.sent_bytes == 1 and one.seconds)
        pid = fleet.worker_of(exchange)
        if pid:
            os.kill(pid, signal.SIGKILL)
        moment.set()

    fleet.azure.add(Fault(call=kill), Op.PUT_BLOCK, match=is_copy, after=3, times=1, title="kill")
    job_id = fleet.submit("killed", *AMAZON, "--agents", "2")
    assert moment.wait(60)
    fleet.ended(job_id, within_s=90)
    (line,) = assert_invariants(fleet, job_id, "killed", Expected(lost_messages=2 * SLOTS))
    assert (line.route, line.proof) == (Route.SERVER, Proof.CRC64)
    runs = [one for one in fleet.azure.log.staged() if is_copy(one)]
    under_way = len(runs) - len(content) // RUN_BYTES
    assert 1 <= under_way <= 6 - len(known)
    assert bytes_read(fleet) == 0
