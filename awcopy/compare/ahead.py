"""Doing work for a stream of inputs several at once, in bounded memory and in order."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")
R = TypeVar("R")


def map_ahead(work: Callable[[T], R], inputs: Iterable[T], *, at_once: int) -> Iterator[R]:
    """Yield what ``work`` makes of each input, in order; at most twice as many as ``at_once`` are taken ahead."""
    coming: deque[Future[R]] = deque()
    with ThreadPoolExecutor(at_once, thread_name_prefix="compare") as pool:
        try:
            for one in inputs:
                coming.append(pool.submit(work, one))
                if len(coming) >= 2 * at_once:
                    yield coming.popleft().result()
            while coming:
                yield coming.popleft().result()
        finally:
            for future in coming:
                future.cancel()
