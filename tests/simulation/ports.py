"""The twins behind the world: every call takes time, and goes wrong when the world says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import MethodType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

    from awcopy.model.job import JobId
    from tests.simulation.world import World

_WRITES = {
    "ledger": ("add", "update", "extend", "write", "delete"),
    "live": ("push", "pop", "pass", "begin", "once", "add", "share_", "book_", "beat", "forget"),
    "source": ("delete",),
    "sink": ("put_", "stage_", "commit_", "create_"),
}
_PAGE_ROWS = 4


class Port:
    """One port; ``inner`` says which twin is behind it now."""

    def __init__(self, world: World, port: str, inner: Callable[[], Any]) -> None:
        self._world = world
        self._port = port
        self._inner = inner

    def __getattr__(self, op: str) -> Any:
        special = _SPECIAL.get(f"{self._port}.{op}")
        if special:
            return MethodType(special, self)
        writes = op.startswith(_WRITES[self._port])

        def method(*args: Any, **facts: Any) -> Any:
            def effect() -> Any:
                return getattr(self._inner(), op)(*args, **facts)

            return self._world.call(self._port, op, effect, writes=writes)

        self.__dict__[op] = method
        return method


class SourcePort(Port):
    """A source: pages are small, and what is read may have a wrong bit."""

    def list_page(self, prefix: str, *, after: str = "", token: str = "", limit: int = 1000) -> Any:
        """List a page that is smaller than asked for."""
        limit = min(limit, self._world.load.page)

        def effect() -> Any:
            return self._inner().list_page(prefix, after=after, token=token, limit=limit)

        return self._world.call("source", "list_page", effect)

    def presign(self, obj: Any) -> str:
        """Sign a URL, which takes no time and asks nobody."""
        return self._inner().presign(obj)

    def read_object(self, obj: Any, into: memoryview) -> Any:
        """Read an object, perhaps wrongly."""

        def effect() -> Any:
            return self._inner().read_object(obj, into)

        return self._world.call("source", "read_object", effect, spoil=self._flip(obj, into))

    def read_range(self, obj: Any, span: Any, into: memoryview) -> None:
        """Read a range, perhaps wrongly."""

        def effect() -> None:
            self._inner().read_range(obj, span, into)

        self._world.call("source", "read_range", effect, spoil=self._flip(obj, into))

    def delete(self, key: str, *, etag: str) -> bool:
        """Delete an object; whether that was right is seen at once."""
        begun = self._world.scheduler.now
        process = self._world.scheduler.current.process

        def effect() -> bool:
            stored = self._inner()._objects.get(key)
            has_marker = self._inner().delete(key, etag=etag)
            if stored:
                self._world.note_deletion(key, stored.head.etag, is_late=process.frozen_until > begun)
            return has_marker

        return self._world.call("source", "delete", effect, writes=True)

    def _flip(self, obj: Any, into: memoryview) -> Callable[[], None] | None:
        """Only where the source keeps a checksum: nothing else could show it."""
        if not len(into) or not self._world.load.versions[obj.key][-1].has_crc64:
            return None

        def flip() -> None:
            into[self._world.rng.randrange(len(into))] ^= 1 << self._world.rng.randrange(8)

        return flip


class SinkPort(Port):
    """A sink: nobody replaces a blob that they have not looked at."""

    def __init__(self, world: World, port: str, inner: Callable[[], Any]) -> None:
        super().__init__(world, port, inner)
        self._seen: set[str] = set()

    def head(self, name: str) -> Any:
        """Look at a blob."""
        found = self._world.call("sink", "head", lambda: self._inner().head(name))
        if found:
            self._seen.add(found.etag)
        return found

    def put_blob(self, name: str, *args: Any, **facts: Any) -> str:
        """Write a blob in one call."""
        return self._write("put_blob", name, args, facts)

    def commit_blocks(self, name: str, *args: Any, **facts: Any) -> str:
        """Write a blob from its blocks."""
        return self._write("commit_blocks", name, args, facts)

    def _write(self, op: str, name: str, args: Any, facts: Any) -> str:
        fiber = self._world.scheduler.current
        begun = self._world.requests_begun.get(fiber, self._world.scheduler.now)
        process = fiber.process

        def effect() -> str:
            before = self._inner().blobs.get(name)
            etag = getattr(self._inner(), op)(name, *args, **facts)
            if process.frozen_until > begun:
                self._world.late_writes.add(etag)
            if before and before.head.etag not in self._seen:
                self._world.surprises.append(f"the blob {name} was replaced by someone who had not seen it")
            return etag

        return self._world.call("sink", op, effect, writes=True)


def _now(port: Port) -> datetime:
    return port._inner().now()


def _list_items(port: Port, job_id: JobId, *, states: Any = (), limit: int | None = None) -> Iterator[Any]:
    """Yield items page by page, each as it is when its page is read, as a table does."""
    after, left = 0, limit if limit is not None else 10**9
    while left > 0:

        def read(after: int = after, most: int = min(left, _PAGE_ROWS)) -> list[Any]:
            rows = port._inner().list_items(job_id, states=states)
            return [item for item in rows if item.number > after][:most]

        rows = port._world.call("ledger", "list_items", read)
        yield from rows
        if len(rows) < _PAGE_ROWS:
            return
        after, left = rows[-1].number, left - len(rows)


def _pop_ready(port: Port, job_id: JobId, *, timeout_s: float = 0.0) -> int | None:
    """Wait for a hint in virtual time."""
    scheduler = port._world.scheduler
    until = scheduler.now + timeout_s
    while True:
        number = port._world.call("live", "pop_ready", lambda: port._inner().pop_ready(job_id), writes=True)
        if number is not None or scheduler.now >= until:
            return number
        scheduler.pause(min(0.5, max(until - scheduler.now, 0.001)))


def _waiting_messages(port: Port) -> int:
    return port._world.call("live", "waiting_messages", lambda: len(port._world.broker.queue))


_SPECIAL = {
    "ledger.now": _now,
    "ledger.list_items": _list_items,
    "live.pop_ready": _pop_ready,
    "live.waiting_messages": _waiting_messages,
}
