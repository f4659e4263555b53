"""Each fault tool does exactly what it says, or no fault test means anything."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import boto3
import pytest
from azure.storage.blob import BlobServiceClient
from botocore.config import Config

from awcopy.demo.processes import ChildProcess, Launch
from awcopy.demo.servers import AzuriteServer, S3Server
from awcopy.units import KIB, MIB
from tests.faults.fleet import content_of
from tests.faults.http_proxy import (
    APPLY_THEN_DROP,
    APPLY_THEN_RESET,
    Drop,
    Exchange,
    Fault,
    HttpProxy,
    Op,
    refuse,
)
from tests.faults.processes import (
    children_of,
    full_disk,
    is_alive,
    owner_of_port,
    started_at,
    stopped,
    wait_until,
)
from tests.faults.tcp_proxy import DOWN, UP, TcpProxy

BODY = content_of("body", 300 * KIB)


class Store(BaseHTTPRequestHandler):
    """Answers GET and HEAD with one body, and keeps what is PUT whole."""

    protocol_version = "HTTP/1.1"
    kept: ClassVar[dict[str, bytes]] = {}
    hosts: ClassVar[list[str]] = []
    cut_short: ClassVar[list[int]] = []

    def do_GET(self) -> None:
        self.hosts.append(f"{self.headers['Host']} {self.path}")
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.send_header("ETag", '"right"')
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(BODY)

    do_HEAD = do_GET  # noqa: N815 - the base class's name

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if len(body) < int(self.headers["Content-Length"]):
            self.cut_short.append(len(body))
            return
        self.kept[self.path] = body
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


class StoreServer(ThreadingHTTPServer):
    """The same, and quiet about clients that go away."""

    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def store_port() -> Iterator[int]:
    Store.kept, Store.hosts, Store.cut_short = {}, [], []
    with StoreServer(("127.0.0.1", 0), Store) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.fixture
def short_port() -> Iterator[int]:
    """The port of a server that answers one request, and gives the connection up at once without a word."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def test_a_connection_that_the_server_gives_up_ends_for_the_client_too(short_port: int, seed: int) -> None:
    with (
        HttpProxy(short_port, "azure", seed=seed) as proxy,
        socket.create_connection(("127.0.0.1", proxy.port), 10) as client,
    ):
        client.sendall(b"GET /account/container/blob HTTP/1.1\r\nHost: h\r\n\r\n")
        answers = b"".join(iter(lambda: client.recv(1000), b""))
    assert answers == b"HTTP/1.1 204 No Content\r\n\r\n"


@pytest.fixture
def wire(store_port: int) -> Iterator[TcpProxy]:
    with TcpProxy(store_port) as proxy:
        yield proxy


@pytest.fixture
def s3(store_port: int, seed: int) -> Iterator[HttpProxy]:
    with HttpProxy(store_port, "s3", seed=seed) as proxy:
        yield proxy


@pytest.fixture
def azure(store_port: int, seed: int) -> Iterator[HttpProxy]:
    with HttpProxy(store_port, "azure", seed=seed) as proxy:
        yield proxy


def ask(
    port: int, path: str = "/bucket/key", method: str = "GET", body: bytes | None = None
) -> tuple[int, bytes]:
    """Return the status and the body of one request on a connection of its own."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request(method, path, body=body)
        with connection.getresponse() as answer:
            return answer.status, answer.read()


def raw(port: int, request: bytes) -> bytes:
    """Return all that comes back until the other side ends the connection."""
    with socket.create_connection(("127.0.0.1", port), 10) as sock:
        sock.sendall(request)
        received = b""
        while piece := sock.recv(64 * KIB):
            received += piece
        return received


# --- the TCP proxy


def test_tcp_proxy_passes_all_bytes_on(wire: TcpProxy) -> None:
    assert ask(wire.port) == (200, BODY)
    assert ask(wire.port, method="PUT", body=BODY) == (201, b"")
    assert Store.kept["/bucket/key"] == BODY


def test_tcp_proxy_cuts_after_exactly_n_bytes_as_often_as_asked(wire: TcpProxy) -> None:
    request = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    whole = len(raw(wire.port, request))
    wire.cut_after(100_001, times=2)
    assert [len(raw(wire.port, request)) for _ in range(3)] == [100_001, 100_001, whole]
    assert wire.cuts == 2


def test_tcp_proxy_cuts_what_the_client_sends(wire: TcpProxy) -> None:
    wire.cut_after(50_000, direction=UP)
    head = b"PUT / HTTP/1.1\r\nContent-Length: 300000\r\n\r\n"
    assert raw(wire.port, head + BODY[: 50_000 - len(head) + 1]) == b""
    wait_until("the store sees the end", lambda: Store.cut_short, within_s=5)
    assert Store.cut_short == [50_000 - len(head)]


@pytest.mark.parametrize("by", ["cut", "order"])
def test_tcp_proxy_resets(wire: TcpProxy, by: str) -> None:
    if by == "cut":
        wire.cut_after(1000, is_reset=True)
        with pytest.raises(ConnectionResetError):
            raw(wire.port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        return
    with socket.create_connection(("127.0.0.1", wire.port), 10) as sock:
        wait_until("the proxy has the connection", lambda: wire.connections, within_s=5)
        wait_until("it was reset", wire.reset_all, within_s=5)
        with pytest.raises(ConnectionResetError):
            sock.recv(1)


def test_tcp_proxy_delays_without_slowing_down_the_flow(wire: TcpProxy) -> None:
    wire.delay_s[DOWN] = 0.3
    begun = time.monotonic()
    assert ask(wire.port) == (200, BODY)
    assert 0.3 <= time.monotonic() - begun < 1.2  # each of the five or more pieces waits, at the same time


def test_tcp_proxy_falls_silent_and_loses_nothing(wire: TcpProxy) -> None:
    wire.blackhole()
    with socket.create_connection(("127.0.0.1", wire.port), 10) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        sock.settimeout(0.3)
        with pytest.raises(TimeoutError):
            sock.recv(1)
        wire.heal()
        sock.settimeout(10)
        assert sock.recv(12) == b"HTTP/1.1 200"


def test_tcp_proxy_refuses_and_takes_connections_again(wire: TcpProxy) -> None:
    wire.refuse()
    with pytest.raises(ConnectionRefusedError):
        ask(wire.port)
    wire.heal()
    assert ask(wire.port) == (200, BODY)


# --- the HTTP proxy


def test_http_proxy_keeps_host_target_and_connection(s3: HttpProxy) -> None:
    target = "/bucket/a%2Fb//%C3%BC.txt?x=%20&y"
    with closing(http.client.HTTPConnection("127.0.0.1", s3.port, timeout=10)) as connection:
        for _ in range(3):
            connection.request("GET", target)
            assert connection.getresponse().read() == BODY
        assert connection.sock is not None
    assert Store.hosts == [f"127.0.0.1:{s3.port} {target}"] * 3
    assert len({one.client_port for one in s3.log.all()}) == 1


def test_http_proxy_logs_what_was_asked_and_what_became_of_it(azure: HttpProxy) -> None:
    ask(azure.port, "/account/box/a%20b?comp=block&blockid=QUJD", "PUT", b"12345")
    ask(azure.port, "/account/box/a%20b?comp=blocklist", "PUT", b"<x/>")
    ask(azure.port, "/account/box?restype=container&comp=list")
    (staged,) = azure.log.staged("a b")
    assert (staged.place, staged.block_id, staged.status, staged.sent_bytes) == ("box", "QUJD", 201, 5)
    assert staged.seconds is not None
    assert [one.op for one in azure.log.all()] == [Op.PUT_BLOCK, Op.COMMIT, Op.LIST]
    assert azure.log.commits("a b")[0].path == "/account/box/a%20b"
    assert not azure.log.under_way()
    assert not azure.log.deletes()


def test_http_proxy_logs_ranges(s3: HttpProxy) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", s3.port, timeout=10)) as connection:
        connection.request("GET", "/b/k", headers={"Range": "bytes=8-15"})
        connection.getresponse().read()
    assert [one.range for one in s3.log.gets("k")] == [(8, 15)]


def test_rules_fire_as_often_as_said_and_after_as_many_as_said(s3: HttpProxy) -> None:
    rule = s3.add(
        refuse(503, "SlowDown", retry_after_s=1), Op.GET, name="key", after=1, times=2, title="slow"
    )
    statuses = [ask(s3.port)[0] for _ in range(5)]
    assert statuses == [200, 503, 503, 200, 200]
    assert (rule.matched, rule.fired) == (5, 2)
    assert s3.log.faults() == {"slow": 2}
    assert [one.status for one in s3.log.gets()] == [200, 0, 0, 200, 200]


def test_rules_leave_other_requests_alone(s3: HttpProxy) -> None:
    s3.add(refuse(500, "InternalError"), Op.PUT, name="other")
    assert ask(s3.port)[0] == 200
    assert ask(s3.port, method="PUT", body=b"x")[0] == 201


def test_one_seed_is_one_run_whatever_the_order(store_port: int) -> None:
    def run(seed: int, paths: list[str]) -> list[str]:
        with HttpProxy(store_port, "s3", seed=seed) as proxy:
            proxy.add(refuse(500, "InternalError"), probability=0.3)
            for path in paths:
                ask(proxy.port, path, "HEAD")
            return sorted(one.path for one in proxy.log.all() if one.fault)

    paths = [f"/b/{number}" for number in range(60)] * 2
    hit = run(7, paths)
    assert 15 <= len(hit) <= 60
    assert run(7, paths[::-1]) == hit
    assert run(8, paths) != hit


@pytest.mark.parametrize("service", ["s3", "azure"])
def test_answers_look_like_the_stores_own(store_port: int, service: str) -> None:
    with HttpProxy(store_port, service) as proxy:
        proxy.add(refuse(503, "SlowDown", retry_after_s=3))
        with closing(http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=10)) as connection:
            connection.request("PUT", "/a/b/c", body=BODY)
            with connection.getresponse() as answer:
                text = answer.read()
                assert (answer.status, answer.headers["Retry-After"]) == (503, "3")
                assert b"<Code>SlowDown</Code>" in text
                assert (answer.headers["x-ms-error-code"] == "SlowDown") == (service == "azure")
            connection.request("HEAD", "/a/b/c")  # on the same connection
            assert connection.getresponse().status == 503
    assert Store.kept == {}


def test_truncating_sends_exactly_n_bytes_then_closes(s3: HttpProxy) -> None:
    s3.add(Fault(cut_after=70_000), Op.GET)
    with pytest.raises(http.client.IncompleteRead) as caught:
        ask(s3.port)
    assert caught.value.partial == BODY[:70_000]
    assert s3.log.gets()[0].received_bytes == 70_000


def test_shortening_looks_like_a_whole_answer(s3: HttpProxy) -> None:
    s3.add(Fault(shorten_by=1), Op.GET)
    assert ask(s3.port) == (200, BODY[:-1])


@pytest.mark.parametrize("at", [0, 65_536, 200_000, len(BODY) - 1])
def test_flipping_changes_one_byte_and_no_more(s3: HttpProxy, at: int) -> None:
    s3.add(Fault(flip_received=at), Op.GET)
    s3.add(Fault(flip_sent=at), Op.PUT)
    _, received = ask(s3.port)
    ask(s3.port, method="PUT", body=BODY)
    for changed in (received, Store.kept["/bucket/key"]):
        assert [index for index, byte in enumerate(changed) if byte != BODY[index]] == [at]
        assert len(changed) == len(BODY)


def test_a_header_can_be_replaced(s3: HttpProxy) -> None:
    s3.add(Fault(headers={"etag": '"wrong"'}), Op.GET)
    with closing(http.client.HTTPConnection("127.0.0.1", s3.port, timeout=10)) as connection:
        connection.request("GET", "/b/k")
        with connection.getresponse() as answer:
            assert answer.headers.get_all("ETag") == ['"wrong"']
            assert answer.read() == BODY


@pytest.mark.parametrize(
    ("fault", "is_done"),
    [(APPLY_THEN_DROP, True), (APPLY_THEN_RESET, True), (Fault(drop=Drop.BEFORE), False)],
)
def test_dropping_before_or_after_the_store_has_acted(s3: HttpProxy, fault: Fault, is_done: bool) -> None:
    s3.add(fault, times=1)
    with pytest.raises(ConnectionError):
        ask(s3.port, method="PUT", body=b"content")
    assert ("/bucket/key" in Store.kept) == is_done
    assert s3.log.puts()[0].status == (201 if is_done else 0)


def test_an_error_can_be_answered_after_the_store_has_acted(s3: HttpProxy) -> None:
    s3.add(refuse(500, "OperationTimedOut", is_applied=True), times=1)
    assert ask(s3.port, method="PUT", body=b"content")[0] == 500
    assert Store.kept == {"/bucket/key": b"content"}


def test_a_callback_runs_before_the_request_is_passed_on(s3: HttpProxy) -> None:
    seen: list[tuple[Exchange, int]] = []
    s3.add(Fault(call=lambda one: seen.append((one, len(Store.kept)))), Op.PUT)
    assert ask(s3.port, method="PUT", body=b"content")[0] == 201
    assert [(one.name, count) for one, count in seen] == [("key", 0)]


def test_delays(s3: HttpProxy) -> None:
    s3.add(Fault(delay_s=0.3), times=1)
    begun = time.monotonic()
    ask(s3.port)
    assert time.monotonic() - begun >= 0.3


def test_the_s3_server_takes_signatures_made_for_the_proxy(s3_server: S3Server, seed: int) -> None:
    key, body = "a b/ü+%41.bin", content_of("signed", 9 * MIB)
    with HttpProxy(s3_server.process.launch.ports[0], "s3", seed=seed) as proxy:
        client = boto3.client(
            "s3",
            endpoint_url=proxy.url,
            aws_access_key_id=s3_server.endpoint.access_key,
            aws_secret_access_key=s3_server.endpoint.secret_key,
            region_name=s3_server.endpoint.region,
            config=Config(s3={"addressing_style": "path"}),
        )
        with closing(client):
            client.create_bucket(Bucket="through-a-proxy")
            client.put_object(Bucket="through-a-proxy", Key=key, Body=body)
            with closing(client.get_object(Bucket="through-a-proxy", Key=key)["Body"]) as stream:
                assert stream.read() == body
        assert [one.status for one in proxy.log.gets(key)] == [200]


def test_azurite_takes_signatures_made_for_the_proxy(azurite: AzuriteServer, seed: int) -> None:
    body = content_of("signed", 9 * MIB)
    with HttpProxy(azurite.process.launch.ports[0], "azure", seed=seed) as proxy:
        account = azurite.endpoint.account
        url = f"{proxy.url}/{account}"
        with BlobServiceClient(url, credential=azurite.endpoint.key, api_version="2025-11-05") as blobs:
            container = blobs.create_container("through-a-proxy")
            container.upload_blob("a b/ü.bin", body)
            assert container.download_blob("a b/ü.bin").readall() == body
        assert {one.status for one in proxy.log.puts("a b/ü.bin")} == {201}


def test_the_http_proxy_is_no_bottleneck(s3: HttpProxy) -> None:
    """At 50 MiB/s the stores, not the proxy, decide how long a fault test takes."""
    rounds = 200
    with closing(http.client.HTTPConnection("127.0.0.1", s3.port, timeout=10)) as connection:
        begun = time.monotonic()
        for _ in range(rounds):
            connection.request("GET", "/b/k")
            assert len(connection.getresponse().read()) == len(BODY)
    assert rounds * len(BODY) / (time.monotonic() - begun) > 50 * MIB


# --- processes

_SLEEPER = "import time; time.sleep(60)"
_PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {_SLEEPER!r}])"


@pytest.fixture
def parent() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", _PARENT]) as process:
        wait_until("it has a child", lambda: children_of(process.pid), within_s=10)
        child = children_of(process.pid)[0]
        yield process
        process.kill()
        os.kill(child, 9)


def test_children_and_their_death_are_seen(parent: subprocess.Popen[bytes]) -> None:
    (child,) = children_of(parent.pid)
    assert is_alive(child)
    assert started_at(child) >= started_at(parent.pid) > 0
    assert owner_of_port(1, {1}, [parent.pid, child]) == 0


def test_a_stopped_process_goes_on_afterwards(parent: subprocess.Popen[bytes]) -> None:
    (child,) = children_of(parent.pid)
    with stopped(child):
        wait_until("it is stopped", lambda: _state(child) == "T", within_s=5)
        assert is_alive(child)
    wait_until("it goes on", lambda: _state(child) != "T", within_s=5)


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]


def test_the_owner_of_a_connection_is_found(store_port: int) -> None:
    with socket.create_connection(("127.0.0.1", store_port), 10) as sock:
        port = sock.getsockname()[1]
        assert owner_of_port(port, {store_port}, [os.getpid()]) == os.getpid()
        assert owner_of_port(port, {store_port + 1}, [os.getpid()]) == 0


def test_a_full_disk_fails_writes_until_there_is_room_again(tmp_path) -> None:
    writer = (
        "import os, sys, time\n"
        "with open('out', 'wb', 0) as out:\n"
        "    while True:\n"
        "        try: out.write(b'x' * 100)\n"
        "        except OSError: open('errors', 'ab', 0).close()\n"
        "        time.sleep(0.01)\n"
    )
    child = ChildProcess(Launch(name="writer", command=[sys.executable, "-c", writer], folder=tmp_path))
    child.start()
    try:
        wait_until("it writes", lambda: _size(tmp_path / "out") > 0, within_s=10)
        with full_disk(child.pid):
            wait_until("a write fails", (tmp_path / "errors").exists, within_s=10)
            size = _size(tmp_path / "out")
        wait_until("it writes again", lambda: _size(tmp_path / "out") > size, within_s=10)
        assert child.is_running
    finally:
        child.kill()


def _size(path) -> int:
    return path.stat().st_size if path.exists() else 0
