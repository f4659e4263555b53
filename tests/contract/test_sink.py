"""The port of sinks, on each adapter: the twin in memory, and Azurite."""

from __future__ import annotations

import base64
import hashlib
import os
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from azure.storage.blob import BlobBlock, ContainerClient, ContainerSasPermissions, generate_container_sas

from awcopy.config import AwsKeys, AzureKeys, Secret
from awcopy.crc64 import crc64
from awcopy.errors import (
    AccessDenied,
    BlobConflict,
    BlocksMissing,
    CredentialsRefused,
    ForeignBlocks,
    IntegrityError,
    KeyMismatch,
    ObjectNotFound,
    RequestRefused,
    SourceChanged,
    SourceUnreadable,
    StoreNotFound,
)
from awcopy.model.objects import (
    ALWAYS,
    IF_ABSENT,
    BlobProperties,
    BlockId,
    Condition,
    ContentHeaders,
    SourceObject,
    Span,
    StagedBlock,
)
from awcopy.model.spec import SinkSpec, SourceSpec
from awcopy.sink.azure_blob import API_VERSION, AzureBlobSink
from awcopy.sink.base import Sink
from awcopy.sink.memory import MemorySink
from awcopy.source.base import Source
from awcopy.source.memory import MemorySource
from awcopy.source.s3 import S3Source
from tests.faults.copying_proxy import CopyingProxy

# What a server does otherwise than Azure, and why a test leaves it out.
DIFFERENCES = {
    ("azurite", "put_drops_blocks"): "it keeps uncommitted blocks when the blob is written in one call",
    ("azurite", "dot_segments"): "it resolves dot segments and turns a backslash into a slash",
}
NAMES = ("a b.txt", "a+b", "50%", "a%2Fb", "ü/ö", "日本語", "emoji 😀", "q?x#y&z=1", "a//b", "~;,:@!$'()")
PLAIN = BlobProperties()
HEADERS = ContentHeaders(
    content_type="text/css",
    content_encoding="gzip",
    content_language="de",
    content_disposition="attachment",
    cache_control="max-age=60",
)


@dataclass(kw_only=True)
class Case:
    """One adapter: the sink, and how to look behind its back."""

    name: str
    sink: Sink
    content: Callable[[str], bytes]
    tags: Callable[[str], dict[str, str]]
    tier: Callable[[str], str]
    new_container: Callable[[], Sink]  # a sink whose container is not there yet
    prefix: str = ""

    def put(self, name: str, content: bytes = b"x", condition: Condition = ALWAYS, **facts) -> str:
        properties = BlobProperties(**facts)
        return self.sink.put_blob(
            self.prefix + name,
            memoryview(content),
            crc64=crc64(content),
            properties=properties,
            condition=condition,
        )

    def stage(self, name: str, number: int, content: bytes) -> BlockId:
        block_id = BlockId(f"{number:08d}")
        self.sink.stage_block(self.prefix + name, block_id, memoryview(content), crc64=crc64(content))
        return block_id

    def commit(self, name: str, ids, condition: Condition = ALWAYS, **facts) -> str:
        properties = BlobProperties(**facts)
        return self.sink.commit_blocks(self.prefix + name, ids, properties=properties, condition=condition)

    def head(self, name: str):
        return self.sink.head(self.prefix + name)

    def read(self, name: str) -> bytes:
        return self.content(self.prefix + name)

    def leave_out_where_different(self, feature: str) -> None:
        if (self.name, feature) in DIFFERENCES:
            pytest.skip(DIFFERENCES[self.name, feature])


def memory_case() -> Case:
    sink = MemorySink()
    return Case(
        name="memory",
        sink=sink,
        content=lambda name: sink.blobs[name].content,
        tags=lambda name: dict(sink.blobs[name].tags),
        tier=lambda name: sink.blobs[name].tier,
        new_container=lambda: MemorySink(has_container=False),
    )


class Azure:
    """Azurite's account; what is made here is closed at the end."""

    def __init__(self, endpoint, stack: ExitStack) -> None:
        self.endpoint = endpoint
        self._stack = stack

    def sink(self, container: str = "", keys: AzureKeys | None = None) -> AzureBlobSink:
        """Return a sink for a container that is not there yet, unless it is named."""
        endpoint = self.endpoint
        container = container or f"contract-{uuid.uuid4().hex[:8]}"
        spec = SinkSpec(account=endpoint.account, container=container, endpoint_url=endpoint.blob_url)
        keys = keys or AzureKeys(account_key=Secret(endpoint.key))
        return self._stack.enter_context(closing(AzureBlobSink(spec, keys, connections=8, deletes=True)))

    def sdk(self, container: str) -> ContainerClient:
        text = self.endpoint.connection_string
        client = ContainerClient.from_connection_string(text, container, api_version=API_VERSION)
        return self._stack.enter_context(client)

    def container(self) -> tuple[AzureBlobSink, str]:
        """Return a sink with its container, and the container's name."""
        name = f"extra-{uuid.uuid4().hex[:8]}"
        sink = self.sink(name)
        sink.create_container()
        return sink, name

    def sas(self, container: str, *, hours: int) -> AzureKeys:
        token = generate_container_sas(
            self.endpoint.account,
            container,
            account_key=self.endpoint.key,
            permission=ContainerSasPermissions(read=True, create=True, write=True, list=True),
            start=datetime.now(UTC) - timedelta(hours=2),
            expiry=datetime.now(UTC) + timedelta(hours=hours),
        )
        return AzureKeys(sas_token=Secret(f"?{token}"))


@pytest.fixture(scope="module")
def azure(azurite) -> Iterator[Azure]:
    with ExitStack() as stack:
        yield Azure(azurite.endpoint, stack)


def azurite_case(azure: Azure) -> Case:
    sink, container = azure.container()
    client = azure.sdk(container)
    return Case(
        name="azurite",
        sink=sink,
        content=lambda name: client.download_blob(name).readall(),
        tags=lambda name: client.get_blob_client(name).get_blob_tags(),
        tier=lambda name: client.get_blob_client(name).get_blob_properties().blob_tier,
        new_container=azure.sink,
    )


@pytest.fixture(scope="module", params=["memory", "azurite"])
def store(request) -> Case:
    return memory_case() if request.param == "memory" else azurite_case(request.getfixturevalue("azure"))


@pytest.fixture
def case(store: Case) -> Case:
    return replace(store, prefix=f"{uuid.uuid4().hex[:8]}/")


def test_a_missing_container_is_said_to_be_missing(case):
    sink = case.new_container()
    with pytest.raises(StoreNotFound):
        sink.probe()
    with pytest.raises(StoreNotFound):
        sink.head("x")
    with pytest.raises(StoreNotFound):
        sink.stage_block("x", BlockId("1"), memoryview(b"x"), crc64=crc64(b"x"))


def test_creating_a_container_twice_is_fine(case):
    sink = case.new_container()
    sink.create_container()
    sink.create_container()
    sink.probe()
    assert sink.is_empty("")


def test_a_blob_is_written_with_all_its_properties(case):
    etag = case.put("styled", b"body", headers=HEADERS, metadata={"Colour": "blue"}, tier="Cool")
    head = case.head("styled")
    assert (head.etag, head.size_bytes, head.headers) == (etag, 4, HEADERS)
    assert head.metadata == {"colour": "blue"}
    assert head.content_md5 == hashlib.md5(b"body").digest()
    assert abs(datetime.now(UTC) - head.modified_at) < timedelta(minutes=1)


def test_blocks_are_committed_with_all_properties(case):
    ids = [case.stage("styled", 1, b"body")]
    md5 = hashlib.md5(b"body").digest()
    etag = case.commit(
        "styled", ids, headers=HEADERS, metadata={"Colour": "blue"}, tier="Cool", content_md5=md5
    )
    head = case.head("styled")
    assert (head.etag, head.size_bytes, head.headers) == (etag, 4, HEADERS)
    assert (head.metadata, head.content_md5) == ({"colour": "blue"}, md5)


TAGS = {"stage": "raw data", "who": "dana_x40_example.com", "sum": "1+1=2/3:4-5.6"}


def test_tags_are_written_in_the_same_call(case):
    case.put("tagged", tags=TAGS)
    case.commit("committed", [case.stage("committed", 1, b"body")], tags=TAGS)
    assert case.tags(case.prefix + "tagged") == case.tags(case.prefix + "committed") == TAGS


def test_the_account_says_what_it_can_do(case):
    account = case.sink.account()
    assert (account.kind, account.is_hierarchical, account.has_tiers) == ("StorageV2", False, True)


def test_a_blob_without_a_type_gets_the_general_one(case):
    case.put("untyped")
    assert case.head("untyped").headers == ContentHeaders(content_type="application/octet-stream")


def test_an_empty_blob_is_written(case):
    case.put("empty", b"")
    assert case.head("empty").size_bytes == 0


def test_the_head_of_no_blob_is_none(case):
    assert case.head("nothing") is None


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_written_staged_and_listed(case, name):
    case.put(name, name.encode())
    assert case.read(name) == name.encode()
    case.commit(name, [case.stage(name, 1, b"other")])
    assert case.head(name).size_bytes == 5
    assert [blob.name for blob in case.sink.list_page(case.prefix).blobs] == [case.prefix + name]


@pytest.mark.parametrize(("offset", "size_bytes"), [(0, 1), (0, 10), (3, 4), (9, 1)])
def test_a_range_is_read_exactly(case, offset, size_bytes):
    case.put("digits", b"0123456789")
    into = bytearray(size_bytes)
    span = Span(offset=offset, size_bytes=size_bytes)
    case.sink.read_range(case.head("digits"), span, memoryview(into))
    assert bytes(into) == b"0123456789"[offset : offset + size_bytes]


def test_a_blob_that_is_no_longer_the_one_that_was_seen_is_not_read(case):
    case.put("changing", b"before")
    seen, into = case.head("changing"), memoryview(bytearray(6))
    case.put("changing", b"behind")
    with pytest.raises(BlobConflict):
        case.sink.read_range(seen, Span(offset=0, size_bytes=6), into)
    with pytest.raises((BlobConflict, ObjectNotFound)):
        case.sink.read_range(replace(seen, name=case.prefix + "gone"), Span(offset=0, size_bytes=6), into)


def test_a_blob_that_is_shorter_than_what_is_read_is_not_taken(case):
    case.put("short", b"12345")
    seen = case.head("short")
    with pytest.raises(IntegrityError):
        case.sink.read_range(seen, Span(offset=0, size_bytes=6), memoryview(bytearray(6)))


def test_wrong_bytes_are_never_written(case):
    with pytest.raises(IntegrityError):
        case.sink.put_blob(
            case.prefix + "bad", memoryview(b"bytes"), crc64=1, properties=PLAIN, condition=ALWAYS
        )
    with pytest.raises(IntegrityError):
        case.sink.stage_block(case.prefix + "bad", BlockId("1"), memoryview(b"bytes"), crc64=1)
    assert case.head("bad") is None
    assert case.sink.staged_blocks(case.prefix + "bad") == ()


def test_blocks_are_committed_in_the_order_named(case):
    first, second = case.stage("big", 1, b"one,"), case.stage("big", 2, b"two,")
    etag = case.commit("big", [second, first, second], metadata={"a": "b"})
    assert case.read("big") == b"two,one,two,"
    head = case.head("big")
    assert (head.etag, head.metadata) == (etag, {"a": "b"})


def test_staged_blocks_are_named_with_their_sizes(case):
    ids = [case.stage("partly", number, b"x" * number) for number in (1, 2)]
    staged = case.sink.staged_blocks(case.prefix + "partly")
    assert set(staged) == {
        StagedBlock(block_id=block_id, size_bytes=size) for size, block_id in enumerate(ids, 1)
    }
    assert case.head("partly") is None


def test_a_name_without_blocks_has_none(case):
    assert case.sink.staged_blocks(case.prefix + "nothing") == ()
    case.put("whole")
    assert case.sink.staged_blocks(case.prefix + "whole") == ()


def test_staging_an_id_again_replaces_it(case):
    case.stage("twice", 1, b"before")
    case.commit("twice", [case.stage("twice", 1, b"after")])
    assert case.read("twice") == b"after"


def test_a_commit_that_names_a_missing_block_changes_nothing(case):
    case.put("kept", b"old")
    staged = case.stage("kept", 1, b"new")
    with pytest.raises(BlocksMissing):
        case.commit("kept", [staged, BlockId("00000002")])
    assert case.read("kept") == b"old"


def test_a_commit_drops_blocks_that_it_does_not_name(case):
    case.stage("tidy", 1, b"left over")
    case.commit("tidy", [case.stage("tidy", 2, b"used")])
    assert case.sink.staged_blocks(case.prefix + "tidy") == ()


def test_a_commit_can_be_sent_again(case):
    ids = [case.stage("again", 1, b"block")]
    case.commit("again", ids)
    case.commit("again", ids)
    assert case.read("again") == b"block"


def test_writing_in_one_call_drops_staged_blocks(case):
    case.leave_out_where_different("put_drops_blocks")
    case.stage("tidy", 1, b"left over")
    case.put("tidy")
    assert case.sink.staged_blocks(case.prefix + "tidy") == ()


def test_block_ids_of_one_blob_have_one_length(case):
    case.stage("ids", 1, b"x")
    with pytest.raises(ForeignBlocks):
        case.sink.stage_block(case.prefix + "ids", BlockId("1"), memoryview(b"x"), crc64=crc64(b"x"))


def test_another_programs_block_id_may_be_any_bytes(case):
    foreign = BlockId("\0\x80\xff\r\n<&")
    case.sink.stage_block(case.prefix + "ids", foreign, memoryview(b"x"), crc64=crc64(b"x"))
    assert case.sink.staged_blocks(case.prefix + "ids") == (StagedBlock(block_id=foreign, size_bytes=1),)


def test_an_empty_commit_drops_all_blocks_and_makes_an_empty_blob(case):
    case.stage("ids", 1, b"x")
    etag = case.commit("ids", (), IF_ABSENT, metadata={"a": "b"})
    head = case.head("ids")
    assert (head.etag, head.size_bytes, head.metadata) == (etag, 0, {"a": "b"})
    assert case.sink.staged_blocks(case.prefix + "ids") == ()
    case.sink.stage_block(case.prefix + "ids", BlockId("1"), memoryview(b"x"), crc64=crc64(b"x"))


def test_a_block_id_of_65_characters_is_refused(case):
    with pytest.raises(RequestRefused):
        case.sink.stage_block(case.prefix + "ids", BlockId("x" * 65), memoryview(b"x"), crc64=crc64(b"x"))
    case.sink.stage_block(case.prefix + "ids", BlockId("x" * 64), memoryview(b"x"), crc64=crc64(b"x"))


@pytest.mark.parametrize("condition", [IF_ABSENT, Condition(if_match="0x8D0000000000000")])
def test_a_condition_that_does_not_hold_leaves_the_blob_alone(case, condition):
    case.put("there", b"old")
    with pytest.raises(BlobConflict):
        case.put("there", b"new", condition)
    staged = case.stage("there", 1, b"new")
    with pytest.raises(BlobConflict):
        case.commit("there", [staged], condition)
    assert case.read("there") == b"old"


def test_a_condition_that_holds_lets_the_write_happen(case):
    etag = case.put("guarded", b"1", IF_ABSENT)
    etag = case.put("guarded", b"2", Condition(if_match=etag))
    case.commit("guarded", [case.stage("guarded", 1, b"3")], Condition(if_match=etag))
    assert case.read("guarded") == b"3"


def test_committing_if_absent_creates_the_blob(case):
    case.commit("fresh", [case.stage("fresh", 1, b"1")], IF_ABSENT)
    assert case.read("fresh") == b"1"


def test_pages_hold_each_blob_once_in_order(case):
    names = [f"{i:02d}" for i in range(7)]
    for name in names:
        case.put(name, metadata={"number": name})
    found, token = [], ""
    while True:
        page = case.sink.list_page(case.prefix, token=token, limit=3)
        assert len(page.blobs) <= 3
        found += page.blobs
        token = page.token
        if not token:
            break
    assert [blob.name for blob in found] == [case.prefix + name for name in names]
    assert [blob.metadata for blob in found] == [{"number": name} for name in names]


def test_a_listed_blob_equals_its_head(case):
    case.put("same", b"body", headers=HEADERS, metadata={"a": "b"})
    assert case.sink.list_page(case.prefix).blobs == (case.head("same"),)


def test_uncommitted_blobs_are_not_listed(case):
    case.stage("half", 1, b"x")
    assert case.sink.is_empty(case.prefix)
    case.put("whole")
    assert not case.sink.is_empty(case.prefix)


def test_names_with_dot_segments_are_sent_as_they_are(case):
    case.leave_out_where_different("dot_segments")
    for name in ("x/../y", "./z", "trailing."):
        case.put(name, name.encode())
        assert case.read(name) == name.encode()


def test_many_threads_share_one_sink(case):
    contents = {f"{i:02d}": bytes([i]) * 1000 for i in range(16)}
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda item: case.put(*item), contents.items()))
    assert {name: case.read(name) for name in contents} == contents


def test_a_closed_sink_can_be_used_again(case):
    case.sink.close()
    case.put("again")
    assert case.head("again") is not None


def test_block_ids_are_the_ones_that_the_sdk_makes(azure):
    sink, container = azure.container()
    sink.stage_block("mine", BlockId("00000001"), memoryview(b"ours"), crc64=crc64(b"ours"))
    azure.sdk(container).get_blob_client("mine").commit_block_list([BlobBlock("00000001")])
    assert sink.head("mine").size_bytes == 4


def test_a_large_block_arrives_whole(azure):
    sink, container = azure.container()
    content = os.urandom(9 * 2**20)
    sink.stage_block("large", BlockId("1"), memoryview(content), crc64=crc64(content))
    sink.commit_blocks("large", [BlockId("1")], properties=PLAIN, condition=ALWAYS)
    assert azure.sdk(container).download_blob("large").readall() == content


def test_a_wrong_account_key_is_denied(azure):
    wrong = AzureKeys(account_key=Secret(base64.b64encode(b"wrong" * 10).decode()))
    sink = azure.sink(keys=wrong)
    for call in (sink.probe, sink.create_container, lambda: sink.head("x")):
        with pytest.raises(AccessDenied) as caught:
            call()
        assert caught.value.hint


def test_a_sas_token_is_enough(azure):
    _, container = azure.container()
    sink = azure.sink(container, azure.sas(container, hours=1))
    sink.probe()
    sink.put_blob("x", memoryview(b"x"), crc64=crc64(b"x"), properties=PLAIN, condition=IF_ABSENT)
    assert sink.head("x").size_bytes == 1


def test_an_expired_sas_token_is_said_to_have_expired(azure):
    _, container = azure.container()
    sink = azure.sink(container, azure.sas(container, hours=-1))
    with pytest.raises(CredentialsRefused):
        sink.probe()


def test_blobs_in_memory_tell_how_they_are_encrypted_and_keep_others_out():
    scoped, keyed = MemorySink(encryption_scope="projects"), MemorySink(key_sha256="hash")
    for sink in (scoped, keyed):
        Case(
            name="memory",
            sink=sink,
            content=lambda _: b"",
            tags=lambda _: {},
            tier=lambda _: "",
            new_container=MemorySink,
        ).put("k")
    assert scoped.head("k").encryption_scope == "projects"
    assert keyed.head("k").key_sha256 == "hash"
    with pytest.raises(KeyMismatch):
        replace(keyed, key_sha256="other").head("k")


# Blocks that a sink reads by itself: the twin in memory, and Azurite behind the proxy that reads for it.


@dataclass(kw_only=True)
class Copying:
    """A sink that reads by itself, and a source that it reads from."""

    case: Case
    source: Source
    put: Callable[[str, bytes], object]

    def copy(self, name: str, content: bytes, span: Span, *, block: str = "1") -> int:
        """Put an object of that name and have the sink stage a span of it."""
        self.put(name, content)
        url = self.source.presign(self.listed(name))
        return self.case.sink.stage_block_from_url(name, BlockId(f"{block:>08}"), url, span)

    def listed(self, name: str) -> SourceObject:
        (obj,) = self.source.list_page(name).objects
        return obj


@pytest.fixture(params=["memory", "azurite"])
def copying(request) -> Iterator[Copying]:
    with ExitStack() as stack:
        if request.param == "memory":
            case, memory = memory_case(), MemorySource(has_urls=True)
            case.sink.read_url = memory.read_url
            yield Copying(case=case, source=memory, put=memory.put_object)
        else:
            azurite, s3 = request.getfixturevalue("azurite"), request.getfixturevalue("s3_server").endpoint
            proxy = stack.enter_context(CopyingProxy(azurite.process.launch.ports[0]))
            url = f"{proxy.url}/{azurite.endpoint.account}"
            azure = Azure(replace(azurite.endpoint, blob_url=url), stack)
            keys = {"aws_access_key_id": s3.access_key, "aws_secret_access_key": s3.secret_key}
            client = boto3.client("s3", endpoint_url=s3.endpoint_url, region_name=s3.region, **keys)
            stack.enter_context(closing(client))
            bucket = f"copying-{uuid.uuid4().hex[:8]}"
            client.create_bucket(Bucket=bucket)
            source = S3Source(
                SourceSpec(bucket=bucket, endpoint_url=s3.endpoint_url, region=s3.region),
                AwsKeys(access_key=Secret(s3.access_key), secret_key=Secret(s3.secret_key)),
                connections=2,
            )
            stack.enter_context(closing(source))
            yield Copying(
                case=azurite_case(azure),
                source=source,
                put=lambda key, content: client.put_object(Bucket=bucket, Key=key, Body=content),
            )


@pytest.mark.parametrize("name", ["plain", "a b+c%", "ü/ö?x#y&z=1"])
def test_a_sink_reads_a_span_by_itself_and_says_which_bytes(copying, name):
    assert copying.copy(name, b"0123456789", Span(offset=2, size_bytes=5)) == crc64(b"23456")
    (block,) = copying.case.sink.staged_blocks(name)
    assert (block.block_id, block.size_bytes) == (BlockId(f"{'1':>08}"), 5)
    copying.case.commit(name, [block.block_id])
    assert copying.case.read(name) == b"23456"


def test_blocks_that_were_sent_and_blocks_that_were_read_make_one_blob(copying):
    copying.copy("mixed", b"0123456789", Span(offset=0, size_bytes=5), block="1")
    last = copying.case.stage("mixed", 2, b"sent")
    copying.case.commit("mixed", [BlockId(f"{'1':>08}"), last])
    assert copying.case.read("mixed") == b"01234sent"


def test_an_object_that_is_gone_cannot_be_read(copying):
    copying.put("gone", b"x")
    obj = copying.listed("gone")
    with pytest.raises(SourceUnreadable) as caught:
        copying.case.sink.stage_block_from_url(
            "gone",
            BlockId("00000001"),
            copying.source.presign(replace(obj, key="other")),
            Span(offset=0, size_bytes=1),
        )
    assert caught.value.status == 404
    assert copying.case.sink.staged_blocks("gone") == ()


def test_an_object_that_became_shorter_is_another_one(copying):
    with pytest.raises(SourceChanged):
        copying.copy("short", b"0123", Span(offset=4, size_bytes=4))


def test_a_container_that_is_missing_is_the_sinks_own_trouble(copying):
    copying.put("k", b"x")
    url = copying.source.presign(copying.listed("k"))
    with pytest.raises(StoreNotFound):
        copying.case.new_container().stage_block_from_url(
            "k", BlockId("00000001"), url, Span(offset=0, size_bytes=1)
        )


def test_a_blob_that_was_seen_is_deleted_and_another_is_not(case):
    etag, name = case.put("k", b"1"), case.prefix + "k"
    with pytest.raises(BlobConflict):
        case.sink.delete_blob(name, etag="0x8D0000000000000")
    assert case.head("k")
    case.sink.delete_blob(name, etag=etag)
    assert case.head("k") is None
    with pytest.raises((ObjectNotFound, BlobConflict)):
        case.sink.delete_blob(name, etag=etag)


def test_a_blob_that_was_seen_is_copied_with_all_that_it_has(case):
    headers = ContentHeaders(content_type="text/plain", cache_control="no-cache")
    facts = {"headers": headers, "metadata": {"awcopy_etag": "e"}, "tags": {"team": "a b"}, "tier": "Cool"}
    etag, name, to = case.put("k", b"content", **facts), case.prefix + "k", case.prefix + "old/k"
    with pytest.raises(BlobConflict):
        case.sink.copy_blob(name, to, etag="0x8D0000000000000")
    assert case.head("old/k") is None
    for _ in range(2):  # over what is there
        case.sink.copy_blob(name, to, etag=etag)
        blob, kept = case.head("k"), case.head("old/k")
        assert replace(kept, name=name, etag=etag, modified_at=blob.modified_at) == blob
        assert case.read("old/k") == b"content"
        assert (case.tags(to), case.tier(to)) == ({"team": "a b"}, "Cool")
    assert not kept.is_being_copied
    case.sink.delete_blob(name, etag=etag)
    with pytest.raises((ObjectNotFound, BlobConflict)):
        case.sink.copy_blob(name, to, etag=etag)
    assert case.read("old/k") == b"content"
