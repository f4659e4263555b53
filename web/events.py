"""The stream of events by which an open page stays up to date: what the JSON API would answer, when it changes."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import structlog
from flask import Blueprint, Response, current_app, request
from werkzeug.exceptions import ServiceUnavailable

from awcopy.errors import AwcopyError, JobNotFound
from web.auth import watch_visitor
from web.fleet import current_watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flask import Flask

    from web.watching import Edition

log = structlog.get_logger(__name__)

# Each stream holds one of the server's threads; ``web.server`` has more than these.
MOST_STREAMS = 96
LONGEST_S = 600.0
HEARTBEAT_S = 15.0
_PAUSE_S = 1.0
_RETRY_MS = 2_000
_BUSY_S = 10
_STOPPING = "awcopy.events.stopping"
_SLOTS = "awcopy.events.slots"

blueprint = Blueprint("events", __name__)


def allow_streams(app: Flask, most: int = MOST_STREAMS) -> None:
    """Let so many streams of an app be open at once; one more is refused, and its page asks by itself."""
    app.extensions[_SLOTS] = threading.BoundedSemaphore(most)
    app.extensions[_STOPPING] = lambda: False


def end_streams_when(app: Flask, is_stopping: Callable[[], bool]) -> None:
    """Make every stream end within a second once this returns True, so that the server can stop."""
    app.extensions[_STOPPING] = is_stopping


@blueprint.get("/events")
def stream() -> Response:
    """Return a stream of what the query asks for: ``job=ID``, ``view=overview``, or a page of jobs.

    Raises:
        JobNotFound: There is no such job.
        ServiceUnavailable: As many streams as there may be are open.
    """
    latest = current_watch()
    slots: threading.BoundedSemaphore = current_app.extensions[_SLOTS]
    if not slots.acquire(blocking=False):
        raise ServiceUnavailable("too many pages are open at once", retry_after=_BUSY_S)
    try:
        latest()  # a job that is not there is a 404 and no stream
        seen = request.headers.get("Last-Event-ID", "")
        is_stopping, is_here = current_app.extensions[_STOPPING], watch_visitor()
        lines = tell_changes(latest, seen, is_stopping=lambda: is_stopping() or not is_here())
        response = Response(lines, content_type="text/event-stream; charset=utf-8")
    except BaseException:
        slots.release()
        raise
    response.call_on_close(slots.release)
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"  # a proxy that gathers the events would hold them back
    return response


def tell_changes(
    latest: Callable[[], Edition],
    seen: str,
    *,
    is_stopping: Callable[[], bool] = lambda: False,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[str]:
    """Yield an event whenever there is something new, at most one a second; end after ten minutes.

    ``snapshot`` has an edition, ``hello`` and ``beat`` the server's time in milliseconds, ``away`` says that the
    ledger or Redis does not answer, and ``end`` that nothing will change any more.

    Args:
        latest: Returns the edition of this moment.
        seen: Revision that the page has already; empty for none.
        is_stopping: Whether to end early.
        clock: Seconds that only rise.
        sleep: Waits so many seconds.
    """
    begun = heard = clock()
    is_away = False
    yield f"retry: {_RETRY_MS}\n{_event('hello', _now())}"
    while clock() - begun < LONGEST_S and not is_stopping():
        try:
            edition = latest()
        except JobNotFound:
            yield _event("end", '"removed"')
            return
        except AwcopyError as error:
            if not is_away:
                log.warning("stream_without_news", code=error.code)
                yield _event("away", "{}")
            is_away = True
        else:
            if is_away or str(edition.revision) != seen:
                seen, heard, is_away = str(edition.revision), clock(), False
                yield f"id: {seen}\n{_event('snapshot', edition.content)}"
            if edition.is_last:
                yield _event("end", '"ended"')
                return
        if clock() - heard >= HEARTBEAT_S:
            heard = clock()
            # The comment is for what stands between; pages never see one, so they get an event.
            yield f": heartbeat\n{_event('beat', _now())}"
        sleep(_PAUSE_S)


def _event(name: str, content: str) -> str:
    return f"event: {name}\ndata: {content}\n\n"


def _now() -> str:
    return str(int(time.time() * 1000))
