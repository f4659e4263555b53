"""Options that say what becomes of archived objects, read into what the job is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from awcopy.cli.values import SIZE
from awcopy.errors import UsageError
from awcopy.model.spec import Archived, Restore, RestoreTier

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Decorated = TypeVar("Decorated", bound="Callable[..., Any]")

_MOST_DAYS = 365
_OPTIONS = ("restore_tier", "restore_days", "restore_max_objects", "restore_max_bytes")


def archived_options(command: Decorated) -> Decorated:
    """Return a command with the options about archived objects."""
    usual = Restore()
    for option in (
        click.option(
            "--restore-max-bytes", type=SIZE, metavar="SIZE", help="Restore at most so many bytes in all."
        ),
        click.option(
            "--restore-max-objects",
            type=click.IntRange(1),
            metavar="N",
            help="Restore at most so many objects.",
        ),
        click.option(
            "--restore-days",
            type=click.IntRange(1, _MOST_DAYS),
            metavar="N",
            help=f"Days for which S3 keeps what was restored, and for which it is waited for.  [default: {usual.days}]",
        ),
        click.option(
            "--restore-tier",
            type=click.Choice([tier.value for tier in RestoreTier], case_sensitive=False),
            help=f"How soon S3 restores, and at which price.  [default: {usual.tier.value}]",
        ),
        click.option(
            "--archived",
            type=click.Choice([choice.value for choice in Archived]),
            default=Archived.SKIP.value,
            show_default=True,
            help="Objects in Glacier, Deep Archive or an archive of Intelligent-Tiering: skip them, fail them, or "
            "restore them, wait, and copy them.",
        ),
    ):
        command = option(command)
    return command


def read_archived(options: Mapping[str, Any]) -> tuple[Archived, Restore]:
    """Return what becomes of archived objects, and how they are restored.

    Raises:
        UsageError: Restoring was asked for without a limit, or described without being asked for.
    """
    archived = Archived(options["archived"])
    given = [name for name in _OPTIONS if options[name] is not None]
    if archived is not Archived.RESTORE:
        if given:
            option = f"--{given[0].replace('_', '-')}"
            raise UsageError(
                f"{option} says how to restore", hint="write --archived restore, or leave it out"
            )
        return archived, Restore()
    if options["restore_max_objects"] is None and options["restore_max_bytes"] is None:
        raise UsageError(
            "restoring costs money per object and per byte, so it needs a limit",
            hint="add --restore-max-objects N, --restore-max-bytes SIZE, or both; `awcopy copy --help` and "
            "docs/howto-archived-objects.md name prices",
        )
    usual = Restore()
    return archived, Restore(
        tier=RestoreTier(options["restore_tier"] or usual.tier),
        days=options["restore_days"] or usual.days,
        most_objects=options["restore_max_objects"] or 0,
        most_bytes=options["restore_max_bytes"] or 0,
    )
