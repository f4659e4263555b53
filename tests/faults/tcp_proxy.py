"""A TCP proxy that misbehaves on request: delays, cuts, resets, falls silent, refuses.

Owns the bytes between one client and one server, in a thread of its own; knows no protocol. Everything can be
switched while connections are open, from any thread.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Self, TypeVar

from awcopy.demo.ports import LOOPBACK

UP, DOWN = "up", "down"  # from the client to the server, and back
_PIECE_BYTES = 64 * 1024
_QUEUED_PIECES = 64
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER of 0 s: closing sends RST

T = TypeVar("T")


@dataclass(slots=True)
class _Cut:
    """Ends the connection that passes a number of bytes in one direction, counted over all connections."""

    direction: str
    after_bytes: int
    times: int
    is_reset: bool
    passed: int = 0


@dataclass(slots=True, eq=False)
class _Link:
    """One client's connection and the one to the server that belongs to it."""

    writers: list[asyncio.StreamWriter]
    is_cut: bool = False

    def end(self, *, is_reset: bool) -> None:
        """Close both sides: in good order (FIN), or by a reset."""
        for writer in self.writers:
            sock = writer.get_extra_info("socket")
            if is_reset and sock is not None:
                with suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                writer.transport.abort()
            else:
                writer.close()


class TcpProxy:
    """Passes connections on to a port of this machine until it is told to do worse.

    Use it as a context manager. ``delay_s`` may be changed at any time; it holds for what arrives afterwards.
    """

    def __init__(self, target_port: int) -> None:
        """Keep where to pass connections on to; entering starts to listen."""
        self.target_port = target_port
        self.port = 0
        self.delay_s = {UP: 0.0, DOWN: 0.0}
        self.connections = 0  # accepted so far
        self.cuts = 0  # made so far
        self._cut: _Cut | None = None
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._passing = asyncio.Event()
        self._passing.set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tcp-proxy", daemon=True)

    def __enter__(self) -> Self:
        """Listen."""
        self._thread.start()
        self.accept()
        return self

    def __exit__(self, *_: object) -> None:
        """End every connection, and the thread."""
        asyncio.run_coroutine_threadsafe(self._shut(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def cut_after(
        self, after_bytes: int, *, direction: str = DOWN, times: int = 1, is_reset: bool = False
    ) -> None:
        """End the connection by which so many bytes have passed in one direction, and so on, ``times`` times.

        Bytes of all connections count, from now and from each cut. Exactly that many are delivered, unless it is
        a reset, which may overtake the last of them.
        """
        self._do(lambda: setattr(self, "_cut", _Cut(direction, after_bytes, times, is_reset)))

    def reset_all(self) -> int:
        """Reset every open connection (RST); return how many there were."""
        return self._do(lambda: self._end_all(is_reset=True))

    def close_all(self) -> int:
        """Close every open connection in good order (FIN); return how many there were."""
        return self._do(lambda: self._end_all(is_reset=False))

    def blackhole(self) -> None:
        """Let nothing pass; connections, also new ones, stay open and silent until ``heal``."""
        self._do(self._passing.clear)

    def refuse(self) -> None:
        """Refuse new connections, as when nothing listens; open ones stay."""
        asyncio.run_coroutine_threadsafe(self._stop_listening(), self._loop).result(10)

    def accept(self) -> None:
        """Take new connections (again), on the same port."""
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    def heal(self) -> None:
        """Pass everything on from now on: no delay, no cut, no silence, no refusal."""
        self.delay_s.update({UP: 0.0, DOWN: 0.0})
        self._do(lambda: setattr(self, "_cut", None))
        self._do(self._passing.set)
        self.accept()

    def _do(self, act: Callable[[], T]) -> T:
        async def run() -> T:
            return act()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(10)

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(
                self._serve, LOOPBACK, self.port or None, limit=_PIECE_BYTES
            )
            self.port = self._server.sockets[0].getsockname()[1]

    async def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()  # the open connections are not waited for
            self._server = None
            await asyncio.sleep(0)

    async def _shut(self) -> None:
        await self._stop_listening()
        self._end_all(is_reset=True)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _end_all(self, *, is_reset: bool) -> int:
        links = list(self._links)
        for link in links:
            link.end(is_reset=is_reset)
        return len(links)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        link = _Link([writer])
        self._links.add(link)
        try:
            await self._connect(link, reader, writer)
        except* (OSError, asyncio.CancelledError):
            link.end(is_reset=not link.is_cut)
        finally:
            self._links.discard(link)
            self._tasks.discard(task)

    async def _connect(self, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection(
            LOOPBACK, self.target_port, limit=_PIECE_BYTES
        )
        link.writers.append(server_writer)
        async with asyncio.TaskGroup() as group:  # the first that fails ends the others
            self._pass(group, link, UP, reader, server_writer)
            self._pass(group, link, DOWN, server_reader, writer)
        link.end(is_reset=False)

    def _pass(
        self,
        group: asyncio.TaskGroup,
        link: _Link,
        direction: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        """Pass one direction on: one task reads, one writes, so that a delay costs time and no throughput."""
        pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_QUEUED_PIECES)
        group.create_task(self._read(direction, reader, pieces))
        group.create_task(self._write(link, direction, pieces, writer))

    async def _read(
        self, direction: str, reader: asyncio.StreamReader, pieces: asyncio.Queue[tuple[float, bytes]]
    ) -> None:
        piece = b"-"
        while piece:
            piece = await reader.read(_PIECE_BYTES)
            await pieces.put((self._loop.time() + self.delay_s[direction], piece))

    async def _write(
        self,
        link: _Link,
        direction: str,
        pieces: asyncio.Queue[tuple[float, bytes]],
        writer: asyncio.StreamWriter,
    ) -> None:
        while True:
            due, piece = await pieces.get()
            await asyncio.sleep(max(0.0, due - self._loop.time()))
            await self._passing.wait()
            if not piece:
                writer.write_eof()
                return
            piece, cut = self._within_cut(direction, piece)
            writer.write(piece)
            await writer.drain()
            if cut is not None:
                link.is_cut = True
                self.cuts += 1
                link.end(is_reset=cut.is_reset)
                raise ConnectionAbortedError("cut, as was asked for")

    def _within_cut(self, direction: str, piece: bytes) -> tuple[bytes, _Cut | None]:
        """Return what of the piece is passed on, and the cut if it is due then."""
        cut = self._cut
        if cut is None or cut.direction != direction:
            return piece, None
        left = cut.after_bytes - cut.passed
        cut.passed += len(piece)
        if len(piece) < left:
            return piece, None
        cut.passed, cut.times = 0, cut.times - 1
        if cut.times <= 0:
            self._cut = None
        return piece[:left], cut
