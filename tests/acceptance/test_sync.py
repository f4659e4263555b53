"""A sync on real stores, seen by proxies that log every request; and a schedule on a real fleet."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import pytest
from azure.storage.blob import BlobServiceClient
from botocore.config import Config

from awcopy.demo.fleet import awcopy_command
from awcopy.demo.servers import AzuriteServer, S3Server
from awcopy.vault.profile_files import write_profile
from tests.faults.http_proxy import HttpProxy

BUCKET, CONTAINER = "synced", "synced"
LIMIT_S = 60  # for hangs, not a measurement


@pytest.fixture
def stores(s3_server: S3Server, azurite: AzuriteServer) -> Iterator:
    source, sink = s3_server.endpoint, azurite.endpoint
    client = boto3.client(
        "s3",
        endpoint_url=source.endpoint_url,
        aws_access_key_id=source.access_key,
        aws_secret_access_key=source.secret_key,
        region_name=source.region,
        config=Config(s3={"addressing_style": "path"}),
    )
    client.create_bucket(Bucket=BUCKET)
    for number in range(30):
        client.put_object(Bucket=BUCKET, Key=f"data/k{number:02}", Body=b"x")
    with ExitStack() as stack:
        blobs = stack.enter_context(BlobServiceClient(sink.blob_url, credential=sink.key))
        container = blobs.create_container(CONTAINER)
        s3 = stack.enter_context(HttpProxy(urlsplit(source.endpoint_url).port, "s3"))
        azure = stack.enter_context(HttpProxy(urlsplit(sink.blob_url).port, "azure"))
        env = {
            "PATH": os.environ["PATH"],  # noqa: TID251 - no setting of awcopy
            "HOME": "/nonexistent",
            "AWCOPY_ALLOW_PRIVATE_ENDPOINTS": "1",
            "AWS_ENDPOINT_URL": s3.url,
            "AWS_ACCESS_KEY_ID": source.access_key,
            "AWS_SECRET_ACCESS_KEY": source.secret_key,
            "AWS_REGION": "eu-west-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AZURE_STORAGE_ACCOUNT": sink.account,
            "AZURE_STORAGE_KEY": sink.key,
            "AZURE_STORAGE_SERVICE_ENDPOINT": f"{azure.url}/{sink.account}",
        }

        line = (
            "sync",
            f"s3://{BUCKET}/data/",
            f"az://{sink.account}/{CONTAINER}/x",
            "--local",
            "-o",
            "json",
            "-q",
        )

        def awcopy(*words: str, code: int = 0):
            s3.log.clear()
            azure.log.clear()
            done = subprocess.run(
                awcopy_command(*line, *words),
                env=env,
                capture_output=True,
                text=True,
                timeout=LIMIT_S,
                check=False,
            )
            assert done.returncode == code, done.stderr
            asked = [
                (name, one.method, one.name.rpartition("/")[2])
                for name, proxy in (("s3", s3), ("azure", azure))
                for one in proxy.log.all()
            ]
            return json.loads(done.stdout or "{}"), [one for one in asked if one[2].startswith("k")]

        yield client, container, awcopy
        container.delete_container()
        for entry in client.list_objects_v2(Bucket=BUCKET).get("Contents", ()):
            client.delete_object(Bucket=BUCKET, Key=entry["Key"])
        client.delete_bucket(Bucket=BUCKET)


def test_unchanged_objects_cost_no_request_and_gone_ones_go(stores) -> None:
    client, container, awcopy = stores
    first, _ = awcopy()
    assert first["totals"]["copied"]["objects"] == 30
    again, asked = awcopy()
    assert (again["totals"]["unchanged"]["objects"], asked) == (30, [])
    client.put_object(Bucket=BUCKET, Key="data/k05", Body=b"changed")
    client.delete_object(Bucket=BUCKET, Key="data/k07")
    container.upload_blob("x/k99-theirs", b"not ours")
    planned, asked = awcopy("--delete", "--dry-run")
    assert {one["key"]: one["plan"] for one in planned["objects"] if one["plan"] != "skip"} == {
        "data/k05": "overwrite",
        "data/k07": "delete",
    }
    assert {method for _, method, _ in asked} <= {"HEAD"}
    done, asked = awcopy("--delete")
    totals = done["totals"]
    assert (totals["copied"]["objects"], totals["deleted"]["objects"]) == (1, 1)
    assert {name for _, _, name in asked} == {"k05", "k07"}
    names = {blob.name for blob in container.list_blobs()}
    assert names == {f"x/k{number:02}" for number in range(30) if number != 7} | {"x/k99-theirs"}
    for number in range(1, 30):
        client.delete_object(Bucket=BUCKET, Key=f"data/k{number:02}")
    shrunk, _ = awcopy("--delete", code=9)
    assert shrunk["guard"] == "max_delete"
    client.delete_object(Bucket=BUCKET, Key="data/k00")
    awcopy("--delete", code=2)  # refused beforehand: there is nothing to copy
    assert {blob.name for blob in container.list_blobs()} == names


def test_what_is_replaced_or_deleted_is_kept_in_a_folder(stores) -> None:
    client, container, awcopy = stores
    awcopy()
    blob = container.get_blob_client("x/k07")
    blob.set_blob_tags({"team": "photos"})
    blob.set_standard_blob_tier("Cool")
    before = blob.get_blob_properties()
    client.put_object(Bucket=BUCKET, Key="data/k05", Body=b"changed")
    client.delete_object(Bucket=BUCKET, Key="data/k07")
    planned, _ = awcopy("--delete", "--backup-prefix", "old", "--dry-run")
    details = {one["key"]: one["detail"] for one in planned["objects"] if one["plan"] != "skip"}
    assert details == {
        "data/k05": "the blob that is there is kept as old/k05",
        "data/k07": "the blob that is there is kept as old/k07",
    }
    awcopy("--delete", "--backup-prefix", "x/old", code=2)
    assert not list(container.list_blobs(name_starts_with="old/"))
    done, asked = awcopy("--delete", "--backup-prefix", "old")
    assert (done["totals"]["copied"]["objects"], done["totals"]["deleted"]["objects"]) == (1, 1)
    assert {name: container.download_blob(f"old/{name}").readall() for name in ("k05", "k07")} == {
        "k05": b"x",
        "k07": b"x",
    }
    kept = container.get_blob_client("old/k07")
    after = kept.get_blob_properties()
    assert (after.metadata, after.blob_tier, kept.get_blob_tags()) == (
        before.metadata,
        "Cool",
        {"team": "photos"},
    )
    assert after.content_settings == before.content_settings
    assert container.download_blob("x/k05").readall() == b"changed"
    assert not blob.exists()
    copies = [one for one in asked if one == ("azure", "PUT", "k07")]
    assert copies
    assert asked.index(copies[0]) < asked.index(("azure", "DELETE", "k07"))


def run_now(place) -> str:
    """Run the schedule by hand, follow its job to a good end, and return its id."""
    ran = place.awcopy("schedule", "run", "nightly")
    assert ran.returncode == 0, ran.stderr
    followed = place.awcopy("jobs", "watch", ran.stdout.strip(), "-q")
    assert followed.returncode == 0, followed.stderr
    return ran.stdout.strip()


def test_a_schedule_runs_on_the_fleet_with_profiles(place) -> None:
    place.make_bucket("nightly", {"a": b"1", "b": b"1"})
    place.blobs.create_container("nightly")
    folder = Path(place.env["AWCOPY_PROFILES"])
    source, sink = place.servers.source, place.servers.sink
    facts = {"access_key": source.access_key, "secret_key": source.secret_key}
    endpoint = {"endpoint_url": source.endpoint_url, "region": source.region}
    write_profile(folder, "nightly-in", {"kind": "source", "buckets": ["nightly"], **facts, **endpoint})
    connection = {"connection_string": sink.connection_string, "allow_delete": True}
    write_profile(folder, "nightly-out", {"kind": "sink", "containers": ["nightly"], **connection})
    line = [
        "schedule",
        "add",
        "nightly",
        "s3://nightly",
        f"az://{sink.account}/nightly",
        "--every",
        "1h",
        "--delete",
    ]
    profiles = ["--source-profile", "nightly-in", "--sink-profile", "nightly-out"]
    own = dict.fromkeys(("AWS_ENDPOINT_URL", "AZURE_STORAGE_CONNECTION_STRING"), "")
    added = place.awcopy(*line, *profiles, **own)
    assert added.returncode == 0, added.stderr
    run_now(place)
    assert place.differences("nightly", "nightly") == (2, ())
    place.s3.delete_object(Bucket="nightly", Key="a")
    totals = place.job(run_now(place))["totals"]
    assert (totals["deleted"]["objects"], totals["unchanged"]["objects"]) == (1, 1)
    assert place.differences("nightly", "nightly") == (1, ())
    past = json.loads(place.awcopy("schedule", "history", "nightly", "-o", "json").stdout)
    assert [(one["what"], one["job_state"]) for one in past] == [("started", "completed")] * 2
    assert place.awcopy("schedule", "rm", "nightly").returncode == 0
    for name in ("nightly-in", "nightly-out"):
        [path] = folder.glob(f"{name}*")
        path.unlink()
