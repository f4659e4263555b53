"""A whole fleet of real processes on real servers, and the hands of a user on it."""

from __future__ import annotations

import base64
import json
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
import redis
from azure.storage.blob import BlobServiceClient
from botocore.config import Config

from awcopy.demo.fleet import (
    FleetProcesses,
    Servers,
    awcopy_command,
    start_fleet,
    start_servers,
    user_environment,
)
from awcopy.demo.verify import compare

LIMIT_S = 240  # for hangs, not a measurement


@dataclass(frozen=True, kw_only=True)
class Place:
    """A running fleet, clients of both stores that share no code with awcopy, and the awcopy command."""

    servers: Servers
    processes: FleetProcesses
    env: Mapping[str, str]
    s3: Any
    blobs: BlobServiceClient
    redis: redis.Redis

    def awcopy(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run the real command to its end."""
        return subprocess.run(
            awcopy_command(*arguments),
            env={**self.env, **env},
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the real command and return at once."""
        return subprocess.Popen(
            awcopy_command(*arguments),
            env=dict(self.env),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def look(self, job_id: str) -> dict[str, Any]:
        """Return the same as ``job`` from the dashboard, which costs a fiftieth of a command; to wait with."""
        with urllib.request.urlopen(
            f"{self.processes.web_url}api/v1/jobs/{job_id}", timeout=LIMIT_S
        ) as answer:
            return json.load(answer)

    def job(self, job_id: str) -> dict[str, Any]:
        """Return a job as the command shows it to programs."""
        return json.loads(self.awcopy("jobs", "show", job_id, "-o", "json").stdout)

    def report(self, job_id: str) -> list[dict[str, Any]]:
        """Return the lines of a job's report."""
        done = self.awcopy("jobs", "report", job_id, "-o", "ndjson")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def make_bucket(self, name: str, objects: Mapping[str, bytes], **more: Any) -> None:
        """Create a bucket with these objects."""
        self.s3.create_bucket(Bucket=name)
        for key, content in objects.items():
            self.s3.put_object(Bucket=name, Key=key, Body=content, **more)

    def differences(self, source: str, sink: str) -> tuple[int, tuple[str, ...]]:
        """Return how many keys rclone finds the same, byte for byte, and its lines about all others."""
        found = compare(self.servers.source, source, self.servers.sink, sink)
        return found.same, found.differences

    def ask_flower(self, path: str) -> str:
        """Return what Flower answers to somebody who knows its password."""
        word = base64.b64encode(f"test:{self.processes.flower_password}".encode()).decode()
        url = self.processes.flower_url.replace("tasks", path)
        request = urllib.request.Request(url, headers={"Authorization": f"Basic {word}"})
        with urllib.request.urlopen(request, timeout=LIMIT_S) as answer:
            return answer.read().decode()

    def redis_dump(self) -> tuple[list[bytes], bytes]:
        """Return the names of all keys in Redis, and everything that they hold, as bytes."""
        names = list(self.redis.scan_iter(count=1000))
        held = b"".join(self.redis.dump(name) or b"" for name in names)
        return names, held


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with open_place(tmp_path_factory.mktemp("fleet")) as place:
        yield place


@contextmanager
def open_place(folder: Path) -> Iterator[Place]:
    """Start everything, with its files in a folder, and end it."""
    with ExitStack() as stack:
        servers = start_servers(folder, stack)
        processes = start_fleet(servers, folder, stack)
        client = redis.Redis.from_url(servers.redis.url)
        client.config_set("rdbcompression", "no")  # or a dump would hide what it holds
        stack.callback(client.close)
        blobs = BlobServiceClient(
            servers.sink.blob_url, credential=servers.sink.key, api_version="2025-11-05"
        )
        stack.enter_context(blobs)
        s3 = boto3.client(
            "s3",
            endpoint_url=servers.source.endpoint_url,
            aws_access_key_id=servers.source.access_key,
            aws_secret_access_key=servers.source.secret_key,
            region_name=servers.source.region,
            config=Config(s3={"addressing_style": "path"}, max_pool_connections=16),
        )
        stack.callback(s3.close)
        yield Place(
            servers=servers,
            processes=processes,
            env=user_environment(servers, folder),
            s3=s3,
            blobs=blobs,
            redis=client,
        )
