"""Putting right what broken workers, lost messages and an emptied Redis leave behind."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from awcopy.errors import Conflict
from awcopy.model.items import ItemState, give_back
from awcopy.model.job import JobState
from awcopy.steps.dispatch import Generation, start_generation
from awcopy.steps.finish import finish

if TYPE_CHECKING:
    from awcopy.model.job import Job, JobId
    from awcopy.steps.context import StepContext

log = structlog.get_logger(__name__)

# A queued job whose dispatch has not begun by then gets another; a second dispatch does nothing.
DISPATCH_OVERDUE_S = 30.0
_MOST_JOBS = 500


@dataclass(slots=True)
class Repairs:
    """What is to be published."""

    dispatches: list[JobId] = field(default_factory=list)
    generations: list[Generation] = field(default_factory=list)


def reconcile(context: StepContext) -> Repairs:
    """Free items whose lease ran out, end jobs that are done, and say what else must be started anew.

    May be called at any time, by several processes at once: every repair is a conditional write.
    """
    repairs = Repairs()
    for job in context.fleet.ledger.list_jobs(limit=_MOST_JOBS):
        if job.state is JobState.QUEUED:
            age = (context.fleet.ledger.now() - job.changed_at).total_seconds()
            if age > DISPATCH_OVERDUE_S:
                repairs.dispatches.append(job.id)
        elif job.state is JobState.RUNNING:
            generation = _reconcile_running(context, job)
            if generation:
                repairs.generations.append(generation)
    return repairs


def _reconcile_running(context: StepContext, job: Job) -> Generation | None:
    leased, ready = _free_expired(context, job)
    if not leased and not ready:
        finish(context, job.id)
        return None
    if leased >= job.spec.agents or _is_alive(context, job, leased):
        return None
    log.warning("generation_died", job_id=job.id, generation=job.generation, leased=leased, ready=ready)
    return start_generation(context, job, job.spec.agents - leased)


def _free_expired(context: StepContext, job: Job) -> tuple[int, int]:
    """Return how many items are leased by living workers, and how many are ready."""
    ledger = context.fleet.ledger
    now = ledger.now()
    leased = ready = 0
    for item in ledger.list_items(job.id, states=(ItemState.READY, ItemState.LEASED)):
        if item.state is ItemState.LEASED and item.lease_until and item.lease_until > now:
            leased += 1
            continue
        ready += 1
        if item.state is ItemState.LEASED:
            try:
                ledger.update_item(give_back(item, counted=True))
                context.hint(job.id, [item.number])
                log.warning("lease_ran_out", job_id=job.id, item=item.number, fence=item.fence)
            except Conflict:
                log.info("lease_was_renewed", job_id=job.id, item=item.number)
    return leased, ready


def _is_alive(context: StepContext, job: Job, leased: int) -> bool:
    """Return whether any place of the present generation is likely to take a turn soon."""
    silent_s = context.fleet.live.last_turn_s_ago(job.id)
    return leased > 0 if silent_s is None else silent_s < context.lease_s
