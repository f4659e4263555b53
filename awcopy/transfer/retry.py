"""Whether and when a failed request is tried again: one pure decision, and the one loop that obeys it."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from awcopy.errors import IntegrityError, Miswritten, StorageError, Throttled, TransientError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

MAX_TRIES = 6  # about a quarter of a minute of waiting in all; the item's own attempts come on top
MAX_THROTTLED_TRIES = 20
MAX_CORRUPT_TRIES = 3
FIRST_DELAY_S = 0.5
MAX_DELAY_S = 30.0
MAX_THROTTLED_DELAY_S = 5.0
MAX_RETRY_AFTER_S = 300.0


def delay_before_retry(error: StorageError, tries: int, chance: float) -> float | None:
    """Return the seconds to wait before the next try, or None when there should be none.

    Exponential with full jitter; a store that says when to come back is believed, within five minutes.

    Args:
        error: How the last try ended.
        tries: How many there have been, 1 or more.
        chance: A random number of at least 0, below 1.

    Source: AWS Architecture Blog, "Exponential Backoff And Jitter".
    """
    ceiling: float = min(MAX_DELAY_S, FIRST_DELAY_S * 2**tries)
    if isinstance(error, Throttled):
        if tries >= MAX_THROTTLED_TRIES:
            return None
        # The limiter slows down as well, so that a long wait of each request's own would come on top.
        return max(min(error.retry_after_s, MAX_RETRY_AFTER_S), chance * min(ceiling, MAX_THROTTLED_DELAY_S))
    if isinstance(error, Miswritten):
        return None  # a blob is there now, which the same request was not to find
    if isinstance(error, IntegrityError):
        return chance * FIRST_DELAY_S if tries < MAX_CORRUPT_TRIES else None
    if isinstance(error, TransientError) and tries < MAX_TRIES:
        return chance * ceiling
    return None


class RetryCounts:
    """How often this process has tried a request again since it began. Safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.retries = 0
        self.throttles = 0  # of the retries, those of which a store asked for fewer requests

    def note(self, error: StorageError) -> None:
        """Count one more retry, for this error."""
        with self._lock:
            self.retries += 1
            self.throttles += isinstance(error, Throttled)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrier:
    """Calls again what failed and may succeed; stops at once when the work is no longer wanted.

    ``wait`` sleeps the given seconds, and raises when the work is interrupted meanwhile. ``note`` is told of each
    error for which there is another try.
    """

    wait: Callable[[float], None]
    chance: Callable[[], float]
    note: Callable[[StorageError], None] = lambda _error: None

    def call(self, attempt: Callable[[], T]) -> T:
        """Return what ``attempt`` returns, trying it as often as its errors allow.

        Raises:
            StorageError: The last try's error.
        """
        tries = 0
        while True:
            tries += 1
            try:
                return attempt()
            except StorageError as error:
                delay = delay_before_retry(error, tries, self.chance())
                if delay is None:
                    raise
                self.note(error)
                self.wait(delay)
