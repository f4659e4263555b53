from __future__ import annotations

import json

import pytest
from celery import Celery

from awcopy.config import Settings
from awcopy.model.items import ItemKind
from awcopy.steps.dispatch import Generation
from awcopy.steps.places import Turn
from awcopy.steps.reconcile import Repairs
from tests.unit.factories import JOB_ID
from workers import messages
from workers.app import make_app

TURN = Turn(job_id=JOB_ID, generation=3, place=2, turn=7, item=41, kind=ItemKind.COPY_FILES)


@pytest.fixture
def sent(monkeypatch):
    """What was published, in place of the broker."""
    found = []
    monkeypatch.setattr(Celery, "send_task", lambda _app, name, **how: found.append((name, how)))
    return found


@pytest.fixture
def app():
    return make_app(Settings())


def test_a_turn_can_be_told_from_its_message():
    message = json.loads(json.dumps(messages.turn_message(TURN)))
    read = messages.read_turn(message)
    assert (read.job_id, read.generation, read.place, read.turn, read.item) == (JOB_ID, 3, 2, 7, 41)


def test_a_message_says_ids_only():
    assert messages.turn_message(TURN) == {"job": JOB_ID, "generation": 3, "agent": 2, "turn": 7, "item": 41}


@pytest.mark.parametrize("kind", ItemKind)
def test_a_task_is_named_for_its_kind_of_item(kind):
    turn = Turn(job_id=JOB_ID, generation=1, place=0, item=1, kind=kind)
    assert messages.turn_task(turn) == f"awcopy.{kind.value}"


def test_a_task_without_an_item_is_an_agents():
    assert messages.turn_task(Turn(job_id=JOB_ID, generation=1, place=0)) == "awcopy.agent"


@pytest.mark.parametrize(("item", "shown"), [(0, "agent 2, looks for work"), (41, "agent 2, item 41")])
def test_a_turn_is_described_in_words(item, shown):
    turn = Turn(job_id=JOB_ID, generation=3, place=2, item=item)
    assert messages.describe_turn(turn) == f"job {JOB_ID}, {shown}"


def test_every_name_that_is_published_is_a_task_of_the_application(app):
    app.loader.import_default_modules()
    names = {messages.DISPATCH, messages.FINISH, messages.AGENT, *messages.ITEM_TASKS.values()}
    assert names <= set(app.tasks)


def test_a_dispatch_names_the_job_alone(app, sent):
    messages.publish_dispatch(app, JOB_ID)
    [(name, how)] = sent
    assert (name, how["kwargs"]) == (messages.DISPATCH, {"job": JOB_ID})
    assert how["ignore_result"]


def test_repairs_are_all_published(app, sent, monkeypatch):
    started = []
    monkeypatch.setattr(messages, "publish_generation", lambda _app, one: started.append(one))
    generation = Generation(job_id=JOB_ID, number=2, places=3)
    messages.publish_repairs(app, Repairs(dispatches=[JOB_ID], generations=[generation]))
    assert started == [generation]
    assert [name for name, _ in sent] == [messages.DISPATCH]


def test_a_generation_is_a_chord_of_its_places_and_then_finish(app, monkeypatch):
    seen = []

    class Chord:
        def __init__(self, header, app):
            self.header = list(header)

        def __call__(self, body):
            seen.append((self.header, body))

    monkeypatch.setattr(messages, "chord", Chord)
    messages.publish_generation(app, Generation(job_id=JOB_ID, number=2, places=3))
    [(header, body)] = seen
    assert [one.kwargs["agent"] for one in header] == [0, 1, 2]
    assert {one.kwargs["generation"] for one in header} == {2}
    assert (body.task, body.kwargs) == (messages.FINISH, {"job": JOB_ID, "generation": 2})
    assert body.immutable


def test_a_turn_says_what_its_item_holds():
    turn = Turn(job_id=JOB_ID, generation=3, place=2, item=17, holds="500 files, 12.0 MiB")
    assert messages.describe_turn(turn) == f"job {JOB_ID}, agent 2, item 17: 500 files, 12.0 MiB"
