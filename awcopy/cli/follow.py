"""Following a job on the fleet until it has ended, or needs a person. Draws nothing itself."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from awcopy.cli.summary import PAUSED_FOR_CREDENTIALS
from awcopy.errors import ServiceUnreachable
from awcopy.model.job import JobState

if TYPE_CHECKING:
    from collections.abc import Callable

    from awcopy.cli.desk.base import Desk
    from awcopy.cli.progress import Display
    from awcopy.jobs.queries import JobSnapshot
    from awcopy.model.job import JobId

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 2.0
WAIT_GROWTH = 1.2
PATIENCE_S = 120.0  # a Redis or ledger that restarts is back sooner; the job itself outlives any outage


def follow_job(
    desk: Desk,
    job_id: JobId,
    display: Display,
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> JobSnapshot:
    """Show the job again and again, and return the snapshot at which there is nothing more to wait for.

    That is when it has ended, or is paused for credentials.

    Raises:
        ServiceUnreachable: The ledger has not answered for two minutes.
        JobNotFound: The job was deleted meanwhile.
    """
    wait_s, last_answer = FIRST_WAIT_S, clock()
    is_away, told = False, ""
    while True:
        try:
            snapshot = desk.look(job_id)
        except ServiceUnreachable as error:
            if clock() - last_answer > PATIENCE_S:
                raise _gone(error, job_id) from error
            if not is_away:
                display.note(f"awcopy: {error.message}; the job goes on, asking again")
            is_away = True
        else:
            last_answer, is_away = clock(), False
            display.show(snapshot)
            if snapshot.job.state is JobState.QUEUED and snapshot.job.detail not in ("", told):
                told = snapshot.job.detail
                display.note(f"awcopy: the job {told}")
            if needs_no_waiting(snapshot):
                return snapshot
        sleep(wait_s)
        wait_s = min(wait_s * WAIT_GROWTH, LONGEST_WAIT_S)


def needs_no_waiting(snapshot: JobSnapshot) -> bool:
    """Return whether the job has ended, or goes on only when a person sees to its credentials."""
    job = snapshot.job
    return job.has_ended or (job.state is JobState.PAUSED and job.pause_reason == PAUSED_FOR_CREDENTIALS)


def watch_hint(job_id: JobId) -> str:
    """Return how to follow a job again."""
    return f"`awcopy jobs watch {job_id}` follows it again"


def _gone(error: ServiceUnreachable, job_id: JobId) -> ServiceUnreachable:
    return ServiceUnreachable(error.message, hint=f"the job goes on; {watch_hint(job_id)}")
