"""What the pages show of a job beyond its snapshot: words, the bar, times. ``live.js`` repeats the sums."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from awcopy.jobs.progress import bytes_done, time_left_s
from awcopy.jobs.queries import Phase
from awcopy.model.job import MOVES, JobState
from awcopy.units import format_count, format_duration, format_size, write_size

if TYPE_CHECKING:
    from flask import Flask

    from awcopy.jobs.queries import JobSnapshot
    from awcopy.model.job import Job
    from awcopy.model.outcome import Totals

# Characters that change how the text around them is shown, or are not shown at all: controls, zero-width
# characters, and those that set the writing direction.
_INVISIBLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)
_UNFINISHED_PERCENT = 99


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    """One job on a page; ``live.js`` keeps the same numbers up to date from the same JSON."""

    snapshot: JobSnapshot
    now: datetime
    rate_bytes_per_s: float = 0.0  # of this moment

    @property
    def job(self) -> Job:
        """The job itself."""
        return self.snapshot.job

    @property
    def totals(self) -> Totals:
        """Its totals."""
        return self.snapshot.totals

    @property
    def state_words(self) -> str:
        """The state as a person says it."""
        return self.job.state.replace("_", " ")

    @property
    def steps(self) -> list[tuple[str, str]]:
        """The phases that the job goes through when nothing comes in between, with their words."""
        phases = [(Phase.QUEUED, "Queued"), (Phase.LISTING, "Listing"), (Phase.COPYING, "Copying")]
        if self.job.spec.deletion or self.job.spec.pruning:
            phases.append((Phase.DELETING, "Deleting"))
        return [(phase.value, words) for phase, words in [*phases, (Phase.ENDED, "Ended")]]

    @property
    def can_pause(self) -> bool:
        """Whether the job can be paused."""
        return JobState.PAUSED in MOVES[self.job.state]

    @property
    def can_retry(self) -> bool:
        """Whether there is anything that failed and may be tried again."""
        return self.job.state is JobState.COMPLETED_WITH_ERRORS

    @property
    def can_resume(self) -> bool:
        """Whether the job can go on."""
        return JobState.QUEUED in MOVES[self.job.state] and not self.can_retry

    @property
    def can_cancel(self) -> bool:
        """Whether the job can be cancelled."""
        return JobState.CANCELLING in MOVES[self.job.state]

    @property
    def can_be_tuned(self) -> bool:
        """Whether the job's number of agents, and how many bytes may go a second, can be changed."""
        return not self.job.has_ended and self.job.state is not JobState.CANCELLING

    @property
    def limit(self) -> str:
        """How many bytes may go a second, for a person."""
        bandwidth = self.job.spec.bandwidth
        return f"{format_size(bandwidth)}/s" if bandwidth else "none"

    @property
    def bandwidth_words(self) -> str:
        """The same as a person may type it, exactly; empty for no limit."""
        return write_size(self.job.spec.bandwidth) if self.job.spec.bandwidth else ""

    @property
    def bar_max(self) -> int:
        """What a full bar stands for: bytes, or objects where all are empty; 0 while nothing is listed."""
        return self.totals.listed.size_bytes or self.totals.listed.objects

    @property
    def bar_value(self) -> int:
        """How much of the bar is filled: what has an outcome, and the bytes of files under way."""
        return self.done_bytes if self.totals.listed.size_bytes else self.totals.ended.objects

    @property
    def done_bytes(self) -> int:
        """Bytes that have an outcome, and those of files under way; what is cancelled is done, too."""
        done = bytes_done(self.snapshot) + self.totals.cancelled.size_bytes
        return min(self.totals.listed.size_bytes, done)

    @property
    def time_left(self) -> str:
        """How long the job may still take, for a person; empty while that cannot be said."""
        left_s = time_left_s(self.snapshot, self.rate_bytes_per_s)
        return "" if left_s is None else format_duration(left_s)

    @property
    def percent(self) -> int:
        """The bar as a whole number from 0 to 100, which is 100 only when nothing is left to do."""
        if not self.bar_max:
            return 100 if self.job.state is JobState.COMPLETED else 0
        percent = 100 * self.bar_value // self.bar_max
        is_unfinished = self.totals.pending.objects > 0 or not self.job.has_ended
        return min(percent, _UNFINISHED_PERCENT) if is_unfinished else percent

    @property
    def elapsed_s(self) -> float:
        """Seconds from the submission until now, or until the job's end."""
        until = self.job.changed_at if self.job.has_ended else self.now
        return max(0.0, (until - self.job.created_at).total_seconds())

    @property
    def average_rate(self) -> str:
        """Copied bytes over the whole time of the job, for a person; empty while it runs."""
        if not self.job.has_ended:
            return ""
        return f"{format_size(self.totals.copied.size_bytes / max(1.0, self.elapsed_s))}/s"


def add_filters(app: Flask) -> None:
    """Make the ways to write numbers, times and foreign text known to the templates."""
    app.jinja_env.filters.update(
        count=format_count,
        size=format_size,
        duration=format_duration,
        moment=format_moment,
        visible=escape_invisible,
        capitalize_first=capitalize_first,
        codes=mark_codes,
    )


def format_moment(moment: datetime) -> str:
    """Return a moment in UTC to the second: ``2026-01-31 12:00:00 UTC``."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def capitalize_first(text: str) -> str:
    """Return a sentence with its first letter large, and all others as they are."""
    return text[:1].upper() + text[1:]


def mark_codes(text: str) -> Markup:
    """Return a text of ours as HTML in which what stands between two backticks is code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # one of them has no other
        return escape(text)
    codes = (
        Markup("<code>{}</code>").format(part) if at % 2 else escape(part) for at, part in enumerate(parts)
    )
    return Markup().join(codes)


def escape_invisible(text: str) -> str:
    r"""Return foreign text with what is invisible or sets the direction written out, such as ``\u202e``."""
    return _INVISIBLE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
