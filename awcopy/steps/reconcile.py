"""Putting right what broken workers, lost messages and an emptied Redis leave behind."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from awcopy.errors import AwcopyError, Conflict
from awcopy.model.items import ItemState, give_back
from awcopy.model.job import JobState
from awcopy.model.spec import Archived
from awcopy.steps.dispatch import Generation, next_generation
from awcopy.steps.finish import finish
from awcopy.steps.places import OVERDUE, is_behind, revive_places
from awcopy.steps.restore import wake_due

if TYPE_CHECKING:
    from awcopy.model.items import Item
    from awcopy.model.job import Job, JobId
    from awcopy.steps.context import StepContext
    from awcopy.steps.places import Turn

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Repairs:
    """What is to be published."""

    dispatches: list[JobId] = field(default_factory=list)
    generations: list[Generation] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)  # of places whose message was lost


@dataclass(slots=True)
class _OpenItems:
    held: list[Item] = field(default_factory=list)  # leased, and renewed in time
    has_ready: bool = False
    has_waiting: bool = False


def reconcile(context: StepContext) -> Repairs:
    """Free items whose lease ran out, end jobs that are done, and say what else must be started anew.

    May be called at any time, by several processes at once: every repair is a conditional write. A job that
    cannot be looked at now does not keep the others waiting.
    """
    repairs = Repairs()
    for job in context.fleet.ledger.open_jobs():
        try:
            _reconcile_job(context, job, repairs)
        except AwcopyError as error:
            log.warning("job_not_reconciled", job_id=job.id, error=error.code, message=error.message)
    return repairs


def _reconcile_job(context: StepContext, job: Job, repairs: Repairs) -> None:
    if job.state is JobState.QUEUED:
        age_s = (context.fleet.ledger.now() - job.changed_at).total_seconds()
        if age_s > context.silent_s and (age_s > OVERDUE * context.silent_s or not is_behind(context)):
            repairs.dispatches.append(job.id)
        return
    items = _free_expired(context, job)
    if job.state is JobState.CANCELLING:
        finish(context, job.id)
    elif job.state is JobState.RUNNING:
        _reconcile_running(context, job, items, repairs)


def _reconcile_running(context: StepContext, job: Job, items: _OpenItems, repairs: Repairs) -> None:
    if not items.has_ready:
        is_open = items.held or items.has_waiting
        generation = None if is_open else finish(context, job.id).generation
        repairs.generations += [generation] if generation else []
        return
    turns = revive_places(context, job)
    if turns is not None:
        repairs.turns += turns
        return
    # The live state was lost, and with it every place's way on.
    log.warning("generation_lost", job_id=job.id, generation=job.generation, held=len(items.held))
    generation = next_generation(context.fleet, job)
    if generation:
        repairs.generations.append(generation)


def _free_expired(context: StepContext, job: Job) -> _OpenItems:
    ledger = context.fleet.ledger
    now = ledger.now()
    found = _OpenItems()
    if job.spec.archived is Archived.RESTORE:
        found.has_waiting = wake_due(context, job)
    for item in ledger.list_items(job.id, states=(ItemState.LEASED,)):
        if item.lease_until and item.lease_until > now:
            found.held.append(item)
        else:
            _free(context, item)
    # There may be very many of these; one is enough to know.
    found.has_ready = any(True for _ in ledger.list_items(job.id, states=(ItemState.READY,), limit=1))
    return found


def _free(context: StepContext, item: Item) -> None:
    try:
        context.fleet.ledger.update_item(give_back(item, attempts=item.attempts))
    except Conflict:
        return  # it was renewed, or ended, at the last moment
    context.hint(item.job_id, [item.number])
    log.warning("lease_ran_out", job_id=item.job_id, item=item.number, fence=item.fence)
