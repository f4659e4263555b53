"""What the real command asks at a terminal before a job starts, and what an answer leads to."""

from __future__ import annotations

import os
import pty
import subprocess

from awcopy.demo.fleet import awcopy_command
from tests.acceptance.conftest import LIMIT_S, Place

OBJECTS = {"a.txt": b"new a", "b.txt": b"new b", "c.txt": b"c"}


def type_into(place: Place, typed: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command at a terminal, where these lines are typed."""
    keyboard, terminal = pty.openpty()
    try:
        os.write(keyboard, typed.encode())
        return subprocess.run(
            awcopy_command(*arguments),
            env={**place.env, "KEY": place.servers.sink.key},
            stdin=terminal,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
    finally:
        os.close(keyboard)
        os.close(terminal)


def make_conflicts(place: Place, name: str) -> None:
    place.make_bucket(name, OBJECTS, ChecksumAlgorithm="CRC64NVME")
    container = place.blobs.create_container(name)
    for blob in ("a.txt", "b.txt"):
        container.upload_blob(blob, b"old")


def contents(place: Place, name: str) -> dict[str, bytes]:
    container = place.blobs.get_container_client(name)
    return {blob.name: container.download_blob(blob.name).readall() for blob in container.list_blobs()}


def test_the_fleet_replaces_the_blobs_that_were_chosen(place: Place) -> None:
    make_conflicts(place, "chosen")
    done = type_into(
        place, "choose\n2\n", "copy", "s3://chosen", "az://awcopydemo/chosen", "--overwrite", "prompt"
    )
    assert done.returncode == 0, done.stderr
    assert "2 blobs are there already" in done.stderr
    assert contents(place, "chosen") == {"a.txt": b"old", "b.txt": b"new b", "c.txt": b"c"}


def test_the_form_of_2015_prompts_here(place: Place) -> None:
    make_conflicts(place, "prompted")
    done = type_into(
        place, "all\n", "bucket:prompted", "path:*", "accesskey:@env:AWS_ACCESS_KEY_ID",
        "secret:@env:AWS_SECRET_ACCESS_KEY", f"region:{place.servers.source.region}", "container:prompted",
        f"storageaccount:{place.servers.sink.account}", "storagekey:@env:KEY", "/U", "/P",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert contents(place, "prompted") == OBJECTS


def test_a_deletion_is_confirmed_by_the_buckets_name(place: Place) -> None:
    make_conflicts(place, "confirmed")
    line = ("copy", "s3://confirmed", "az://awcopydemo/confirmed", "--delete-source")
    refused = type_into(place, "yes\n", *line)
    assert refused.returncode == 2
    assert "nothing was started" in refused.stderr
    done = type_into(place, "confirmed\n", *line)
    assert done.returncode == 0, done.stderr
    assert "Contents" not in place.s3.list_objects_v2(Bucket="confirmed")
    assert contents(place, "confirmed") == OBJECTS
