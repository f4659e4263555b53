"""Holding a work item: the right to record its outcome, for as long as it is renewed."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from awcopy.errors import AwcopyError, Conflict, JobInterrupted, JobNotFound, LeaseLost
from awcopy.model.items import ItemState, complete, give_back
from awcopy.model.job import JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from awcopy.ledger.base import Ledger
    from awcopy.model.items import Item, LargeFile
    from awcopy.model.outcome import Totals

log = structlog.get_logger(__name__)

_LOOK_EVERY_S = 3.0  # how soon a pause or a cancellation is noticed


class Lease:
    """One item that this worker holds. Safe to use from many threads.

    Every write goes through here and is conditional on the row being as this worker last wrote it; so a
    worker that was frozen and woke up, its lease long given to another, can write nothing.
    """

    def __init__(
        self, ledger: Ledger, item: Item, *, lease_s: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._ledger = ledger
        self._item = item
        self._lease_s = lease_s
        self._monotonic = monotonic
        # The lease runs from when the claim was sent, and the claim's answer may have taken long.
        left_s = (item.lease_until - ledger.now()).total_seconds() if item.lease_until else lease_s
        self._renewed_at = monotonic() - max(0.0, lease_s - left_s)
        self._lock = threading.Lock()
        self._stop: AwcopyError | None = None
        self.bandwidth: int | None = None  # of the job, as somebody changed it since; None: nobody looked yet
        self._is_lost = False

    @property
    def item(self) -> Item:
        """The item as last written."""
        return self._item

    @property
    def is_lost(self) -> bool:
        """Whether a write has shown that the item is another's by now."""
        return self._is_lost

    def check(self) -> None:
        """Return when work on the item may go on.

        Raises:
            LeaseLost: The item is another's by now, or could not be renewed for two thirds of the lease.
            JobInterrupted: The job no longer wants this work.
        """
        if self._stop:
            raise self._stop
        if self._monotonic() - self._renewed_at > self._lease_s * 2 / 3:
            raise LeaseLost(f"the lease of item {self._item.number} could not be renewed in time")

    def interrupt(self, why: str) -> None:
        """Make ``check`` end the work, in good order, where it stands."""
        self._stop = self._stop or JobInterrupted(why)

    def renew(self) -> None:
        """Prolong the lease; ``check`` says when that could not be done in time."""
        try:
            begun = self._monotonic()
            until = self._ledger.now() + timedelta(seconds=self._lease_s)
            self._write(lambda item: self._prolong(item, until))
            self._renewed_at = begun
        except LeaseLost as error:
            self._stop = error
        except AwcopyError as error:
            log.warning(
                "lease_not_renewed", job_id=self._item.job_id, item=self._item.number, error=error.code
            )

    def _prolong(self, item: Item, until: datetime) -> Item:
        if item.state is not ItemState.LEASED:
            return item  # the work ended while the renewal was on its way
        return self._ledger.update_item(replace(item, lease_until=until))

    def save(self, change: Callable[[Item], Item]) -> None:
        """Write a changed item that stays leased."""
        self._write(lambda item: self._ledger.update_item(change(item)))

    def extend(
        self, change: Callable[[Item], Item], children: Sequence[Item], files: Sequence[LargeFile]
    ) -> None:
        """Write a changed item that stays leased, together with the items and files that it gave rise to."""
        self._write(lambda item: self._ledger.extend(change(item), children, files))

    def update_file(self, file: LargeFile) -> LargeFile:
        """Write a large file's row, which this worker may as long as it holds the item.

        Raises:
            Conflict: The file's row is no longer the one that was read.
        """
        with self._lock:
            try:
                self._item, written = self._ledger.update_file(self._item, file)
            except Conflict:
                found = self._ledger.get_item(self._item.job_id, self._item.number)
                if found is None or found.version != self._item.version:
                    raise self._lost() from None
                raise
            return written

    def complete(self, totals: Totals, *, has_outcomes: bool) -> None:
        """Record the item as done; its outcomes must have been written under its fence before."""
        self._write(lambda item: self._ledger.update_item(complete(item, totals, has_outcomes=has_outcomes)))

    def put_off(self, change: Callable[[Item], Item]) -> None:
        """Write a changed item that nobody holds any more."""
        self._write(lambda item: self._ledger.update_item(change(item)))

    def give_back(self, *, attempts: int | None = None) -> None:
        """Let anyone have the item; without a number of attempts, the present one is not counted."""
        self._write(lambda item: self._ledger.update_item(give_back(item, attempts=attempts)))

    def _write(self, write: Callable[[Item], Item]) -> None:
        with self._lock:
            try:
                self._item = write(self._item)
            except Conflict:
                raise self._lost() from None

    def _lost(self) -> LeaseLost:
        self._is_lost = True
        return LeaseLost(f"item {self._item.number} is held by another worker now")


class LeaseKeeper:
    """Looks after the leases of a process, in one thread of its own.

    Each is renewed four times in its life; every three seconds at most, those are interrupted whose job is no
    longer running.
    """

    def __init__(self, ledger: Ledger, lease_s: float) -> None:
        self._ledger = ledger
        self._renew_every_s = lease_s / 4
        self._look_every_s = min(_LOOK_EVERY_S, self._renew_every_s)
        self._held: set[Lease] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._interrupted = ""

    @contextmanager
    def keep(self, lease: Lease) -> Iterator[None]:
        """Renew the lease until the block ends."""
        with self._lock:
            self._held.add(lease)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="lease-keeper", daemon=True)
                self._thread.start()
            if self._interrupted:
                lease.interrupt(self._interrupted)
        try:
            yield
        finally:
            with self._lock:
                self._held.discard(lease)

    def interrupt_all(self, why: str) -> None:
        """Interrupt every lease that is held, and every one to come: the process is to end."""
        with self._lock:
            self._interrupted = why
            for lease in self._held:
                lease.interrupt(why)

    def _run(self) -> None:
        renewed_at = time.monotonic()
        while True:
            time.sleep(self._look_every_s)
            with self._lock:
                held = list(self._held)
            try:
                self._interrupt_unwanted(held)
                if time.monotonic() - renewed_at >= self._renew_every_s:
                    renewed_at = time.monotonic()
                    for lease in held:
                        lease.renew()
            except Exception:  # without this thread every lease of the process would run out, one by one
                log.exception("leases_not_kept")

    def _interrupt_unwanted(self, held: list[Lease]) -> None:
        for job_id in {lease.item.job_id for lease in held}:
            try:
                job = self._ledger.get_job(job_id)
                state, bandwidth = job.state.value, job.spec.bandwidth
            except JobNotFound:
                state, bandwidth = "removed", None
            except AwcopyError as error:
                log.warning("job_not_looked_at", job_id=job_id, error=error.code)
                continue
            for lease in held:
                if lease.item.job_id == job_id:
                    lease.bandwidth = bandwidth
                    if state != JobState.RUNNING:
                        lease.interrupt(f"the job is {state}")
