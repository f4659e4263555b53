"""The journal of one job beside the user: one JSON line per event, in the order in which they were seen.

The journal only follows; the ledger is what is true. When it cannot be written, a full disk for one, the copy
goes on, the user is told once, and the journal goes on when it can, with a line that says what is missing.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from awcopy.errors import UsageError
from awcopy.jobs.report import report_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from awcopy.jobs.queries import JobSnapshot
    from awcopy.model.job import Job
    from awcopy.model.outcome import Outcome


def journal_name(now: datetime) -> str:
    """Return the name that the original gave its journals: ``awcopy-<date>-<time>.log``."""
    return f"awcopy-{now:%Y%m%d-%H%M%S}.log"


@dataclass(slots=True)
class Journal:
    """Appends to one file. ``tell`` is called with one line for the user when something is wrong with it."""

    path: Path
    tell: Callable[[str], None]
    _file: int = -1
    _lost: int = 0
    _state: str = ""
    _phase: str = ""
    _counts: dict[str, Any] = field(default_factory=dict)

    def open(self) -> None:
        """Create the file, readable by the user alone, or go on at the end of one that is there.

        Raises:
            UsageError: It cannot be created.
        """
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
            self._file = os.open(self.path, flags, 0o600)
        except OSError as error:
            hint = "name another file with --journal PATH, or leave the journal out"
            raise UsageError(
                f"the journal {self.path} cannot be created: {error.strerror}", hint=hint
            ) from error

    def follow(self, snapshot: JobSnapshot) -> None:
        """Write what is new since the snapshot before: state, phase, and numbers."""
        job = snapshot.job
        if job.state.value != self._state:
            self._state = job.state.value
            self._write("state_changed", job=job.id, name=job.name, state=self._state, detail=job.detail)
        if snapshot.phase.value != self._phase:
            self._phase = snapshot.phase.value
            self._write("phase_changed", job=job.id, phase=self._phase)
        counts = snapshot.to_json()["totals"]
        if counts != self._counts:
            self._counts = counts
            self._write("progress", job=job.id, totals=counts)

    def close(self, outcomes: Iterable[Outcome]) -> None:
        """Write how every object ended, and close the file."""
        try:
            for outcome in outcomes:
                self._write("object_ended", **report_record(outcome))
        finally:
            os.close(self._file)

    def _write(self, event: str, **facts: object) -> None:
        lines = [_line(event, facts)]
        if self._lost:
            lines.insert(0, _line("journal_gap", {"lost_lines": self._lost}))
        text = "".join(lines).encode()
        try:
            written = os.write(self._file, text)
            if written < len(text):
                raise OSError(0, "only part of a line could be written")  # noqa: TRY301 - handled like any other
            self._lost = 0
        except OSError as error:
            if not self._lost:
                self.tell(f"the journal {self.path} cannot be written: {error.strerror}; the copy goes on")
            self._lost += 1


def retell(job: Job, outcomes: Iterable[Outcome]) -> Iterator[str]:
    """Yield the lines of a journal as the ledger remembers the job: its latest events, then how each object ended."""
    for one in job.events:
        yield _line("job_event", {"job": job.id, "what": one.what, "detail": one.detail}, one.at)
    # As in a journal that a command keeps: told when the job has ended, or is looked at.
    told_at = job.changed_at if job.has_ended else None
    for outcome in outcomes:
        yield _line("object_ended", report_record(outcome), told_at)


def _line(event: str, facts: Mapping[str, object], at: datetime | None = None) -> str:
    record = {"time": (at or datetime.now(UTC)).isoformat(timespec="milliseconds"), "event": event, **facts}
    return json.dumps(record) + "\n"
