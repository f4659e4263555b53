"""All that a bucket can hold, copied over real HTTP by a fleet, and read back by two that share no code with it.

Each row is an object: its key, what it has beside its bytes, and what becomes of it. Azure's own client reads every
blob; rclone reads both sides, byte by byte. The source is moto, since no other server here holds such keys; the
keys that not even moto holds come from a server of the tests' own.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.header import decode_header, make_header
from typing import Any

import boto3
import pytest
from botocore.config import Config

from awcopy.demo.servers import S3Endpoint, S3Server
from awcopy.demo.verify import rclone_environment, rclone_path
from awcopy.units import MIB
from tests.acceptance.any_key_s3 import serve_any_keys
from tests.acceptance.conftest import LIMIT_S, Place
from tests.acceptance.test_names import ALIASES, ELSEWHERE, NOT_XML, TOO_DEEP, UNUSUAL, content_of

pytestmark = pytest.mark.timeout(900)  # for hangs

BUCKET = "what-arrives"
# What a key becomes under --names encode, where that is not the key itself.
ENCODED = {
    "./k": "%2E/k", "../k": "%2E%2E/k", "a/./b": "a/%2E/b", "a/../b": "a/%2E%2E/b", "a./b": "a%2E/b",
    "a\\b": "a%5Cb", "C:\\dir\\file": "C:%5Cdir%5Cfile", "trailing.": "trailing%2E", "trailing..": "trailing%2E%2E",
    ".": "%2E", "..": "%2E%2E", "...": "%2E%2E%2E", "ctl\x01": "ctl%01", "del\x7f": "del%7F", "c1\x85": "c1%C2%85",
    "non\ufffe": "non%EF%BF%BE", "non\uffff": "non%EF%BF%BF", "tab\there": "tab%09here", "p\\large": "p%5Clarge",
    "new\nline": "new%0Aline", "cr\r\nx-ms-evil: 1": "cr%0D%0Ax-ms-evil: 1", "nul\0": "nul%00",
}  # fmt: skip
# These are good names, and only look as if they had been encoded.
LOOK_ENCODED = {
    "%2E/k": "%252E/k", "a%5Cb": "a%255Cb", "trailing%2E": "trailing%252E", "trailing%252E": "trailing%25252E",
    "100%25": "100%2525",
}  # fmt: skip
ZIPPED = gzip.compress(b"zipped" * 100, mtime=0)
# Objects that rclone cannot be shown under their own names, and why. Their bytes are compared by their hashes.
UNSEEN = {"%2E/k": "moto lists the folder %2E/ as ./"}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One object, and what Azure's client finds; what is None is not looked at."""

    key: str
    content: bytes
    put: Mapping[str, Any] = field(default_factory=dict)
    skipped: str = ""  # the reason, if it is not copied
    failed: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)  # the user's own
    headers: Mapping[str, str] = field(default_factory=dict)  # by the client's names
    tags: Mapping[str, str] = field(default_factory=dict)
    tier: str = "Hot"
    notices: tuple[str, ...] = ()


def row(key: str, content: bytes | None = None, **facts: Any) -> Row:
    return Row(key=key, content=content_of(key) if content is None else content, **facts)


@dataclass(frozen=True, kw_only=True)
class Said:
    """An object of which a server says what it likes; expected is what a reader makes of the blob's words."""

    key: str
    content: bytes
    said: Sequence[tuple[str, bytes]]
    headers: Mapping[str, str | None] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    odd_headers: int = 0  # that Azure does not take as they are
    odd: int = 0  # the same of names of metadata
    missing: int = 0
    too_much: bool = False

    def notices(self, policy: str) -> list[str]:
        done = "renamed" if policy == "rename" else "excluded"
        counts = {
            f"headers_{done}": self.odd_headers,
            f"metadata_{done}": self.odd,
            "metadata_missing": self.missing,
        }
        return [f"{name}: {count}" for name, count in counts.items() if count]

    def reason(self, policy: str) -> str:
        """Return why it is not copied; nothing if it is."""
        is_odd = bool(self.odd_headers or self.odd or self.missing)
        refused = (policy == "fail" and is_odd) or (policy == "rename" and self.too_much)
        return "metadata_not_allowed" if refused else ""


def said(key: str, told: Sequence[tuple[str, bytes]], content: bytes | None = None, **facts: Any) -> Said:
    return Said(key=key, content=content_of(key) if content is None else content, said=told, **facts)


NAMES = (
    *map(row, (*ALIASES, *UNUSUAL, *NOT_XML, "tab\there", "/".join("s" * 254))),
    row(TOO_DEEP, failed="name_not_allowed"),
    row("/".join("t" * 255), failed="name_not_allowed"),
)
SIZES = (
    row("sizes/none", b""),
    row("sizes/one block", bytes(MIB)),
    row("sizes/two blocks", bytes(2 * MIB)),
    row("sizes/three blocks", bytes(2 * MIB + 1)),
    row("p\\large", b"odd" * MIB),
    row("marker/", b"", skipped="folder_marker"),
    row("folder with content/", b"x"),
)
METADATA = (
    row("meta/plain", put={"Metadata": {"owner": "dana"}}, metadata={"owner": "dana"}),
    row(
        "meta/names",
        put={"Metadata": {"content-sha": "abc", "1st": "one", "awcopy_etag": "mine", "a.b": "c"}},
        metadata={"content_x2d_sha": "abc", "_x31_st": "one", "_x61_wcopy_etag": "mine", "a_x2e_b": "c"},
        notices=("metadata_renamed: 4",),
    ),
    row(
        "meta/values",
        put={"Metadata": {"city": "=?UTF-8?B?S8O2bG4=?=", "spaced": "a  b", "long": "v" * 1500}},
        metadata={"city": "=?UTF-8?B?S8O2bG4=?=", "spaced": "a  b", "long": "v" * 1500},
    ),
    row(
        "meta/large",
        b"large" * MIB,
        put={"Metadata": {"owner": "dana", "a-b": "c"}},
        metadata={"owner": "dana", "a_x2d_b": "c"},
        notices=("metadata_renamed: 1",),
    ),
)
HEADERS = (
    row("head/type", put={"ContentType": "text/csv"}, headers={"content_type": "text/csv"}),
    row("head/gzip", ZIPPED, put={"ContentEncoding": "gzip"}, headers={"content_encoding": "gzip"}),
    row("head/.vhd", put={"ContentType": "image/x"}, headers={"content_type": "image/x"}),
    row(
        "head/all",
        put={
            "ContentLanguage": "de, en",
            "ContentDisposition": "attachment; filename*=UTF-8''gr%C3%B6%C3%9Fe.csv",
            "CacheControl": "no-store",
        },
        headers={
            "content_language": "de, en",
            "content_disposition": "attachment; filename*=UTF-8''gr%C3%B6%C3%9Fe.csv",
            "cache_control": "no-store",
        },
    ),
    row(
        "head/expires",
        put={"Expires": datetime(2030, 1, 2, tzinfo=UTC)},
        metadata={"awcopy_expires": "Wed, 02 Jan 2030 00:00:00 GMT"},
        notices=("headers_renamed: 1",),
    ),
    row(
        "head/redirect",
        put={"WebsiteRedirectLocation": "/elsewhere?a=b#c"},
        metadata={"awcopy_website_redirect": "/elsewhere?a=b#c"},
        notices=("headers_renamed: 1",),
    ),
)
# What S3 says of an object, byte by byte, and what Azure's client finds; with moto these cannot be said. The server
# lists no folders.
SAID = (
    said("zip chunked", [("Content-Encoding", b"aws-chunked")], headers={"content_encoding": None}),
    said(
        "zip both",
        [("Content-Encoding", b"gzip,aws-chunked")],
        content=ZIPPED,
        headers={"content_encoding": "gzip"},
    ),
    said(
        "head utf-8",
        [("Content-Disposition", 'attachment; filename="größe.csv"'.encode()), ("Content-Type", b"text/csv")],
        headers={"content_disposition": 'attachment; filename="größe.csv"', "content_type": "text/csv"},
        odd_headers=1,
    ),
    said(
        "head latin-1",
        [("Content-Language", "français".encode("latin-1"))],
        headers={"content_language": "français"},
        odd_headers=1,
    ),
    said(
        "head encoded",
        [("Cache-Control", b"=?UTF-8?Q?gr=C3=B6=C3=9Fe?=")],
        headers={"cache_control": "größe"},
        odd_headers=1,
    ),
    said(
        "head redirect",
        [("x-amz-website-redirect-location", "/größe".encode()), ("Expires", b"never")],
        metadata={"awcopy_website_redirect": "/größe", "awcopy_expires": "never"},
        odd_headers=2,
    ),
    # As Amazon says what was sent as UTF-8; as others do; what only looks so; what is no text; nothing at all.
    said("meta amazon", [("x-amz-meta-city", b"=?UTF-8?B?S8O2bG4=?=")], metadata={"city": "Köln"}),
    said("meta utf-8", [("x-amz-meta-city", "Köln, 日本".encode())], metadata={"city": "Köln, 日本"}),
    said("meta latin-1", [("x-amz-meta-city", "Köln".encode("latin-1"))], metadata={"city": "Köln"}),
    said("meta looks", [("x-amz-meta-city", b"=?UTF-8?B?%%%?= x")], metadata={"city": "=?UTF-8?B?%%%?= x"}),
    said("meta control", [("x-amz-meta-city", b"a\tb\x01\x7f")], metadata={"city": "a\tb\x01\x7f"}),
    said("meta empty", [("x-amz-meta-city", b"")], metadata={"city": ""}),
    said("meta twice", [("x-amz-meta-City", b"a"), ("x-amz-meta-city", b"b")], metadata={"city": "a, b"}),
    said(
        "meta odd",
        [("x-amz-meta-a-b", b"c"), ("x-amz-meta-d", b"e")],
        metadata={"a_x2d_b": "c", "d": "e"},
        odd=1,
    ),
    said(
        "meta missing", [("x-amz-missing-meta", b"2"), ("x-amz-meta-d", b"e")], metadata={"d": "e"}, missing=2
    ),
    said("meta too much", [("x-amz-meta-" + "-" * 1900, b"x")], odd=1, too_much=True),
)
TAGS = (
    row("tags/plain", put={"Tagging": "stage=raw%20data"}, tags={"stage": "raw data"}),
    row(
        "tags/ten",
        put={"Tagging": "&".join(f"k{n}=v{n}" for n in range(10))},
        tags={f"k{n}": f"v{n}" for n in range(10)},
    ),
    row(
        "tags/odd",
        put={"Tagging": "who=dana%40example.com&gr%C3%B6%C3%9Fe=1"},
        tags={"who": "dana_x40_example.com", "gr_xf6__xdf_e": "1"},
        notices=("tags_renamed: 2",),
    ),
)  # fmt: skip
TIERS = (
    row("tiers/STANDARD_IA", put={"StorageClass": "STANDARD_IA"}, tier="Cool"),
    row("tiers/ONEZONE_IA", put={"StorageClass": "ONEZONE_IA"}, tier="Cool"),
    row("tiers/GLACIER_IR", put={"StorageClass": "GLACIER_IR"}, tier="Cold"),
    row("tiers/INTELLIGENT_TIERING", put={"StorageClass": "INTELLIGENT_TIERING"}),
    row("tiers/GLACIER", put={"StorageClass": "GLACIER"}, skipped="archived"),
    row("tiers/DEEP_ARCHIVE", put={"StorageClass": "DEEP_ARCHIVE"}, skipped="archived"),
)
ROWS = {one.key: one for one in (*NAMES, *SIZES, *METADATA, *HEADERS, *TAGS, *TIERS)}


@dataclass(frozen=True, kw_only=True)
class Found:
    """A blob, as Azure's client reads it."""

    content: bytes
    metadata: Mapping[str, str]
    headers: Mapping[str, str]
    tags: Mapping[str, str]
    tier: str


@pytest.fixture(scope="module")
def source(moto_server: S3Server) -> tuple[S3Endpoint, set[str]]:
    """The bucket's server, and the keys that it lists: all of the table's."""
    endpoint = moto_server.endpoint
    client = boto3.client(
        "s3",
        endpoint_url=endpoint.endpoint_url,
        aws_access_key_id=endpoint.access_key,
        aws_secret_access_key=endpoint.secret_key,
        region_name=endpoint.region,
        config=Config(s3={"addressing_style": "path"}),
    )
    client.create_bucket(Bucket=BUCKET)
    for one in ROWS.values():
        client.put_object(Bucket=BUCKET, Key=one.key, Body=one.content, **one.put)
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    listed = {entry["Key"] for page in pages for entry in page["Contents"]}
    client.close()
    assert listed == set(ROWS)
    return endpoint, listed


def copy(
    place: Place, url: str, container: str, policy: str, *options: str
) -> tuple[subprocess.CompletedProcess[str], dict[str, dict[str, Any]]]:
    """Copy the bucket on the fleet; return how the command ended, and the report by key."""
    done = place.awcopy(
        "copy", f"s3://{BUCKET}", f"az://{place.servers.sink.account}/{container}", "--create-container",
        "--endpoint-url", url, "--names", policy, "--block-size", "1M", "-o", "json", *options,
    )  # fmt: skip
    assert done.stdout, done.stderr
    lines = place.report(json.loads(done.stdout)["id"])
    by_key = {line["key"]: line for line in lines}
    assert len(by_key) == len(lines), "a key has two outcomes"
    return done, by_key


def read_container(place: Place, container: str) -> dict[str, Found]:
    client = place.blobs.get_container_client(container)
    found = {}
    for listed in client.list_blobs():
        blob = client.get_blob_client(listed.name)
        facts = blob.get_blob_properties()
        found[listed.name] = Found(
            content=blob.download_blob(decompress=False).readall(),
            metadata=facts.metadata,
            headers=dict(facts.content_settings),
            tags=blob.get_blob_tags() or {},
            tier=facts.blob_tier,
        )
    return found


def rclone(place: Place, source: S3Endpoint, *arguments: str) -> list[str]:
    """Return the lines that rclone prints, with no name rewritten that it can do without."""
    asked = {"PROVIDER": "Other", "ENCODING": "None", "LIST_URL_ENCODE": "true"}
    done = subprocess.run(
        [rclone_path(), *arguments],
        env={
            **rclone_environment(source, place.servers.sink),
            **{f"RCLONE_CONFIG_SRC_{name}": value for name, value in asked.items()},
            "RCLONE_CONFIG_DST_ENCODING": "None",
        },
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    return done.stdout.split("\n")[:-1]  # some names hold what else ends a line


def rclone_finds_the_same(place: Place, source: S3Endpoint, container: str) -> set[str]:
    """Return the names under which rclone reads the same bytes on both sides."""
    # What it cannot read of such a server it would try again for two minutes.
    lines = rclone(
        place, source, "check", "--download", "--no-unicode-normalization", "--low-level-retries", "1",
        "--combined", "-", f"src:{BUCKET}", f"dst:{container}",
    )  # fmt: skip
    return {line[2:] for line in lines if line.startswith("= ")}


def rclone_hashes(place: Place, source: S3Endpoint, path: str) -> dict[str, str]:
    """Return the SHA-256 of the bytes that rclone reads under each name."""
    lines = rclone(place, source, "hashsum", "SHA256", "--download", path)
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def assert_nothing_is_lost(
    listed: set[str],
    lines: Mapping[str, Mapping[str, Any]],
    found: Mapping[str, bytes],
    contents: Mapping[str, bytes],
) -> None:
    """Assert that whatever has not arrived as it was, under its own name, has an outcome that says so."""
    assert set(lines) == listed
    arrived = {key for key in listed if lines[key]["outcome"] == "copied" and lines[key]["blob"] == key}
    for key in arrived:
        assert found[key] == contents[key], key
    for key in listed - arrived:
        line = lines[key]
        if line["outcome"] == "copied":
            assert "name_encoded" in line["notices"], key
            assert found[line["blob"]] == contents[key], key
        else:
            assert (line["outcome"], bool(line["reason"])) in {("failed", True), ("skipped", True)}, key
    blobs = [line["blob"] for line in lines.values() if line["outcome"] == "copied"]
    assert sorted(blobs) == sorted(found), "a blob that is nobody's, or one of two"


def expected_outcome(one: Row, policy: str) -> tuple[str, str, str]:
    """Return outcome, reason and blob of a row."""
    if one.skipped:
        return "skipped", one.skipped, ""
    if one.failed or (policy == "fail" and one.key in ENCODED):
        return "failed", one.failed or "name_not_allowed", ""
    names = {**ENCODED, **LOOK_ENCODED} if policy == "encode" else {}
    return "copied", "", names.get(one.key, one.key)


@pytest.mark.parametrize("policy", ["fail", "encode"])
def test_what_a_bucket_can_hold_arrives_or_is_told(
    place: Place, source: tuple[S3Endpoint, set[str]], policy: str
) -> None:
    endpoint, listed = source
    container = f"what-arrives-{policy}"
    done, lines = copy(place, endpoint.endpoint_url, container, policy, "--tags", "--tier", "auto")
    assert done.returncode == 3  # two names are too deep for any policy
    found = read_container(place, container)
    contents = {key: one.content for key, one in ROWS.items()}
    assert_nothing_is_lost(listed, lines, {name: one.content for name, one in found.items()}, contents)
    for key, one in ROWS.items():
        outcome, reason, blob = expected_outcome(one, policy)
        line = lines[key]
        assert (line["outcome"], line["reason"]) == (outcome, reason), key
        if outcome == "copied":
            assert line["blob"] == blob
            assert_row(one, line, found[blob])
    # rclone, byte by byte: by check where both sides have one name, and every blob by its hash.
    copied = {line["blob"]: key for key, line in lines.items() if line["outcome"] == "copied"}
    own = {blob for blob, key in copied.items() if blob == key}
    assert rclone_finds_the_same(place, endpoint, container) & own == own - set(UNSEEN)
    hashes = rclone_hashes(place, endpoint, f"dst:{container}")
    assert hashes == {blob: sha256(contents[key]) for blob, key in copied.items()}


def assert_row(one: Row, line: Mapping[str, Any], found: Found) -> None:
    """Assert that a blob has all that its object had, and that the report tells what is otherwise."""
    named = ("name_encoded",) if line["blob"] != one.key else ()
    assert sorted(line["notices"]) == sorted((*one.notices, *named, f"tier: {one.tier}")), one.key
    kept = {name: value for name, value in found.metadata.items() if name in one.metadata}
    others = {name for name in found.metadata if not name.startswith("awcopy_")}
    assert (kept, others - set(one.metadata)) == (dict(one.metadata), set()), one.key
    assert found.headers.items() >= one.headers.items(), one.key
    assert (found.tags, found.tier) == (one.tags, one.tier), one.key
    assert found.metadata["awcopy_crc64"] == line["crc64"]


def plain(text: str | None) -> str | None:
    """Return what a reader of mail makes of a header: words of RFC 2047 are decoded."""
    return text and str(make_header(decode_header(text)))


@pytest.mark.parametrize("policy", ["rename", "exclude", "fail"])
def test_what_a_server_says_of_an_object_arrives_or_is_told(place: Place, policy: str) -> None:
    rows = {one.key: one for one in SAID}
    contents = {key: one.content for key, one in rows.items()}
    container = f"said-{policy}"
    held = {key.encode(): content for key, content in contents.items()}
    with serve_any_keys(BUCKET, held, {key.encode(): one.said for key, one in rows.items()}) as url:
        endpoint = S3Endpoint(endpoint_url=url, access_key="any", secret_key="any", region="us-east-1")
        done, lines = copy(place, url, container, "fail", "--metadata", policy)
        same = rclone_finds_the_same(place, endpoint, container)
    found = read_container(place, container)
    assert_nothing_is_lost(set(rows), lines, {name: one.content for name, one in found.items()}, contents)
    refused = {key: reason for key, one in rows.items() if (reason := one.reason(policy))}
    assert {key: line["reason"] for key, line in lines.items() if line["reason"]} == refused
    copied = set(rows) - set(refused)
    assert (same, set(found)) == (copied - {"meta control"}, copied)  # Go's client takes no such header
    assert done.returncode == (3 if refused else 0)
    for key, blob in found.items():
        one = rows[key]
        assert sorted(lines[key]["notices"]) == sorted(one.notices(policy)), key
        if policy == "exclude" and (one.odd_headers or one.odd):
            assert not {*one.metadata} - {"d"} & {*blob.metadata}, key
            continue
        assert {name: plain(blob.headers[name]) for name in one.headers} == one.headers, key
        assert {name: plain(blob.metadata[name]) for name in one.metadata} == one.metadata, key
        said_here = [*blob.metadata.values(), *(blob.headers[name] or "" for name in one.headers)]
        assert all(text.isascii() for text in said_here), key


@pytest.mark.parametrize("policy", ["fail", "encode"])
def test_keys_that_only_other_servers_hold_arrive_or_are_told(place: Place, policy: str) -> None:
    contents = {key.decode("utf-8", "surrogateescape"): content_of(key) for key in ELSEWHERE}
    container = f"elsewhere-{policy}"
    with serve_any_keys(BUCKET, {key: content_of(key) for key in ELSEWHERE}) as url:
        endpoint = S3Endpoint(endpoint_url=url, access_key="any", secret_key="any", region="us-east-1")
        done, lines = copy(place, url, container, policy)
        found = {name: one.content for name, one in read_container(place, container).items()}
        assert_nothing_is_lost(set(contents), lines, found, contents)
        copied = {line["blob"]: key for key, line in lines.items() if line["outcome"] == "copied"}
        assert rclone_hashes(place, endpoint, f"dst:{container}") == {
            blob: sha256(contents[key]) for blob, key in copied.items()
        }
        assert rclone_finds_the_same(place, endpoint, container) >= {"\ufffd"}
    assert done.returncode == 3
    not_utf8 = {key for key in contents if key.startswith("bad")}
    expected = {"\ufffd": "\ufffd"}
    if policy == "encode":
        expected |= {ENCODED[key]: key for key in set(contents) - not_utf8 - {"\ufffd"}}
    assert copied == expected
