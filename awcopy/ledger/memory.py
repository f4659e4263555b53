"""The ledger in this process's memory, where it ends: for jobs run here, tests and the simulator."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count, islice
from typing import TypeVar

from awcopy.errors import Conflict, JobNotFound
from awcopy.ledger.base import EXTEND_LIMIT
from awcopy.model.items import Item, ItemState, LargeFile
from awcopy.model.job import Job, JobId
from awcopy.model.notification import Notification
from awcopy.model.objects import SourceObject
from awcopy.model.outcome import Outcome
from awcopy.model.schedule import Fate, Occurrence, Schedule
from awcopy.model.token import Token

_Key = TypeVar("_Key")
_Record = TypeVar("_Record", Job, Item, LargeFile, Schedule, Occurrence, Notification, Token)


@dataclass(slots=True)
class _Contents:
    """All that belongs to one job, beside its own row."""

    items: dict[int, Item] = field(default_factory=dict)
    files: dict[int, LargeFile] = field(default_factory=dict)
    manifests: dict[tuple[int, int], tuple[SourceObject, ...]] = field(default_factory=dict)
    outcomes: dict[tuple[int, int], tuple[Outcome, ...]] = field(default_factory=dict)


class MemoryLedger:
    """Implements ``awcopy.ledger.base.Ledger``. Records are frozen, so they are kept and given as such."""

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._versions = count(1)
        self._jobs: dict[JobId, Job] = {}
        self._schedules: dict[str, Schedule] = {}
        self._occurrences: dict[tuple[str, datetime], Occurrence] = {}
        self._notifications: dict[str, Notification] = {}
        self._tokens: dict[str, Token] = {}
        self._contents: defaultdict[JobId, _Contents] = defaultdict(_Contents)

    def prepare(self) -> None:
        """Do nothing: nothing is ever missing."""

    def now(self) -> datetime:
        """Return the clock's time."""
        return self._clock()

    def check_writable(self) -> None:
        """Return at once: memory can always be written."""

    def add_job(self, job: Job) -> Job:
        """Add a new job and return it with its version."""
        with self._lock:
            return self._add(self._jobs, job.id, job)

    def get_job(self, job_id: JobId) -> Job:
        """Return one job."""
        with self._lock:
            job = self._jobs.get(job_id)
        if job is None:
            raise JobNotFound(f"no job has the id {job_id!r}", hint="`awcopy jobs list` shows all ids")
        return job

    def get_jobs(self, job_ids: Collection[JobId]) -> dict[JobId, Job]:
        """Return those of these jobs that there are, by their ids."""
        with self._lock:
            return {job_id: self._jobs[job_id] for job_id in job_ids if job_id in self._jobs}

    def update_job(self, job: Job) -> Job:
        """Replace a job's row and return it with its new version."""
        with self._lock:
            return self._update(self._jobs, job.id, job)

    def list_jobs(self, *, id_prefix: str = "", limit: int = 50, after: JobId | None = None) -> list[Job]:
        """Return jobs, newest first, at most ``limit``, older than ``after`` if given."""
        with self._lock:
            ids = sorted(job_id for job_id in self._jobs if job_id.startswith(id_prefix))
            return [self._jobs[job_id] for job_id in ids if after is None or job_id > after][:limit]

    def open_jobs(self, *, ended_since: datetime | None = None) -> list[Job]:
        """Return all jobs that have not ended, or have since that moment if one is given; newest first."""
        with self._lock:
            jobs = [self._jobs[job_id] for job_id in sorted(self._jobs)]
        return [job for job in jobs if not job.has_ended or (ended_since and job.changed_at >= ended_since)]

    def untold_jobs(self) -> list[Job]:
        """Return the jobs that have ended, and of which nobody has been told, newest first."""
        with self._lock:
            return [self._jobs[job_id] for job_id in sorted(self._jobs) if self._jobs[job_id].is_untold]

    def delete_job(self, job_id: JobId) -> None:
        """Remove a job with its items, files and documents; nothing happens when it is gone."""
        with self._lock:
            self._jobs.pop(job_id, None)
            self._contents.pop(job_id, None)

    def add_item(self, item: Item) -> Item:
        """Add one item and return it with its version."""
        with self._lock:
            return self._add(self._contents[item.job_id].items, item.number, item)

    def extend(self, parent: Item, children: Sequence[Item], files: Sequence[LargeFile]) -> Item:
        """Replace a list item and add what it found, all or nothing; return it with its new version."""
        if len(children) + len(files) > EXTEND_LIMIT:
            raise ValueError(f"{len(children) + len(files)} children and files are more than {EXTEND_LIMIT}")
        with self._lock:
            known = self._contents[parent.job_id]
            if any(child.number in known.items for child in children):
                raise Conflict(f"job {parent.job_id} has one of the new items already")
            if any(file.number in known.files for file in files):
                raise Conflict(f"job {parent.job_id} has one of the new large files already")
            updated = self._update(known.items, parent.number, parent)
            for child in children:
                self._add(known.items, child.number, child)
            for file in files:
                self._add(known.files, file.number, file)
            return updated

    def get_item(self, job_id: JobId, number: int) -> Item | None:
        """Return one item, or None."""
        with self._lock:
            return self._contents[job_id].items.get(number)

    def update_item(self, item: Item) -> Item:
        """Replace an item's row and return it with its new version."""
        with self._lock:
            return self._update(self._contents[item.job_id].items, item.number, item)

    def list_items(
        self, job_id: JobId, *, states: Collection[ItemState] = (), limit: int | None = None, after: int = 0
    ) -> Iterator[Item]:
        """Yield the job's items after one by number, as they are now; only those in the given states, if any."""
        with self._lock:
            items = sorted(self._contents[job_id].items.items())
        chosen = (item for number, item in items if number > after and (not states or item.state in states))
        return islice(chosen, limit)

    def get_file(self, job_id: JobId, number: int) -> LargeFile:
        """Return one large file; it is there whenever an item names it."""
        with self._lock:
            file = self._contents[job_id].files.get(number)
        if file is None:
            raise _gone(job_id, f"large file {number}")
        return file

    def update_file(self, holder: Item, file: LargeFile) -> tuple[Item, LargeFile]:
        """Replace the rows of a large file and of the item that works on it, both or none."""
        with self._lock:
            known = self._contents[file.job_id]
            self._require(known.files, file.number, file)
            return (
                self._update(known.items, holder.number, holder),
                self._update(known.files, file.number, file),
            )

    def write_manifest(
        self, job_id: JobId, number: int, objects: Iterable[SourceObject], *, fence: int = 0
    ) -> None:
        """Store the objects of a ``copy_files`` item; writing it again replaces it."""
        stored = tuple(objects)
        with self._lock:
            self._contents[job_id].manifests[number, fence] = stored

    def read_manifest(self, job_id: JobId, number: int, *, fence: int = 0) -> list[SourceObject]:
        """Return the objects of an item, in the order in which they were listed."""
        with self._lock:
            stored = self._contents[job_id].manifests.get((number, fence))
        if stored is None:
            raise _gone(job_id, f"manifest {number}")
        return list(stored)

    def write_outcomes(self, job_id: JobId, number: int, fence: int, outcomes: Iterable[Outcome]) -> None:
        """Store an item's outcomes under the claim that produced them; writing it again replaces it."""
        stored = tuple(outcomes)
        with self._lock:
            self._contents[job_id].outcomes[number, fence] = stored

    def read_outcomes(self, job_id: JobId, number: int, fence: int) -> list[Outcome]:
        """Return the outcomes that one claim of an item produced; none when nothing was written."""
        with self._lock:
            return list(self._contents[job_id].outcomes.get((number, fence), ()))

    def add_schedule(self, schedule: Schedule) -> Schedule:
        """Add a new schedule and return it with its version."""
        with self._lock:
            return self._add(self._schedules, schedule.name, schedule)

    def get_schedule(self, name: str) -> Schedule | None:
        """Return one schedule, or None."""
        with self._lock:
            return self._schedules.get(name)

    def update_schedule(self, schedule: Schedule) -> Schedule:
        """Replace a schedule's row and return it with its new version."""
        with self._lock:
            return self._update(self._schedules, schedule.name, schedule)

    def list_schedules(self) -> list[Schedule]:
        """Return all schedules by name."""
        with self._lock:
            return [self._schedules[name] for name in sorted(self._schedules)]

    def delete_schedule(self, name: str) -> None:
        """Remove a schedule with its occurrences; nothing happens when it is gone."""
        with self._lock:
            self._schedules.pop(name, None)
            for key in [key for key in self._occurrences if key[0] == name]:
                del self._occurrences[key]

    def add_occurrence(self, occurrence: Occurrence) -> Occurrence:
        """Add an occurrence and return it with its version."""
        with self._lock:
            key = (occurrence.schedule, occurrence.planned_at)
            return self._add(self._occurrences, key, occurrence)

    def update_occurrence(self, occurrence: Occurrence) -> Occurrence:
        """Replace an occurrence's row and return it with its new version."""
        with self._lock:
            key = (occurrence.schedule, occurrence.planned_at)
            return self._update(self._occurrences, key, occurrence)

    def list_occurrences(
        self, schedule: str, *, fates: Collection[Fate] = (), limit: int | None = None
    ) -> Iterator[Occurrence]:
        """Yield a schedule's occurrences, the latest first; only those of the given fates, if any."""
        with self._lock:
            found = [
                one for key, one in sorted(self._occurrences.items(), reverse=True) if key[0] == schedule
            ]
        return islice((one for one in found if not fates or one.fate in fates), limit)

    def add_notification(self, notification: Notification) -> Notification:
        """Add a notification and return it with its version."""
        with self._lock:
            return self._add(self._notifications, notification.id, notification)

    def update_notification(self, notification: Notification) -> Notification:
        """Replace a notification's row and return it with its new version."""
        with self._lock:
            return self._update(self._notifications, notification.id, notification)

    def list_notifications(self) -> list[Notification]:
        """Return all notifications that are there, by their ids."""
        with self._lock:
            return [one for _, one in sorted(self._notifications.items())]

    def delete_notification(self, notification_id: str) -> None:
        """Remove a notification; nothing happens when it is gone."""
        with self._lock:
            self._notifications.pop(notification_id, None)

    def add_token(self, token: Token) -> Token:
        """Add a new token and return it with its version."""
        with self._lock:
            return self._add(self._tokens, token.name, token)

    def update_token(self, token: Token) -> Token:
        """Replace a token's row and return it with its new version."""
        with self._lock:
            return self._update(self._tokens, token.name, token)

    def list_tokens(self) -> list[Token]:
        """Return all tokens by name."""
        with self._lock:
            return [token for _, token in sorted(self._tokens.items())]

    def _add(self, known: dict[_Key, _Record], key: _Key, record: _Record) -> _Record:
        if key in known:
            raise Conflict(f"{type(record).__name__} {key} is there already")
        return self._put(known, key, record)

    def _update(self, known: dict[_Key, _Record], key: _Key, record: _Record) -> _Record:
        self._require(known, key, record)
        return self._put(known, key, record)

    @staticmethod
    def _require(known: dict[_Key, _Record], key: _Key, record: _Record) -> None:
        if key not in known or known[key].version != record.version:
            raise Conflict(f"{type(record).__name__} {key} is no longer the one that was read")

    def _put(self, known: dict[_Key, _Record], key: _Key, record: _Record) -> _Record:
        stored = replace(record, version=str(next(self._versions)))
        known[key] = stored
        return stored


def _gone(job_id: JobId, what: str) -> JobNotFound:
    return JobNotFound(f"job {job_id} has no {what}: the job was deleted, or the ledger is damaged")
