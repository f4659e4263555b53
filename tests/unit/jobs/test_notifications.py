"""Telling receivers: each is told of each end at least once under one id, and nothing of it touches the job."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from awcopy.bootstrap import memory_fleet
from awcopy.errors import CredentialsError
from awcopy.jobs.fleet import Fleet
from awcopy.jobs.notifications import EVENT, PATIENCE, send_notifications, write_notifications
from awcopy.ledger.memory import MemoryLedger
from awcopy.model.job import JobState, move
from awcopy.model.notification import LONGEST_WAIT, MOST_ATTEMPTS
from awcopy.model.schedule import Fate, Occurrence
from awcopy.notify.memory import MemoryMessenger
from tests.unit.factories import NOW, make_job, make_schedule, make_spec
from tests.unit.world import Clock, Crash

HOSTILE = "x\r\nBcc: all@example.org\x1b[2J"


class World:
    """A ledger on a clock, and receivers by name."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.ledger = MemoryLedger(self.clock.now)
        self.fleet = Fleet(ledger=self.ledger, live=memory_fleet().live)
        self.receivers = {"hook": MemoryMessenger(), "ops": MemoryMessenger()}

    def open(self, name: str) -> MemoryMessenger:
        if name not in self.receivers:
            raise CredentialsError(f"there is no profile {name!r}")
        return self.receivers[name]

    def end(self, state=JobState.COMPLETED, notify=("hook", "ops"), **facts):
        running = self.ledger.add_job(make_job(spec=make_spec(notify=notify), **facts))
        return self.ledger.update_job(move(running, state, at=self.ledger.now(), detail="why"))

    def look(self, fleet: Fleet | None = None) -> None:
        write_notifications(fleet or self.fleet)
        send_notifications(fleet or self.fleet, self.open)

    def sent(self, name: str = "hook"):
        return self.receivers[name].messages


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize(
    ("state", "event"),
    [
        (JobState.COMPLETED, "completed"),
        (JobState.COMPLETED_WITH_ERRORS, "failed"),
        (JobState.FAILED, "failed"),
    ],
)
def test_each_receiver_is_told_once_how_a_job_ended(world: World, state, event):
    job = world.end(state)
    for _ in range(3):
        world.look()
    [message], [other] = world.sent("hook"), world.sent("ops")
    assert message.id != other.id
    body = json.loads(message.body)
    assert (body["schema"], body["id"], body["event"]) == ("awcopy.notification/1", message.id, event)
    assert (body["job"]["id"], body["job"]["state"], body["detail"]) == (job.id, state.value, "why")
    assert world.ledger.list_notifications() == []
    assert world.ledger.get_job(job.id).state is state


def test_nobody_is_told_of_jobs_that_go_on_are_cancelled_or_did_not_ask(world: World):
    world.end(notify=())
    job = world.ledger.add_job(make_job(id="0cancelled", spec=make_spec(notify=("hook",))))
    cancelling = world.ledger.update_job(move(job, JobState.CANCELLING, at=NOW))
    world.look()
    world.ledger.update_job(move(cancelling, JobState.CANCELLED, at=NOW))
    world.look()
    assert world.sent() == []


@pytest.mark.parametrize(
    "op",
    [
        "untold_jobs",
        "add_notification",
        "update_job",
        "list_notifications",
        "update_notification",
        "delete_notification",
    ],
)
def test_whoever_dies_at_any_write_leaves_what_the_next_one_sends_under_the_same_id(world: World, op):
    world.end(notify=("hook",))

    class Dying:
        def __getattr__(_, name):  # noqa: N805 - the world is outside
            if name == op:
                raise Crash
            return getattr(world.ledger, name)

    with pytest.raises(Crash):
        world.look(replace(world.fleet, ledger=Dying()))
    world.clock.seconds += 3600
    world.look()
    world.clock.seconds += 3600
    world.look()
    assert len({message.id for message in world.sent()}) == 1
    assert len(world.sent()) == 1 + (op == "delete_notification")


def test_what_fails_is_tried_again_more_and_more_rarely_and_given_up_in_the_end(world: World):
    job = world.end(notify=("hook",))
    world.receivers["hook"].is_away = True
    waits = []
    while world.ledger.list_notifications() or not waits:
        begun = world.clock.seconds
        world.look()
        left = world.ledger.list_notifications()
        if left:
            waits.append(left[0].due_at - world.ledger.now())
            world.look()  # not due: nothing is tried
            assert world.ledger.list_notifications() == left
            world.clock.seconds = begun + waits[-1].total_seconds()
    assert len(waits) == MOST_ATTEMPTS - 1
    assert waits[:3] == [timedelta(seconds=30), timedelta(minutes=1), timedelta(minutes=2)]
    assert max(waits) == LONGEST_WAIT
    assert sum(waits, timedelta()) < timedelta(hours=24)
    told = world.ledger.get_job(job.id)
    assert told.state is JobState.COMPLETED
    assert (told.events[-1].what, "hook could not be told" in told.events[-1].detail) == (EVENT, True)


def test_a_receiver_that_comes_back_is_told(world: World):
    world.end(notify=("hook",))
    world.receivers["hook"].is_away = True
    world.look()
    world.receivers["hook"].is_away = False
    world.clock.seconds += 31
    world.look()
    assert len(world.sent()) == 1


def test_a_receiver_that_only_another_machine_knows_is_left_to_it_for_a_while(world: World):
    world.end(notify=("elsewhere",))
    world.look()
    [left] = world.ledger.list_notifications()
    assert left.attempts == 0
    world.receivers["elsewhere"] = MemoryMessenger()
    world.look()
    assert len(world.sent("elsewhere")) == 1
    world.end(notify=("nowhere",), id="0other")
    world.look()
    world.clock.seconds += PATIENCE.total_seconds() + 1
    world.look()
    assert world.ledger.list_notifications() == []


def test_one_message_tells_of_all_occurrences_that_were_missed(world: World):
    world.ledger.add_schedule(make_schedule(spec=make_spec(notify=("ops",))))
    world.ledger.add_schedule(make_schedule(name="quiet"))
    for hours in range(3):
        at = NOW + timedelta(hours=hours)
        row = Occurrence(schedule="nightly", planned_at=at, fate=Fate.MISSED, detail="late", is_untold=True)
        world.ledger.add_occurrence(row)
    world.look()
    world.look()
    [message] = world.sent("ops")
    body = json.loads(message.body)
    assert (body["event"], body["schedule"], body["job"]) == ("missed", "nightly", None)
    assert body["planned_at"] == (NOW + timedelta(hours=2)).isoformat()
    assert body["detail"] == "late; and 2 earlier ones"
    assert "did not run" in message.subject


def test_a_job_that_was_removed_meanwhile_is_told_of_by_its_id(world: World):
    job = world.end(notify=("hook",))
    write_notifications(world.fleet)
    world.ledger.delete_job(job.id)
    send_notifications(world.fleet, world.open)
    assert job.id in world.sent()[0].subject


def test_names_stay_what_they_are_in_json(world: World):
    world.end(notify=("hook",), name=HOSTILE)
    world.look()
    [message] = world.sent()
    assert json.loads(message.body)["job"]["name"] == HOSTILE
    assert b"\r" not in message.body
    assert b"\x1b" not in message.body
