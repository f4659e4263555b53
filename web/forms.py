"""Forms that change something: each carries a token that only this server's own pages can know.

The token is for one action on one job, and for as long as the server runs. It stands beside the check of where a
request comes from (``web.headers``), which needs the browser's word; this one does not.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING

from flask import current_app, request
from werkzeug.exceptions import Forbidden

if TYPE_CHECKING:
    from flask import Flask

FIELD = "token"
_EXTENSION = "awcopy.forms"
_KEY_BYTES = 32


def sign_forms(app: Flask) -> None:
    """Make ``form_token(path)`` known to the templates."""
    app.extensions[_EXTENSION] = secrets.token_bytes(_KEY_BYTES)
    app.jinja_env.globals.update(form_token=form_token)


def form_token(path: str) -> str:
    """Return the token of a form that posts to this path."""
    key: bytes = current_app.extensions[_EXTENSION]
    return hmac.new(key, path.encode(), hashlib.sha256).hexdigest()


def require_token() -> None:
    """Return when the present request is of a form of ours; raise ``Forbidden`` if not."""
    given = request.form.get(FIELD, "").encode()
    if not hmac.compare_digest(given, form_token(request.path).encode()):
        raise Forbidden("the form is of a page from before the dashboard's last start: reload the page")
