"""Whether a job's objects are still copied server-side: what one process has seen of it, and what it tells others."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from awcopy.model.outcome import Route

if TYPE_CHECKING:
    from collections.abc import Callable

    from awcopy.model.job import JobId

# In a row, in one process. Azure has been seen to refuse single sound URLs at random (azure-storage-azcopy
# issue 2422), and all of them for days (issue 3039).
FAILURES_BEFORE_STREAMING: Final = 5

_KEPT_BREAKERS: Final = 64


class Breaker:
    """Learns whether a job's server-side copies work, in one process. Safe for many threads.

    Only failures of what could then be streamed count: the others are the object's own. It lives and dies
    with its process; what it has learnt is passed on once, to ``give_up``, which tells everyone.
    """

    def __init__(self, give_up: Callable[[str], None]) -> None:
        self._give_up = give_up
        self._failures = 0
        self._lock = threading.Lock()

    @property
    def is_open(self) -> bool:
        """Whether nothing more is to be copied server-side."""
        return self._failures >= FAILURES_BEFORE_STREAMING

    def succeeded(self) -> None:
        """Note a server-side copy that worked."""
        with self._lock:
            if not self.is_open:
                self._failures = 0

    def failed(self, why: str) -> None:
        """Note one that did not, and whose bytes could be streamed."""
        with self._lock:
            self._failures += 1
            is_last = self._failures == FAILURES_BEFORE_STREAMING
        if is_last:
            self._give_up(why)


class Breakers:
    """The breakers of the jobs that a process has worked on lately."""

    def __init__(self) -> None:
        self._breakers: OrderedDict[JobId, Breaker] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, job_id: JobId, give_up: Callable[[str], None]) -> Breaker:
        """Return the breaker of a job."""
        with self._lock:
            if job_id not in self._breakers:
                self._breakers[job_id] = Breaker(give_up)
            self._breakers.move_to_end(job_id)
            while len(self._breakers) > _KEPT_BREAKERS:
                self._breakers.popitem(last=False)
            return self._breakers[job_id]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSide:
    """How a job copies server-side: by itself (``auto``), or because it was told to (``server``)."""

    route: Route
    breaker: Breaker

    @property
    def is_forced(self) -> bool:
        """Whether nothing is streamed in its place."""
        return self.route is Route.SERVER
