"""``awcopy beat``: starts what watches over jobs and fires schedules; that itself is in ``workers``."""

from __future__ import annotations

import click

from awcopy.cli.help import helpful
from awcopy.cli.setup import begin_server


@click.command(cls=helpful("awcopy beat", "AWCOPY_LOG_LEVEL=WARNING awcopy beat", "awcopy beat --check"))
@click.option("--check", is_flag=True, help="Run none; say whether this machine's beat is there.")
def beat(check: bool) -> None:
    """Run beat, which takes up again what a dead worker left. One is enough for a fleet; more do no harm."""
    settings = begin_server("awcopy beat")
    if check:
        from workers.lifecycle import count_own

        click.echo(f"processes of beat here: {count_own(settings, runs_tasks=False)}")
        return
    from workers.lifecycle import run_beat

    run_beat(settings)
