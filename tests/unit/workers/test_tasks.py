from __future__ import annotations

from dataclasses import replace

import pytest
from celery import Celery

from awcopy.config import Settings
from awcopy.errors import ServiceUnreachable
from awcopy.model.job import JobState
from tests.unit.factories import JOB_ID, make_spec
from tests.unit.world import World
from workers import messages, tasks
from workers.app import make_app

CHORD = {"task": messages.FINISH, "chord_size": 2}


class FleetInMemory:
    """Tasks of the real application run by hand; what they publish is caught, and nothing waits."""

    def __init__(self, monkeypatch):
        self.world = World()
        self.slept = []
        self.sent = []
        self.generations = []
        self.app = make_app(Settings())
        self.app.loader.import_default_modules()
        self.app.step_context = replace(self.world.context, sleep=self.slept.append)
        monkeypatch.setattr(Celery, "send_task", lambda _app, name, **how: self.sent.append((name, how)))
        monkeypatch.setattr(
            tasks.messages, "publish_generation", lambda _app, one: self.generations.append(one)
        )

    def run(self, name, message, **request):
        """Run a task as a worker would, and return its request as it is then."""
        task = self.app.tasks[name]
        task.push_request(id="task-1", **request)
        try:
            task.run(**message)
            return task.request.chord
        finally:
            task.pop_request()

    def take(self, turn):
        return self.run(
            messages.turn_task(turn), messages.turn_message(turn), chord=CHORD, group="g", group_index=1
        )


@pytest.fixture
def fleet(monkeypatch):
    return FleetInMemory(monkeypatch)


@pytest.fixture
def turn(fleet):
    """The first turn of a job that copies two objects."""
    fleet.world.put({"a": b"x", "b": b"x"})
    fleet.world.submit(spec=make_spec(agents=1, files_per_task=1))
    fleet.run(messages.DISPATCH, {"job": JOB_ID})
    [generation] = fleet.generations
    [turn] = generation.turns()
    return turn


def test_a_dispatch_publishes_the_first_generation(fleet, turn):
    [generation] = fleet.generations
    assert (generation.number, generation.places) == (1, 1)


def test_a_second_dispatch_publishes_nothing(fleet, turn):
    fleet.run(messages.DISPATCH, {"job": JOB_ID})
    assert len(fleet.generations) == 1


def test_the_next_task_takes_over_the_place_in_the_chord(fleet, turn):
    assert fleet.take(turn) is None
    [(name, how)] = fleet.sent
    assert name == "awcopy.list_objects"
    assert (how["chord"], how["group_id"], how["group_index"]) == (CHORD, "g", 1)
    assert how["kwargs"] == {"job": JOB_ID, "generation": 1, "agent": 0, "turn": 1, "item": 1}


def test_each_item_is_a_task_of_its_own_until_the_place_is_given_up(fleet, turn):
    chord = fleet.take(turn)
    while chord is None:
        _, how = fleet.sent[-1]
        chord = fleet.take(messages.read_turn(how["kwargs"]))
    assert chord == CHORD
    assert [name for name, _ in fleet.sent] == [
        "awcopy.list_objects",
        "awcopy.copy_files",
        "awcopy.copy_files",
    ]


def test_a_job_ends_with_the_chords_callback(fleet, turn):
    fleet.world.take_turns(fleet.generations[0])
    fleet.run(messages.FINISH, {"job": JOB_ID, "generation": 1})
    assert fleet.world.ledger.get_job(JOB_ID).state is JobState.COMPLETED


def test_a_redelivered_task_whose_place_went_on_leaves_the_chord_alone(fleet, turn):
    fleet.take(turn)
    assert fleet.take(turn) is None
    assert len(fleet.sent) == 1


def test_a_place_of_a_job_that_stopped_goes_back_to_the_chord(fleet, turn):
    job = fleet.world.ledger.get_job(JOB_ID)
    fleet.world.ledger.update_job(replace(job, state=JobState.PAUSED))
    assert fleet.take(turn) == CHORD
    assert fleet.sent == []


def test_a_revived_place_that_is_given_up_has_the_job_looked_at(fleet, turn):
    job = fleet.world.ledger.get_job(JOB_ID)
    fleet.world.ledger.update_job(replace(job, state=JobState.PAUSED))
    assert fleet.run(messages.AGENT, messages.turn_message(turn), chord=None) is None
    assert [name for name, _ in fleet.sent] == [messages.FINISH]


def test_a_place_of_another_generation_is_in_no_chord(fleet, turn, monkeypatch):
    monkeypatch.setattr(tasks, "take_turn", lambda _context, turn: replace(turn, generation=2, item=7))
    assert fleet.take(turn) is None
    [(_, how)] = fleet.sent
    assert (how["kwargs"]["generation"], how.get("chord")) == (2, None)


def test_when_the_ledger_does_not_answer_the_place_waits_and_asks_again(fleet, turn):
    def refuse(_job_id):
        raise ServiceUnreachable("the ledger does not answer")

    fleet.world.ledger.get_job = refuse
    assert fleet.take(replace(turn, item=1)) is None
    assert fleet.slept == [tasks.LEDGER_AWAY_S]
    [(name, how)] = fleet.sent
    assert (name, how["kwargs"]["turn"], how["kwargs"]["item"]) == (messages.AGENT, 0, 1)


def test_no_message_holds_a_key_or_a_credential(fleet, turn):
    chord = fleet.take(turn)
    while chord is None:
        chord = fleet.take(messages.read_turn(fleet.sent[-1][1]["kwargs"]))
    assert all(
        isinstance(value, int) or value == JOB_ID for _, how in fleet.sent for value in how["kwargs"].values()
    )
