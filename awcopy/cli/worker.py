"""``awcopy worker``: starts what copies; the work itself is in ``workers``."""

from __future__ import annotations

import os

import click

from awcopy.cli.help import helpful
from awcopy.cli.setup import begin_server


@click.command(
    cls=helpful("awcopy worker", "awcopy worker --processes 2 --concurrency 16", "awcopy worker --check")
)
@click.option(
    "--concurrency",
    type=click.IntRange(1, 256),
    default=8,
    show_default=True,
    help="Tasks at once, for each process.",
)
@click.option("--processes", type=click.IntRange(1, 1024), help="Processes.  [default: one per core]")
@click.option("--check", is_flag=True, help="Run none; say whether this machine's worker is there.")
def worker(concurrency: int, processes: int | None, check: bool) -> None:
    """Run a worker until it is told to stop: SIGTERM ends each task after the block in flight.

    Start as many workers as you like, on as many machines.
    """
    settings = begin_server("awcopy worker")
    if check:
        from workers.lifecycle import count_own

        click.echo(f"processes of the worker here: {count_own(settings, runs_tasks=True)}")
        return
    from workers.lifecycle import run_worker

    run_worker(settings, concurrency, processes or _cores())


def _cores() -> int:
    """Return the cores that this process may use, which in a container can be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
