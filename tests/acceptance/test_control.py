"""Pausing, resuming, cancelling and retrying jobs on a running fleet, by the real command."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from typing import Any

import pytest

from awcopy.units import MIB
from tests.acceptance.conftest import LIMIT_S, Place

BUCKET = "control"
SMALL, LARGE_BYTES = 300, 130 * MIB  # three ranges
OBJECTS = SMALL + 1
# So that much is left to do on any machine: workers hear of a change up to 3 s later.
SLOWLY = ("--bandwidth", "6M")


@pytest.fixture(scope="module", autouse=True)
def bucket(place: Place) -> None:
    small = {f"small/{number:04}": random.Random(number).randbytes(2000) for number in range(SMALL)}
    large = b"".join(random.Random(part).randbytes(MIB) for part in range(LARGE_BYTES // MIB))
    place.make_bucket(BUCKET, {**small, "large.bin": large})


def wait_for(place: Place, job_id: str, is_so: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Return the job as soon as something is so; fail when it does not come to that."""
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        job = place.look(job_id)
        if is_so(job):
            return job
        time.sleep(0.05)  # between looks at what moves by itself
    raise AssertionError(job)


def start_job(place: Place, container: str, *options: str) -> str:
    """Start a copy and return its id once bytes of the large file have arrived."""
    done = place.awcopy(
        "copy", f"s3://{BUCKET}", f"az://awcopydemo/{container}", "--create-container", "--detach", *options
    )
    assert done.returncode == 0, done.stderr
    job_id = done.stdout.strip()
    wait_for(place, job_id, lambda job: job["moved_bytes"] > 16 * MIB)
    return job_id


def assert_adds_up(job: dict[str, Any]) -> None:
    totals = job["totals"]
    for what in ("objects", "bytes"):
        ended = sum(totals[name][what] for name in ("copied", "skipped", "failed", "cancelled"))
        assert ended == totals["listed"][what]


def test_a_paused_job_stops_soon_and_goes_on_where_it_stopped(place: Place) -> None:
    job_id = start_job(place, "paused", "--block-size", "64K", *SLOWLY)
    assert place.awcopy("jobs", "pause", job_id).returncode == 0
    paused = wait_for(place, job_id, lambda job: job["busy_agents"] == 0)
    assert paused["state"] == "paused"
    assert paused["totals"]["copied"]["objects"] < OBJECTS
    assert place.awcopy("jobs", "bandwidth", job_id, "0").returncode == 0
    assert place.awcopy("jobs", "resume", job_id).returncode == 0
    assert place.awcopy("jobs", "watch", job_id, "-q").returncode == 0
    ended = place.job(job_id)
    assert ended["totals"]["copied"]["objects"] == OBJECTS
    assert_adds_up(ended)
    assert place.differences(BUCKET, "paused") == (OBJECTS, ())


def test_a_cancelled_job_gives_every_object_an_outcome(place: Place) -> None:
    job_id = start_job(place, "cancelled", "--block-size", "64K", *SLOWLY)
    assert place.awcopy("jobs", "cancel", job_id).returncode == 0
    assert place.awcopy("jobs", "watch", job_id, "-q").returncode == 6
    ended = place.job(job_id)
    assert ended["state"] == "cancelled"
    assert ended["totals"]["cancelled"]["objects"] > 0
    assert_adds_up(ended)
    lines = place.report(job_id)
    assert len(lines) == len({line["key"] for line in lines}) == ended["totals"]["listed"]["objects"]
    there = {blob.name for blob in place.blobs.get_container_client("cancelled").list_blobs()}
    assert there == {line["blob"] for line in lines if line["outcome"] == "copied"}


def test_the_agents_of_a_running_job_can_be_changed(place: Place) -> None:
    job_id = start_job(place, "agents", "--agents", "1", *SLOWLY)
    assert place.job(job_id)["busy_agents"] <= 1
    assert place.awcopy("jobs", "agents", job_id, "3").returncode == 0
    wait_for(place, job_id, lambda job: job["busy_agents"] > 1)
    assert place.awcopy("jobs", "bandwidth", job_id, "0").returncode == 0
    assert place.awcopy("jobs", "watch", job_id, "-q").returncode == 0
    assert place.job(job_id)["agents"] == 3
    assert place.differences(BUCKET, "agents") == (OBJECTS, ())


def test_a_retry_tries_what_failed_and_nothing_else(place: Place) -> None:
    place.make_bucket("retried", {"good": b"1", "bad.": b"2", "worse.": b"3"})
    done = place.awcopy("copy", "s3://retried", "az://awcopydemo/retried", "--create-container", "--detach")
    job_id = done.stdout.strip()
    assert place.awcopy("jobs", "watch", job_id, "-q").returncode == 3
    before = place.job(job_id)
    assert place.awcopy("jobs", "retry", job_id, "--reason", "no_such_reason").returncode == 1
    again = place.awcopy("jobs", "retry", job_id, "--reason", "name_not_allowed")
    assert "tries 2 objects again" in again.stderr
    assert place.awcopy("jobs", "watch", job_id, "-q").returncode == 3
    after = place.job(job_id)
    assert after["totals"] == before["totals"]
    assert len(place.report(job_id)) == 3
    events = map(json.loads, place.awcopy("jobs", "logs", job_id, "-o", "ndjson").stdout.splitlines())
    told = [(event["event"], event["detail"]) for event in events if event["event"] != "generation"]
    assert [what for what, _ in told] == ["queued", "running", "completed_with_errors"] * 2
    assert told[3] == ("queued", "2 objects are to be tried again")


def test_an_ended_job_can_be_removed_and_its_blobs_stay(place: Place) -> None:
    place.make_bucket("removed", {"a": b"1"})
    done = place.awcopy("copy", "s3://removed", "az://awcopydemo/removed", "--create-container", "-o", "json")
    assert done.returncode == 0
    assert place.awcopy("jobs", "rm", "@last").returncode == 0
    assert place.differences("removed", "removed") == (1, ())
    assert place.awcopy("jobs", "pause", "@last").returncode in (1, 2)


def test_a_queued_job_can_be_paused_resumed_and_cancelled(place: Place) -> None:
    place.make_bucket("queued", {"a": b"1"})
    elsewhere = {"AWCOPY_NAMESPACE": "nobodyhere"}  # a fleet without a single worker
    done = place.awcopy(
        "copy", "s3://queued", "az://awcopydemo/queued", "--create-container", "--detach", **elsewhere
    )
    job_id = done.stdout.strip()
    assert "no worker is running" in done.stderr
    for command, state in (("pause", "paused"), ("resume", "queued"), ("cancel", "cancelling")):
        assert place.awcopy("jobs", command, job_id, **elsewhere).returncode == 0
        shown = place.awcopy("jobs", "show", job_id, "-o", "json", **elsewhere)
        assert json.loads(shown.stdout)["state"] == state
    assert place.awcopy("jobs", "resume", job_id, **elsewhere).returncode == 1
    assert list(place.blobs.get_container_client("queued").list_blobs()) == []
