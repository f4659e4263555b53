"""The port to what may vanish at any time and is then rebuilt: hints, turns, heartbeats, moving numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from awcopy.model.job import JobId


# The turn of a place that no task holds yet: it is kept for the agent that still holds one item of an older generation.
KEPT = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one place of a generation stands."""

    turn: int  # KEPT, or counted from 0
    seconds_ago: float  # that it took this turn
    kept_for: str = ""  # as long as it is kept: what names the claim of that item


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """What a process says about itself with each sign of life; zeros when it did not say."""

    memory_bytes: int = 0  # resident
    retries: int = 0  # of requests, since the process began
    throttles: int = 0  # of these, those of which a store asked for fewer requests


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessBeat:
    """One process of the fleet that said lately that it is there."""

    name: str
    slots: int  # tasks that it runs at once; 0 for beat, which runs none
    seconds_ago: float
    version: str = ""  # of awcopy; empty when it did not say
    vitals: Vitals = Vitals()


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveFacts:
    """What the service that keeps the live state says about itself; what it does not say is empty."""

    server: str  # its program and version, for people
    protocol: tuple[int, ...] = ()  # the version of Redis whose commands it knows
    eviction: str = ""  # what it does when its memory is full, by Redis' names; empty: it has no limit
    persistence: str = ""  # append-only file, snapshots or none


class Live(Protocol):
    """State that only makes things faster or visible. Safe to use from many threads.

    Losing it costs no object and no count. Raises ``ServiceUnreachable`` when it does not answer.
    """

    def ping(self) -> None:
        """Return when the service answers."""

    def describe(self) -> LiveFacts:
        """Return what the service is and how it is set up."""

    def push_ready(self, job_id: JobId, numbers: Sequence[int]) -> None:
        """Hint that these items are ready."""

    def pop_ready(self, job_id: JobId, *, timeout_s: float = 0.0) -> int | None:
        """Take one hint, oldest first, waiting up to ``timeout_s`` for one; None when there is none."""

    def once_every(self, name: str, every_s: float) -> bool:
        """Return True to one caller per ``every_s``, of all processes; the others need not act too."""

    def begin_generation(
        self, job_id: JobId, generation: int, places: int, *, kept_for: Sequence[str] = ()
    ) -> None:
        """Set every place of a new generation to turn 0, and the last ones to KEPT, one for each claim named."""

    def pass_turn(self, job_id: JobId, generation: int, place: int, turn: int) -> bool:
        """Move a place from ``turn`` to the next one; False if it is not, or no longer, at that turn."""

    def turn_of(self, job_id: JobId, generation: int, place: int) -> int | None:
        """Return the turn at which a place is; None if the generation or the place is not known."""

    def places(self, job_id: JobId, generation: int) -> dict[int, Place]:
        """Return where each place of a generation stands, by number; none if the generation is not known."""

    def waiting_messages(self) -> int:
        """Return how many messages wait in the fleet's queue."""

    def remember(self, job_id: JobId, text: str) -> None:
        """Keep a text about a job, so that others need not find out again; the last one told stays."""

    def recall(self, job_id: JobId) -> str:
        """Return the text that is kept about a job, or nothing."""

    def add_moved_bytes(self, job_id: JobId, size_bytes: int) -> None:
        """Count bytes that have just reached the sink, for progress only."""

    def moved_bytes(self, job_id: JobId) -> int:
        """Return the bytes counted so far; an indication, not a total."""

    def book_bytes(self, job_id: JobId, size_bytes: int, rate: int) -> float:
        """Book a turn for so many bytes of a job, and return the seconds until it comes.

        It comes when all that was booked before would have gone, at ``rate`` bytes a second. A turn that is not
        taken after all is given back as so many bytes less than nothing.
        """

    def share_limit(self, store: str, limit: float) -> None:
        """Tell all processes that this many requests under way are enough; the least told lately holds."""

    def shared_limit(self, store: str) -> float | None:
        """Return the least limit told in the last 10 s, or None."""

    def beat(self, name: str, slots: int, version: str = "", vitals: Vitals = Vitals()) -> None:
        """Say that a process is there, with 0 slots one that runs no tasks; forgotten after 30 s."""

    def processes(self) -> list[ProcessBeat]:
        """Return the processes that said so in the last 30 s, by name."""

    def workers(self) -> list[ProcessBeat]:
        """Return those of them that run tasks."""

    def forget_job(self, job_id: JobId) -> None:
        """Remove everything about a job."""
