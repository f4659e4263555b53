"""Loopback TCP ports for servers started here: which are free, and which process listens on one.

Knows nothing of what is served on a port, and keeps no port reserved.
"""

from __future__ import annotations

import re
import secrets
import socket
from pathlib import Path

LOOPBACK = "127.0.0.1"

# Below Linux's default range of outgoing ports (32,768 and up): a client that keeps connecting to a server
# which is down could otherwise be given the server's own port, connect to itself and keep the port taken.
LOWEST_PORT = 15_000
PORT_COUNT = 17_000
LISTENING = "0A"
TRIES = 200


def pick_ports(count: int, *, pair_offset: int = 0) -> list[int]:
    """Return distinct ports that nothing listens on now; another process may still take one first.

    Args:
        count: How many ports.
        pair_offset: When given, ``port + pair_offset`` is free too, for each port returned.

    Raises:
        OSError: No free ports were found in 200 tries for each.
    """
    ports: list[int] = []
    taken: set[int] = set()
    for _ in range(TRIES * count):
        if len(ports) == count:
            return ports
        port = LOWEST_PORT + secrets.randbelow(PORT_COUNT - pair_offset)
        group = {port, port + pair_offset}
        if taken.isdisjoint(group) and all(is_free(one) for one in group):
            ports.append(port)
            taken |= group
    if len(ports) == count:
        return ports
    message = f"found {len(ports)} free ports of {count} from {LOWEST_PORT}"
    raise OSError(message)


def is_free(port: int) -> bool:
    """Return whether a server could bind this loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def is_listening(port: int, *, pid: int) -> bool:
    """Return whether the process itself listens on the port.

    On Linux a port that another process holds does not count: a server that lost the race for its port
    must not be taken for ready because the winner answers. Elsewhere any listener counts.
    """
    table = Path("/proc/net/tcp")
    if not table.exists():
        return _accepts(port)
    inodes = _listening_inodes(table.read_text(encoding="ascii"), port)
    return bool(inodes) and bool(inodes & _socket_inodes(pid))


def _accepts(port: int) -> bool:
    try:
        socket.create_connection((LOOPBACK, port), timeout=1.0).close()
    except OSError:
        return False
    return True


def _listening_inodes(table: str, port: int) -> set[str]:
    rows = [line.split() for line in table.splitlines()[1:]]
    return {row[9] for row in rows if row[3] == LISTENING and int(row[1].rpartition(":")[2], 16) == port}


def _socket_inodes(pid: int) -> set[str]:
    inodes: set[str] = set()
    try:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            if found := re.fullmatch(r"socket:\[(\d+)\]", _target(entry)):
                inodes.add(found[1])
    except OSError:  # The process has ended.
        return set()
    return inodes


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:  # The descriptor was closed while the folder was read.
        return ""
