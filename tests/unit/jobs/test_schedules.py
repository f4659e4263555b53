"""Firing schedules: one job for each occurrence, whoever fires, dies, or looks at a wrong clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from awcopy.bootstrap import memory_fleet
from awcopy.errors import Conflict, ServiceUnreachable
from awcopy.jobs.fleet import Fleet
from awcopy.jobs.schedules import fire_schedules, run_now, settle_occurrences
from awcopy.jobs.submit import JobRequest, submit_job
from awcopy.jobs.watermark import OVERLAP
from awcopy.ledger.memory import MemoryLedger
from awcopy.model.job import JobState, move
from awcopy.model.schedule import CatchUp, Fate, Overlap
from awcopy.model.spec import Sync
from tests.unit.factories import NOW, make_schedule, make_spec
from tests.unit.world import Clock, Crash

HOUR = timedelta(hours=1)


class World:
    """A ledger on a clock, and the means to die in the midst of a write."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.ledger = MemoryLedger(self.clock.now)
        self.fleet = Fleet(ledger=self.ledger, live=memory_fleet().live)

    def add(self, **facts):
        return self.ledger.add_schedule(make_schedule(**{"every_s": 3600, **facts}))

    def at(self, hours: float) -> None:
        self.clock.seconds = hours * 3600

    def fates(self, name="nightly"):
        """Return the fates by hours after the beginning."""
        return {(one.planned_at - NOW) // HOUR: one.fate.value for one in self.ledger.list_occurrences(name)}

    def jobs(self):
        return self.ledger.list_jobs()

    def end(self, job, state=JobState.COMPLETED) -> None:
        running = self.ledger.update_job(move(job, JobState.RUNNING, at=self.ledger.now()))
        self.ledger.update_job(move(running, state, at=self.ledger.now()))

    def die_at(self, op: str) -> Fleet:
        """Return the fleet of a process that dies just before its next call of this kind."""

        class Dying:
            def __getattr__(_, name):  # noqa: N805 - the world is outside
                if name == op:
                    raise Crash
                return getattr(self.ledger, name)

        return replace(self.fleet, ledger=Dying())


@pytest.fixture
def world() -> World:
    return World()


def test_an_occurrence_is_one_job_however_often_and_by_whom_it_is_fired(world: World) -> None:
    world.add()
    world.at(1)
    [job_id] = fire_schedules(world.fleet)
    assert fire_schedules(world.fleet) == []
    [job] = world.jobs()
    assert (job.id, job.name, job.user, job.state) == (job_id, "nightly", "dana", JobState.QUEUED)
    assert "schedule nightly, due at 2026-01-31 13:00:00 UTC" in job.events[0].detail
    assert world.fates() == {1: "started"}


def test_nothing_is_fired_before_its_time_or_while_paused(world: World) -> None:
    world.add(is_paused=True)
    world.add(name="later", every_s=7200)
    world.at(1)
    assert fire_schedules(world.fleet) == []
    assert world.fates() == world.fates("later") == {}


@pytest.mark.parametrize(
    "op", ["add_occurrence", "update_schedule", "list_occurrences", "update_occurrence", "add_job", "get_job"]
)
def test_whoever_dies_while_firing_leaves_what_the_next_one_ends(world: World, op: str) -> None:
    world.add()
    world.at(1)
    if op != "get_job":  # asked only where there is an earlier job
        with pytest.raises(Crash):
            fire_schedules(world.die_at(op))
    fire_schedules(world.fleet)
    assert len(world.jobs()) == 1
    assert world.fates() == {1: "started"}


def test_whoever_dies_between_the_job_and_its_mark_leaves_one_job(world: World) -> None:
    world.add()
    world.at(1)
    updates = []

    class DiesLate:
        def __getattr__(_, name):  # noqa: N805 - the world is outside
            if name == "update_occurrence" and updates:
                raise Crash
            updates.extend([name] * (name == "update_occurrence"))
            return getattr(world.ledger, name)

    with pytest.raises(Crash):
        fire_schedules(replace(world.fleet, ledger=DiesLate()))
    [job] = world.jobs()
    assert world.fates() == {1: "starting"}
    assert fire_schedules(world.fleet) == [job.id]
    assert world.jobs() == [job]


def test_two_that_fire_at_once_start_one_job(world: World) -> None:
    schedule = world.add()
    world.at(1)

    class Slow:
        """Lets another process do everything before each write of this one."""

        def __getattr__(_, name):  # noqa: N805 - the world is outside
            if name.startswith(("add", "update")):
                fire_schedules(world.fleet)
            return getattr(world.ledger, name)

    fire_schedules(replace(world.fleet, ledger=Slow()))
    assert len(world.jobs()) == 1
    assert world.fates() == {1: "started"}
    with pytest.raises(Conflict):
        world.ledger.update_schedule(schedule)


def test_a_clock_that_jumps_back_fires_nothing_twice(world: World) -> None:
    world.add()
    world.at(2)
    fire_schedules(world.fleet)
    world.at(0.5)
    fire_schedules(world.fleet)
    world.at(2)
    assert fire_schedules(world.fleet) == []
    assert len(world.jobs()) == 1


def test_a_clock_that_jumps_ahead_is_a_downtime(world: World) -> None:
    world.add()
    world.at(1000)
    assert len(fire_schedules(world.fleet)) == 1
    world.at(1001)
    world.end(world.jobs()[0])
    assert len(fire_schedules(world.fleet)) == 1


@pytest.mark.parametrize(
    ("catch_up", "fates"),
    [
        (CatchUp.LATEST, {1: "missed", 2: "missed", 3: "started"}),
        (CatchUp.SKIP, {1: "missed", 2: "missed", 3: "missed"}),
        (CatchUp.ALL, {1: "started", 2: "waiting", 3: "waiting"}),
    ],
)
def test_after_a_downtime_it_catches_up_as_told(world: World, catch_up: CatchUp, fates) -> None:
    world.add(catch_up=catch_up)
    world.at(3.5)
    fire_schedules(world.fleet)
    assert world.fates() == fates


def test_catching_up_with_all_runs_one_after_the_other(world: World) -> None:
    world.add(catch_up=CatchUp.ALL)
    world.at(3.5)
    for done in range(1, 4):
        fire_schedules(world.fleet)
        assert len(world.jobs()) == done
        [job] = world.ledger.open_jobs()
        world.end(job)
    assert world.fates() == {1: "started", 2: "started", 3: "started"}


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.RUNNING, JobState.PAUSED])
def test_an_occurrence_that_overlaps_is_skipped_with_the_reason(world: World, state: JobState) -> None:
    world.add()
    world.at(1)
    fire_schedules(world.fleet)
    [job] = world.jobs()
    if state is not JobState.QUEUED:
        job = world.ledger.update_job(move(job, state, at=NOW))
    world.at(2)
    assert fire_schedules(world.fleet) == []
    assert world.fates() == {1: "started", 2: "skipped"}
    assert job.id in next(world.ledger.list_occurrences("nightly")).detail


def test_or_it_waits_for_the_jobs_end(world: World) -> None:
    world.add(overlap=Overlap.QUEUE)
    world.at(1)
    fire_schedules(world.fleet)
    world.at(2)
    assert fire_schedules(world.fleet) == []
    assert fire_schedules(world.fleet) == []
    assert world.fates() == {1: "started", 2: "waiting"}
    world.end(world.jobs()[0], JobState.FAILED)
    assert len(fire_schedules(world.fleet)) == 1
    assert world.fates() == {1: "started", 2: "started"}


def test_a_job_that_was_removed_is_in_nobodys_way(world: World) -> None:
    world.add()
    world.at(1)
    fire_schedules(world.fleet)
    world.ledger.delete_job(world.jobs()[0].id)
    world.at(2)
    assert len(fire_schedules(world.fleet)) == 1


def test_a_run_by_hand_is_an_occurrence_of_now(world: World) -> None:
    schedule = world.add(is_paused=True)
    world.at(0.5)
    occurrence = run_now(world.fleet, schedule)
    assert settle_occurrences(world.fleet, schedule) == [occurrence.job_id]


def test_a_second_run_by_hand_within_a_second_is_an_occurrence_of_its_own(world: World) -> None:
    schedule = world.add(is_paused=True)
    world.at(0.5)
    first, second = run_now(world.fleet, schedule), run_now(world.fleet, schedule)
    assert second.planned_at - first.planned_at == timedelta(seconds=1)
    assert settle_occurrences(world.fleet, schedule) == [first.job_id]
    newest, *_ = world.ledger.list_occurrences(schedule.name)
    assert (newest.planned_at, newest.fate) == (second.planned_at, Fate.SKIPPED)


def test_a_run_by_hand_is_the_newest_job_whatever_its_process_takes_the_time_to_be(world: World) -> None:
    schedule = world.add(is_paused=True)
    world.at(0.5)
    before = submit_job(world.fleet, JobRequest(spec=make_spec()))
    world.at(0.4999)
    assert (run_now(world.fleet, schedule).job_id or "") < before.id


def test_the_watermark_is_that_of_the_last_run_that_completed(world: World) -> None:
    world.add(spec=make_spec(sync=Sync(since_last=True)))
    seen = []
    for hour, state in enumerate((JobState.COMPLETED, JobState.FAILED, JobState.COMPLETED), start=1):
        world.at(hour)
        fire_schedules(world.fleet)
        seen.append(world.jobs()[0].spec.selection.newer_than)
        world.end(world.jobs()[0], state)
    assert seen == [None, NOW + HOUR - OVERLAP, NOW + HOUR - OVERLAP]


def test_one_schedule_that_cannot_be_fired_keeps_no_other_waiting(world: World) -> None:
    world.add(name="a")
    world.add(name="b")
    world.at(1)

    class Failing:
        def __getattr__(_, name):  # noqa: N805 - the world is outside
            if name == "add_occurrence":
                return lambda one: world.ledger.add_occurrence(one) if one.schedule == "b" else fail()
            return getattr(world.ledger, name)

    def fail():
        raise ServiceUnreachable("the ledger does not answer")

    assert len(fire_schedules(replace(world.fleet, ledger=Failing()))) == 1
    assert (world.fates("a"), world.fates("b")) == ({}, {1: "started"})
    assert [one.fate for one in world.ledger.list_occurrences("b", fates=(Fate.STARTED,), limit=1)]
