"""What an agent does in one turn: run one item, then find the next.

An agent is a place in a generation, held by one task at a time; the task's message says which turn of the
place it is. Whatever happens, a turn ends in one of three ways: the place is handed on, it is given up, or
it turns out that another task has handed it on already.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import TYPE_CHECKING

import structlog

from awcopy.errors import (
    AwcopyError,
    Conflict,
    ConnectionLost,
    CredentialsError,
    CredentialsRefused,
    JobInterrupted,
    JobNotFound,
    LeaseLost,
    PermanentError,
    ServiceUnreachable,
)
from awcopy.jobs.held import say_what_it_holds
from awcopy.model.items import ItemKind, ItemState, claim
from awcopy.model.job import Job, JobState, move
from awcopy.steps.copy_blocks import copy_blocks
from awcopy.steps.copy_files import copy_files
from awcopy.steps.delete_objects import delete_objects
from awcopy.steps.lease import Lease
from awcopy.steps.list_objects import list_objects
from awcopy.steps.places import take_kept_place
from awcopy.transfer.engine import ENDS_THE_ITEM

if TYPE_CHECKING:
    from collections.abc import Callable

    from awcopy.model.items import Item
    from awcopy.steps.context import StepContext
    from awcopy.steps.places import Turn

log = structlog.get_logger(__name__)

_STEPS: dict[ItemKind, Callable[[StepContext, Job, Lease], None]] = {
    ItemKind.LIST_OBJECTS: list_objects,
    ItemKind.COPY_FILES: copy_files,
    ItemKind.COPY_BLOCKS: copy_blocks,
    ItemKind.DELETE_OBJECTS: delete_objects,
}
MAX_ATTEMPTS = 10  # after so many attempts at one item that ended badly, the job fails
_WAKE = 0  # no item: a hint for one agent that waits for items, to see for itself that there are none
_REFILL = 100  # hints fetched from the ledger at a time
_REFILL_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class _Following:
    number: int = 0
    kind: ItemKind | None = None
    holds: str = ""


class End(Enum):
    """How a turn ended when it was not handed on."""

    GIVEN_UP = auto()  # nothing is left to do in this place
    SUPERSEDED = auto()  # another task holds the place, or the generation is gone: say nothing about it


def take_turn(context: StepContext, turn: Turn) -> Turn | End:
    """Run the turn's item, if it still can be had, and return the place's next turn, or how the place ended.

    May be called twice for one turn: the item is claimed once, and the place is handed on once.
    """
    fleet = context.fleet
    try:
        job = fleet.ledger.get_job(turn.job_id)
    except JobNotFound:  # removed while this message waited
        return End.GIVEN_UP
    if job.state is not JobState.RUNNING or job.generation != turn.generation:
        return End.GIVEN_UP
    if _is_past(context, turn):
        return End.SUPERSEDED  # this message came twice, and its twin has handed the place on
    fence = run_item(context, job, turn) if turn.item else None
    if turn.item and fence is None and _is_held_here(context, turn):
        return End.SUPERSEDED  # its twin, or whoever revived the place, is at the item
    following = _next_item(context, job)
    return _pass_on(context, turn, following, fence) if following else End.GIVEN_UP


def _pass_on(context: StepContext, turn: Turn, following: _Following, fence: int | None) -> Turn | End:
    """Return the next turn of the place; when its generation is over, one in the place that is kept for it."""
    fleet = context.fleet
    if fleet.live.pass_turn(turn.job_id, turn.generation, turn.place, turn.turn):
        return replace(
            turn, turn=turn.turn + 1, item=following.number, kind=following.kind, holds=following.holds
        )
    kept = None if fence is None else take_kept_place(fleet, turn, fence)
    return (
        replace(kept, item=following.number, kind=following.kind, holds=following.holds)
        if kept
        else End.SUPERSEDED
    )


def run_item(context: StepContext, job: Job, turn: Turn) -> int | None:
    """Claim the turn's item and run its step; whatever goes wrong is recorded, never raised.

    Return the fence of the claim; None when the item was not had, or not to its end: it is done, or somebody else
    holds it by now, or this turn was another's by the time of the claim.
    """
    lease = _claim(context, turn)
    if lease is None:
        return None
    fence = lease.item.fence
    if _was_passed_meanwhile(context, turn):
        _give_back(lease)
        return None
    if _is_over(context, turn):
        _give_back(lease)
        return fence
    try:
        with context.keep(lease):
            _check_attempts(lease.item)
            _STEPS[lease.item.task](context, job, lease)
    except LeaseLost:
        log.warning("item_lost", item=turn.item)
        if not lease.is_lost:  # it was not renewed in time, and may be nobody else's yet
            _give_back(lease, attempts=lease.item.attempts)
        return None
    except JobInterrupted:
        _give_back(lease)
    except AwcopyError as error:
        _record_trouble(context, job, lease, error)
    except Exception:  # an item's fault is recorded, or it would end the agent that met it
        log.exception("item_crashed", item=turn.item)
        _record_trouble(context, job, lease, AwcopyError("an error inside awcopy; the worker's log has it"))
    return None if lease.is_lost else fence


def _is_past(context: StepContext, turn: Turn) -> bool:
    """Return whether the turn's place is known to be at a later turn."""
    at = context.fleet.live.turn_of(turn.job_id, turn.generation, turn.place)
    return at is not None and at > turn.turn


def _check_attempts(item: Item) -> None:
    """Return unless the item ended its worker each time; those that copy find out the object."""
    if item.task in (ItemKind.LIST_OBJECTS, ItemKind.DELETE_OBJECTS) and item.attempts > MAX_ATTEMPTS:
        raise AwcopyError("its worker ended each time")


def _was_passed_meanwhile(context: StepContext, turn: Turn) -> bool:
    """Return whether the place went on between the look at its turn and the claim.

    That happens to a message that came twice, when its twin gives the item back. Without an answer the item
    is taken: that is right, if perhaps one agent too many for a while.
    """
    try:
        return _is_past(context, turn)
    except ServiceUnreachable:
        return False


def _is_over(context: StepContext, turn: Turn) -> bool:
    """Return whether the turn's generation ended between the look at the job and the claim.

    With this, no item is begun that the next generation has not counted, and so a job never has more agents
    than it was given. Without an answer the item is taken all the same.
    """
    try:
        return context.fleet.ledger.get_job(turn.job_id).generation != turn.generation
    except AwcopyError:
        return False


def _is_held_here(context: StepContext, turn: Turn) -> bool:
    """Return whether the turn's item is held in the turn's own place."""
    item = context.fleet.ledger.get_item(turn.job_id, turn.item)
    return (
        item is not None
        and item.state is ItemState.LEASED
        and (item.generation, item.agent) == (turn.generation, turn.place)
    )


def _claim(context: StepContext, turn: Turn) -> Lease | None:
    ledger = context.fleet.ledger
    item = ledger.get_item(turn.job_id, turn.item)
    if item is None or item.state is not ItemState.READY:
        return None
    claimed = claim(
        item, agent=turn.place, generation=turn.generation, now=ledger.now(), lease_s=context.lease_s
    )
    try:
        return Lease(ledger, ledger.update_item(claimed), lease_s=context.lease_s)
    except Conflict:
        return None


def _give_back(lease: Lease, *, attempts: int | None = None) -> None:
    """Give the item back; without a number of attempts, the present one is not counted."""
    try:
        lease.give_back(attempts=attempts)
    except AwcopyError as error:
        log.warning("item_not_given_back", item=lease.item.number, error=error.code)


def _record_trouble(context: StepContext, job: Job, lease: Lease, error: AwcopyError) -> None:
    log.warning("item_failed", item=lease.item.number, kind=lease.item.task.value, error=error.code)
    if isinstance(error, (CredentialsRefused, CredentialsError)):
        stop_job(
            context, job, JobState.PAUSED, f"the credentials were refused: {error.message}", reason="auth"
        )
    elif lease.item.task is ItemKind.LIST_OBJECTS and isinstance(error, PermanentError):
        stop_job(context, job, JobState.FAILED, f"the source could not be listed: {error.message}")
    elif isinstance(error, ENDS_THE_ITEM):
        stop_job(context, job, JobState.FAILED, error.message)
    elif lease.item.attempts >= MAX_ATTEMPTS:
        detail = f"item {lease.item.number} failed {MAX_ATTEMPTS} times: {error.message}"
        stop_job(context, job, JobState.FAILED, detail)
        _give_back(lease, attempts=0)  # for a job that is resumed
        return
    is_outage = lease.item.task is ItemKind.LIST_OBJECTS and isinstance(error, ConnectionLost)
    _give_back(lease, attempts=lease.item.attempts - is_outage)


def stop_job(context: StepContext, seen: Job, state: JobState, detail: str, *, reason: str = "") -> None:
    """Move a job to a state in which no work is begun; nothing happens when it has gone on since it was seen.

    A refusal of credentials may come when the job was resumed with others already.
    """
    ledger = context.fleet.ledger
    while True:
        job = ledger.get_job(seen.id)
        if (job.state, job.generation) != (seen.state, seen.generation):
            return
        stopped = replace(move(job, state, at=ledger.now(), detail=detail), pause_reason=reason)
        if stopped.has_ended:
            stopped = replace(stopped, sealed="")
        try:
            ledger.update_job(stopped)
        except Conflict:
            continue
        return


def _next_item(context: StepContext, job: Job) -> _Following | None:
    """Return the next item as far as is known, an empty hint to ask again later, or None when all is done."""
    found = _pop(context, job, timeout_s=0.0)
    if found:
        return found
    ledger, live = context.fleet.ledger, context.fleet.live
    ready = list(ledger.list_items(job.id, states=(ItemState.READY,), limit=_REFILL))
    if not ready and not any(map(_may_bring_more, ledger.list_items(job.id, states=(ItemState.LEASED,)))):
        context.hint(job.id, [_WAKE])
        return None
    if ready and live.once_every(f"refill:{job.id}", _REFILL_EVERY_S):
        context.hint(job.id, [item.number for item in ready])
    return _pop(context, job, timeout_s=context.wait_for_work_s) or _Following()


def _pop(context: StepContext, job: Job, *, timeout_s: float) -> _Following | None:
    number = context.fleet.live.pop_ready(job.id, timeout_s=timeout_s)
    if number is None:
        return None
    if number == _WAKE:
        return _Following()
    item = context.fleet.ledger.get_item(job.id, number)
    return _Following(number, item.task, say_what_it_holds(item)) if item else _Following()


def _may_bring_more(item: Item) -> bool:
    first_range = item.kind is ItemKind.COPY_BLOCKS and getattr(item.range, "index", 0) == 0
    return item.kind is ItemKind.LIST_OBJECTS or first_range
