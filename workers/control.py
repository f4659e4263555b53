"""What a user does to a job, written down and then published: for the command line and the dashboard alike.

What is written holds from that moment. If Redis does not take the message then, the error says so, and
``reconcile`` sends another later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from awcopy.jobs import control
from awcopy.jobs.schedules import run_now, settle_occurrences
from awcopy.model.job import JobState
from awcopy.steps.dispatch import next_generation
from workers import publisher

if TYPE_CHECKING:
    from awcopy.config import Settings
    from awcopy.jobs.fleet import Fleet
    from awcopy.model.job import Job, JobId
    from awcopy.model.schedule import Occurrence, Schedule


def resume_job(settings: Settings, fleet: Fleet, job_id: JobId, sealed: str = "") -> Job:
    """Queue a paused or failed job again, and have it taken up. Errors as ``awcopy.jobs.control`` has them."""
    job = control.resume_job(fleet, job_id, sealed)
    publisher.publish_dispatch(settings, job.id)
    return job


def retry_job(
    settings: Settings, fleet: Fleet, job_id: JobId, *, reason: str = "", sealed: str = ""
) -> tuple[Job, int]:
    """Queue again what failed, and have it taken up; return the job and how many objects that is."""
    job, objects = control.retry_job(fleet, job_id, reason=reason, sealed=sealed)
    publisher.publish_dispatch(settings, job.id)
    return job, objects


def cancel_job(settings: Settings, fleet: Fleet, job_id: JobId) -> Job:
    """Cancel a job, and have it settled."""
    job = control.cancel_job(fleet, job_id)
    publisher.publish_finish(settings, job.id)
    return job


def change_agents(settings: Settings, fleet: Fleet, job_id: JobId, agents: int) -> Job:
    """Change how many items of the job run at most at once, and start what that adds."""
    job = control.change_agents(fleet, job_id, agents)
    generation = next_generation(fleet, job) if job.state is JobState.RUNNING else None
    if generation:
        publisher.publish_generation(settings, generation)
    return job


def run_schedule(settings: Settings, fleet: Fleet, schedule: Schedule) -> Occurrence:
    """Run a schedule's job now, beside its times, and have it taken up; return what became of that."""
    written = run_now(fleet, schedule)
    for job_id in settle_occurrences(fleet, schedule):
        publisher.publish_dispatch(settings, job_id)
    found = fleet.ledger.list_occurrences(schedule.name)
    return next((one for one in found if one.planned_at == written.planned_at), written)
