"""Running a job here and now: the same steps as the fleet's, on threads of this process."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

from awcopy.jobs.queries import take_snapshot
from awcopy.model.job import JobState
from awcopy.steps.agent import End, take_turn
from awcopy.steps.dispatch import dispatch
from awcopy.steps.finish import finish
from awcopy.steps.places import Turn
from awcopy.steps.reconcile import reconcile

if TYPE_CHECKING:
    from collections.abc import Callable

    from awcopy.jobs.queries import JobSnapshot
    from awcopy.model.job import JobId
    from awcopy.steps.context import StepContext

_LOOK_EVERY_S = 0.5


def run_job(
    context: StepContext,
    job_id: JobId,
    on_progress: Callable[[JobSnapshot], None],
    interrupt: Callable[[str], None],
) -> JobSnapshot:
    """Run a submitted job to its end and return its last snapshot; ``on_progress`` is shown the others.

    When that raises, as Ctrl-C does, ``interrupt`` is told why the items under way are to end where they stand.

    Raises:
        AwcopyError: The run itself broke; what was copied stays copied.
    """
    generation = dispatch(context, job_id)
    turns = generation.turns() if generation else []
    while turns:
        _run_places(context, turns, on_progress, interrupt)
        turns = _go_on(context, job_id)
    return take_snapshot(context.fleet, job_id)


def _run_places(
    context: StepContext,
    turns: list[Turn],
    on_progress: Callable[[JobSnapshot], None],
    interrupt: Callable[[str], None],
) -> None:
    over = threading.Event()
    with ThreadPoolExecutor(len(turns), thread_name_prefix="agent") as agents:
        running = [agents.submit(_run_place, context, turn, over) for turn in turns]
        try:
            while wait(running, timeout=_LOOK_EVERY_S).not_done:
                on_progress(take_snapshot(context.fleet, turns[0].job_id))
        except BaseException:
            over.set()
            interrupt("the command was interrupted")
            raise
        for one in running:
            one.result()


def _go_on(context: StepContext, job_id: JobId) -> list[Turn]:
    """End the job, or return turns of places that do what is left: the deletion, or what others left behind.

    The latter is items whose lease was lost because this process stood still (Ctrl-Z, a laptop that slept); they
    can be had again when those leases have run out.
    """
    while (finished := finish(context, job_id)).job.state is JobState.RUNNING:
        if finished.generation:
            return finished.generation.turns()
        repairs = reconcile(context)
        if turns := repairs.turns + [turn for one in repairs.generations for turn in one.turns()]:
            return turns
        context.sleep(_LOOK_EVERY_S)
    return []


def _run_place(context: StepContext, turn: Turn, over: threading.Event) -> None:
    following: Turn | End = turn
    while isinstance(following, Turn) and not over.is_set():
        following = take_turn(context, following)
