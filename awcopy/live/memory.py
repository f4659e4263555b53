"""The live state in this process's memory: for jobs run here, tests and the simulator."""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from awcopy.live.base import KEPT, LiveFacts, Place, ProcessBeat, Vitals
from awcopy.model.job import JobId

_READY_LIMIT = 10_000
_BEAT_LIFE_S = 30.0
_LIMIT_LIFE_S = 10.0


@dataclass(slots=True)
class _JobState:
    """What is known about one job."""

    ready: deque[int] = field(default_factory=lambda: deque(maxlen=_READY_LIMIT))
    generation: int = -1
    turns: dict[int, int] = field(default_factory=dict)
    turned_at: dict[int, float] = field(default_factory=dict)
    kept_for: dict[int, str] = field(default_factory=dict)
    moved_bytes: int = 0
    remembered: str = ""
    free_at: float = 0.0  # when all bytes that were booked have gone


class MemoryLive:
    """Implements ``awcopy.live.base.Live`` for the threads of one process.

    Args:
        clock: Seconds that only go forward. A wait for a hint is real time, whatever the clock says.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._jobs: defaultdict[JobId, _JobState] = defaultdict(_JobState)
        self._beats: dict[str, tuple[int, str, Vitals, float]] = {}
        self._done_until: dict[str, float] = {}
        self._limits: dict[str, tuple[float, float]] = {}

    def ping(self) -> None:
        """Return at once: memory always answers."""

    def describe(self) -> LiveFacts:
        """Return that it is this process's memory."""
        return LiveFacts(server="memory of this process", persistence="none")

    def push_ready(self, job_id: JobId, numbers: Sequence[int]) -> None:
        """Hint that these items are ready; of very many hints the oldest are dropped."""
        with self._changed:
            self._jobs[job_id].ready.extend(numbers)
            self._changed.notify_all()

    def pop_ready(self, job_id: JobId, *, timeout_s: float = 0.0) -> int | None:
        """Take one hint, oldest first, waiting up to ``timeout_s`` for one; None when there is none."""
        with self._changed:
            self._changed.wait_for(lambda: self._jobs[job_id].ready, timeout=max(timeout_s, 0.0))
            ready = self._jobs[job_id].ready
            return ready.popleft() if ready else None

    def once_every(self, name: str, every_s: float) -> bool:
        """Return True to one caller per ``every_s``, of all processes; the others need not do it too."""
        with self._changed:
            now = self._clock()
            if now < self._done_until.get(name, now):
                return False
            self._done_until[name] = now + every_s
            return True

    def begin_generation(
        self, job_id: JobId, generation: int, places: int, *, kept_for: Sequence[str] = ()
    ) -> None:
        """Set every place of a new generation to its first turn; nothing happens when a newer one has begun."""
        with self._changed:
            job = self._jobs[job_id]
            if generation >= job.generation:
                job.generation = generation
                job.kept_for = dict(enumerate(kept_for, places - len(kept_for)))
                job.turns = {place: KEPT if place in job.kept_for else 0 for place in range(places)}
                job.turned_at = dict.fromkeys(range(places), self._clock())

    def pass_turn(self, job_id: JobId, generation: int, place: int, turn: int) -> bool:
        """Move a place from ``turn`` to the next one; False if it is not, or no longer, at that turn."""
        with self._changed:
            job = self._jobs[job_id]
            if job.generation != generation or job.turns.get(place) != turn:
                return False
            job.turns[place] = turn + 1
            job.turned_at[place] = self._clock()
            return True

    def turn_of(self, job_id: JobId, generation: int, place: int) -> int | None:
        """Return the turn at which a place is; None if the generation or the place is not known."""
        with self._changed:
            job = self._jobs[job_id]
            return job.turns.get(place) if job.generation == generation else None

    def places(self, job_id: JobId, generation: int) -> dict[int, Place]:
        """Return where each place of a generation stands, by number; none if the generation is not known."""
        with self._changed:
            job, now = self._jobs[job_id], self._clock()
            if job.generation != generation:
                return {}
            return {
                place: Place(
                    turn=turn,
                    seconds_ago=max(0.0, now - job.turned_at[place]),
                    kept_for=job.kept_for.get(place, "") if turn == KEPT else "",
                )
                for place, turn in job.turns.items()
            }

    def waiting_messages(self) -> int:
        """Return 0: there is no queue between the threads of one process."""
        return 0

    def remember(self, job_id: JobId, text: str) -> None:
        """Keep a text about a job, so that others need not find out again; the last one told stays."""
        with self._changed:
            self._jobs[job_id].remembered = text

    def recall(self, job_id: JobId) -> str:
        """Return the text that is kept about a job, or nothing."""
        with self._changed:
            return self._jobs[job_id].remembered

    def add_moved_bytes(self, job_id: JobId, size_bytes: int) -> None:
        """Count bytes that have just reached the sink, for progress only."""
        with self._changed:
            self._jobs[job_id].moved_bytes += size_bytes

    def moved_bytes(self, job_id: JobId) -> int:
        """Return the bytes counted so far; an indication, not a total."""
        with self._changed:
            return self._jobs[job_id].moved_bytes

    def book_bytes(self, job_id: JobId, size_bytes: int, rate: int) -> float:
        """Book a turn for so many bytes of a job, and return the seconds until it comes; less than 0 gives back."""
        with self._changed:
            job, now = self._jobs[job_id], self._clock()
            begins = max(job.free_at, now)
            job.free_at = begins + size_bytes / rate
            return begins - now

    def share_limit(self, store: str, limit: float) -> None:
        """Tell all processes that this many requests under way are enough; the least told lately holds."""
        with self._changed:
            known = self.shared_limit(store)
            if known is None or limit <= known:
                self._limits[store] = (limit, self._clock())

    def shared_limit(self, store: str) -> float | None:
        """Return the least limit told in the last 10 s, or None."""
        with self._changed:
            limit, at = self._limits.get(store, (0.0, float("-inf")))
            return limit if self._clock() - at <= _LIMIT_LIFE_S else None

    def beat(self, name: str, slots: int, version: str = "", vitals: Vitals = Vitals()) -> None:
        """Say that a process is there, with 0 slots one that runs no tasks; forgotten after 30 s."""
        with self._changed:
            self._beats[name] = (slots, version, vitals, self._clock())

    def processes(self) -> list[ProcessBeat]:
        """Return the processes that said so in the last 30 s, by name."""
        with self._changed:
            now = self._clock()
            self._beats = {name: beat for name, beat in self._beats.items() if now - beat[-1] <= _BEAT_LIFE_S}
            return [
                ProcessBeat(
                    name=name, slots=slots, seconds_ago=max(0.0, now - at), version=version, vitals=vitals
                )
                for name, (slots, version, vitals, at) in sorted(self._beats.items())
            ]

    def workers(self) -> list[ProcessBeat]:
        """Return those of them that run tasks."""
        return [beat for beat in self.processes() if beat.slots]

    def forget_job(self, job_id: JobId) -> None:
        """Remove everything about a job."""
        with self._changed:
            self._jobs.pop(job_id, None)
