"""All versions of a bucket's objects, copied by the real command on a fleet, and read back by Azure's own client."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from botocore.config import Config

from awcopy.demo.servers import S3Endpoint, S3Server
from awcopy.planning.versions import read_versioned_key
from awcopy.units import MIB
from tests.acceptance.conftest import Place

LARGE = [bytes([number]) * (70 * MIB) for number in (1, 2)]
HELD: dict[str, list[bytes | None]] = {
    "photo.jpg": [b"first", b"second", b"third"],
    "folder/ü +%.txt": [b"one", b"two"],
    "gone": [b"was here", None],
    "back": [b"before", None, b"after"],
    "odd.": [b"x", b"y"],
    "large.bin": [*LARGE],
}


@pytest.fixture(scope="module", params=["seaweedfs", "moto"])
def store(request: pytest.FixtureRequest, place: Place) -> S3Endpoint:
    if request.param == "seaweedfs":
        return place.servers.source
    server: S3Server = request.getfixturevalue("moto_server")
    return server.endpoint


def client_of(store: S3Endpoint) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=store.endpoint_url,
        aws_access_key_id=store.access_key,
        aws_secret_access_key=store.secret_key,
        region_name=store.region,
        config=Config(s3={"addressing_style": "path"}),
    )


def fill(store: S3Endpoint, bucket: str, *, is_versioned: bool) -> dict[tuple[str, str], bytes]:
    """Fill a bucket and return what S3's own client says each version of it holds."""
    s3 = client_of(store)
    s3.create_bucket(Bucket=bucket)
    if is_versioned:
        s3.put_object(Bucket=bucket, Key="early", Body=b"before versions were kept")
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        s3.put_object(Bucket=bucket, Key="early", Body=b"since then")
    for key, contents in HELD.items():
        for content in contents if is_versioned else contents[-1:]:
            if content is None:
                s3.delete_object(Bucket=bucket, Key=key)
            else:
                s3.put_object(Bucket=bucket, Key=key, Body=content)
    held = {}
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for one in page.get("Versions", ()):
            place = {"Bucket": bucket, "Key": one["Key"], "VersionId": one["VersionId"]}
            held[one["Key"], one["VersionId"]] = s3.get_object(**place)["Body"].read()
    return held


def copy_all(place: Place, store: S3Endpoint, bucket: str, container: str) -> dict[str, Any]:
    done = place.awcopy(
        "copy", f"s3://{bucket}", f"az://awcopydemo/{container}", "--create-container", "-o", "json",
        "--versions", "all", "--names", "encode", "--endpoint-url", store.endpoint_url,
        AWS_ACCESS_KEY_ID=store.access_key, AWS_SECRET_ACCESS_KEY=store.secret_key,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout)


def test_every_version_arrives_once_and_is_read_back_by_azures_client(
    place: Place, store: S3Endpoint
) -> None:
    bucket = f"versions-{store.endpoint_url.rpartition(':')[2]}"
    held = fill(store, bucket, is_versioned=True)
    job = copy_all(place, store, bucket, bucket)

    told = place.report(job["id"])
    outcomes = {(one["key"], one["version"]): one for one in told}
    copied = {name: one for name, one in outcomes.items() if one["outcome"] == "copied"}
    skipped = [one for one in told if one["outcome"] == "skipped"]
    assert len(outcomes) == len(told)
    assert set(copied) == set(held)
    assert {(one["key"], one["reason"]) for one in skipped} == {
        ("gone", "delete_marker"), ("back", "delete_marker")
    }  # fmt: skip
    assert job["totals"]["listed"]["objects"] == len(told)

    container = place.blobs.get_container_client(bucket)
    assert {blob.name for blob in container.list_blobs()} == {one["blob"] for one in copied.values()}
    for (key, version_id), content in held.items():
        blob = container.get_blob_client(copied[key, version_id]["blob"])
        assert blob.download_blob().readall() == content
        assert blob.get_blob_properties().metadata["awcopy_version"] == version_id
    current = {"photo.jpg": b"third", "back": b"after", "early": b"since then", "odd%2E": b"y"}
    blobs = {blob.name for blob in container.list_blobs()}
    assert set(current) <= blobs
    for name, content in current.items():
        assert container.download_blob(name).readall() == content
    assert read_versioned_key(copied["photo.jpg", _older(copied, "photo.jpg")]["blob"]).key == "photo.jpg"

    again = copy_all(place, store, bucket, bucket)["totals"]
    assert (again["copied"]["objects"], again["skipped"]["objects"]) == (0, len(told))


def _older(copied: dict[tuple[str, str], dict[str, Any]], key: str) -> str:
    return next(version for name, version in copied if name == key and copied[name, version]["blob"] != key)


def test_a_bucket_that_never_kept_versions_is_copied_under_its_own_names(place: Place) -> None:
    store = place.servers.source
    held = fill(store, "never-versioned", is_versioned=False)
    job = copy_all(place, store, "never-versioned", "never-versioned")
    assert {version for _, version in held} == {"null"}
    container = place.blobs.get_container_client("never-versioned")
    for one in place.report(job["id"]):
        assert container.download_blob(one["blob"]).readall() == held[one["key"], "null"]
    assert "photo.jpg" in {blob.name for blob in container.list_blobs()}
