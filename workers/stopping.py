"""How a loop is told by a signal handler to stop."""

from __future__ import annotations

import queue
from contextlib import suppress


class Stopping:
    """What ``threading.Event`` is to threads, for a handler that interrupts the very thread that waits.

    An event's ``set`` takes a lock that this thread may hold at that moment, and would wait for it for ever:
    a supervisor would then never end. A ``SimpleQueue`` may be put into at any moment, as its documentation says.
    """

    def __init__(self) -> None:
        self._is_set = False
        self._told: queue.SimpleQueue[None] = queue.SimpleQueue()

    def set(self) -> None:
        """Have the loop stop; safe in a signal handler and from any thread."""
        self._is_set = True
        self._told.put(None)

    def is_set(self) -> bool:
        """Return whether the loop is to stop."""
        return self._is_set

    def wait(self, seconds: float) -> None:
        """Wait so long, or until the loop is to stop; for one thread."""
        if not self._is_set:
            with suppress(queue.Empty):
                self._told.get(timeout=seconds)
