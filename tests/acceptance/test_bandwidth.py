"""``--bandwidth`` on a real fleet: one rate over all workers, which can be changed while they wait."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest

from awcopy.demo.fleet import awcopy_command
from tests.acceptance.conftest import LIMIT_S, Place

BUCKET, CONTAINER = "paced", "paced"
MIB = 1 << 20
SMALL, LARGE = 16, 80  # objects of 1 MiB, and the MiB of one that is copied in ranges of blocks
pytestmark = pytest.mark.timeout(2 * LIMIT_S)


@pytest.fixture(scope="module")
def paced(place: Place) -> Place:
    place.make_bucket(BUCKET, {f"small/{number}": os.urandom(MIB) for number in range(SMALL)})
    place.s3.put_object(Bucket=BUCKET, Key="large", Body=os.urandom(LARGE * MIB))
    place.blobs.create_container(CONTAINER)
    return place


def copy(place: Place, name: str, *words: str):
    sink = f"az://{place.servers.sink.account}/{CONTAINER}/{name}"
    return place.awcopy("copy", f"s3://{BUCKET}/", sink, "--agents", "4", "--block-size", "1M", *words)


def test_all_workers_together_keep_to_the_rate(paced: Place) -> None:
    begun = time.monotonic()
    done = copy(paced, "slow", "--bandwidth", "12M")
    took_s = time.monotonic() - begun
    assert done.returncode == 0, done.stderr
    assert paced.differences(BUCKET, f"{CONTAINER}/slow") == (SMALL + 1, ())
    # All but the first MiB wait for those before. How much longer it takes says how busy the machine is.
    assert took_s >= (SMALL + LARGE - 1) / 12
    assert paced.job("@last")["bandwidth"] == 12 * MIB


def test_a_rate_that_is_lifted_counts_at_once_for_those_who_wait(paced: Place) -> None:
    job_id = copy(paced, "lifted", "--bandwidth", "64K", "--detach").stdout.strip()  # 26 minutes
    deadline = time.monotonic() + LIMIT_S
    while not paced.look(job_id)["moved_bytes"]:
        assert time.monotonic() < deadline
    lifted = paced.awcopy("jobs", "bandwidth", job_id, "0")
    assert lifted.returncode == 0, lifted.stderr
    assert lifted.stderr == f"bandwidth of job {job_id}: no limit\n"
    assert paced.awcopy("jobs", "watch", job_id, "-q").returncode == 0
    assert paced.differences(BUCKET, f"{CONTAINER}/lifted") == (SMALL + 1, ())


def test_ctrl_c_ends_a_copy_in_this_process_whose_bytes_wait_for_their_turn(paced: Place) -> None:
    source, sink = f"s3://{BUCKET}/small/", f"az://{paced.servers.sink.account}/{CONTAINER}/cut"
    words = ("copy", source, sink, "--local", "--bandwidth", "128K")  # two minutes
    with subprocess.Popen(
        awcopy_command(*words), env=paced.env, stderr=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + LIMIT_S
        container = paced.blobs.get_container_client(CONTAINER)
        while not any(True for _ in container.list_blobs(name_starts_with="cut/")):
            assert time.monotonic() < deadline
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=LIMIT_S)
    assert (process.returncode, said.strip()) == (130, "awcopy: interrupted")
    assert len(list(container.list_blobs(name_starts_with="cut/"))) < SMALL
