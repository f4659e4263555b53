"""The Flask app: which parts it is made of. What they answer is theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask
from jinja2 import StrictUndefined
from werkzeug.middleware.proxy_fix import ProxyFix

import awcopy
from awcopy.bootstrap import DASHBOARD, connect_fleet
from web import api, auth_pages, events, metrics, pages, schedules
from web.actions import limit_creations
from web.auth import require_login
from web.files import keep_files
from web.fleet import attach_fleet
from web.forms import sign_forms
from web.headers import HERE_ALONE, Reach, guard_browsers
from web.problems import show_problems
from web.view import add_filters

if TYPE_CHECKING:
    from awcopy.config import Settings
    from awcopy.jobs.fleet import Fleet

LARGEST_REQUEST_BYTES = 64 * 1024


def create_app(
    settings: Settings, fleet: Fleet | None = None, *, flower_url: str = "", reach: Reach = HERE_ALONE
) -> Flask:
    """Return the dashboard and its API as a WSGI app; nothing is contacted yet.

    By default it answers under loopback names only, and asks for no token while there is none.

    Args:
        settings: Settings of this process.
        fleet: What to look at; by default the fleet that the settings name.
        flower_url: Address of Flower for a link; none is shown without.
        reach: From where it is reached.

    Raises:
        UsageError: The settings' key for sessions can be guessed.
    """
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_REQUEST_BYTES
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals.update(flower_url=flower_url, version=awcopy.__version__)
    app.json.sort_keys = False  # type: ignore[attr-defined]  # of DefaultJSONProvider, which this is
    attach_fleet(app, fleet or connect_fleet(settings, DASHBOARD, remembers=True), settings)
    add_filters(app)
    sign_forms(app)
    guard_browsers(app, reach)
    keep_files(app)
    require_login(app, settings, is_public=reach.is_public)
    auth_pages.limit_logins(app)
    limit_creations(app)
    show_problems(app)
    events.allow_streams(app)
    metrics.keep_metrics(app)
    app.register_blueprint(auth_pages.blueprint)
    app.register_blueprint(pages.blueprint)
    app.register_blueprint(api.blueprint)
    app.register_blueprint(schedules.blueprint)
    app.register_blueprint(events.blueprint)
    app.register_blueprint(metrics.blueprint)
    if reach.proxies:
        # Whoever could reach the port past them could claim any address; without them, nothing of it is believed.
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=reach.proxies, x_proto=reach.proxies, x_host=0)  # type: ignore[method-assign]  # as Werkzeug documents it
    return app
