"""Places of a generation that nobody holds any more, or not yet, and who takes them up.

A place is held by one task at a time. When that task's message is lost, its place falls silent and is revived
at its next turn: should the message come after all, it is a turn too late and does nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from awcopy.live.base import KEPT
from awcopy.model.items import ItemState
from awcopy.model.job import JobState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from awcopy.jobs.fleet import Fleet
    from awcopy.live.base import Place
    from awcopy.model.items import ItemKind
    from awcopy.model.job import Job, JobId
    from awcopy.steps.context import StepContext

log = structlog.get_logger(__name__)

# When messages wait in the queue, a place's silence means little, until it is so many times as long.
OVERDUE = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One task's hold on a place: which item it is to run, if one is known already."""

    job_id: JobId
    generation: int
    place: int
    turn: int = 0
    item: int = 0  # 0: look for one
    kind: ItemKind | None = None
    holds: str = field(default="", compare=False)  # what is in the item, for people who look at tasks


def revive_places(context: StepContext, job: Job) -> list[Turn] | None:
    """Return turns that bring the job back to its agents, to be published; None if no place is known.

    Items that are held for an older generation count as agents too, until they end. May be called by several
    processes at once: each place is revived by one.
    """
    places = context.fleet.live.places(job.id, job.generation)
    if not places:
        return None
    # Looked at after the places: one that has gone on since then is not at the turn that was seen.
    held = list(context.fleet.ledger.list_items(job.id, states=(ItemState.LEASED,)))
    holding = {item.agent for item in held if item.generation == job.generation}
    silent = _silent_places(context, places.items(), holding)
    others = sum(1 for item in held if item.generation != job.generation)
    missing = job.spec.agents - (len(places) - len(silent)) - others
    taken = [_take_up(context.fleet, job, place, places[place].turn) for place in silent[: max(0, missing)]]
    turns = [turn for turn in taken if turn]
    if turns:
        log.warning("places_revived", job_id=job.id, generation=job.generation, places=len(turns))
    return turns


def name_claim(item: int, fence: int) -> str:
    """Return what names one claim of an item of a job: the place is kept for whoever made it."""
    return f"{item}.{fence}"


def take_kept_place(fleet: Fleet, ended: Turn, fence: int) -> Turn | None:
    """Return a turn in the place that a younger generation keeps for whoever held the item of a turn, if there is one.

    To be called by an agent that has just ended that item, which it had claimed under the fence. Another place may
    be kept for an agent that still holds its own item: with both at work there would be one agent too many.
    """
    job = fleet.ledger.get_job(ended.job_id)
    if job.state is not JobState.RUNNING or job.generation <= ended.generation:
        return None
    claim = name_claim(ended.item, fence)
    places = fleet.live.places(job.id, job.generation)
    kept = next((number for number, place in places.items() if place.kept_for == claim), None)
    return None if kept is None else _take_up(fleet, job, kept, KEPT)


def is_behind(context: StepContext) -> bool:
    """Return whether the fleet has messages that it has not come to yet."""
    return context.fleet.live.waiting_messages() > 0


def _silent_places(context: StepContext, places: Iterable[tuple[int, Place]], holding: set[int]) -> list[int]:
    """Return the places that nobody seems to hold; the kept ones first, since they are certainly free."""
    patience_s = context.silent_s * (OVERDUE if is_behind(context) else 1)
    free = [(number, place) for number, place in sorted(places) if number not in holding]
    kept = [number for number, place in free if place.turn == KEPT]
    return kept + [number for number, place in free if place.turn != KEPT and place.seconds_ago >= patience_s]


def _take_up(fleet: Fleet, job: Job, place: int, turn: int) -> Turn | None:
    if not fleet.live.pass_turn(job.id, job.generation, place, turn):
        return None  # it has spoken after all, or somebody else revives it
    return Turn(job_id=job.id, generation=job.generation, place=place, turn=turn + 1)
