"""Progress of one job on standard error: a bar on a terminal, one plain line a minute elsewhere.

A percentage and the time left are shown only once every key is listed; before that they would move backwards.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, Self

from awcopy.cli.console import make_console, print_json, print_note, safe_text
from awcopy.jobs.progress import bytes_done, time_left_s
from awcopy.model.job import JobState
from awcopy.units import format_count, format_duration, format_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from rich.progress import Progress

    from awcopy.jobs.journal import Journal
    from awcopy.jobs.queries import JobSnapshot

RATE_WINDOW_S = 30.0
LINE_EVERY_S = 60.0


class Display(Protocol):
    """Shows one snapshot after the other; ``note`` shows a line beside them."""

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        """End; what the terminal shows is whole again."""

    def show(self, snapshot: JobSnapshot) -> None:
        """Show where the job stands."""

    def note(self, text: str) -> None:
        """Show one line."""


@dataclass(slots=True)
class RateWindow:
    """Bytes per second over the last 30 s, or over all that was seen when that is less."""

    seen: deque[tuple[float, int]] = field(default_factory=deque)

    def add(self, now: float, size_bytes: int | None) -> float:
        """Take note of the bytes moved so far, if they are known, and return the rate."""
        if size_bytes is None:
            if not self.seen:
                return 0.0
            now, size_bytes = self.seen.pop()
        if self.seen and size_bytes < self.seen[-1][1]:
            self.seen.clear()  # what counts the bytes was lost and began anew
        self.seen.append((now, size_bytes))
        # One entry older than the window stays, so that the window is always spanned.
        while len(self.seen) > 2 and self.seen[1][0] <= now - RATE_WINDOW_S:  # noqa: PLR2004 - both ends of a span
            self.seen.popleft()
        began, before = self.seen[0]
        return (size_bytes - before) / (now - began) if now > began else 0.0


def share_done(snapshot: JobSnapshot) -> float | None:
    """Return the part that is done, 0 to 1, by bytes (by objects if all are empty); None while listing."""
    listed = snapshot.totals.listed
    if snapshot.job.state in {JobState.COMPLETED, JobState.COMPLETED_WITH_ERRORS}:
        return 1.0
    if snapshot.is_listing or not listed.objects:
        return None
    if not listed.size_bytes:
        return (snapshot.totals.ended.objects - snapshot.totals.cancelled.objects) / listed.objects
    return bytes_done(snapshot) / listed.size_bytes


def describe(snapshot: JobSnapshot, rate_bytes_per_s: float) -> tuple[str, str]:
    """Return how far a job is, and what has become of its objects, as one short line each."""
    totals, share = snapshot.totals, share_done(snapshot)
    parts = [
        snapshot.phase.value if share is None else f"{int(share * 1000) / 10:.1f}%",
        f"{format_size(bytes_done(snapshot))} of {format_size(totals.listed.size_bytes)}",
    ]
    if snapshot.is_listing:
        parts.append("(still listing)")
    elif snapshot.is_deleting:
        parts.append("(deleting at the source)")
    if snapshot.waiting_items and not snapshot.busy_agents:
        parts.append("waiting for S3 to restore archived objects")
    elif not snapshot.job.has_ended:
        parts.append(f"{format_size(rate_bytes_per_s)}/s")
        left_s = time_left_s(snapshot, rate_bytes_per_s)
        parts += [] if left_s is None else [f"ETA {format_duration(left_s)}"]
    named = ["copied", "failed", "skipped", "pending", "listed"]
    if totals.deleted.objects or totals.kept.objects:
        named += ["deleted", "kept"]
    if totals.cancelled.objects:
        named.insert(3, "cancelled")
    counts = (f"{format_count(getattr(totals, name).objects)} {name}" for name in named)
    return "  ".join(parts), "  ".join(counts)


@contextmanager
def journalled(display: Display, journal: Journal | None) -> Iterator[Display]:
    """Enter a display whose snapshots are also written to a journal, if there is one."""
    with display as shown:
        yield JournalDisplay(shown, journal) if journal else shown


class JournalDisplay:
    """A display whose snapshots are also written to a journal."""

    def __init__(self, display: Display, journal: Journal) -> None:
        self._display = display
        self._journal = journal

    def __enter__(self) -> Self:
        """Begin; the display has begun already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        """End; the display is ended by whoever began it."""

    def show(self, snapshot: JobSnapshot) -> None:
        """Show and write one snapshot."""
        self._journal.follow(snapshot)
        self._display.show(snapshot)

    def note(self, text: str) -> None:
        """Show one line beside the snapshots."""
        self._display.note(text)


def choose_display(output: str, *, quiet: bool) -> Display:
    """Return the display that fits the output format and the terminal."""
    if output == "ndjson":
        return LineDisplay()
    if quiet:
        return QuietDisplay()
    if sys.stderr.isatty() and not make_console(sys.stderr).is_dumb_terminal:
        return BarDisplay()
    return PlainDisplay()


class QuietDisplay:
    """Shows nothing but notes."""

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        """End."""

    def show(self, snapshot: JobSnapshot) -> None:
        """Show nothing."""

    def note(self, text: str) -> None:
        """Show one line."""
        print_note(text)


class LineDisplay(QuietDisplay):
    """Prints every change as one line of JSON on standard output, for programs."""

    def __init__(self) -> None:
        self._last: object = None

    def show(self, snapshot: JobSnapshot) -> None:
        """Print the snapshot unless it says what the one before said."""
        record = snapshot.to_json()
        if record != self._last:
            self._last = record
            print_json(record, is_line=True)


class PlainDisplay(QuietDisplay):
    """One line a minute, and one at the end, where there is no terminal."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rate = RateWindow()
        self._next_line_at = clock() + LINE_EVERY_S

    def show(self, snapshot: JobSnapshot) -> None:
        """Print a line when it is time for one."""
        now = self._clock()
        rate = self._rate.add(now, snapshot.moved_bytes)
        if now >= self._next_line_at or snapshot.job.has_ended:
            self._next_line_at = now + LINE_EVERY_S
            print_note("  ".join(describe(snapshot, rate)))


class BarDisplay:
    """A bar that moves, on a terminal; gone when the job has ended, as the summary follows."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rate = RateWindow()
        self._progress = _make_progress()
        self._task = self._progress.add_task("", total=None, text="")

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        """Remove the bar."""
        self._progress.stop()

    def show(self, snapshot: JobSnapshot) -> None:
        """Move the bar."""
        rate = self._rate.add(self._clock(), snapshot.moved_bytes)
        share = share_done(snapshot)
        self._progress.update(
            self._task,
            total=None if share is None else 1.0,
            completed=share or 0.0,
            text="\n".join(describe(snapshot, rate)),
        )

    def note(self, text: str) -> None:
        """Print a line above the bar."""
        self._progress.console.print(safe_text(text), soft_wrap=True)


def _make_progress() -> Progress:
    from rich.progress import BarColumn, Progress, TextColumn
    from rich.table import Column

    return Progress(
        BarColumn(bar_width=20),
        TextColumn("{task.fields[text]}", markup=False, table_column=Column(overflow="fold")),
        console=make_console(sys.stderr),
        transient=True,
        refresh_per_second=4,
    )
