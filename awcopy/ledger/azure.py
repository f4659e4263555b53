"""The ledger in an Azure Storage account: which record lies in which table, under which key."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from awcopy.config import Secret
from awcopy.errors import JobNotFound, UsageError
from awcopy.ledger.azure_account import SILENCE_S, Account
from awcopy.ledger.azure_documents import Documents
from awcopy.ledger.azure_records import Records
from awcopy.ledger.azure_rows import (
    AFTER_ITEM_KEYS,
    FIRST_ITEM_KEY,
    JOBS_PARTITION,
    NOTIFICATIONS_PARTITION,
    SCHEDULES_PARTITION,
    TOKENS_PARTITION,
    file_key,
    file_row,
    item_key,
    item_row,
    job_row,
    notification_row,
    occurrence_row,
    occurrences_partition,
    read_file,
    read_item,
    read_job,
    read_notification,
    read_occurrence,
    read_schedule,
    read_token,
    schedule_row,
    token_row,
)
from awcopy.ledger.azure_tables import Table, quote_moment, quote_text, version_of
from awcopy.ledger.base import EXTEND_LIMIT
from awcopy.ledger.codec import dump_objects, dump_outcomes, load_objects, load_outcomes
from awcopy.model.items import Item, ItemState, LargeFile
from awcopy.model.job import ENDED, Job, JobId
from awcopy.model.notification import Notification
from awcopy.model.objects import SourceObject
from awcopy.model.outcome import Outcome
from awcopy.model.schedule import Fate, Occurrence, Schedule, is_schedule_name
from awcopy.model.token import Token

if TYPE_CHECKING:
    from azure.core.pipeline.transport import HttpTransport

# What both a table's and a container's name allow, with room for what is added.
_NAMESPACE = re.compile(r"[a-z][a-z0-9]{2,50}")
# No key of a row or name of a document is made of anything else.
_JOB_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
# The service takes 15 comparisons in one condition.
_IDS_AT_ONCE = 12
# Sorts after every character of a job's id.
_AFTER_IDS = "~"
# Records of about 2 KB each.
_MOST_REMEMBERED = 20_000
# Of no job: what ``check_writable`` writes and removes.
_TRIAL = "trial"


class AzureLedger:
    """Implements ``awcopy.ledger.base.Ledger`` on the tables and the blobs of one storage account.

    Args:
        account: A connection string, or the account's blob URL; a URL without a SAS is opened with
            the identity of this machine (azure-identity).
        namespace: Begins the tables' names and is the container's: lower-case letters and digits.
        transport: Carries the requests instead of pooled connections; for tests.
        reads_silence_s: How long an answer is waited for by what only reads; what writes waits 30 s.
        remembers: Whether jobs and items that were read before are read again only when they have changed; for
            whoever looks at the same ones again and again.
    """

    def __init__(
        self,
        account: Secret,
        namespace: str,
        *,
        transport: HttpTransport[Any, Any] | None = None,
        reads_silence_s: float = SILENCE_S,
        remembers: bool = False,
    ) -> None:
        if not _NAMESPACE.fullmatch(namespace):
            hint = "use 3 to 51 lower-case letters and digits, a letter first"
            raise UsageError(f"AWCOPY_NAMESPACE={namespace!r} cannot name tables and a container", hint=hint)
        self._account = Account(account, transport=transport, reads_silence_s=reads_silence_s)
        self._jobs = Table(self._account, f"{namespace}jobs")
        self._items = Table(self._account, f"{namespace}items")
        self._schedules = Table(self._account, f"{namespace}schedules")
        self._notifications = Table(self._account, f"{namespace}notifications")
        self._tokens = Table(self._account, f"{namespace}tokens")
        self._documents = Documents(self._account, namespace)
        most_kept = _MOST_REMEMBERED if remembers else 0
        self._job_records = Records(self._jobs, read_job, most_kept=most_kept)
        self._item_records = Records(self._items, read_item, most_kept=most_kept)

    def __enter__(self) -> Self:
        """Return the ledger itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close all connections."""
        self.close()

    def close(self) -> None:
        """Close all connections; the ledger cannot be used any more."""
        self._account.close()

    def prepare(self) -> None:
        """Create whatever tables and containers are missing; may be called at any time."""
        self._jobs.prepare()
        self._items.prepare()
        self._schedules.prepare()
        self._notifications.prepare()
        self._tokens.prepare()
        self._documents.prepare()

    def now(self) -> datetime:
        """Return the service's time, as its latest answers tell; asks once if there was none."""
        if not self._account.clock.is_set:
            self._jobs.get(JOBS_PARTITION, "now")  # no job has this id; the answer's Date is all that counts
        return self._account.clock.now()

    def check_writable(self) -> None:
        """Return when rows and documents can be written and removed, ``prepare`` done; raise why not."""
        self.prepare()
        trial = f"{_TRIAL}-{secrets.token_hex(8)}"
        for table in (self._jobs, self._items, self._schedules, self._notifications, self._tokens):
            table.create({"PartitionKey": _TRIAL, "RowKey": trial})
            table.delete(_TRIAL, trial)
        self._documents.write(f"{trial}/{_TRIAL}", _TRIAL)
        self._documents.delete_below(f"{trial}/")

    def add_job(self, job: Job) -> Job:
        """Add a new job and return it with its version."""
        return replace(job, version=self._jobs.create(job_row(job)))

    def get_job(self, job_id: JobId) -> Job:
        """Return one job."""
        row = self._jobs.get(JOBS_PARTITION, job_id) if _JOB_ID.fullmatch(job_id) else None
        if row is None:
            raise JobNotFound(f"no job has the id {job_id!r}", hint="`awcopy jobs list` shows all ids")
        return read_job(row, version_of(row))

    def get_jobs(self, job_ids: Collection[JobId]) -> dict[JobId, Job]:
        """Return those of these jobs that there are, by their ids."""
        known = sorted(filter(_JOB_ID.fullmatch, job_ids))
        found: dict[JobId, Job] = {}
        for at in range(0, len(known), _IDS_AT_ONCE):
            some = " or ".join(f"RowKey eq {quote_text(job_id)}" for job_id in known[at : at + _IDS_AT_ONCE])
            jobs = self._job_records.find(f"PartitionKey eq {quote_text(JOBS_PARTITION)} and ({some})")
            found |= {job.id: job for job in jobs}
        return found

    def update_job(self, job: Job) -> Job:
        """Replace a job's row and return it with its new version."""
        return replace(job, version=self._jobs.replace(job_row(job), job.version))

    def list_jobs(self, *, id_prefix: str = "", limit: int = 50, after: JobId | None = None) -> list[Job]:
        """Return jobs, newest first, at most ``limit``, older than ``after`` if given."""
        if id_prefix and not _JOB_ID.fullmatch(id_prefix):
            return []
        condition = f"PartitionKey eq {quote_text(JOBS_PARTITION)}"
        if id_prefix:
            last = quote_text(id_prefix + _AFTER_IDS)
            condition += f" and RowKey ge {quote_text(id_prefix)} and RowKey lt {last}"
        if after is not None:
            condition += f" and RowKey gt {quote_text(after)}"
        return list(self._job_records.find(condition, limit=limit))

    def open_jobs(self, *, ended_since: datetime | None = None) -> list[Job]:
        """Return all jobs that have not ended, or have since that moment if one is given; newest first."""
        is_open = " and ".join(f"state ne {quote_text(state)}" for state in sorted(ENDED))
        wanted = f"(({is_open}) or changed_at ge {quote_moment(ended_since)})" if ended_since else is_open
        condition = f"PartitionKey eq {quote_text(JOBS_PARTITION)} and {wanted}"
        return list(self._job_records.find(condition))

    def untold_jobs(self) -> list[Job]:
        """Return the jobs that have ended, and of which nobody has been told, newest first."""
        condition = f"PartitionKey eq {quote_text(JOBS_PARTITION)} and is_untold eq true"
        return [read_job(row, version_of(row)) for row in self._jobs.query(condition)]

    def delete_job(self, job_id: JobId) -> None:
        """Remove a job with its items, files and documents; nothing happens when it is gone.

        The job's own row goes last, so that a deletion that was cut short can be seen and made again.
        """
        if not _JOB_ID.fullmatch(job_id):
            return
        self._items.delete_partition(job_id)
        self._documents.delete_below(f"{job_id}/")
        self._jobs.delete(JOBS_PARTITION, job_id)

    def add_item(self, item: Item) -> Item:
        """Add one item and return it with its version."""
        return replace(item, version=self._items.create(item_row(item)))

    def extend(self, parent: Item, children: Sequence[Item], files: Sequence[LargeFile]) -> Item:
        """Replace a list item and add what it found, in one transaction; return it with its new version."""
        additions = [*map(item_row, children), *map(file_row, files)]
        if len(additions) > EXTEND_LIMIT:
            raise ValueError(f"{len(additions)} children and files are more than {EXTEND_LIMIT}")
        return replace(parent, version=self._items.extend(item_row(parent), parent.version, additions))

    def get_item(self, job_id: JobId, number: int) -> Item | None:
        """Return one item, or None."""
        row = self._items.get(job_id, item_key(number))
        return None if row is None else read_item(row, version_of(row))

    def update_item(self, item: Item) -> Item:
        """Replace an item's row and return it with its new version."""
        return replace(item, version=self._items.replace(item_row(item), item.version))

    def list_items(
        self, job_id: JobId, *, states: Collection[ItemState] = (), limit: int | None = None, after: int = 0
    ) -> Iterator[Item]:
        """Yield the job's items by number, those after one; only those in the given states, if any are given."""
        begin = item_key(after + 1) if after else FIRST_ITEM_KEY
        condition = (
            f"PartitionKey eq {quote_text(job_id)}"
            f" and RowKey ge {quote_text(begin)} and RowKey lt {quote_text(AFTER_ITEM_KEYS)}"
        )
        if states:
            condition += f" and ({' or '.join(f'state eq {quote_text(state)}' for state in states)})"
        return self._item_records.find(condition, limit=limit)

    def get_file(self, job_id: JobId, number: int) -> LargeFile:
        """Return one large file; it is there whenever an item names it."""
        row = self._items.get(job_id, file_key(number))
        if row is None:
            raise _gone(job_id, f"large file {number}")
        return read_file(row, version_of(row))

    def update_file(self, holder: Item, file: LargeFile) -> tuple[Item, LargeFile]:
        """Replace the rows of a large file and of the item that works on it, in one transaction."""
        rows = (item_row(holder), holder.version), (file_row(file), file.version)
        of_holder, of_file = self._items.replace_two(*rows)
        return replace(holder, version=of_holder), replace(file, version=of_file)

    def write_manifest(
        self, job_id: JobId, number: int, objects: Iterable[SourceObject], *, fence: int = 0
    ) -> None:
        """Store the objects of a ``copy_files`` item; writing it again replaces it."""
        self._documents.write(_manifest_name(job_id, number, fence), dump_objects(objects))

    def read_manifest(self, job_id: JobId, number: int, *, fence: int = 0) -> list[SourceObject]:
        """Return the objects of an item, in the order in which they were listed."""
        text = self._documents.read(_manifest_name(job_id, number, fence))
        if text is None:
            raise _gone(job_id, f"manifest {number}")
        return load_objects(text)

    def write_outcomes(self, job_id: JobId, number: int, fence: int, outcomes: Iterable[Outcome]) -> None:
        """Store an item's outcomes under the claim that produced them; writing it again replaces it."""
        self._documents.write(_outcomes_name(job_id, number, fence), dump_outcomes(outcomes))

    def read_outcomes(self, job_id: JobId, number: int, fence: int) -> list[Outcome]:
        """Return the outcomes that one claim of an item produced; none when nothing was written."""
        return load_outcomes(self._documents.read(_outcomes_name(job_id, number, fence)) or "")

    def add_schedule(self, schedule: Schedule) -> Schedule:
        """Add a new schedule and return it with its version."""
        return replace(schedule, version=self._schedules.create(schedule_row(schedule)))

    def get_schedule(self, name: str) -> Schedule | None:
        """Return one schedule, or None."""
        row = self._schedules.get(SCHEDULES_PARTITION, name) if is_schedule_name(name) else None
        return None if row is None else read_schedule(row, version_of(row))

    def update_schedule(self, schedule: Schedule) -> Schedule:
        """Replace a schedule's row and return it with its new version."""
        return replace(schedule, version=self._schedules.replace(schedule_row(schedule), schedule.version))

    def list_schedules(self) -> list[Schedule]:
        """Return all schedules by name."""
        rows = self._schedules.query(f"PartitionKey eq {quote_text(SCHEDULES_PARTITION)}")
        return [read_schedule(row, version_of(row)) for row in rows]

    def delete_schedule(self, name: str) -> None:
        """Remove a schedule with its occurrences; nothing happens when it is gone.

        The schedule goes first, so that nothing adds an occurrence behind the deletion's back.
        """
        if is_schedule_name(name):
            self._schedules.delete(SCHEDULES_PARTITION, name)
            self._schedules.delete_partition(occurrences_partition(name))

    def add_occurrence(self, occurrence: Occurrence) -> Occurrence:
        """Add an occurrence and return it with its version."""
        return replace(occurrence, version=self._schedules.create(occurrence_row(occurrence)))

    def update_occurrence(self, occurrence: Occurrence) -> Occurrence:
        """Replace an occurrence's row and return it with its new version."""
        row = occurrence_row(occurrence)
        return replace(occurrence, version=self._schedules.replace(row, occurrence.version))

    def list_occurrences(
        self, schedule: str, *, fates: Collection[Fate] = (), limit: int | None = None
    ) -> Iterator[Occurrence]:
        """Yield a schedule's occurrences, the latest first; only those of the given fates, if any are given."""
        condition = f"PartitionKey eq {quote_text(occurrences_partition(schedule))}"
        if fates:
            condition += f" and ({' or '.join(f'fate eq {quote_text(fate)}' for fate in sorted(fates))})"
        rows = self._schedules.query(condition, limit=limit)
        return (read_occurrence(row, version_of(row)) for row in rows)

    def add_notification(self, notification: Notification) -> Notification:
        """Add a notification and return it with its version."""
        version = self._notifications.create(notification_row(notification))
        return replace(notification, version=version)

    def update_notification(self, notification: Notification) -> Notification:
        """Replace a notification's row and return it with its new version."""
        version = self._notifications.replace(notification_row(notification), notification.version)
        return replace(notification, version=version)

    def list_notifications(self) -> list[Notification]:
        """Return all notifications that are there, by their ids."""
        rows = self._notifications.query(f"PartitionKey eq {quote_text(NOTIFICATIONS_PARTITION)}")
        return [read_notification(row, version_of(row)) for row in rows]

    def delete_notification(self, notification_id: str) -> None:
        """Remove a notification; nothing happens when it is gone."""
        self._notifications.delete(NOTIFICATIONS_PARTITION, notification_id)

    def add_token(self, token: Token) -> Token:
        """Add a new token and return it with its version."""
        return replace(token, version=self._tokens.create(token_row(token)))

    def update_token(self, token: Token) -> Token:
        """Replace a token's row and return it with its new version."""
        return replace(token, version=self._tokens.replace(token_row(token), token.version))

    def list_tokens(self) -> list[Token]:
        """Return all tokens by name."""
        rows = self._tokens.query(f"PartitionKey eq {quote_text(TOKENS_PARTITION)}")
        return [read_token(row, version_of(row)) for row in rows]


def _manifest_name(job_id: JobId, number: int, fence: int) -> str:
    return f"{job_id}/manifest/{number:012d}.{fence}.jsonl.zst"


def _outcomes_name(job_id: JobId, number: int, fence: int) -> str:
    return f"{job_id}/outcome/{number:012d}.{fence}.jsonl.zst"


def _gone(job_id: JobId, what: str) -> JobNotFound:
    return JobNotFound(f"job {job_id} has no {what}: the job was deleted, or the ledger is damaged")
