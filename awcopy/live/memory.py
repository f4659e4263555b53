"""The live state in this process's memory: for jobs run here, tests and the simulator."""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from awcopy.live.base import WorkerBeat
from awcopy.model.job import JobId

_READY_LIMIT = 10_000
_BEAT_LIFE_S = 30.0


@dataclass(slots=True)
class _JobState:
    """What is known about one job."""

    ready: deque[int] = field(default_factory=lambda: deque(maxlen=_READY_LIMIT))
    generation: int = -1
    turns: dict[int, int] = field(default_factory=dict)
    turned_at: float | None = None
    moved_bytes: int = 0


class MemoryLive:
    """Implements ``awcopy.live.base.Live`` for the threads of one process.

    Args:
        clock: Seconds that only go forward. A wait for a hint is real time, whatever the clock says.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._jobs: defaultdict[JobId, _JobState] = defaultdict(_JobState)
        self._beats: dict[str, tuple[int, float]] = {}
        self._done_until: dict[str, float] = {}

    def ping(self) -> None:
        """Return at once: memory always answers."""

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

    def begin_generation(self, job_id: JobId, generation: int, places: int) -> None:
        """Set every place of a new generation to turn 0; nothing happens when a newer one has begun."""
        with self._changed:
            job = self._jobs[job_id]
            if generation >= job.generation:
                job.generation, job.turns = generation, dict.fromkeys(range(places), 0)
                job.turned_at = self._clock()

    def pass_turn(self, job_id: JobId, generation: int, place: int, turn: int) -> bool:
        """Move a place from ``turn`` to the next one; False if it is not, or no longer, at that turn."""
        with self._changed:
            job = self._jobs[job_id]
            if job.generation != generation or job.turns.get(place) != turn:
                return False
            job.turns[place] = turn + 1
            job.turned_at = self._clock()
            return True

    def last_turn_s_ago(self, job_id: JobId) -> float | None:
        """Return how long ago a place took a turn or a generation began; None when that is not known."""
        with self._changed:
            turned_at = self._jobs[job_id].turned_at
            return None if turned_at is None else max(0.0, self._clock() - turned_at)

    def add_moved_bytes(self, job_id: JobId, size_bytes: int) -> None:
        """Count bytes that have just reached the sink, for progress only."""
        with self._changed:
            self._jobs[job_id].moved_bytes += size_bytes

    def moved_bytes(self, job_id: JobId) -> int:
        """Return the bytes counted so far; an indication, not a total."""
        with self._changed:
            return self._jobs[job_id].moved_bytes

    def beat(self, name: str, slots: int) -> None:
        """Say that a worker process is there; forgotten after 30 s."""
        with self._changed:
            self._beats[name] = (slots, self._clock())

    def workers(self) -> list[WorkerBeat]:
        """Return the worker processes that said so in the last 30 s, by name."""
        with self._changed:
            now = self._clock()
            self._beats = {name: beat for name, beat in self._beats.items() if now - beat[1] <= _BEAT_LIFE_S}
            return [
                WorkerBeat(name=name, slots=slots, seconds_ago=max(0.0, now - at))
                for name, (slots, at) in sorted(self._beats.items())
            ]

    def forget_job(self, job_id: JobId) -> None:
        """Remove everything about a job."""
        with self._changed:
            self._jobs.pop(job_id, None)
