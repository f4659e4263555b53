"""`awcopy check`, as a user runs it, on real servers, beside rclone."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from awcopy.demo.verify import compare
from awcopy.units import MIB
from tests.acceptance.conftest import Place

BUCKET = "checked"
SINK = "az://awcopydemo/checked"
LARGE = random.Random(7).randbytes(9 * MIB + 1)
OBJECTS = {
    "a-b": b"lists after a/b where folders come first",
    "a/b": b"content",
    "changed": b"before",
    "damaged": b"right",
    "empty": b"",
    "large.bin": LARGE,
    "resized": b"123",
    "ü/日本 😀+%41": b"odd",
}
HOSTILE = "line\nbreak \x1b[2J"


@pytest.fixture(scope="module")
def bucket(place: Place) -> str:
    """A bucket that was copied; then both sides have been changed in every way that a letter stands for."""
    place.make_bucket(BUCKET, OBJECTS, ChecksumAlgorithm="CRC64NVME")
    done = place.awcopy("copy", f"s3://{BUCKET}", SINK, "--create-container", "--local", "-q")
    assert done.returncode == 0, done.stderr
    assert place.awcopy("check", f"s3://{BUCKET}", SINK).returncode == 0
    put = {"changed": b"behind", "resized": b"1234", HOSTILE: b"never copied", "unstamped": b"same bytes"}
    for key, content in put.items():
        place.s3.put_object(Bucket=BUCKET, Key=key, Body=content)
    container = place.blobs.get_container_client("checked")
    container.upload_blob("extra", b"of nobody")
    unstamped = container.upload_blob("unstamped", b"same bytes")
    unstamped.set_http_headers()  # no MD5 either
    damaged = container.get_blob_client("damaged")
    damaged.upload_blob(b"wrong", metadata=damaged.get_blob_properties().metadata, overwrite=True)
    return BUCKET


def letters(text: str) -> dict[str, str]:
    return {line[2:]: line[0] for line in text.splitlines()}


AT_ONCE = {"changed": "*", "resized": "*", "extra": "+", "line\\x0abreak \\x1b[2J": "-"}
SAME = {"a-b": "=", "a/b": "=", "empty": "=", "large.bin": "=", "ü/日本 😀+%41": "="}


@pytest.mark.parametrize(
    ("level", "more"),
    [
        ((), {"damaged": "=", "unstamped": "!"}),
        (("--checksum",), {"damaged": "=", "unstamped": "!"}),
        (("--download",), {"damaged": "*", "unstamped": "="}),
    ],
)
def test_every_letter_at_every_level(place: Place, bucket: str, level: tuple[str, ...], more: dict[str, str]):
    done = place.awcopy("check", f"s3://{bucket}", SINK, "--combined", "-", *level)
    assert done.returncode == 8, done.stderr
    assert letters(done.stdout) == {**SAME, **AT_ONCE, **more}
    assert done.stderr.startswith("11 names: ")


def test_rclone_agrees_with_what_reading_both_sides_shows(place: Place, bucket: str, tmp_path: Path):
    combined = tmp_path / "combined.txt"
    done = place.awcopy(
        "check", f"s3://{bucket}", SINK, "--download", "--combined", str(combined), "--exclude", "line*"
    )
    assert "* changed  (the bytes differ)" in done.stdout
    theirs = compare(place.servers.source, bucket, place.servers.sink, "checked")
    # rclone prints a name as it is, so the one with a line break would be two lines.
    known = {line for line in theirs.lines if line[:2] in ("= ", "* ", "+ ", "- ") and "line" not in line}
    # And it calls what is only at the source "+", what is only at the destination "-".
    swapped = {line.translate(str.maketrans("+-", "-+", "")) if line[0] in "+-" else line for line in known}
    assert set(combined.read_text(encoding="utf-8").splitlines()) == swapped


def test_programs_read_json(place: Place, bucket: str):
    done = place.awcopy("check", f"s3://{bucket}", SINK, "-o", "json")
    told = json.loads(done.stdout)
    assert told["totals"] == {"same": 6, "different": 2, "missing": 1, "extra": 1, "failed": 1}
    by_key = {one["key"]: one for one in told["findings"]}
    assert (by_key[HOSTILE]["verdict"], "control character" in by_key[HOSTILE]["detail"]) == ("-", True)
    lines = place.awcopy("check", f"s3://{bucket}", SINK, "-o", "ndjson", "--all").stdout.splitlines()
    assert len([json.loads(line) for line in lines]) == 11


def test_the_exit_code_says_how_it_went(place: Place, bucket: str):
    assert (
        place.awcopy("check", f"s3://{bucket}", SINK, "--include", "a*", "--exclude", "ch*").returncode == 0
    )
    assert place.awcopy("check", f"s3://{bucket}", SINK, "--include", "unstamped").returncode == 1
    assert place.awcopy("check", f"s3://{bucket}", "az://awcopydemo/nowhere").returncode == 2
    refused = place.awcopy("check", f"s3://{bucket}", SINK, AWS_SECRET_ACCESS_KEY="wrong")
    assert refused.returncode == 4, refused.stderr


def test_a_checksum_of_parts_proves_a_copy_when_that_is_asked_for(place: Place):
    """What SDKs upload in parts keeps a checksum of the parts' checksums, and no other."""
    place.s3.create_bucket(Bucket="in-parts")
    at = {"Bucket": "in-parts", "Key": "parts.bin"}
    upload = place.s3.create_multipart_upload(**at, ChecksumAlgorithm="SHA256")["UploadId"]
    parts = []
    for number, content in enumerate((LARGE[: 5 * MIB], LARGE[5 * MIB :]), 1):
        part = place.s3.upload_part(
            **at, UploadId=upload, PartNumber=number, Body=content, ChecksumAlgorithm="SHA256"
        )
        parts.append({"PartNumber": number, "ETag": part["ETag"], "ChecksumSHA256": part["ChecksumSHA256"]})
    place.s3.complete_multipart_upload(**at, UploadId=upload, MultipartUpload={"Parts": parts})
    line = (
        "copy",
        "s3://in-parts",
        "az://awcopydemo/in-parts",
        "--create-container",
        "--local",
        "-o",
        "json",
    )
    refused = place.awcopy(*line, "--require-proof", "crc64")
    assert (refused.returncode, json.loads(refused.stdout)["totals"]["failed"]["objects"]) == (3, 1)
    assert "proof_too_weak" in refused.stderr
    for options, proof in (((), "blocks"), (("--verify", "full", "--overwrite", "always"), "sha")):
        done = place.awcopy(*line, *options)
        assert (done.returncode, json.loads(done.stdout)["proofs"][proof]) == (0, 1), done.stderr
    assert place.differences("in-parts", "in-parts") == (1, ())
