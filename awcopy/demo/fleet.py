"""A whole fleet on this machine: the servers, then awcopy's own processes, as a user would start them."""

from __future__ import annotations

import os
import secrets
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from awcopy.config import Secret
from awcopy.demo.ports import pick_ports
from awcopy.demo.processes import ChildProcess, Launch, always, stop_all
from awcopy.demo.servers import start_azurite, start_redis, start_s3
from awcopy.live.redis import RedisLive
from awcopy.vault.sealing import create_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from awcopy.demo.servers import AzureEndpoint, AzuriteServer, RedisServer, S3Endpoint, S3Server

SINK_ACCOUNT = "awcopydemo"
LEDGER_ACCOUNT = "awcopyledger"
PASSED_ON = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TERM",
    "COLUMNS",
    "NO_COLOR",
    "TMPDIR",
    "COVERAGE_PROCESS_START",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """Redis, an S3 server, and Azurite with a sink account and the ledger's own."""

    redis: RedisServer
    s3: S3Server
    azurite: AzuriteServer

    @property
    def source(self) -> S3Endpoint:
        """Where the objects are."""
        return self.s3.endpoint

    @property
    def sink(self) -> AzureEndpoint:
        """Where the blobs go."""
        return self.azurite.endpoints[SINK_ACCOUNT]

    @property
    def ledger(self) -> AzureEndpoint:
        """Where the jobs are kept."""
        return self.azurite.endpoints[LEDGER_ACCOUNT]


def start_servers(folder: Path, stack: ExitStack) -> Servers:
    """Start the servers side by side; the stack ends them."""
    with ThreadPoolExecutor(3) as starters:
        redis = starters.submit(start_redis, folder / "redis")
        s3 = starters.submit(start_s3, folder / "s3")
        azurite = starters.submit(start_azurite, folder / "azurite", accounts=(SINK_ACCOUNT, LEDGER_ACCOUNT))
        for starting in (redis, s3, azurite):
            stack.enter_context(starting.result())
    return Servers(redis=redis.result(), s3=s3.result(), azurite=azurite.result())


def fleet_environment(servers: Servers, folder: Path) -> dict[str, str]:
    """Return the settings of the fleet's processes; the stores' credentials are not among them."""
    keys = folder / "keys"
    if not keys.exists():
        create_keys(keys)
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}  # noqa: TID251 - handed to children as it is
    password = folder / "flower.password"
    if not password.exists():
        password.write_text(secrets.token_hex(8), encoding="utf-8")
    return kept | {
        "AWCOPY_FLOWER_PASSWORD": f"@file:{password}",
        "AWCOPY_REDIS_URL": servers.redis.url,
        "AWCOPY_LEDGER": servers.ledger.connection_string,
        "AWCOPY_KEYS": str(keys),
        "AWCOPY_PROFILES": str(folder / "profiles"),
        "AWCOPY_ALLOW_PRIVATE_ENDPOINTS": "1",
    }


def user_environment(servers: Servers, folder: Path) -> dict[str, str]:
    """Return what a user's shell holds: the fleet's settings, and credentials for both stores."""
    return fleet_environment(servers, folder) | {
        "AWS_ACCESS_KEY_ID": servers.source.access_key,
        "AWS_SECRET_ACCESS_KEY": servers.source.secret_key,
        "AWS_REGION": servers.source.region,
        "AWS_ENDPOINT_URL": servers.source.endpoint_url,
        "AZURE_STORAGE_CONNECTION_STRING": servers.sink.connection_string,
    }


def awcopy_command(*arguments: str) -> list[str]:
    """Return the command line that runs awcopy with this interpreter."""
    return [sys.executable, "-m", "awcopy.cli.main", *arguments]


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetProcesses:
    """awcopy's own running processes."""

    worker: ChildProcess
    web: ChildProcess
    flower: ChildProcess
    web_url: str
    flower_url: str
    flower_password: str


def start_fleet(
    servers: Servers,
    folder: Path,
    stack: ExitStack,
    *,
    processes: int = 2,
    variables: Mapping[str, str] = MappingProxyType({}),
) -> FleetProcesses:
    """Start a worker, the dashboard and Flower, and return them when they answer; the stack ends them.

    ``variables`` of the environment are set for all of them, beside those that a fleet needs.
    """
    environment = {**fleet_environment(servers, folder), **variables}
    web_port, flower_port = pick_ports(2)
    live = RedisLive(Secret(servers.redis.url), "awcopy")
    plan: list[tuple[str, list[str], list[int], Callable[[], bool]]] = [
        ("worker", ["worker", "--processes", str(processes)], [], lambda: len(live.workers()) >= processes),
        (
            "web",
            ["web", "--port", str(web_port), "--flower-url", f"http://127.0.0.1:{flower_port}/tasks"],
            [],
            _answers(web_port),
        ),
        ("flower", ["flower", "--port", str(flower_port)], [flower_port], always),
    ]
    children = {
        name: ChildProcess(_launch(name, arguments, folder, ports, is_ready, environment))
        for name, arguments, ports, is_ready in plan
    }
    stack.callback(lambda: stop_all(list(children.values())))
    with ThreadPoolExecutor(len(children)) as starters:
        for started in [starters.submit(child.start) for child in children.values()]:
            started.result()
    return FleetProcesses(
        **children,
        web_url=f"http://127.0.0.1:{web_port}/",
        flower_url=f"http://127.0.0.1:{flower_port}/tasks",
        flower_password=(folder / "flower.password").read_text(encoding="utf-8"),
    )


def _launch(
    name: str,
    arguments: list[str],
    folder: Path,
    ports: list[int],
    is_ready: Callable[[], bool],
    environment: Mapping[str, str],
) -> Launch:
    return Launch(
        name=name,
        command=awcopy_command(*arguments),
        folder=folder / name,
        ports=ports,
        is_ready=is_ready,
        environment=environment,
    )


def _answers(port: int) -> Callable[[], bool]:
    import http.client  # noqa: PLC0415 - needed here alone

    def ask() -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        try:
            connection.request("GET", "/api/v1/health")
            return connection.getresponse().status < 500  # noqa: PLR2004 - anything that is not a fault of the server's
        finally:
            connection.close()

    return ask
