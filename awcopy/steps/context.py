"""What a worker process has at hand for every step: the fleet, the jobs' stores, leases, and randomness."""

from __future__ import annotations

import random
import threading
import time
from collections import OrderedDict
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import structlog

from awcopy.errors import AwcopyError, Conflict, ServiceUnreachable
from awcopy.live.memory import MemoryLive
from awcopy.model.outcome import Route
from awcopy.planning.route import may_copy_server_side
from awcopy.transfer.breaker import Breakers, ServerSide
from awcopy.transfer.buffers import BufferPool
from awcopy.transfer.context import Transfer
from awcopy.transfer.limited import LimitedSink, LimitedSource
from awcopy.transfer.limiter import Limiters
from awcopy.transfer.pace import Pace
from awcopy.transfer.retry import Retrier, RetryCounts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from awcopy.jobs.fleet import Fleet
    from awcopy.live.base import Live
    from awcopy.model.job import Job, JobId
    from awcopy.sink.base import Sink
    from awcopy.source.base import Source
    from awcopy.steps.lease import Lease

log = structlog.get_logger(__name__)

MOST_REQUESTS = 256  # under way at one store, for one process that nobody throttles
_KEPT_STORES = 16
_LONGEST_NAP_S = 0.5


class StoreCache:
    """The stores of the jobs that a process has worked on lately; their connections live here."""

    def __init__(self) -> None:
        self._stores: OrderedDict[tuple[JobId, int], tuple[Source, Sink]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, job: Job, open_stores: Callable[[Job], tuple[Source, Sink]]) -> tuple[Source, Sink]:
        """Return the stores of a job's present generation, opening them the first time."""
        wanted = (job.id, job.generation)
        with self._lock:
            if wanted not in self._stores:
                self._stores[wanted] = open_stores(job)
                self._drop_oldest()
            self._stores.move_to_end(wanted)
            return self._stores[wanted]

    def forget(self, job: Job) -> None:
        """Close the stores of a job's present generation, so that they are opened anew when next needed."""
        with self._lock:
            known = self._stores.pop((job.id, job.generation), ())
        for store in known:
            store.close()

    def _drop_oldest(self) -> None:
        while len(self._stores) > _KEPT_STORES:
            _, (source, sink) = self._stores.popitem(last=False)
            source.close()
            sink.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class StepContext:
    """The surroundings of the steps; the only way in which they reach the world.

    ``open_stores`` returns the source and the sink of a job; it may be slow and is called once per job and
    generation. ``find_receiver`` raises where this machine cannot tell a receiver of notifications.
    """

    fleet: Fleet
    open_stores: Callable[[Job], tuple[Source, Sink]]
    find_receiver: Callable[[str], object] = lambda _name: None
    lease_s: float = 60.0
    connections: int = 16
    restore_poll_s: float = 600.0
    wait_for_work_s: float = 2.0
    keep: Callable[[Lease], AbstractContextManager[None]] = lambda _lease: nullcontext()
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random
    buffers: BufferPool = field(default_factory=BufferPool)
    stores: StoreCache = field(default_factory=StoreCache)
    breakers: Breakers = field(default_factory=Breakers)
    retries: RetryCounts = field(default_factory=RetryCounts)
    own_live: Live = field(default_factory=MemoryLive)  # where the fleet's does not answer
    limiters: Limiters = field(init=False)

    def __post_init__(self) -> None:
        """Make the limiters, which learn through the fleet's live state."""
        object.__setattr__(self, "limiters", Limiters(MOST_REQUESTS, self.fleet.live))

    @property
    def silent_s(self) -> float:
        """How long an agent that is alive and holds no item may go without a turn."""
        return max(self.lease_s / 3, 3 * self.wait_for_work_s)

    def stores_of(self, job: Job) -> tuple[LimitedSource, LimitedSink]:
        """Return the stores of a job behind their limiters, opened at most once per generation."""
        source, sink = self.stores.get(job, self.open_stores)
        bucket = self.limiters.of(f"s3:{job.spec.source.bucket}")
        account = self.limiters.of(f"az:{job.spec.sink.account}")
        return LimitedSource(source, bucket), LimitedSink(sink, account, bucket)

    def transfer(self, job: Job, lease: Lease) -> Transfer:
        """Return what the transfers of one leased item need."""
        source, sink = self.stores_of(job)
        pace = self._pace(job, lease).wait
        return Transfer(
            job=job,
            source=replace(source, pace=pace),
            sink=replace(sink, pace=pace),
            retrier=self.retrier(lease.check),
            check=lease.check,
            moved=lambda size_bytes: self.count_moved(job.id, size_bytes),
            connections=self.connections,
            server_side=self._server_side(job),
            buffers=self.buffers,
        )

    def _pace(self, job: Job, lease: Lease) -> Pace:
        return Pace(
            job_id=job.id,
            rate=lambda: job.spec.bandwidth if lease.bandwidth is None else lease.bandwidth,
            live=self.fleet.live,
            own=self.own_live,
            check=lease.check,
            sleep=self.sleep,
        )

    def _server_side(self, job: Job) -> ServerSide | None:
        route = job.spec.route
        if not may_copy_server_side(job.spec) or (job.streams_because and route is not Route.SERVER):
            return None
        breaker = self.breakers.of(job.id, lambda why: self.stream_from_now_on(job.id, why))
        return ServerSide(route=route, breaker=breaker)

    def stream_from_now_on(self, job_id: JobId, why: str) -> None:
        """Write into the job's row that nothing more of it is copied server-side, for all workers and people.

        While that cannot be written, the others find out by themselves.
        """
        log.warning("server_side_copies_given_up", job_id=job_id, why=why)
        try:
            job = self.fleet.ledger.get_job(job_id)
            while not (job.streams_because or job.has_ended):
                try:
                    self.fleet.ledger.update_job(replace(job, streams_because=why))
                except Conflict:
                    job = self.fleet.ledger.get_job(job_id)
                else:
                    return
        except AwcopyError as error:
            log.warning("route_not_recorded", error=error.code)

    def hint(self, job_id: JobId, numbers: Sequence[int]) -> None:
        """Say that items are ready; when that is not heard, the agents find them in the ledger."""
        try:
            self.fleet.live.push_ready(job_id, numbers)
        except ServiceUnreachable as error:
            log.warning("hint_lost", error=error.code)

    def count_moved(self, job_id: JobId, size_bytes: int) -> None:
        """Count bytes for the progress bar; a count that is lost harms nothing."""
        try:
            self.fleet.live.add_moved_bytes(job_id, size_bytes)
        except ServiceUnreachable as error:
            log.debug("moved_bytes_lost", error=error.code)

    def retrier(self, check: Callable[[], None]) -> Retrier:
        """Return a retrier whose waits end at once when ``check`` raises."""

        def wait(seconds: float) -> None:
            while seconds > 0:
                check()
                nap = min(seconds, _LONGEST_NAP_S)
                self.sleep(nap)
                seconds -= nap

        return Retrier(wait=wait, chance=self.chance, note=self.retries.note)
