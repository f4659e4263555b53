"""The port of sources, on each adapter: the twin in memory, SeaweedFS and moto."""

from __future__ import annotations

import base64
import hashlib
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import boto3
import pytest
from botocore.config import Config

from awcopy import crc64
from awcopy.config import AwsKeys, CustomerKey, Secret, parse_customer_key
from awcopy.errors import (
    AccessDenied,
    IntegrityError,
    KeyMismatch,
    ObjectArchived,
    ObjectNotFound,
    RequestRefused,
    SourceChanged,
    StoreNotFound,
)
from awcopy.model.objects import Algorithm, Checksum, ContentHeaders, SourceObject, Span
from awcopy.model.spec import SourceSpec
from awcopy.planning.splitting import LAST_CHARACTER
from awcopy.source.base import Source
from awcopy.source.memory import MemorySource
from awcopy.source.s3 import S3Source
from awcopy.units import MIB

# What a server does otherwise than Amazon S3, and why a test leaves it out.
DIFFERENCES = {
    ("seaweedfs", "byte_order"): "it lists folder by folder: a/b before a-b",
    ("seaweedfs", "any_key"): "it keeps keys as paths: // becomes /, dot segments are refused",
    ("seaweedfs", "archive"): "it keeps the storage class and lets archived objects be read",
    ("moto", "signatures"): "it accepts any credentials",
    ("moto", "customer_keys"): "it passes over customers' keys",
    ("moto", "null_version"): "it answers 400 to a HEAD of the version null where it keeps none",
    ("moto", "parts"): "it answers 412 when a part is looked at, and does not say what a checksum is of",
}
PLAIN_KEYS = (
    "a b.txt", "a+b", "a%2Fb", "50%", "ü/ö.txt", "日本語", "emoji 😀",
    "q?x#y&z=1", "it's <\"here\">", "tilde~;,:@!$",
)  # fmt: skip
HARD_KEYS = ("a//b", "x/./y", "x/../z", "trailing.", "dir/", "back\\slash", " blanks ")


@dataclass(kw_only=True)
class Case:
    """One adapter: the source, and how to put an object behind its back."""

    name: str
    source: Source
    put: Callable[..., object]
    put_parts: Callable[[str, list[bytes]], object]  # with a SHA-256 of the parts, and no CRC-64
    delete: Callable[[str], object]
    elsewhere: Callable[..., Source]  # the same store with another bucket, secret or customer's key
    put_encrypted: Callable[[str, bytes], object]  # with CUSTOMER_KEY
    make_versioned: Callable[..., Source]  # another bucket, which keeps versions and holds one object's
    put_versions: Callable[..., object]  # into such a bucket, oldest first; None deletes
    finish_restores: Callable[[], object] = lambda: None  # done at once, unless it says otherwise
    read_url: Callable[[str, Span], bytes]  # as a sink that reads by itself does
    prefix: str = ""

    def key(self, name: str) -> str:
        return self.prefix + name

    def stored(self, name: str, content: bytes = b"", **facts) -> SourceObject:
        """Put an object and return it as it is listed."""
        self.put(self.key(name), content, **facts)
        return self.listed()[self.key(name)]

    def listed(self) -> dict[str, SourceObject]:
        return {obj.key: obj for obj in self.source.list_page(self.prefix).objects}

    def leave_out_where_different(self, feature: str) -> None:
        if (self.name, feature) in DIFFERENCES:
            pytest.skip(DIFFERENCES[self.name, feature])


def memory_case() -> Case:
    source = MemorySource(has_urls=True)

    def put(key: str, content: bytes, *, storage_class="STANDARD", tags=None, extras=None, **facts) -> None:
        metadata = facts.pop("metadata", None)
        fields = ContentHeaders(**facts) if facts else None
        source.put_object(
            key,
            content,
            headers=fields,
            metadata=metadata,
            storage_class=storage_class,
            tags=tags,
            extras=extras,
        )

    def elsewhere(*, bucket: str = "", secret: str = "", customer_key: CustomerKey | None = None) -> Source:
        if customer_key:
            return replace(source, key_sha256=customer_key.sha256)
        return MemorySource(is_missing=bool(bucket), is_denied=bool(secret))

    def make_versioned(key: str, *contents: bytes) -> Source:
        versioned = MemorySource(keeps_versions=True)
        put_versions(versioned, key, *(contents or (b"",)))
        return versioned

    def put_versions(versioned: MemorySource, key: str, *contents: bytes | None) -> None:
        for content in contents:
            if content is None:
                versioned.delete_object(key)
            else:
                versioned.put_object(key, content)

    def put_parts(key: str, parts: list[bytes]) -> None:
        checksum = Checksum(algorithm=Algorithm.SHA256, value=sha256_of_parts(parts), parts=len(parts))
        sizes = [len(part) for part in parts]
        source.put_object(key, b"".join(parts), has_crc64=False, checksums=[checksum], part_sizes=sizes)

    return Case(
        name="memory",
        source=source,
        put=put,
        put_parts=put_parts,
        delete=source.delete_object,
        elsewhere=elsewhere,
        make_versioned=make_versioned,
        put_versions=put_versions,
        read_url=source.read_url,
        finish_restores=source.finish_restores,
        put_encrypted=lambda key, content: source.put_object(key, content, key_sha256=CUSTOMER_KEY.sha256),
    )


def sha256_of_parts(parts: list[bytes]) -> bytes:
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).digest()


def read_by_http(url: str, span: Span) -> bytes:
    """Read a URL as a stranger does, with no header of ours but the range."""
    request = Request(url, headers={"Range": span.header})
    with urlopen(request, timeout=30) as answer:
        return answer.read()


def write_versions(client, bucket: str, key: str, contents: Sequence[bytes | None]) -> None:
    for content in contents:
        if content is None:
            client.delete_object(Bucket=bucket, Key=key)
        else:
            client.put_object(Bucket=bucket, Key=key, Body=content)


def s3_case(name: str, endpoint, stack: ExitStack) -> Case:
    client = boto3.client(
        "s3",
        endpoint_url=endpoint.endpoint_url,
        aws_access_key_id=endpoint.access_key,
        aws_secret_access_key=endpoint.secret_key,
        region_name=endpoint.region,
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )
    stack.enter_context(closing(client))
    bucket = f"contract-{uuid.uuid4().hex[:8]}"
    client.create_bucket(Bucket=bucket)

    def put(key: str, content: bytes, *, metadata=None, storage_class="STANDARD", **headers) -> None:
        tags, extras = headers.pop("tags", None), headers.pop("extras", {})
        headers |= {"expires": extras["expires"]} if extras else {}
        headers |= {"tagging": urlencode(tags)} if tags else {}
        names = {field: "".join(part.capitalize() for part in field.split("_")) for field in headers}
        client.put_object(
            Bucket=bucket,
            Key=key,
            Body=content,
            Metadata=metadata or {},
            StorageClass=storage_class,
            ChecksumAlgorithm="CRC64NVME",
            **{names[field]: value for field, value in headers.items()},
        )

    def put_encrypted(key: str, content: bytes) -> None:
        facts = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": b"k" * 32}
        client.put_object(Bucket=bucket, Key=key, Body=content, **facts)

    def elsewhere(
        *, bucket: str = bucket, secret: str = endpoint.secret_key, customer_key: CustomerKey | None = None
    ) -> Source:
        keys = AwsKeys(access_key=Secret(endpoint.access_key), secret_key=Secret(secret))
        spec = SourceSpec(bucket=bucket, endpoint_url=endpoint.endpoint_url, region=endpoint.region)
        return stack.enter_context(closing(S3Source(spec, keys, connections=8, customer_key=customer_key)))

    def delete(key: str) -> None:
        client.delete_object(Bucket=bucket, Key=key)

    buckets: dict[int, str] = {}

    def make_versioned(key: str, *contents: bytes) -> Source:
        other = f"{bucket}-{uuid.uuid4().hex[:8]}"
        client.create_bucket(Bucket=other)
        client.put_bucket_versioning(Bucket=other, VersioningConfiguration={"Status": "Enabled"})
        source = elsewhere(bucket=other)
        buckets[id(source)] = other
        put_versions(source, key, *(contents or (b"",)))
        return source

    def put_versions(source: Source, key: str, *contents: bytes | None) -> None:
        write_versions(client, buckets[id(source)], key, contents)

    def put_parts(key: str, parts: list[bytes]) -> None:
        place = {"Bucket": bucket, "Key": key}
        upload = client.create_multipart_upload(**place, ChecksumAlgorithm="SHA256")["UploadId"]
        done = []
        for number, part in enumerate(parts, 1):
            answer = client.upload_part(
                **place, UploadId=upload, PartNumber=number, Body=part, ChecksumAlgorithm="SHA256"
            )
            kept = {name: answer[name] for name in ("ETag", "ChecksumSHA256")}
            done.append({"PartNumber": number, **kept})
        client.complete_multipart_upload(**place, UploadId=upload, MultipartUpload={"Parts": done})

    return Case(
        name=name,
        source=elsewhere(),
        put=put,
        put_parts=put_parts,
        delete=delete,
        elsewhere=elsewhere,
        put_encrypted=put_encrypted,
        make_versioned=make_versioned,
        put_versions=put_versions,
        read_url=read_by_http,
    )


@pytest.fixture(scope="module", params=["memory", "seaweedfs", "moto"])
def store(request) -> Iterator[Case]:
    servers = {"seaweedfs": "s3_server", "moto": "moto_server"}
    with ExitStack() as stack:
        if request.param == "memory":
            yield memory_case()
        else:
            server = request.getfixturevalue(servers[request.param])
            yield s3_case(request.param, server.endpoint, stack)


@pytest.fixture
def case(store: Case) -> Case:
    return replace(store, prefix=f"{uuid.uuid4().hex[:8]}/")


def read(case: Case, obj: SourceObject) -> bytes:
    buffer = bytearray(obj.size_bytes)
    case.source.read_object(obj, memoryview(buffer))
    return bytes(buffer)


def read_span(case: Case, obj: SourceObject, offset: int, size_bytes: int) -> bytes:
    buffer = bytearray(size_bytes)
    case.source.read_range(obj, Span(offset=offset, size_bytes=size_bytes), memoryview(buffer))
    return bytes(buffer)


def test_probe_accepts_a_bucket_that_can_be_listed(case):
    assert case.source.probe(case.prefix) is None


def test_the_region_of_the_bucket_is_told(case):
    assert case.source.find_region() == "us-east-1"


def test_a_missing_bucket_is_said_to_be_missing(case):
    missing = case.elsewhere(bucket="no-such-bucket-here")
    with pytest.raises(StoreNotFound):
        missing.probe("")
    with pytest.raises(StoreNotFound):
        missing.list_page("")


def test_a_wrong_secret_is_denied_with_a_hint(case):
    case.leave_out_where_different("signatures")
    with pytest.raises(AccessDenied):
        case.elsewhere(secret="wrong").probe("")


def test_a_listed_object_says_size_etag_and_moment(case):
    obj = case.stored("one", b"12345")
    head = case.source.head(obj.key)
    assert (obj.size_bytes, obj.etag, obj.storage_class) == (5, head.etag, "STANDARD")
    assert obj.etag.strip('"') == obj.etag != ""
    assert obj.modified_at.tzinfo is UTC
    assert abs(obj.modified_at - head.modified_at) < timedelta(seconds=2)


def test_pages_hold_each_key_once(case):
    names = [f"{i:02d}" for i in range(7)]
    for name in names:
        case.put(case.key(name), b"x")
    keys, token = [], ""
    while True:
        page = case.source.list_page(case.prefix, token=token, limit=3)
        assert len(page.objects) <= 3
        keys += [obj.key for obj in page.objects]
        token = page.token
        if not token:
            break
    assert keys == [case.key(name) for name in names]


def test_an_empty_prefix_has_one_empty_page(case):
    page = case.source.list_page(case.key("nothing"))
    assert (page.objects, page.token) == ((), "")


def test_only_keys_above_after_are_listed(case):
    for name in ("a", "b", "c"):
        case.put(case.key(name), b"x")
    page = case.source.list_page(case.prefix, after=case.key("a"))
    assert [obj.key for obj in page.objects] == [case.key("b"), case.key("c")]


def test_a_key_is_found_behind_all_that_begin_alike(case):
    for name in ("a1", "a2", "b1", "\u4e2d"):
        case.put(case.key(name), b"x")
    first = [
        case.source.list_page(case.prefix, after=case.key(f"{name}{LAST_CHARACTER}"), limit=1).objects
        for name in ("a1", "a", "b", "z", "\u4e2d")
    ]
    assert [[obj.key for obj in found] for found in first] == [
        [case.key("a2")],
        [case.key("b1")],
        [case.key("\u4e2d")],
        [case.key("\u4e2d")],
        [],
    ]


def test_keys_come_in_byte_order(case):
    case.leave_out_where_different("byte_order")
    names = ["a/c", "a.b", "a0", "a-b", "ä", "a/b", "z"]
    for name in names:
        case.put(case.key(name), b"x")
    keys = [obj.key for obj in case.source.list_page(case.prefix).objects]
    assert keys == sorted((case.key(name) for name in names), key=str.encode)


@pytest.mark.parametrize("name", PLAIN_KEYS)
def test_any_key_is_listed_and_read(case, name):
    obj = case.stored(name, name.encode())
    assert read(case, obj) == name.encode()
    assert case.source.head(obj.key).etag == obj.etag


@pytest.mark.parametrize("name", HARD_KEYS)
def test_a_key_is_never_taken_for_a_path(case, name):
    case.leave_out_where_different("any_key")
    obj = case.stored(name, name.encode())
    assert read(case, obj) == name.encode()


def test_reading_returns_headers_metadata_and_checksum(case):
    headers = {
        "content_type": "text/css",
        "content_encoding": "gzip",
        "content_language": "de",
        "content_disposition": 'attachment; filename="a.css"',
        "cache_control": "max-age=60",
    }
    obj = case.stored("styled", b"body", metadata={"Colour": "blue"}, **headers)
    head = case.source.read_object(obj, memoryview(bytearray(4)))
    assert head.headers == ContentHeaders(**headers)
    assert head.metadata == {"colour": "blue"}
    assert head.crc64 == crc64.crc64(b"body")
    assert (head.size_bytes, head.etag) == (4, obj.etag)


def test_head_says_what_reading_says(case):
    obj = case.stored("both", b"body", metadata={"a": "b"}, content_type="text/plain")
    assert case.source.head(obj.key) == case.source.read_object(obj, memoryview(bytearray(4)))


TAGS = {"stage": "raw data", "who": "dana@example.com", "größe": "1+1=2"}


def test_tags_are_counted_with_the_object_and_read_by_themselves(case):
    obj = case.stored("tagged", b"x", tags=TAGS)
    assert case.source.head(obj.key).tag_count == 3
    assert case.source.read_object(obj, memoryview(bytearray(1))).tag_count == 3
    assert case.source.read_tags(obj) == TAGS


def test_an_object_without_tags_has_none(case):
    obj = case.stored("untagged", b"x")
    assert case.source.head(obj.key).tag_count == 0
    assert case.source.read_tags(obj) == {}


def test_the_tags_of_a_deleted_object_are_not_found(case):
    obj = case.stored("gone", b"x", tags={"a": "b"})
    case.delete(obj.key)
    with pytest.raises(ObjectNotFound):
        case.source.read_tags(obj)


def test_headers_that_azure_has_no_place_for_are_read(case):
    moment = "Sun, 06 Nov 1994 08:49:37 GMT"
    obj = case.stored("expiring", b"x", extras={"expires": moment})
    assert case.source.head(obj.key).extras == {"expires": moment}


def test_metadata_that_was_not_ascii_is_decoded(case):
    encoded = f"=?UTF-8?B?{base64.b64encode('größe'.encode()).decode()}?="
    if case.name == "memory":
        encoded = "größe"
    obj = case.stored("unicode", b"x", metadata={"size": encoded})
    assert case.source.head(obj.key).metadata == {"size": "größe"}


def test_an_object_of_one_request_says_its_md5(case):
    if case.name == "memory":
        pytest.skip("the twin says what a test puts there")
    head = case.source.head(case.stored("single", b"body").key)
    md5 = hashlib.md5(b"body", usedforsecurity=False).digest()
    assert Checksum(algorithm=Algorithm.MD5, value=md5) in head.checksums


def test_an_object_of_parts_says_their_checksum_and_how_long_they_are(case):
    case.leave_out_where_different("parts")
    parts = [b"a" * (5 * MIB), b"b" * (6 * MIB), b"c"]
    case.put_parts(case.key("parts"), parts)
    obj = case.listed()[case.key("parts")]
    head = case.source.head(obj.key)
    assert head.checksums == (Checksum(algorithm=Algorithm.SHA256, value=sha256_of_parts(parts), parts=3),)
    assert [case.source.part_size(obj, number) for number in (1, 2, 3)] == [5 * MIB, 6 * MIB, 1]


def test_a_part_of_a_changed_object_is_not_looked_at(case):
    obj = case.stored("changing", b"before")
    case.put(obj.key, b"behind")
    with pytest.raises(SourceChanged):
        case.source.part_size(obj, 1)


def test_an_empty_object_is_read(case):
    obj = case.stored("empty")
    head = case.source.read_object(obj, memoryview(bytearray()))
    assert (head.size_bytes, head.crc64) == (0, 0)


def test_a_large_object_is_read_whole(case):
    content = bytes(range(256)) * 20_000
    assert read(case, case.stored("large", content)) == content


@pytest.mark.parametrize(("offset", "size_bytes"), [(0, 1), (0, 10), (3, 4), (9, 1)])
def test_a_range_is_read_exactly(case, offset, size_bytes):
    obj = case.stored("digits", b"0123456789")
    assert read_span(case, obj, offset, size_bytes) == b"0123456789"[offset : offset + size_bytes]


def test_a_changed_object_is_not_read(case):
    obj = case.stored("changing", b"before")
    case.put(obj.key, b"behind")
    with pytest.raises(SourceChanged):
        read(case, obj)
    with pytest.raises(SourceChanged):
        read_span(case, obj, 1, 2)


def test_a_deleted_object_is_not_found(case):
    obj = case.stored("gone", b"x")
    case.delete(obj.key)
    with pytest.raises(ObjectNotFound):
        read(case, obj)
    with pytest.raises(ObjectNotFound):
        read_span(case, obj, 0, 1)
    with pytest.raises(ObjectNotFound):
        case.source.head(obj.key)


def test_head_dates_an_object_as_its_listing_does(case):
    obj = case.stored("dated", b"1")
    assert abs(case.source.head(obj.key).modified_at - obj.modified_at) < timedelta(seconds=1)


@pytest.mark.parametrize("name", ["plain", "a b+c%", "ü/ö?x#y&z=1"])
def test_an_object_is_deleted_if_it_is_still_the_one(case, name):
    obj, other = case.stored(name, b"1"), case.stored("other", b"2")
    assert case.source.delete(obj.key, etag=obj.etag) is False
    assert set(case.listed()) == {other.key}


def test_a_changed_object_is_not_deleted(case):
    old = case.stored("k", b"old")
    case.put(old.key, b"new")
    with pytest.raises(SourceChanged):
        case.source.delete(old.key, etag=old.etag)
    assert old.key in case.listed()


def test_an_object_that_is_gone_cannot_be_deleted(case):
    obj = case.stored("k", b"1")
    case.delete(obj.key)
    with pytest.raises((ObjectNotFound, SourceChanged)):
        case.source.delete(obj.key, etag=obj.etag)


def test_a_bucket_that_keeps_no_versions_says_so(case):
    assert case.source.is_versioned() is False


def test_deleting_where_versions_are_kept_leaves_a_marker(case):
    source = case.make_versioned("k")
    assert source.is_versioned() is True
    (obj,) = source.list_page("").objects
    assert source.delete("k", etag=obj.etag) is True
    assert source.list_page("").objects == ()
    with pytest.raises(ObjectNotFound):
        source.head("k")


def list_versions(source: Source, prefix: str = "", limit: int = 1000) -> list[SourceObject]:
    found, token = [], ""
    while True:
        page = source.list_versions(prefix, token=token, limit=limit)
        assert len(page.objects) <= limit
        found += page.objects
        token = page.token
        if not token:
            return found


def versioned(case: Case) -> Source:
    """Return a bucket whose keys have three versions, two, and one that is deleted."""
    source = case.make_versioned("k", b"1", b"22", b"333")
    case.put_versions(source, "other ü+%/x", b"a", b"b")
    case.put_versions(source, "gone", b"g", None)
    return source


@pytest.mark.parametrize("limit", [1, 2, 1000])
def test_all_versions_are_listed_once_newest_first_with_the_markers(case, limit):
    source = versioned(case)
    found = list_versions(source, limit=limit)
    assert len({(obj.key, obj.version_id) for obj in found}) == len(found) == 7
    held = [(obj.size_bytes, obj.is_latest, obj.is_delete_marker) for obj in found if obj.key == "k"]
    assert held == [(3, True, False), (2, False, False), (1, False, False)]
    gone = {(obj.size_bytes, obj.is_latest, obj.is_delete_marker) for obj in found if obj.key == "gone"}
    assert gone == {(0, True, True), (1, False, False)}
    assert sum(obj.key == "other ü+%/x" for obj in found) == 2


def test_versions_are_listed_under_a_prefix_alone(case):
    source = versioned(case)
    assert {obj.key for obj in list_versions(source, "other")} == {"other ü+%/x"}
    assert list_versions(source, "nothing") == []


def test_each_version_is_looked_at_and_read_by_its_id(case):
    source = versioned(case)
    for obj in list_versions(source, "k"):
        into = bytearray(obj.size_bytes)
        assert source.read_object(obj, memoryview(into)).etag == obj.etag
        assert bytes(into) == str(obj.size_bytes).encode() * obj.size_bytes
        head = source.head("k", version_id=obj.version_id)
        assert (head.etag, head.size_bytes, head.version_id) == (obj.etag, obj.size_bytes, obj.version_id)


def test_a_version_that_is_not_there_is_not_found(case):
    source = versioned(case)
    (marker,) = [obj for obj in list_versions(source, "gone") if obj.is_delete_marker]
    with pytest.raises((ObjectNotFound, RequestRefused)):
        source.head("gone", version_id=marker.version_id)


def test_what_never_had_versions_has_the_version_null(case):
    obj = case.stored("plain", b"12345")
    (only,) = list_versions(case.source, case.key("plain"))
    assert only == replace(obj, version_id="null")
    assert read(case, only) == b"12345"
    case.leave_out_where_different("null_version")
    assert case.source.head(only.key, version_id="null").etag == obj.etag


def test_an_object_of_another_length_is_never_accepted(case):
    obj = case.stored("longer", b"12345")
    for size_bytes in (4, 6):
        with pytest.raises(IntegrityError):
            case.source.read_object(obj, memoryview(bytearray(size_bytes)))


def test_an_archived_object_must_be_restored_first(case):
    case.leave_out_where_different("archive")
    obj = case.stored("cold", b"x", storage_class="GLACIER")
    assert obj.storage_class == "GLACIER"
    with pytest.raises(ObjectArchived):
        read(case, obj)


def test_a_closed_source_can_be_used_again(case):
    obj = case.stored("again", b"x")
    case.source.close()
    assert read(case, obj) == b"x"


def test_many_threads_share_one_source(case):
    objects = [case.stored(f"{i}", bytes([i]) * 1000) for i in range(12)]
    with ThreadPoolExecutor(12) as pool:
        contents = list(pool.map(lambda obj: read(case, obj), objects * 3))
    assert contents == [bytes([i]) * 1000 for i in range(12)] * 3


@pytest.mark.parametrize("name", ["plain", "a b+c%", "ü/ö?x#y&z=1", "tilde~'()"])
def test_a_signed_url_reads_a_span_and_needs_nothing_else(case, name):
    obj = case.stored(name, b"0123456789")
    assert case.read_url(case.source.presign(obj), Span(offset=2, size_bytes=3)) == b"234"


def test_errors_name_no_key_and_no_secret(case):
    obj = case.stored("private-name", b"x")
    case.delete(obj.key)
    with pytest.raises(ObjectNotFound) as caught:
        read(case, obj)
    said = f"{caught.value} {caught.value.hint}"
    assert "private-name" not in said
    assert "ignature" not in said


def test_a_moment_is_in_the_past(case):
    obj = case.stored("now", b"x")
    assert obj.modified_at <= datetime.now(UTC) + timedelta(seconds=5)


CUSTOMER_KEY = parse_customer_key(b"k" * 32, "the test")


def test_an_object_is_read_with_its_owners_key_and_not_without(case):
    case.leave_out_where_different("customer_keys")
    case.put_encrypted(case.key("secret"), b"secret")
    case.put(case.key("plain"), b"plain")
    keyed = case.elsewhere(customer_key=CUSTOMER_KEY)
    for obj in case.listed().values():
        into = bytearray(obj.size_bytes)
        assert keyed.head(obj.key).size_bytes == obj.size_bytes
        keyed.read_object(obj, memoryview(into))
        keyed.read_range(obj, Span(offset=1, size_bytes=2), memoryview(into)[1:3])
        assert bytes(into) == obj.key.removeprefix(case.prefix).encode()
    with pytest.raises(KeyMismatch):
        read(case, case.listed()[case.key("secret")])


def test_an_archived_object_can_be_restored_and_then_read(case):
    case.leave_out_where_different("archive")
    obj = case.stored("cold", b"cold", storage_class="GLACIER")
    with pytest.raises(ObjectArchived):
        read(case, obj)
    case.source.request_restore(obj, tier="Bulk", days=1)
    case.source.request_restore(obj, tier="Bulk", days=1)
    case.finish_restores()
    assert read(case, obj) == b"cold"
    with pytest.raises(ObjectArchived):
        case.source.request_restore(case.stored("warm", b"x"), tier="Bulk", days=1)
