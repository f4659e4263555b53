"""``awcopy web``: starts the dashboard; that itself is in ``web``."""

from __future__ import annotations

import click

from awcopy.cli.help import helpful
from awcopy.cli.setup import check_log_level
from awcopy.cli.values import ENDPOINT
from awcopy.config import load_settings


@click.command(cls=helpful("awcopy web", "awcopy web --port 8081 --flower-url http://127.0.0.1:5555"))
@click.option("--host", default="127.0.0.1", show_default=True, help="Loopback address to listen at.")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=8080,
    show_default=True,
    help="Port to listen at; 0: any free one.",
)
@click.option("--flower-url", type=ENDPOINT, metavar="URL", help="Address of Flower, for the pages' link.")
def web(host: str, port: int, flower_url: str | None) -> None:
    """Run the dashboard and the HTTP API until it is told to stop."""
    from web.server import run_web

    settings = load_settings()
    check_log_level(settings)
    run_web(settings, host, port, flower_url or "")
