"""The server process of the dashboard: gunicorn with threads, started from Python, on loopback."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from gunicorn.app.base import BaseApplication

from awcopy.errors import UsageError
from awcopy.logs import configure_logging
from awcopy.loopback import http_url, require_loopback
from web.app import create_app
from web.events import MOST_STREAMS, end_streams_when

if TYPE_CHECKING:
    from flask import Flask

    from awcopy.config import Settings

log = structlog.get_logger(__name__)

# One for each open page, which holds a stream, and some for what is asked besides; they are made as needed.
THREADS = MOST_STREAMS + 32
KEEP_ALIVE_S = 5  # longer than the pages' polls are apart, so that each page keeps its connection
STOP_S = 10


def run_web(settings: Settings, host: str, port: int, flower_url: str = "") -> None:
    """Serve the dashboard until SIGTERM or SIGINT, and leave with ``SystemExit(0)`` then.

    Args:
        settings: Settings of this process.
        host: Loopback address to listen at.
        port: TCP port; 0 takes any free one, which the log names.
        flower_url: Address of Flower for the pages' link.

    Raises:
        UsageError: Others could reach the address, or the port is taken.
    """
    require_loopback(host, what="the dashboard")
    listener = _listen(host, port)
    configure_logging(settings.log_level)
    log.info("web_listening", url=http_url(*listener.getsockname()[:2]))
    _Server(settings, listener, flower_url).run()


def _listen(host: str, port: int) -> socket.socket:
    # Bound here and not by gunicorn, which would try a taken port for five seconds and then exit.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as exc:
        raise UsageError(
            f"cannot listen at {host}, port {port}: {exc}", hint="choose another --port"
        ) from exc


class _Server(BaseApplication):  # type: ignore[misc]  # gunicorn ships no types
    """What gunicorn serves, and how; it reads no file, no environment and no command line."""

    def __init__(self, settings: Settings, listener: socket.socket, flower_url: str) -> None:
        self._settings = settings
        self._listener = listener
        self._flower_url = flower_url
        super().__init__()

    def load_config(self) -> None:
        """Set gunicorn's options."""
        for name, value in _options(self._listener.detach()).items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """Return the app; called in the worker process, so that no connection is shared over a fork."""
        return create_app(self._settings, flower_url=self._flower_url)


def _options(listener_fd: int) -> dict[str, Any]:
    options: dict[str, Any] = {
        "bind": f"fd://{listener_fd}",
        "worker_class": "gthread",
        "workers": 1,
        "threads": THREADS,
        "keepalive": KEEP_ALIVE_S,
        "graceful_timeout": STOP_S,
        "accesslog": None,
        "errorlog": "-",
        "loglevel": "warning",
        # A socket in the user's home through which anyone of that user could steer the server.
        "control_socket_disable": True,
        "post_worker_init": _end_streams_with,
    }
    shared_memory = Path("/dev/shm")  # noqa: S108 - no file stays: the heartbeat's is unlinked at once
    if shared_memory.is_dir() and os.access(shared_memory, os.W_OK):
        # On a disk the heartbeat's fchmod can block, and the worker is then killed as hung.
        options["worker_tmp_dir"] = str(shared_memory)
    return options


def _end_streams_with(worker: Any) -> None:  # noqa: ANN401 - gunicorn ships no types
    end_streams_when(worker.wsgi, lambda: not worker.alive)
