"""How many requests may be under way at a store: fewer when it asks for that, then slowly more again.

Additive increase, multiplicative decrease. Each process keeps a limit per store; what one process learns
from a throttled request it shares through the live state, so that the whole fleet slows down at once.
Without the live state every process learns by itself.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from awcopy.errors import ServiceUnreachable, Throttled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from awcopy.live.base import Live

DECREASE = 0.7  # of the limit, on a throttled request
PAUSE_S = 1.0  # between two decreases, and between two looks at what others have learnt
LEAST = 1.0


class Limiter:
    """The limit of one process for one store. Safe to use from many threads.

    Args:
        store: Names the store to all processes alike; an account or a bucket.
        most: Requests under way when nothing is throttled.
        live: Where processes tell each other; failures of it are ignored.
        clock: Seconds that only go forward.
    """

    def __init__(
        self, store: str, most: int, live: Live, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._most = float(most)
        self._limit = float(most)
        self._live = live
        self._clock = clock
        self._under_way = 0
        self._lowered_at = self._looked_at = float("-inf")
        self._changed = threading.Condition()

    @property
    def limit(self) -> int:
        """The number of requests that may be under way now, 1 or more."""
        return int(self._limit)

    @contextmanager
    def slot(self, *, is_source_of_another: bool = False) -> Iterator[None]:
        """Wait until one more request may be under way; learn from how it ends.

        ``is_source_of_another``: this store is the source of a request to another one, which limits that too.
        """
        self._learn_from_others()
        with self._changed:
            self._changed.wait_for(lambda: self._under_way < self.limit)
            self._under_way += 1
        try:
            yield
        except Throttled as error:
            if error.by_source is is_source_of_another:
                self._lower()
            raise
        else:
            self._raise()
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify()

    def _raise(self) -> None:
        if self._limit < self._most:
            with self._changed:
                self._limit = min(self._most, self._limit + 1 / self._limit)
                self._changed.notify()

    def _lower(self) -> None:
        with self._changed:
            now = self._clock()
            if now - self._lowered_at < PAUSE_S:
                return  # the requests that were under way already say the same thing
            self._lowered_at = now
            self._limit = max(LEAST, min(self._limit, max(self._under_way, 1)) * DECREASE)
            limit = self._limit
        try:
            self._live.share_limit(self._store, limit)
        except ServiceUnreachable:
            return

    def _learn_from_others(self) -> None:
        now = self._clock()
        if now - self._looked_at < PAUSE_S:
            return
        self._looked_at = now
        try:
            shared = self._live.shared_limit(self._store)
        except ServiceUnreachable:
            return
        if shared is not None:
            with self._changed:
                self._limit = max(LEAST, min(self._limit, shared))


class Limiters:
    """The limiters of one process, one per store."""

    def __init__(self, most: int, live: Live) -> None:
        self._most = most
        self._live = live
        self._limiters: dict[str, Limiter] = {}
        self._lock = threading.Lock()

    def of(self, store: str) -> Limiter:
        """Return the limiter of a store."""
        with self._lock:
            if store not in self._limiters:
                self._limiters[store] = Limiter(store, self._most, self._live)
            return self._limiters[store]
