"""The main job, as a user runs it: a copy on a fleet of two processes, proved by a stranger's reader."""

from __future__ import annotations

import base64
import json
import random
import re
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

from awcopy.units import KIB, MIB
from tests.acceptance.conftest import Place

BUCKET = "main-job"
SMALL, LARGE_BYTES = 3000, 300 * MIB
ODD_NAME = "data/ä ö/日本 語+%41&=.txt"
OBJECTS = SMALL + 3
pytestmark = pytest.mark.timeout(600)  # for hangs: the first test also fills the bucket

METADATA = {"reviewed-by": "Ada", "author": "=?UTF-8?B?SsO8cmdlbg==?="}


@pytest.fixture(scope="module")
def bucket(place: Place) -> str:
    """3,000 objects of 4 KiB, one of 300 MiB, an empty one, and one with an odd name."""
    place.make_bucket(BUCKET, {"data/empty": b"", ODD_NAME: b"odd"})
    place.s3.put_object(
        Bucket=BUCKET,
        Key="data/large.bin",
        Body=b"".join(random.Random(part).randbytes(MIB) for part in range(LARGE_BYTES // MIB)),
        ChecksumAlgorithm="CRC64NVME",
        ContentType="video/mp4",
        ContentLanguage="de",
        CacheControl="max-age=60",
        ContentDisposition='attachment; filename="x.mp4"',
        Metadata=METADATA,
    )

    def put(number: int) -> None:
        body = random.Random(number).randbytes(4 * KIB)
        place.s3.put_object(Bucket=BUCKET, Key=f"data/{number:05}.bin", Body=body, Metadata=METADATA)

    with ThreadPoolExecutor(8) as writers:
        list(writers.map(put, range(SMALL)))
    return BUCKET


@pytest.fixture(scope="module")
def copied(place: Place, bucket: str) -> dict[str, object]:
    """The first copy of the bucket, with what Redis held while it ran."""
    names, held = [], b""
    before = set(place.redis_dump()[0])  # what other jobs have left, which expires
    running = place.start(
        "copy", f"s3://{bucket}/data/", "az://awcopydemo/modern/data/", "--create-container", "-o", "json"
    )
    while running.poll() is None:
        now_names, now_held = place.redis_dump()
        names.append(set(now_names) - before)
        held += now_held
        time.sleep(0.05)  # a look at a moving target; nothing waits for it
    out, err = running.communicate()
    assert running.returncode == 0, err
    return {"job": json.loads(out), "names": names, "held": held, "err": err}


def test_every_object_is_listed_copied_and_counted(copied: dict) -> None:
    job = copied["job"]
    size = LARGE_BYTES + SMALL * 4 * KIB + 3
    assert job["state"] == "completed"
    assert job["totals"]["listed"] == job["totals"]["copied"] == {"objects": OBJECTS, "bytes": size}
    assert sum(job["proofs"].values()) == OBJECTS
    assert job["proofs"]["blocks"] == job["proofs"]["length"] == 0


def test_an_independent_reader_finds_no_difference(place: Place, copied: dict) -> None:
    same, differences = place.differences(f"{BUCKET}/data", "modern/data")
    assert (same, differences) == (OBJECTS, ())


def test_headers_and_metadata_arrive(place: Place, copied: dict) -> None:
    blob = place.blobs.get_blob_client("modern", "data/large.bin").get_blob_properties()
    settings = blob.content_settings
    assert settings.content_type == "video/mp4"
    assert settings.content_language == "de"
    assert settings.cache_control == "max-age=60"
    assert settings.content_disposition == 'attachment; filename="x.mp4"'
    assert blob.metadata["reviewed_x2d_by"] == "Ada"
    encoded = re.fullmatch(r"=\?UTF-8\?B\?(.*)\?=", blob.metadata["author"])
    assert encoded
    assert base64.b64decode(encoded[1]).decode() == "Jürgen"


def test_the_report_has_every_key_once_with_its_proof(place: Place, copied: dict) -> None:
    lines = place.report(copied["job"]["id"])
    assert len(lines) == len({line["key"] for line in lines}) == OBJECTS
    assert {line["outcome"] for line in lines} == {"copied"}
    assert {line["proof"] for line in lines} == {"crc64", "md5"}


def test_redis_never_holds_a_credential(place: Place, copied: dict) -> None:
    source, sink = place.servers.source, place.servers.sink
    assert len(copied["names"]) > 10
    for secret in (source.access_key, source.secret_key, sink.key, place.servers.ledger.key):
        for form in (secret, base64.b64encode(secret.encode()).decode().rstrip("=")):
            assert form.encode() not in copied["held"]


def test_the_result_backend_stays_small_whatever_the_number_of_objects(copied: dict) -> None:
    backend = [[name for name in names if name.startswith(b"celery-task")] for names in copied["names"]]
    assert max(map(len, backend)) <= 20
    assert max(map(len, copied["names"])) <= 60


def test_the_dashboard_and_its_json_show_the_same_job(place: Place, copied: dict) -> None:
    job_id = copied["job"]["id"]
    api = f"{place.processes.web_url}api/v1/jobs/{job_id}"
    with urllib.request.urlopen(api, timeout=30) as answer:
        assert json.load(answer) == copied["job"]
    with urllib.request.urlopen(f"{place.processes.web_url}jobs/{job_id}", timeout=30) as page:
        assert "3,003" in page.read().decode()


def test_flower_shows_readable_tasks_without_secrets(place: Place, copied: dict) -> None:
    text = place.ask_flower("api/tasks?limit=1000")
    tasks = json.loads(text)
    kinds = {task["name"] for task in tasks.values()}
    assert {"awcopy.dispatch", "awcopy.list_objects", "awcopy.copy_files", "awcopy.copy_blocks"} <= kinds
    shown = [task["kwargs"] for task in tasks.values() if task["name"] == "awcopy.copy_files"]
    assert any(copied["job"]["id"] in kwargs for kwargs in shown)
    assert all(
        re.fullmatch(r"job \w{16}, agent \d, item \d+: [\d,]+ files?, [\d.]+ [KMG]?i?B", kwargs)
        for kwargs in shown
    )
    assert place.servers.source.secret_key not in text


def test_a_second_copy_sends_nothing_again(place: Place, copied: dict) -> None:
    done = place.awcopy("copy", f"s3://{BUCKET}/data/", "az://awcopydemo/modern/data/", "-o", "json")
    job = json.loads(done.stdout)
    assert done.returncode == 0
    assert job["totals"]["skipped"]["objects"] == OBJECTS
    assert job["totals"]["copied"]["objects"] == 0


def test_the_2015_command_line_does_the_same(place: Place, bucket: str) -> None:
    place.blobs.create_container("legacy")
    source, sink = place.servers.source, place.servers.sink
    done = place.awcopy(
        f"bucket:{bucket}", "path:data/", f"accesskey:{source.access_key}", f"secret:{source.secret_key}",
        f"region:{source.region}", "container:legacy", f"storageaccount:{sink.account}",
        f"storagekey:{sink.key}", "/C", "/S", "/A:4", "/B:8M", "/J:first",
        AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "first" in done.stdout
    same, differences = place.differences(f"{bucket}/data", "legacy/data")
    assert (same, differences) == (OBJECTS, ())


def test_an_object_that_cannot_be_copied_fails_alone(place: Place) -> None:
    place.make_bucket("one-fails", {"a.txt": b"a", "b.txt": b"b", "ends-in-a-dot.": b"c"})
    done = place.awcopy(
        "copy", "s3://one-fails", "az://awcopydemo/one-fails", "--create-container", "-o", "json"
    )
    job = json.loads(done.stdout)
    failed = [line for line in place.report(job["id"]) if line["outcome"] == "failed"]
    assert done.returncode == 3
    assert job["state"] == "completed_with_errors"
    assert job["totals"]["copied"]["objects"] == 2
    assert [(line["key"], line["reason"]) for line in failed] == [("ends-in-a-dot.", "name_not_allowed")]


def test_a_local_copy_needs_no_fleet(place: Place) -> None:
    place.make_bucket("local-copy", {f"k{number}": bytes(number) for number in range(20)})
    done = place.awcopy(
        "copy", "s3://local-copy", "az://awcopydemo/local-copy", "--create-container", "--local", "-o", "json",
        AWCOPY_REDIS_URL="redis://127.0.0.1:1/0", AWCOPY_LEDGER="",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert place.differences("local-copy", "local-copy") == (20, ())
