"""The Flask app: which parts it is made of. What they answer is theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask
from jinja2 import StrictUndefined

import awcopy
from awcopy.bootstrap import connect_fleet
from web import api, events, pages, schedules
from web.fleet import attach_fleet
from web.forms import sign_forms
from web.headers import guard_browsers
from web.problems import show_problems
from web.view import add_filters

if TYPE_CHECKING:
    from awcopy.config import Settings
    from awcopy.jobs.fleet import Fleet

LARGEST_REQUEST_BYTES = 64 * 1024


def create_app(settings: Settings, fleet: Fleet | None = None, *, flower_url: str = "") -> Flask:
    """Return the dashboard and its API as a WSGI app; nothing is contacted yet.

    It answers under loopback names only, because it has no authentication yet.

    Args:
        settings: Settings of this process.
        fleet: What to look at; by default the fleet that the settings name.
        flower_url: Address of Flower for a link; none is shown without.
    """
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_REQUEST_BYTES
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals.update(flower_url=flower_url, version=awcopy.__version__)
    app.json.sort_keys = False  # type: ignore[attr-defined]  # of DefaultJSONProvider, which this is
    attach_fleet(app, fleet or connect_fleet(settings), settings)
    add_filters(app)
    sign_forms(app)
    guard_browsers(app)
    show_problems(app)
    events.allow_streams(app)
    app.register_blueprint(pages.blueprint)
    app.register_blueprint(api.blueprint)
    app.register_blueprint(schedules.blueprint)
    app.register_blueprint(events.blueprint)
    return app
