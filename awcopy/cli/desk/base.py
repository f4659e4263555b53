"""The port through which the commands work on a fleet; where its ledger is, and who may reach it, is the adapters'.

There are two ways: straight to the ledger and Redis (``fleet``), or through the API of a dashboard that somebody else
runs (``http``), which takes neither access to them nor the fleet's private keys. Both say the same of everything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from awcopy.jobs.search import EVERY_JOB

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

    from awcopy.jobs.health import Check
    from awcopy.jobs.queries import JobSnapshot
    from awcopy.jobs.schedule_control import ScheduleRequest
    from awcopy.jobs.search import JobFilter
    from awcopy.jobs.submit import JobRequest
    from awcopy.model.job import Job, JobId
    from awcopy.model.outcome import Outcome
    from awcopy.model.spec import JobSpec
    from awcopy.vault.credentials import JobCredentials

# A schedule or an occurrence as every interface prints it.
Record: TypeAlias = dict[str, Any]


class Desk(Protocol):
    """Where jobs and schedules are asked for, looked at and changed.

    Each call raises ``ServiceUnreachable`` when what it needs does not answer, and ``CredentialsError`` when whoever
    asks may not have it done; what it raises beside that, it says.
    """

    def public_key(self) -> X25519PublicKey:
        """Return the key that credentials are sealed with.

        Raises:
            CredentialsError: There is none.
        """

    def admit(self, request: JobRequest) -> None:
        """Return when the job could be submitted now; nothing is written yet.

        Raises:
            CredentialsError: There is no key to seal its credentials with.
        """

    def submit(self, request: JobRequest) -> JobSnapshot:
        """Write the job down as queued, its credentials sealed, and have it taken up.

        Raises:
            UsageError: The job cannot be done as it is written.
            CredentialsError: There is no key to seal its credentials with.
        """

    def resolve_since(self, spec: JobSpec) -> JobSpec:
        """Return the specification of a sync with the date since which it looks at objects, if it asks for the last."""

    def count_workers(self) -> int:
        """Return how many worker processes are there."""

    def find(self, text: str) -> JobSnapshot:
        """Return the one job whose id starts with the text; ``@last`` is the newest.

        Raises:
            JobNotFound: There is none, or more than one.
        """

    def look(self, job_id: JobId) -> JobSnapshot:
        """Return the job as it is now, or was within the last second.

        Raises:
            JobNotFound: There is no such job.
        """

    def list_jobs(self, limit: int | None = None, wanted: JobFilter = EVERY_JOB) -> Iterator[JobSnapshot]:
        """Yield the newest jobs that are wanted, at most so many, or all of them."""

    def read_report(self, job_id: JobId) -> Iterator[Outcome]:
        """Yield the outcome of every object that has one. Raises as ``look`` does."""

    def pause(self, job_id: JobId) -> None:
        """Pause a job; raise ``IllegalMove`` if its state does not allow it, as all that follow do."""

    def resume(self, job: Job, credentials: JobCredentials) -> None:
        """Go on with a job, with these credentials if there are any, else with those that it has."""

    def retry(self, job: Job, credentials: JobCredentials, reason: str = "") -> int:
        """Try again what failed, for one reason or at all; return how many objects that is."""

    def cancel(self, job_id: JobId) -> None:
        """Cancel a job."""

    def change_agents(self, job_id: JobId, agents: int) -> None:
        """Change how many items of a job run at once."""

    def change_bandwidth(self, job_id: JobId, bandwidth: int) -> None:
        """Change how many bytes of a job go a second; 0 for no limit."""

    def remove(self, job_id: JobId) -> None:
        """Remove an ended job with its report."""

    def clean(self, older_than: datetime) -> Iterator[JobId]:
        """Remove the jobs that ended before a moment, and yield the id of each that is gone."""

    def add_schedule(self, request: ScheduleRequest) -> Record:
        """Add a schedule, and return it.

        Raises:
            UsageError: Its name or its times cannot be, or there is one of this name.
        """

    def list_schedules(self) -> Sequence[Record]:
        """Return all schedules by name."""

    def show_schedule(self, name: str) -> Record:
        """Return the schedule of this name; raise ``ScheduleNotFound`` if there is none, as all that follow do."""

    def list_occurrences(self, name: str, limit: int) -> Sequence[Record]:
        """Return what became of the latest times at which a schedule was due."""

    def run_schedule(self, name: str) -> Record:
        """Run a schedule's job now, and return what became of that."""

    def pause_schedule(self, name: str) -> None:
        """Let no occurrence run until the schedule is resumed."""

    def resume_schedule(self, name: str) -> None:
        """Go on from the next occurrence."""

    def remove_schedule(self, name: str) -> None:
        """Remove a schedule and its history."""

    def checks(self, version: str) -> list[Check]:
        """Return the checks of all parts of the fleet, seen from here by an awcopy of this version."""

    def close(self) -> None:
        """Give up idle connections."""
