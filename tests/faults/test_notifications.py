"""What may happen to notifications: each is told at least once under one id, and no job is worse off for it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import signal
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from awcopy.model.job import JobState
from awcopy.vault.profile_files import write_profile
from tests.faults.fleet import FaultFleet
from tests.faults.processes import owner_of_port, wait_until
from tests.integration.hook_server import Hook, Post, serve_hook

KEY = "a signing key of the receiver's"
CONTENTS = {"a": b"1", "b": b"2"}
WITHIN_S = 120.0  # the second attempt is due half a minute after the first

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def hook(fleet: FaultFleet) -> Iterator[Hook]:
    with serve_hook() as receiver:
        facts = {"kind": "webhook", "url": receiver.url, "signing_key": KEY}
        write_profile(fleet.folder / "profiles", "oncall", facts, replace_it=True)
        yield receiver
        wait_until(
            "nothing is left to be sent", lambda: not fleet.fleet.ledger.list_notifications(), within_s=60
        )


def assert_signed(post: Post) -> dict:
    """Check a message as its receiver would, and return what it says."""
    signed = f"{post.headers['webhook-id']}.{post.headers['webhook-timestamp']}.".encode() + post.body
    digest = base64.b64encode(hmac.new(KEY.encode(), signed, hashlib.sha256).digest()).decode()
    assert post.headers["webhook-signature"] == f"v1,{digest}"
    return json.loads(post.body)


def test_the_sender_is_killed_between_sending_and_writing_that_down(fleet: FaultFleet, hook: Hook) -> None:
    killed: list[int] = []

    def kill(post: Post) -> None:
        if not killed:
            pid = owner_of_port(post.client_port, {urlsplit(hook.url).port}, fleet.workers())
            fleet.signal_worker(pid, signal.SIGKILL)
            killed.append(pid)

    hook.on_post = kill
    fleet.make_bucket("told-twice", CONTENTS)
    job_id = fleet.submit("told-twice", "--notify", "oncall")
    assert fleet.ended(job_id).state is JobState.COMPLETED
    wait_until("it is told again", lambda: len(hook.posts) > 1, within_s=WITHIN_S)
    first, second = hook.posts[:2]
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    says = assert_signed(second)
    assert (says["event"], says["job"]["id"], says["job"]["totals"]["copied"]["objects"]) == (
        "completed",
        job_id,
        2,
    )
    assert len(killed) == 1
    fleet.wait_for_workers()


def test_a_receiver_that_is_away_keeps_no_job_from_its_end(fleet: FaultFleet, hook: Hook) -> None:
    hook.status = 503
    fleet.make_bucket("told-later", CONTENTS)
    job_id = fleet.submit("told-later", "--notify", "oncall")
    assert fleet.ended(job_id).state is JobState.COMPLETED
    wait_until("it was tried", lambda: hook.posts, within_s=WITHIN_S)
    hook.status = 204
    wait_until("it is told", lambda: len(hook.posts) > 1, within_s=WITHIN_S)
    assert {assert_signed(post)["id"] for post in hook.posts} == {hook.posts[0].headers["webhook-id"]}
    written = fleet.written() + b"".join(fleet.redis.dump(key) or b"" for key in fleet.redis.scan_iter())
    for secret in (KEY, "in-the-url"):
        assert secret.encode() not in written


def test_a_failed_job_is_told_of_as_failed(fleet: FaultFleet, hook: Hook) -> None:
    fleet.make_bucket("told-of-failure", CONTENTS)
    fleet.blobs.create_container("told-of-failure")
    folder = fleet.folder / "profiles" / "wrong.toml"
    facts = {"kind": "source", "buckets": ["elsewhere"], "endpoint_url": fleet.s3.url}
    write_profile(folder.parent, "wrong", facts, replace_it=True)
    done = fleet.awcopy(
        "copy", "s3://told-of-failure", "az://faultsink/told-of-failure", "--detach", "-o", "json",
        "--source-profile", "wrong", "--notify", "oncall",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    job_id = json.loads(done.stdout)["id"]
    fleet.own(job_id)
    ended = fleet.ended(job_id)
    assert ended.state is JobState.FAILED, fleet.describe(job_id)
    wait_until("it is told", lambda: hook.posts, within_s=WITHIN_S)
    says = assert_signed(hook.posts[0])
    assert (says["event"], says["detail"], says["job"]["state"]) == ("failed", ended.detail, "failed")
    folder.unlink()
