"""Every odd key arrives under its own name or under one that tells it back, or has an outcome with a reason."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import boto3
import pytest
from botocore.config import Config

from awcopy.demo.servers import S3Server
from awcopy.planning.naming import decode_blob_name
from tests.acceptance.any_key_s3 import serve_any_keys
from tests.acceptance.conftest import Place
from tests.faults.http_proxy import Fault, HttpProxy, Op, refuse

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient

BUCKET = "odd-names"
# Each stands beside the key that Azure would take it for.
ALIASES = (
    "k", "./k", "../k", "%2E/k", ".%2Fk", "b", "a/b", "a/./b", "a/../b", "a./b", "a\\b", "a%5Cb",
    "trailing", "trailing.", "trailing..", "trailing%2E", "trailing%252E", ".", "..", "...",
)  # fmt: skip
UNUSUAL = (
    "a//b", "//a", "/lead", "folder/", "a%2Fb", "a%2fb", "100%", "100%25", "a+b", "a b", " lead", "trail ",
    "q?x=1&y", "h#i", "it's \"quoted\"", "<tag>&amp;", "=?UTF-8?B?YQ==?=", "C:\\dir\\file", "a:b|c*d",
    "caf\u00e9", "cafe\u0301", "😀/日本語", "\u202egpj.exe", "\u2028", "\ue000", "Case", "case", "~;,@!$'()[]{}^`",
    "x" * 1024, "é" * 512, "s/" * 126 + "s" * 200,
)  # fmt: skip
NOT_XML = ("ctl\x01", "del\x7f", "c1\x85", "non\ufffe", "non\uffff")
TOO_DEEP = "/".join("d" * 256)
# Only from a server that is no real one; the last two are no UTF-8.
ELSEWHERE = (
    b"tab\there",
    b"new\nline",
    b"cr\r\nx-ms-evil: 1",
    b"nul\0",
    b"\xef\xbf\xbd",
    b"bad\xfe",
    b"bad\xff",
)


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """What one copy did, as its journal, the wire and a client of Azure's tell it."""

    outcomes: dict[str, dict[str, Any]]
    exit_code: int
    sent: list[str]  # raw paths of all writes, below the container
    blobs: dict[str, tuple[bytes, dict[str, str]]]


def content_of(key: str | bytes) -> bytes:
    return b"content of " + (key if isinstance(key, bytes) else key.encode())


@pytest.fixture(scope="module")
def source_url(moto_server: S3Server) -> str:
    """moto's address; it holds all of the corpus that a real S3 would."""
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
    for key in (*ALIASES, *UNUSUAL, *NOT_XML, TOO_DEEP):
        client.put_object(Bucket=BUCKET, Key=key, Body=content_of(key))
    client.close()
    return endpoint.endpoint_url


@pytest.fixture(scope="module")
def recorder(place: Place) -> Iterator[HttpProxy]:
    """What is sent to Azurite goes through here."""
    port = urlsplit(place.servers.sink.blob_url).port
    assert port
    with HttpProxy(port, "azure") as proxy:
        yield proxy


def copy(
    place: Place, recorder: HttpProxy, url: str, container: str, journal: Path, *options: str
) -> Arrival:
    recorder.log.clear()
    sink = place.servers.sink
    done = place.awcopy(
        "copy", f"s3://{BUCKET}", f"az://{sink.account}/{container}", "--create-container", "--local", "-q",
        "--endpoint-url", url, "--azure-endpoint", f"{recorder.url}/{sink.account}", "--journal", str(journal),
        *options,
        AZURE_STORAGE_CONNECTION_STRING="", AZURE_STORAGE_ACCOUNT=sink.account, AZURE_STORAGE_KEY=sink.key,
    )  # fmt: skip
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    ended = [line for line in lines if line["event"] == "object_ended"]
    outcomes = {line["key"]: line for line in ended}
    assert len(outcomes) == len(ended), "a key has two outcomes"
    client = place.blobs.get_container_client(container)
    return Arrival(
        outcomes=outcomes,
        exit_code=done.returncode,
        sent=[one.path.split("/", 3)[3] for one in recorder.log.all(Op.PUT, Op.PUT_BLOCK, Op.COMMIT)],
        blobs={name: read(client, name) for name in client.list_blob_names()},
    )


def read(client: ContainerClient, name: str) -> tuple[bytes, dict[str, str]]:
    download = client.download_blob(name)
    return download.readall(), download.properties.metadata


def check(arrival: Arrival, keys: tuple[str, ...], failed: set[str]) -> None:
    """Assert that nothing was lost in silence, and that nothing was sent under a name that is not told."""
    assert set(arrival.outcomes) == set(keys)
    told = {}
    for key, outcome in arrival.outcomes.items():
        if outcome["outcome"] == "failed":
            assert outcome["reason"] == "name_not_allowed"
            assert outcome["detail"]
            continue
        assert outcome["outcome"] == "copied"
        told[outcome["blob"]] = key
        content, metadata = arrival.blobs[outcome["blob"]]
        assert content == content_of(key)
        if outcome["blob"] == key:
            assert outcome["notices"] == []
            assert "awcopy_key" not in metadata
        else:
            assert outcome["notices"] == ["name_encoded"]
            assert decode_blob_name(outcome["blob"]) == key
            assert plain(metadata["awcopy_key"]) == key
    assert {key for key, one in arrival.outcomes.items() if one["outcome"] == "failed"} == failed
    assert set(told) == set(arrival.blobs)
    assert sorted(unquote(path) for path in arrival.sent) == sorted(told)
    assert arrival.exit_code == (3 if failed else 0)


def plain(value: str) -> str:
    """Return a value that may be an encoded word, read without awcopy's code."""
    if not value.startswith("=?UTF-8?B?"):
        return value
    return base64.b64decode(value[10:-2]).decode("utf-8", "surrogateescape")


def test_keys_arrive_under_their_own_names_or_fail_with_a_reason(
    place: Place, recorder: HttpProxy, source_url: str, tmp_path: Path
) -> None:
    arrival = copy(place, recorder, source_url, "names-fail", tmp_path / "journal")
    dotted = {"./k", "../k", "a/./b", "a/../b", "a./b", "trailing.", "trailing..", ".", "..", "..."}
    slashed = {"a\\b", "C:\\dir\\file"}
    check(arrival, (*ALIASES, *UNUSUAL, *NOT_XML, TOO_DEEP), {*dotted, *slashed, *NOT_XML, TOO_DEEP})


def test_keys_arrive_under_names_that_tell_them_back(
    place: Place, recorder: HttpProxy, source_url: str, tmp_path: Path
) -> None:
    arrival = copy(place, recorder, source_url, "names-encode", tmp_path / "journal", "--names", "encode")
    check(arrival, (*ALIASES, *UNUSUAL, *NOT_XML, TOO_DEEP), {TOO_DEEP})
    assert arrival.outcomes["a/../b"]["blob"] == "a/%2E%2E/b"
    assert arrival.outcomes["a%2Fb"]["blob"] == "a%2Fb"


IN_DIRECTORIES = {
    "a//b": "a/%2Fb", "//a": "%2F%2Fa", "/lead": "%2Flead", "folder/": "folder%2F", "a%2Fb": "a%252Fb",
    "a%2fb": "a%2fb", "a/b": "a/b", ".%2Fk": ".%252Fk",
}  # fmt: skip


@pytest.mark.parametrize("policy", ["fail", "encode"])
def test_an_account_with_directories_gets_names_that_its_paths_can_have(
    place: Place, source_url: str, tmp_path: Path, policy: str
) -> None:
    """Azurite has no such accounts: a proxy says that this is one, and refuses a blob in a directory's place."""
    port = urlsplit(place.servers.sink.blob_url).port
    assert port
    with HttpProxy(port, "azure") as proxy:
        proxy.add(
            Fault(headers={"x-ms-is-hns-enabled": "true"}), match=lambda one: "comp=properties" in one.query
        )
        proxy.add(refuse(409, "PathConflict"), Op.PUT, name="b")
        journal = tmp_path / "journal"
        arrival = copy(place, proxy, source_url, f"directories-{policy}", journal, "--names", policy)
    keys = {*ALIASES, *UNUSUAL, *NOT_XML, TOO_DEEP}
    assert set(arrival.outcomes) == keys
    copied = {key: one["blob"] for key, one in arrival.outcomes.items() if one["outcome"] == "copied"}
    assert set(copied.values()) == set(arrival.blobs)
    for key, blob in copied.items():
        assert key == (decode_blob_name(blob, has_directories=True) if policy == "encode" else blob)
        assert arrival.blobs[blob][0] == content_of(key)
        assert "" not in blob.split("/")
    failed = {key: one["reason"] for key, one in arrival.outcomes.items() if key not in copied}
    assert failed.pop("b") == "name_conflict"
    assert set(failed.values()) == {"name_not_allowed"}
    if policy == "encode":
        assert set(failed) == {TOO_DEEP}
        assert {key: copied[key] for key in IN_DIRECTORIES} == IN_DIRECTORIES
    else:
        assert {"a//b", "//a", "/lead", "folder/"} <= set(failed)


@pytest.mark.parametrize("policy", ["fail", "encode"])
def test_keys_that_no_amazon_would_hold_are_never_taken_for_others(
    place: Place, recorder: HttpProxy, tmp_path: Path, policy: str
) -> None:
    keys = tuple(key.decode("utf-8", "surrogateescape") for key in ELSEWHERE)
    with serve_any_keys(BUCKET, {key: content_of(key) for key in ELSEWHERE}) as url:
        arrival = copy(place, recorder, url, f"names-other-{policy}", tmp_path / "journal", "--names", policy)
    failed = set(keys[-2:]) if policy == "encode" else set(keys) - {"\ufffd"}
    check(arrival, keys, failed)


def test_a_fleet_keeps_such_keys_apart_and_reports_them_exactly(place: Place) -> None:
    keys = [key.decode("utf-8", "surrogateescape") for key in ELSEWHERE]
    with serve_any_keys(BUCKET, {key: content_of(key) for key in ELSEWHERE}) as url:
        done = place.awcopy(
            "copy", f"s3://{BUCKET}", "az://awcopydemo/names-fleet", "--create-container", "-o", "json",
            "--endpoint-url", url, "--names", "encode",
        )  # fmt: skip
    job = json.loads(done.stdout)
    assert done.returncode == 3
    lines = place.report(job["id"])
    assert sorted(line["key"] for line in lines) == sorted(keys)
    assert {line["key"] for line in lines if line["outcome"] == "failed"} == set(keys[-2:])
    table = place.awcopy("jobs", "report", job["id"], "-o", "csv")
    assert table.returncode == 0
    # The csv module ends rows by CR LF, and quotes those within a key.
    assert len(list(csv.reader(io.StringIO(table.stdout, newline="")))) == len(keys) + 1
