"""Who asks, and whether they may: by the token that a program sends, or by the session that a login began.

A session is a signed cookie that names a token. The token is looked up with each request, so that a session ends
with it; what the ledger holds of tokens is at most ``FRESH_S`` old.
"""

from __future__ import annotations

import secrets
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING

import structlog
from flask import current_app, g, redirect, request, session, url_for
from flask.sessions import SecureCookieSessionInterface
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Forbidden, Unauthorized

from awcopy.errors import AwcopyError, UsageError
from awcopy.jobs.tokens import find_token, note_use
from awcopy.model.token import Role, Token
from web.auth_roles import ANYONE, DELETING, needed_role
from web.fleet import current_fleet
from web.headers import SAFE_METHODS, is_api_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask
    from werkzeug.wrappers import Response

    from awcopy.config import Settings
    from awcopy.ledger.base import Ledger

log = structlog.get_logger(__name__)

FRESH_S = 2.0
# Likewise for one that is not among them, since it may have been made just now.
NEW_S = 0.2
SESSION_LIFE = timedelta(hours=12)
COOKIE = "awcopy_session"
SHORTEST_KEY = 32
# What a session holds.
_NAME, _MADE, _ID = "name", "made", "id"
_BOOK = "awcopy.tokens"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Who makes the present request; without a name where nobody has to say who they are."""

    name: str
    role: Role
    has_session: bool = False
    expires_at: datetime | None = None  # their token


class TokenRefused(Unauthorized):
    """There is no token, or none that counts."""

    hint = "send `Authorization: Bearer TOKEN`; `awcopy token create` makes one"

    def __init__(self, message: str) -> None:
        super().__init__(message, www_authenticate=WWWAuthenticate("bearer", {"realm": "awcopy"}))


class RoleRefused(Forbidden):
    """The token is good, and its role does not allow this."""

    hint = "ask whoever runs awcopy for a token with that role"


class TokenBook:
    """The ledger's tokens as they were at most two seconds ago. Safe to use from many threads.

    Args:
        ledger: Where they are.
        is_public: Whether others than those on this machine can reach the app; then nobody gets in without one.
        clock: Seconds that only rise.
    """

    def __init__(
        self, ledger: Ledger, *, is_public: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ledger, self._is_public, self._clock = ledger, is_public, clock
        self._lock = threading.Lock()
        self._read_at = -FRESH_S
        self._tokens: list[Token] = []
        self._error: AwcopyError | None = None

    def is_open(self) -> bool:
        """Return whether whoever asks may do everything: on this machine, as long as there is no token at all."""
        return not self._is_public and not self._read()

    def find(self, text: str) -> Token | None:
        """Return the token whose text this is, if it counts."""
        now = self._ledger.now()
        return self._using(find_token(self._read(), text, now) or find_token(self._read(NEW_S), text, now))

    def recall(self, name: str, made: str) -> Token | None:
        """Return the token that a session began with, if it still counts; not a later one of the same name."""
        found = next((one for one in self._read() if one.name == name and _made(one) == made), None)
        return self._using(found) if found and found.is_good(self._ledger.now()) else None

    def _read(self, fresh_s: float | None = None) -> list[Token]:
        # One reads for all, also that the ledger does not answer, or each would wait for that in turn.
        with self._lock:
            if self._clock() - self._read_at >= (FRESH_S if fresh_s is None else fresh_s):
                try:
                    self._tokens, self._error = self._ledger.list_tokens(), None
                except AwcopyError as error:
                    self._error = error
                self._read_at = self._clock()
            if self._error:
                raise self._error
            return self._tokens

    def _using(self, token: Token | None) -> Token | None:
        if token and note_use(self._ledger, token, self._ledger.now()):
            self._read_at = -FRESH_S
        return token


def require_login(app: Flask, settings: Settings, *, is_public: bool) -> None:
    """Let nobody do what their token's role does not allow; without any token, let in who is on this machine.

    Raises:
        UsageError: The key for sessions can be guessed.
    """
    key = settings.web_key.reveal()
    if key and len(key) < SHORTEST_KEY:
        hint = "make one: openssl rand -hex 32"
        raise UsageError(f"AWCOPY_WEB_KEY has less than {SHORTEST_KEY} characters", hint=hint)
    app.secret_key = key or secrets.token_hex(SHORTEST_KEY)
    app.session_interface = _Sessions()
    app.config.update(
        SESSION_COOKIE_NAME=COOKIE,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=SESSION_LIFE,
        # Or each request would make it begin anew, and it would never end.
        SESSION_REFRESH_EACH_REQUEST=False,
    )
    with app.app_context():
        app.extensions[_BOOK] = TokenBook(current_fleet().ledger, is_public=is_public)
    app.before_request(_let_in)
    app.jinja_env.globals.update(may=may)


def say_who_gets_in(app: Flask) -> None:
    """Log whether the dashboard asks for tokens; nothing while the ledger does not answer."""
    with suppress(AwcopyError):
        if app.extensions[_BOOK].is_open():
            log.warning("web_open", says="no token exists, so whoever is on this machine may do everything")
        else:
            log.info("web_asks_for_tokens")


def current_book() -> TokenBook:
    """Return the tokens of the app that answers the present request."""
    book: TokenBook = current_app.extensions[_BOOK]
    return book


def current_visitor() -> Visitor:
    """Return who makes the present request, which needs a role."""
    visitor: Visitor = g.visitor
    return visitor


def session_id() -> str:
    """Return what tells this session from all others; empty without one."""
    return str(session.get(_ID, ""))


def may(role: str, *, deletes: bool = False) -> bool:
    """Return whether the visitor has this role, or what it takes for a job that deletes; for templates."""
    visitor: Visitor | None = g.get("visitor")
    return visitor is not None and visitor.role.may(DELETING if deletes else Role(role))


def require_deleting_role() -> None:
    """Return when the visitor may have something deleted; raise ``RoleRefused`` if not."""
    _require_role(DELETING, "what deletes")


def begin_session(token: Token) -> None:
    """Make the visitor's browser show this token from now on, for as long as a session lives."""
    session.clear()
    session.permanent = True
    session.update({_NAME: token.name, _MADE: _made(token), _ID: secrets.token_hex(16)})


def end_session() -> None:
    """Make the visitor's browser forget its session."""
    session.clear()


def watch_visitor() -> Callable[[], bool]:
    """Return what to call, outside the request too, for whether its visitor may still be there."""
    book, name, made = current_book(), current_visitor().name, g.get("made", "")

    def is_here() -> bool:
        try:
            return book.recall(name, made) is not None if name else book.is_open()
        except AwcopyError:
            return True  # the ledger does not answer, to the stream neither

    return is_here


def recognize() -> Visitor | None:
    """Return who makes the present request; None when that is nobody who may.

    A cookie is sent along by a browser whoever made it ask, so in the API, which has no forms, it changes nothing.
    """
    book = current_book()
    if book.is_open():
        return Visitor(name="", role=Role.ADMIN)
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    # Other schemes are for what stands in front of us.
    if scheme.lower() == "bearer":
        token = book.find(text.strip())
        return _visitor(token, has_session=False) if token else None
    if is_api_request() and request.method not in SAFE_METHODS:
        return None
    if _NAME not in session:
        return None
    token = book.recall(str(session[_NAME]), str(session.get(_MADE)))
    if token is None:
        session.clear()
        return None
    return _visitor(token, has_session=True)


class _Sessions(SecureCookieSessionInterface):
    """Flask's own, whose cookie never goes over plain HTTP once it came over TLS."""

    def get_cookie_secure(self, app: Flask) -> bool:  # noqa: ARG002 - the signature is Flask's
        """Return whether the present request came over TLS."""
        return request.is_secure


def _let_in() -> Response | None:
    """Return nothing when the request may be answered, or the way to the login."""
    if request.endpoint is None:
        return None  # nothing is there: a 404 or a 405 for everyone
    needed = needed_role(request.method, request.endpoint)
    if needed is ANYONE:
        return None
    visitor = recognize()
    if visitor is None:
        if request.method in SAFE_METHODS and request.blueprint not in {"api", "events", "metrics"}:
            asked = request.full_path.rstrip("?")
            return redirect(url_for("auth.ask_for_token", next=asked), HTTPStatus.SEE_OTHER)
        raise TokenRefused("a token is needed, and there is none that counts")
    g.visitor = visitor
    _require_role(needed, "this")
    return None


def _require_role(needed: Role, what: str) -> None:
    visitor = current_visitor()
    if not visitor.role.may(needed):
        log.warning(
            "refused_over_http",
            token=visitor.name,
            role=visitor.role.value,
            endpoint=request.endpoint,
            address=request.remote_addr,
        )
        raise RoleRefused(f"{what} takes the role {needed.value}, and this token has {visitor.role.value}")


def _visitor(token: Token, *, has_session: bool) -> Visitor:
    g.made = _made(token)
    return Visitor(name=token.name, role=token.role, has_session=has_session, expires_at=token.expires_at)


def _made(token: Token) -> str:
    return token.created_at.isoformat()
