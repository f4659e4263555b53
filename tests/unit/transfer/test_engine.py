from __future__ import annotations

import hashlib
import zlib
from dataclasses import replace

import pytest

from awcopy.crc64 import crc64
from awcopy.errors import (
    AccessDenied,
    BlobProtected,
    ConnectionLost,
    CredentialsRefused,
    IntegrityError,
    JobInterrupted,
    KeyMismatch,
    LeaseLost,
    Miswritten,
    ObjectArchived,
    StoreNotFound,
    Throttled,
)
from awcopy.model.objects import Algorithm, BlockId, Checksum, SinkAccount
from awcopy.model.outcome import Proof, Result
from awcopy.model.spec import MetadataPolicy, NamePolicy, Overwrite, Verify
from awcopy.planning.blocks import PinnedFile, plan_blocks
from awcopy.planning.metadata import STAMP_PLACEHOLDER
from awcopy.sink.memory import MemorySink, StoredBlob
from awcopy.transfer import engine
from awcopy.transfer.blocks import stage_blocks
from awcopy.transfer.engine import MAX_RESTARTS, copy_object, copy_objects, finish_file
from tests.unit.factories import make_blob, make_job, make_spec
from tests.unit.world import LossySink, World, make_transfer

SMALL = b"small"
BLOCKS = bytes(range(250)) * 4  # four blocks
BLOCK = 250
WRONG_CRC = crc64(b"wrong")
SIZES = pytest.mark.parametrize("content", [SMALL, BLOCKS], ids=["whole", "blocks"])


@pytest.fixture
def world():
    return World()


def make_job_with(**changes):
    return make_job(spec=make_spec(block_size_bytes=BLOCK, **changes))


def copy(world, obj, *, look_first=True, check=lambda: None, **asked):
    transfer = make_transfer(world, make_job_with(**asked), check=check)
    return copy_object(transfer, obj, look_first=look_first)


def put_old(world, content=b"old"):
    world.sink.blobs["k"] = StoredBlob(content=content, head=make_blob(size_bytes=len(content)))


# Copied, and how that is proved.


@SIZES
def test_an_object_is_copied_with_the_sources_crc64_as_proof(world, content):
    outcome = copy(world, world.source.put_object("k", content))
    assert (outcome.result, outcome.proof, outcome.crc64) == (Result.COPIED, Proof.CRC64, crc64(content))
    assert (outcome.key, outcome.blob, outcome.attempts) == ("k", "k", 1)
    assert outcome.size_bytes == len(content)
    assert world.sink.blobs["k"].content == content


@pytest.mark.parametrize("content", [b"", b"x", bytes(BLOCK), bytes(BLOCK + 1), bytes(BLOCK * 4)])
def test_an_object_of_any_size_is_copied(world, content):
    assert copy(world, world.source.put_object("k", content)).result is Result.COPIED
    assert world.sink.blobs["k"].content == content


def test_an_object_of_one_block_is_written_in_one_call(world):
    copy(world, world.source.put_object("k", bytes(BLOCK)))
    assert world.sink_calls.calls["put_blob"] == 1
    assert world.sink_calls.calls["stage_block"] == 0


def md5_of(content):
    return Checksum(algorithm=Algorithm.MD5, value=hashlib.md5(content, usedforsecurity=False).digest())


def crc32_of_parts(content, size):
    parts = [content[at : at + size] for at in range(0, len(content), size)]
    joined = b"".join(zlib.crc32(part).to_bytes(4, "big") for part in parts)
    value = zlib.crc32(joined).to_bytes(4, "big")
    return Checksum(algorithm=Algorithm.CRC32, value=value, parts=len(parts)), [len(part) for part in parts]


@SIZES
def test_the_md5_is_the_proof_where_it_is_all_that_the_source_has(world, content):
    obj = world.source.put_object("k", content, has_crc64=False, checksums=[md5_of(content)])
    assert copy(world, obj).proof is Proof.MD5
    assert world.source_calls.calls["read_range"] in (0, 4)
    assert world.sink.blobs["k"].head.content_md5 == md5_of(content).value


@SIZES
@pytest.mark.parametrize("verify", Verify)
def test_bytes_with_another_md5_are_never_committed(world, content, verify):
    put_old(world)
    obj = world.source.put_object("k", content, has_crc64=False, checksums=[md5_of(b"what was uploaded")])
    outcome = copy(world, obj, verify=verify)
    assert (outcome.result, outcome.reason) == (Result.FAILED, "corrupt")
    assert world.sink.blobs["k"].content == b"old"


def test_an_interrupted_file_of_few_blocks_is_read_again_for_its_md5(world):
    obj = world.source.put_object("k", BLOCKS, has_crc64=False, checksums=[md5_of(BLOCKS)])
    transfer = make_transfer(world, make_job_with())
    stage_blocks(transfer, PinnedFile(object=obj, blob="k", plan=plan_blocks(len(BLOCKS), BLOCK, 4)), [0, 1])
    assert copy_object(transfer, obj, look_first=True).proof is Proof.MD5
    assert (world.sink_calls.calls["stage_block"], world.source_calls.calls["read_range"]) == (4, 8)


@pytest.mark.parametrize(
    ("verify", "proof", "requests"), [(Verify.AUTO, Proof.BLOCKS, 0), (Verify.FULL, Proof.CRC32, 3)]
)
@SIZES
def test_a_checksum_of_parts_is_computed_when_that_is_asked_for(world, content, verify, proof, requests):
    size = -(-len(content) // 3)
    checksum, sizes = crc32_of_parts(content, size)
    obj = world.source.put_object("k", content, has_crc64=False, checksums=[checksum], part_sizes=sizes)
    assert copy(world, obj, verify=verify).proof is proof
    assert world.source_calls.calls["part_size"] == requests


def test_a_source_that_does_not_tell_its_parts_leaves_the_blocks_as_the_proof(world):
    checksum, _ = crc32_of_parts(BLOCKS, 400)
    whole = [len(BLOCKS)] * checksum.parts
    obj = world.source.put_object("k", BLOCKS, has_crc64=False, checksums=[checksum], part_sizes=whole)
    assert copy(world, obj, verify=Verify.FULL).proof is Proof.BLOCKS


@SIZES
def test_an_object_that_cannot_have_the_required_proof_fails_and_the_old_blob_stays(world, content):
    put_old(world)
    obj = world.source.put_object("k", content, has_crc64=False, checksums=[md5_of(content)])
    outcome = copy(world, obj, require_proof=Proof.CRC64)
    assert (outcome.result, outcome.reason, outcome.attempts) == (Result.FAILED, "proof_too_weak", 1)
    assert "would be md5" in outcome.detail
    assert world.source_calls.calls["read_range"] == 0
    assert world.sink.blobs["k"].content == b"old"


@SIZES
@pytest.mark.parametrize("required", [Proof.CRC64, Proof.MD5, Proof.BLOCKS])
def test_an_object_with_as_much_as_required_is_copied(world, content, required):
    assert copy(world, world.source.put_object("k", content), require_proof=required).proof is Proof.CRC64


@SIZES
def test_without_any_checksum_of_the_source_the_blocks_are_the_proof(world, content):
    outcome = copy(world, world.source.put_object("k", content, has_crc64=False))
    assert (outcome.proof, outcome.crc64) == (Proof.BLOCKS, crc64(content))


def test_the_blob_is_named_as_the_job_says(world):
    obj = world.source.put_object("data/a/b", SMALL)
    transfer = make_transfer(world, make_job(spec=make_spec(prefix="data/", to="x/")))
    assert copy_object(transfer, obj, look_first=True).blob == "x/a/b"
    assert set(world.sink.blobs) == {"x/a/b"}


def test_without_a_look_the_sink_is_not_asked_what_it_holds(world):
    copy(world, world.source.put_object("k", SMALL), look_first=False)
    assert world.sink_calls.calls["head"] == 0


@SIZES
def test_without_a_look_a_blob_that_is_there_is_still_respected(world, content):
    put_old(world)
    obj = world.source.put_object("k", content)
    outcome = copy(world, obj, look_first=False, overwrite=Overwrite.NEVER)
    assert (outcome.result, outcome.reason) == (Result.SKIPPED, "exists")
    assert world.sink.blobs["k"].content == b"old"


# What else is written, and what is told about it.


@SIZES
def test_tags_are_copied_in_the_same_call_where_the_job_wants_them(world, content):
    obj = world.source.put_object("k", content, tags={"who": "a@b"})
    transfer = make_transfer(world, make_job_with(copies_tags=True))
    outcome = copy_object(transfer, obj, look_first=True)
    assert world.sink.blobs["k"].tags == {"who": "a_x40_b"}
    assert outcome.notices == ("tags_renamed: 1",)
    # Those of a large object before anything is read, too, since they may be refused.
    assert world.source_calls.calls["read_tags"] == (1 if content is SMALL else 2)


def test_tags_are_asked_for_only_where_there_are_some_and_the_job_wants_them(world):
    tagged, plain = world.source.put_object("t", SMALL, tags={"a": "b"}), world.source.put_object("p", SMALL)
    copy(world, tagged)
    copy_object(make_transfer(world, make_job_with(copies_tags=True)), plain, look_first=True)
    assert world.source_calls.calls["read_tags"] == 0
    assert world.sink.blobs["t"].tags == {}


@SIZES
def test_tags_that_may_not_be_read_fail_the_object(world, content):
    obj = world.source.put_object("k", content, tags={"a": "b"})
    world.source.hides_tags = True
    outcome = copy_object(make_transfer(world, make_job_with(copies_tags=True)), obj, look_first=True)
    assert (outcome.result, outcome.reason) == (Result.FAILED, "tags_denied")
    assert world.sink.blobs == {}


@SIZES
def test_metadata_that_the_policy_does_not_allow_fails_the_object(world, content):
    obj = world.source.put_object("k", content, metadata={"a-b": "c"})
    transfer = make_transfer(world, make_job_with(metadata=MetadataPolicy.FAIL))
    outcome = copy_object(transfer, obj, look_first=True)
    assert (outcome.result, outcome.reason) == (Result.FAILED, "metadata_not_allowed")
    assert world.sink.blobs == {}


@SIZES
def test_a_name_that_azure_would_change_is_encoded_where_the_job_says_so(world, content):
    obj = world.source.put_object("a/../b", content)
    transfer = make_transfer(world, make_job_with(names=NamePolicy.ENCODE))
    outcome = copy_object(transfer, obj, look_first=True)
    assert (outcome.result, outcome.blob, outcome.notices) == (
        Result.COPIED, "a/%2E%2E/b", ("name_encoded",),
    )  # fmt: skip
    assert world.sink.blobs["a/%2E%2E/b"].head.metadata["awcopy_key"] == "a/../b"


@SIZES
def test_what_was_copied_before_is_told_with_its_notices(world, content):
    obj = world.source.put_object("k", content, metadata={"a-b": "c"})
    first, again = copy(world, obj), copy(world, obj)
    assert again.notices == first.notices == ("metadata_renamed: 1",)


@pytest.mark.parametrize(("storage_class", "tier"), [("STANDARD_IA", "Cool"), ("ODD", "")])
def test_the_tier_follows_the_class_where_the_job_says_auto(world, storage_class, tier):
    obj = world.source.put_object("k", SMALL, storage_class=storage_class)
    outcome = copy_object(make_transfer(world, make_job_with(tier="auto")), obj, look_first=True)
    assert world.sink.blobs["k"].tier == tier
    assert outcome.notices == ((f"tier: {tier}",) if tier else ())


def test_without_stamps_the_same_job_takes_what_it_wrote_for_unchanged(world):
    obj = world.source.put_object("k", SMALL)
    transfer = make_transfer(world, make_job_with(has_stamps=False))
    assert copy_object(transfer, obj, look_first=True).result is Result.COPIED
    assert world.sink.blobs["k"].head.metadata == {}
    again = copy_object(transfer, obj, look_first=True)
    assert (again.result, again.reason) == (Result.SKIPPED, "unchanged")


# Not read at all.


@pytest.mark.parametrize(
    ("key", "changes", "result", "reason"),
    [
        ("folder/", {}, Result.SKIPPED, "folder_marker"),
        ("a", {"storage_class": "GLACIER"}, Result.SKIPPED, "archived"),
        ("a", {"storage_class": "DEEP_ARCHIVE"}, Result.SKIPPED, "archived"),
        ("a/../b", {}, Result.FAILED, "name_not_allowed"),
        ("a\\b", {}, Result.FAILED, "name_not_allowed"),
        ("a\udcff", {}, Result.FAILED, "name_not_allowed"),
        ("x" * 1025, {}, Result.FAILED, "name_not_allowed"),
    ],
)
def test_some_objects_are_settled_unread(world, key, changes, result, reason):
    outcome = copy(world, world.source.put_object(key, b"", **changes))
    assert (outcome.result, outcome.reason, outcome.key) == (result, reason, key)
    assert not world.source_calls.calls
    assert not world.sink_calls.calls


def test_an_empty_segment_is_settled_unread_where_the_account_has_directories(world):
    sink = replace(make_spec().sink, has_directories=True)
    obj = world.source.put_object("a//b", SMALL)
    outcome = copy_object(make_transfer(world, make_job_with(sink=sink)), obj, look_first=True)
    assert (outcome.result, outcome.reason) == (Result.FAILED, "name_not_allowed")
    encoding = make_job_with(sink=sink, names=NamePolicy.ENCODE)
    assert copy_object(make_transfer(world, encoding), obj, look_first=True).blob == "a/%2Fb"


# An account with directories: a file and a folder cannot have one name.


def copy_to_directories(world, obj, *, look_first=True, **changes):
    world.sink.facts = SinkAccount(is_hierarchical=True)
    job = make_job_with(sink=replace(make_spec().sink, has_directories=True), **changes)
    return copy_object(make_transfer(world, job), obj, look_first=look_first)


@SIZES
@pytest.mark.parametrize("look_first", [True, False])
@pytest.mark.parametrize(("there", "key"), [("a/b", "a"), ("a", "a/b"), ("a", "a/b/c")])
def test_a_file_where_a_directory_is_or_has_to_be_fails_and_says_so(world, content, look_first, there, key):
    copy_to_directories(world, world.source.put_object(there, b"first"))
    outcome = copy_to_directories(world, world.source.put_object(key, content), look_first=look_first)
    assert (outcome.result, outcome.reason) == (Result.FAILED, "name_conflict")
    assert outcome.detail
    assert set(world.sink.blobs) == {there}


@pytest.mark.parametrize("content", [b"", b"x"])
def test_a_directory_is_never_taken_for_an_unchanged_copy(world, content):
    copy_to_directories(world, world.source.put_object("a/b", b"first"), has_stamps=False)
    outcome = copy_to_directories(world, world.source.put_object("a", content), has_stamps=False)
    assert outcome.reason == "name_conflict"


@pytest.mark.parametrize(("there", "key"), [("a/b", "a"), ("a", "a/b/c")])
def test_of_a_large_file_nothing_is_read_where_its_path_is_taken(world, monkeypatch, there, key):
    monkeypatch.setattr(engine, "LARGE_FILE_BYTES", len(BLOCKS) - 1)
    copy_to_directories(world, world.source.put_object(there, b"first"))
    world.source_calls.calls.clear()
    assert copy_to_directories(world, world.source.put_object(key, BLOCKS)).reason == "name_conflict"
    assert not world.source_calls.calls


def test_of_a_large_file_the_nearest_directory_tells_that_the_path_is_free(world, monkeypatch):
    monkeypatch.setattr(engine, "LARGE_FILE_BYTES", len(BLOCKS) - 1)
    copy_to_directories(world, world.source.put_object("a/b/c", b"first"))
    seen = []
    world.sink.fault = lambda op, name: op == "head" and seen.append(name)
    assert copy_to_directories(world, world.source.put_object("a/b/d/e", BLOCKS)).result is Result.COPIED
    assert seen == ["a/b/d/e", "a/b/d", "a/b"]


def test_in_a_flat_account_a_file_and_a_folder_may_have_one_name(world):
    for key in ("a", "a/b"):
        assert copy(world, world.source.put_object(key, SMALL)).result is Result.COPIED


def test_a_key_that_looks_like_a_folder_but_holds_bytes_is_copied(world):
    assert copy(world, world.source.put_object("folder/", b"x")).result is Result.COPIED


@pytest.mark.parametrize("storage_class", ["STANDARD_IA", "GLACIER_IR", "INTELLIGENT_TIERING"])
def test_classes_that_can_be_read_at_once_are_copied(world, storage_class):
    obj = world.source.put_object("k", SMALL, storage_class=storage_class)
    assert copy(world, obj).result is Result.COPIED


# A blob that is there.


@SIZES
def test_what_was_copied_before_is_unchanged(world, content):
    obj = world.source.put_object("k", content)
    copy(world, obj)
    tomorrow = make_transfer(world, replace(make_job_with(), id="another"))
    outcome = copy_object(tomorrow, obj, look_first=True)
    assert (outcome.result, outcome.reason) == (Result.SKIPPED, "unchanged")


@SIZES
def test_what_this_job_copied_before_is_copied_and_not_sent_again(world, content):
    obj = world.source.put_object("k", content)
    first = copy(world, obj)
    world.source_calls.calls.clear()
    assert copy(world, obj) == first
    assert not world.source_calls.calls


@SIZES
@pytest.mark.parametrize("overwrite", [Overwrite.ALWAYS, Overwrite.CHANGED])
def test_a_blob_that_differs_is_replaced(world, content, overwrite):
    put_old(world)
    outcome = copy(world, world.source.put_object("k", content), overwrite=overwrite)
    assert outcome.result is Result.COPIED
    assert world.sink.blobs["k"].content == content


@SIZES
def test_a_blob_that_someone_else_writes_meanwhile_is_looked_at_again(world, content):
    obj = world.source.put_object("k", content)
    world.source_calls.do(
        "read_range" if content is BLOCKS else "read_object", lambda: put_old(world), times=1
    )
    outcome = copy(world, obj, overwrite=Overwrite.NEVER)
    assert (outcome.result, outcome.reason) == (Result.SKIPPED, "exists")
    assert world.sink.blobs["k"].content == b"old"


@SIZES
def test_a_blob_that_is_written_again_and_again_is_a_conflict(world, content):
    etags = iter(range(100))

    def write_other():
        head = make_blob(size_bytes=3, etag=f"0x{next(etags)}")
        world.sink.blobs["k"] = StoredBlob(content=b"old", head=head)

    for op in ("put_blob", "commit_blocks"):
        world.sink_calls.do(op, write_other)
    outcome = copy(world, world.source.put_object("k", content))
    assert (outcome.result, outcome.reason) == (Result.FAILED, "blob_conflict")
    assert outcome.attempts == MAX_RESTARTS + 1
    assert world.sink.blobs["k"].content == b"old"


def test_after_a_blob_dropped_the_staged_blocks_the_sink_is_looked_at_before_they_are_sent_again(world):
    obj = world.source.put_object("k", BLOCKS)

    def write_whole():
        put_old(world)
        world.sink._staged.clear()  # as Azure does on Put Blob

    world.sink_calls.do("commit_blocks", write_whole, times=1)
    assert copy(world, obj, overwrite=Overwrite.NEVER).reason == "exists"
    assert world.sink_calls.calls["stage_block"] == 4


# A source that changes.


@SIZES
def test_an_object_that_changes_once_is_copied_as_it_is_then(world, content):
    obj = world.source.put_object("k", content)
    new = content[::-1]
    world.source_calls.do(
        "read_range" if content is BLOCKS else "read_object",
        lambda: world.source.put_object("k", new),
        times=1,
    )
    outcome = copy(world, obj)
    assert (outcome.result, outcome.attempts, outcome.crc64) == (Result.COPIED, 2, crc64(new))
    assert world.sink.blobs["k"].content == new


def test_an_object_that_changes_in_a_bucket_without_versions_is_still_version_null(world):
    obj = replace(world.source.put_object("k", SMALL), version_id="null")
    world.source.put_object("k", b"new")
    outcome = copy(world, obj)
    assert (outcome.result, outcome.version_id, outcome.attempts) == (Result.COPIED, "null", 2)


@pytest.mark.parametrize("new", [b"", b"shorter", bytes(3000)])
def test_an_object_that_changes_its_length_is_copied_as_it_is_then(world, new):
    obj = world.source.put_object("k", BLOCKS)
    world.source.put_object("k", new)
    outcome = copy(world, obj)
    assert (outcome.result, outcome.size_bytes) == (Result.COPIED, len(new))
    assert world.sink.blobs["k"].content == new


@SIZES
def test_an_object_that_never_holds_still_is_unstable(world, content):
    obj = world.source.put_object("k", content)
    versions = iter(range(100))
    world.source_calls.do(
        "read_range" if content is BLOCKS else "read_object",
        lambda: world.source.put_object("k", content, etag=f"v{next(versions)}"),
    )
    outcome = copy(world, obj)
    assert (outcome.result, outcome.reason) == (Result.FAILED, "source_unstable")
    assert outcome.attempts == MAX_RESTARTS + 1
    assert world.sink.blobs == {}


def test_a_blob_never_mixes_two_contents(world):
    obj = world.source.put_object("k", BLOCKS)
    new = bytes(len(BLOCKS))
    reads = iter(range(100))
    world.source_calls.do(
        "read_range", lambda: world.source.put_object("k", new) if next(reads) == 2 else None
    )
    copy(world, obj)
    assert world.sink.blobs["k"].content == new


@SIZES
def test_an_object_that_is_gone_fails_alone(world, content):
    obj = world.source.put_object("k", content)
    world.source.delete_object("k")
    outcome = copy(world, obj)
    assert (outcome.result, outcome.reason) == (Result.FAILED, "not_found")


def test_an_object_that_goes_while_it_changes_fails_alone(world):
    obj = world.source.put_object("k", SMALL)
    world.source.put_object("k", b"other")
    world.source_calls.do("head", lambda: world.source.delete_object("k"))
    assert copy(world, obj).reason == "not_found"


def test_an_object_that_was_archived_since_it_was_listed_fails_alone(world):
    obj = world.source.put_object("k", SMALL)
    world.source_calls.fail("read_object", ObjectArchived("archived"))
    assert copy(world, obj).reason == "archived"


# Bytes that are wrong.


@SIZES
@pytest.mark.parametrize("overwrite", [Overwrite.ALWAYS, Overwrite.CHANGED])
def test_corrupt_bytes_are_never_committed_and_the_old_blob_stays(world, content, overwrite):
    put_old(world)
    outcome = copy(world, world.source.put_object("k", content, crc64=1), overwrite=overwrite)
    assert (outcome.result, outcome.reason) == (Result.FAILED, "corrupt")
    assert world.sink.blobs["k"].content == b"old"


def test_an_object_that_is_shorter_than_listed_is_never_committed(world):
    obj = world.source.put_object("k", SMALL)
    outcome = copy(world, replace(obj, size_bytes=len(SMALL) + 1))
    assert outcome.result is Result.FAILED
    assert world.sink.blobs == {}


def test_a_file_that_is_shorter_than_listed_is_looked_at_again_and_copied_as_it_is(world):
    obj = world.source.put_object("k", BLOCKS)
    outcome = copy(world, replace(obj, size_bytes=len(BLOCKS) + 1))
    assert (outcome.result, outcome.size_bytes, outcome.attempts) == (Result.COPIED, len(BLOCKS), 2)
    assert world.source_calls.calls["read_range"] == 4


@pytest.mark.parametrize("op", ["put_blob", "stage_block"])
def test_bytes_that_are_damaged_on_the_way_are_sent_again(world, op):
    world.sink_calls.fail(op, IntegrityError("the sink received other bytes"), times=1)
    content = SMALL if op == "put_blob" else BLOCKS
    outcome = copy(world, world.source.put_object("k", content))
    assert outcome.result is Result.COPIED
    assert world.sink.blobs["k"].content == content


def test_blocks_whose_sum_is_wrong_are_all_staged_again_under_other_ids(world):
    obj = world.source.put_object("k", BLOCKS, crc64=1)
    fixed = []

    def fix_at_second_try():
        fixed.append(1)
        if len(fixed) == 3:  # each try looks before it reads, and before it commits
            world.source.put_object("k", BLOCKS)

    world.source_calls.do("head", fix_at_second_try)
    outcome = copy(world, obj)
    assert (outcome.result, outcome.attempts) == (Result.COPIED, 2)
    assert world.sink_calls.calls["stage_block"] == 8


# Requests that end badly.


@SIZES
@pytest.mark.parametrize("error", [ConnectionLost("lost"), Throttled("slow")])
def test_what_may_pass_is_tried_again(world, content, error):
    for op in ("read_object", "read_range", "head"):
        world.source_calls.fail(op, error, times=2)
    for op in ("head", "put_blob", "stage_block", "staged_blocks", "commit_blocks"):
        world.sink_calls.fail(op, error, times=2)
    outcome = copy(world, world.source.put_object("k", content))
    assert (outcome.result, outcome.attempts) == (Result.COPIED, 1)


@pytest.mark.parametrize("overwrite", Overwrite)
@pytest.mark.parametrize(("op", "content"), [("put_blob", SMALL), ("commit_blocks", BLOCKS)])
def test_a_write_whose_answer_was_lost_counts_once(world, op, content, overwrite):
    world.sink = LossySink(fault=world.sink_calls).lose_answer(op)
    outcome = copy(world, world.source.put_object("k", content), overwrite=overwrite)
    assert (outcome.result, outcome.proof, outcome.crc64) == (Result.COPIED, Proof.CRC64, crc64(content))
    assert world.sink.blobs["k"].content == content
    assert world.sink_calls.calls["stage_block"] == (4 if content is BLOCKS else 0)


@pytest.mark.parametrize("overwrite", [Overwrite.ALWAYS, Overwrite.CHANGED])
@pytest.mark.parametrize(("op", "content"), [("put_blob", SMALL), ("commit_blocks", BLOCKS)])
def test_a_replacement_whose_answer_was_lost_counts_once(world, op, content, overwrite):
    world.sink = LossySink(fault=world.sink_calls).lose_answer(op)
    put_old(world)
    outcome = copy(world, world.source.put_object("k", content), overwrite=overwrite)
    assert outcome.result is Result.COPIED
    assert world.sink.blobs["k"].content == content


def test_a_block_whose_answer_was_lost_is_staged_under_the_same_id(world):
    world.sink = LossySink().lose_answer("stage_block")
    copy(world, world.source.put_object("k", BLOCKS))
    assert len(world.sink.blobs["k"].blocks) == 4


@SIZES
def test_access_denied_fails_the_object_alone(world, content):
    for op in ("read_object", "read_range"):
        world.source_calls.fail(op, AccessDenied("no"))
    outcome = copy(world, world.source.put_object("k", content))
    assert (outcome.result, outcome.reason, outcome.detail) == (Result.FAILED, "access_denied", "no")


def test_a_blob_that_cannot_be_looked_at_fails_alone(world):
    world.sink_calls.fail("head", AccessDenied("no"))
    assert copy(world, world.source.put_object("k", SMALL)).reason == "access_denied"


@SIZES
@pytest.mark.parametrize("error", [CredentialsRefused("expired"), StoreNotFound("gone")])
def test_what_concerns_the_whole_job_is_no_objects_outcome(world, content, error):
    for op in ("read_object", "read_range"):
        world.source_calls.fail(op, error)
    with pytest.raises(type(error)):
        copy(world, world.source.put_object("k", content))


# Several objects.


def test_every_object_gets_its_outcome_in_order(world):
    objects = [world.source.put_object(f"k{number}", bytes([number]) * 300 * number) for number in range(9)]
    world.source.delete_object("k4")
    outcomes = copy_objects(make_transfer(world, make_job_with(), connections=4), objects, look_first=False)
    assert [outcome.key for outcome in outcomes] == [obj.key for obj in objects]
    assert [outcome.result is Result.COPIED for outcome in outcomes] == [n != 4 for n in range(9)]


def test_access_denied_on_one_object_does_not_stop_the_others(world):
    objects = [world.source.put_object(key, SMALL) for key in "abc"]
    world.source_calls.fail("read_object", AccessDenied("no"), name="b")
    outcomes = copy_objects(make_transfer(world), objects, look_first=True)
    assert [outcome.reason for outcome in outcomes] == ["", "access_denied", ""]


def test_refused_credentials_end_the_item_before_all_objects_fail(world):
    objects = [world.source.put_object(f"k{number}", SMALL) for number in range(50)]
    world.source_calls.fail("read_object", CredentialsRefused("expired"))
    with pytest.raises(CredentialsRefused):
        copy_objects(make_transfer(world), objects, look_first=False)
    assert world.source_calls.calls["read_object"] == 1


def test_bytes_are_counted_as_they_reach_the_sink(world):
    moved = []
    objects = [world.source.put_object(key, content) for key, content in (("a", SMALL), ("b", BLOCKS))]
    copy_objects(make_transfer(world, make_job_with(), moved=moved.append), objects, look_first=False)
    assert moved == [5, 250, 250, 250, 250]


@SIZES
def test_a_worker_that_lost_its_lease_while_it_read_writes_nothing(world, content):
    lost = []

    def check():
        if lost:
            raise LeaseLost("another worker has it")

    world.source_calls.do("read_object", lambda: lost.append(1))
    world.source_calls.do("read_range", lambda: lost.append(1))
    with pytest.raises(LeaseLost):
        copy(world, world.source.put_object("k", content), check=check)
    assert world.sink.blobs == {}


# A large file, in the hands of its owner.


def pin(world, content=BLOCKS):
    obj = world.source.put_object("k", content)
    return PinnedFile(object=obj, blob="k", plan=plan_blocks(len(content), BLOCK, agents=4))


def test_blocks_that_were_staged_before_are_not_sent_again(world):
    file, transfer = pin(world), make_transfer(world, make_job_with())
    stage_blocks(transfer, file, [0, 1, 2])
    world.sink_calls.calls.clear()
    outcome = finish_file(transfer, file)
    assert (outcome.result, outcome.proof) == (Result.COPIED, Proof.CRC64)
    assert world.sink_calls.calls["stage_block"] == 1


def test_a_file_that_was_committed_before_is_copied_and_not_committed_again(world):
    file, transfer = pin(world), make_transfer(world, make_job_with())
    first = finish_file(transfer, file)
    world.sink_calls.calls.clear()
    assert finish_file(transfer, file) == first
    assert world.sink_calls.calls.keys() == {"head"}


def test_an_interrupted_file_is_resumed_where_it_stopped(world):
    file, staged = pin(world), []

    def check():
        if len(staged) == 2:
            raise JobInterrupted("paused")

    with pytest.raises(JobInterrupted):
        finish_file(make_transfer(world, make_job_with(), check=check, moved=staged.append), file)
    assert finish_file(make_transfer(world, make_job_with()), file).result is Result.COPIED
    assert world.sink_calls.calls["stage_block"] == 4


def test_a_file_that_changed_is_copied_anew_as_it_is_now(world):
    file, transfer = pin(world), make_transfer(world, make_job_with())
    stage_blocks(transfer, file, range(4))
    world.source.put_object("k", BLOCKS[::-1])
    outcome = finish_file(transfer, file)
    assert (outcome.result, outcome.attempts) == (Result.COPIED, 2)
    assert world.sink.blobs["k"].content == BLOCKS[::-1]


def test_a_file_that_fails_has_one_outcome_too(world):
    file = pin(world)
    world.source.delete_object("k")
    outcome = finish_file(make_transfer(world, make_job_with()), file)
    assert (outcome.result, outcome.reason) == (Result.FAILED, "not_found")


# A sink that says that it wrote other bytes than were sent.


class MiswritingSink(MemorySink):
    """A sink that keeps other bytes than it gets, some times, and says so with its answer."""

    __slots__ = ("left",)

    def miswrite(self, times: int) -> MiswritingSink:
        self.left = times
        return self

    def put_blob(self, name: str, data: memoryview, *, crc64: int, **facts) -> str:
        if not self.left:
            return MemorySink.put_blob(self, name, data, crc64=crc64, **facts)
        self.left -= 1
        etag = MemorySink.put_blob(self, name, memoryview(b"wrong"), crc64=WRONG_CRC, **facts)
        raise Miswritten("the sink received other bytes than were sent", etag=etag)

    def stage_block(self, name: str, block_id: BlockId, data: memoryview, *, crc64: int) -> None:
        if not self.left:
            MemorySink.stage_block(self, name, block_id, data, crc64=crc64)
            return
        self.left -= 1
        MemorySink.stage_block(self, name, block_id, memoryview(b"wrong"), crc64=WRONG_CRC)
        raise IntegrityError("the sink received other bytes than were sent")


def test_a_blob_that_the_sink_says_is_wrong_is_written_again(world):
    world.sink = MiswritingSink(fault=world.sink_calls).miswrite(1)
    outcome = copy(world, world.source.put_object("k", SMALL))
    assert (outcome.result, outcome.attempts) == (Result.COPIED, 2)
    assert world.sink.blobs["k"].content == SMALL
    assert STAMP_PLACEHOLDER not in world.sink.blobs["k"].head.metadata


def test_a_blob_that_is_wrong_each_time_is_never_taken_for_a_copy(world):
    world.sink = MiswritingSink(fault=world.sink_calls).miswrite(100)
    outcome = copy(world, world.source.put_object("k", SMALL))
    assert (outcome.result, outcome.reason) == (Result.FAILED, "corrupt")
    assert STAMP_PLACEHOLDER in outcome.detail
    left = world.sink.blobs["k"]
    assert left.content == b""
    assert list(left.head.metadata) == [STAMP_PLACEHOLDER]


def test_a_wrong_blob_that_cannot_be_voided_is_not_taken_for_a_copy_either(world):
    world.sink = MiswritingSink(fault=world.sink_calls).miswrite(1)
    world.sink_calls.fail("commit_blocks", AccessDenied("no"))
    outcome = copy(world, world.source.put_object("k", SMALL))
    assert (outcome.result, outcome.reason) == (Result.FAILED, "wrong_blob_left")
    assert "delete the blob" in outcome.detail


# A blob that is there is replaced only after the sink said that it has the right bytes.


@pytest.mark.parametrize("content", [b"", SMALL, bytes(BLOCK)])
def test_a_blob_that_is_there_is_replaced_with_all_that_the_object_has(world, content):
    put_old(world)
    outcome = copy(world, world.source.put_object("k", content, metadata={"owner": "dana"}))
    assert (outcome.result, outcome.proof, outcome.attempts) == (Result.COPIED, Proof.CRC64, 1)
    blob = world.sink.blobs["k"]
    assert (blob.content, blob.head.metadata["owner"]) == (content, "dana")
    assert blob.head.content_md5 == hashlib.md5(content).digest()
    calls = world.sink_calls.calls
    assert (calls["put_blob"], calls["stage_block"], calls["commit_blocks"]) == (0, 1 if content else 0, 1)


@pytest.mark.parametrize(("times", "result"), [(1, Result.COPIED), (100, Result.FAILED)])
def test_the_old_blob_stays_until_the_sink_has_the_right_bytes(world, times, result):
    world.sink = MiswritingSink(fault=world.sink_calls).miswrite(times)
    put_old(world)
    outcome = copy(world, world.source.put_object("k", SMALL))
    assert (outcome.result, world.sink_calls.calls["put_blob"]) == (result, 0)
    assert world.sink.blobs["k"].content == (SMALL if result is Result.COPIED else b"old")


def test_a_worker_that_may_not_go_on_replaces_nothing(world):
    put_old(world)
    obj = world.source.put_object("k", SMALL)

    def check():
        if world.sink_calls.calls["stage_block"]:
            raise LeaseLost("the lease is another's")

    with pytest.raises(LeaseLost):
        copy(world, obj, check=check)
    assert world.sink.blobs["k"].content == b"old"


@pytest.mark.parametrize(
    ("op", "error"),
    [
        ("stage_block", BlobProtected("by the Data Lake API", service_code="BlobOperationNotSupported")),
        ("commit_blocks", BlobProtected("by the Data Lake API", service_code="BlobOperationNotSupported")),
        ("stage_block", KeyMismatch("blocks under another key", status=409)),
    ],
)
def test_a_blob_that_takes_no_blocks_is_replaced_in_one_call(world, op, error):
    put_old(world)
    world.sink_calls.fail(op, error)
    outcome = copy(world, world.source.put_object("k", SMALL))
    assert (outcome.result, world.sink_calls.calls["put_blob"]) == (Result.COPIED, 1)
    assert world.sink.blobs["k"].content == SMALL


def test_a_blob_that_may_not_be_replaced_stays(world):
    put_old(world)
    world.sink_calls.fail("commit_blocks", BlobProtected("it is leased", service_code="LeaseIdMissing"))
    outcome = copy(world, world.source.put_object("k", SMALL))
    assert (outcome.result, outcome.reason) == (Result.FAILED, "blob_protected")
    assert world.sink_calls.calls["put_blob"] == 0
    assert world.sink.blobs["k"].content == b"old"


# Blocks that somebody else has staged, with ids of another length.


def stage_foreign(world, name="1"):
    world.sink.stage_block("k", BlockId(name), memoryview(b"x"), crc64=crc64(b"x"))


@SIZES
@pytest.mark.parametrize("length", [1, 36, 64])
def test_foreign_blocks_go_when_a_blob_that_is_there_is_replaced(world, content, length):
    put_old(world)
    stage_foreign(world, "1" * length)
    outcome = copy(world, world.source.put_object("k", content))
    assert (outcome.result, outcome.proof) == (Result.COPIED, Proof.CRC64)
    assert world.sink.blobs["k"].content == content
    assert world.sink.staged_blocks("k") == ()
    assert world.sink_calls.calls["put_blob"] == 0


@pytest.mark.parametrize("overwrite", [Overwrite.CHANGED, Overwrite.NEVER])
def test_foreign_blocks_under_the_name_of_no_blob_are_dropped(world, overwrite):
    stage_foreign(world)
    outcome = copy(world, world.source.put_object("k", BLOCKS), overwrite=overwrite)
    assert (outcome.result, outcome.proof) == (Result.COPIED, Proof.CRC64)
    assert world.sink.blobs["k"].content == BLOCKS
    assert STAMP_PLACEHOLDER not in world.sink.blobs["k"].head.metadata
    assert world.sink.staged_blocks("k") == ()


def test_the_answer_to_dropping_foreign_blocks_may_be_lost(world):
    world.sink = LossySink().lose_answer("commit_blocks")
    stage_foreign(world)
    assert copy(world, world.source.put_object("k", BLOCKS)).result is Result.COPIED
    assert world.sink.blobs["k"].content == BLOCKS


def test_a_large_blob_that_is_there_is_not_given_up_for_foreign_blocks(world, monkeypatch):
    monkeypatch.setattr(engine, "LARGE_FILE_BYTES", BLOCK)
    put_old(world)
    stage_foreign(world)
    outcome = copy(world, world.source.put_object("k", BLOCKS))
    assert (outcome.result, outcome.reason) == (Result.FAILED, "foreign_blocks")
    assert "another program" in outcome.detail
    assert world.sink.blobs["k"].content == b"old"


def test_a_failure_says_that_an_empty_blob_was_left(world):
    stage_foreign(world)
    obj = world.source.put_object("k", BLOCKS)
    world.sink_calls.do("commit_blocks", lambda: world.source_calls.fail("read_range", AccessDenied("no")))
    outcome = copy(world, obj)
    assert (outcome.result, outcome.reason) == (Result.FAILED, "access_denied")
    assert STAMP_PLACEHOLDER in outcome.detail
    assert world.sink.blobs["k"].content == b""


def test_the_empty_blob_that_a_dead_worker_left_is_replaced_whatever_the_job_says(world):
    metadata = {STAMP_PLACEHOLDER: "another job"}
    world.sink.blobs["k"] = StoredBlob(content=b"", head=make_blob(size_bytes=0, metadata=metadata))
    assert copy(world, world.source.put_object("k", SMALL), overwrite=Overwrite.NEVER).result is Result.COPIED
    assert world.sink.blobs["k"].content == SMALL
