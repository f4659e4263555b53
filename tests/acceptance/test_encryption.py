"""Encryption through the real command: at the sink by scope and by key, at the source by SSE-C."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import uuid
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from azure.data.tables import TableServiceClient

from tests.acceptance.conftest import Place
from tests.acceptance.encrypting_azure import KEY, SCOPE, EncryptingAzure

RAW_KEY = hashlib.sha256(b"the key of these tests").digest()
KEY_TEXT = base64.b64encode(RAW_KEY).decode()
KEY_HASH = base64.b64encode(hashlib.sha256(RAW_KEY).digest()).decode()
LARGE = os.urandom(9 * 1024 * 1024)  # two blocks
OBJECTS = {"small.txt": b"small", "large.bin": LARGE}


@pytest.fixture
def azure(place: Place) -> Iterator[EncryptingAzure]:
    port = urlsplit(place.servers.sink.blob_url).port
    assert port
    with EncryptingAzure(port, scopes=("projects",)) as server:
        yield server


@pytest.fixture
def bucket(place: Place) -> str:
    name = f"encryption-{uuid.uuid4().hex[:8]}"
    place.make_bucket(name, OBJECTS)
    return name


def copy(place: Place, azure: EncryptingAzure, bucket: str, *options: str, **env: str):
    account = place.servers.sink.account
    words = (f"s3://{bucket}", f"az://{account}/{bucket}", "--azure-endpoint", f"{azure.url}/{account}")
    return place.awcopy("copy", *words, "--create-container", "-o", "json", *options, **env)


def contents(place: Place, container: str) -> dict[str, bytes]:
    client = place.blobs.get_container_client(container)
    return {blob.name: client.download_blob(blob.name).readall() for blob in client.list_blobs()}


def totals(done) -> dict[str, int]:
    found = json.loads(done.stdout)["totals"]
    return {name: tally["objects"] for name, tally in found.items() if tally["objects"]}


def test_a_scope_is_on_every_write_and_the_blobs_arrive(place, azure, bucket):
    done = copy(place, azure, bucket, "--encryption-scope", "projects", "--local")
    assert done.returncode == 0, done.stderr
    assert contents(place, bucket) == OBJECTS
    for blob in OBJECTS:
        assert {one.headers.get(SCOPE) for one in azure.writes(blob)} == {"projects"}
    assert {one.what for one in azure.writes("large.bin")} == {"block", "blocklist"}
    again = copy(place, azure, bucket, "--encryption-scope", "projects", "--local")
    assert totals(again) == {"listed": 2, "skipped": 2, "unchanged": 2}


def test_a_key_given_to_a_job_encrypts_on_the_fleet_and_is_seen_nowhere(place, azure, bucket):
    done = copy(place, azure, bucket, "--encryption-key", "@env:BLOB_KEY", BLOB_KEY=KEY_TEXT)
    assert done.returncode == 0, done.stderr
    assert contents(place, bucket) == OBJECTS
    for blob in OBJECTS:
        assert {one.headers.get(KEY) for one in azure.writes(blob)} == {KEY_TEXT}
        assert azure.blobs[blob].key_sha256 == KEY_HASH
    job_id = json.loads(done.stdout)["id"]
    _, held = place.redis_dump()
    seen = [done.stdout, done.stderr, json.dumps(place.job(job_id)), json.dumps(place.report(job_id))]
    logs = place.processes.worker.log_path.parent.glob("*.log")
    seen += [path.read_text(errors="replace") for path in logs]
    with TableServiceClient.from_connection_string(place.servers.ledger.connection_string) as ledger:
        for table in ledger.list_tables():
            seen += [str(row) for row in ledger.get_table_client(table.name).list_entities()]
    assert KEY_HASH in "".join(seen)
    assert KEY_TEXT.encode() not in held
    assert not [text for text in seen if KEY_TEXT in text]
    again = copy(place, azure, bucket, "--encryption-key", "@env:BLOB_KEY", BLOB_KEY=KEY_TEXT)
    assert totals(again) == {"listed": 2, "skipped": 2, "unchanged": 2}


def test_a_blob_without_the_key_is_replaced_and_one_with_another_key_fails_alone(place, azure, bucket):
    assert copy(place, azure, bucket, "--local").returncode == 0
    other = base64.b64encode(hashlib.sha256(b"another key").digest()).decode()
    azure.blobs["large.bin"].key_sha256 = base64.b64encode(
        hashlib.sha256(base64.b64decode(other)).digest()
    ).decode()
    done = copy(place, azure, bucket, "--local", "--encryption-key", "@env:BLOB_KEY", BLOB_KEY=KEY_TEXT)
    assert totals(done) == {"listed": 2, "copied": 1, "failed": 1}
    assert azure.blobs["small.txt"].key_sha256 == KEY_HASH
    assert "encrypted with" in done.stderr


def test_the_2015_switch_takes_the_scope_of_the_settings_and_asks_for_one(place, azure, bucket):
    source, sink = place.servers.source, place.servers.sink
    words = [
        f"bucket:{bucket}", "path:*.*", "accesskey:@env:ID", "secret:@env:SECRET", f"container:{bucket}",
        f"storageaccount:{sink.account}", "storagekey:@env:KEY", "/S", "/E",
    ]  # fmt: skip
    env = {"ID": source.access_key, "SECRET": source.secret_key, "KEY": sink.key}
    env["AZURE_STORAGE_CONNECTION_STRING"] = ""
    env["AZURE_STORAGE_SERVICE_ENDPOINT"] = f"{azure.url}/{sink.account}"
    place.blobs.create_container(bucket)
    without = place.awcopy(*words, **env)
    assert without.returncode == 2
    assert "AWCOPY_ENCRYPTION_SCOPE" in without.stderr
    assert place.awcopy(*words, **env, AWCOPY_ENCRYPTION_SCOPE="projects").returncode == 0
    assert contents(place, bucket) == OBJECTS
    assert {azure.blobs[blob].scope for blob in OBJECTS} == {"projects"}


def test_an_unknown_scope_is_said_before_anything_is_copied(place, azure, bucket):
    done = copy(place, azure, bucket, "--encryption-scope", "no-such-scope", "--local")
    assert done.returncode == 1
    assert "EncryptionScopeNotFound" in done.stderr
    assert contents(place, bucket) == {}


def test_a_sink_that_passes_over_the_scope_gets_nothing(place, bucket):
    account = place.servers.sink.account  # Azurite itself
    words = (f"s3://{bucket}", f"az://{account}/{bucket}", "--create-container", "--local")
    done = place.awcopy("copy", *words, "--encryption-scope", "projects")
    assert done.returncode == 1
    assert "took no notice of the encryption scope" in done.stderr
    assert contents(place, bucket) == {}


def test_objects_with_a_key_of_their_owner_are_read_with_it_beside_others(place, bucket):
    facts = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": RAW_KEY}
    for key, content in (("kept/secret.txt", b"secret"), ("kept/secret.bin", LARGE)):
        place.s3.put_object(Bucket=bucket, Key=key, Body=content, **facts)
    account = place.servers.sink.account
    words = (
        "copy",
        f"s3://{bucket}",
        f"az://{account}/{bucket}",
        "--create-container",
        "--local",
        "-o",
        "json",
    )
    without = place.awcopy(*words)
    assert totals(without) == {"listed": 4, "copied": 2, "failed": 2}
    assert "--source-encryption-key" in without.stderr
    done = place.awcopy(*words, "--source-encryption-key", "@env:OBJECT_KEY", OBJECT_KEY=KEY_TEXT)
    assert totals(done) == {"listed": 4, "copied": 2, "skipped": 2, "unchanged": 2}
    assert contents(place, bucket) == {**OBJECTS, "kept/secret.txt": b"secret", "kept/secret.bin": LARGE}
