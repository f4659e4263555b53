"""What is found of a fleet's parts, and what it means."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from awcopy.errors import CredentialsError, ServiceUnreachable
from awcopy.jobs import health
from awcopy.jobs.fleet import Fleet
from awcopy.jobs.health import Check, Finding, State, check_schedules
from awcopy.jobs.schedules import fire_schedules
from awcopy.ledger.memory import MemoryLedger
from awcopy.live.base import LiveFacts
from awcopy.live.memory import MemoryLive
from awcopy.model.job import JobState, move
from awcopy.model.schedule import CatchUp
from awcopy.vault.sealing import create_keys
from tests.unit.factories import make_schedule
from tests.unit.world import Clock


def finding(part: str = "a", state: State = State.OK) -> Finding:
    return Finding(part=part, state=state, says="as it should be")


def raising(error: Exception):
    def look() -> Finding:
        raise error

    return look


def described(**facts) -> MemoryLive:
    live = MemoryLive()
    live.describe = lambda: LiveFacts(**{"server": "Redis 8.0.1", "protocol": (8, 0, 1), **facts})
    return live


# Running the checks.


def test_findings_come_in_the_order_of_the_checks_whatever_takes_longest():
    first_may_end = threading.Event()

    def slow() -> Finding:
        assert first_may_end.wait(5)
        return finding("slow")

    def quick() -> Finding:
        first_may_end.set()
        return finding("quick", State.WARN)

    found = health.run_checks([Check(part="slow", look=slow), Check(part="quick", look=quick)])
    assert [(one.part, one.state) for one in found] == [("slow", State.OK), ("quick", State.WARN)]


def test_a_check_that_never_answers_is_a_finding_in_good_time():
    never = threading.Event()
    checks = [Check(part="a", look=never.wait), Check(part="b", look=finding)]
    silent, answered = health.run_checks(checks, limit_s=1.0)
    never.set()
    assert (silent.state, silent.says, silent.exit_code) == (State.FAIL, "no answer within 1 s", 7)
    assert answered.state is State.OK


def test_an_error_is_the_finding_of_its_part():
    [found] = health.run_checks([Check(part="a", look=raising(CredentialsError("no", hint="do")))])
    assert (found.state, found.says, found.advice, found.exit_code) == (State.FAIL, "no", "do", 4)


def test_the_worst_that_a_check_can_mean_is_kept_to():
    [found] = health.run_checks([Check(part="a", look=raising(ValueError("secret")), worst=State.WARN)])
    assert found.state is State.WARN
    assert "secret" not in found.says


def test_the_same_fault_is_told_once():
    look = raising(ServiceUnreachable("Redis is away", hint="start it"))
    first, second = health.run_checks([Check(part="redis", look=look), Check(part="beat", look=look)])
    assert first.says == "Redis is away"
    assert (second.state, second.says) == (State.FAIL, "not known, for the reason given for redis")


# The parts.


@pytest.mark.parametrize(
    ("facts", "state", "says"),
    [
        ({"persistence": "append-only file"}, State.OK, "keeps its data (append-only file)"),
        ({"persistence": "none"}, State.OK, "keeps nothing"),
        ({"persistence": ""}, State.OK, "does not say"),
        ({"eviction": "noeviction"}, State.OK, "Redis 8.0.1"),
        ({"eviction": "allkeys-lru"}, State.WARN, "evicts (allkeys-lru)"),
        ({"protocol": (5, 0, 14)}, State.FAIL, "too old"),
    ],
)
def test_redis_is_judged_by_what_it_says_of_itself(facts, state, says):
    found = health.check_live(described(**facts))
    assert found.state is state
    assert says in found.says


def test_a_ledger_that_can_be_written_is_fine():
    assert health.check_ledger(MemoryLedger()).state is State.OK


@pytest.mark.parametrize(
    ("ahead_s", "state", "says"),
    [
        (0, State.OK, "agrees"),
        (30, State.OK, "30 s ahead"),
        (-120, State.WARN, "120 s behind"),
        (1200, State.FAIL, "1200 s ahead"),
    ],
)
def test_a_clock_that_is_off_is_noticed(ahead_s, state, says):
    ledger = MemoryLedger(clock=lambda: datetime.now(UTC) - timedelta(seconds=ahead_s))
    found = health.check_clock(ledger)
    assert found.state is state
    assert says in found.says


def test_without_workers_nothing_is_copied():
    live = MemoryLive()
    live.beat("beat", 0)
    found = health.check_workers(live)
    assert (found.state, found.exit_code) == (State.FAIL, 7)
    assert "awcopy worker" in found.advice


def test_workers_are_counted_with_their_slots():
    live = MemoryLive()
    live.beat("w1", 8)
    live.beat("w2", 4)
    assert health.check_workers(live).says == "2 processes with 12 slots"


def test_another_version_is_named():
    live = MemoryLive()
    live.beat("w1", 8, "0.1.0")
    assert health.check_versions(live, "0.1.0").state is State.OK
    live.beat("w2", 8, "0.0.9")
    live.beat("w3", 8)
    found = health.check_versions(live, "0.1.0")
    assert (found.state, found.says) == (State.WARN, "0.1.0 here, 0.0.9, unknown elsewhere")


def test_beat_is_the_process_without_slots():
    live = MemoryLive()
    live.beat("w1", 8)
    assert health.check_beat(live).state is State.WARN
    live.beat("beat", 0)
    assert health.check_beat(live).state is State.OK


# The keys.


def test_a_folder_without_keys_is_a_warning(tmp_path):
    found = health.check_keys(tmp_path)
    assert (found.state, found.part) == (State.WARN, "keys")
    assert "awcopy keys init" in found.advice


@pytest.mark.parametrize(
    ("missing", "says"), [(None, "seal and open"), ("fleet.key", "can seal"), ("fleet.pub", "can open")]
)
def test_keys_are_good_for_what_is_there(tmp_path, missing, says):
    create_keys(tmp_path)
    if missing:
        (tmp_path / missing).unlink()
    found = health.check_keys(tmp_path)
    assert found.state is State.OK
    assert says in found.says


def test_keys_that_are_no_pair_are_a_fault(tmp_path):
    create_keys(tmp_path / "a")
    create_keys(tmp_path / "b")
    (tmp_path / "a" / "fleet.pub").write_text((tmp_path / "b" / "fleet.pub").read_text())
    found = health.check_keys(tmp_path / "a")
    assert (found.state, found.exit_code) == (State.FAIL, 4)


def test_a_private_key_that_others_may_read_is_an_error(tmp_path):
    create_keys(tmp_path)
    (tmp_path / "fleet.key").chmod(0o644)
    with pytest.raises(CredentialsError, match="read by others"):
        health.check_keys(tmp_path)


def scheduled(hours: float, **facts):
    """Return a fleet whose ledger's clock stands so many hours after a schedule began that is due each hour."""
    clock = Clock(seconds=0)
    fleet = Fleet(ledger=MemoryLedger(clock.now), live=MemoryLive(clock.monotonic))
    fleet.ledger.add_schedule(make_schedule(every_s=3600, **facts))
    clock.seconds = hours * 3600
    return fleet


def test_schedules_that_nothing_fires_are_found() -> None:
    assert check_schedules(scheduled(0.9)).state is State.OK
    assert check_schedules(scheduled(1.01)).state is State.OK  # in a moment
    finding = check_schedules(scheduled(1.5))
    assert (finding.state, "nightly" in finding.says) == (State.FAIL, True)
    assert check_schedules(scheduled(1.5, is_paused=True)).state is State.OK


def test_an_occurrence_that_was_missed_is_told_of() -> None:
    fleet = scheduled(1.5, catch_up=CatchUp.SKIP)
    fire_schedules(fleet)
    finding = check_schedules(fleet)
    assert (finding.state, "nightly (missed)" in finding.says) == (State.WARN, True)


def test_a_job_that_failed_is_told_of() -> None:
    fleet = scheduled(1)
    [job_id] = fire_schedules(fleet)
    assert check_schedules(fleet).state is State.OK
    job = fleet.ledger.get_job(job_id)
    fleet.ledger.update_job(move(job, JobState.FAILED, at=job.created_at))
    assert "nightly (failed)" in check_schedules(fleet).says
