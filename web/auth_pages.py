"""Logging in by pasting a token, and logging out."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING

import structlog
from flask import Blueprint, current_app, make_response, redirect, render_template, request, url_for

from web.auth import begin_session, current_book, end_session, recognize
from web.forms import require_token
from web.rates import Rate

if TYPE_CHECKING:
    from flask import Flask
    from werkzeug.wrappers import Response

log = structlog.get_logger(__name__)

MOST_LOGINS = 5
_RATE = "awcopy.logins"
# A path of ours and nothing that a browser takes for another host: it drops tabs, and reads \ as /.
_OWN_PATH = re.compile(r"/(?!/)[!-\[\]-~]*", re.ASCII)

blueprint = Blueprint("auth", __name__)


def limit_logins(app: Flask) -> None:
    """Let each address try so many logins a minute."""
    app.extensions[_RATE] = Rate(MOST_LOGINS, "logins from this address")


@blueprint.get("/login")
def ask_for_token() -> Response:
    """Return the page that asks for a token, or go on where somebody is logged in or need not be."""
    following = _following(request.args.get("next", ""))
    if recognize():
        return redirect(following, HTTPStatus.SEE_OTHER)
    return make_response(render_template("login.html", following=following, is_wrong=False))


@blueprint.post("/login")
def log_in() -> Response:
    """Begin a session when the token counts, and go on to where the visitor was on the way to."""
    require_token()
    rate: Rate = current_app.extensions[_RATE]
    rate.take(request.remote_addr or "")
    following = _following(request.form.get("next", ""))
    token = current_book().find(request.form.get("access", "").strip())
    if token is None:
        log.warning("login_refused", address=request.remote_addr)
        page = render_template("login.html", following=following, is_wrong=True)
        return make_response(page, HTTPStatus.FORBIDDEN)
    begin_session(token)
    log.info("logged_in", token=token.name, role=token.role.value, address=request.remote_addr)
    return redirect(following, HTTPStatus.SEE_OTHER)


@blueprint.post("/logout")
def log_out() -> Response:
    """End the session."""
    require_token()
    visitor = recognize()
    log.info("logged_out", token=visitor.name if visitor else "", address=request.remote_addr)
    end_session()
    return redirect(url_for("auth.ask_for_token"), HTTPStatus.SEE_OTHER)


def _following(text: str) -> str:
    return text if _OWN_PATH.fullmatch(text) else url_for("pages.show_overview")
