"""What an object has beside its bytes, from S3 to Azure: metadata, headers, tags and tier, read by Azure's client."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime
from typing import Any

import pytest

from awcopy.units import MIB
from tests.acceptance.conftest import Place

METADATA = {
    "owner": "dana",
    "content-sha": "abc",
    "1st": "one",
    "awcopy_etag": "mine",
    "city": "=?UTF-8?B?S8O2bG4=?=",
}
HEADERS = {
    "ContentType": "text/csv",
    "ContentEncoding": "gzip",
    "ContentLanguage": "de",
    "ContentDisposition": "attachment; filename*=UTF-8''gr%C3%B6%C3%9Fe.csv",
    "CacheControl": "no-store",
}
TAGS = {"stage": "raw data", "who": "dana@example.com", "größe": "1"}


def copy(place: Place, bucket: str, sink: str, *options: str) -> subprocess.CompletedProcess[str]:
    return place.awcopy(
        "copy", f"s3://{bucket}", f"az://awcopydemo/{sink}", "--create-container", "-o", "json", *options
    )


def outcomes(place: Place, done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    return {line["key"]: line for line in place.report(json.loads(done.stdout)["id"])}


def properties(place: Place, container: str, blob: str):
    return place.blobs.get_blob_client(container, blob).get_blob_properties()


def users_own(metadata: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in metadata.items() if not name.startswith("awcopy_")}


@pytest.fixture(scope="module")
def described(place: Place) -> str:
    """A bucket with an object that has all there is, and a large one."""
    bucket = "described"
    place.s3.create_bucket(Bucket=bucket)
    facts = {"Metadata": METADATA, "Expires": datetime(2030, 1, 2, tzinfo=UTC), **HEADERS}
    place.s3.put_object(Bucket=bucket, Key="small", Body=b"bytes", **facts)
    place.s3.put_object(
        Bucket=bucket, Key="large", Body=bytes(70 * MIB), ChecksumAlgorithm="CRC64NVME", **facts
    )
    return bucket


def test_all_that_an_object_has_arrives_and_what_was_rewritten_is_told(place: Place, described: str) -> None:
    done = copy(place, described, "renamed")
    told = outcomes(place, done)
    for key in ("small", "large"):
        assert told[key]["notices"] == ["headers_renamed: 1", "metadata_renamed: 3"]
        blob = properties(place, "renamed", key)
        assert users_own(blob.metadata) == {
            "owner": "dana", "content_x2d_sha": "abc", "_x31_st": "one", "_x61_wcopy_etag": "mine",
            "city": "=?UTF-8?B?S8O2bG4=?=",
        }  # fmt: skip
        assert blob.metadata["awcopy_expires"] == "Wed, 02 Jan 2030 00:00:00 GMT"
        assert blob.metadata["awcopy_notices"] == "headers_renamed: 1; metadata_renamed: 3"
        assert blob.metadata["awcopy_etag"] == told[key]["etag"]
        settings = blob.content_settings
        assert (settings.content_type, settings.content_encoding) == ("text/csv", "gzip")
        assert (settings.content_language, settings.cache_control) == ("de", "no-store")
        assert settings.content_disposition == HEADERS["ContentDisposition"]
        assert bytes(settings.content_md5 or b"").hex() == told[key]["etag"]


def test_what_azure_does_not_take_is_left_out_on_request(place: Place, described: str) -> None:
    told = outcomes(place, copy(place, described, "excluded", "--metadata", "exclude", "--include", "small"))
    assert told["small"]["notices"] == ["headers_excluded: 1", "metadata_excluded: 3"]
    metadata = properties(place, "excluded", "small").metadata
    assert users_own(metadata) == {"owner": "dana", "city": "=?UTF-8?B?S8O2bG4=?="}
    assert "awcopy_expires" not in metadata


def test_what_azure_does_not_take_fails_the_object_on_request(place: Place, described: str) -> None:
    done = copy(place, described, "refused", "--metadata", "fail", "--include", "small")
    assert done.returncode == 3
    assert outcomes(place, done)["small"]["reason"] == "metadata_not_allowed"
    assert list(place.blobs.get_container_client("refused").list_blob_names()) == []


def test_without_stamps_the_blob_has_the_objects_metadata_alone(place: Place) -> None:
    place.make_bucket("unstamped", {"k": b"bytes"}, Metadata={"owner": "dana"})
    assert copy(place, "unstamped", "unstamped", "--no-stamp").returncode == 0
    assert properties(place, "unstamped", "k").metadata == {"owner": "dana"}
    again = json.loads(copy(place, "unstamped", "unstamped", "--no-stamp").stdout)
    assert again["totals"]["skipped"]["objects"] == 1


def test_tags_become_index_tags_where_asked(place: Place) -> None:
    place.make_bucket(
        "tagged", {"k": b"bytes"}, Tagging="stage=raw%20data&who=dana%40example.com&gr%C3%B6%C3%9Fe=1"
    )
    told = outcomes(place, copy(place, "tagged", "tagged", "--tags"))
    assert place.blobs.get_blob_client("tagged", "k").get_blob_tags() == {
        "stage": "raw data", "who": "dana_x40_example.com", "gr_xf6__xdf_e": "1",
    }  # fmt: skip
    assert told["k"]["notices"] == ["tags_renamed: 2"]
    copy(place, "tagged", "untagged")
    assert not place.blobs.get_blob_client("untagged", "k").get_blob_tags()


def deny_tags(place: Place, bucket: str, key: str) -> None:
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:GetObjectTagging",
        "Resource": f"arn:aws:s3:::{bucket}/{key}",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    place.s3.put_bucket_policy(Bucket=bucket, Policy=policy)


def test_tags_that_may_not_be_read_fail_their_object(place: Place) -> None:
    place.make_bucket("tags-denied", {"open": b"a", "secret": b"b"}, Tagging="a=b")
    deny_tags(place, "tags-denied", "secret")
    done = copy(place, "tags-denied", "tags-denied", "--tags")
    told = outcomes(place, done)
    assert done.returncode == 3
    assert {key: line["reason"] for key, line in told.items()} == {"open": "", "secret": "tags_denied"}
    assert list(place.blobs.get_container_client("tags-denied").list_blob_names()) == ["open"]


def test_without_the_right_to_read_tags_nothing_is_begun(place: Place) -> None:
    place.make_bucket("all-denied", {"k": b"a"}, Tagging="a=b")
    deny_tags(place, "all-denied", "*")
    done = copy(place, "all-denied", "all-denied", "--tags")
    assert done.returncode == 4
    assert "s3:GetObjectTagging" in done.stderr
    assert done.stdout == ""


def test_tiers_follow_the_storage_class_on_request(place: Place) -> None:
    classes = {"STANDARD": "Hot", "STANDARD_IA": "Cool", "GLACIER_IR": "Cold"}
    place.s3.create_bucket(Bucket="classes")
    for name in classes:
        place.s3.put_object(Bucket="classes", Key=name, Body=b"x", StorageClass=name)
    told = outcomes(place, copy(place, "classes", "classes", "--tier", "auto"))
    for name, tier in classes.items():
        assert properties(place, "classes", name).blob_tier == tier
        assert told[name]["notices"] == [f"tier: {tier}"]
