"""How often something may be asked for, by whoever asks. In this process's memory; nothing of it outlasts it."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict, deque
from typing import TYPE_CHECKING

from werkzeug.exceptions import TooManyRequests

if TYPE_CHECKING:
    from collections.abc import Callable

WINDOW_S = 60.0
_MOST_KEPT = 10_000  # askers; of more, whoever was quiet longest is forgotten


class Rate:
    """At most so many a minute for each asker. Safe to use from many threads."""

    def __init__(self, most: int, what: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._what, self._clock = most, what, clock
        self._lock = threading.Lock()
        self._taken: OrderedDict[str, deque[float]] = OrderedDict()

    def take(self, asker: str) -> None:
        """Count one more, or refuse it.

        Raises:
            TooManyRequests: There were as many within the minute; it says after how many seconds to try again.
        """
        with self._lock:
            now = self._clock()
            taken = self._taken.setdefault(asker, deque())
            self._taken.move_to_end(asker)
            while len(self._taken) > _MOST_KEPT:
                self._taken.popitem(last=False)
            while taken and taken[0] <= now - WINDOW_S:
                taken.popleft()
            if len(taken) >= self._most:
                wait_s = math.ceil(taken[0] + WINDOW_S - now)
                raise TooManyRequests(f"{self._what}: at most {self._most} a minute", retry_after=wait_s)
            taken.append(now)
