"""The desk of whoever reaches the fleet's ledger and Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from awcopy.jobs import health, schedule_control
from awcopy.jobs.queries import (
    JobSnapshot,
    Phase,
    find_job,
    read_report,
    snapshot_of,
    take_snapshot,
)
from awcopy.jobs.schedule_control import (
    describe_occurrences,
    describe_schedule,
    describe_schedules,
    find_schedule,
)
from awcopy.jobs.search import EVERY_JOB, each_job
from awcopy.jobs.submit import submit_job
from awcopy.jobs.watermark import resolve_since
from awcopy.model.outcome import Totals
from awcopy.vault.sealing import read_public_key, seal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

    from awcopy.cli.desk.base import Record
    from awcopy.config import Settings
    from awcopy.jobs.fleet import Fleet
    from awcopy.jobs.health import Check
    from awcopy.jobs.schedule_control import ScheduleRequest
    from awcopy.jobs.search import JobFilter
    from awcopy.jobs.submit import JobRequest
    from awcopy.model.job import Job, JobId
    from awcopy.model.outcome import Outcome
    from awcopy.model.spec import JobSpec
    from awcopy.vault.credentials import JobCredentials


class FleetDesk:
    """Does it here. What looks only does not import what publishes, which takes a good part of a second."""

    def __init__(self, settings: Settings, fleet: Fleet) -> None:
        self._settings, self._fleet = settings, fleet

    def public_key(self) -> X25519PublicKey:
        """Return the key that credentials are sealed with."""
        return read_public_key(self._settings.keys)

    def admit(self, request: JobRequest) -> None:
        """Return when the job could be submitted now."""
        if request.credentials:
            self.public_key()
        self._fleet.live.ping()
        self._fleet.ledger.now()

    def submit(self, request: JobRequest) -> JobSnapshot:
        """Write the job down, have it taken up, and return it."""
        from workers.publisher import publish_new

        public_key = self.public_key() if request.credentials else None
        job = submit_job(self._fleet, request, public_key)
        publish_new(self._settings, job.id)
        return JobSnapshot(job=job, phase=Phase.QUEUED, totals=Totals())

    def resolve_since(self, spec: JobSpec) -> JobSpec:
        """Return the specification with the date since which it looks at objects."""
        return resolve_since(self._fleet, spec)

    def count_workers(self) -> int:
        """Return how many worker processes are there."""
        return len(self._fleet.live.workers())

    def find(self, text: str) -> JobSnapshot:
        """Return the one job that the text means."""
        return snapshot_of(self._fleet, find_job(self._fleet, text))

    def look(self, job_id: JobId) -> JobSnapshot:
        """Return the job as it is now."""
        return take_snapshot(self._fleet, job_id)

    def list_jobs(self, limit: int | None = None, wanted: JobFilter = EVERY_JOB) -> Iterator[JobSnapshot]:
        """Yield the newest jobs that are wanted, or all of them."""
        for job in each_job(self._fleet, wanted, limit=limit):
            yield snapshot_of(self._fleet, job)

    def read_report(self, job_id: JobId) -> Iterator[Outcome]:
        """Return the outcome of every object that has one."""
        return read_report(self._fleet, self._fleet.ledger.get_job(job_id).id)

    def pause(self, job_id: JobId) -> None:
        """Pause a job."""
        from awcopy.jobs import control

        control.pause_job(self._fleet, job_id)

    def resume(self, job: Job, credentials: JobCredentials) -> None:
        """Go on with a job."""
        from workers import control

        control.resume_job(self._settings, self._fleet, job.id, self._seal(credentials, job.id))

    def retry(self, job: Job, credentials: JobCredentials, reason: str = "") -> int:
        """Try again what failed, and return how many objects that is."""
        from workers import control

        sealed = self._seal(credentials, job.id)
        return control.retry_job(self._settings, self._fleet, job.id, reason=reason, sealed=sealed)[1]

    def cancel(self, job_id: JobId) -> None:
        """Cancel a job."""
        from workers import control

        control.cancel_job(self._settings, self._fleet, job_id)

    def change_agents(self, job_id: JobId, agents: int) -> None:
        """Change how many items of a job run at once."""
        from workers import control

        control.change_agents(self._settings, self._fleet, job_id, agents)

    def change_bandwidth(self, job_id: JobId, bandwidth: int) -> None:
        """Change how many bytes of a job go a second; 0 for no limit."""
        from awcopy.jobs import control

        control.change_bandwidth(self._fleet, job_id, bandwidth)

    def remove(self, job_id: JobId) -> None:
        """Remove an ended job."""
        from awcopy.jobs import control

        control.remove_job(self._fleet, job_id)

    def clean(self, older_than: datetime) -> Iterator[JobId]:
        """Remove the jobs that ended before a moment, and yield their ids."""
        from awcopy.jobs import control

        return control.clean_jobs(self._fleet, older_than)

    def add_schedule(self, request: ScheduleRequest) -> Record:
        """Add a schedule, and return it."""
        return describe_schedule(self._fleet, schedule_control.create_schedule(self._fleet, request))

    def list_schedules(self) -> list[Record]:
        """Return all schedules by name."""
        return describe_schedules(self._fleet)

    def show_schedule(self, name: str) -> Record:
        """Return the schedule of this name."""
        return describe_schedule(self._fleet, find_schedule(self._fleet, name))

    def list_occurrences(self, name: str, limit: int) -> list[Record]:
        """Return what became of the latest times at which a schedule was due."""
        name = find_schedule(self._fleet, name).name
        found = self._fleet.ledger.list_occurrences(name, limit=limit)
        return list(describe_occurrences(self._fleet, found))

    def run_schedule(self, name: str) -> Record:
        """Run a schedule's job now, and return what became of that."""
        from workers import control

        found = find_schedule(self._fleet, name)
        occurrence = control.run_schedule(self._settings, self._fleet, found)
        return dict(describe_occurrences(self._fleet, [occurrence])[0])

    def pause_schedule(self, name: str) -> None:
        """Let no occurrence run until the schedule is resumed."""
        schedule_control.pause_schedule(self._fleet, name)

    def resume_schedule(self, name: str) -> None:
        """Go on from the next occurrence."""
        schedule_control.resume_schedule(self._fleet, name)

    def remove_schedule(self, name: str) -> None:
        """Remove a schedule and its history."""
        schedule_control.remove_schedule(self._fleet, name)

    def checks(self, version: str) -> list[Check]:
        """Return the checks of all parts of the fleet."""
        return health.fleet_checks(self._fleet, version, self._settings.keys)

    def close(self) -> None:
        """Do nothing: its connections end with the process."""

    def _seal(self, credentials: JobCredentials, job_id: JobId) -> str:
        return seal(credentials, job_id, self.public_key()) if credentials else ""
