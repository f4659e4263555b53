"""How much CPU and memory a sync costs for each object that is unchanged, on a worker of a real fleet.

    python -m bench.sync

Redis and the ledger are real; both stores are stand-ins over HTTP, since real ones take minutes to be filled. The one
for S3 is reached as a proxy, under Amazon's name, whose order of keys is relied on. What
starting a job costs is taken out by syncing a few and many objects. The worker's idle rounds are included.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from awcopy.demo.fleet import awcopy_command, start_fleet, start_servers, user_environment
from tests.acceptance.listed_stores import (
    ACCOUNT,
    BUCKET,
    CONTAINER,
    FOLDER,
    ListedStores,
    serve_listed_stores,
)
from tests.faults.fleet import AMAZON_URL
from tests.faults.processes import children_of

FEW, MANY = 10_000, 100_000
CHANGED, DELETED = 0.005, 0.001
_TICKS = os.sysconf("SC_CLK_TCK")
_PEAK = "VmHWM:"


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one sync came to, and what its worker's processes spent on it."""

    job: Mapping[str, Any]
    cpu_s: float
    peak_kib: int  # of the largest of the processes


def sync(stores: ListedStores, environment: Mapping[str, str], worker_pid: int) -> Cost:
    """Sync the stores on the fleet, and return what it cost."""
    pids = children_of(worker_pid)
    for pid in pids:
        Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak begins anew
    before = sum(map(_cpu_s, pids))
    words = (
        "sync", f"s3://{BUCKET}", f"az://{ACCOUNT}/{CONTAINER}/{FOLDER}", "--delete", "-o", "json", "-q",
        "--endpoint-url", stores.endpoint, "--azure-endpoint", f"{stores.url}/{ACCOUNT}",
    )  # fmt: skip
    own = {
        "AZURE_STORAGE_CONNECTION_STRING": "",
        "AZURE_STORAGE_ACCOUNT": ACCOUNT,
        "AZURE_STORAGE_KEY": "a2V5",
    }
    done = subprocess.run(
        awcopy_command(*words), env={**environment, **own}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return Cost(
        job=json.loads(done.stdout),
        cpu_s=sum(map(_cpu_s, pids)) - before,
        peak_kib=max(map(_peak_kib, pids)),
    )


def reading_s(stores: ListedStores) -> float:
    """Return the CPU that the standard library's parser takes for one object's entries in both listings.

    The least of several tries: a measure that a busy machine stretches as it does the worker's work.
    """
    pages = (stores.list_objects({"max-keys": "1000"}), stores.list_blobs({"maxresults": "1000"}))

    def read() -> float:
        begun = time.thread_time()
        for page in pages:
            ET.fromstring(page)
        return time.thread_time() - begun

    return min(read() for _ in range(5)) / 1000


def main() -> None:
    """Run the benchmark and print what it found."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="awcopy-bench-")))
        servers = start_servers(folder, stack)
        stores = stack.enter_context(serve_listed_stores(AMAZON_URL))
        proxies = {"HTTP_PROXY": stores.url, "NO_PROXY": "127.0.0.1"}
        worker = start_fleet(servers, folder, stack, processes=1, variables=proxies).worker
        environment = {**user_environment(servers, folder), **proxies}
        costs = {}
        for count in (100, FEW, MANY):  # the first one has the worker load what it needs
            stores.fill(count)
            costs[count] = sync(stores, environment, worker.pid)
        reading = reading_s(stores)
        stores.age(changed=CHANGED, deleted=DELETED)
        aged = sync(stores, environment, worker.pid)
    few, many = costs[FEW], costs[MANY]
    each_s = (many.cpu_s - few.cpu_s) / (MANY - FEW)
    print(
        f"an unchanged object: {each_s * 1e6:.1f} CPU µs, {each_s / reading:.1f} readings of {reading * 1e6:.1f} µs"
    )
    print(
        f"peak memory: {few.peak_kib / 1024:.0f} MiB with {FEW:,} objects, {many.peak_kib / 1024:.0f} MiB with {MANY:,}"
    )
    totals = aged.job["totals"]
    counts = {name: totals[name]["objects"] for name in ("unchanged", "copied", "deleted", "failed")}
    print(f"{MANY:,} objects, {CHANGED:.1%} changed, {DELETED:.1%} gone: {aged.cpu_s:.1f} CPU s, {counts}")


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _peak_kib(pid: int) -> int:
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(_PEAK)]
    return int(line.split()[1])


if __name__ == "__main__":
    main()
