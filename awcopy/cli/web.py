"""``awcopy web``: starts the dashboard; that itself is in ``web``."""

from __future__ import annotations

import click

from awcopy.cli.help import Exit, helpful
from awcopy.cli.setup import begin_server
from awcopy.cli.values import ENDPOINT


@click.command(
    cls=helpful(
        "awcopy web --port 8081 --flower-url http://127.0.0.1:5555",
        "awcopy web --name awcopy.example.com --proxies 1",
        exit_codes=(Exit.OK, Exit.ERROR, Exit.USAGE, Exit.CREDENTIALS, Exit.UNREACHABLE),
    )
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen at; one that others can reach takes a token first.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=8080,
    show_default=True,
    help="Port to listen at; 0: any free one.",
)
@click.option("--flower-url", type=ENDPOINT, metavar="URL", help="Address of Flower, for the pages' link.")
@click.option(
    "--name",
    "names",
    multiple=True,
    metavar="HOST",
    help="What others call it: awcopy.example.com; again for several.",
)
@click.option(
    "--proxies",
    type=click.IntRange(0, 9),
    default=0,
    show_default=True,
    help="Servers in front, such as one for TLS, whose X-Forwarded-For and X-Forwarded-Proto are believed.",
)
def web(host: str, port: int, flower_url: str | None, names: tuple[str, ...], proxies: int) -> None:
    """Run the dashboard and the HTTP API until it is told to stop.

    While there is no token (`awcopy token`), whoever is on this machine may do everything; from the first one on,
    nobody gets in without.
    """
    from web.server import run_web

    settings = begin_server("awcopy web")
    run_web(settings, host, port, flower_url or "", names, proxies)
