"""Ending a job: what the ledger says about its items decides."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from awcopy.errors import AwcopyError, Conflict
from awcopy.model.items import ItemState
from awcopy.model.job import JobState, move
from awcopy.model.outcome import Totals
from awcopy.steps.cancel import cancel_items

if TYPE_CHECKING:
    from datetime import datetime

    from awcopy.model.job import Job, JobId
    from awcopy.steps.context import StepContext

log = structlog.get_logger(__name__)


def finish(context: StepContext, job_id: JobId) -> Job:
    """Return the job, ended if every item of it is done; while one is open, nothing happens.

    Of a job that is being cancelled, the items that nobody holds are settled first. May be called at any
    time and by anyone. Ending wipes the sealed credentials.
    """
    ledger = context.fleet.ledger
    while True:
        job = ledger.get_job(job_id)
        if job.state is JobState.CANCELLING:
            cancel_items(context, job)
        elif job.state is not JobState.RUNNING:
            return job
        totals = _sum_items(context, job)
        if totals is None:
            return job
        try:
            ended = ledger.update_job(_ended(job, totals, at=ledger.now()))
        except Conflict:
            continue
        _forget(context, job_id)
        log.info(
            "job_ended", state=ended.state.value, copied=totals.copied.objects, failed=totals.failed.objects
        )
        return ended


def _sum_items(context: StepContext, job: Job) -> Totals | None:
    totals, count = Totals(), 0
    for item in context.fleet.ledger.list_items(job.id):
        if item.state is not ItemState.DONE:
            return None
        totals += item.totals
        count += 1
    return totals if count or job.state is JobState.CANCELLING else None


def _ended(job: Job, totals: Totals, *, at: datetime) -> Job:
    if totals.pending.objects:
        detail = f"{totals.pending.objects} listed objects have no outcome; this is a defect of awcopy"
        return replace(move(job, JobState.FAILED, at=at, detail=detail), totals=totals, sealed="")
    if job.state is JobState.CANCELLING:
        return replace(move(job, JobState.CANCELLED, at=at), totals=totals, sealed="")
    state = JobState.COMPLETED_WITH_ERRORS if totals.failed.objects else JobState.COMPLETED
    return replace(move(job, state, at=at), totals=totals, sealed="")


def _forget(context: StepContext, job_id: JobId) -> None:
    try:
        context.fleet.live.forget_job(job_id)
    except AwcopyError as error:
        log.warning("live_state_left", error=error.code)  # it expires by itself
