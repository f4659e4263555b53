from __future__ import annotations

import hashlib
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta

import pytest

from awcopy.crc64 import crc64
from awcopy.errors import (
    AccessDenied,
    BlobConflict,
    BlocksMissing,
    IntegrityError,
    JobInterrupted,
    LeaseLost,
    ProofTooWeak,
    SourceChanged,
)
from awcopy.model.objects import ALWAYS, IF_ABSENT, Algorithm, Checksum, ContentHeaders
from awcopy.model.outcome import Proof
from awcopy.planning.blocks import PinnedFile, block_id, plan_blocks
from awcopy.sink.memory import StoredBlob
from awcopy.transfer.blocks import (
    check_pin,
    combine_pieces,
    commit_file,
    prove,
    read_again,
    stage_blocks,
    staged_pieces,
)
from awcopy.transfer.digests import Digest
from tests.unit.factories import NOW, make_blob, make_head, make_job, make_object, make_spec
from tests.unit.world import World, make_transfer

CONTENT = bytes(range(200)) * 5
BLOCK = 300
MD5 = Checksum(algorithm=Algorithm.MD5, value=hashlib.md5(CONTENT, usedforsecurity=False).digest())


@pytest.fixture
def world():
    return World()


@pytest.fixture
def transfer(world):
    return make_transfer(world)


def pin(world, content=CONTENT, **changes):
    obj = world.source.put_object("k", content, **changes)
    return PinnedFile(object=obj, blob="k", plan=plan_blocks(len(content), BLOCK, agents=4))


def all_of(file):
    return range(file.plan.blocks)


def test_blocks_are_staged_with_the_crc_of_their_bytes(world, transfer):
    pieces = stage_blocks(transfer, pin(world), [1, 3])
    assert {index: piece.crc64 for index, piece in pieces.items()} == {
        1: crc64(CONTENT[300:600]),
        3: crc64(CONTENT[900:]),
    }


def test_what_reached_the_sink_is_counted_block_by_block(world):
    moved = []
    stage_blocks(make_transfer(world, moved=moved.append), pin(world), range(4))
    assert moved == [300, 300, 300, 100]


def test_the_sink_tells_which_blocks_it_holds(world, transfer):
    file = pin(world)
    crcs = stage_blocks(transfer, file, [0, 3])
    assert staged_pieces(transfer, file) == crcs


def test_nothing_is_staged_for_a_blob_that_nobody_began(world, transfer):
    assert staged_pieces(transfer, pin(world)) == {}


@pytest.mark.parametrize("changes", [{"etag": "other"}, {"content": CONTENT + b"x"}])
def test_blocks_of_another_content_are_not_taken_for_ours(world, transfer, changes):
    stage_blocks(transfer, pin(world), range(4))
    assert staged_pieces(transfer, pin(world, **changes)) == {}


def test_a_block_of_the_wrong_length_is_not_taken_for_ours(world, transfer):
    file = pin(world)
    short = b"short"
    world.sink.stage_block("k", block_id(file.pin, 0, crc64(short)), memoryview(short), crc64=crc64(short))
    assert staged_pieces(transfer, file) == {}


def test_a_block_beyond_the_files_end_is_not_taken_for_ours(world, transfer):
    file = pin(world)
    block = CONTENT[:BLOCK]
    world.sink.stage_block("k", block_id(file.pin, 4, crc64(block)), memoryview(block), crc64=crc64(block))
    assert staged_pieces(transfer, file) == {}


def test_a_block_that_was_staged_with_two_contents_is_staged_anew(world, transfer):
    file = pin(world)
    stage_blocks(transfer, file, [0, 1])
    other = bytes(BLOCK)
    world.sink.stage_block("k", block_id(file.pin, 0, crc64(other)), memoryview(other), crc64=crc64(other))
    assert set(staged_pieces(transfer, file)) == {1}


def test_the_crc_of_the_whole_is_that_of_its_blocks_combined(world, transfer):
    file = pin(world)
    pieces = list(stage_blocks(transfer, file, all_of(file)).values())
    assert combine_pieces(file, pieces) == crc64(CONTENT)
    assert combine_pieces(file, pieces[2:]) == crc64(CONTENT[600:])


def test_a_commit_writes_bytes_headers_metadata_and_tier_at_once(world):
    headers = ContentHeaders(content_type="text/plain", content_encoding="gzip")
    file = pin(world, headers=headers, metadata={"owner": "dana"})
    transfer = make_transfer(world, make_job(spec=make_spec(tier="Cool")))
    crcs = stage_blocks(transfer, file, all_of(file))
    assert commit_file(transfer, file, crcs, IF_ABSENT) == (Proof.CRC64, crc64(CONTENT), ())
    blob = world.sink.blobs["k"]
    assert (blob.content, blob.tier, blob.head.headers) == (CONTENT, "Cool", headers)
    assert blob.head.metadata["owner"] == "dana"


def test_without_a_checksum_of_the_whole_the_blocks_are_the_proof(world, transfer):
    file = pin(world, has_crc64=False)
    crcs = stage_blocks(transfer, file, all_of(file))
    assert commit_file(transfer, file, crcs, IF_ABSENT)[0] is Proof.BLOCKS


def test_a_file_whose_sum_is_not_the_sources_is_not_committed(world, transfer):
    file = pin(world, crc64=1)
    crcs = stage_blocks(transfer, file, all_of(file))
    with pytest.raises(IntegrityError):
        commit_file(transfer, file, crcs, ALWAYS)
    assert world.sink.blobs == {}


@pytest.mark.parametrize("changes", [{"etag": "new"}, {"content": CONTENT + b"x"}])
def test_a_file_that_changed_meanwhile_is_not_committed(world, transfer, changes):
    file = pin(world)
    crcs = stage_blocks(transfer, file, all_of(file))
    pin(world, **changes)
    with pytest.raises(SourceChanged):
        commit_file(transfer, file, crcs, ALWAYS)
    assert world.sink.blobs == {}


def test_a_file_of_which_a_block_is_gone_is_not_committed(world, transfer):
    file = pin(world)
    crcs = stage_blocks(transfer, file, all_of(file))
    world.sink._staged.clear()
    with pytest.raises(BlocksMissing):
        commit_file(transfer, file, crcs, ALWAYS)


def test_a_blob_that_appeared_meanwhile_stays(world, transfer):
    file = pin(world)
    crcs = stage_blocks(transfer, file, all_of(file))
    world.sink.blobs["k"] = StoredBlob(content=b"old", head=make_blob())
    with pytest.raises(BlobConflict):
        commit_file(transfer, file, crcs, IF_ABSENT)
    assert world.sink.blobs["k"].content == b"old"


def test_a_worker_that_lost_its_lease_commits_nothing(world):
    file = pin(world)
    crcs = stage_blocks(make_transfer(world), file, all_of(file))

    def check():
        raise LeaseLost("another worker has it")

    with pytest.raises(LeaseLost):
        commit_file(make_transfer(world, check=check), file, crcs, ALWAYS)
    assert world.sink.blobs == {}


def digest_of(content, checksum):
    digest = Digest(checksum)
    digest.take(0, memoryview(content))
    return digest


@pytest.mark.parametrize(
    ("head", "computed", "proof"),
    [
        ({"crc64": 7}, None, Proof.CRC64),
        ({"crc64": 7, "checksums": (MD5,)}, None, Proof.CRC64),
        ({"checksums": (MD5,)}, MD5, Proof.MD5),
        ({"checksums": (MD5,)}, None, Proof.BLOCKS),
        ({}, MD5, Proof.BLOCKS),  # what was computed is another object's
    ],
)
def test_the_checksum_of_the_source_that_was_computed_is_the_proof(head, computed, proof):
    assert prove(make_head(**head), 7, computed and digest_of(CONTENT, computed)) is proof


@pytest.mark.parametrize("head", [{"crc64": 8}, {"crc64": 0}, {"checksums": (MD5,)}])
def test_a_checksum_that_disagrees_is_never_accepted(head):
    with pytest.raises(IntegrityError):
        prove(make_head(**head), 7, digest_of(b"others", MD5))


# Checksums that need all bytes in their order.


def test_blocks_that_are_read_out_of_order_are_hashed_in_order(world):
    file = pin(world)
    digest = Digest(MD5)
    stage_blocks(make_transfer(world, connections=4), file, all_of(file), digest)
    assert digest.agrees()


def test_a_block_that_cannot_be_read_keeps_no_other_waiting(world):
    file = pin(world)
    world.source_calls.fail("read_range", AccessDenied("no"), times=1)
    with pytest.raises(AccessDenied):
        stage_blocks(make_transfer(world, connections=4), file, all_of(file), Digest(MD5))


def test_a_block_that_is_not_begun_keeps_no_other_waiting(world):
    checks = iter([None, JobInterrupted("paused"), None, None])

    def check():
        if error := next(checks):
            raise error

    file = pin(world)
    with pytest.raises(JobInterrupted):
        stage_blocks(make_transfer(world, connections=4, check=check), file, all_of(file), Digest(MD5))


def test_what_is_read_again_is_compared_with_what_was_staged(world, transfer):
    file = pin(world)
    crcs = stage_blocks(transfer, file, all_of(file))
    digest = Digest(MD5)
    read_again(transfer, file, crcs, digest)
    assert digest.agrees()
    with pytest.raises(IntegrityError):
        read_again(transfer, file, {**crcs, 2: replace(crcs[2], crc64=0)}, Digest(MD5))


def test_a_file_with_less_than_the_required_proof_is_not_committed(world):
    file = pin(world, has_crc64=False)
    transfer = make_transfer(world, make_job(spec=make_spec(require_proof=Proof.MD5)))
    crcs = stage_blocks(transfer, file, all_of(file))
    with pytest.raises(ProofTooWeak):
        commit_file(transfer, file, crcs, ALWAYS)
    assert world.sink.blobs == {}


@pytest.mark.parametrize(("seconds", "is_same"), [(0.0, True), (0.9, True), (2.0, False), (-2.0, False)])
def test_without_an_etag_the_date_says_whether_it_is_the_pinned_object(seconds, is_same):
    head = make_head(etag="", modified_at=NOW + timedelta(seconds=seconds))
    with nullcontext() if is_same else pytest.raises(SourceChanged):
        check_pin(make_object(etag=""), head)


def test_an_object_that_has_an_etag_may_have_another_date():
    check_pin(make_object(), make_head(modified_at=NOW + timedelta(days=1)))
