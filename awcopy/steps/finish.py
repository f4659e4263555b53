"""Going on when every item is done: to the deletion at the source, if that was asked, and to the job's end."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from awcopy.errors import AwcopyError, Conflict
from awcopy.model.items import FIRST_ITEM, ItemState, open_for_deletion
from awcopy.model.job import JobState, move
from awcopy.model.outcome import Totals
from awcopy.planning.deletion import find_guard, is_to_open
from awcopy.planning.extras import find_pruning_guard
from awcopy.steps.cancel import cancel_items
from awcopy.steps.dispatch import next_generation

if TYPE_CHECKING:
    from datetime import datetime

    from awcopy.model.items import Item
    from awcopy.model.job import Job, JobId
    from awcopy.planning.deletion import Guard
    from awcopy.steps.context import StepContext
    from awcopy.steps.dispatch import Generation

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The job as it is now, and the generation that is to be started, if it goes on to its deletion."""

    job: Job
    generation: Generation | None = None


@dataclass(frozen=True, slots=True)
class _AllDone:
    totals: Totals
    first: Item | None  # has been opened for deletion, if the job came to that


def finish(context: StepContext, job_id: JobId) -> Finished:
    """Return the job, ended if every item of it is done; while one is open, nothing happens.

    A job that deletes at the source goes on to that once, when everything is copied. Of a job that is being
    cancelled, the items that nobody holds are settled first. May be called at any time and by anyone. Ending
    wipes the sealed credentials.
    """
    ledger = context.fleet.ledger
    while True:
        job = ledger.get_job(job_id)
        if job.state is JobState.CANCELLING:
            cancel_items(context, job)
        elif job.state is not JobState.RUNNING:
            return Finished(job=job)
        done = _sum_items(context, job)
        if done is None:
            return Finished(job=job)
        totals, guard = done.totals, None
        try:
            if done.first and _is_to_delete(job, done.first, totals):
                guard = _find_guard(job, totals)
                if guard is None:
                    return _begin_deletion(context, job, done.first)
            ended = ledger.update_job(_ended(job, totals, guard, at=ledger.now()))
        except Conflict:
            continue
        _forget(context, job_id)
        log.info(
            "job_ended", state=ended.state.value, copied=totals.copied.objects, failed=totals.failed.objects
        )
        return Finished(job=ended)


def _sum_items(context: StepContext, job: Job) -> _AllDone | None:
    totals, first = Totals(), None
    for item in context.fleet.ledger.list_items(job.id):
        if item.state is not ItemState.DONE:
            return None
        totals += item.totals
        first = first or item
    return _AllDone(totals, first) if first or job.state is JobState.CANCELLING else None


def _is_to_delete(job: Job, first: Item, totals: Totals) -> bool:
    is_whole = job.state is JobState.RUNNING and not totals.pending.objects
    has_some = is_to_open(job, totals)
    return is_whole and not first.is_deleting and has_some


def _find_guard(job: Job, totals: Totals) -> Guard | None:
    if job.spec.pruning:
        return find_pruning_guard(job.spec.pruning, totals)
    return find_guard(job.spec.deletion, totals) if job.spec.deletion else None


def _begin_deletion(context: StepContext, job: Job, first: Item) -> Finished:
    """Open the first item for deletion, once, and return the generation that does it.

    Raises:
        Conflict: Somebody else has done that.
    """
    fleet = context.fleet
    fleet.ledger.update_item(open_for_deletion(first))
    context.hint(job.id, [FIRST_ITEM])
    log.info("deletion_begun")
    generation = next_generation(fleet, job)
    return Finished(job=fleet.ledger.get_job(job.id), generation=generation)


def _ended(job: Job, totals: Totals, guard: Guard | None, *, at: datetime) -> Job:
    if totals.pending.objects:
        detail = f"{totals.pending.objects} listed objects have no outcome; this is a defect of awcopy"
        return replace(move(job, JobState.FAILED, at=at, detail=detail), totals=totals, sealed="")
    if job.state is JobState.CANCELLING:
        return replace(move(job, JobState.CANCELLED, at=at), totals=totals, sealed="")
    is_right = not (totals.failed.objects or totals.kept.objects or guard)
    state = JobState.COMPLETED if is_right else JobState.COMPLETED_WITH_ERRORS
    ended = move(job, state, at=at, detail=guard.detail if guard else "")
    return replace(ended, totals=totals, sealed="", guard=guard.code if guard else "")


def _forget(context: StepContext, job_id: JobId) -> None:
    try:
        context.fleet.live.forget_job(job_id)
    except AwcopyError as error:
        log.warning("live_state_left", error=error.code)  # it expires by itself
