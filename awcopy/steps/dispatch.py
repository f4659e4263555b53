"""Taking up a job: its first item, and its first generation of agents."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from awcopy.errors import AwcopyError, Conflict, CredentialsError, StorageError, TransientError
from awcopy.jobs.notifications import EVENT as NOTIFICATION
from awcopy.jobs.retry import reopen_deletion, reopen_failed
from awcopy.jobs.submit import check_abilities
from awcopy.model.items import FIRST_ITEM, Item, ItemKind, ItemState, ListRange
from awcopy.model.job import JobState, move, remember
from awcopy.steps.agent import stop_job
from awcopy.steps.places import Turn, name_claim

if TYPE_CHECKING:
    from awcopy.jobs.fleet import Fleet
    from awcopy.model.job import Job, JobId
    from awcopy.steps.context import StepContext

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """A chord of agents that is to be started."""

    job_id: JobId
    number: int
    places: int  # that are taken up by it; others may be kept

    def turns(self) -> list[Turn]:
        """Return the first turn of every place that is taken up."""
        return [Turn(job_id=self.job_id, generation=self.number, place=place) for place in range(self.places)]


def dispatch(context: StepContext, job_id: JobId) -> Generation | None:
    """Take up a queued job and return its first generation; None when there is nothing to start.

    A job that cannot begin, because a store refuses, is failed or paused here with the reason. May be
    called again at any point.
    """
    ledger = context.fleet.ledger
    job = ledger.get_job(job_id)
    if job.state is not JobState.QUEUED:
        return None
    # A job that was paused or is retried may have other credentials now than its last generation had.
    context.stores.forget(job)
    try:
        seen = _look(context, job)
    except TransientError as error:
        log.warning("stores_not_reached", error=error.code)
        _say_why_it_waits(context, job, error)
        return None
    except (CredentialsError, StorageError) as error:
        refused = error.exit_code == CredentialsError.exit_code
        state, reason = (JobState.PAUSED, "auth") if refused else (JobState.FAILED, "")
        stop_job(context, job, state, error.message, reason=reason)
        return None
    except AwcopyError as error:
        stop_job(context, job, JobState.FAILED, f"{error.message}; {error.hint}")
        return None
    try:
        ledger.add_item(Item(job_id=job_id, number=FIRST_ITEM, kind=ItemKind.LIST_OBJECTS, range=ListRange()))
    except Conflict:
        log.info("dispatch_repeated")
    if job.retry_reason is not None:
        reopen_deletion(context.fleet, job)
        reopen_failed(context.fleet, job)
    seen = _say_who_cannot_be_told(context, seen)
    return next_generation(context.fleet, replace(seen, retry_reason=None))


def _say_who_cannot_be_told(context: StepContext, job: Job) -> Job:
    """Return the job, among its events the receivers whom this machine does not know; another one may."""
    for receiver in job.spec.notify:
        try:
            context.find_receiver(receiver)
        except AwcopyError as error:
            detail = (
                f"{receiver} cannot be told by the worker that took the job up: {error.message}; {error.hint}"
            )
            job = remember(job, NOTIFICATION, at=context.fleet.ledger.now(), detail=detail)
            log.warning("receiver_not_known", receiver=receiver, why=error.message)
        except Exception:  # what is wrong with telling must not keep a job from copying
            log.exception("receiver_not_known", receiver=receiver)
    return job


def _say_why_it_waits(context: StepContext, job: Job, error: TransientError) -> None:
    """Leave the job queued, for ``reconcile`` to dispatch it again, with the reason for all to see."""
    try:
        detail = f"waits for a store that does not answer: {error.message}"
        context.fleet.ledger.update_job(replace(job, detail=detail, changed_at=context.fleet.ledger.now()))
    except Conflict:
        log.info("job_changed_meanwhile")


def next_generation(fleet: Fleet, job: Job) -> Generation | None:
    """Write the job's next generation and return what of it is to be started, if anything.

    It has as many places as the job has agents. From here on, messages of older generations do nothing; an
    agent that still holds an item takes a place when it has ended that, and one is kept for it.
    """
    at, about = fleet.ledger.now(), f"generation {job.generation + 1} of {job.spec.agents} agents"
    if job.state is JobState.RUNNING:
        running = remember(job, "generation", at=at, detail=about)
    else:
        running = move(job, JobState.RUNNING, at=at, why=about)
    try:
        started = fleet.ledger.update_job(replace(running, generation=job.generation + 1, pause_reason=""))
    except Conflict:
        return None
    # Counted after that write: an agent that claims later sees the new generation, and gives its item back.
    held = list(fleet.ledger.list_items(job.id, states=(ItemState.LEASED,)))
    agents = job.spec.agents
    kept_for = [name_claim(item.number, item.fence) for item in held[:agents]]
    fleet.live.begin_generation(job.id, started.generation, agents, kept_for=kept_for)
    log.info("generation_started", generation=started.generation, agents=agents, kept=len(kept_for))
    left = agents - len(kept_for)
    return Generation(job_id=job.id, number=started.generation, places=left) if left else None


def _look(context: StepContext, job: Job) -> Job:
    """Return the job with what its stores say of themselves."""
    source, sink = context.stores_of(job)
    retrier = context.retrier(lambda: None)
    retrier.call(lambda: source.probe(job.spec.source.prefix))
    retrier.call(sink.probe)
    account = check_abilities(job.spec, source, sink, retrier.call)
    was_empty = retrier.call(lambda: sink.is_empty(job.spec.sink.prefix))
    to = replace(job.spec.sink, has_directories=account.is_hierarchical)
    return replace(job, sink_was_empty=was_empty, spec=replace(job.spec, sink=to))
