"""The servers of the demo and the tests: each starts, answers a real client, and is gone when stopped."""

from __future__ import annotations

import base64
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import pytest
import redis
from awscrt import checksums
from azure.core.exceptions import HttpResponseError
from azure.data.tables import TableServiceClient
from azure.storage.blob import BlobServiceClient
from botocore.config import Config
from botocore.exceptions import ClientError

from awcopy.demo import azurite_install
from awcopy.demo.ports import LOOPBACK, pick_ports
from awcopy.demo.processes import ChildProcess, Launch, start_on_free_ports, stop_all
from awcopy.demo.servers import S3Endpoint, start_azurite, start_moto, start_redis, start_s3
from awcopy.errors import ServiceUnreachable

START = {"redis": start_redis, "seaweedfs": start_s3, "moto": start_moto, "azurite": start_azurite}


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until_gone(pid: int, timeout_s: float = 10.0) -> bool:
    deadline = time.monotonic() + timeout_s
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not is_alive(pid)


def s3_client(endpoint: S3Endpoint, *, secret_key: str = ""):
    return boto3.client(
        "s3",
        endpoint_url=endpoint.endpoint_url,
        aws_access_key_id=endpoint.access_key,
        aws_secret_access_key=secret_key or endpoint.secret_key,
        region_name=endpoint.region,
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
    )


def serving(port: int) -> list[str]:
    handler = f"('{LOOPBACK}', {port}), h.SimpleHTTPRequestHandler"
    code = f"import http.server as h; h.HTTPServer({handler}).serve_forever()"
    return [sys.executable, "-c", code]


def crc64_header(body: bytes) -> str:
    return base64.b64encode(checksums.crc64nvme(body).to_bytes(8, "little")).decode()


def test_redis_answers_and_never_evicts(redis_server):
    with redis.Redis.from_url(redis_server.url) as client:
        assert client.ping()
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("appendonly") == {"appendonly": "yes"}


def test_redis_keeps_its_data_and_port_when_killed_and_restarted(tmp_path):
    with start_redis(tmp_path) as server, redis.Redis.from_url(server.url) as client:
        client.set("key", "value")
        client.execute_command("WAITAOF", 1, 0, 2000)
        first_pid = server.pid
        server.kill()
        server.restart()
        assert server.pid != first_pid
        assert client.get("key") == b"value"


@pytest.mark.parametrize("fixture", ["s3_server", "moto_server"])
def test_s3_returns_the_bytes_put(fixture, request):
    client = s3_client(request.getfixturevalue(fixture).endpoint)
    client.create_bucket(Bucket="servers")
    client.put_object(Bucket="servers", Key="a/b", Body=b"bytes")
    assert client.get_object(Bucket="servers", Key="a/b")["Body"].read() == b"bytes"


def test_seaweedfs_refuses_a_wrong_secret(s3_server):
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        s3_client(s3_server.endpoint, secret_key="wrong").list_buckets()


def test_seaweedfs_takes_objects_as_soon_as_it_is_ready(tmp_path):
    with start_s3(tmp_path) as server:
        client = s3_client(server.endpoint)
        client.create_bucket(Bucket="at-once")
        client.put_object(Bucket="at-once", Key="key", Body=b"x" * 100_000)
    assert not [path for path in server.process.launch.leftovers if path.exists()]


def test_moto_enforces_credentials_when_asked(tmp_path):
    with (
        start_moto(tmp_path, open_actions=0) as server,
        pytest.raises(ClientError, match="InvalidAccessKeyId"),
    ):
        s3_client(server.endpoint).list_buckets()


def test_azurite_takes_a_right_crc64_and_refuses_a_wrong_one(azurite):
    with BlobServiceClient.from_connection_string(azurite.endpoint.connection_string) as service:
        blob = service.create_container("servers").get_blob_client("blob")
        blob.upload_blob(b"bytes", headers={"x-ms-content-crc64": crc64_header(b"bytes")})
        with pytest.raises(HttpResponseError, match="Crc64Mismatch"):
            blob.upload_blob(b"bytes", overwrite=True, headers={"x-ms-content-crc64": crc64_header(b"other")})
        assert blob.download_blob().readall() == b"bytes"


def test_azurite_keeps_table_rows(azurite):
    with TableServiceClient.from_connection_string(azurite.endpoint.connection_string) as service:
        table = service.create_table("servers")
        table.create_entity({"PartitionKey": "job", "RowKey": "1", "state": "ready"})
        assert table.get_entity("job", "1")["state"] == "ready"


def test_azurite_serves_several_accounts_from_disk(tmp_path):
    with start_azurite(tmp_path, in_memory=False, accounts=("control", "sink")) as server:
        for endpoint in server.endpoints.values():
            with BlobServiceClient.from_connection_string(endpoint.connection_string) as service:
                service.create_container("servers")
        assert list(server.endpoints) == ["control", "sink"]
        assert server.endpoint.account == "control"


@pytest.mark.parametrize("name", START)
def test_a_stopped_server_is_gone(name, tmp_path):
    server = START[name](tmp_path)
    pid = server.pid
    assert is_alive(pid)
    server.stop()
    server.stop()
    assert not is_alive(pid)


def test_servers_start_and_stop_in_parallel(tmp_path):
    with ThreadPoolExecutor(len(START)) as pool:
        servers = list(pool.map(lambda name: START[name](tmp_path / name), START))
    # The threads that asked for them have ended; the servers live on.
    assert all(server.process.is_running for server in servers)
    stop_all([server.process for server in servers])
    assert not any(server.process.is_running for server in servers)


@pytest.mark.parametrize(
    "end", ["sys.exit(3)", "os.kill(os.getpid(), 9)", "os.kill(os.getpid(), 15)", "os._exit(0)"]
)
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_no_server_outlives_the_process_that_started_it(end, tmp_path):
    program = (
        "import os, sys, pathlib\n"
        "from awcopy.demo.servers import start_redis\n"
        "print(start_redis(pathlib.Path(sys.argv[1])).pid, flush=True)\n" + end
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert wait_until_gone(int(done.stdout))


def test_a_server_that_ignores_the_request_to_stop_is_killed(tmp_path):
    (port,) = pick_ports(1)
    program, option, code = serving(port)
    deaf = [program, option, f"import signal; signal.signal({int(signal.SIGTERM)}, signal.SIG_IGN); {code}"]
    child = ChildProcess(Launch(name="deaf", command=deaf, folder=tmp_path, ports=[port]))
    child.start()
    child.stop(timeout_s=0.2)
    assert child.exit_code == -signal.SIGKILL


def test_a_server_that_does_not_start_says_why(tmp_path):
    broken = [sys.executable, "-c", "raise SystemExit('no licence')"]
    child = ChildProcess(Launch(name="broken", command=broken, folder=tmp_path, ports=[1]))
    with pytest.raises(ServiceUnreachable, match=r"(?s)broken ended with exit code 1.*no licence"):
        child.start()


def test_a_server_that_is_never_ready_is_ended(tmp_path):
    sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
    child = ChildProcess(Launch(name="sleeper", command=sleeper, folder=tmp_path, ports=[1]))
    with pytest.raises(ServiceUnreachable, match="sleeper was not ready after 0 s"):
        child.start(timeout_s=0.3)
    assert not child.is_running


def test_a_port_lost_to_another_process_is_replaced(tmp_path):
    with socket.create_server((LOOPBACK, 0)) as winner:
        tries = [[winner.getsockname()[1]], pick_ports(1)]
        expected = tries[1]

        def plan(ports):
            return Launch(name="late", command=serving(ports[0]), folder=tmp_path, ports=ports)

        child = start_on_free_ports(lambda: tries.pop(0), plan)
        child.stop()
    assert child.launch.ports == expected


def test_picked_ports_are_distinct_and_free():
    ports = pick_ports(20)
    assert len(set(ports)) == 20
    for port in ports:
        socket.create_server((LOOPBACK, port)).close()


def test_azurite_is_installed_once_also_by_two_at_the_same_time(tmp_path, monkeypatch):
    installs = []

    def fake_npm_ci(folder: Path, *, cache: Path) -> None:
        installs.append(folder)
        time.sleep(0.2)

    monkeypatch.setattr(azurite_install, "_npm_ci", fake_npm_ci)
    with ThreadPoolExecutor(2) as pool:
        scripts = list(pool.map(azurite_install.install_azurite, [tmp_path, tmp_path]))
    assert len(installs) == 1
    assert scripts[0] == scripts[1]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".lock",
        f"azurite-{azurite_install.AZURITE_VERSION}",
    ]
