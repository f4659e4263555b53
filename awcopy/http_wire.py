"""One HTTP/1.1 connection: sends a request and reads its answer, strictly, byte for byte.

Owns the framing of answers and what a broken one means. Connecting, pooling and trying again are
`awcopy.http`. It stands in place of `http.client`, whose reading of headers through `email.parser` alone
costs more than all of this does: a GET or a PUT of 4 KiB takes half of its CPU, the kernel's part included.
"""

from __future__ import annotations

import select
import socket
import ssl
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NamedTuple, TypeAlias

from awcopy.errors import ConnectionLost, IntegrityError
from awcopy.units import KIB, MIB

Headers: TypeAlias = dict[str, str]
Body: TypeAlias = bytes | memoryview | None
# Called with the status and the headers before a body is read into the caller's buffer; it may raise.
HeadCheck: TypeAlias = Callable[[int, Headers], None]

HEAD_LIMIT_BYTES: Final = 64 * KIB
ERROR_BODY_LIMIT_BYTES: Final = 64 * KIB
BODY_LIMIT_BYTES: Final = 64 * MIB  # a page of 5,000 blobs, each with 8 KiB of metadata, is 40 MiB
_CHUNK_LINE_LIMIT_BYTES: Final = 4 * KIB
_JOINED_WRITE_BYTES: Final = 256 * KIB
_UNTIL_CLOSE: Final = -1
_CHUNKED: Final = -2
_CLOSED_BY_PEER: Final = (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError, ssl.SSLZeroReturnError)


class Answer(NamedTuple):
    """An answer that was read to its end."""

    status: int
    headers: Headers  # by lower-case name; values are latin-1 text, repeated ones joined by ", "
    body: bytes  # empty when it was read into the caller's buffer
    length: int  # bytes of the body, wherever they were put


class PeerGone(ConnectionLost):
    """The peer closed the connection before the first byte of its answer."""


class Connection:
    """One connection, used by one thread at a time: sends a request, reads its answer."""

    def __init__(self, sock: socket.socket, host: str, timeout_s: float) -> None:
        self._sock = sock
        self._host = host
        self._timeout_s = timeout_s
        self._is_tls = isinstance(sock, ssl.SSLSocket)
        self._flags = 0
        if self._is_tls:
            sock.settimeout(timeout_s)
        else:
            # The kernel's own timeouts and MSG_WAITALL: one call fills a block, where Python's
            # timeouts poll before each of the hundred pieces that it would arrive in.
            sock.settimeout(None)
            timeval = struct.pack("ll", int(timeout_s), int(timeout_s % 1 * 1_000_000))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeval)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeval)
            self._flags = socket.MSG_WAITALL
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        self._buffer = bytearray(HEAD_LIMIT_BYTES)
        self._view = memoryview(self._buffer)
        self._start = self._end = 0  # what was received and not yet used
        self.can_be_reused = False
        self.idle_since = 0.0

    def close(self) -> None:
        """End the connection; may be called more than once."""
        with suppress(OSError):
            self._sock.close()

    def is_readable(self) -> bool:
        """Whether something arrived; on a connection at rest that is its end."""
        return bool(self._poll.poll(0))

    def send(self, head: bytes, body: Body) -> None:
        """Send the head and the body.

        Returns also when the peer has closed the connection: it may have answered first, as with a 403 to a
        large body, so the answer is to be read whatever became of the request.
        """
        try:
            if not body:
                self._sock.sendall(head)
            elif self._is_tls:
                self._send_tls(head, body)
            else:
                self._send_both(head, body)
        except _CLOSED_BY_PEER:
            return
        except OSError as exc:
            raise self._lost(exc) from exc

    def _send_tls(self, head: bytes, body: bytes | memoryview) -> None:
        if len(body) <= _JOINED_WRITE_BYTES:
            self._sock.sendall(b"".join((head, body)))
        else:
            self._sock.sendall(head)
            self._sock.sendall(body)

    def _send_both(self, head: bytes, body: bytes | memoryview) -> None:
        sent = self._sock.sendmsg((head, body))
        if sent < len(head):
            self._sock.sendall(head[sent:])
            sent = len(head)
        if sent < len(head) + len(body):
            self._sock.sendall(memoryview(body)[sent - len(head) :])

    def read_answer(self, method: str, into: memoryview | None, check: HeadCheck | None) -> Answer:
        """Return the answer to the request that was sent; see `awcopy.http.Pool.request`."""
        self.can_be_reused = False
        status, headers, is_persistent = self._read_head()
        while status < 200:  # noqa: PLR2004 - 100 Continue and its like come before the answer
            status, headers, is_persistent = self._read_head()
        is_success = status < 300  # noqa: PLR2004 - success in HTTP
        if is_success and check:
            check(status, headers)
        framing = self._framing(method, status, headers)
        if is_success and into is not None:
            length = self._read_into(framing, into)
            body = b""
        else:
            limit = BODY_LIMIT_BYTES if is_success else ERROR_BODY_LIMIT_BYTES
            body, is_whole = self._read_bytes(framing, limit)
            if is_success and not is_whole:
                raise IntegrityError(f"the answer of {self._host} exceeds {limit} bytes", status=status)
            length, is_persistent = len(body), is_persistent and is_whole
        # Bytes beyond the answer's end would be taken for the next answer.
        self.can_be_reused = is_persistent and framing != _UNTIL_CLOSE and self._start == self._end
        return Answer(status, headers, body, length)

    def _read_head(self) -> tuple[int, Headers, bool]:
        searched = self._start
        while (stop := self._buffer.find(b"\r\n\r\n", searched, self._end)) < 0:
            searched = max(self._start, self._end - 3)
            searched -= self._receive(is_first=self._start == self._end)
        text = self._buffer[self._start : stop].decode("latin-1")
        lines = text.split("\r\n")
        self._start = stop + 4
        version, _, rest = lines[0].partition(" ")
        if not version.startswith("HTTP/1.") or not rest[:3].isdecimal():
            raise self._garbled("its first line")
        if text.count("\n") >= len(lines) or text.count("\r") >= len(lines):
            raise self._garbled("a header")
        headers: Headers = {}
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if not colon or not name or name[0] <= " " or name[-1] <= " ":
                raise self._garbled("a header")
            name = name.lower()
            value = value.strip(" \t")
            headers[name] = value if name not in headers else f"{headers[name]}, {value}"
        wishes = headers.get("connection", "").lower()
        is_persistent = "close" not in wishes and (version != "HTTP/1.0" or "keep-alive" in wishes)
        return int(rest[:3]), headers, is_persistent

    def _framing(self, method: str, status: int, headers: Headers) -> int:
        """Return the body's length, or how its end is to be found."""
        if method in {"HEAD", "CONNECT"} or status in {204, 304}:
            return 0
        coding = headers.get("transfer-encoding", "").lower()
        if coding:
            if coding != "chunked" or "content-length" in headers:
                raise self._garbled("the length of its body")
            return _CHUNKED
        text = headers.get("content-length")
        if text is None:
            return _UNTIL_CLOSE
        if not (text.isascii() and text.isdecimal()):
            raise self._garbled("the length of its body")
        return int(text)

    def _read_into(self, framing: int, into: memoryview) -> int:
        expected = len(into)
        if framing >= 0:
            if framing != expected:
                raise _wrong_length(str(framing), expected)
            self._fill(into)
        elif framing == _CHUNKED:
            done = 0
            while size := self._read_chunk_size():
                if done + size > expected:
                    raise _wrong_length("more", expected)
                self._fill(into[done : done + size])
                self._read_line()
                done += size
            self._read_trailers()
            if done != expected:
                raise _wrong_length(str(done), expected)
        else:
            self._fill(into)
            if self._start != self._end or self._receive_or_end():
                raise _wrong_length("more", expected)
        return expected

    def _read_bytes(self, framing: int, limit: int) -> tuple[bytes, bool]:
        """Return the body, or its first ``limit`` bytes and False."""
        if framing >= 0:
            part = bytearray(min(framing, limit))
            self._fill(memoryview(part))
            return bytes(part), framing <= limit
        body = bytearray()
        if framing == _CHUNKED:
            while size := self._read_chunk_size():
                if len(body) + size > limit:
                    return bytes(body), False
                part = bytearray(size)
                self._fill(memoryview(part))
                self._read_line()
                body += part
            self._read_trailers()
            return bytes(body), True
        while self._start != self._end or self._receive_or_end():
            body += self._view[self._start : self._end]
            self._start = self._end
            if len(body) > limit:
                return bytes(body[:limit]), False
        return bytes(body), True

    def _read_chunk_size(self) -> int:
        text = self._read_line().partition(";")[0].strip()
        try:
            size = int(text, 16) if text.isalnum() else -1
        except ValueError:
            size = -1
        if size < 0:
            raise self._garbled("the length of a chunk")
        return size

    def _read_trailers(self) -> None:
        while self._read_line():
            pass

    def _read_line(self) -> str:
        while (stop := self._buffer.find(b"\r\n", self._start, self._end)) < 0:
            if self._end - self._start > _CHUNK_LINE_LIMIT_BYTES:
                raise self._garbled("a line of its body")
            self._receive()
        line = self._buffer[self._start : stop].decode("latin-1")
        self._start = stop + 2
        return line

    def _fill(self, target: memoryview) -> None:
        """Fill the target, first with what is buffered, then straight from the socket."""
        total = len(target)
        done = min(total, self._end - self._start)
        target[:done] = self._view[self._start : self._start + done]
        self._start += done
        while done < total:
            try:
                count = self._sock.recv_into(target[done:], 0, self._flags)
            except OSError as exc:
                raise self._lost(exc) from exc
            if not count:
                message = f"{self._host} closed the connection after {done} of {total} bytes"
                raise ConnectionLost(message, service_code="closed")
            done += count

    def _receive(self, *, is_first: bool = False) -> int:
        """Receive more into the buffer; return by how much its content was moved to the front."""
        moved = 0
        if self._start == self._end:
            moved, self._start, self._end = self._start, 0, 0
        elif self._end == len(self._buffer):
            if self._start == 0:
                raise self._garbled("a head of more than 64 KiB")
            moved, kept = self._start, self._end - self._start
            self._buffer[:kept] = self._buffer[self._start : self._end]
            self._start, self._end = 0, kept
        try:
            count = self._sock.recv_into(self._view[self._end :])
        except _CLOSED_BY_PEER as exc:
            if is_first:
                raise self._gone() from exc
            raise self._lost(exc) from exc
        except OSError as exc:
            raise self._lost(exc) from exc
        if not count:
            if is_first:
                raise self._gone()
            message = f"{self._host} closed the connection within its answer"
            raise ConnectionLost(message, service_code="closed")
        self._end += count
        return moved

    def _receive_or_end(self) -> bool:
        """Receive more; return False when the peer has closed the connection in good order."""
        self._start = self._end = 0
        try:
            self._end = self._sock.recv_into(self._view)
        except OSError as exc:
            raise self._lost(exc) from exc
        return self._end > 0

    def _gone(self) -> PeerGone:
        return PeerGone(f"{self._host} closed the connection without an answer", service_code="closed")

    def _garbled(self, what: str) -> ConnectionLost:
        return ConnectionLost(f"the answer of {self._host} cannot be read: {what}", service_code="garbled")

    def _lost(self, exc: OSError) -> ConnectionLost:
        if isinstance(exc, TimeoutError | BlockingIOError):
            message = f"{self._host} was silent for {self._timeout_s:g} s"
            return ConnectionLost(message, service_code="timeout")
        return ConnectionLost(
            f"the connection to {self._host} broke: {reason_of(exc)}", service_code="closed"
        )


def reason_of(exc: OSError) -> str:
    """Return why a system call failed, in a few words and without addresses."""
    return exc.strerror or type(exc).__name__


def _wrong_length(got: str, expected: int) -> IntegrityError:
    message = f"the answer holds {got} bytes where {expected} were asked for"
    return IntegrityError(message, service_code="length")
