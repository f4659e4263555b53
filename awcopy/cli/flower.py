"""``awcopy flower``: starts Flower; how it is set up is in ``workers``."""

from __future__ import annotations

import click

from awcopy.cli.help import helpful
from awcopy.cli.setup import begin_server


@click.command(cls=helpful("awcopy flower", "awcopy flower --port 5556"))
@click.option("--address", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option(
    "--port", type=click.IntRange(1, 65_535), default=5555, show_default=True, help="Port to listen at."
)
def flower(address: str, port: int) -> None:
    """Run Flower until it is told to stop.

    It asks for a password, with any user's name: that of AWCOPY_FLOWER_PASSWORD, else the one in
    ~/.awcopy/flower.password, which it makes if it is not there.
    """
    from workers.lifecycle import run_flower

    settings = begin_server("awcopy flower")
    run_flower(settings, address, port)
