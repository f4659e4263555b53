"""``/metrics``: the fleet in numbers for Prometheus, collected once for all who ask within a few seconds.

What the numbers mean stands beside each. Of jobs there are the newest that are open or ended lately, so that the number
of series stays bounded; docs/grafana/awcopy.json shows them.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import Blueprint, Response, current_app
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

import awcopy
from awcopy.errors import ServiceUnreachable
from awcopy.jobs.overview import LATELY
from awcopy.jobs.queries import snapshot_of
from awcopy.jobs.sums import sum_items
from awcopy.model.job import JobState
from web.fleet import current_fleet, current_history
from web.view import escape_invisible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from flask import Flask
    from prometheus_client.core import Metric

    from awcopy.jobs.fleet import Fleet
    from awcopy.jobs.sums import Sums
    from awcopy.model.job import Job, JobId
    from awcopy.model.outcome import Tally, Totals
    from web.watching import History

FRESH_S = 5.0
# Of a fleet whose numbers take longer to collect, whoever asks gets the ones before.
LONGEST_WAIT_S = 2.0
_SHOWN_TIMES = 10  # collecting is under way for a tenth of the time at most
MOST_JOBS = 100
OUTCOMES = ("copied", "skipped", "failed", "cancelled", "pending")
_SCRAPES = "awcopy.scrapes"

blueprint = Blueprint("metrics", __name__)


def keep_metrics(app: Flask) -> None:
    """Make the app collect its fleet's numbers when somebody asks for them."""
    with app.app_context():
        collector = FleetNumbers(current_fleet(), current_history())
    app.extensions[_SCRAPES] = Scrapes(collector.collect_page)


@blueprint.get("/metrics")
def show() -> Response:
    """Return the numbers in Prometheus' text format."""
    scrapes: Scrapes = current_app.extensions[_SCRAPES]
    return Response(scrapes.latest(), content_type=CONTENT_TYPE_PLAIN_0_0_4)


class Scrapes:
    """The latest page of numbers. Safe to use from many threads; one collects for all.

    Args:
        collect: Returns a new page; may take long.
        clock: Seconds that only rise.
    """

    def __init__(self, collect: Callable[[], bytes], clock: Callable[[], float] = time.monotonic) -> None:
        self._collect, self._clock = collect, clock
        self._lock = threading.Lock()
        self._page = b""
        self._error: Exception | None = None
        self._until = float("-inf")
        self._thread: threading.Thread | None = None

    def latest(self) -> bytes:
        """Return a page that is some seconds old at most, or the one before while a new one takes long.

        Raises:
            Exception: What ``collect`` raised when it was asked last.
        """
        with self._lock:
            if self._thread is None and self._clock() >= self._until:
                self._thread = threading.Thread(target=self._renew, name="metrics", daemon=True)
                self._thread.start()
            thread, has_page = self._thread, bool(self._page)
        if thread:
            thread.join(LONGEST_WAIT_S if has_page else None)
        if self._error:
            raise self._error
        return self._page

    def _renew(self) -> None:
        error, begun = None, self._clock()
        try:
            self._page = self._collect()
        except Exception as raised:  # noqa: BLE001 - raised again to whoever asked
            error = raised
        with self._lock:
            self._error = error
            now = self._clock()
            self._until = now + max(FRESH_S, _SHOWN_TIMES * (now - begun))
            self._thread = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Looked:
    """One job as it is counted."""

    job: Job
    totals: Totals
    moved_bytes: int | None
    sums: Sums | None = None  # of a job that is open


class FleetNumbers:
    """Reads a fleet's numbers: its open jobs from sums that all share, those that have ended from their rows."""

    def __init__(self, fleet: Fleet, history: History, clock: Callable[[], float] = time.monotonic) -> None:
        self._fleet, self._history, self._clock = fleet, history, clock
        self._first: dict[JobId, tuple[int, float]] = {}  # of each job, which item is next and since when

    def collect_page(self) -> bytes:
        """Return all numbers in Prometheus' text format."""
        begun = self._clock()
        families = list(self._families())
        families.append(
            _gauge(
                "awcopy_metrics_seconds", "Seconds that it took to collect all this.", self._clock() - begun
            )
        )
        families.append(
            _gauge(
                "awcopy_metrics_collected_at_seconds", "When this was collected, in Unix time.", time.time()
            )
        )
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Families(families))
        return generate_latest(registry)

    def _families(self) -> Iterator[Metric]:
        build = GaugeMetricFamily("awcopy_build_info", "The version of the dashboard.", labels=["version"])
        build.add_metric([awcopy.__version__], 1)
        yield build
        since = self._fleet.ledger.now() - LATELY
        jobs = self._fleet.ledger.open_jobs(ended_since=since)
        states = Counter(job.state for job in jobs)
        by_state = GaugeMetricFamily(
            "awcopy_jobs", "Jobs that are open or ended within 24 hours.", labels=["state"]
        )
        for state in JobState:
            by_state.add_metric([state.value], states[state])
        yield by_state
        looked = [self._look_at(job) for job in jobs[:MOST_JOBS]]
        yield from _job_families(looked)
        yield from self._rate_families(looked)
        yield from self._live_families()

    def _look_at(self, job: Job) -> _Looked:
        sums = None if job.has_ended else sum_items(self._fleet, job.id)
        snapshot = snapshot_of(self._fleet, job, sums)
        self._history.note(snapshot)
        return _Looked(job=job, totals=snapshot.totals, moved_bytes=snapshot.moved_bytes, sums=sums)

    def _rate_families(self, looked: list[_Looked]) -> Iterator[Metric]:
        rate = sum(self._history.rate(one.job.id) for one in looked if not one.job.has_ended)
        yield _gauge(
            "awcopy_throughput_bytes_per_second", "Bytes per second that reached the sinks lately.", rate
        )
        waits = self._waits(looked)
        says = "Seconds for which the same item has been next in line, of a job that runs, while this was looked at."
        yield _gauge("awcopy_oldest_ready_seconds", says, max(waits, default=0.0))

    def _waits(self, looked: list[_Looked]) -> list[float]:
        now = self._clock()
        running = (one for one in looked if one.sums and one.job.state is JobState.RUNNING)
        before, self._first = self._first, {}
        for one in running:
            assert one.sums  # noqa: S101 - for mypy
            if number := one.sums.first_ready:
                was, since = before.get(one.job.id, (0, now))
                self._first[one.job.id] = number, since if number == was else now
        return [now - since for _, since in self._first.values()]

    def _live_families(self) -> Iterator[Metric]:
        try:
            waiting, processes = self._fleet.live.waiting_messages(), self._fleet.live.processes()
        except ServiceUnreachable:
            yield _gauge("awcopy_redis_up", "Whether Redis answers.", 0)
            return
        yield _gauge("awcopy_redis_up", "Whether Redis answers.", 1)
        yield _gauge("awcopy_queue_messages", "Messages that wait in the queue.", waiting)
        yield _gauge("awcopy_workers", "Processes that run tasks.", sum(bool(one.slots) for one in processes))
        slots = GaugeMetricFamily(
            "awcopy_process_slots", "Tasks that a process runs at once; 0: beat.", labels=["process"]
        )
        memory = GaugeMetricFamily(
            "awcopy_process_memory_bytes", "Resident memory of a process.", labels=["process"]
        )
        retries = CounterMetricFamily(
            "awcopy_process_retries", "Requests that a process tried again.", labels=["process"]
        )
        throttles = CounterMetricFamily(
            "awcopy_process_throttles",
            "Of these, those of which a store asked for fewer.",
            labels=["process"],
        )
        for one in processes:
            name = [escape_invisible(one.name)]
            slots.add_metric(name, one.slots)
            memory.add_metric(name, one.vitals.memory_bytes)
            retries.add_metric(name, one.vitals.retries)
            throttles.add_metric(name, one.vitals.throttles)
        yield from (slots, memory, retries, throttles)


class _Families(Collector):
    """What was collected already, for the library to write."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        """Return the families."""
        return self._families


def _gauge(name: str, says: str, value: float) -> Metric:
    return GaugeMetricFamily(name, says, value=value)


def _job_families(looked: list[_Looked]) -> Iterator[Metric]:
    about = GaugeMetricFamily("awcopy_job_info", "What a job is called.", labels=["job_id", "name", "state"])
    objects = GaugeMetricFamily(
        "awcopy_job_objects",
        "Objects of a job by outcome; they add up to those listed.",
        labels=["job_id", "outcome"],
    )
    size = GaugeMetricFamily("awcopy_job_bytes", "The same in bytes.", labels=["job_id", "outcome"])
    for one in looked:
        about.add_metric([one.job.id, escape_invisible(one.job.name), one.job.state.value], 1)
        for outcome in OUTCOMES:
            tally: Tally = getattr(one.totals, outcome)
            objects.add_metric([one.job.id, outcome], tally.objects)
            size.add_metric([one.job.id, outcome], tally.size_bytes)
    yield from (about, objects, size)
    opened = [(one, one.sums) for one in looked if one.sums]
    for name, says, values in (
        ("listed_objects", "Objects that a job has listed.", [(one, one.totals.listed.objects) for one in looked]),
        ("listed_bytes", "Their bytes.", [(one, one.totals.listed.size_bytes) for one in looked]),
        ("moved_bytes", "Bytes that reached the sink, those of files under way included.",
         [(one, one.moved_bytes) for one in looked if one.moved_bytes is not None]),
        ("agents", "Items of an open job that may run at once.", [(one, one.job.spec.agents) for one, _ in opened]),
        ("leases", "Items that agents hold.", [(one, sums.busy_agents) for one, sums in opened]),
        ("ready_items", "Items that wait for an agent.", [(one, sums.ready_items) for one, sums in opened]),
        ("open_items", "Items that are not done.", [(one, sums.open_items) for one, sums in opened]),
    ):  # fmt: skip
        family = GaugeMetricFamily(f"awcopy_job_{name}", says, labels=["job_id"])
        for one, value in values:
            family.add_metric([one.job.id], value)
        yield family
