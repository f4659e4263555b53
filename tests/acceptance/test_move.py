"""Deleting at the source what was copied, as users of both command lines do it, on real stores."""

from __future__ import annotations

import json

import pytest

from awcopy.units import MIB
from tests.acceptance.test_legacy import copied

OBJECTS = {"in/a.txt": b"a", "in/deep/b.txt": b"bb", "in/large.bin": bytes(3 * MIB)}
NAMES = {"a.txt", "deep/b.txt", "large.bin"}


def left(place, bucket: str) -> set[str]:
    return {entry["Key"] for entry in place.s3.list_objects_v2(Bucket=bucket).get("Contents", ())}


@pytest.mark.parametrize("where", ["fleet", "here"])
def test_a_move_leaves_nothing_at_the_source(place, where):
    bucket = f"moved-{where}"
    place.make_bucket(bucket, {**OBJECTS, "out/c.txt": b"c"}, ChecksumAlgorithm="CRC64NVME")
    done = place.awcopy(
        "copy", f"s3://{bucket}/in/", f"az://awcopydemo/{bucket}", "--create-container", "--block-size", "1M",
        "--delete-source", "--yes", "-o", "json", *(["--local"] if where == "here" else []),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    totals = json.loads(done.stdout)["totals"]
    assert totals["deleted"] == totals["copied"] == totals["listed"]
    assert totals["kept"]["objects"] == 0
    assert left(place, bucket) == {"out/c.txt"}
    assert copied(place, bucket) == NAMES
    assert "the bucket keeps no versions" in done.stderr


def test_a_bucket_that_keeps_versions_keeps_them(place):
    place.s3.create_bucket(Bucket="versions")
    place.s3.put_bucket_versioning(Bucket="versions", VersioningConfiguration={"Status": "Enabled"})
    place.s3.put_object(Bucket="versions", Key="k", Body=b"1", ChecksumAlgorithm="CRC64NVME")
    done = place.awcopy(
        "copy", "s3://versions", "az://awcopydemo/versions", "--create-container", "--delete-source", "--yes",
        "-o", "json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "its versions stay" in done.stderr
    (line,) = place.report(json.loads(done.stdout)["id"])
    assert (line["source"], line["source_reason"]) == ("deleted", "delete_marker")
    versions = place.s3.list_object_versions(Bucket="versions")
    assert [one["Key"] for one in versions["Versions"]] == ["k"]


def test_more_than_allowed_deletes_nothing_and_says_so(place):
    place.make_bucket("guarded", OBJECTS, ChecksumAlgorithm="CRC64NVME")
    done = place.awcopy(
        "copy", "s3://guarded/in/", "az://awcopydemo/guarded", "--create-container", "--delete-source", "--yes",
        "--max-delete", "2",
    )  # fmt: skip
    assert done.returncode == 9, done.stderr
    assert "3 objects are more than --max-delete 2 allows" in done.stdout
    assert left(place, "guarded") == set(OBJECTS)
    again = place.awcopy("copy", "s3://guarded/in/", "az://awcopydemo/guarded", "--delete-source", "--yes")
    assert again.returncode == 0, again.stderr
    assert left(place, "guarded") == set()


def test_nobody_to_ask_means_that_nothing_is_started(place):
    place.make_bucket("unasked", OBJECTS)
    done = place.awcopy("copy", "s3://unasked", "az://awcopydemo/unasked", "--delete-source")
    assert (done.returncode, left(place, "unasked")) == (2, set(OBJECTS))
    assert "--yes" in done.stderr


def test_the_form_of_2015_moves_as_well(place):
    place.make_bucket("old-move", OBJECTS, ChecksumAlgorithm="CRC64NVME")
    place.blobs.create_container("old-move")
    done = place.awcopy(
        "bucket:old-move", "path:in/", "accesskey:@env:AWS_ACCESS_KEY_ID",
        "secret:@env:AWS_SECRET_ACCESS_KEY", f"region:{place.servers.source.region}", "container:old-move",
        f"storageaccount:{place.servers.sink.account}", "storagekey:@env:KEY", "/C", "/S", "/D", "--yes",
        KEY=place.servers.sink.key,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert left(place, "old-move") == set()
    assert copied(place, "old-move") == set(OBJECTS)
