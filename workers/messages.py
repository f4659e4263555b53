"""What Celery messages say: ids only, never a listing, a key of an object or a credential."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery import chord

from awcopy.model.items import ItemKind
from awcopy.model.job import JobId
from awcopy.steps.places import Turn

if TYPE_CHECKING:
    from celery import Celery
    from celery.app.task import Context
    from celery.canvas import Signature

    from awcopy.steps.dispatch import Generation
    from awcopy.steps.reconcile import Repairs

DISPATCH = "awcopy.dispatch"
FINISH = "awcopy.finish"
AGENT = "awcopy.agent"
ITEM_TASKS = {kind: f"awcopy.{kind.value}" for kind in ItemKind}


def turn_message(turn: Turn) -> dict[str, Any]:
    """Return the message of an agent's turn."""
    return {
        "job": turn.job_id,
        "generation": turn.generation,
        "agent": turn.place,
        "turn": turn.turn,
        "item": turn.item,
    }


def read_turn(message: dict[str, Any]) -> Turn:
    """Return the turn that a message is about."""
    return Turn(
        job_id=JobId(str(message["job"])),
        generation=int(message["generation"]),
        place=int(message["agent"]),
        turn=int(message["turn"]),
        item=int(message["item"]),
    )


def turn_task(turn: Turn) -> str:
    """Return the name of the task that takes a turn: that of its item's kind, as far as it is known."""
    return ITEM_TASKS[turn.kind] if turn.kind else AGENT


def describe_turn(turn: Turn) -> str:
    """Return what Flower and the logs show of a turn."""
    what = f"item {turn.item}" if turn.item else "looks for work"
    holds = f": {turn.holds}" if turn.holds else ""
    return f"job {turn.job_id}, agent {turn.place}, {what}{holds}"


def publish_generation(app: Celery, generation: Generation) -> None:
    """Start a generation: a chord of agents, then ``finish``.

    The header is a generator on purpose: given a list, Celery 5.7.0 keeps a result and a subscription for
    each of its tasks as long as the process lives.
    """
    body = app.signature(
        FINISH,
        kwargs={"job": generation.job_id, "generation": generation.number},
        immutable=True,
        kwargsrepr=f"job {generation.job_id}, generation {generation.number}",
        argsrepr="",
    )
    chord((_turn_signature(app, turn) for turn in generation.turns()), app=app)(body)


def publish_turn(app: Celery, turn: Turn, chord_of: Context | None = None) -> None:
    """Publish the next turn of a place, which counts in the chord of the task before it, if that was in one."""
    place = {}
    if chord_of:
        place = {"chord": chord_of.chord, "group_id": chord_of.group, "group_index": chord_of.group_index}
    app.send_task(
        turn_task(turn),
        kwargs=turn_message(turn),
        kwargsrepr=describe_turn(turn),
        argsrepr="",
        ignore_result=True,
        **place,
    )


def publish_dispatch(app: Celery, job_id: JobId) -> None:
    """Ask a worker to take up a job."""
    app.send_task(
        DISPATCH, kwargs={"job": job_id}, kwargsrepr=f"job {job_id}", argsrepr="", ignore_result=True
    )


def publish_finish(app: Celery, job_id: JobId) -> None:
    """Ask a worker to end a job, if it can be ended."""
    message = {"job": job_id, "generation": 0}
    app.send_task(FINISH, kwargs=message, kwargsrepr=f"job {job_id}", argsrepr="", ignore_result=True)


def publish_repairs(app: Celery, repairs: Repairs) -> None:
    """Start what ``reconcile`` found missing."""
    for job_id in repairs.dispatches:
        publish_dispatch(app, job_id)
    for generation in repairs.generations:
        publish_generation(app, generation)
    for turn in repairs.turns:
        publish_turn(app, turn)


def _turn_signature(app: Celery, turn: Turn) -> Signature:
    return app.signature(
        turn_task(turn),
        kwargs=turn_message(turn),
        immutable=True,
        kwargsrepr=describe_turn(turn),
        argsrepr="",
    )
