"""What a user does is written down, and what the fleet must be told is published."""

from __future__ import annotations

import pytest

from awcopy.config import Settings
from awcopy.errors import ServiceUnreachable
from awcopy.model.job import JobState
from tests.unit.factories import JOB_ID
from tests.unit.world import World
from workers import control, publisher

SETTINGS = Settings()


@pytest.fixture
def published(monkeypatch):
    found = []
    for name in ("publish_dispatch", "publish_finish", "publish_generation"):
        monkeypatch.setattr(publisher, name, lambda _settings, _what, name=name: found.append(name))
    return found


@pytest.mark.parametrize(
    ("state", "act", "then", "message"),
    [
        (JobState.PAUSED, control.resume_job, JobState.QUEUED, "publish_dispatch"),
        (JobState.RUNNING, control.cancel_job, JobState.CANCELLING, "publish_finish"),
        (JobState.RUNNING, lambda *of: control.change_agents(*of, 9), JobState.RUNNING, "publish_generation"),
    ],
)
def test_it_is_written_and_then_published(published, state, act, then, message):
    world = World()
    world.submit(state=state)

    act(SETTINGS, world.fleet, JOB_ID)

    assert world.ledger.get_job(JOB_ID).state is then
    assert published == [message]


def test_a_job_that_is_not_at_work_gets_its_agents_when_it_is(published):
    world = World()
    world.submit(state=JobState.PAUSED)

    assert control.change_agents(SETTINGS, world.fleet, JOB_ID, 9).spec.agents == 9
    assert published == []


def test_what_redis_does_not_take_is_written_all_the_same(monkeypatch):
    def refuse(*_):
        raise ServiceUnreachable("Redis did not take the job's message")

    monkeypatch.setattr(publisher, "publish_finish", refuse)
    world = World()
    world.submit()

    with pytest.raises(ServiceUnreachable):
        control.cancel_job(SETTINGS, world.fleet, JOB_ID)

    assert world.ledger.get_job(JOB_ID).state is JobState.CANCELLING
