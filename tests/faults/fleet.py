"""A whole fleet of real processes on real servers, with a proxy on every road between them.

Owns starting it, doing harm to it, and waiting for what the ledger says. What must be true after each fault is
in `invariants`. Leases are short, so that a dead worker is noticed in seconds.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self

import boto3
import redis
from azure.storage.blob import BlobServiceClient
from botocore.config import Config

from awcopy.bootstrap import connect_fleet
from awcopy.config import Secret, Settings
from awcopy.demo.fleet import PASSED_ON, awcopy_command
from awcopy.demo.ports import LOOPBACK, pick_ports
from awcopy.demo.processes import ChildProcess, Launch
from awcopy.demo.servers import AzureEndpoint, S3Endpoint, start_azurite, start_redis, start_s3
from awcopy.jobs.queries import JobSnapshot, take_snapshot
from awcopy.model.items import Item, ItemKind
from awcopy.model.job import Job, JobId, JobState
from awcopy.vault.sealing import create_keys
from tests.faults.copying_proxy import CopyingProxy
from tests.faults.http_proxy import Exchange, HttpProxy
from tests.faults.processes import children_of, is_alive, owner_of_port, started_at, wait_until
from tests.faults.tcp_proxy import TcpProxy

AMAZON_URL = "http://s3.us-east-1.amazonaws.com"  # the S3 server here, under a name that Azure can read from
LEASE_S = 6
RECONCILE_S = 2
VISIBILITY_S = 30  # longer than any task of these tests; what a dead worker had comes back after it
STORE_TIMEOUT_S = 8
TWO_PAGES = 1010  # keys; S3 lists a thousand at once
SINK_ACCOUNT, LEDGER_ACCOUNT = "faultsink", "faultledger"
_COMMAND_S = 180  # for hangs
_STOP_S = 30.0
_API_VERSION = "2025-11-05"
NOTHING: Mapping[str, str] = {}
WRONG_CLOCK = Path(__file__).parent / "wrong_clock"


def client_of(source: S3Endpoint) -> Any:
    """Return a client of an S3 server."""
    return boto3.client(
        "s3",
        endpoint_url=source.endpoint_url,
        aws_access_key_id=source.access_key,
        aws_secret_access_key=source.secret_key,
        region_name=source.region,
        config=Config(
            s3={"addressing_style": "path"},
            max_pool_connections=16,
            request_checksum_calculation="when_required",
        ),
    )


class FaultFleet:
    """Servers, proxies, a worker and the dashboard; the hands of a user, and of fate. A context manager.

    Jobs reach S3 and Azure through ``s3`` and ``azure`` (HTTP proxies) unless they are submitted with
    ``over_wires``: then through ``s3_wire`` and ``azure_wire`` (TCP proxies before those). The worker reaches
    Redis through ``redis_wire``. The test's own clients reach the servers directly.
    """

    def __init__(self, folder: Path, *, seed: int, processes: int = 2, concurrency: int = 4) -> None:
        """Keep the sizes; entering starts everything."""
        self.folder = folder
        self.seed = seed
        self.processes = processes
        self._concurrency = concurrency
        self._stack = ExitStack()
        self._seen: dict[int, int] = {}  # worker processes that were ever seen: id and start
        self._jobs: list[JobId] = []
        self._commands = itertools.count(1)

    def __enter__(self) -> Self:
        """Start the servers side by side, then the proxies, then the worker and the dashboard."""
        with self._stack:
            self._start_servers()
            self._start_proxies()
            self._connect()
            self._start_parts()
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop everything."""
        self._stack.close()

    # --- what a user does

    def awcopy(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run the real command to its end."""
        return subprocess.run(
            awcopy_command(*arguments),
            env={**self.user_env, **env},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=_COMMAND_S,
            check=False,
        )

    def submit(
        self,
        bucket: str,
        *options: str,
        container: str = "",
        over_wires: bool = False,
        env: Mapping[str, str] = NOTHING,
    ) -> JobId:
        """Submit a copy of a bucket to a container, by default of the same name; return its id at once."""
        if over_wires:
            azure = f"http://{LOOPBACK}:{self.azure_wire.port}/{SINK_ACCOUNT}"
            roads = ("--endpoint-url", f"http://{LOOPBACK}:{self.s3_wire.port}", "--azure-endpoint", azure)
            options = (*roads, *options)
        done = self.awcopy(
            "copy", f"s3://{bucket}", f"az://{SINK_ACCOUNT}/{container or bucket}",
            "--create-container", "--detach", "-o", "json", *options,
            **env,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        job_id = JobId(json.loads(done.stdout)["id"])
        self.own(job_id)
        return job_id

    def own(self, job_id: JobId) -> None:
        """Remember a job, so that it is abandoned when its test fails."""
        self._jobs.append(job_id)

    def beat(self, **env: str) -> ChildProcess:
        """Return a beat of this fleet, to be started."""
        return self._part(f"beat-{next(self._commands)}", ["beat"], environment={**self.fleet_env, **env})

    def wrong_worker(self, ahead: timedelta) -> ChildProcess:
        """Return a worker whose machine's clock is so far ahead of the true time, or behind it; to be started."""
        folders = [str(WRONG_CLOCK), self.fleet_env.get("PYTHONPATH", "")]
        env = {
            "PYTHONPATH": os.pathsep.join(filter(None, folders)),
            "TEST_CLOCK_AHEAD_S": f"{ahead.total_seconds()}",
        }
        name = f"wrong-worker-{next(self._commands)}"
        return self._part(name, ["worker", "--processes", "1"], environment={**self.fleet_env, **env})

    def command(self, *arguments: str, **env: str) -> ChildProcess:
        """Return the real command, to be started, and killed when the test wants it."""
        name = f"command-{next(self._commands)}"
        environment = {**self.user_env, **env}
        return ChildProcess(
            Launch(
                name=name,
                command=awcopy_command(*arguments),
                folder=self.folder / "commands",
                environment=environment,
            )
        )

    def exit_code(self, job_id: JobId) -> int:
        """Return what the command that follows the job tells the shell."""
        return self.awcopy("jobs", "watch", job_id, "-q").returncode

    def make_bucket(self, name: str, objects: Mapping[str, bytes], *, checksum: str = "CRC64NVME") -> None:
        """Create a bucket with these objects; without a checksum, S3 keeps only their MD5."""
        self.client.create_bucket(Bucket=name)
        with ThreadPoolExecutor(8) as writers:
            list(writers.map(lambda key: self.put(name, key, objects[key], checksum=checksum), objects))

    def put(self, bucket: str, key: str, content: bytes, *, checksum: str = "CRC64NVME") -> None:
        """Write an object, past the proxies."""
        more = {"ChecksumAlgorithm": checksum} if checksum else {}
        self.client.put_object(Bucket=bucket, Key=key, Body=content, **more)

    def blob(self, container: str, name: str) -> bytes | None:
        """Return a blob's content, read past the proxies, or None."""
        client = self.blobs.get_blob_client(container, name)
        return client.download_blob().readall() if client.exists() else None

    # --- what the ledger says

    def job(self, job_id: JobId) -> Job:
        """Return the job's row."""
        return self.fleet.ledger.get_job(job_id)

    def items(self, job_id: JobId) -> list[Item]:
        """Return the rows of all the job's items."""
        return list(self.fleet.ledger.list_items(job_id))

    def snapshot(self, job_id: JobId) -> JobSnapshot:
        """Return what every face shows of the job now."""
        return take_snapshot(self.fleet, job_id)

    def wait(
        self, job_id: JobId, what: str, is_so: Callable[[JobSnapshot], object], *, within_s: float = 60.0
    ) -> JobSnapshot:
        """Return the first snapshot of the job for which a condition holds."""
        seen: list[JobSnapshot] = []

        def look() -> object:
            seen[:] = [self.snapshot(job_id)]
            return is_so(seen[0])

        try:
            wait_until(what, look, within_s=within_s, every_s=0.1)
        except TimeoutError as exc:
            raise TimeoutError(f"{exc}\n{self.describe(job_id)}") from None
        return seen[0]

    def ended(self, job_id: JobId, *, within_s: float = 60.0) -> Job:
        """Return the job once it has ended, or is paused."""
        stops = {*JobState} - {JobState.QUEUED, JobState.RUNNING, JobState.CANCELLING}
        return self.wait(job_id, "the job ends", lambda seen: seen.job.state in stops, within_s=within_s).job

    def describe(self, job_id: JobId) -> str:
        """Return the job and its open items in a few lines, for a failing test."""
        job = self.job(job_id)
        lines = [f"job {job_id}: {job.state}, generation {job.generation}, {job.detail!r}, {job.totals}"]
        lines.extend(
            f"  item {item.number} {item.kind} {item.state} agent {item.agent} generation {item.generation}"
            f" fence {item.fence} attempts {item.attempts} until {item.lease_until}"
            for item in self.items(job_id)
        )
        lines.append(f"ledger's time {self.fleet.ledger.now()}")
        for proxy in (self.s3, self.azure):
            known = proxy.log.all()
            last = [
                f"{one.op.name} {one.name} {one.status} {one.fault} {one.started:.2f}" for one in known[-8:]
            ]
            waiting = [one.name for one in proxy.log.under_way()]
            lines.append(
                f"{proxy.service}: {len(known)} requests, {dict(proxy.log.faults())}, under way {waiting}"
            )
            lines.extend(f"  {text}" for text in last)
        lines.append(f"now {time.monotonic():.2f}")
        return "\n".join(lines)

    # --- what fate does

    def workers(self) -> list[int]:
        """Return the ids of the worker's processes that run now, the supervisor not counted."""
        children = children_of(self.worker.pid) if self.worker.is_running else []
        self._seen.update({pid: started_at(pid) for pid in children})
        return children

    def worker_of(self, exchange: Exchange) -> int:
        """Return the id of the worker process that made a request which is under way; 0 if none of ours did."""
        return owner_of_port(exchange.client_port, {self.s3.port, self.azure.port}, self.workers())

    def signal_worker(self, pid: int, number: int) -> None:
        """Send a signal to one process of the worker."""
        assert pid in self.workers(), f"{pid} is no process of ours"
        os.kill(pid, number)

    def kill_supervisor(self) -> list[int]:
        """Kill the supervisor alone; return its processes, which it leaves behind."""
        left = self.workers()
        self.worker.kill()
        return left

    def kill_workers(self) -> None:
        """Kill the supervisor and all its processes."""
        for pid in self.kill_supervisor():
            self.end(pid)

    def end(self, pid: int) -> None:
        """Kill a process that was once seen as the worker's, if it still runs, and wait until it is gone."""
        if self._seen.get(pid) and started_at(pid) == self._seen[pid]:
            os.kill(pid, 9)
        wait_until(f"process {pid} is gone", lambda: not is_alive(pid), within_s=10)

    def start_workers(self) -> None:
        """Start the worker (again) and wait until its processes say that they are there."""
        self.worker.start()
        self.wait_for_workers()

    def wait_for_workers(self) -> None:
        """Return when every process of the worker takes tasks."""
        wait_until("the workers are ready", self._are_ready, within_s=60, every_s=0.1)

    def kill_redis(self) -> None:
        """Kill Redis; whoever connects is refused, as on its own port."""
        self.redis_wire.refuse()
        self.redis_server.kill()
        self.redis_wire.reset_all()

    def cut_redis_file(self, size_bytes: int) -> None:
        """Take so many bytes from the end of what Redis wrote last, as a power cut does, while it is down."""
        assert not self.redis_server.process.is_running
        last = max((self.redis_folder / "appendonlydir").glob("*.incr.aof"))
        os.truncate(last, max(0, last.stat().st_size - size_bytes))

    def start_redis(self, *, with_data: bool = True) -> None:
        """Start Redis again after ``kill_redis``, with its append-only file or without."""
        if not with_data:
            shutil.rmtree(self.redis_folder / "appendonlydir", ignore_errors=True)
        self.redis_server.process.start()
        self._plain_dumps()
        self.redis_wire.accept()

    def delete_container(self, name: str) -> None:
        """Delete a container of the sink."""
        self.blobs.delete_container(name)

    def written(self) -> bytes:
        """Return all that the fleet has written anywhere: the ledger's files, Redis', and the logs."""
        folders = (self.folder / "ledger", self.redis_folder, self.folder / "worker", self.folder / "web")
        return b"".join(
            path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()
        )

    # --- between tests

    def reset(self) -> None:
        """Undo every fault, and abandon jobs that a failed test left behind."""
        self.s3.reset()
        self.azure.reset()
        for wire in (self.s3_wire, self.azure_wire, self.redis_wire):
            wire.heal()
        if not self.redis_server.process.is_running:
            self.start_redis()
        for job_id in self._jobs:
            self._abandon(job_id)
        self._jobs.clear()
        for part in (self.worker, self.web):
            if not part.is_running:
                part.start()
        self.wait_for_workers()

    def logged(self, *words: str) -> list[dict[str, Any]]:
        """Return the worker's log records that hold all the words."""
        text = self.worker.log_path.read_text(encoding="utf-8", errors="replace")
        chosen = (
            line for line in text.splitlines() if line.startswith("{") and all(word in line for word in words)
        )
        return [json.loads(line) for line in chosen]

    def _abandon(self, job_id: JobId) -> None:
        job = self.job(job_id)
        if not job.has_ended:
            ended = replace(
                job, state=JobState.FAILED, changed_at=datetime.now(UTC), detail="abandoned by a test"
            )
            self.fleet.ledger.update_job(ended)

    def _are_ready(self) -> bool:
        beats = {int(beat.name.partition("@")[0].rpartition("-")[2]) for beat in self.fleet.live.workers()}
        children = self.workers()
        return len(children) == self.processes and beats.issuperset(children)

    def _web_answers(self) -> bool:
        with urllib.request.urlopen(self.web_url, timeout=5) as answer:
            return answer.status == HTTPStatus.OK

    def _start_servers(self) -> None:
        self.redis_folder = self.folder / "redis"
        with ThreadPoolExecutor(4) as starters:
            starting = (
                starters.submit(start_redis, self.redis_folder),
                starters.submit(start_s3, self.folder / "s3"),
                starters.submit(start_azurite, self.folder / "azurite", accounts=[SINK_ACCOUNT]),
                # A process of its own: leases must not wait behind blocks.
                starters.submit(start_azurite, self.folder / "ledger", accounts=[LEDGER_ACCOUNT]),
            )
            for one in starting:
                self._stack.enter_context(one.result())
        self.redis_server, self.s3_server, self.sink_server, self.ledger_server = (
            one.result() for one in starting
        )

    def _start_proxies(self) -> None:
        def enter(proxy: Any) -> Any:
            return self._stack.enter_context(proxy)

        s3_port, sink_port = self.s3_server.process.launch.ports[0], self.sink_server.process.launch.ports[0]
        self.s3: HttpProxy = enter(HttpProxy(s3_port, "s3", seed=self.seed))
        self.azure: HttpProxy = enter(CopyingProxy(sink_port, source_port=self.s3.port, seed=self.seed))
        self.s3_wire: TcpProxy = enter(TcpProxy(self.s3.port))
        self.azure_wire: TcpProxy = enter(TcpProxy(self.azure.port))
        self.redis_wire: TcpProxy = enter(TcpProxy(self.redis_server.port))

    @property
    def source(self) -> S3Endpoint:
        """The S3 server itself."""
        return self.s3_server.endpoint

    @property
    def sink(self) -> AzureEndpoint:
        """The sink's account, itself."""
        return self.sink_server.endpoint

    @property
    def secrets(self) -> tuple[str, ...]:
        """Whatever must never be seen anywhere but at its owner's."""
        return (
            self.source.access_key,
            self.source.secret_key,
            self.sink.key,
            self.ledger_server.endpoint.key,
        )

    def _connect(self) -> None:
        self.redis = redis.Redis(port=self.redis_server.port)
        self._stack.callback(self.redis.close)
        self._plain_dumps()
        self.blobs = BlobServiceClient(self.sink.blob_url, credential=self.sink.key, api_version=_API_VERSION)
        self._stack.callback(self.blobs.close)
        self.client = client_of(self.source)
        self._stack.callback(self.client.close)
        ledger = Secret(self.ledger_server.endpoint.connection_string)
        self.fleet = connect_fleet(Settings(redis_url=Secret(self.redis_server.url), ledger=ledger))
        self._stack.callback(self.fleet.live.close)
        self._stack.callback(self.fleet.ledger.close)

    def _plain_dumps(self) -> None:
        # DUMP compresses what is longer than 20 bytes, and would hide a secret from the tests.
        self.redis.config_set("rdbcompression", "no")

    def _start_parts(self) -> None:
        keys = self.folder / "keys"
        create_keys(keys)
        (web_port,) = pick_ports(1)
        names = (*PASSED_ON, "PYTHONPATH")
        kept = {name: os.environ[name] for name in names if name in os.environ}  # noqa: TID251 - handed on as it is
        self.fleet_env = kept | {
            "AWCOPY_REDIS_URL": f"redis://{LOOPBACK}:{self.redis_wire.port}/0",
            "AWCOPY_LEDGER": self.ledger_server.endpoint.connection_string,
            "AWCOPY_KEYS": str(keys),
            "AWCOPY_PROFILES": str(self.folder / "profiles"),
            "AWCOPY_ALLOW_PRIVATE_ENDPOINTS": "1",
            "AWCOPY_LEASE_S": str(LEASE_S),
            "AWCOPY_RECONCILE_S": str(RECONCILE_S),
            "AWCOPY_VISIBILITY_S": str(VISIBILITY_S),
            "AWCOPY_RESTORE_POLL_S": "1",
            # Every host but this machine's is played by the S3 server, also under Amazon's own names.
            "HTTP_PROXY": self.s3.url,
            "NO_PROXY": LOOPBACK,
        }
        azure = replace(self.sink, blob_url=f"{self.azure.url}/{SINK_ACCOUNT}")
        self.user_env = self.fleet_env | {
            "AWS_ACCESS_KEY_ID": self.source.access_key,
            "AWS_SECRET_ACCESS_KEY": self.source.secret_key,
            "AWS_REGION": self.source.region,
            "AWS_ENDPOINT_URL": self.s3.url,
            "AZURE_STORAGE_CONNECTION_STRING": azure.connection_string,
        }
        self.fleet.ledger.prepare()
        worker = ["worker", "--processes", str(self.processes), "--concurrency", str(self._concurrency)]
        # A worker asks again; whoever types a command is told at once, and must not be on a slow machine.
        patience = {**self.fleet_env, "AWCOPY_STORE_TIMEOUT_S": str(STORE_TIMEOUT_S)}
        self.worker = self._part("worker", worker, is_ready=self._are_ready, environment=patience)
        self.web_url = f"http://{LOOPBACK}:{web_port}/"
        self.web = self._part("web", ["web", "--port", str(web_port)], is_ready=self._web_answers)
        self._stack.callback(self._stop_parts)
        with ThreadPoolExecutor(2) as starters:
            list(starters.map(ChildProcess.start, (self.worker, self.web)))

    def _part(
        self,
        name: str,
        arguments: list[str],
        *,
        is_ready: Callable[[], bool] = lambda: True,
        environment: Mapping[str, str] = NOTHING,
    ) -> ChildProcess:
        return ChildProcess(
            Launch(
                name=name,
                command=awcopy_command(*arguments),
                folder=self.folder / name,
                is_ready=is_ready,
                environment=environment or self.fleet_env,
            )
        )

    def _stop_parts(self) -> None:
        self.workers()
        self.worker.stop(timeout_s=_STOP_S)
        self.web.stop()
        for pid in self._seen:
            self.end(pid)


def content_of(key: str, size_bytes: int) -> bytes:
    """Return an object's content: random to the eye, the same each time."""
    return random.Random(key).randbytes(size_bytes)


def leased_items(items: list[Item]) -> list[Item]:
    """Return the items that copy and are held by a worker."""
    return [item for item in items if item.agent >= 0 and item.kind is not ItemKind.LIST_OBJECTS]
