"""Jobs that are paused and cancelled in every phase, just before something is done, and how they must end."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack

import pytest

from awcopy.config import Settings
from awcopy.model.items import ItemState
from awcopy.model.job import JobId, JobState
from awcopy.model.outcome import Result
from awcopy.units import KIB, MIB
from tests.faults.fleet import TWO_PAGES, FaultFleet, content_of
from tests.faults.http_proxy import Exchange, Fault, Op, is_later_page
from tests.faults.invariants import Expected, assert_invariants
from tests.faults.moments import Gate, hold
from tests.faults.processes import stopped, wait_until

EFFECT_S = 30.0  # within so long of the command's end, all work has stopped
LARGE, LARGE_BYTES = "large.bin", 72 * MIB  # shared out in two ranges
BLOCK_BYTES = 256 * KIB
BLOCKS = LARGE_BYTES // BLOCK_BYTES
SMALL = 60
AGENTS = 2
UNDER_WAY = AGENTS * Settings().connections  # objects that may have been read and not written when it stops
SLOW_S = 0.5

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def mixed(one_fleet: FaultFleet) -> str:
    """A bucket with small files and a large one."""
    small = {f"k{number:03}": content_of(f"{number}", 2000) for number in range(SMALL)}
    one_fleet.make_bucket("mixed", {**small, LARGE: content_of(LARGE, LARGE_BYTES)})
    return "mixed"


def is_probe(exchange: Exchange) -> bool:
    """Return whether a listing is a look before the work."""
    return bool(re.search(r"\bmax-keys=1(&|$)", exchange.query))


# At which gate the requests of a phase are held.
PHASES: Mapping[str, Callable[[FaultFleet], Gate]] = {
    "dispatching": lambda fleet: hold(
        fleet.s3, Op.LIST, match=lambda one: is_probe(one) and fleet.worker_of(one)
    ),
    "listing": lambda fleet: hold(fleet.s3, Op.LIST, match=lambda one: not is_probe(one)),
    "listing-a-later-page": lambda fleet: hold(fleet.s3, Op.LIST, match=is_later_page),
    "copying-files": lambda fleet: hold(
        fleet.s3, Op.GET, 20, match=lambda one: one.name != LARGE, delay_s=SLOW_S
    ),
    "copying-blocks": lambda fleet: hold(fleet.azure, Op.PUT_BLOCK, 20, delay_s=SLOW_S),
    "proving": lambda fleet: hold(fleet.s3, Op.HEAD, match=lambda one: one.name == LARGE),
    "committing": lambda fleet: hold(fleet.azure, Op.COMMIT),
}


def command(fleet: FaultFleet, verb: str, job_id: JobId) -> None:
    """Run ``awcopy jobs VERB``."""
    done = fleet.awcopy("jobs", verb, job_id)
    assert done.returncode == 0, done.stderr


def pause_at(fleet: FaultFleet, job_id: JobId, gate: Gate) -> None:
    """Pause the job when a request is held; return when all stands still, which must be soon."""
    gate.wait()
    command(fleet, "pause", job_id)
    gate.open()
    wait_until("all stands still", lambda: stands_still(fleet, job_id), within_s=EFFECT_S)
    assert fleet.job(job_id).state is JobState.PAUSED


def stands_still(fleet: FaultFleet, job_id: JobId) -> bool:
    """Return whether no item is held and no request is under way."""
    held = any(item.state is ItemState.LEASED for item in fleet.items(job_id))
    return not (held or fleet.s3.log.under_way() or fleet.azure.log.under_way())


def submit_to_frozen(fleet: FaultFleet, bucket: str, verb: str, *options: str, container: str) -> JobId:
    """Submit a job, and command it while no worker can have heard of it."""
    with ExitStack() as stack:
        for pid in fleet.workers():
            stack.enter_context(stopped(pid))
        job_id = fleet.submit(bucket, *options, container=container)
        assert fleet.job(job_id).state is JobState.QUEUED
        command(fleet, verb, job_id)
    return job_id


def test_a_job_of_files_paused_in_each_phase_sends_nothing_twice(fleet: FaultFleet, two_pages: str) -> None:
    options = ("--files-per-task", "50", "--agents", str(AGENTS))
    job_id = submit_to_frozen(fleet, two_pages, "pause", *options, container="paused-files")
    phases = ("dispatching", "listing-a-later-page", "copying-files")
    for phase in phases:
        gate = PHASES[phase](fleet)
        fleet.s3.add(Fault(delay_s=SLOW_S), Op.GET, title="slow")
        command(fleet, "resume", job_id)
        pause_at(fleet, job_id, gate)
        fleet.s3.rules.clear()
    assert fleet.snapshot(job_id).totals.pending.objects
    command(fleet, "resume", job_id)
    fleet.ended(job_id)
    assert_invariants(fleet, job_id, two_pages, container="paused-files")
    assert set(times(fleet.azure.log.puts()).values()) == {1}
    again = len(fleet.s3.log.gets()) - TWO_PAGES
    assert again <= len(phases) * UNDER_WAY, "more was read again than was under way"
    pages = [one for one in fleet.s3.log.all(Op.LIST) if not is_probe(one)]
    assert len(pages) == 2, "a page was listed again"


def test_a_large_file_paused_in_each_phase_sends_no_block_twice(fleet: FaultFleet, mixed: str) -> None:
    gate = PHASES["copying-blocks"](fleet)
    job_id = fleet.submit(mixed, "--block-size", "256K", "--include", LARGE, container="paused-blocks")
    pause_at(fleet, job_id, gate)
    assert len(fleet.azure.log.staged()) < BLOCKS
    fleet.azure.rules.clear()
    gate = PHASES["committing"](fleet)
    command(fleet, "resume", job_id)
    pause_at(fleet, job_id, gate)
    command(fleet, "resume", job_id)
    fleet.ended(job_id)
    assert_invariants(fleet, job_id, mixed, Expected(only={LARGE}), container="paused-blocks")
    sent = Counter(one.block_id for one in fleet.azure.log.staged(LARGE))
    assert len(sent) == sent.total() == BLOCKS
    assert len(fleet.azure.log.commits(LARGE)) == 1


def times(exchanges: list[Exchange]) -> Counter[str]:
    """Return how often each name was asked for."""
    return Counter(one.name for one in exchanges)


@pytest.mark.parametrize("phase", ["queued", *(phase for phase in PHASES if phase != "listing-a-later-page")])
def test_a_job_cancelled_in_any_phase_ends_soon_with_an_outcome_for_every_key(
    fleet: FaultFleet, mixed: str, phase: str
) -> None:
    container = f"cancelled-{phase}"
    options = ("--block-size", "256K", "--files-per-task", "5")
    if phase == "queued":
        job_id = submit_to_frozen(fleet, mixed, "cancel", *options, container=container)
    else:
        gate = PHASES[phase](fleet)
        job_id = fleet.submit(mixed, *options, container=container)
        gate.wait()
        command(fleet, "cancel", job_id)
        gate.open()
    fleet.wait(job_id, "it is cancelled", lambda seen: seen.job.has_ended, within_s=EFFECT_S)
    expected = Expected(state=JobState.CANCELLED)
    lines = assert_invariants(fleet, job_id, mixed, expected, container=container)
    assert {line.result for line in lines} <= {Result.COPIED, Result.CANCELLED}
    if phase in ("queued", "dispatching"):
        assert not lines
        assert not fleet.s3.log.gets()
    elif phase != "listing":
        assert len(lines) == SMALL + 1
    assert fleet.exit_code(job_id) == 6
