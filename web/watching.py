"""What is watched by many at once, read once: one edition for all streams, and how far jobs have come before.

Holds nothing that matters: it begins anew with the process.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections import OrderedDict
from copy import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeVar

from awcopy.errors import AwcopyError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from awcopy.jobs.queries import JobSnapshot
    from awcopy.model.job import JobId

_Seen = TypeVar("_Seen")

FRESH_S = 1.0
# A look that takes long is repeated the more rarely, so that somebody looks for a tenth of the time; but what was found
# while the ledger stood still is not shown for minutes.
_RESTS_TIMES, _LONGEST_REST_S = 9, 15.0
_MOST_KEPT = 256
_MOST_LOOKS = 2_000
MOST_SAMPLES = 240
_FIRST_APART_S = 2.0
_RATE_WINDOW_S = 15.0
_RATE_OUTDATED_S = 60.0


@dataclass(slots=True)
class _Look:
    lock: threading.Lock = field(default_factory=threading.Lock)
    seen: Any = None
    error: AwcopyError | None = None
    begun: float = float("-inf")
    until: float = float("-inf")


class Looks:
    """What was seen of something, for all who ask for it within a while; one of them looks. Safe for many threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._looks: OrderedDict[Hashable, _Look] = OrderedDict()

    def share(self, key: Hashable, look: Callable[[], tuple[_Seen, float]], *, late_s: float = 0.0) -> _Seen:
        """Return what there is to see: the same object to all, until it is looked at again.

        Args:
            key: What is looked at.
            look: Returns what is seen, and for how many seconds from its beginning it may be shown, longer if the
                look takes long; only to who waited for it with 0. Called in a thread of its own if something is shown
                meanwhile.
            late_s: For how many seconds more it may be shown while somebody looks again, so that nobody waits.

        Raises:
            AwcopyError: What ``look`` raised, to this caller or to another within the second.
        """
        shared, came = self._find(key), self._clock()
        if shared.error is None and shared.until <= came < shared.until + late_s:
            if shared.lock.acquire(blocking=False):
                try:
                    threading.Thread(target=self._look_beside, args=(shared, look), daemon=True).start()
                except RuntimeError:  # no more threads are to be had
                    shared.lock.release()
            late: _Seen = shared.seen
            return late
        with shared.lock:
            # What somebody began to look for after this caller came, and while it waited, is new enough.
            if self._clock() >= shared.until and shared.begun <= came:
                self._look(shared, look)
            if shared.error:
                raise copy(shared.error)  # one that is raised again and again remembers all who raised it
            seen: _Seen = shared.seen
            return seen

    def _look_beside(self, shared: _Look, look: Callable[[], tuple[Any, float]]) -> None:
        try:
            self._look(shared, look)
        finally:
            shared.lock.release()

    def _look(self, shared: _Look, look: Callable[[], tuple[Any, float]]) -> None:
        begun = self._clock()
        try:
            seen, shown_s = look()
        except AwcopyError as error:
            shared.error, shared.until = copy(error), self._clock() + FRESH_S
        else:
            shared.error, shared.seen, shared.until = None, seen, begun
            if shown_s:
                ended = self._clock()
                rests_s = min(_LONGEST_REST_S, _RESTS_TIMES * (ended - begun))
                # From its beginning: whoever looks once a second sees something new each time.
                shared.until = max(begun + shown_s, ended + rests_s)
        shared.begun = begun

    def forget(self) -> None:
        """Have everything looked at anew that may change: something was changed here.

        What somebody looks at meanwhile is shown to nobody who comes from now on.
        """
        with self._lock:
            for key in [key for key, look in self._looks.items() if look.until != math.inf]:
                del self._looks[key]

    def _find(self, key: Hashable) -> _Look:
        with self._lock:
            found = self._looks.setdefault(key, _Look())
            self._looks.move_to_end(key)
            while len(self._looks) > _MOST_LOOKS:
                self._looks.popitem(last=False)
            return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """What is to be seen of something at one moment, as JSON; a later one has a larger revision."""

    revision: int
    content: str
    is_last: bool  # nothing will change any more


@dataclass(slots=True)
class _Shelf:
    lock: threading.Lock = field(default_factory=threading.Lock)
    seen: Any = None
    edition: Edition | None = None


class Editions:
    """The latest edition of each thing that somebody watches. Safe to use from many threads."""

    def __init__(self, wall_clock: Callable[[], float] = time.time) -> None:
        self._wall_clock = wall_clock
        self._lock = threading.Lock()
        self._shelves: OrderedDict[Hashable, _Shelf] = OrderedDict()

    def latest(
        self,
        key: Hashable,
        see: Callable[[], _Seen],
        tell: Callable[[_Seen], tuple[dict[str, Any], bool]],
    ) -> Edition:
        """Return the edition of what is to be seen now.

        Args:
            key: What is watched.
            see: Returns what is to be seen: the same object as long as nothing newer is.
            tell: Returns this as JSON has it, and whether nothing will change any more.

        Raises:
            AwcopyError: What ``see`` raised.
        """
        shelf = self._shelf(key)
        with shelf.lock:
            seen = see()
            if shelf.edition and seen is shelf.seen:
                return shelf.edition
            found, is_last = tell(seen)
            content = json.dumps(found, separators=(",", ":"))
            shelf.seen = seen
            if not (shelf.edition and shelf.edition.content == content):
                # Milliseconds, so that revisions rise over a restart of this process too.
                earliest = shelf.edition.revision + 1 if shelf.edition else 0
                revision = max(earliest, int(self._wall_clock() * 1000))
                shelf.edition = Edition(revision=revision, content=content, is_last=is_last)
            return shelf.edition

    def _shelf(self, key: Hashable) -> _Shelf:
        with self._lock:
            shelf = self._shelves.setdefault(key, _Shelf())
            self._shelves.move_to_end(key)
            while len(self._shelves) > _MOST_KEPT:
                self._shelves.popitem(last=False)
            return shelf


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """How far a job had come at one moment."""

    at: datetime
    moved_bytes: int
    ended_objects: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast a job was from one sample to the next."""

    at: datetime
    bytes_per_s: float
    objects_per_s: float


class _Track:
    """The samples of one job; of very many every other one is given up, so that all of its time stays in view."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self._apart_s = _FIRST_APART_S

    def add(self, sample: Sample) -> None:
        before = self.samples[-1] if self.samples else None
        if before and sample.moved_bytes < before.moved_bytes:
            self.__init__()  # type: ignore[misc]  # a new run counts from the start
        elif before and (sample.at - before.at).total_seconds() < self._apart_s:
            return
        self.samples.append(sample)
        if len(self.samples) > MOST_SAMPLES:
            self.samples = self.samples[::2]
            self._apart_s *= 2


class History:
    """How far jobs had come whenever this process looked at them. Safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tracks: OrderedDict[JobId, _Track] = OrderedDict()

    def note(self, snapshot: JobSnapshot, at: datetime | None = None) -> None:
        """Remember how far the job is, if that is known."""
        if snapshot.moved_bytes is None:
            return
        totals = snapshot.totals
        moved = max(snapshot.moved_bytes, totals.copied.size_bytes)
        if snapshot.job.has_ended:
            at = snapshot.job.changed_at  # whoever looks later must not draw a line at zero
        sample = Sample(at=at or datetime.now(UTC), moved_bytes=moved, ended_objects=totals.ended.objects)
        with self._lock:
            if snapshot.job.has_ended and snapshot.job.id not in self._tracks:
                return
            self._tracks.setdefault(snapshot.job.id, _Track()).add(sample)
            self._tracks.move_to_end(snapshot.job.id)
            while len(self._tracks) > _MOST_KEPT:
                self._tracks.popitem(last=False)

    def paces(self, job_id: JobId) -> list[Pace]:
        """Return how fast the job was while somebody looked, oldest first."""
        with self._lock:
            track = self._tracks.get(job_id)
            samples = list(track.samples) if track else []
        return [_pace(one, two) for one, two in pairwise(samples)]

    def rate(self, job_id: JobId, now: datetime | None = None) -> float:
        """Return the bytes per second of the latest 15 s that were looked at; 0 when nobody did lately."""
        now = now or datetime.now(UTC)
        with self._lock:
            track = self._tracks.get(job_id)
            samples = list(track.samples) if track else []
        if len(samples) < 2 or (now - samples[-1].at).total_seconds() > _RATE_OUTDATED_S:  # noqa: PLR2004
            return 0.0
        last = samples[-1]
        recent = [one for one in samples[:-1] if (last.at - one.at).total_seconds() <= _RATE_WINDOW_S]
        return _pace(recent[0] if recent else samples[-2], last).bytes_per_s


def _pace(one: Sample, two: Sample) -> Pace:
    seconds = max(0.001, (two.at - one.at).total_seconds())
    return Pace(
        at=two.at,
        bytes_per_s=(two.moved_bytes - one.moved_bytes) / seconds,
        objects_per_s=max(0, two.ended_objects - one.ended_objects) / seconds,
    )
