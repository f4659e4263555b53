"""What a user does to a job: pause, resume, cancel, retry, change its agents or bandwidth, remove it.

Each is a conditional write to the ledger that holds from the moment it is made; what must then be published
is for the caller, and ``reconcile`` sees to it if the caller dies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from awcopy.errors import Conflict, IllegalMove
from awcopy.jobs.retry import count_failed
from awcopy.jobs.search import each_job
from awcopy.model.job import Job, JobId, JobState, move, remember, say_state
from awcopy.model.spec import JobSpec
from awcopy.units import say_rate

if TYPE_CHECKING:
    from datetime import datetime

    from awcopy.jobs.fleet import Fleet


_RESUME = "`awcopy jobs resume` goes on with it"
_AGAIN = "run the same `awcopy copy` again: it skips what is there already"
_RETRY_HINTS = {
    JobState.PAUSED: _RESUME,
    JobState.FAILED: _RESUME,
    JobState.CANCELLED: _AGAIN,
    JobState.COMPLETED: "nothing of it failed",
}


def pause_job(fleet: Fleet, job_id: JobId) -> Job:
    """Pause a queued or running job: work under way ends after the block or object it is at.

    Raises:
        IllegalMove: The job has ended, or is being cancelled. Pausing a paused job changes nothing.
    """

    def pause(job: Job, at: datetime) -> Job:
        if job.state is JobState.PAUSED:
            return job
        return replace(move(job, JobState.PAUSED, at=at, detail="paused by the user"), pause_reason="user")

    return _change(fleet, job_id, pause)


def resume_job(fleet: Fleet, job_id: JobId, sealed: str = "") -> Job:
    """Queue a paused or failed job again, with new credentials if any were sealed; publish a dispatch then.

    What was copied stays copied, and blocks that were staged are not sent again.

    Raises:
        IllegalMove: The job is neither paused nor failed.
    """
    why = "resumed with new credentials" if sealed else "resumed"

    def resume(job: Job, at: datetime) -> Job:
        check_resumable(job)
        return _queue(job, at, why, sealed)

    return _change(fleet, job_id, resume)


def check_resumable(job: Job) -> None:
    """Return when the job can be resumed as it stands.

    Raises:
        IllegalMove: It is neither paused nor failed.
    """
    if job.state is JobState.COMPLETED_WITH_ERRORS:
        hint = f"`awcopy jobs retry {job.id}` tries again what failed"
        raise IllegalMove(f"job {job.id} has ended, with errors; there is nothing to resume", hint=hint)
    move(job, JobState.QUEUED, at=job.changed_at)


def cancel_job(fleet: Fleet, job_id: JobId) -> Job:
    """Cancel a job that has not ended, or has failed; publish a finish then. Again, it changes nothing.

    A failed job, which could be resumed, is given up by this: what it had not come to is recorded then.

    Raises:
        IllegalMove: The job has ended otherwise.
    """

    def cancel(job: Job, at: datetime) -> Job:
        if job.state is JobState.CANCELLING:
            return job
        return replace(move(job, JobState.CANCELLING, at=at, detail="cancelled by the user"), pause_reason="")

    return _change(fleet, job_id, cancel)


def check_retryable(job: Job) -> None:
    """Return when the job stands where what failed of it can be tried again.

    Raises:
        IllegalMove: It did not end with errors.
    """
    if job.state is not JobState.COMPLETED_WITH_ERRORS:
        raise IllegalMove(
            f"job {job.id} is {say_state(job.state)}: only one that completed with errors can be retried",
            hint=_RETRY_HINTS.get(job.state, "wait for its end: `awcopy jobs watch` follows it"),
        )


def retry_job(fleet: Fleet, job_id: JobId, *, reason: str = "", sealed: str = "") -> tuple[Job, int]:
    """Queue again what failed, all of it or what failed for one reason; publish a dispatch then.

    When that is copied, a job that deletes at the source does so once more, with what is there yet. Return
    the job and how many objects are to be tried again.

    Raises:
        IllegalMove: The job did not end with failures, or none failed for this reason.
    """
    job = fleet.ledger.get_job(job_id)
    check_retryable(job)
    objects = count_failed(fleet, job, reason)
    if not reason and job.spec.deletion:
        objects += job.totals.deletable.objects
    if not objects:
        why = f" for the reason {reason!r}" if reason else ""
        hint = f"`awcopy jobs report {job_id} --failed` lists what failed"
        raise IllegalMove(f"no object of job {job_id} failed{why}", hint=hint)
    why = f"{objects} {'object is' if objects == 1 else 'objects are'} to be tried again"

    def retry(row: Job, at: datetime) -> Job:
        return replace(_queue(row, at, why, sealed), retry_reason=reason)

    return _change(fleet, job_id, retry), objects


def change_agents(fleet: Fleet, job_id: JobId, agents: int) -> Job:
    """Change how many items of the job run at most at once; publish the next generation then.

    Raises:
        IllegalMove: The job has ended or is being cancelled.
    """
    return _change_spec(
        fleet,
        job_id,
        "agents",
        lambda spec: replace(spec, agents=agents),
        lambda spec: f"{agents} at once, {spec.agents} before",
    )


def change_bandwidth(fleet: Fleet, job_id: JobId, bandwidth: int) -> Job:
    """Change how many bytes of the job go a second, 0 for as many as can; its workers notice within seconds.

    Raises:
        IllegalMove: The job has ended or is being cancelled.
    """
    return _change_spec(
        fleet,
        job_id,
        "bandwidth",
        lambda spec: replace(spec, bandwidth=bandwidth),
        lambda _: say_rate(bandwidth),
    )


def remove_job(fleet: Fleet, job_id: JobId) -> None:
    """Remove an ended job with its report from the ledger. No blob that it copied is touched.

    Raises:
        IllegalMove: The job has not ended.
    """
    job = fleet.ledger.get_job(job_id)
    if not job.has_ended:
        raise IllegalMove(f"job {job_id} is {say_state(job.state)}", hint="cancel it first")
    fleet.ledger.delete_job(job_id)


def clean_jobs(fleet: Fleet, older_than: datetime) -> Iterator[JobId]:
    """Remove the jobs that ended before a moment, and yield the id of each that is gone."""
    for job in each_job(fleet):
        if job.has_ended and job.changed_at < older_than:
            fleet.ledger.delete_job(job.id)
            yield job.id


def _change_spec(
    fleet: Fleet,
    job_id: JobId,
    what: str,
    change: Callable[[JobSpec], JobSpec],
    say: Callable[[JobSpec], str],
) -> Job:
    """Change one value of a job that can still go on, and have the job remember it; ``say`` tells of the change."""

    def changed(job: Job, at: datetime) -> Job:
        if job.has_ended or job.state is JobState.CANCELLING:
            raise IllegalMove(f"job {job.id} is {say_state(job.state)}; its {what} cannot be changed")
        spec = change(job.spec)
        return (
            job if spec == job.spec else remember(replace(job, spec=spec), what, at=at, detail=say(job.spec))
        )

    return _change(fleet, job_id, changed)


def _change(fleet: Fleet, job_id: JobId, change: Callable[[Job, datetime], Job]) -> Job:
    while True:
        job = fleet.ledger.get_job(job_id)
        now = fleet.ledger.now()
        changed = change(job, now)
        if changed == job:
            return job
        try:
            return fleet.ledger.update_job(replace(changed, changed_at=now))
        except Conflict:
            continue


def _queue(job: Job, at: datetime, why: str, sealed: str) -> Job:
    queued = move(job, JobState.QUEUED, at=at, why=why)
    return replace(queued, sealed=sealed or job.sealed, pause_reason="")
