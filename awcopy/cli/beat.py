"""``awcopy beat``: starts what watches over jobs and fires schedules; that itself is in ``workers``."""

from __future__ import annotations

import click

from awcopy.cli.help import helpful
from awcopy.cli.setup import check_log_level
from awcopy.config import load_settings


@click.command(cls=helpful("awcopy beat", "AWCOPY_LOG_LEVEL=WARNING awcopy beat"))
def beat() -> None:
    """Run beat, which takes up again what a dead worker left. One is enough for a fleet; more do no harm."""
    from workers.lifecycle import run_beat

    settings = load_settings()
    check_log_level(settings)
    run_beat(settings)
