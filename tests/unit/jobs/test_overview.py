from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from awcopy.bootstrap import memory_fleet
from awcopy.errors import ServiceUnreachable
from awcopy.jobs.overview import look_ahead, take_overview
from awcopy.jobs.queries import snapshot_of
from awcopy.model.job import JobState
from awcopy.model.outcome import Tally, Totals
from awcopy.model.schedule import Fate, Occurrence, Schedule
from tests.unit.factories import make_job


@pytest.fixture
def fleet():
    return memory_fleet()


def overview(fleet):
    return take_overview(fleet, look_ahead(fleet), partial(snapshot_of, fleet))


@pytest.fixture
def add(fleet):
    def add_job(number, state, *, hours_ago=1, **changes):
        at = fleet.ledger.now() - timedelta(hours=hours_ago)
        job = replace(
            make_job(), id=f"zybq{number:012}", state=state, created_at=at, changed_at=at, **changes
        )
        return fleet.ledger.add_job(job)

    return add_job


def test_jobs_are_counted_by_what_becomes_of_them(fleet, add):
    copied = Totals(copied=Tally(objects=1, size_bytes=100))
    states = (
        JobState.RUNNING, JobState.CANCELLING, JobState.QUEUED, JobState.PAUSED,
        JobState.FAILED, JobState.COMPLETED_WITH_ERRORS, JobState.COMPLETED,
    )  # fmt: skip
    for number, state in enumerate(states):
        add(number, state, totals=copied)
    add(90, JobState.FAILED, hours_ago=25, totals=copied)
    for number in range(100, 400):  # newer, and no matter how many
        add(number, JobState.COMPLETED)

    found = overview(fleet)

    assert (found.running, found.queued, found.paused, found.failed_lately) == (2, 1, 1, 2)
    assert found.copied_bytes == 300
    assert len(found.jobs) == 4


def test_what_needs_a_person_is_told(fleet, add):
    add(1, JobState.PAUSED, pause_reason="auth", detail="the source refused the credentials")
    add(2, JobState.PAUSED, pause_reason="user")
    queued = add(3, JobState.QUEUED)
    now = fleet.ledger.now().replace(microsecond=0)
    fleet.ledger.add_schedule(
        Schedule(name="nightly", user="", spec=queued.spec, created_at=now, fired_to=now, every_s=3600)
    )
    for hours in (2, 30):
        fleet.ledger.add_occurrence(
            Occurrence(schedule="nightly", planned_at=now - timedelta(hours=hours), fate=Fate.MISSED)
        )

    found = overview(fleet)

    assert [one.kind for one in found.attention] == ["no_workers", "paused", "missed"]
    assert found.attention[1].says == "the source refused the credentials"
    assert found.coming == (("nightly", now + timedelta(hours=1)),)
    fleet.live.beat("worker@host", 4)
    assert [one.kind for one in overview(fleet).attention] == ["paused", "missed"]


def test_redis_may_be_away(fleet, monkeypatch):
    def fail():
        raise ServiceUnreachable("away")

    monkeypatch.setattr(fleet.live, "workers", fail)

    found = overview(fleet)
    assert (found.workers, found.slots) == (None, None)
    assert [one.kind for one in found.attention] == ["no_redis"]
