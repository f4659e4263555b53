"""Archived objects through the real command, on a server that knows them: moto, whose restores take no time."""

from __future__ import annotations

import json
import uuid

import boto3
import pytest

from tests.acceptance.conftest import Place
from tests.acceptance.test_control import wait_for

OBJECTS = {
    "warm.txt": ("STANDARD", b"warm"),
    "cold.txt": ("GLACIER", b"cold"),
    "ice.txt": ("DEEP_ARCHIVE", b"ice"),
}


@pytest.fixture
def bucket(moto_server) -> str:
    endpoint = moto_server.endpoint
    client = boto3.client(
        "s3",
        endpoint_url=endpoint.endpoint_url,
        aws_access_key_id=endpoint.access_key,
        aws_secret_access_key=endpoint.secret_key,
        region_name=endpoint.region,
    )
    name = f"archived-{uuid.uuid4().hex[:8]}"
    client.create_bucket(Bucket=name)
    for key, (storage_class, content) in OBJECTS.items():
        client.put_object(Bucket=name, Key=key, Body=content, StorageClass=storage_class)
    client.close()
    return name


@pytest.mark.parametrize(
    ("options", "code", "totals"),
    [
        (("--archived", "fail"), 3, {"listed": 3, "copied": 1, "failed": 2}),
        (("--archived", "restore", "--restore-max-objects", "1"), 3, {"listed": 3, "copied": 2, "failed": 1}),
        (("--archived", "restore", "--restore-max-bytes", "1M"), 0, {"listed": 3, "copied": 3}),
        ((), 0, {"listed": 3, "copied": 1, "skipped": 2}),
    ],
)
def test_archived_objects_end_as_asked(place: Place, moto_server, bucket, options, code, totals):
    account, endpoint = place.servers.sink.account, moto_server.endpoint
    done = place.awcopy(
        "copy", f"s3://{bucket}", f"az://{account}/{bucket}", "--create-container", "--local", "-o", "json",
        "--endpoint-url", endpoint.endpoint_url, *options, AWCOPY_RESTORE_POLL_S="1",
        AWS_ACCESS_KEY_ID=endpoint.access_key, AWS_SECRET_ACCESS_KEY=endpoint.secret_key,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    found = json.loads(done.stdout)["totals"]
    assert {name: tally["objects"] for name, tally in found.items() if tally["objects"]} == totals
    blobs = place.blobs.get_container_client(bucket)
    contents = {blob.name: blobs.download_blob(blob.name).readall() for blob in blobs.list_blobs()}
    assert len(contents) == totals["copied"]
    assert all(OBJECTS[name][1] == content for name, content in contents.items())


def test_restoring_waits_on_the_fleet_and_holds_no_worker(place: Place, moto_server, bucket):
    """The fleet's own setting waits ten minutes, so that the job is seen waiting, and is cancelled."""
    account, endpoint = place.servers.sink.account, moto_server.endpoint
    keys = {"AWS_ACCESS_KEY_ID": endpoint.access_key, "AWS_SECRET_ACCESS_KEY": endpoint.secret_key}
    done = place.awcopy(
        "copy", f"s3://{bucket}", f"az://{account}/{bucket}", "--create-container", "--detach", "-q",
        "--endpoint-url", endpoint.endpoint_url, "--archived", "restore", "--restore-max-objects", "9", **keys,
    )  # fmt: skip
    job_id = done.stdout.strip()
    seen = wait_for(
        place,
        job_id,
        lambda job: (job["totals"]["copied"]["objects"], job["busy_agents"], job["open_items"]) == (1, 0, 1),
    )
    assert seen["state"] == "running"
    assert place.awcopy("jobs", "cancel", job_id).returncode == 0
    ended = wait_for(place, job_id, lambda job: job["state"] == "cancelled")
    assert ended["totals"]["cancelled"]["objects"] == 2
