from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from awcopy.crc64 import crc64
from awcopy.errors import (
    AccessDenied,
    ConnectionLost,
    CredentialsRefused,
    IntegrityError,
    RequestRefused,
    ServerFault,
    SourceChanged,
    SourceUnreadable,
    Throttled,
)
from awcopy.model.objects import IF_ABSENT, Algorithm, Checksum
from awcopy.model.outcome import Proof, Result, Route
from awcopy.model.spec import Verify
from awcopy.planning import blocks, route
from awcopy.planning.blocks import PinnedFile, plan_blocks
from awcopy.source.memory import START
from awcopy.transfer.blocks import commit_file, stage_blocks, staged_pieces
from awcopy.transfer.breaker import FAILURES_BEFORE_STREAMING, Breaker, ServerSide
from awcopy.transfer.engine import copy_object
from tests.unit.factories import make_job, make_spec
from tests.unit.world import World, make_transfer

CONTENT = bytes(range(250)) * 4
BLOCK = 100
UNREADABLE = SourceUnreadable("the source refused it, AccessDenied (status 403)", status=403)


@pytest.fixture(autouse=True)
def low_limits(monkeypatch):
    """Runs of four blocks of 100 bytes; no object is too small."""
    monkeypatch.setattr(blocks, "RUN_BYTES", 4 * BLOCK)
    monkeypatch.setattr(route, "SMALLEST_BYTES", 1)


@pytest.fixture
def world():
    world = World()
    world.source.has_urls = True
    world.sink.read_url = world.source.read_url
    return world


@pytest.fixture
def gave_up():
    return []


@pytest.fixture
def transfer(world, gave_up):
    return make(world, gave_up)


def make(world, gave_up=None, asked=Route.AUTO, verify=Verify.AUTO, **changes):
    gave_up = [] if gave_up is None else gave_up
    spec = make_spec(block_size_bytes=BLOCK, route=asked, verify=verify)
    server_side = ServerSide(route=asked, breaker=Breaker(gave_up.append))
    return make_transfer(world, make_job(spec=spec), server_side=server_side, **changes)


def put(world, key="k", content=CONTENT, **facts):
    return world.source.put_object(key, content, **facts)


def pin(world, **facts):
    return PinnedFile(object=put(world, **facts), blob="k", plan=plan_blocks(len(CONTENT), BLOCK, agents=4))


def copy(transfer, obj):
    return copy_object(transfer, obj, look_first=False)


def bodies(world):
    """Return how often bytes went through the worker; receipts, of one byte each, are not counted."""
    calls = world.source_calls.calls
    return calls["read_object"] + calls["read_range"] + world.sink_calls.calls["put_blob"]


@pytest.mark.parametrize("size_bytes", [1, BLOCK, BLOCK + 1, 4 * BLOCK, len(CONTENT)])
def test_no_byte_passes_through_here(world, transfer, size_bytes):
    outcome = copy(transfer, put(world, content=CONTENT[:size_bytes]))
    assert (outcome.result, outcome.route, outcome.proof) == (Result.COPIED, Route.SERVER, Proof.CRC64)
    assert outcome.crc64 == crc64(CONTENT[:size_bytes])
    assert world.sink.blobs["k"].content == CONTENT[:size_bytes]
    assert bodies(world) == 0


def test_the_stamp_tells_the_route_to_whoever_finds_the_blob(world, transfer):
    obj = put(world)
    copy(transfer, obj)
    assert copy_object(transfer, obj, look_first=True).route is Route.SERVER


def test_an_empty_object_has_nothing_that_could_be_read(world):
    outcome = copy(make(world, asked=Route.SERVER), put(world, content=b""))
    assert (outcome.result, outcome.route) == (Result.COPIED, Route.STREAM)


def test_one_request_stages_a_run_of_blocks(world, transfer):
    pieces = stage_blocks(transfer, pin(world), range(10))
    assert [(one.first, one.end) for one in pieces.values()] == [(0, 4), (4, 8), (8, 10)]
    assert world.sink_calls.calls["stage_block_from_url"] == 3


def test_what_was_staged_is_counted(world):
    moved = []
    stage_blocks(make(world, moved=moved.append), pin(world), range(10))
    assert moved == [400, 400, 200]


def test_the_sink_tells_what_it_read_by_itself(world, transfer):
    file = pin(world)
    assert staged_pieces(transfer, file) == {}
    assert staged_pieces(transfer, file) | stage_blocks(transfer, file, range(10)) == staged_pieces(
        transfer, file
    )


def test_an_object_of_one_run_needs_no_receipt(world, transfer):
    copy(transfer, put(world, content=CONTENT[:400]))
    assert world.sink_calls.calls["stage_block"] == 0


def test_what_a_killed_worker_had_staged_is_not_read_again(world, transfer):
    obj = put(world)
    file = PinnedFile(object=obj, blob="k", plan=plan_blocks(len(CONTENT), BLOCK, agents=4))
    stage_blocks(transfer, file, range(8))
    world.sink_calls.calls.clear()
    assert copy(transfer, obj).route is Route.SERVER
    assert world.sink_calls.calls["stage_block_from_url"] == 1


def test_no_two_requests_write_to_one_id(world, transfer):
    file = pin(world)
    first = stage_blocks(transfer, file, range(4))
    again = stage_blocks(transfer, file, range(4))
    assert first[0].block_id != again[0].block_id
    assert first[0].crc64 == again[0].crc64


@pytest.mark.parametrize("error", [Throttled("slow"), ServerFault("500"), ConnectionLost("gone")])
def test_what_may_pass_is_asked_for_again(world, transfer, error):
    world.sink_calls.fail("stage_block_from_url", error, times=2)
    assert copy(transfer, put(world)).route is Route.SERVER


@pytest.mark.parametrize(
    "error", [UNREADABLE, RequestRefused("what is that"), ServerFault("500"), ConnectionLost("gone")]
)
@pytest.mark.parametrize("content", [CONTENT, CONTENT[:BLOCK]])
def test_what_the_sink_cannot_read_is_streamed(world, transfer, error, content):
    world.sink_calls.fail("stage_block_from_url", error)
    outcome = copy(transfer, put(world, content=content))
    assert (outcome.result, outcome.route) == (Result.COPIED, Route.STREAM)
    assert world.sink.blobs["k"].content == content


def test_a_file_may_be_staged_in_both_ways(world, transfer):
    world.sink_calls.fail("stage_block_from_url", UNREADABLE, times=1)
    outcome = copy(transfer, put(world))
    assert (outcome.result, outcome.route, outcome.proof) == (Result.COPIED, Route.STREAM, Proof.CRC64)
    assert world.sink.blobs["k"].content == CONTENT
    assert world.source_calls.calls["read_range"] == 4


def test_a_forced_route_never_streams_and_says_why(world):
    world.sink_calls.fail("stage_block_from_url", UNREADABLE)
    outcome = copy(make(world, asked=Route.SERVER), put(world))
    assert (outcome.result, outcome.reason) == (Result.FAILED, "source_unreadable")
    assert "AccessDenied" in outcome.detail
    assert bodies(world) == 0


def test_a_forced_route_names_what_stands_in_its_way(world):
    world.source.has_urls = False
    outcome = copy(make(world, asked=Route.SERVER), put(world))
    assert (outcome.result, outcome.reason) == (Result.FAILED, "source_unreadable")
    assert "no signed URL" in outcome.detail


@pytest.mark.parametrize("content", [CONTENT, CONTENT[:BLOCK]])
def test_an_object_without_a_url_streams(world, transfer, content):
    world.source.has_urls = False
    assert copy(transfer, put(world, content=content)).route is Route.STREAM
    assert world.sink_calls.calls["stage_block_from_url"] == 0


def test_the_sinks_own_refusal_is_nobody_elses(world, transfer):
    world.sink_calls.fail("stage_block_from_url", CredentialsRefused("the SAS has expired"))
    with pytest.raises(CredentialsRefused):
        copy(transfer, put(world))


def test_an_object_that_is_forbidden_to_us_too_fails_as_such_and_opens_nothing(world, transfer, gave_up):
    world.sink_calls.fail("stage_block_from_url", UNREADABLE)
    world.source_calls.fail("read_range", AccessDenied("no", status=403))
    outcomes = [copy(transfer, put(world, f"k{number}")) for number in range(10)]
    assert {outcome.reason for outcome in outcomes} == {"access_denied"}
    assert gave_up == []


# A changed source is never committed.


def test_an_object_that_is_replaced_meanwhile_is_begun_anew(world, transfer):
    obj = put(world)
    world.sink_calls.do("stage_block_from_url", lambda: put(world, content=CONTENT[::-1]), times=1)
    outcome = copy(transfer, obj)
    assert (outcome.result, outcome.attempts) == (Result.COPIED, 2)
    assert world.sink.blobs["k"].content == CONTENT[::-1]


def test_an_object_that_is_replaced_and_restored_meanwhile_is_caught_by_its_checksum(world, transfer):
    obj = put(world)
    file = PinnedFile(object=obj, blob="k", plan=plan_blocks(len(CONTENT), BLOCK, agents=4))
    put(world, content=CONTENT[::-1])
    pieces = stage_blocks(transfer, file, range(10))
    put(world)
    with pytest.raises(IntegrityError):
        commit_file(transfer, file, pieces, IF_ABSENT)


def test_without_a_checksum_it_is_caught_by_its_date(world, transfer):
    file = pin(world, has_crc64=False)
    pieces = stage_blocks(transfer, file, range(10))
    put(world, has_crc64=False, modified_at=START + timedelta(seconds=1))
    with pytest.raises(SourceChanged):
        commit_file(transfer, file, pieces, IF_ABSENT)


def test_without_a_checksum_the_length_of_each_piece_is_looked_at(world, transfer):
    file = pin(world, has_crc64=False)
    pieces = stage_blocks(transfer, file, range(10))
    world.sink._staged["k"][pieces[4].block_id] = b"short"
    with pytest.raises(IntegrityError):
        commit_file(transfer, file, pieces, IF_ABSENT)


def test_without_a_checksum_whole_pieces_of_the_same_object_are_the_proof(world, transfer):
    outcome = copy(transfer, put(world, has_crc64=False))
    assert (outcome.result, outcome.proof, outcome.route) == (Result.COPIED, Proof.BLOCKS, Route.SERVER)


def test_bytes_that_arrived_wrong_are_never_committed_and_are_streamed_instead(world, transfer):
    def read(url, span):
        content = world.source.read_url(url, span)
        return content[:-1] + bytes([content[-1] ^ 1])

    world.sink.read_url = read
    outcome = copy(transfer, put(world))
    assert (outcome.result, outcome.route) == (Result.COPIED, Route.STREAM)
    assert world.sink.blobs["k"].content == CONTENT


def test_bytes_that_always_arrive_wrong_are_never_committed_by_force(world):
    world.sink.read_url = lambda _url, span: bytes(span.size_bytes)
    outcome = copy(make(world, asked=Route.SERVER), put(world))
    assert (outcome.result, outcome.reason) == (Result.FAILED, "corrupt")
    assert world.sink.blobs == {}


# Proofs beyond the CRC-64, which only the bytes can give.


def put_with_md5(world, content):
    value = hashlib.md5(content, usedforsecurity=False).digest()
    return put(
        world, content=content, has_crc64=False, checksums=[Checksum(algorithm=Algorithm.MD5, value=value)]
    )


@pytest.mark.parametrize("content", [CONTENT, CONTENT[:BLOCK]])
@pytest.mark.parametrize(
    ("asked", "verify", "expected"),
    [
        (Route.AUTO, Verify.AUTO, (Route.SERVER, Proof.BLOCKS)),
        (Route.AUTO, Verify.FULL, (Route.STREAM, Proof.MD5)),
        (Route.SERVER, Verify.AUTO, (Route.SERVER, Proof.BLOCKS)),
        (Route.SERVER, Verify.FULL, (Route.SERVER, Proof.MD5)),  # read again, as was asked
    ],
)
def test_a_proof_that_needs_the_bytes_is_got_only_if_it_is_asked_for(world, content, asked, verify, expected):
    outcome = copy(make(world, asked=asked, verify=verify), put_with_md5(world, content))
    assert (outcome.result, (outcome.route, outcome.proof)) == (Result.COPIED, expected)


@pytest.mark.parametrize("content", [CONTENT, CONTENT[:BLOCK]])
def test_a_proof_that_azure_gives_is_never_paid_for(world, content):
    outcome = copy(make(world, verify=Verify.FULL), put(world, content=content))
    assert (outcome.route, outcome.proof) == (Route.SERVER, Proof.CRC64)
    assert bodies(world) == 0


def test_what_is_read_again_must_be_what_the_sink_read(world):
    transfer = make(world, asked=Route.SERVER, verify=Verify.FULL)
    world.sink.read_url = lambda _url, span: bytes(span.size_bytes)
    outcome = copy(transfer, put_with_md5(world, CONTENT))
    assert (outcome.result, outcome.reason) == (Result.FAILED, "corrupt")


# The breaker.


def test_failures_in_a_row_make_the_whole_job_stream(world, transfer, gave_up):
    world.sink_calls.fail("stage_block_from_url", UNREADABLE)
    outcomes = [copy(transfer, put(world, f"k{n}", CONTENT[:BLOCK])) for n in range(20)]
    assert {outcome.route for outcome in outcomes} == {Route.STREAM}
    assert world.sink_calls.calls["stage_block_from_url"] == FAILURES_BEFORE_STREAMING
    assert gave_up == [UNREADABLE.message]


def test_a_failure_now_and_then_does_not(world, transfer, gave_up):
    for number in range(30):
        times = FAILURES_BEFORE_STREAMING - 1 if number % 5 == 0 else 0
        world.sink_calls.fail("stage_block_from_url", UNREADABLE, times=times)
        copy(transfer, put(world, f"k{number}"))
    assert gave_up == []


def test_no_url_is_said_anywhere(world, transfer):
    url = world.source.presign(put(world))
    world.sink_calls.fail("stage_block_from_url", UNREADABLE)
    with capture_logs() as records:
        outcome = copy(transfer, put(world))
    assert records
    assert url not in f"{records} {outcome} {world.sink.blobs['k'].head}"
    assert "memory:" not in f"{records} {outcome}"


def test_a_transfer_that_streams_never_asks_for_a_url(world):
    obj = put(world)
    assert copy(replace(make(world), server_side=None), obj).route is Route.STREAM
    assert world.sink_calls.calls["stage_block_from_url"] == 0
