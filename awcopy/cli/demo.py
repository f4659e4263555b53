"""``awcopy demo``: shows awcopy at work; the run itself is in ``awcopy.demo``."""

from __future__ import annotations

import click

from awcopy.cli.help import Exit, helpful
from awcopy.cli.setup import begin


@click.command(
    cls=helpful(
        "awcopy demo",
        "awcopy demo --keep",
        exit_codes=(Exit.OK, Exit.ERROR, Exit.USAGE, Exit.SOME_FAILED, Exit.UNREACHABLE, Exit.INTERRUPTED),
    )
)
@click.option("--keep", is_flag=True, help="Leave everything running at the end, until Ctrl-C.")
def demo(*, keep: bool) -> Exit:
    """Start Redis, an S3 server, Azurite and workers here, copy, and prove the copy with a second read."""
    begin()
    from awcopy.demo.run import run_demo

    return Exit(run_demo(keep=keep))
