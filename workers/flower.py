"""Flower on this fleet: tasks and workers to look at, on this machine only, with a password, and without secrets.

Messages hold no secret in the first place, and results are not kept. What Flower shows is cleaned all the
same when it arrives, so that its pages, its search and its API have nothing else to show.
"""

from __future__ import annotations

import ast
import base64
import hmac
import os
import secrets
import signal
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from flower.app import Flower
from flower.events import Events
from flower.options import options as flower_options
from flower.urls import settings as flower_settings
from tornado.ioloop import IOLoop
from tornado.web import ErrorHandler, OutputTransform, RequestHandler

from awcopy.config import Secret
from awcopy.errors import UsageError
from awcopy.logs import mask_secrets
from awcopy.loopback import http_url, is_own_name, require_loopback

if TYPE_CHECKING:
    from collections.abc import Mapping

    from celery import Celery
    from tornado.httputil import HTTPHeaders, HTTPServerRequest

log = structlog.get_logger(__name__)

TASKS_KEPT = 5_000  # about 7.5 KB each; Flower's own default keeps 100,000
FORGET_WORKER_S = 600  # a worker that ended so long ago is no longer counted
COLUMNS = "name,kwargs,state,received,started,runtime,worker,retries,uuid"
LONGEST_TEXT = 500
HIDDEN = "(hidden)"

PASSWORD_FILE = Path("~/.awcopy/flower.password")
SHORTEST_PASSWORD = 12
_PASSWORD_BYTES = 16
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL

# For whoever restarts a process that does not answer; it says OK and nothing else.
_HEALTH_PATH = "/healthcheck"
# The one page that reads results and tracebacks from the result backend, past all cleaning.
_RESULT_PATH = "/api/task/result/"


def run_flower(app: Celery, password: Secret, address: str = "127.0.0.1", port: int = 5555) -> None:
    """Serve Flower for a Celery app until SIGTERM or SIGINT, then return.

    Pages and API can be read and change nothing. Nothing is kept on disk, and nothing is read from the
    working directory.

    Args:
        app: The fleet's Celery app; its broker is the one that is watched.
        password: What a visitor must know; the user's name may be any.
        address: Loopback address to listen at.
        port: TCP port; 0 takes any free one, which the log names.

    Raises:
        UsageError: Others could reach the address, or the port is taken.
    """
    require_loopback(address, what="Flower")
    for name, value in choose_options(address, port).items():
        setattr(flower_options, name, value)
    # Every request has shown the password before Flower sees it; its own check knows one user's name only.
    os.environ["FLOWER_UNAUTHENTICATED_API"] = "true"  # noqa: TID251 - Flower's setting, written and not read
    server = _LocalFlower(app, password)
    try:
        bound_port = server.start_http_server()
    except (OSError, OverflowError) as exc:
        message = f"cannot listen at {address}, port {port}: {exc}"
        raise UsageError(message, hint="choose another --port") from exc
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.io_loop.add_callback_from_signal(server.stop))
    log.info("flower_listening", url=http_url(address, bound_port))
    server.start()


def choose_options(address: str, port: int) -> dict[str, Any]:
    """Return Flower's options by name; see ``flower.options`` for the meaning of each."""
    return {
        "address": address,
        "port": port,
        "read_only": True,
        "persistent": False,
        "max_tasks": TASKS_KEPT,
        "purge_offline_workers": FORGET_WORKER_S,
        "tasks_columns": COLUMNS,
    }


def knows_password(header: str, password: Secret) -> bool:
    """Return whether an Authorization header holds the password, with whatever user's name."""
    scheme, _, text = header.partition(" ")
    try:
        said = base64.b64decode(text, validate=True).partition(b":")[2]
    except ValueError:
        return False
    return scheme.lower() == "basic" and hmac.compare_digest(said, password.reveal().encode())


def find_password(given: Secret, path: Path = PASSWORD_FILE) -> Secret:
    """Return the password that Flower asks for: the given one, or that of a file, which is made if it is not there.

    Raises:
        UsageError: The given one is short, or the file can be neither read nor made.
    """
    if given:
        if len(given.reveal()) < SHORTEST_PASSWORD:
            hint = "make one: openssl rand -hex 16"
            raise UsageError(
                f"AWCOPY_FLOWER_PASSWORD has less than {SHORTEST_PASSWORD} characters", hint=hint
            )
        return given
    path = path.expanduser()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError), os.fdopen(os.open(path, _NEW_FILE, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(_PASSWORD_BYTES) + "\n")
        found = Secret(path.read_text(encoding="utf-8").strip())
    except (OSError, UnicodeDecodeError) as error:
        hint = "set AWCOPY_FLOWER_PASSWORD, for instance to @file:PATH"
        raise UsageError(
            f"Flower's password can be neither read from {path} nor made there", hint=hint
        ) from error
    if not found:
        raise UsageError(f"{path} is empty", hint="remove it, and a new password is made")
    log.info("flower_password", file=str(path))
    return found


def clean_event(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return a Celery event as it may be shown.

    Arguments become readable text; texts of exceptions are masked and cut; results (our tasks have none)
    and tracebacks are left out, because what stands in them cannot be told by its shape.
    """
    cleaned = dict(event)
    for name in ("args", "kwargs"):
        if name in event:
            cleaned[name] = _mask(describe_arguments(str(event[name])))
    if event.get("exception"):
        cleaned["exception"] = _mask(str(event["exception"]))
    if event.get("traceback"):
        cleaned["traceback"] = "The worker's log has the traceback."
    if event.get("result") not in {None, "", "None"}:
        cleaned["result"] = HIDDEN
    return cleaned


def describe_arguments(text: str) -> str:
    """Return a task's arguments as words: ``{'job': 'zybq', 'item': 17}`` is ``job zybq, item 17``.

    Anything but a plain dict or sequence is returned as it is, such as what ``kwargsrepr`` already says.
    """
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text
    if isinstance(value, dict):
        return ", ".join(f"{name} {part}" for name, part in value.items())
    if isinstance(value, (tuple, list)):
        return ", ".join(map(str, value))
    if isinstance(value, str):
        return value
    return text


def _mask(text: str) -> str:
    masked = mask_secrets(text)
    return masked if len(masked) <= LONGEST_TEXT else masked[:LONGEST_TEXT] + " …"


class _CleanEvents(Events):
    """Flower's record of events, which takes them cleaned only."""

    def on_event(self, event: dict[str, Any]) -> None:
        """Hand a cleaned event on to the record."""
        super().on_event(clean_event(event))


class _WithoutOtherOrigins(OutputTransform):
    """Takes back that any site's pages may read the API, which Flower says when it asks for no password."""

    def transform_first_chunk(
        self,
        status_code: int,
        headers: HTTPHeaders,
        chunk: bytes,
        finishing: bool,  # noqa: FBT001 - Tornado's
    ) -> tuple[int, HTTPHeaders, bytes]:
        """Remove the headers that invite other origins, and forbid frames."""
        for name in ("Origin", "Headers", "Methods"):
            headers.pop(f"Access-Control-Allow-{name}", None)
        headers["X-Frame-Options"] = "DENY"
        headers["Cross-Origin-Resource-Policy"] = "same-origin"
        headers["Referrer-Policy"] = "no-referrer"
        return super().transform_first_chunk(status_code, headers, chunk, finishing)


class _AskForPassword(RequestHandler):
    """Answers whatever is asked with the wish for a password."""

    def prepare(self) -> None:
        """Answer."""
        self.set_status(401)
        self.set_header("WWW-Authenticate", 'Basic realm="awcopy Flower", charset="UTF-8"')
        self.finish("Flower asks for a password: the one of AWCOPY_FLOWER_PASSWORD, with any user's name.\n")


class _LocalFlower(Flower):
    """Flower that answers to the password and under this machine's names only, and has no page for results."""

    def __init__(self, app: Celery, password: Secret) -> None:
        self._password = password
        io_loop = IOLoop.current()
        events = _CleanEvents(
            app,
            io_loop=io_loop,
            enable_events=flower_options.enable_events,
            max_workers_in_memory=flower_options.max_workers,
            max_tasks_in_memory=flower_options.max_tasks,
        )
        super().__init__(capp=app, options=flower_options, events=events, io_loop=io_loop, **flower_settings)
        self.add_transform(_WithoutOtherOrigins)

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:  # noqa: ANN401 - Tornado's own
        """Return what answers a request: Flower's page, or a refusal."""
        if not is_own_name(request.headers.get("Host", "")):
            return self.get_handler_delegate(request, ErrorHandler, {"status_code": 400})
        if request.path != _HEALTH_PATH and not knows_password(
            request.headers.get("Authorization", ""), self._password
        ):
            return self.get_handler_delegate(request, _AskForPassword)
        if request.path.startswith(_RESULT_PATH):
            return self.get_handler_delegate(request, ErrorHandler, {"status_code": 403})
        return super().find_handler(request, **kwargs)
