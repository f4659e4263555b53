"""People at a dashboard: they hold pages open and visit others; and a stand-in that answers them as it did.

Knows HTTP and paths, and nothing of what the pages show.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import chain, cycle
from urllib.parse import urlsplit

PARTS_EVERY_S = 10.0  # as the pages' parts.js has it
STATIC = "files of pages"
_STATIC = re.compile(rb'(?:src|href)="(/static/[^"]+)"')
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_ETAG = re.compile(rb"\r\netag: *([^\r]+)", re.IGNORECASE)
_AGE = re.compile(rb"\r\ncache-control:[^\r]*max-age=(\d+)", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What was answered, as it came, and how long that took."""

    content: bytes
    took_s: float

    @property
    def status(self) -> int:
        """The status."""
        return int(self.content[9:12])


@dataclass(frozen=True, kw_only=True)
class Record:
    """What a dashboard answered: by path the latest, and each piece of a stream at its time since the beginning."""

    answers: dict[str, Answer] = field(default_factory=dict)
    streams: dict[str, list[tuple[float, bytes]]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Tab:
    """A page that somebody holds open: its stream, and what it fetches again every ten seconds, if anything."""

    events: str
    page: str = ""
    name: str = ""


@dataclass(kw_only=True)
class Crowd:
    """Who is there, what they do, and how long they waited for it.

    Args:
        tabs: What is held open all the time.
        visits: What else is visited, one after the other: the name and path of each page.
        visits_per_s: So many of them begin each second, whether or not the ones before are there.
        cached: What the browsers keep: of each file its ETag, and until when they do not ask for it.
        visited: What was visited, and came.
    """

    tabs: Sequence[Tab]
    visits: Iterator[tuple[str, str]]
    visits_per_s: float
    cached: dict[str, tuple[bytes, float]]
    record: Record = field(default_factory=Record)
    visited: list[tuple[str, str]] = field(default_factory=list)
    waited_s: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    wrong: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def at(self, url: str) -> AsyncIterator[None]:
        """Be at a dashboard until the block ends."""
        begun = time.monotonic()
        async with asyncio.TaskGroup() as group:
            tasks: set[asyncio.Task[None]] = set()

            def start(doing: Coroutine[object, object, None]) -> None:
                task = group.create_task(doing)
                tasks.add(task)
                task.add_done_callback(tasks.discard)

            for number, tab in enumerate(self.tabs):
                start(self._hold(url, tab, begun))
                if tab.page:
                    start(self._fetch_part(url, tab, PARTS_EVERY_S * (number + 1) / len(self.tabs)))
            start(self._visit_pages(url, start))
            yield
            for task in tasks:
                task.cancel()

    async def _visit_pages(self, url: str, start: Callable[[Coroutine[object, object, None]], None]) -> None:
        async def visit(name: str, path: str) -> None:
            await self._visit(url, name, path)
            self.visited.append((name, path))

        for name, path in self.visits:
            await asyncio.sleep(1 / self.visits_per_s)
            start(visit(name, path))

    async def _fetch_part(self, url: str, tab: Tab, later_s: float) -> None:
        await asyncio.sleep(later_s)
        while True:
            await self._visit(url, tab.name, tab.page, is_whole=False)
            await asyncio.sleep(PARTS_EVERY_S)

    async def _visit(self, url: str, name: str, path: str, *, is_whole: bool = True) -> None:
        """Fetch a page, and what a browser asks for with it over the same connection."""
        async with _connect(url) as (reader, writer):
            page = await self._ask(reader, writer, path)
            self.waited_s[name].append(page.took_s)
            if page.status != HTTPStatus.OK:
                self.wrong.append(f"{page.status} {path}")
            for file in _STATIC.findall(page.content) if is_whole else ():
                static = file.decode()
                etag, fresh_until = self.cached.get(static, (b"", 0.0))
                if fresh_until > time.monotonic():
                    continue
                answer = await self._ask(reader, writer, static, etag)
                self.waited_s[STATIC].append(answer.took_s)
                head = answer.content.partition(b"\r\n\r\n")[0]
                age, found = _AGE.search(head), _ETAG.search(head)
                until = time.monotonic() + int(age[1]) if age else 0.0
                self.cached[static] = found[1] if found else b"", until

    async def _ask(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, etag: bytes = b""
    ) -> Answer:
        begun = time.monotonic()
        condition = b"If-None-Match: " + etag + b"\r\n" if etag else b""
        writer.write(b"GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n" % (path.encode(), condition))
        content = await _read_answer(reader)
        answer = Answer(content=content, took_s=time.monotonic() - begun)
        self.record.answers[path] = answer
        return answer

    async def _hold(self, url: str, tab: Tab, begun: float) -> None:
        pieces: list[tuple[float, bytes]] = []
        self.record.streams.setdefault(tab.events, pieces)
        async with _connect(url) as (reader, writer):
            writer.write(b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % tab.events.encode())
            while piece := await reader.read(1 << 20):
                pieces.append((time.monotonic() - begun, piece))
        if b" 200 " not in (pieces[0][1] if pieces else b"")[:20]:
            self.wrong.append(f"no stream {tab.events}")


@asynccontextmanager
async def serve_again(record: Record) -> AsyncIterator[str]:
    """Yield the address of a server that answers the same bytes, after as long, and its streams at the same times."""
    begun = time.monotonic()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Whoever is being served when the server closes is let go.
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                request = await reader.readuntil(b"\r\n\r\n")
                path = request.split(b" ", 2)[1].decode()
                if path in record.streams:
                    await _stream_again(writer, record.streams[path], begun)
                answer = record.answers[path]
                await asyncio.sleep(answer.took_s)
                writer.write(answer.content)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def _stream_again(
    writer: asyncio.StreamWriter, pieces: Sequence[tuple[float, bytes]], begun: float
) -> None:
    """Write each piece when it came; from the beginning again, when this takes longer than that did."""
    whole_s = pieces[-1][0] + 1
    for number, (at, piece) in enumerate(chain.from_iterable(cycle([pieces]))):
        due = begun + at + whole_s * (number // len(pieces))
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        writer.write(piece)
        await writer.drain()


@asynccontextmanager
async def _connect(url: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=1 << 20)
    try:
        yield reader, writer
    finally:
        writer.close()


async def _read_answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    if length := _LENGTH.search(head):
        return head + await reader.readexactly(int(length[1]))
    if not _CHUNKED.search(head):
        return head
    pieces = [head]
    while True:
        size = await reader.readuntil(b"\r\n")
        pieces += [size, await reader.readexactly(int(size, 16) + 2)]
        if int(size, 16) == 0:
            return b"".join(pieces)
