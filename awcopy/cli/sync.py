"""``awcopy sync``: a copy of what is new or changed, told by both listings alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from awcopy.cli.copy import copy, start
from awcopy.cli.help import COPY_CODES, Exit, helpful
from awcopy.cli.setup import open_fleet
from awcopy.errors import UsageError
from awcopy.model.job import Compare, Sync
from awcopy.units import parse_when

if TYPE_CHECKING:
    from collections.abc import Mapping

    from awcopy.config import Settings
    from awcopy.model.job import JobSpec
    from awcopy.vault.credentials import JobCredentials

LAST = "last"
EXAMPLES = (
    "awcopy sync s3://photos/2024/ az://backup/photos/2024/ --dry-run",
    "awcopy sync s3://logs az://archive/logs --exclude '*.tmp' --agents 16 --detach",
)
# What a sync decides by itself, as `copy` is given it otherwise.
DECIDED: dict[str, Any] = {
    "overwrite": "changed",
    "no_stamp": False,
    "newer_than": None,
    "delete_source": False,
    "max_delete": None,
    "delete_proof": None,
    "delete_despite_failures": False,
    "yes": False,
}


class _Since(click.ParamType[Any]):
    """``last``, or an age or a date."""

    name = "when"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> object:
        """Return ``last`` as it is, else the moment."""
        if not isinstance(value, str) or value == LAST:
            return value
        try:
            return parse_when(value, now=datetime.now(UTC))
        except UsageError as error:
            self.fail(": ".join(filter(None, (error.message, error.hint))), param, ctx)


@click.command(
    cls=helpful(*EXAMPLES, exit_codes=COPY_CODES),
    params=[option for option in copy.params if option.name not in DECIDED],
)
@click.option(
    "--compare",
    type=click.Choice([choice.value for choice in Compare]),
    default=Compare.STAMP.value,
    show_default=True,
    help="By what an object counts as unchanged. stamp: by size and ETag, as the blob says which object it is a "
    "copy of; size+mtime: by size and date; checksum: by the checksum that S3 keeps, asked for object by object.",
)
@click.option(
    "--since",
    type=_Since(),
    metavar="WHEN|last",
    help="Only objects modified since this age (36h, 7d) or date, or since the start of the last sync of these two "
    "that completed. The source is listed in any case.",
)
@click.pass_obj
def sync(given: JobCredentials | None, /, **options: Any) -> Exit:  # noqa: ANN401 - made a record at once
    """Copy what is new or changed under SRC (s3://bucket/prefix) to DST (az://account/container/prefix).

    Both sides are listed side by side; nothing else is asked about an object that is unchanged. Objects and blobs
    are named as `awcopy copy` names them, and what is copied is copied and proved likewise.

    Blobs that no object stands for any more are left alone.
    """
    since = options["since"]
    if since == LAST and options["local"]:
        raise UsageError(
            "--since last looks at the fleet's jobs, and --local works without a fleet",
            hint="give a date, or leave out --since: what is unchanged is not copied in any case",
        )
    asked = make_sync(options)

    def adapt(spec: JobSpec, settings: Settings) -> JobSpec:
        spec = replace(spec, sync=asked)
        if asked.since_last:
            from awcopy.jobs.watermark import resolve_since

            return resolve_since(open_fleet(settings), spec)
        return spec

    return start(given, {**options, **DECIDED, "newer_than": None if asked.since_last else since}, adapt)


def make_sync(options: Mapping[str, Any]) -> Sync:
    """Return how the options of ``awcopy sync`` want the two sides kept alike."""
    return Sync(compare=Compare(options["compare"]), since_last=options["since"] == LAST)
