"""What keeps other sites away from the dashboard in a visitor's browser: headers, and own names only."""

from __future__ import annotations

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
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
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


def guard_browsers(app: Flask) -> None:
    """Make every answer carry the headers, and refuse requests under names that are not this machine's."""
    app.before_request(_refuse_foreign_name)
    app.before_request(_refuse_foreign_pages)
    app.after_request(_with_headers)


def is_api_request() -> bool:
    """Return whether the present request is for the JSON API."""
    return request.path.startswith(API_PREFIX)


def _refuse_foreign_name() -> None:
    # Flask's TRUSTED_HOSTS does the same but for IPv6, which it cannot match (Werkzeug 3.1.9).
    if not is_own_name(request.headers.get("Host", "")):
        raise BadRequest("awcopy answers under the names of this machine only, such as localhost")


def _refuse_foreign_pages() -> None:
    """Refuse what a page of another site had the visitor's browser send; programs that are no browser pass.

    Every browser says with a POST where it comes from, and no page can change that.
    """
    if request.method in _SAFE_METHODS:
        return
    origin = request.headers.get("Origin")
    is_own = origin is None or origin == request.host_url.rstrip("/")
    if not is_own or request.headers.get("Sec-Fetch-Site", "none") not in _OWN_SITES:
        raise Forbidden("a page of another site may not change anything here")


def _with_headers(response: Response) -> Response:
    response.headers.update(_HEADERS)
    if is_api_request():
        response.headers["Cache-Control"] = "no-store"
    return response
