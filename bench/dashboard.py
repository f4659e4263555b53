"""How long the dashboard's pages take to answer when much is there to be seen, and what being looked at costs a copy.

    python -m bench.dashboard

A real fleet with 1,000 past jobs, a job with 100,000 failures and 20 schedules in its ledger copies a bucket again and
again. Meanwhile 50 people hold a page open (20 the overview, 15 the jobs, 15 the job that runs), each with its stream
of events, and with what the page fetches again every ten seconds; and once a second one of them goes to another page,
each as often as the others, with the files that a browser asks for. How long they wait is counted from the request to
the last byte of the page.

The copy, the stores, the ledger, Redis and the visitors share this machine, which in a real fleet they do not. So that
only the dashboard's own cost is compared, and not what such a crowd costs any machine, the crowd is every other turn of
some seconds at a stand-in: it answers the same bytes, after as long, and streams the same events at the same moments,
from a table. A turn at the dashboard is compared with the two at the stand-in before and after it, since what else
happens on a machine slows all of them; of these ratios the median counts. What looking costs is also to be read off the
CPU seconds of each part of the fleet, which vary less than rates do: those of the ledger's emulator and of Redis, which
it makes work, are a service's elsewhere. How long a page takes that asks the ledger is to be seen beside how long the
ledger, which the copy writes to meanwhile, takes for one row.

More turns than 8 are not for one run: the sink's emulator keeps all blobs in memory, and from some 200,000 on its
garbage collector is what the rates tell of.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import chain, cycle
from pathlib import Path

from awcopy.config import Secret
from awcopy.demo.fleet import (
    LEDGER_ACCOUNT,
    FleetProcesses,
    Servers,
    awcopy_command,
    start_fleet,
    start_servers,
    user_environment,
)
from awcopy.demo.sample import make_client
from awcopy.demo.servers import AzuriteServer, start_azurite
from awcopy.ledger.azure import AzureLedger
from awcopy.live.redis import RedisLive
from awcopy.model.job import JobId, JobState
from bench.copy import fill
from bench.visitors import STATIC, Crowd, Record, Tab, serve_again
from tests.faults.processes import children_of
from tests.past_jobs import add_failures, add_past_jobs, add_schedules

BUCKET, CONTAINER = "looked-at", "looked-at"
OBJECT_BYTES = 4096
FAILURES_PER_ITEM = 500
OVERVIEWS, LISTS, JOBS = 20, 15, 15  # of 50 pages that are held open
_LOOK_S = 0.2
_SETTLE_S = 3.0  # until streams are open, and those of the turn before are closed
_TICKS = os.sysconf("SC_CLK_TCK")
DASHBOARD, STAND_IN = "dashboard", "stand-in"


@dataclass(frozen=True, kw_only=True)
class Turn:
    """A stretch of a copy while a crowd was there: how fast it was, and what each part of the fleet spent a second."""

    objects_per_s: float
    cpu_shares: Mapping[str, float]
    ledger_s: Sequence[float]  # that it took to read one row, again and again


@dataclass(frozen=True, kw_only=True)
class Trio:
    """A turn at the dashboard, and those at the stand-in before and after it."""

    before: Turn
    looked_at: Turn
    after: Turn

    @property
    def ratio(self) -> float:
        """The copy's rate with the dashboard, as a part of that without."""
        beside = statistics.mean((self.before.objects_per_s, self.after.objects_per_s))
        return self.looked_at.objects_per_s / beside


@dataclass(kw_only=True)
class Bench:
    """The fleet that is looked at, and what was found so far."""

    options: argparse.Namespace
    servers: Servers
    ledger_server: AzuriteServer
    fleet: FleetProcesses
    environment: Mapping[str, str]
    ledger: AzureLedger
    live: RedisLive
    failed: JobId
    cached: dict[str, tuple[bytes, float]]
    waited_s: dict[str, list[float]]
    wrong: list[str]

    async def measure(self) -> list[Trio]:
        """Copy until there are enough turns at the dashboard."""
        trios: list[Trio] = []
        while len(trios) < self.options.turns:
            found = await self._copy()
            if not found:
                sys.exit("the copy ended before the third turn: more --objects are needed")
            trios += found
        return trios

    async def _copy(self) -> list[Trio]:
        """Copy once, and return the turns at the dashboard with those at the stand-in around them."""
        job_id = await asyncio.to_thread(submit, self.servers, self.environment)
        visits = self._choose(job_id)
        _, seen = await self._look(job_id, visits)  # while all begins: does not count
        trios, before = [], await self._stand_in(job_id, seen)
        while True:
            turn, seen = await self._look(job_id, visits)
            after = await self._stand_in(job_id, seen)
            job = self.ledger.get_job(job_id)
            if job.has_ended:
                assert job.state is JobState.COMPLETED, job.detail
                return trios
            trio = Trio(before=before, looked_at=turn, after=after)
            rates = f"{before.objects_per_s:.0f}, {turn.objects_per_s:.0f}, {after.objects_per_s:.0f}"
            print(f"{job_id}: objects/s {rates}: {trio.ratio:.3f}", flush=True)
            trios.append(trio)
            before = after

    async def _look(self, job_id: JobId, visits: Iterator[tuple[str, str]]) -> tuple[Turn, Crowd]:
        tabs = [
            *[Tab(events="/events?view=overview", page="/", name="overview, its part")] * OVERVIEWS,
            *[Tab(events="/events?")] * LISTS,
            *[Tab(events=f"/events?job={job_id}", page=f"/jobs/{job_id}", name="job, its part")] * JOBS,
        ]
        crowd = Crowd(tabs=tabs, visits=visits, visits_per_s=self.options.visits, cached=self.cached)
        turn = await self._take_turn(job_id, crowd, self.fleet.web_url)
        for name, waited in crowd.waited_s.items():
            self.waited_s[name] += waited
        self.wrong += crowd.wrong
        return turn, crowd

    async def _stand_in(self, job_id: JobId, seen: Crowd) -> Turn:
        again = replace(seen, visits=cycle(seen.visited), record=Record(), visited=[])
        async with serve_again(seen.record) as url:
            return await self._take_turn(job_id, again, url)

    def _choose(self, job_id: JobId) -> Iterator[tuple[str, str]]:
        """Yield pages in an order that chance makes, the same each time; each as often as the others."""
        pages = [
            ("overview", "/"),
            ("jobs", "/jobs"),
            ("jobs found", "/jobs?text=nightly+99"),
            ("job that runs", f"/jobs/{job_id}"),
            ("job with failures", f"/jobs/{self.failed}"),
            ("new job", "/jobs/new"),
            ("schedules", "/schedules/"),
            ("schedule", "/schedules/nightly-1"),
            ("workers", "/workers"),
            ("system", "/system"),
            ("API: jobs", "/api/v1/jobs"),
            ("API: job", f"/api/v1/jobs/{job_id}"),
            ("API: failures", f"/api/v1/jobs/{self.failed}/failures"),
        ]
        order = random.Random(0)
        while True:
            yield from order.sample(pages, len(pages))

    async def _take_turn(self, job_id: JobId, crowd: Crowd, url: str) -> Turn:
        async with crowd.at(url):
            await asyncio.sleep(_SETTLE_S)
            begun, before, moved = time.monotonic(), self._cpu_s(), self.live.moved_bytes(job_id)
            ledger_s = await asyncio.to_thread(self._read_row, job_id, begun + self.options.turn)
            took_s, after = time.monotonic() - begun, self._cpu_s()
            moved = self.live.moved_bytes(job_id) - moved
        shares = {name: (after[name] - before[name]) / took_s for name in after}
        return Turn(objects_per_s=moved / OBJECT_BYTES / took_s, cpu_shares=shares, ledger_s=ledger_s)

    def _read_row(self, job_id: JobId, until: float) -> list[float]:
        took_s: list[float] = []
        while (begun := time.monotonic()) < until:
            self.ledger.get_job(job_id)
            took_s.append(time.monotonic() - begun)
            time.sleep(_LOOK_S)
        return took_s

    def _cpu_s(self) -> dict[str, float]:
        roots = {
            "dashboard": self.fleet.web.pid,
            "workers": self.fleet.worker.pid,
            "ledger (Azurite)": self.ledger_server.pid,
            "sink (Azurite)": self.servers.azurite.pid,
            "S3 server": self.servers.s3.pid,
            "Redis": self.servers.redis.pid,
            "Flower": self.fleet.flower.pid,
            "visitors": os.getpid(),
        }
        return {name: cpu_s(pid, with_children=name != "visitors") for name, pid in roots.items()}


def start_stores(folder: Path, stack: ExitStack) -> tuple[Servers, AzuriteServer]:
    """Start the servers, the ledger in an Azurite of its own: an account's tables do not wait for another's blobs."""
    servers = start_servers(folder, stack)
    own = stack.enter_context(start_azurite(folder / "ledger", accounts=(LEDGER_ACCOUNT,)))
    endpoints = {**servers.azurite.endpoints, LEDGER_ACCOUNT: own.endpoint}
    return replace(servers, azurite=replace(servers.azurite, endpoints=endpoints)), own


def submit(servers: Servers, environment: Mapping[str, str]) -> JobId:
    """Start a copy of the bucket to a place of its own, and return its id."""
    place = f"az://{servers.sink.account}/{CONTAINER}/{time.time_ns()}"
    words = ("copy", f"s3://{BUCKET}", place, "--create-container", "--detach", "-o", "json", "-q")
    done = subprocess.run(
        awcopy_command(*words), env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return JobId(json.loads(done.stdout)["id"])


def cpu_s(pid: int, *, with_children: bool) -> float:
    """Return the CPU seconds of a process, and of those that it started and that are there."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own = (int(fields[11]) + int(fields[12])) / _TICKS
    return own + sum(cpu_s(child, with_children=True) for child in children_of(pid)) if with_children else own


def main() -> None:
    """Run the benchmark and print what it found."""
    options = _parse()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="awcopy-bench-")))
        servers, ledger_server = start_stores(folder, stack)
        ledger = stack.enter_context(AzureLedger(Secret(servers.ledger.connection_string), "awcopy"))
        ledger.prepare()
        past = add_past_jobs(ledger, options.jobs)
        add_schedules(ledger, options.schedules, past)
        state = JobState.COMPLETED_WITH_ERRORS
        failed = add_failures(ledger, state, objects=options.failures, per_item=FAILURES_PER_ITEM)
        fill(make_client(servers.source), BUCKET, options.objects, OBJECT_BYTES)
        bench = Bench(
            options=options,
            servers=servers,
            ledger_server=ledger_server,
            fleet=start_fleet(servers, folder, stack),
            environment=user_environment(servers, folder),
            ledger=ledger,
            live=RedisLive(Secret(servers.redis.url), "awcopy"),
            failed=failed,
            cached={},
            waited_s=defaultdict(list),
            wrong=[],
        )
        trios = asyncio.run(bench.measure())
    _print_waits(bench.waited_s)
    _print_costs([trio.looked_at for trio in trios], [trio.before for trio in trios])
    quartiles = ", ".join(
        f"{quartile:.3f}" for quartile in statistics.quantiles([one.ratio for one in trios])
    )
    print(f"the copy's rate with the dashboard, as a ratio, in {len(trios)} turns: quartiles {quartiles}")
    for wrong in sorted(set(bench.wrong)):
        print(f"wrong: {wrong}")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", type=int, default=1_000, help="past jobs")
    parser.add_argument("--failures", type=int, default=100_000, help="objects that failed in one of them")
    parser.add_argument("--schedules", type=int, default=20)
    parser.add_argument("--objects", type=int, default=40_000, help="in the bucket that is copied")
    parser.add_argument("--turns", type=int, default=8, help="at the dashboard, at least")
    parser.add_argument("--turn", type=float, default=5.0, help="seconds of a turn")
    parser.add_argument("--visits", type=float, default=1.0, help="a second")
    return parser.parse_args()


def _print_waits(waited_s: Mapping[str, Sequence[float]]) -> None:
    print(f"{'page':24}{'visits':>8}{'p50 ms':>8}{'p95 ms':>8}{'max ms':>8}")
    pages = {name: waited for name, waited in waited_s.items() if name != STATIC}
    rows = {**dict(sorted(pages.items())), "all pages": list(chain(*pages.values()))}
    if STATIC in waited_s:
        rows[STATIC] = waited_s[STATIC]
    for name, waited in rows.items():
        figures = (_share(waited, 0.5), _share(waited, 0.95), max(waited))
        print(f"{name:24}{len(waited):8}" + "".join(f"{figure * 1000:8.0f}" for figure in figures))


def _print_costs(looked_at: Sequence[Turn], beside: Sequence[Turn]) -> None:
    print(f"\n{'CPU s a second':28}{DASHBOARD:>12}{STAND_IN:>12}")
    for name in looked_at[0].cpu_shares:
        shares = [statistics.mean(turn.cpu_shares[name] for turn in turns) for turns in (looked_at, beside)]
        print(f"{name:28}" + "".join(f"{share:12.3f}" for share in shares))
    for name, turns in ((DASHBOARD, looked_at), (STAND_IN, beside)):
        waited = list(chain(*(turn.ledger_s for turn in turns)))
        p50, p95 = (f"{_share(waited, share) * 1000:.0f} ms" for share in (0.5, 0.95))
        print(f"one row of the ledger, read beside the {name}: p50 {p50}, p95 {p95}")


def _share(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


if __name__ == "__main__":
    main()
