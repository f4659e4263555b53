"""The server process of the dashboard: gunicorn with threads, started from Python."""

from __future__ import annotations

import os
import secrets
import socket
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from gunicorn.app.base import BaseApplication

from awcopy.bootstrap import connect_fleet
from awcopy.config import Secret
from awcopy.errors import CredentialsError, UsageError
from awcopy.logs import configure_logging
from awcopy.loopback import http_url, is_loopback
from web.app import create_app
from web.auth import say_who_gets_in
from web.events import MOST_STREAMS, end_streams_when
from web.headers import Reach

if TYPE_CHECKING:
    from collections.abc import Collection

    from flask import Flask

    from awcopy.config import Settings
    from awcopy.ledger.base import Ledger

log = structlog.get_logger(__name__)

# One for each open page, which holds a stream, and some for what is asked besides; they are made as needed.
THREADS = MOST_STREAMS + 32
KEEP_ALIVE_S = 5  # longer than the pages' polls are apart, so that each page keeps its connection
STOP_S = 10
_NICE = 5
_KEY_BYTES = 32
# Addresses to listen at that are no host's name.
_EVERYWHERE = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - what they are told from


def run_web(
    settings: Settings,
    host: str,
    port: int,
    flower_url: str = "",
    names: Collection[str] = (),
    proxies: int = 0,
) -> None:
    """Serve the dashboard until SIGTERM or SIGINT, and leave with ``SystemExit(0)`` then.

    Args:
        settings: Settings of this process.
        host: Address to listen at.
        port: TCP port; 0 takes any free one, which the log names.
        flower_url: Address of Flower for the pages' link.
        names: Hosts that it answers to beside this machine's own names.
        proxies: Servers in front of it whose X-Forwarded-For and X-Forwarded-Proto are believed.

    Raises:
        UsageError: The port is taken, or it would answer to no name at an address that others can reach.
        CredentialsError: Others can reach it, and nobody could log in.
        ServiceUnreachable: Others can reach it, and the ledger does not say whether anybody could log in.
    """
    reach = plan_reach(host, names, proxies)
    if reach.is_public:
        _require_token(connect_fleet(settings).ledger)
    listener = _listen(host, port)
    configure_logging(settings.log_level)
    _let_others_go_first()
    if reach.is_public and not proxies:
        log.warning(
            "web_without_tls", says="tokens cross the network in clear; put a server with TLS in front"
        )
    # Chosen here, once for all processes that serve.
    key = settings.web_key or Secret(secrets.token_hex(_KEY_BYTES))
    _Server(replace(settings, web_key=key), listener, flower_url, reach).run()


def plan_reach(host: str, names: Collection[str], proxies: int) -> Reach:
    """Return from where the dashboard is reached.

    Raises:
        UsageError: Others are to reach it, and it answers to no name of theirs.
    """
    known = frozenset(name.lower() for name in names)
    if not is_loopback(host) and host not in _EVERYWHERE:
        known |= {f"[{host}]" if ":" in host else host.lower()}
    # A server in front, or a name that is not this machine's own for itself: both are for others.
    is_public = bool(known or proxies or not is_loopback(host))
    if is_public and not known:
        hint = "say what people type into their browsers: --name awcopy.example.com"
        raise UsageError("the dashboard would answer to no name that others know it by", hint=hint)
    return Reach(names=known, proxies=proxies, is_public=is_public)


def _let_others_go_first() -> None:
    """Be of less weight to the kernel than others on this machine: workers, which copy what is only shown here."""
    os.nice(_NICE)
    # Linux may group processes by session and weigh the groups instead. That of others is theirs.
    if os.getsid(0) == os.getpid():
        with suppress(OSError):
            Path("/proc/self/autogroup").write_text(str(_NICE))


def _require_token(ledger: Ledger) -> None:
    now = ledger.now()
    if not any(token.is_good(now) for token in ledger.list_tokens()):
        raise CredentialsError(
            "others could reach the dashboard, and there is no token to log in with",
            hint="make one first: awcopy token create NAME --role admin",
        )


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

    def __init__(self, settings: Settings, listener: socket.socket, flower_url: str, reach: Reach) -> None:
        self._settings = settings
        self._listener = listener
        self._flower_url = flower_url
        self._reach = reach
        super().__init__()

    def load_config(self) -> None:
        """Set gunicorn's options."""
        url = http_url(*self._listener.getsockname()[:2])
        for name, value in _options(self._listener.detach()).items():
            self.cfg.set(name, value)
        # Not before gunicorn minds its signals: whoever reads the line may stop the server at once.
        self.cfg.set("when_ready", lambda _arbiter: log.info("web_listening", url=url))

    def load(self) -> Flask:
        """Return the app; called in the worker process, so that no connection is shared over a fork."""
        app = create_app(self._settings, flower_url=self._flower_url, reach=self._reach)
        # Beside it, since a ledger that does not answer would keep the server from answering, too.
        threading.Thread(target=say_who_gets_in, args=(app,), daemon=True).start()
        return app


def _options(listener_fd: int) -> dict[str, Any]:
    options: dict[str, Any] = {
        "bind": f"fd://{listener_fd}",
        "worker_class": "gthread",
        "workers": 1,
        "threads": THREADS,
        "keepalive": KEEP_ALIVE_S,
        "graceful_timeout": STOP_S,
        # By default it believes what anything on this machine forwards; whom to believe is web.app's affair.
        "forwarded_allow_ips": "",
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
