"""One bit that is flipped at the source, on either way, or in the sink: seen before anything is committed.

Each row of the tables is an object of its own with a fault of its own, all in one job for each route. Where the bit
is flipped once, the object arrives all the same, with one commit of the right bytes. Where it is flipped each time,
the object fails as ``corrupt``, and the blob that was there before is still there.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from awcopy.model.job import JobId, JobState
from awcopy.model.outcome import Outcome, Proof, Result, Route
from awcopy.planning.blocks import LARGE_FILE_BYTES
from awcopy.units import MIB
from tests.faults.copying_proxy import is_copy
from tests.faults.fleet import AMAZON_URL, FaultFleet, content_of
from tests.faults.http_proxy import Exchange, Fault, Op
from tests.faults.invariants import Expected, assert_invariants

WHOLE, BLOCKS, SHARED, RUNS = 9000, 3 * MIB + 1, LARGE_FILE_BYTES + 1, 20 * MIB  # bytes
OLD = b"the old blob"
AT = 1000  # the byte whose bit is flipped
FLIP_READ, FLIP_SENT = Fault(flip_received=AT), Fault(flip_sent=AT)
OTHER_CRC = {"x-ms-content-crc64": "AAAAAAAAAAA="}
# What the sink checks is not what it says in the end; or it checks nothing, keeps something else, and says so.
SAYS_OTHER = Fault(headers=OTHER_CRC)
KEEPS_OTHER = Fault(flip_sent=AT, without=frozenset({"x-ms-content-crc64"}), headers=OTHER_CRC)
ONCE, ALWAYS = 1, None

pytestmark = pytest.mark.timeout(180)


@dataclass(frozen=True, kw_only=True)
class Row:
    """An object, and what is done to it: to reads at the source, or to writes at the sink."""

    key: str
    size: int
    act: Fault
    times: int | None
    at_source: bool = False
    checksum: str = "CRC64NVME"
    is_new: bool = False  # no blob was there before


def read(key: str, size: int, times: int | None, checksum: str = "CRC64NVME") -> Row:
    return Row(key=key, size=size, act=FLIP_READ, times=times, at_source=True, checksum=checksum)


def written(key: str, size: int, act: Fault, times: int | None, *, is_new: bool = False) -> Row:
    return Row(key=key, size=size, act=act, times=times, is_new=is_new)


STREAMED = (
    # On the way from the source; each time, it is as if the source held other bytes than its checksum says.
    read("from/whole-once", WHOLE, ONCE),
    read("from/whole-always", WHOLE, ALWAYS),
    read("from/blocks-once", BLOCKS, ONCE),
    read("from/blocks-always", BLOCKS, ALWAYS),
    read("from/shared-once", SHARED, ONCE),
    # The same where S3 keeps an MD5 alone. A file that several workers read is read a second time.
    read("from/md5-whole-once", WHOLE, ONCE, ""),
    read("from/md5-whole-always", WHOLE, ALWAYS, ""),
    read("from/md5-blocks-once", BLOCKS, ONCE, ""),
    read("from/md5-blocks-always", BLOCKS, ALWAYS, ""),
    read("from/md5-shared-once", SHARED, ONCE, ""),
    # On the way to the sink, which checks what it gets.
    written("to/whole-once", WHOLE, FLIP_SENT, ONCE),
    written("to/whole-always", WHOLE, FLIP_SENT, ALWAYS),
    written("to/blocks-once", BLOCKS, FLIP_SENT, ONCE),
    written("to/blocks-always", BLOCKS, FLIP_SENT, ALWAYS),
    # In the sink.
    written("in/whole-says-once", WHOLE, SAYS_OTHER, ONCE),
    written("in/whole-says-always", WHOLE, SAYS_OTHER, ALWAYS),
    written("in/whole-keeps-once", WHOLE, KEEPS_OTHER, ONCE),
    written("in/whole-keeps-always", WHOLE, KEEPS_OTHER, ALWAYS),
    written("in/blocks-says-once", BLOCKS, SAYS_OTHER, ONCE),
    written("in/blocks-says-always", BLOCKS, SAYS_OTHER, ALWAYS),
    written("in/blocks-keeps-once", BLOCKS, KEEPS_OTHER, ONCE),
    written("in/blocks-keeps-always", BLOCKS, KEEPS_OTHER, ALWAYS),
)
# A small blob where none was is written in one call, and is there when the sink says what it has written. Nothing is
# lost: an empty blob, which stands for nothing, takes its place, and is replaced in two calls as any other.
NEW = (
    written("new/says-once", WHOLE, SAYS_OTHER, ONCE, is_new=True),
    written("new/says-always", WHOLE, SAYS_OTHER, ALWAYS, is_new=True),
    written("new/keeps-once", WHOLE, KEEPS_OTHER, ONCE, is_new=True),
    written("new/keeps-always", WHOLE, KEEPS_OTHER, ALWAYS, is_new=True),
)
# What Azure reads by itself: from the source to it is one way.
SERVER_SIDE = (
    read("from/once", RUNS, ONCE),
    read("from/always", RUNS, ALWAYS),
    written("in/says-once", RUNS, SAYS_OTHER, ONCE),
    written("in/says-always", RUNS, SAYS_OTHER, ALWAYS),
    written("in/keeps-once", RUNS, Fault(flip_sent=AT), ONCE),
    written("in/keeps-always", RUNS, Fault(flip_sent=AT), ALWAYS),
)


def run(fleet: FaultFleet, bucket: str, rows: tuple[Row, ...], *options: str) -> JobId:
    """Copy an object for each row, over a blob unless it is new, with the row's fault; return the ended job."""
    fleet.client.create_bucket(Bucket=bucket)
    container = fleet.blobs.create_container(bucket)
    for row in rows:
        # Random bytes for every block would take longer than the copy.
        content = content_of(f"{bucket}/{row.key}", min(row.size, MIB)) * (row.size // MIB + 1)
        fleet.put(bucket, row.key, content[: row.size], checksum=row.checksum)
        if not row.is_new:
            container.upload_blob(row.key, OLD)
        if row.at_source:
            fleet.s3.add(row.act, Op.GET, name=row.key, times=row.times, title=row.key)
        else:
            match = is_copy if options and AMAZON_URL in options else has_body
            fleet.azure.add(
                row.act, Op.PUT, Op.PUT_BLOCK, name=row.key, match=match, times=row.times, title=row.key
            )
    job_id = fleet.submit(bucket, "--block-size", "1M", *options)
    fleet.ended(job_id, within_s=120)
    return job_id


def has_body(exchange: Exchange) -> bool:
    return exchange.headers["content-length"] != "0"


def check(
    fleet: FaultFleet, job_id: JobId, bucket: str, rows: tuple[Row, ...], fails: set[str]
) -> dict[str, Outcome]:
    """Assert that each row's fault happened, was seen, and cost nothing; return the outcomes by key."""
    expected = Expected(
        state=JobState.COMPLETED_WITH_ERRORS if fails else JobState.COMPLETED,
        failed=dict.fromkeys(fails, "corrupt"),
        before={row.key: b"" if row.is_new else OLD for row in rows},
    )
    lines = {line.key: line for line in assert_invariants(fleet, job_id, bucket, expected)}
    faults = fleet.s3.log.faults() + fleet.azure.log.faults()
    for row in rows:
        assert faults[row.key] >= 1, f"{row.key}: nothing was done to it"
        assert row.times is None or faults[row.key] == row.times
        done = [
            one.status for one in fleet.azure.log.all(Op.PUT, Op.COMMIT, name=row.key) if one.status == 201
        ]
        wrong_and_void = 2 if row.is_new else 0
        assert len(done) == (row.key not in fails) + wrong_and_void, (
            f"{row.key}: {len(done)} writes of the blob"
        )
    return lines


def test_bits_flipped_where_workers_carry_them(fleet: FaultFleet) -> None:
    job_id = run(fleet, "flips", STREAMED)
    fails = {row.key for row in STREAMED if row.times is ALWAYS}
    lines = check(fleet, job_id, "flips", STREAMED, fails)
    for row in STREAMED:
        if row.key not in fails:
            assert lines[row.key].proof is (Proof.CRC64 if row.checksum else Proof.MD5)


def test_bits_flipped_in_new_blobs_that_are_written_in_one_call(fleet: FaultFleet) -> None:
    job_id = run(fleet, "flips-new", NEW)
    lines = check(fleet, job_id, "flips-new", NEW, {row.key for row in NEW if row.times is ALWAYS})
    assert {line.proof for line in lines.values() if line.result is Result.COPIED} == {Proof.CRC64}


def test_bits_flipped_where_azure_reads_by_itself(fleet: FaultFleet) -> None:
    """What Azure cannot read right, workers carry: only what they get wrong too is lost, and said to be."""
    job_id = run(fleet, "flips-server", SERVER_SIDE, "--endpoint-url", AMAZON_URL)
    lines = check(fleet, job_id, "flips-server", SERVER_SIDE, {"from/always"})
    arrived = [line for line in lines.values() if line.result is Result.COPIED]
    assert {(line.route, line.proof) for line in arrived} == {(Route.STREAM, Proof.CRC64)}


def test_bits_flipped_where_nothing_else_is_allowed_than_that_azure_reads(fleet: FaultFleet) -> None:
    job_id = run(fleet, "flips-forced", SERVER_SIDE, "--endpoint-url", AMAZON_URL, "--route", "server")
    fails = {row.key for row in SERVER_SIDE if row.times is ALWAYS}
    lines = check(fleet, job_id, "flips-forced", SERVER_SIDE, fails)
    arrived = [line for line in lines.values() if line.result is Result.COPIED]
    assert {(line.route, line.proof) for line in arrived} == {(Route.SERVER, Proof.CRC64)}
