"""Forms that change something: each carries a token that only this server's own pages can know.

The token is for one action on one job, in one session, and for as long as the server has its key. It stands beside
the check of where a request comes from (``web.headers``), which needs the browser's word; this one does not.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from flask import current_app, request
from werkzeug.exceptions import Forbidden

from web.auth import session_id

if TYPE_CHECKING:
    from flask import Flask

FIELD = "token"
_PURPOSE = b"awcopy forms"  # so that it is no other signature made with the same key


def sign_forms(app: Flask) -> None:
    """Make ``form_token(path)`` known to the templates."""
    app.jinja_env.globals.update(form_token=form_token)


def form_token(path: str) -> str:
    """Return the token of a form that posts to this path."""
    key = str(current_app.secret_key).encode()
    return hmac.new(
        key, b"\n".join([_PURPOSE, session_id().encode(), path.encode()]), hashlib.sha256
    ).hexdigest()


def require_token() -> None:
    """Return when the present request is of a form of ours; raise ``Forbidden`` if not."""
    given = request.form.get(FIELD, "").encode()
    if not hmac.compare_digest(given, form_token(request.path).encode()):
        raise Forbidden(
            "the form is of an earlier session, or of a page from before the last start: reload the page"
        )
