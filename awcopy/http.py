"""A bounded pool of persistent HTTP/1.1 connections to one origin: the road of the copied bytes.

Owns connecting (directly, by TLS, through a proxy) and the reuse of connections. Knows nothing of S3 or
Azure, retries nothing but a connection that was dead before it was used, and names no target in a message,
since targets may be signed.
"""

from __future__ import annotations

import base64
import queue
import re
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from awcopy.errors import ConnectionLost, RequestRefused, UsageError
from awcopy.http_wire import Answer, Body, Connection, HeadCheck, Headers, PeerGone, reason_of

__all__ = [
    "Answer",
    "HeadCheck",
    "Headers",
    "Origin",
    "Pool",
    "encode_path",
    "parse_http_date",
    "parse_origin",
]

CONNECT_TIMEOUT_S: Final = 10.0
READ_TIMEOUT_S: Final = 60.0
# Load balancers forget idle connections without a word; Azure's after four minutes, Amazon's after about one.
IDLE_LIMIT_S: Final = 50.0
_PORTS: Final = {"http": 80, "https": 443}
_MONTHS: Final = {
    "Jan": "01", "Feb": "02", "Mar": "03", "Apr": "04", "May": "05", "Jun": "06",
    "Jul": "07", "Aug": "08", "Sep": "09", "Oct": "10", "Nov": "11", "Dec": "12",
}  # fmt: skip
_DATE_CHARACTERS: Final = len("Sun, 06 Nov 1994 08:49:37")
_PLAIN_PATH: Final = re.compile(r"[A-Za-z0-9/_.~-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where requests go: scheme, host and port."""

    scheme: str
    host: str
    port: int

    @property
    def netloc(self) -> str:
        """The value of the Host header: the port is left out where it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def parse_origin(url: str) -> Origin:
    """Return the origin of a URL.

    Raises:
        UsageError: It is not an http or https URL with a host.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or parts.scheme not in _PORTS:
        raise UsageError("an endpoint is not an http:// or https:// URL with a host")
    return Origin(scheme=parts.scheme, host=host, port=port or _PORTS[parts.scheme])


def encode_path(name: str) -> str:
    """Return an object's key or a blob's name as it stands in a request's path: all else but ``/~`` encoded.

    Slashes and dot segments stay as they are, whatever their number.
    """
    return name if _PLAIN_PATH.fullmatch(name) else quote(name, safe="/~", errors="surrogateescape")


def parse_http_date(text: str) -> datetime:
    """Return the moment of a ``Last-Modified`` header, as ``Sun, 06 Nov 1994 08:49:37 GMT``, in UTC.

    Raises:
        ValueError: The text has another form.
    """
    if len(text) < _DATE_CHARACTERS:
        raise ValueError("not a whole date of HTTP")
    try:
        return datetime.fromisoformat(f"{text[12:16]}-{_MONTHS[text[8:11]]}-{text[5:7]}T{text[17:25]}+00:00")
    except KeyError:
        raise ValueError("not a date of HTTP") from None


class Pool:
    """At most ``connections`` connections to one origin, the last used taken first. Safe for many threads."""

    def __init__(
        self,
        origin: Origin,
        *,
        connections: int,
        proxy_url: str = "",
        ca_files: Sequence[str] = (),
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        read_timeout_s: float = READ_TIMEOUT_S,
    ) -> None:
        self.origin = origin
        self._proxy = _Proxy(proxy_url) if proxy_url else None
        self._connect_timeout_s = connect_timeout_s
        self._read_timeout_s = read_timeout_s
        self._tls = _tls_context(ca_files) if origin.scheme == "https" else None
        # Both are safe without a lock, and in C: a queue of places, and a stack of connections at rest.
        self._places: queue.SimpleQueue[None] = queue.SimpleQueue()
        for _ in range(connections):
            self._places.put(None)
        self._idle: list[Connection] = []

    def request(  # noqa: PLR0913 - a request has these parts, and a record for them would cost time per object
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: Body = None,
        into: memoryview | None = None,
        *,
        check: HeadCheck | None = None,
        is_repeatable: bool = True,
    ) -> Answer:
        """Send one request and return its answer, read to the end.

        Waits for a free connection when all are in use. A 2xx answer's body goes into ``into``, which it must
        fill exactly; other bodies are returned, those of errors up to 64 KiB.

        Args:
            method: ``GET``, ``PUT``, ...
            target: Path and query as they are to be sent, percent-encoded; dot segments stay.
            headers: Beside Host and Content-Length, which are added here.
            body: What to send; None for nothing.
            into: Where the body of a 2xx answer goes.
            check: Sees the head of a 2xx answer before its body is read, and raises to refuse it.
            is_repeatable: Whether the request may be sent again when a connection that was used before breaks
                ahead of its answer; such a break does not tell whether the request was carried out.

        Raises:
            ConnectionLost: No answer, or half of one; ``service_code`` is dns, connect, tls, timeout,
                closed or garbled.
            IntegrityError: The body is longer or shorter than ``into``.
            RequestRefused: The target or a header cannot be written in an HTTP request.
        """
        head = self._compose(method, target, headers, body)
        self._places.get()
        try:
            connection = self._take_idle()
            if connection is not None:
                try:
                    return self._exchange(connection, head, body, method, into, check)
                except PeerGone:
                    if not is_repeatable:
                        raise
            return self._exchange(self._connect(), head, body, method, into, check)
        finally:
            self._places.put(None)

    def close(self) -> None:
        """Close the connections at rest; the pool can still be used."""
        with suppress(IndexError):
            while True:
                self._idle.pop().close()

    def _compose(self, method: str, target: str, headers: Mapping[str, str], body: Body) -> bytes:
        if self._proxy and self._tls is None:
            target = f"http://{self.origin.netloc}{target}"
            headers = {**headers, **self._proxy.headers}
        lines = [f"{method} {target} HTTP/1.1", f"Host: {self.origin.netloc}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body is not None or method in {"PUT", "POST"}:
            lines.append(f"Content-Length: {len(body or b'')}")
        text = "\r\n".join(lines)
        breaks = len(lines) - 1
        if " " in target or text.count("\n") != breaks or text.count("\r") != breaks or "\0" in text:
            raise RequestRefused("a header or a name holds a character that HTTP cannot carry")
        try:
            return (text + "\r\n\r\n").encode("latin-1")
        except UnicodeEncodeError:
            raise RequestRefused("a header holds a character that HTTP cannot carry") from None

    def _take_idle(self) -> Connection | None:
        oldest = time.monotonic() - IDLE_LIMIT_S
        with suppress(IndexError):
            while True:
                connection = self._idle.pop()
                if connection.idle_since > oldest and not connection.is_readable():
                    return connection
                connection.close()
        return None

    def _exchange(
        self,
        connection: Connection,
        head: bytes,
        body: Body,
        method: str,
        into: memoryview | None,
        check: HeadCheck | None,
    ) -> Answer:
        try:
            connection.send(head, body)
            answer = connection.read_answer(method, into, check)
        except BaseException:
            connection.close()
            raise
        if connection.can_be_reused:
            connection.idle_since = time.monotonic()
            self._idle.append(connection)
        else:
            connection.close()
        return answer

    def _connect(self) -> Connection:
        origin, proxy = self.origin, self._proxy
        peer = proxy.origin if proxy else origin
        sock = _open_socket(peer, self._connect_timeout_s)
        try:
            if self._tls is None:
                return Connection(sock, peer.host, self._read_timeout_s)
            if proxy:
                self._open_tunnel(sock, proxy)
            return self._start_tls(sock, self._tls)
        except BaseException:
            sock.close()
            raise

    def _open_tunnel(self, sock: socket.socket, proxy: _Proxy) -> None:
        authority = f"{self.origin.netloc.removesuffix(f':{self.origin.port}')}:{self.origin.port}"
        lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}"]
        lines += [f"{name}: {value}" for name, value in proxy.headers.items()]
        tunnel = Connection(sock, proxy.origin.host, self._read_timeout_s)
        tunnel.send("\r\n".join([*lines, "", ""]).encode("latin-1"), None)
        status = tunnel.read_answer("CONNECT", None, None).status
        if not 200 <= status < 300:  # noqa: PLR2004 - success in HTTP
            raise ConnectionLost(f"the proxy {proxy.origin.host} refused the connection", status=status)

    def _start_tls(self, sock: socket.socket, tls: ssl.SSLContext) -> Connection:
        host = self.origin.host
        sock.settimeout(self._connect_timeout_s)
        try:
            return Connection(tls.wrap_socket(sock, server_hostname=host), host, self._read_timeout_s)
        except ssl.SSLCertVerificationError as exc:
            hint = "check the endpoint; for a private authority, name its file in AWCOPY_CA_BUNDLE"
            message = f"the certificate of {host} cannot be trusted: {exc.verify_message}"
            raise ConnectionLost(message, hint=hint, service_code="tls") from exc
        except OSError as exc:
            message = f"no secure connection to {host}: {reason_of(exc)}"
            raise ConnectionLost(message, service_code="tls") from exc


class _Proxy:
    """A forward proxy: where it is, and how it is told who asks."""

    def __init__(self, url: str) -> None:
        url = url if "://" in url else f"http://{url}"
        self.origin = parse_origin(url)
        if self.origin.scheme != "http":
            raise UsageError("a proxy is reached over http://, also for https:// targets")
        user, _, password = urlsplit(url).netloc.rpartition("@")[0].partition(":")
        login = f"{unquote(user)}:{unquote(password)}".encode()
        authorization = {"Proxy-Authorization": f"Basic {base64.b64encode(login).decode('ascii')}"}
        self.headers = authorization if user else {}


def _open_socket(peer: Origin, timeout_s: float) -> socket.socket:
    try:
        sock = socket.create_connection((peer.host, peer.port), timeout_s)
    except (socket.gaierror, UnicodeError) as exc:
        message = f"the host name {peer.host} cannot be resolved"
        raise ConnectionLost(message, service_code="dns") from exc
    except TimeoutError as exc:
        message = f"{peer.host} did not take the connection within {timeout_s:g} s"
        raise ConnectionLost(message, service_code="connect") from exc
    except OSError as exc:
        message = f"{peer.host} port {peer.port} does not take connections: {reason_of(exc)}"
        raise ConnectionLost(message, service_code="connect") from exc
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return sock


def _tls_context(ca_files: Sequence[str]) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    for path in ca_files:
        try:
            context.load_verify_locations(path)
        except OSError as exc:  # ssl's own errors included
            raise UsageError(
                f"no certificates of authorities can be read from {path}: {reason_of(exc)}",
                hint="AWCOPY_CA_BUNDLE, AWS_CA_BUNDLE and REQUESTS_CA_BUNDLE name files in PEM form",
            ) from exc
    return context
