"""Doing harm to processes, each by its own id, and only to those that a test was given.

Owns finding a process's children, and the process behind a connection; signals; and a full disk.
"""

from __future__ import annotations

import os
import re
import resource
import signal
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def children_of(pid: int) -> list[int]:
    """Return the ids of a process's living children, oldest first."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, parent = _state_and_parent(stat.read_text())
            if parent == pid and state not in "ZX":
                found.append(int(stat.parent.name))
    return sorted(found, key=started_at)


def is_alive(pid: int) -> bool:
    """Return whether the process runs, or is stopped; a dead one that nobody has waited for does not count."""
    try:
        state, _ = _state_and_parent(Path(f"/proc/{pid}/stat").read_text())
    except OSError:
        return False
    return state not in "ZX"


def started_at(pid: int) -> int:
    """Return when the process started, in ticks since boot: with its id, this names it for good; 0: gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except OSError:
        return 0


def owner_of_port(port: int, peer_ports: Collection[int], pids: list[int]) -> int:
    """Return which of the processes holds the local end of a connection from a port to one of these; 0 if none does.

    The local port alone does not say: Linux gives the same one to connections that go to different ports.
    """
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    ends = {row[9]: tuple(int(end.rpartition(":")[2], 16) for end in row[1:3]) for row in rows}
    wanted = {inode for inode, (local, peer) in ends.items() if local == port and peer in peer_ports}
    return next((pid for pid in pids if wanted & _sockets(pid)), 0)


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Freeze a process (SIGSTOP) until the block ends (SIGCONT)."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


@contextmanager
def full_disk(pid: int, *, room_bytes: int = 0) -> Iterator[None]:
    """Let no file of a process grow beyond its size now, as on a full disk, until the block ends.

    Writing fails with EFBIG in place of ENOSPC, which programs treat alike. Only for processes that ignore
    SIGXFSZ; those that `awcopy.demo.processes` starts inherit that from Python.
    """
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    largest = max((path.stat().st_size for path in _written_files(pid)), default=0)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (largest + room_bytes, before[1]))
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


def wait_until(what: str, is_so: Callable[[], object], *, within_s: float, every_s: float = 0.05) -> None:
    """Return as soon as a condition holds.

    Raises:
        TimeoutError: It did not hold in time; the message says what was waited for.
    """
    deadline = time.monotonic() + within_s
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {within_s:g} s in vain until {what}")
        time.sleep(every_s)


def _state_and_parent(stat: str) -> tuple[str, int]:
    fields = stat.rpartition(")")[2].split()
    return fields[0], int(fields[1])


def _sockets(pid: int) -> set[str]:
    return {found[1] for link in _open_files(pid) if (found := re.fullmatch(r"socket:\[(\d+)\]", link))}


def _written_files(pid: int) -> list[Path]:
    return [path for link in _open_files(pid) if (path := Path(link)).is_file()]


def _open_files(pid: int) -> list[str]:
    links = []
    with suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                links.append(str(entry.readlink()))
    return links
