"""What every step of one transfer shares: the two stores, memory, patience, and a way to be told to stop."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from awcopy.transfer.buffers import BufferPool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from awcopy.model.job import Job
    from awcopy.sink.base import Sink
    from awcopy.source.base import Source
    from awcopy.transfer.breaker import ServerSide
    from awcopy.transfer.retry import Retrier

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """One item's transfers.

    ``check`` raises when the work is no longer wanted or no longer ours; it is called between blocks and
    between objects. ``moved`` is told how many bytes have just reached the sink.
    """

    job: Job
    source: Source
    sink: Sink
    retrier: Retrier
    check: Callable[[], None]
    moved: Callable[[int], None]
    connections: int = 16
    server_side: ServerSide | None = None  # None: everything streams
    buffers: BufferPool = field(default_factory=BufferPool)


def run_each(
    transfer: Transfer, work: Callable[[T], R], inputs: Iterable[T], *, at_once: int | None = None
) -> list[R]:
    """Return what ``work`` makes of each input, in order, several at once; the first error ends it all.

    When one fails, those under way are waited for, and those not begun are not begun.
    """
    todo = list(inputs)
    most = min(at_once or transfer.connections, len(todo))
    if most <= 1:
        return [_checked(transfer, work, one) for one in todo]
    with ThreadPoolExecutor(most, thread_name_prefix="transfer") as pool:
        # With what the log says of whose work this is.
        futures = [pool.submit(copy_context().run, _checked, transfer, work, one) for one in todo]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _checked(transfer: Transfer, work: Callable[[T], R], one: T) -> R:
    transfer.check()
    return work(one)
