"""The port to what is true about jobs: rows that change only if unchanged, and documents beside them.

Every row carries ``version``. A write succeeds only if the row still has the version that was read;
otherwise it raises ``Conflict`` and nothing was written. That, with the fence that a claim raises, is all
the protocol between workers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from datetime import datetime

    from awcopy.model.items import Item, ItemState, LargeFile
    from awcopy.model.job import Job, JobId
    from awcopy.model.notification import Notification
    from awcopy.model.objects import SourceObject
    from awcopy.model.outcome import Outcome
    from awcopy.model.schedule import Fate, Occurrence, Schedule
    from awcopy.model.token import Token

# The most children and files that one ``extend`` may add: an Azure Tables transaction holds 100 operations.
EXTEND_LIMIT = 99


class Ledger(Protocol):
    """Jobs, their work items and large files, and the documents of the items. Safe to use from many threads.

    Raises ``ServiceUnreachable`` when the ledger does not answer, ``CredentialsError`` when it refuses.
    """

    def prepare(self) -> None:
        """Create whatever tables and containers are missing; may be called at any time."""

    def now(self) -> datetime:
        """Return the ledger's own time (aware, UTC): the one clock by which leases run out."""

    def check_writable(self) -> None:
        """Return when rows and documents can be written and removed, ``prepare`` done; raise why not."""

    def add_job(self, job: Job) -> Job:
        """Add a new job and return it with its version.

        Raises:
            Conflict: A job with this id is there already.
        """

    def get_job(self, job_id: JobId) -> Job:
        """Return one job.

        Raises:
            JobNotFound: There is none.
        """

    def get_jobs(self, job_ids: Collection[JobId]) -> dict[JobId, Job]:
        """Return those of these jobs that there are, by their ids."""

    def update_job(self, job: Job) -> Job:
        """Replace a job's row and return it with its new version.

        Raises:
            Conflict: The row is no longer the one that was read.
        """

    def list_jobs(self, *, id_prefix: str = "", limit: int = 50, after: JobId | None = None) -> list[Job]:
        """Return jobs, newest first, at most ``limit``, older than ``after`` if given."""

    def open_jobs(self, *, ended_since: datetime | None = None) -> list[Job]:
        """Return all jobs that have not ended, or have since that moment if one is given; newest first."""

    def untold_jobs(self) -> list[Job]:
        """Return the jobs that have ended, and of which nobody has been told, newest first."""

    def delete_job(self, job_id: JobId) -> None:
        """Remove a job with its items, files and documents; nothing happens when it is gone."""

    def add_item(self, item: Item) -> Item:
        """Add one item and return it with its version.

        Raises:
            Conflict: The job has an item of this number already.
        """

    def extend(self, parent: Item, children: Sequence[Item], files: Sequence[LargeFile]) -> Item:
        """Replace a list item and add what it found, all or nothing; return it with its new version.

        At most ``EXTEND_LIMIT`` children and files together.

        Raises:
            Conflict: The list item is no longer the one that was read; nothing was added.
        """

    def get_item(self, job_id: JobId, number: int) -> Item | None:
        """Return one item, or None."""

    def update_item(self, item: Item) -> Item:
        """Replace an item's row and return it with its new version.

        Raises:
            Conflict: The row is no longer the one that was read.
        """

    def list_items(
        self, job_id: JobId, *, states: Collection[ItemState] = (), limit: int | None = None, after: int = 0
    ) -> Iterator[Item]:
        """Yield the job's items by number, those after one; only those in the given states, if any are given."""

    def get_file(self, job_id: JobId, number: int) -> LargeFile:
        """Return one large file; it is there whenever an item names it."""

    def update_file(self, holder: Item, file: LargeFile) -> tuple[Item, LargeFile]:
        """Replace the rows of a large file and of the item that works on it, and return their new versions.

        Both or none: so that nobody changes a file who has lost the item meanwhile.

        Raises:
            Conflict: One of the rows is no longer the one that was read.
        """

    def write_manifest(
        self, job_id: JobId, number: int, objects: Iterable[SourceObject], *, fence: int = 0
    ) -> None:
        """Store the objects of a ``copy_files`` item under the claim that lists them; again replaces it."""

    def read_manifest(self, job_id: JobId, number: int, *, fence: int = 0) -> list[SourceObject]:
        """Return the objects that one claim listed for an item, in the order in which they were listed."""

    def write_outcomes(self, job_id: JobId, number: int, fence: int, outcomes: Iterable[Outcome]) -> None:
        """Store an item's outcomes under the claim that produced them; writing it again replaces it."""

    def read_outcomes(self, job_id: JobId, number: int, fence: int) -> list[Outcome]:
        """Return the outcomes that one claim of an item produced; none when nothing was written."""

    def add_schedule(self, schedule: Schedule) -> Schedule:
        """Add a new schedule and return it with its version.

        Raises:
            Conflict: A schedule of this name is there already.
        """

    def get_schedule(self, name: str) -> Schedule | None:
        """Return one schedule, or None."""

    def update_schedule(self, schedule: Schedule) -> Schedule:
        """Replace a schedule's row and return it with its new version.

        Raises:
            Conflict: The row is no longer the one that was read.
        """

    def list_schedules(self) -> list[Schedule]:
        """Return all schedules by name."""

    def delete_schedule(self, name: str) -> None:
        """Remove a schedule with its occurrences; its jobs stay. Nothing happens when it is gone."""

    def add_occurrence(self, occurrence: Occurrence) -> Occurrence:
        """Add an occurrence and return it with its version.

        Raises:
            Conflict: The schedule has one that was planned for this second.
        """

    def update_occurrence(self, occurrence: Occurrence) -> Occurrence:
        """Replace an occurrence's row and return it with its new version.

        Raises:
            Conflict: The row is no longer the one that was read.
        """

    def list_occurrences(
        self, schedule: str, *, fates: Collection[Fate] = (), limit: int | None = None
    ) -> Iterator[Occurrence]:
        """Yield a schedule's occurrences, the latest first; only those of the given fates, if any are given."""

    def add_notification(self, notification: Notification) -> Notification:
        """Add a notification and return it with its version.

        Raises:
            Conflict: One with this id is there already.
        """

    def update_notification(self, notification: Notification) -> Notification:
        """Replace a notification's row and return it with its new version.

        Raises:
            Conflict: The row is no longer the one that was read.
        """

    def list_notifications(self) -> list[Notification]:
        """Return all notifications that are there, by their ids."""

    def delete_notification(self, notification_id: str) -> None:
        """Remove a notification; nothing happens when it is gone."""

    def add_token(self, token: Token) -> Token:
        """Add a new token and return it with its version.

        Raises:
            Conflict: A token of this name is there already.
        """

    def update_token(self, token: Token) -> Token:
        """Replace a token's row and return it with its new version.

        Raises:
            Conflict: The row is no longer the one that was read.
        """

    def list_tokens(self) -> list[Token]:
        """Return all tokens by name, also those that count no more."""
