"""What keeps other sites away from the dashboard in a visitor's browser: headers, and names that it answers to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import request
from werkzeug.exceptions import BadRequest, Forbidden

from awcopy.loopback import is_own_name

if TYPE_CHECKING:
    from flask import Flask, Response

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
API_PREFIX = "/api/"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_PORT = re.compile(r":\d{1,5}\Z", re.ASCII)
# What a browser says of a request that the dashboard's own pages, or the person, made.
_OWN_SITES = frozenset({"same-origin", "none"})
_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    # Not no-referrer, under which browsers send "Origin: null" with the dashboard's own forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """From where the dashboard is reached; by default, from its own machine alone."""

    names: frozenset[str] = (
        frozenset()
    )  # hosts that it answers to beside this machine's own names; lower case
    proxies: int = 0  # servers in front, each of which adds to X-Forwarded-For and X-Forwarded-Proto
    is_public: bool = False  # whether others than those on this machine reach it


HERE_ALONE = Reach()


def guard_browsers(app: Flask, reach: Reach) -> None:
    """Make every answer carry the headers, and refuse requests under names that the dashboard does not answer to."""
    app.before_request(lambda: _refuse_foreign_name(reach.names))
    app.before_request(_refuse_foreign_pages)
    app.after_request(_with_headers)


def is_api_request() -> bool:
    """Return whether the present request is for the JSON API."""
    return request.path.startswith(API_PREFIX)


def _refuse_foreign_name(names: frozenset[str]) -> None:
    # Flask's TRUSTED_HOSTS does the same but for IPv6, which it cannot match (Werkzeug 3.1.9).
    host = request.headers.get("Host", "")
    if not is_own_name(host) and _PORT.sub("", host.lower()) not in names:
        raise BadRequest("awcopy does not answer to this name; `awcopy web --name` gives it one")


def _refuse_foreign_pages() -> None:
    """Refuse what a page of another site had the visitor's browser send; programs that are no browser pass.

    Every browser says with a POST where it comes from, and no page can change that.
    """
    if request.method in SAFE_METHODS:
        return
    origin = request.headers.get("Origin")
    is_own = origin is None or origin == request.host_url.rstrip("/")
    if not is_own or request.headers.get("Sec-Fetch-Site", "none") not in _OWN_SITES:
        raise Forbidden("a page of another site may not change anything here")


def _with_headers(response: Response) -> Response:
    response.headers.update(_HEADERS)
    if request.endpoint != "static":
        response.headers["Cache-Control"] = "no-store"  # what one was allowed to see is not the next one's
    return response
