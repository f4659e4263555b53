"""What the stores and the network may do to a job, and how it must end all the same."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta
from threading import Event
from urllib.parse import parse_qs, quote

import pytest
from azure.storage.blob import AccountSasPermissions, ResourceTypes, generate_account_sas

from awcopy.model.job import JobId, JobState
from awcopy.model.outcome import Outcome, Proof, Result
from awcopy.units import KIB, MIB
from tests.faults.fleet import SINK_ACCOUNT, STORE_TIMEOUT_S, TWO_PAGES, FaultFleet, content_of
from tests.faults.http_proxy import (
    APPLY_THEN_DROP,
    APPLY_THEN_RESET,
    Exchange,
    Fault,
    Op,
    is_later_page,
    refuse,
)
from tests.faults.invariants import Expected, assert_invariants
from tests.faults.processes import wait_until
from tests.faults.tcp_proxy import UP

BLOCKS = ("--block-size", "1M")
LARGE = "large.bin"
LARGE_BYTES = 3 * MIB + 1  # four blocks
SMALL = 40
FAILED = JobState.COMPLETED_WITH_ERRORS


def objects_of(bucket: str) -> dict[str, bytes]:
    """Return 40 small objects, one of them empty, and one of four blocks."""
    sizes = {f"k{number:03}": 997 * number for number in range(SMALL)}
    return {key: content_of(f"{bucket}/{key}", size) for key, size in {**sizes, LARGE: LARGE_BYTES}.items()}


def is_work(exchange: Exchange) -> bool:
    """Return whether a request belongs to the copying, and not to the look before it."""
    return exchange.op is not Op.CONTAINER and not re.search(
        r"\b(max-keys|maxresults)=1(&|$)", exchange.query
    )


def copy(fleet: FaultFleet, bucket: str, *, over_wires: bool = False, within_s: float = 60.0) -> JobId:
    """Copy a new bucket with the usual objects, and return the job once it has ended."""
    fleet.make_bucket(bucket, objects_of(bucket))
    job_id = fleet.submit(bucket, *BLOCKS, over_wires=over_wires)
    fleet.ended(job_id, within_s=within_s)
    return job_id


def line_of(lines: list[Outcome], key: str) -> Outcome:
    """Return the one line of the report that is about a key."""
    (line,) = (line for line in lines if line.key == key)
    return line


def put_blob(fleet: FaultFleet, container: str, name: str, content: bytes) -> None:
    """Write a blob that is there before the job."""
    client = fleet.blobs.get_container_client(container)
    if not client.exists():
        client.create_container()
    client.upload_blob(name, content)


# --- refusals that pass


def test_s3_503_storm_of_30_percent(fleet: FaultFleet) -> None:
    fleet.s3.add(refuse(503, "SlowDown", retry_after_s=1), match=is_work, probability=0.3, title="storm")
    job_id = copy(fleet, "s3-storm", within_s=110)
    assert_invariants(fleet, job_id, "s3-storm")
    assert fleet.s3.log.faults()["storm"] >= 5
    assert len(fleet.s3.log.gets()) <= 3 * (SMALL + 4)


def test_azure_503_storm_of_30_percent(fleet: FaultFleet) -> None:
    fleet.azure.add(refuse(503, "ServerBusy", retry_after_s=1), match=is_work, probability=0.3, title="storm")
    job_id = copy(fleet, "azure-storm", within_s=110)
    assert_invariants(fleet, job_id, "azure-storm")
    assert fleet.azure.log.faults()["storm"] >= 5


def test_s3_and_azure_500_at_random(fleet: FaultFleet) -> None:
    fleet.s3.add(refuse(500, "InternalError"), match=is_work, probability=0.25, title="s3")
    fleet.azure.add(refuse(500, "InternalError"), match=is_work, probability=0.25, title="azure")
    job_id = copy(fleet, "random-500")
    assert_invariants(fleet, job_id, "random-500")
    assert fleet.s3.log.faults()
    assert fleet.azure.log.faults()


@pytest.mark.parametrize("service", ["s3", "azure"])
def test_503_to_the_commands_own_look_before_the_job(fleet: FaultFleet, service: str) -> None:
    """One busy moment must not cost a night's run."""
    bucket = f"busy-{service}"
    proxy = fleet.s3 if service == "s3" else fleet.azure
    proxy.add(refuse(503, "SlowDown" if service == "s3" else "ServerBusy"), Op.LIST, times=1)
    fleet.make_bucket(bucket, {"key": b"content"})
    put_blob(fleet, bucket, "there.txt", b"there")
    job_id = fleet.submit(bucket)
    fleet.ended(job_id)
    assert_invariants(fleet, job_id, bucket, Expected(before={"there.txt": b"there"}))


# --- bytes that are not the object's


def test_s3_bodies_cut_short(fleet: FaultFleet) -> None:
    fleet.s3.add(Fault(cut_after=5 * KIB), Op.GET, probability=0.2, title="cut")
    job_id = copy(fleet, "cut-bodies")
    assert_invariants(fleet, job_id, "cut-bodies")
    assert fleet.s3.log.faults()["cut"] >= 1


def test_s3_bodies_shortened_with_a_length_that_agrees(fleet: FaultFleet) -> None:
    fleet.s3.add(Fault(shorten_by=1), Op.GET, probability=0.2, title="short")
    job_id = copy(fleet, "short-bodies")
    assert_invariants(fleet, job_id, "short-bodies")
    assert fleet.s3.log.faults()["short"] >= 1


def test_objects_that_cannot_have_the_required_proof(fleet: FaultFleet) -> None:
    bucket = "too-weak"
    put_blob(fleet, bucket, LARGE, b"the old blob")
    fleet.make_bucket(bucket, {"strong": b"strong"})
    for key, size in {"small": 1000, LARGE: LARGE_BYTES}.items():
        fleet.put(bucket, key, content_of(key, size), checksum="")
    job_id = fleet.submit(bucket, *BLOCKS, "--require-proof", "crc64")
    fleet.ended(job_id)
    failed = {"small": "proof_too_weak", LARGE: "proof_too_weak"}
    assert_invariants(
        fleet, job_id, bucket, Expected(state=FAILED, failed=failed, before={LARGE: b"the old blob"})
    )
    assert not fleet.s3.log.gets(LARGE)


# --- answers that are lost


LOST_ANSWERS = {
    "closed": APPLY_THEN_DROP,
    "reset": APPLY_THEN_RESET,
    "500": refuse(500, "OperationTimedOut", is_applied=True),
}


@pytest.mark.parametrize(
    ("op", "way"),
    [
        (Op.PUT, "closed"),
        (Op.PUT, "500"),
        (Op.PUT_BLOCK, "reset"),
        (Op.COMMIT, "closed"),
        (Op.COMMIT, "reset"),
        (Op.COMMIT, "500"),
    ],
)
def test_azure_applies_then_does_not_say_so(fleet: FaultFleet, op: Op, way: str) -> None:
    """The request was carried out, and nobody was told: read back, never assumed, reported once."""
    fault = LOST_ANSWERS[way]
    bucket = f"lost-{op.name.lower().replace('_', '-')}-{way}"
    rule = fleet.azure.add(fault, op, times=3)
    lines = assert_invariants(fleet, copy(fleet, bucket), bucket)
    assert rule.fired >= 1
    assert {line.result for line in lines} == {Result.COPIED}
    assert {line.proof for line in lines} == {Proof.CRC64}


def test_azure_applies_then_drops_when_an_old_blob_is_replaced(fleet: FaultFleet) -> None:
    put_blob(fleet, "lost-replaced", "k001", b"the old blob")
    put_blob(fleet, "lost-replaced", LARGE, b"the old blob")
    replaced = ("k001", LARGE)  # a block or several, and a commit
    rules = [fleet.azure.add(APPLY_THEN_DROP, Op.COMMIT, name=name, times=1) for name in replaced]
    lines = assert_invariants(fleet, copy(fleet, "lost-replaced"), "lost-replaced")
    assert [rule.fired for rule in rules] == [1, 1]
    assert {line.result for line in lines} == {Result.COPIED}


# --- blocks of others


def test_foreign_blocks_under_the_names_of_our_blobs(fleet: FaultFleet) -> None:
    """Azure takes only block ids of one length for a blob; whoever came first has set it.

    Where no blob is, an empty one drops the blocks. One that is there is replaced as a single block, with an id as
    long as theirs, but not when it is too large for that.
    """
    sizes = {"small": LARGE_BYTES, "small-old": LARGE_BYTES, "large": 65 * MIB, "large-old": 65 * MIB}
    fleet.make_bucket("foreign", {key: content_of(key, size) for key, size in sizes.items()})
    put_blob(fleet, "foreign", "small-old", b"the old blob")
    put_blob(fleet, "foreign", "large-old", b"the old blob")
    for key in sizes:
        fleet.blobs.get_blob_client("foreign", key).stage_block("0001", b"of another program")
    job_id = fleet.submit("foreign", *BLOCKS)
    fleet.ended(job_id)
    expected = Expected(
        state=FAILED, failed={"large-old": "foreign_blocks"}, before={"large-old": b"the old blob"}
    )
    lines = assert_invariants(fleet, job_id, "foreign", expected)
    assert "another program" in line_of(lines, "large-old").detail
    assert {line.proof for line in lines if line.result is Result.COPIED} == {Proof.CRC64}
    assert [one.status for one in fleet.azure.log.commits("small-old")] == [201]
    for key in ("small", "large"):
        assert [one.status for one in fleet.azure.log.commits(key)] == [201, 201]
    assert not fleet.azure.log.deletes()


# --- objects that change


@pytest.mark.parametrize(
    "size", [LARGE_BYTES, LARGE_BYTES - MIB, LARGE_BYTES + MIB], ids=["same", "less", "more"]
)
def test_object_swapped_between_two_of_its_blocks(fleet: FaultFleet, size: int) -> None:
    bucket = f"swap-{size}"
    newer = content_of("newer", size)
    fleet.s3.add(Fault(call=lambda _: fleet.put(bucket, LARGE, newer)), Op.GET, name=LARGE, after=1, times=1)
    job_id = copy(fleet, bucket)
    older = objects_of(bucket)[LARGE]
    lines = assert_invariants(fleet, job_id, bucket, Expected(versions={LARGE: (older, newer)}))
    copied = fleet.blob(bucket, LARGE)
    assert copied is not None
    assert line_of(lines, LARGE).etag == hashlib.md5(copied).hexdigest()


def test_object_swapped_between_listing_and_reading(fleet: FaultFleet) -> None:
    newer = content_of("newer", 5000)
    fleet.s3.add(Fault(call=lambda _: fleet.put("swap-small", "k010", newer)), Op.GET, name="k010", times=1)
    job_id = copy(fleet, "swap-small")
    versions = {"k010": (objects_of("swap-small")["k010"], newer)}
    assert_invariants(fleet, job_id, "swap-small", Expected(versions=versions))


def test_object_that_never_stops_changing(fleet: FaultFleet) -> None:
    versions = [content_of(f"version {number}", LARGE_BYTES) for number in range(3)]
    turn = iter(range(1000))

    def swap(_: Exchange) -> None:
        fleet.put("unstable", LARGE, versions[next(turn) % 3])

    put_blob(fleet, "unstable", LARGE, b"the old blob")
    fleet.s3.add(Fault(call=swap), Op.GET, name=LARGE)
    job_id = copy(fleet, "unstable")
    expected = Expected(state=FAILED, failed={LARGE: "source_unstable"}, before={LARGE: b"the old blob"})
    assert_invariants(fleet, job_id, "unstable", expected)


def test_s3_wrong_etag_once(fleet: FaultFleet) -> None:
    rule = fleet.s3.add(Fault(headers={"ETag": '"0123456789abcdef0123456789abcdef"'}), Op.GET, times=2)
    assert_invariants(fleet, copy(fleet, "wrong-etag"), "wrong-etag")
    assert rule.fired == 2


def test_object_deleted_between_listing_and_reading(fleet: FaultFleet) -> None:
    def delete(_: Exchange) -> None:
        fleet.client.delete_object(Bucket="deleted", Key="k010")

    fleet.s3.add(Fault(call=delete), Op.GET, name="k010", times=1)
    job_id = copy(fleet, "deleted")
    fleet.put("deleted", "k010", b"so that the key is listed again")
    assert_invariants(fleet, job_id, "deleted", Expected(state=FAILED, failed={"k010": "not_found"}))


# --- refusals that stay


def test_s3_403_on_some_keys(fleet: FaultFleet) -> None:
    denied = {f"k{number:03}": "access_denied" for number in range(0, SMALL, 7)} | {LARGE: "access_denied"}
    fleet.s3.add(refuse(403, "AccessDenied"), Op.GET, match=lambda one: one.name in denied)
    job_id = copy(fleet, "denied")
    assert_invariants(fleet, job_id, "denied", Expected(state=FAILED, failed=denied))
    assert fleet.exit_code(job_id) == 3


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        (403, "AuthorizationPermissionMismatch", "access_denied"),
        (409, "BlobImmutableDueToPolicy", "blob_protected"),
        (412, "LeaseIdMissing", "blob_protected"),
        (409, "PathConflict", "name_conflict"),
    ],
)
def test_azure_refuses_some_blobs_for_good(fleet: FaultFleet, status: int, code: str, reason: str) -> None:
    """What concerns one blob is that object's outcome, after one try; the job goes on with the others."""
    bucket = f"refused-{code.lower()}"
    refused = dict.fromkeys(("k007", "k021", LARGE), reason)
    for name in refused:
        put_blob(fleet, bucket, name, b"the old blob")
    fleet.azure.add(refuse(status, code), Op.PUT, Op.COMMIT, match=lambda one: one.name in refused)
    job_id = copy(fleet, bucket)
    expected = Expected(state=FAILED, failed=refused, before=dict.fromkeys(refused, b"the old blob"))
    lines = assert_invariants(fleet, job_id, bucket, expected)
    for name in refused:
        assert code in line_of(lines, name).detail
        assert len(fleet.azure.log.puts(name) + fleet.azure.log.commits(name)) == 1


def test_azure_403_to_every_write_pauses_the_job(fleet: FaultFleet) -> None:
    """A right that is missing for all blobs is the credentials' affair: not one object fails of it."""
    fleet.azure.add(refuse(403, "AuthorizationPermissionMismatch"), Op.PUT, Op.PUT_BLOCK, after=10)
    job_id = copy(fleet, "no-writes")
    lines = assert_invariants(fleet, job_id, "no-writes", Expected(state=JobState.PAUSED))
    assert fleet.job(job_id).pause_reason == "auth"
    assert {line.result for line in lines} <= {Result.COPIED}


def test_s3_403_to_the_listing_fails_the_job(fleet: FaultFleet) -> None:
    fleet.s3.add(refuse(403, "AccessDenied"), Op.LIST, match=is_work)
    job_id = copy(fleet, "no-listing")
    assert_invariants(fleet, job_id, "no-listing", Expected(state=JobState.FAILED))
    assert "no-listing" in fleet.job(job_id).detail
    assert fleet.exit_code(job_id) == 1


def test_s3_403_to_a_later_page_of_the_listing(fleet: FaultFleet, two_pages: str) -> None:
    """The job fails; what was listed keeps its outcome or is said to have none yet, until it is resumed."""
    fleet.s3.add(refuse(403, "AccessDenied"), match=is_later_page)
    job_id = fleet.submit(two_pages, "--files-per-task", "100", container="second-page-denied")
    failed = fleet.ended(job_id)
    assert "listed" in failed.detail
    assert_invariants(
        fleet, job_id, two_pages, Expected(state=JobState.FAILED), container="second-page-denied"
    )
    totals = fleet.snapshot(job_id).totals
    assert totals.listed.objects == 1000
    assert totals.copied.objects + totals.pending.objects == 1000
    fleet.s3.rules.clear()
    resumed = fleet.awcopy("jobs", "resume", job_id)
    assert resumed.returncode == 0, resumed.stderr
    fleet.ended(job_id)
    assert_invariants(fleet, job_id, two_pages, container="second-page-denied")
    assert len(fleet.azure.log.puts()) == TWO_PAGES, "one was written twice"


@pytest.mark.parametrize(
    ("service", "op", "code"), [("s3", Op.GET, "ExpiredToken"), ("azure", Op.PUT, "AuthenticationFailed")]
)
def test_credentials_that_expire_mid_job(fleet: FaultFleet, service: str, op: Op, code: str) -> None:
    """The job pauses for a person; not one object fails of it."""
    bucket = f"expired-{service}"
    proxy = fleet.s3 if service == "s3" else fleet.azure
    proxy.add(refuse(403, code), op, after=10)
    job_id = copy(fleet, bucket)
    lines = assert_invariants(fleet, job_id, bucket, Expected(state=JobState.PAUSED))
    assert fleet.job(job_id).pause_reason == "auth"
    assert "credentials" in fleet.job(job_id).detail
    assert {line.result for line in lines} <= {Result.COPIED}
    assert fleet.exit_code(job_id) == 4


def test_credentials_that_expire_are_replaced_and_the_job_goes_on(fleet: FaultFleet) -> None:
    """Whatever bears the old token is refused, as by Azure; the new credentials are the account's key."""
    token = generate_account_sas(
        SINK_ACCOUNT,
        fleet.sink.key,
        resource_types=ResourceTypes(service=True, container=True, object=True),
        permission=AccountSasPermissions(read=True, write=True, list=True, add=True, create=True),
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )
    signature = parse_qs(token)["sig"][0]
    own = {"AZURE_STORAGE_CONNECTION_STRING": "", "AZURE_STORAGE_ACCOUNT": SINK_ACCOUNT}
    own["AZURE_STORAGE_SERVICE_ENDPOINT"] = f"{fleet.azure.url}/{SINK_ACCOUNT}"

    def has_token(exchange: Exchange) -> bool:
        return parse_qs(exchange.query).get("sig") == [signature]

    fleet.azure.add(refuse(403, "AuthenticationFailed"), Op.PUT, match=has_token, after=10)
    fleet.make_bucket("renewed", objects_of("renewed"))
    job_id = fleet.submit("renewed", *BLOCKS, env={**own, "AZURE_STORAGE_SAS_TOKEN": token})
    assert fleet.ended(job_id).pause_reason == "auth"
    old = fleet.job(job_id).sealed
    assert old
    resumed = fleet.awcopy("jobs", "resume", job_id, "--credentials")
    assert resumed.returncode == 0, resumed.stderr
    fleet.ended(job_id)
    lines = assert_invariants(fleet, job_id, "renewed")
    assert {line.result for line in lines} == {Result.COPIED}
    written = [one for one in fleet.azure.log.puts() if not one.fault]
    assert len(written) == SMALL, "one was written twice"
    assert sum(map(has_token, written)) == 10
    kept = fleet.written()
    for what in (old, signature, quote(signature, safe="")):
        assert what.encode() not in kept, "the old credentials are still somewhere"


def test_container_deleted_mid_job(fleet: FaultFleet) -> None:
    rule = fleet.azure.add(Fault(call=lambda _: fleet.delete_container("gone")), Op.PUT, after=10, times=1)
    job_id = copy(fleet, "gone")
    assert rule.fired == 1
    assert_invariants(fleet, job_id, "gone", Expected(state=JobState.FAILED, has_sink=False))
    assert "gone" in fleet.job(job_id).detail
    assert "ontainer" in fleet.job(job_id).detail
    assert fleet.exit_code(job_id) == 1


# --- the network itself


def test_both_stores_fall_silent_for_a_while(fleet: FaultFleet) -> None:
    """Connections are taken and nothing is ever answered: each request is given up, and made again."""
    reached = Event()
    fleet.s3.add(Fault(call=lambda _: reached.set()), Op.GET, after=10, times=1)
    fleet.s3.add(Fault(delay_s=1.0), Op.GET, title="slow")
    fleet.make_bucket("silent", objects_of("silent"))
    job_id = fleet.submit("silent", *BLOCKS, over_wires=True)
    assert reached.wait(30)
    for wire in (fleet.s3_wire, fleet.azure_wire):
        wire.blackhole()
    seen = fleet.s3_wire.connections + fleet.azure_wire.connections
    wait_until(
        "requests are given up and made again",
        lambda: fleet.s3_wire.connections + fleet.azure_wire.connections > seen,
        within_s=4 * STORE_TIMEOUT_S,  # twice: connections at rest are tried before new ones
    )
    assert not fleet.job(job_id).has_ended
    fleet.s3_wire.heal()
    fleet.azure_wire.heal()
    fleet.ended(job_id)
    lines = assert_invariants(fleet, job_id, "silent")
    assert {line.result for line in lines} == {Result.COPIED}


@pytest.mark.parametrize("is_reset", [False, True], ids=["closed", "reset"])
def test_s3_connections_end_in_the_middle_of_bodies(fleet: FaultFleet, is_reset: bool) -> None:
    bucket = f"s3-wire-{is_reset:d}"
    fleet.s3_wire.cut_after(300_000, times=6, is_reset=is_reset)
    cuts = fleet.s3_wire.cuts
    assert_invariants(fleet, copy(fleet, bucket, over_wires=True), bucket)
    assert fleet.s3_wire.cuts - cuts == 6


@pytest.mark.parametrize("is_reset", [False, True], ids=["closed", "reset"])
def test_azure_connections_end_in_the_middle_of_bodies(fleet: FaultFleet, is_reset: bool) -> None:
    bucket = f"azure-wire-{is_reset:d}"
    fleet.azure_wire.cut_after(300_000, direction=UP, times=6, is_reset=is_reset)
    cuts = fleet.azure_wire.cuts
    assert_invariants(fleet, copy(fleet, bucket, over_wires=True), bucket)
    assert fleet.azure_wire.cuts - cuts == 6


def test_both_stores_refuse_connections_for_a_while(fleet: FaultFleet) -> None:
    """The job waits for them; nothing fails that comes right within a few seconds."""
    reached = Event()
    fleet.s3.add(Fault(call=lambda _: reached.set()), Op.GET, after=10, times=1)
    fleet.s3.add(Fault(delay_s=0.5), Op.GET, title="slow")
    fleet.make_bucket("away", objects_of("away"))
    job_id = fleet.submit("away", *BLOCKS, over_wires=True)
    assert reached.wait(30)
    for wire in (fleet.s3_wire, fleet.azure_wire):
        wire.refuse()
        wire.reset_all()
    seen = fleet.s3_wire.connections
    with pytest.raises(TimeoutError):
        fleet.wait(job_id, "it ends", lambda shown: shown.job.has_ended, within_s=2)
    assert fleet.s3_wire.connections == seen
    fleet.s3_wire.heal()
    fleet.azure_wire.heal()
    fleet.ended(job_id)
    assert_invariants(fleet, job_id, "away")
