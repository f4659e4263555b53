"""The connections of the data plane, against a server in this process that answers by script."""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from awcopy import http, http_wire
from awcopy.errors import ConnectionLost, IntegrityError, RequestRefused, UsageError
from awcopy.http import Answer, Origin, Pool, encode_path, parse_http_date, parse_origin

pytestmark = pytest.mark.enable_socket

OK = b'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: "e"\r\n\r\nhello'
RESET = object()  # in place of an answer: the connection is reset
HANG = object()  # in place of an answer: none comes
STALL = object()  # in place of an answer: the request is not even read


class Script:
    """A server on loopback. Each connection has a list of answers; after the last it is closed."""

    def __init__(self, *connections: list, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._connections = connections
        self.requests: list[bytes] = []
        self.accepted = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        self._done.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread
        self._listener.close()
        self._thread.join(5)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            for answers in self._connections:
                peer, _ = self._listener.accept()
                self.accepted += 1
                with self._tls.wrap_socket(peer, server_side=True) if self._tls else peer as wrapped:
                    self._talk(wrapped, answers)

    def _talk(self, peer: socket.socket, answers: list) -> None:
        for answer in answers:
            if answer is STALL:
                self._done.wait(5)
                return
            request = self._read_request(peer)
            if not request:
                return
            self.requests.append(request)
            if answer is RESET:
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            if answer is HANG:
                self._done.wait(5)
                return
            for piece in answer if isinstance(answer, list) else [answer]:
                peer.sendall(piece)
                time.sleep(0.01 if isinstance(answer, list) else 0)

    @staticmethod
    def _read_request(peer: socket.socket) -> bytes:
        received = b""
        while b"\r\n\r\n" not in received:
            piece = peer.recv(65536)
            if not piece:
                return b""
            received += piece
        head, _, body = received.partition(b"\r\n\r\n")
        lengths = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
        missing = int(lengths[0].split(b":")[1]) - len(body) if lengths else 0
        while missing > 0:
            piece = peer.recv(65536)
            received += piece
            missing -= len(piece)
        return received


@pytest.fixture
def serve() -> Iterator[Callable[..., tuple[Script, Pool]]]:
    with contextlib.ExitStack() as stack:

        def start(*connections: list, tls=None, **options) -> tuple[Script, Pool]:
            script = Script(*connections, tls=tls)
            options = {"url": script.url, "connections": 2, "read_timeout_s": 5.0, **options}
            pool = Pool(parse_origin(options.pop("url")), **options)
            stack.callback(script.close)
            stack.callback(pool.close)
            return script, pool

        yield start


def answer_of(head: str, body: bytes = b"") -> bytes:
    return head.replace("\n", "\r\n").encode("latin-1") + b"\r\n\r\n" + body


def get(pool: Pool, size_bytes: int | None = None) -> tuple[Answer, bytes]:
    buffer = bytearray(size_bytes or 0)
    into = None if size_bytes is None else memoryview(buffer)
    return pool.request("GET", "/x", {}, into=into), bytes(buffer)


def test_a_request_is_sent_as_it_is_given(serve):
    script, pool = serve([OK])
    pool.request("PUT", "/a/../b//%2F?q=1", {"X-One": "größe", "x-two": "2"}, b"body")
    head, _, body = script.requests[0].partition(b"\r\n\r\n")
    assert head.split(b"\r\n") == [
        b"PUT /a/../b//%2F?q=1 HTTP/1.1",
        b"Host: " + pool.origin.netloc.encode(),
        "X-One: größe".encode("latin-1"),
        b"x-two: 2",
        b"Content-Length: 4",
    ]
    assert body == b"body"


def test_a_get_has_no_length_and_an_empty_put_has_one(serve):
    script, pool = serve([OK, OK])
    pool.request("GET", "/", {})
    pool.request("PUT", "/", {}, memoryview(b""))
    assert b"Content-Length" not in script.requests[0]
    assert b"Content-Length: 0" in script.requests[1]


def test_a_body_is_returned_with_its_headers(serve):
    _, pool = serve([answer_of('HTTP/1.1 200 OK\nETag: "e"\nX-A: 1\nx-a:  2 \nContent-Length: 5', b"hello")])
    answer, _ = get(pool)
    assert answer == (200, {"etag": '"e"', "x-a": "1, 2", "content-length": "5"}, b"hello", 5)


def test_a_body_is_read_into_the_buffer(serve):
    _, pool = serve([[OK[:20], OK[20:-3], OK[-3:]]])
    answer, content = get(pool, 5)
    assert (answer.body, answer.length, content) == (b"", 5, b"hello")


def test_a_large_body_is_sent_and_read_whole(serve):
    content = bytes(range(256)) * 16_384
    script, pool = serve([answer_of(f"HTTP/1.1 200 OK\nContent-Length: {len(content)}", content)])
    buffer = bytearray(len(content))
    pool.request("PUT", "/", {}, memoryview(content), memoryview(buffer))
    assert buffer == content
    assert script.requests[0].endswith(content)


def test_one_connection_serves_many_requests(serve):
    script, pool = serve([OK, OK, OK])
    for _ in range(3):
        get(pool, 5)
    assert script.accepted == 1


@pytest.mark.parametrize(("declared", "size_bytes"), [(5, 4), (5, 6), (0, 1)])
def test_another_length_than_the_buffers_is_refused(serve, declared, size_bytes):
    _, pool = serve([answer_of(f"HTTP/1.1 200 OK\nContent-Length: {declared}", b"hello"[:declared])])
    with pytest.raises(IntegrityError):
        get(pool, size_bytes)


@pytest.mark.parametrize("size_bytes", [None, 5])
def test_a_body_that_is_cut_short_is_a_lost_connection(serve, size_bytes):
    _, pool = serve([OK[:-2]])
    with pytest.raises(ConnectionLost, match="after 3 of 5 bytes"):
        get(pool, size_bytes)


def test_a_head_that_is_cut_short_is_a_lost_connection(serve):
    script, pool = serve([OK[:10]], [OK])
    with pytest.raises(ConnectionLost):
        get(pool)
    assert script.accepted == 1


@pytest.mark.parametrize("size_bytes", [None, 5])
def test_bytes_beyond_the_answer_end_the_connection(serve, size_bytes):
    script, pool = serve([OK + b"HTTP/1.1 500"], [OK])
    get(pool, size_bytes)
    answer, _ = get(pool, size_bytes)
    assert (answer.status, script.accepted) == (200, 2)


@pytest.mark.parametrize("size_bytes", [None, 10])
def test_chunks_are_put_together(serve, size_bytes):
    chunks = [b"5;ext=1\r\nhello\r\n", b"A"[:0], b"5\r\n", b"world\r\n0\r\nTrailer: x\r\n\r\n"]
    head = answer_of("HTTP/1.1 200 OK\nTransfer-Encoding: chunked")
    script, pool = serve([[head, *chunks], OK])
    answer, content = get(pool, size_bytes)
    assert (answer.body or content, answer.length) == (b"helloworld", 10)
    get(pool)
    assert script.accepted == 1


def test_many_small_chunks_are_put_together(serve):
    body = b"".join(b"%x\r\n%s\r\n" % (size, b"x" * size) for size in range(1, 800)) + b"0\r\n\r\n"
    _, pool = serve([answer_of("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", body)])
    assert get(pool)[0].body == b"x" * sum(range(1, 800))


@pytest.mark.parametrize("limit", range(128, 138))
def test_what_is_buffered_moves_to_the_front_when_the_buffer_ends(serve, monkeypatch, limit):
    monkeypatch.setattr(http_wire, "HEAD_LIMIT_BYTES", limit)
    body = b"".join(b"%x\r\n%s\r\n" % (size, b"x" * size) for size in range(1, 40)) + b"0\r\n\r\n"
    interim = b"HTTP/1.1 100 Continue\r\nX: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n\r\n"
    head = answer_of("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nX: bbbbbbbbbbbbbbbbbbbbbbb")
    _, pool = serve([interim + head + body])
    assert get(pool)[0].body == b"x" * sum(range(1, 40))


@pytest.mark.parametrize("size_bytes", [9, 11])
def test_chunks_of_another_length_are_refused(serve, size_bytes):
    body = b"5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n"
    _, pool = serve([answer_of("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", body)])
    with pytest.raises(IntegrityError):
        get(pool, size_bytes)


@pytest.mark.parametrize("body", [b"5\r\nhel", b"5\r\nhello\r\n", b"x\r\n", b"-1\r\n", b"\r\n", b"1" * 9000])
def test_broken_chunks_are_a_lost_connection(serve, body):
    _, pool = serve([answer_of("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", body)])
    with pytest.raises(ConnectionLost):
        get(pool)


def test_a_body_without_a_length_ends_with_the_connection(serve):
    script, pool = serve([answer_of("HTTP/1.1 200 OK", b"hello")], [answer_of("HTTP/1.0 200 OK", b"hello")])
    assert get(pool)[0].body == b"hello"
    assert get(pool, 5)[1] == b"hello"
    assert script.accepted == 2


@pytest.mark.parametrize(("size_bytes", "error"), [(4, IntegrityError), (6, ConnectionLost)])
def test_a_body_without_a_length_must_fill_the_buffer(serve, size_bytes, error):
    _, pool = serve([answer_of("HTTP/1.1 200 OK", b"hello")])
    with pytest.raises(error):
        get(pool, size_bytes)


def test_continue_and_its_like_come_before_the_answer(serve):
    _, pool = serve([b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK])
    assert get(pool, 5)[0].headers["etag"] == '"e"'


@pytest.mark.parametrize(
    ("method", "head"),
    [
        ("HEAD", "HTTP/1.1 200 OK\nContent-Length: 5"),
        ("GET", "HTTP/1.1 204 None"),
        ("GET", "HTTP/1.1 304 Same"),
    ],
)
def test_some_answers_have_no_body(serve, method, head):
    script, pool = serve([answer_of(head), OK])
    assert pool.request(method, "/", {}).length == 0
    get(pool)
    assert script.accepted == 1


def test_the_server_may_close_after_its_answer(serve):
    closing = OK.replace(b"ETag", b"Connection: close\r\nETag")
    script, pool = serve([closing], [OK])
    get(pool)
    get(pool)
    assert script.accepted == 2


@pytest.mark.parametrize("status", [301, 404, 503])
def test_the_body_of_an_error_is_returned_not_put_into_the_buffer(serve, status):
    script, pool = serve([answer_of(f"HTTP/1.1 {status} No\nContent-Length: 5", b"<Bad>"), OK])
    answer, content = get(pool, 5)
    assert (answer.status, answer.body, content) == (status, b"<Bad>", bytes(5))
    get(pool, 5)
    assert script.accepted == 1


@pytest.mark.parametrize(
    "framing", ["Content-Length: 100000", "Transfer-Encoding: chunked", "X: until close"]
)
def test_at_most_64_kib_of_an_error_are_read(serve, framing):
    body = b"x" * 100_000
    if "chunked" in framing:
        body = b"F000\r\n" + b"x" * 0xF000 + b"\r\nF000\r\n" + b"x" * 0xF000 + b"\r\n0\r\n\r\n"
    script, pool = serve([answer_of(f"HTTP/1.1 400 No\n{framing}", body)], [OK])
    answer, _ = get(pool)
    assert 0xF000 <= answer.length <= http_wire.ERROR_BODY_LIMIT_BYTES
    get(pool)
    assert script.accepted == 2


def test_a_body_beyond_all_measure_is_refused(serve, monkeypatch):
    monkeypatch.setattr(http_wire, "BODY_LIMIT_BYTES", 4)
    _, pool = serve([OK])
    with pytest.raises(IntegrityError):
        get(pool)


@pytest.mark.parametrize(
    "head",
    [
        "HTTP/2 200 OK\nContent-Length: 5",
        "HTTP/1.1 abc OK\nContent-Length: 5",
        "HTTP/1.1 200 OK\nContent-Length: +5",
        "HTTP/1.1 200 OK\nContent-Length: 5\nContent-Length: 5",
        "HTTP/1.1 200 OK\nContent-Length: 5\nTransfer-Encoding: chunked",
        "HTTP/1.1 200 OK\nTransfer-Encoding: gzip, chunked",
        "HTTP/1.1 200 OK\nno colon",
        "HTTP/1.1 200 OK\n: no name",
        "HTTP/1.1 200 OK\nName : value",
        "HTTP/1.1 200 OK\nFolded: a\n b",
        "HTTP/1.1 200 OK\nX: " + "y" * 70_000,
    ],
)
def test_a_head_that_cannot_be_trusted_is_a_lost_connection(serve, head):
    _, pool = serve([answer_of(head, b"hello")])
    with pytest.raises(ConnectionLost) as caught:
        get(pool)
    assert caught.value.service_code == "garbled"


def test_a_bare_line_feed_within_a_head_is_refused(serve):
    _, pool = serve([b"HTTP/1.1 200 OK\r\nX: a\nY: b\r\nContent-Length: 0\r\n\r\n"])
    with pytest.raises(ConnectionLost):
        get(pool)


def test_a_large_head_is_read_whole(serve):
    _, pool = serve([answer_of("HTTP/1.1 200 OK\nContent-Length: 5\nX: " + "y" * 60_000, b"hello")])
    answer, content = get(pool, 5)
    assert (len(answer.headers["x"]), content) == (60_000, b"hello")


def test_the_check_refuses_an_answer_before_its_body_is_read(serve):
    script, pool = serve([OK], [OK])
    buffer = bytearray(5)

    def refuse(status: int, headers: dict[str, str]) -> None:
        raise RequestRefused(headers["etag"], status=status)

    with pytest.raises(RequestRefused):
        pool.request("GET", "/", {}, into=memoryview(buffer), check=refuse)
    assert buffer == bytes(5)
    get(pool, 5)
    assert script.accepted == 2


def test_a_connection_that_was_closed_at_rest_is_replaced(serve):
    script, pool = serve([OK], [OK])
    get(pool)
    while not pool._idle[-1].is_readable():  # the server's closing arrives in its own time
        time.sleep(0.01)
    pool.request("PUT", "/", {}, b"once", is_repeatable=False)
    assert script.accepted == 2


@pytest.mark.parametrize("way", [RESET, b""])
def test_a_used_connection_that_breaks_before_the_answer_is_tried_once_anew(serve, way):
    script, pool = serve([OK, way], [OK])
    get(pool)
    assert get(pool)[0].status == 200
    assert script.accepted == 2


def test_a_request_that_must_not_be_repeated_is_not(serve):
    script, pool = serve([OK, RESET], [OK])
    get(pool)
    with pytest.raises(ConnectionLost):
        pool.request("PUT", "/", {}, b"x", is_repeatable=False)
    assert script.accepted == 1


@pytest.mark.parametrize("way", [RESET, b""])
def test_a_new_connection_that_breaks_is_lost(serve, way):
    script, pool = serve([way], [OK])
    with pytest.raises(ConnectionLost) as caught:
        get(pool)
    assert (caught.value.service_code, script.accepted) == ("closed", 1)


def test_a_used_connection_that_breaks_within_the_answer_is_lost(serve):
    script, pool = serve([OK, OK[:-1]], [OK])
    get(pool)
    with pytest.raises(ConnectionLost):
        get(pool)
    assert script.accepted == 1


def test_silence_is_a_lost_connection(serve):
    _, pool = serve([HANG], read_timeout_s=0.2)
    with pytest.raises(ConnectionLost, match="silent") as caught:
        get(pool)
    assert caught.value.service_code == "timeout"


def test_silence_within_a_body_is_a_lost_connection(serve):
    _, pool = serve([[OK[:-2]], HANG], read_timeout_s=0.2)
    with pytest.raises(ConnectionLost) as caught:
        get(pool, 5)
    assert caught.value.service_code == "timeout"


def test_an_old_connection_is_not_used_again(serve, monkeypatch):
    script, pool = serve([OK], [OK])
    get(pool)
    monkeypatch.setattr(http, "IDLE_LIMIT_S", -1.0)
    pool.request("GET", "/", {})
    assert script.accepted == 2


def test_closing_gives_up_what_rests_and_no_more(serve):
    script, pool = serve([OK], [OK])
    get(pool)
    pool.close()
    get(pool)
    assert script.accepted == 2


def test_no_more_connections_than_allowed_are_open(serve):
    script, pool = serve([OK] * 1, *[[OK] * 40], connections=1)
    threads = [threading.Thread(target=get, args=(pool,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert script.accepted <= 2
    assert len(script.requests) == 8


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        ("/", {"x": "a\r\nb: c"}),
        ("/", {"x": "a\nb"}),
        ("/", {"x": "€"}),
        ("/", {"x\r": "a"}),
        ("/a b", {}),
        ("/\n", {}),
    ],
)
def test_what_http_cannot_carry_is_refused(target, headers):
    pool = Pool(Origin(scheme="http", host="127.0.0.1", port=1), connections=1)
    with pytest.raises(RequestRefused):
        pool.request("GET", target, headers)


def test_a_port_where_nobody_listens_is_a_lost_connection():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectionLost) as caught:
        get(Pool(parse_origin(f"http://127.0.0.1:{port}"), connections=1))
    assert caught.value.service_code == "connect"


def test_a_host_without_an_address_is_told_apart(monkeypatch):
    def fail(*_: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "create_connection", fail)
    with pytest.raises(ConnectionLost) as caught:
        get(Pool(parse_origin("https://nowhere.invalid"), connections=1))
    assert caught.value.service_code == "dns"


def test_a_connection_that_is_not_taken_in_time_is_lost(monkeypatch):
    def fail(*_: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", fail)
    with pytest.raises(ConnectionLost) as caught:
        get(Pool(parse_origin("https://nowhere.invalid"), connections=1))
    assert caught.value.service_code == "connect"


def test_a_request_that_is_not_taken_off_is_a_lost_connection(serve):
    _, pool = serve([STALL], read_timeout_s=0.2)
    with pytest.raises(ConnectionLost) as caught:
        pool.request("PUT", "/", {}, memoryview(bytearray(32 * 2**20)))
    assert caught.value.service_code == "timeout"


def test_an_answer_that_comes_before_the_body_was_taken_is_read(serve):
    early = answer_of("HTTP/1.1 403 No\nContent-Length: 2\nConnection: close", b"no")
    _, pool = serve([OK, early])
    get(pool)
    broken = BrokenPipeError()

    def send(*_: object) -> int:
        raise broken

    connection = pool._take_idle()
    connection._sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
    connection._send_both = send
    connection.send(b"x", b"y")
    assert connection.read_answer("PUT", None, None).status == 403
    connection.close()


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server's side of TLS for 127.0.0.1, whose certificate this process trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + dt.timedelta(days=1))
    certificate = builder.add_extension(address, critical=False).sign(key, hashes.SHA256())
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "both.pem").write_bytes(pem + certificate.public_bytes(serialization.Encoding.PEM))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "both.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "both.pem")
    return context


@pytest.mark.parametrize("size_bytes", [10, 2_000_000])
def test_bytes_travel_over_tls(serve, tls, size_bytes):
    content = b"x" * size_bytes
    answer = answer_of(f"HTTP/1.1 200 OK\nContent-Length: {size_bytes}", content)
    script, _ = serve([answer, answer], tls=tls)
    pool = Pool(parse_origin(plain_to_tls(script.url)), connections=1, read_timeout_s=5.0)
    for _ in range(2):
        buffer = bytearray(size_bytes)
        pool.request("PUT", "/", {}, memoryview(content), memoryview(buffer))
        assert buffer == content
    pool.close()
    assert [request.endswith(content) for request in script.requests] == [True, True]
    assert script.accepted == 1


def test_a_certificate_that_nobody_vouches_for_is_refused(serve, tls, monkeypatch):
    script, _ = serve([OK], tls=tls)
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(ConnectionLost, match="cannot be trusted") as caught:
        get(Pool(parse_origin(plain_to_tls(script.url)), connections=1))
    assert caught.value.hint


def plain_to_tls(url: str) -> str:
    return url.replace("http:", "https:")


def test_a_server_that_speaks_no_tls_is_a_lost_connection(serve):
    script, _ = serve([b"HTTP/1.1 400 No\r\n\r\n"])
    pool = Pool(parse_origin(plain_to_tls(script.url)), connections=1, connect_timeout_s=0.5)
    with pytest.raises(ConnectionLost) as caught:
        get(pool)
    assert caught.value.service_code == "tls"


def test_a_proxy_is_told_the_whole_address(serve):
    script, pool = serve([OK])
    proxy = script.url.replace("http://", "http://me:p%40ss@")
    proxied = Pool(parse_origin("http://store.example:8080"), connections=1, proxy_url=proxy)
    get(proxied, 5)
    proxied.close()
    pool.close()
    lines = script.requests[0].split(b"\r\n")
    assert lines[:3] == [
        b"GET http://store.example:8080/x HTTP/1.1",
        b"Host: store.example:8080",
        b"Proxy-Authorization: Basic bWU6cEBzcw==",
    ]


def test_a_proxy_opens_a_tunnel_for_tls(serve):
    script, _ = serve([b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"])
    pool = Pool(parse_origin("https://store.example"), connections=1, proxy_url=script.url)
    with pytest.raises(ConnectionLost, match="proxy") as caught:
        get(pool)
    assert caught.value.status == 407
    assert script.requests[0].startswith(b"CONNECT store.example:443 HTTP/1.1\r\nHost: store.example:443\r\n")


def test_a_proxy_over_tls_is_refused():
    with pytest.raises(UsageError):
        Pool(parse_origin("https://a"), connections=1, proxy_url="https://proxy:3128")


@pytest.mark.parametrize(
    ("url", "netloc"),
    [
        ("https://a.example", "a.example"),
        ("https://a.example:443/x", "a.example"),
        ("http://a.example:443", "a.example:443"),
        ("http://[::1]:80", "[::1]"),
        ("http://[::1]:8333", "[::1]:8333"),
    ],
)
def test_the_host_header_names_a_port_where_it_must(url, netloc):
    assert parse_origin(url).netloc == netloc


@pytest.mark.parametrize("url", ["", "a.example", "ftp://a", "https://", "http://a:port", "http://[::1"])
def test_what_is_no_address_is_refused(url):
    with pytest.raises(UsageError):
        parse_origin(url)


def test_names_are_encoded_but_for_slashes_and_dots():
    assert encode_path("a//b/../~c-_.1") == "a//b/../~c-_.1"
    assert encode_path("ü b%+?#&") == "%C3%BC%20b%25%2B%3F%23%26"


def test_dates_of_http_are_read():
    assert parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT") == datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)
    for text in (
        "",
        "1994-11-06T08:49:37Z",
        "Sun, 06 Xyz 1994 08:49:37 GMT",
        "Sun, 99 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49",
    ):
        with pytest.raises(ValueError, match=r".*"):
            parse_http_date(text)


def test_an_authority_of_ones_own_is_trusted_beside_the_systems(serve, tls, tmp_path, monkeypatch):
    script, _ = serve([OK], tls=tls)
    monkeypatch.delenv("SSL_CERT_FILE")
    pool = Pool(parse_origin(plain_to_tls(script.url)), connections=1, ca_files=[str(tmp_path / "both.pem")])
    assert get(pool, 5)[1] == b"hello"
    pool.close()


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_without_certificates_is_named(tmp_path, content):
    path = tmp_path / "ca.pem"
    if content:
        path.write_text(content)
    with pytest.raises(UsageError, match=r"ca\.pem"):
        Pool(parse_origin("https://a"), connections=1, ca_files=[str(path)])
