"""The command and the dashboard may die at any time; a job that is written down goes on without them."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from awcopy.demo.ports import LOOPBACK
from awcopy.jobs.control import pause_job
from awcopy.jobs.submit import JobRequest, submit_job
from awcopy.model.job import JobId, JobState
from awcopy.model.spec import JobSpec, SinkSpec, SourceSpec
from tests.faults.fleet import LEASE_S, RECONCILE_S, SINK_ACCOUNT, FaultFleet, content_of
from tests.faults.http_proxy import Fault, Op
from tests.faults.invariants import assert_invariants
from tests.faults.moments import at_request
from tests.faults.processes import children_of, is_alive, stopped, wait_until
from tests.faults.tcp_proxy import TcpProxy

OBJECTS = 60
NOTICED_S = 2 * (LEASE_S + RECONCILE_S)
GIVEN_UP_AFTER_S = 25  # by whoever looks at a page

pytestmark = pytest.mark.timeout(120)


def make_bucket(fleet: FaultFleet, name: str) -> None:
    """Make a bucket of 60 small objects."""
    fleet.make_bucket(name, {f"k{number:03}": content_of(f"{number}", 2000) for number in range(OBJECTS)})


def make_slow(fleet: FaultFleet) -> None:
    """Let each object take a while to read."""
    fleet.s3.add(Fault(delay_s=0.2), Op.GET, title="slow")


def copy_command(bucket: str) -> tuple[str, ...]:
    """Return the words of the command that copies a bucket and follows the job."""
    return (
        "copy",
        f"s3://{bucket}",
        f"az://{SINK_ACCOUNT}/{bucket}",
        "--create-container",
        "--files-per-task=6",
    )


def jobs_of(fleet: FaultFleet, bucket: str) -> list[JobId]:
    """Return the jobs of the bucket that the ledger knows."""
    return [job.id for job in fleet.fleet.ledger.list_jobs(limit=20) if job.spec.source.bucket == bucket]


def test_command_sigkill_between_the_jobs_row_and_its_message(fleet: FaultFleet) -> None:
    """Redis takes no other connection of the command than its first one; messages have their own."""
    make_bucket(fleet, "no-message")
    with TcpProxy(fleet.redis_server.port) as wire:
        command = fleet.command(
            *copy_command("no-message"), AWCOPY_REDIS_URL=f"redis://{LOOPBACK}:{wire.port}/0"
        )
        moment = at_request(fleet.s3, Op.LIST, 1, lambda _: wire.refuse())
        command.start()
        moment.wait()
        wait_until("the job is written down", lambda: jobs_of(fleet, "no-message"), within_s=30)
        command.kill()
    (job_id,) = jobs_of(fleet, "no-message")
    fleet.own(job_id)
    assert command.exit_code != 0  # killed, or it had just been told that Redis does not take the message
    assert fleet.job(job_id).state is JobState.QUEUED
    fleet.ended(job_id, within_s=NOTICED_S + 20)
    assert_invariants(fleet, job_id, "no-message")


def test_command_sigkill_while_it_follows_the_job(fleet: FaultFleet) -> None:
    make_bucket(fleet, "not-followed")
    command = fleet.command(*copy_command("not-followed"))
    moment = at_request(fleet.s3, Op.GET, 20, lambda _: command.kill())
    make_slow(fleet)
    command.start()
    moment.wait()
    (job_id,) = jobs_of(fleet, "not-followed")
    fleet.own(job_id)
    assert command.exit_code == -9
    assert not fleet.job(job_id).has_ended
    fleet.ended(job_id)
    assert_invariants(fleet, job_id, "not-followed")


def test_dashboard_sigkill_mid_job(fleet: FaultFleet) -> None:
    make_bucket(fleet, "no-dashboard")
    served = children_of(fleet.web.pid)
    moment = at_request(fleet.s3, Op.GET, 20, lambda _: fleet.web.kill())
    make_slow(fleet)
    job_id = fleet.submit("no-dashboard", "--files-per-task", "6")
    moment.wait()
    fleet.wait(job_id, "it goes on", lambda seen: seen.totals.copied.objects)
    fleet.ended(job_id)
    wait_until("its own process ends, too", lambda: not any(map(is_alive, served)), within_s=20)
    fleet.web.start()
    assert_invariants(fleet, job_id, "no-dashboard")


def look(fleet: FaultFleet, path: str) -> tuple[int, str]:
    """Return the status and the text of what the dashboard answers."""
    try:
        with urllib.request.urlopen(f"{fleet.web_url}{path}", timeout=GIVEN_UP_AFTER_S) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def overview(fleet: FaultFleet) -> dict[str, Any]:
    """Return what the dashboard says of all."""
    status, text = look(fleet, "api/v1/overview")
    assert status == 200, text
    return json.loads(text)


@pytest.fixture
def paused(fleet: FaultFleet) -> list[JobId]:
    """Three jobs that were paused before any worker took them up."""
    spec = JobSpec(source=SourceSpec(bucket="none"), sink=SinkSpec(account=SINK_ACCOUNT, container="none"))
    job_ids = [submit_job(fleet.fleet, JobRequest(spec=spec)).id for _ in range(3)]
    for job_id in job_ids:
        fleet.own(job_id)
        pause_job(fleet.fleet, job_id)
    return job_ids


def test_while_redis_is_silent_the_dashboard_shows_what_the_ledger_knows(
    fleet: FaultFleet, paused: list[JobId]
) -> None:
    one = paused[0]
    wait_until("all are looked at", lambda: paused[-1] in json.dumps(overview(fleet)), within_s=30)
    with stopped(fleet.redis_server.pid):
        wait_until("workers are not known", lambda: overview(fleet)["workers"] is None, within_s=60)
        assert "no_redis" in {one["kind"] for one in overview(fleet)["attention"]}
        for path in ("", "jobs", "api/v1/jobs", f"jobs/{one}", f"api/v1/jobs/{one}"):
            status, text = look(fleet, path)
            assert (status, one in text) == (200, True), path
        status, text = look(fleet, "api/v1/health")
        assert (status, "does not answer in time" in text) == (503, True)
        listed = fleet.awcopy("jobs", "list", "--state", "paused", "-o", "json")
        assert {*paused} <= {job["id"] for job in json.loads(listed.stdout)}
    wait_until("workers are known again", lambda: overview(fleet)["workers"], within_s=90)


def test_while_the_ledger_is_silent_the_dashboard_says_so(fleet: FaultFleet) -> None:
    with stopped(fleet.ledger_server.pid):
        for path in ("jobs", "api/v1/health"):
            status, text = look(fleet, path)
            assert (status, "did not answer in time" in text) == (503, True), path
    wait_until("it shows jobs again", lambda: look(fleet, "jobs")[0] == 200, within_s=30)
