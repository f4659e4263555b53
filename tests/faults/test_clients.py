"""The command and the dashboard may die at any time; a job that is written down goes on without them."""

from __future__ import annotations

import pytest

from awcopy.demo.ports import LOOPBACK
from awcopy.model.job import JobId, JobState
from tests.faults.fleet import LEASE_S, RECONCILE_S, SINK_ACCOUNT, FaultFleet, content_of, is_copying
from tests.faults.http_proxy import Fault, Op
from tests.faults.invariants import assert_invariants
from tests.faults.moments import at_request
from tests.faults.processes import children_of, is_alive, wait_until
from tests.faults.tcp_proxy import TcpProxy

OBJECTS = 60
NOTICED_S = 2 * (LEASE_S + RECONCILE_S)

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
    assert command.exit_code == -9
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
    fleet.wait(job_id, "it goes on", is_copying)
    fleet.ended(job_id)
    wait_until("its own process ends, too", lambda: not any(map(is_alive, served)), within_s=20)
    fleet.web.start()
    assert_invariants(fleet, job_id, "no-dashboard")
