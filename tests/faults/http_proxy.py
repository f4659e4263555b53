"""An HTTP/1.1 reverse proxy before a real store, which does to chosen requests what networks and stores do.

Owns passing requests on byte for byte (the Host header and the raw target stay as the client sent them, so
that SigV4, SharedKey and SAS remain valid), the rules, and a log of every request. Nothing here is known of awcopy.
"""

from __future__ import annotations

import random
import re
import select
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Self
from urllib.parse import parse_qs, unquote_to_bytes
from xml.sax.saxutils import escape

from awcopy.demo.ports import LOOPBACK

PIECE_BYTES = 64 * 1024
_HEAD_LIMIT_BYTES = 64 * 1024
_IDLE_S = 120.0  # also the longest that a server may think
_RESET = struct.pack("ii", 1, 0)
_UNTIL_CLOSE = -1
_CHUNKED = -2


class Op(Enum):
    """What a request asks of the store."""

    LIST = auto()
    HEAD = auto()
    GET = auto()
    PUT = auto()  # an object, or a blob in one call
    DELETE = auto()
    PUT_BLOCK = auto()
    COMMIT = auto()  # Put Block List
    BLOCK_LIST = auto()  # Get Block List
    CONTAINER = auto()  # anything else about a bucket or a container
    OTHER = auto()


@dataclass(slots=True, kw_only=True)
class Exchange:
    """One request, and what became of it; a line of the log. Complete once ``seconds`` is not None."""

    number: int
    op: Op
    method: str
    path: str  # raw, as sent
    query: str  # raw, as sent
    headers: Mapping[str, str] = field(repr=False)  # by lower-case name
    place: str  # bucket or container
    name: str  # key or blob, decoded
    started: float  # of the monotonic clock
    client_port: int
    status: int = 0  # what the server answered, whatever the client was told; 0: it was not asked
    sent_bytes: int = 0  # of the request's body, as the server got it
    received_bytes: int = 0  # of the answer's body, as the client got it
    copied_bytes: int = 0  # that the store read from a source by itself
    seconds: float | None = None
    fault: str = ""  # the name of the rule that was applied

    @property
    def range(self) -> tuple[int, int] | None:
        """The first and the last byte asked for, or None."""
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("range", ""))
        return (int(found[1]), int(found[2])) if found else None

    @property
    def block_id(self) -> str:
        """The id of the block that is staged, as sent; empty for other requests."""
        return parse_qs(self.query).get("blockid", [""])[0]

    @property
    def identity(self) -> str:
        """What makes it the same request when it is made again: all but signatures and times."""
        return f"{self.method} {self.path} {self.op.name} {self.headers.get('range', '')} {self.block_id}"


class RequestLog:
    """Every request that reached a proxy, in order of arrival."""

    def __init__(self) -> None:
        """Begin an empty log."""
        self._lock = threading.Lock()
        self._exchanges: list[Exchange] = []

    def add(self, exchange: Exchange) -> None:
        """Append a request that has just arrived."""
        with self._lock:
            self._exchanges.append(exchange)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._exchanges.clear()

    def all(self, *ops: Op, name: str | None = None) -> list[Exchange]:
        """Return the requests of these kinds (none given: of any), about one name if it is given."""
        with self._lock:
            known = list(self._exchanges)
        return [one for one in known if (not ops or one.op in ops) and name in (None, one.name)]

    def gets(self, key: str | None = None) -> list[Exchange]:
        """Return the reads of an object's bytes."""
        return self.all(Op.GET, name=key)

    def puts(self, blob: str | None = None) -> list[Exchange]:
        """Return the writes of a blob in one call."""
        return self.all(Op.PUT, name=blob)

    def staged(self, blob: str | None = None) -> list[Exchange]:
        """Return the blocks that were sent."""
        return self.all(Op.PUT_BLOCK, name=blob)

    def commits(self, blob: str | None = None) -> list[Exchange]:
        """Return the commits of block lists."""
        return self.all(Op.COMMIT, name=blob)

    def deletes(self) -> list[Exchange]:
        """Return the requests that delete an object or a blob."""
        return self.all(Op.DELETE)

    def under_way(self) -> list[Exchange]:
        """Return the requests that are not complete."""
        return [one for one in self.all() if one.seconds is None]

    def faults(self) -> Counter[str]:
        """Return how often each rule was applied, by its name."""
        return Counter(one.fault for one in self.all() if one.fault)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the proxy says in the server's place."""

    status: int
    code: str
    retry_after_s: int | None = None
    message: str = "an injected fault"


class Drop(Enum):
    """When the client's connection is closed without an answer."""

    BEFORE = auto()  # the server never hears of the request
    AFTER = auto()  # the server has done what was asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is done to a request. Several things may be: they are applied in this order."""

    call: Callable[[Exchange], None] | None = None  # before anything is passed on
    delay_s: float = 0.0
    answer: Answer | None = None  # instead of asking the server, unless ``is_applied``
    is_applied: bool = False
    drop: Drop | None = None
    is_reset: bool = False  # whether dropping and cutting is done by RST instead of FIN
    without: frozenset[str] = frozenset()  # headers of the request that the server never sees, in lower case
    flip_sent: int | None = None  # index of the byte of the request's body whose lowest bit is flipped
    flip_received: int | None = None  # the same for the answer's body
    headers: Mapping[str, str] = field(default_factory=dict)  # replaced in the answer
    cut_after: int | None = None  # bytes of the answer's body after which the connection is closed
    shorten_by: int = 0  # bytes missing at the answer's end, with a Content-Length that does not show it
    pace_s: float = 0.0  # waited after each 64 KiB of the answer


def is_later_page(exchange: Exchange) -> bool:
    """Return whether a request lists the keys of a bucket from where another one has ended."""
    is_list = exchange.op is Op.LIST
    return is_list and ("continuation-token=" in exchange.query or "start-after=" in exchange.query)


def refuse(status: int, code: str, *, retry_after_s: int | None = None, is_applied: bool = False) -> Fault:
    """Return the fault that answers with a status and a code, as S3 or Azure write them."""
    answer = Answer(status=status, code=code, retry_after_s=retry_after_s)
    return Fault(answer=answer, is_applied=is_applied)


APPLY_THEN_DROP = Fault(drop=Drop.AFTER)
APPLY_THEN_RESET = Fault(drop=Drop.AFTER, is_reset=True)


@dataclass(slots=True, eq=False)
class Rule:
    """Which requests meet which fault, and how many of them.

    A request that matches is counted; the first ``after`` are let through, then at most ``times`` are hit,
    each by ``probability``. The draw depends on the seed and on what the request asks for, and on which try of
    it this is, but not on the order in which threads happen to send: one seed is one run.
    """

    match: Callable[[Exchange], bool]
    act: Fault
    name: str = "fault"
    times: int | None = None
    after: int = 0
    probability: float = 1.0
    matched: int = 0
    fired: int = 0


class Rules:
    """The rules of one proxy; the first that hits a request is the one that is applied."""

    def __init__(self, seed: int) -> None:
        """Begin without rules."""
        self.seed = seed
        self._lock = threading.Lock()
        self._rules: list[Rule] = []
        self._tries: Counter[tuple[int, str]] = Counter()

    def add(self, rule: Rule) -> Rule:
        """Apply a rule from now on; return it, so that its counts can be read."""
        with self._lock:
            self._rules.append(rule)
        return rule

    def clear(self) -> None:
        """Drop all rules."""
        with self._lock:
            self._rules.clear()
            self._tries.clear()

    def pick(self, exchange: Exchange) -> Rule | None:
        """Return the rule that hits a request, counted as fired, or None."""
        with self._lock:
            return next((rule for rule in self._rules if self._hits(rule, exchange)), None)

    def _hits(self, rule: Rule, exchange: Exchange) -> bool:
        if not rule.match(exchange):
            return False
        rule.matched += 1
        if rule.matched <= rule.after or (rule.times is not None and rule.fired >= rule.times):
            return False
        key = (id(rule), exchange.identity)
        self._tries[key] += 1
        draw = random.Random(f"{self.seed}/{rule.name}/{exchange.identity}/{self._tries[key]}").random()
        if draw >= rule.probability:
            return False
        rule.fired += 1
        return True


class HttpProxy:
    """Passes HTTP on to a store on this machine, rules applied, everything logged. A context manager.

    Args:
        target_port: The store's port.
        service: ``s3`` or ``azure``: how requests are read and errors are written.
        seed: Of the rules' draws.
    """

    def __init__(self, target_port: int, service: str, *, seed: int = 0) -> None:
        """Keep where to pass requests on to; entering starts to listen."""
        self.target_port = target_port
        self.service = service
        self.rules = Rules(seed)
        self.log = RequestLog()
        self.port = 0
        self._count = 0
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._threads: set[threading.Thread] = set()
        self._listener: socket.socket | None = None
        self._acceptor = threading.Thread(target=self._accept, name=f"{service}-proxy", daemon=True)

    def __enter__(self) -> Self:
        """Listen."""
        self._listener = socket.create_server((LOOPBACK, 0), backlog=256)
        self.port = self._listener.getsockname()[1]
        self._acceptor.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End every connection and every thread."""
        assert self._listener is not None
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join(10)
        with self._lock:
            sockets, threads = list(self._sockets), list(self._threads)
        for sock in sockets:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(10)

    @property
    def url(self) -> str:
        """The proxy's own address."""
        return f"http://{LOOPBACK}:{self.port}"

    def add(
        self,
        act: Fault,
        *ops: Op,
        name: str | None = None,
        match: Callable[[Exchange], object] = lambda _: True,
        times: int | None = None,
        after: int = 0,
        probability: float = 1.0,
        title: str = "fault",
    ) -> Rule:
        """Apply a fault to requests of these kinds (none given: of any), about one name if it is given."""

        def matches(exchange: Exchange) -> bool:
            return (not ops or exchange.op in ops) and name in (None, exchange.name) and bool(match(exchange))

        rule = Rule(match=matches, act=act, name=title, times=times, after=after, probability=probability)
        return self.rules.add(rule)

    def reset(self) -> None:
        """Drop all rules and forget the log."""
        self.rules.clear()
        self.log.clear()

    def _accept(self) -> None:
        assert self._listener is not None
        while True:
            try:
                client, address = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(client, address[1]), daemon=True)
            with self._lock:
                self._threads.add(thread)
            thread.start()

    def _serve(self, client: socket.socket, client_port: int) -> None:
        channel = Channel(client)
        server: Channel | None = None
        try:
            self._track(client)
            server = Channel(self._connect())
            while self._exchange(channel, server, client_port):
                pass
        except (OSError, _Ended):
            pass
        finally:
            for one in filter(None, (channel, server)):
                self._untrack(one.sock)
                one.close()
            with self._lock:
                self._threads.discard(threading.current_thread())

    def _connect(self) -> socket.socket:
        sock = socket.create_connection((LOOPBACK, self.target_port), 10)
        self._track(sock)
        return sock

    def _track(self, sock: socket.socket) -> None:
        sock.settimeout(_IDLE_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._sockets.add(sock)

    def _untrack(self, sock: socket.socket) -> None:
        with self._lock:
            self._sockets.discard(sock)

    def _exchange(self, client: Channel, server: Channel, client_port: int) -> bool:
        """Carry one request and its answer over; return whether the connection can carry another."""
        client.wait_for_request(server)
        head = client.read_head()
        exchange = self._read_request(head, client_port)
        rule = self.rules.pick(exchange)
        fault = Fault()
        if rule is not None:
            exchange.fault, fault = rule.name, rule.act
        self.log.add(exchange)
        try:
            return self._carry(exchange, fault, head, client, server)
        finally:
            exchange.seconds = time.monotonic() - exchange.started

    def _carry(self, exchange: Exchange, fault: Fault, head: Head, client: Channel, server: Channel) -> bool:
        if fault.call is not None:
            fault.call(exchange)
        if fault.delay_s:
            time.sleep(fault.delay_s)
        if fault.drop is Drop.BEFORE:
            client.end(is_reset=fault.is_reset)
            return False
        if head.headers.get("expect", "").lower() == "100-continue":
            client.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            head = head.without("expect")
        if fault.answer is not None and not fault.is_applied:
            client.copy_body(head.framing_of_request(), lambda _: None)
            client.send(self._write(fault.answer, exchange))
            return True
        return self._ask(exchange, fault, head, client, server)

    def _ask(self, exchange: Exchange, fault: Fault, head: Head, client: Channel, server: Channel) -> bool:
        for name in fault.without:
            head = head.without(name)
        server.send(head.raw)

        def send_on(piece: bytes) -> None:
            server.send(flip(piece, fault.flip_sent, exchange.sent_bytes))
            exchange.sent_bytes += len(piece)

        client.copy_body(head.framing_of_request(), send_on)
        answer = server.read_head()
        while answer.status < 200:
            answer = server.read_head()
        exchange.status = answer.status
        framing = answer.framing_of_answer(exchange.method)
        if fault.drop is Drop.AFTER or fault.answer is not None:
            server.copy_body(framing, lambda _: None)
            if fault.answer is not None:
                client.send(self._write(fault.answer, exchange))
            else:
                client.end(is_reset=fault.is_reset)
            return fault.drop is None
        return self._answer(exchange, fault, answer, client, server, framing)

    def _answer(
        self,
        exchange: Exchange,
        fault: Fault,
        answer: Head,
        client: Channel,
        server: Channel,
        framing: int,
    ) -> bool:
        changed = dict(fault.headers)
        limit = fault.cut_after
        if fault.shorten_by and framing > 0:
            limit = max(0, framing - fault.shorten_by)
            changed["Content-Length"] = str(limit)
        client.send(answer.with_headers(changed).raw if changed else answer.raw)

        def send_on(piece: bytes) -> None:
            if limit is not None:
                piece = piece[: max(0, limit - exchange.received_bytes)]
            client.send(flip(piece, fault.flip_received, exchange.received_bytes))
            exchange.received_bytes += len(piece)
            if fault.cut_after is not None and exchange.received_bytes >= fault.cut_after:
                client.end(is_reset=fault.is_reset)
                raise _Ended
            if fault.pace_s:
                time.sleep(fault.pace_s)

        server.copy_body(framing, send_on)
        wishes = f"{answer.headers.get('connection', '')}".lower()
        return framing != _UNTIL_CLOSE and "close" not in wishes

    def _read_request(self, head: Head, client_port: int) -> Exchange:
        method, target, _ = head.first_line.split(" ", 2)
        if "://" in target:  # as a forward proxy is asked
            target = "/" + target.split("/", 3)[3]
        path, _, query = target.partition("?")
        place, name = _read_path(path, skip=1 if self.service == "azure" else 0)
        with self._lock:
            self._count += 1
            number = self._count
        return Exchange(
            number=number,
            op=_read_op(method, name, query, is_azure=self.service == "azure"),
            method=method,
            path=path,
            query=query,
            headers=head.headers,
            place=place,
            name=name,
            started=time.monotonic(),
            client_port=client_port,
        )

    def _write(self, answer: Answer, exchange: Exchange) -> bytes:
        code, message = escape(answer.code), escape(answer.message)
        body = f"<?xml version='1.0' encoding='utf-8'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
        lines = [f"HTTP/1.1 {answer.status} Injected", "Content-Type: application/xml"]
        if self.service == "azure":
            lines.append(f"x-ms-error-code: {answer.code}")
            lines.append(f"x-ms-request-id: fault-{exchange.number}")
        else:
            lines.append(f"x-amz-request-id: fault-{exchange.number}")
        if answer.retry_after_s is not None:
            lines.append(f"Retry-After: {answer.retry_after_s}")
        text = "" if exchange.method == "HEAD" else body
        return "\r\n".join([*lines, f"Content-Length: {len(text)}", "", text]).encode()


class _Ended(Exception):
    """The connection is of no more use."""


@dataclass(frozen=True, slots=True)
class Head:
    """The first line and the headers of a request or of an answer."""

    raw: bytes
    first_line: str
    headers: Mapping[str, str]

    @classmethod
    def parse(cls, raw: bytes) -> Head:
        first, *lines = raw.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        return cls(raw, first, {name.strip().lower(): value.strip() for name, _, value in pairs})

    @property
    def status(self) -> int:
        return int(self.first_line.split(" ", 2)[1])

    def without(self, name: str) -> Head:
        return self._rebuilt(lambda lines: lines, {name})

    def with_headers(self, changed: Mapping[str, str]) -> Head:
        added = [f"{name}: {value}" for name, value in changed.items()]
        return self._rebuilt(lambda lines: [*lines, *added], {name.lower() for name in changed})

    def _rebuilt(self, change: Callable[[list[str]], list[str]], dropped: set[str]) -> Head:
        first, *lines = self.raw.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        kept = [line for line in lines if line.partition(":")[0].strip().lower() not in dropped]
        return Head.parse(("\r\n".join([first, *change(kept)]) + "\r\n\r\n").encode("latin-1"))

    def framing_of_request(self) -> int:
        if "chunked" in self.headers.get("transfer-encoding", "").lower():
            return _CHUNKED
        return int(self.headers.get("content-length", "0"))

    def framing_of_answer(self, method: str) -> int:
        if method == "HEAD" or self.status in {204, 304}:
            return 0
        if "chunked" in self.headers.get("transfer-encoding", "").lower():
            return _CHUNKED
        return int(self.headers.get("content-length", _UNTIL_CLOSE))


class Channel:
    """One connection, with what was read of it and not yet used."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._buffer = b""

    def close(self) -> None:
        with suppress(OSError):
            self.sock.close()

    def end(self, *, is_reset: bool) -> None:
        with suppress(OSError):
            if is_reset:
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            else:
                self.sock.shutdown(socket.SHUT_RDWR)
            self.sock.close()

    def send(self, content: bytes | memoryview) -> None:
        self.sock.sendall(content)

    def wait_for_request(self, server: Channel) -> None:
        """Return when there is something to read; end when the server has given the idle connection up."""
        if self._buffer:
            return
        poll = select.poll()
        for sock in (self.sock, server.sock):
            poll.register(sock, select.POLLIN)
        if self.sock.fileno() not in dict(poll.poll(_IDLE_S * 1000)):
            raise _Ended

    def read_head(self) -> Head:
        while (stop := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > _HEAD_LIMIT_BYTES:
                raise _Ended
            self._buffer += self._receive()
        raw, self._buffer = self._buffer[: stop + 4], self._buffer[stop + 4 :]
        return Head.parse(raw)

    def copy_body(self, framing: int, use: Callable[[bytes], None]) -> None:
        """Hand on a body in pieces; a chunked one with its framing, as it came."""
        if framing == _CHUNKED:
            for piece in self._chunks():
                use(piece)
        elif framing == _UNTIL_CLOSE:
            with suppress(_Ended):
                while True:
                    use(self._take(PIECE_BYTES))
        else:
            while framing > 0:
                piece = self._take(min(framing, PIECE_BYTES))
                use(piece)
                framing -= len(piece)

    def _chunks(self) -> Iterator[bytes]:
        while True:
            line = self._line()
            yield line
            size = int(line.split(b";")[0], 16)
            left = size + 2 if size else 0
            while left:
                piece = self._take(min(left, PIECE_BYTES))
                yield piece
                left -= len(piece)
            if not size:
                while (line := self._line()) != b"\r\n":
                    yield line
                yield line
                return

    def _line(self) -> bytes:
        while (stop := self._buffer.find(b"\r\n")) < 0:
            self._buffer += self._receive()
        line, self._buffer = self._buffer[: stop + 2], self._buffer[stop + 2 :]
        return line

    def _take(self, most: int) -> bytes:
        if self._buffer:
            piece, self._buffer = self._buffer[:most], self._buffer[most:]
            return piece
        return self._receive(most)

    def _receive(self, most: int = PIECE_BYTES) -> bytes:
        piece = self.sock.recv(most)
        if not piece:
            raise _Ended
        return piece


def flip(piece: bytes, at: int | None, offset: int = 0) -> bytes:
    """Return a piece of a body, which begins at ``offset``, with the body's byte at ``at`` changed by one bit."""
    if at is None or not offset <= at < offset + len(piece):
        return piece
    flipped = bytearray(piece)
    flipped[at - offset] ^= 1
    return bytes(flipped)


def _read_path(path: str, *, skip: int) -> tuple[str, str]:
    """Return the bucket or container, and the key or blob, of a path-style target."""
    parts = path.lstrip("/").split("/", skip + 1)[skip:]
    texts = [unquote_to_bytes(part).decode("utf-8", "surrogateescape") for part in parts]
    return (texts[0] if texts else "", texts[1] if len(texts) > 1 else "")


def _read_op(method: str, name: str, query: str, *, is_azure: bool) -> Op:
    facts = parse_qs(query, keep_blank_values=True)
    if not name:
        is_list = method == "GET" and (facts.get("comp") == ["list"] if is_azure else "list-type" in facts)
        return Op.LIST if is_list else Op.CONTAINER
    comp = facts.get("comp", [""])[0] if is_azure else ""
    if comp:
        known = {
            ("PUT", "block"): Op.PUT_BLOCK,
            ("PUT", "blocklist"): Op.COMMIT,
            ("GET", "blocklist"): Op.BLOCK_LIST,
        }
        return known.get((method, comp), Op.OTHER)
    return {"HEAD": Op.HEAD, "GET": Op.GET, "PUT": Op.PUT, "DELETE": Op.DELETE}.get(method, Op.OTHER)
