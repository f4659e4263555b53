"""Buffers for blocks, used again and again, so that memory depends on neither objects nor jobs."""

from __future__ import annotations

import threading
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_KEPT_BYTES = 512 * 1024 * 1024


class BufferPool:
    """Lends buffers to the threads of a process; the last one returned is the next one lent."""

    def __init__(self, kept_bytes: int = _KEPT_BYTES) -> None:
        self._idle: deque[bytearray] = deque()
        self._idle_bytes = 0
        self._kept_bytes = kept_bytes
        self._lock = threading.Lock()

    @contextmanager
    def lend(self, size_bytes: int) -> Iterator[memoryview]:
        """Lend exactly ``size_bytes`` of memory with unknown content until the block ends."""
        buffer = self._take(size_bytes)
        view = memoryview(buffer)
        span = view[:size_bytes]
        try:
            yield span
        finally:
            span.release()
            view.release()
            self._put_back(buffer)

    def _take(self, size_bytes: int) -> bytearray:
        with self._lock:
            for place in range(len(self._idle) - 1, -1, -1):
                if len(self._idle[place]) >= size_bytes:
                    buffer = self._idle[place]
                    del self._idle[place]
                    self._idle_bytes -= len(buffer)
                    return buffer
        return bytearray(size_bytes)

    def _put_back(self, buffer: bytearray) -> None:
        with self._lock:
            if self._idle_bytes + len(buffer) <= self._kept_bytes:
                self._idle.append(buffer)
                self._idle_bytes += len(buffer)
