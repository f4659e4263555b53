"""The Celery tasks: a message becomes a step, and what the step returns becomes messages. No logic."""

from __future__ import annotations

from typing import Any

import structlog
from celery import Task, shared_task

from awcopy.errors import AwcopyError
from awcopy.model.items import ItemKind
from awcopy.model.job import JobId
from awcopy.steps.agent import End, take_turn
from awcopy.steps.context import StepContext
from awcopy.steps.dispatch import dispatch
from awcopy.steps.finish import finish
from awcopy.steps.places import Turn
from workers import messages

log = structlog.get_logger(__name__)

LEDGER_AWAY_S = 5.0  # how long a place waits when the ledger or Redis did not answer, before it tries again


class StepTask(Task):
    """What all tasks share: surroundings, log context, and the agent's place in its generation."""

    ignore_result = True

    @property
    def context(self) -> StepContext:
        """The surroundings of this process's steps."""
        context: StepContext = self.app.step_context
        return context

    def take_turn(self, message: dict[str, Any]) -> None:
        """Take an agent's turn, then hand the place on, give it up, or leave it to whoever holds it."""
        turn = messages.read_turn(message)
        with structlog.contextvars.bound_contextvars(
            job_id=turn.job_id, agent=turn.place, task_id=self.request.id
        ):
            end = self._take_turn_safely(turn)
        if isinstance(end, Turn):
            # A place of another generation is in no chord of this task's.
            messages.publish_turn(self.app, end, self.request if end.generation == turn.generation else None)
        elif end is End.GIVEN_UP:
            if not self.request.chord:  # a place that was revived; whoever gives up the last one ends the job
                messages.publish_finish(self.app, turn.job_id)
            return  # a task that ends with its chord gives its place back
        self.request.chord = None

    def _take_turn_safely(self, turn: Turn) -> Turn | End:
        try:
            return take_turn(self.context, turn)
        except AwcopyError as error:
            # Raising would break the chord; the place waits, and takes the same turn again.
            log.warning("turn_failed", error=error.code, message=error.message)
            self.context.sleep(LEDGER_AWAY_S)
            return turn


@shared_task(base=StepTask, bind=True, name=messages.DISPATCH)
def dispatch_job(self: StepTask, job: str) -> None:
    """Take up a queued job."""
    with structlog.contextvars.bound_contextvars(job_id=job, task_id=self.request.id):
        generation = dispatch(self.context, JobId(job))
        if generation:
            messages.publish_generation(self.app, generation)


@shared_task(base=StepTask, bind=True, name=messages.FINISH)
def finish_job(self: StepTask, job: str, generation: int) -> None:
    """Let a job go on, or end it, if all its items are done; called when a generation's places are given up."""
    with structlog.contextvars.bound_contextvars(job_id=job, generation=generation, task_id=self.request.id):
        following = finish(self.context, JobId(job)).generation
        if following:
            messages.publish_generation(self.app, following)


def _agent_task(name: str, doc: str) -> None:
    @shared_task(base=StepTask, bind=True, name=name)
    def agent_turn(self: StepTask, **message: Any) -> None:  # noqa: ANN401 - parsed at once
        self.take_turn(message)

    agent_turn.__doc__ = doc


_agent_task(messages.AGENT, "Look for the agent's next item.")
_agent_task(messages.ITEM_TASKS[ItemKind.LIST_OBJECTS], "List a range of keys.")
_agent_task(messages.ITEM_TASKS[ItemKind.COPY_FILES], "Copy a batch of files.")
_agent_task(messages.ITEM_TASKS[ItemKind.COPY_BLOCKS], "Copy a range of blocks of one large file.")
_agent_task(messages.ITEM_TASKS[ItemKind.DELETE_OBJECTS], "Delete at the source a batch that is copied.")
