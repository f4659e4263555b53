"""``awcopy sync``: a copy of what is new or changed, told by both listings alone."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from awcopy.cli.console import print_note
from awcopy.cli.copy import copy, start
from awcopy.cli.help import COPY_CODES, Exit, helpful
from awcopy.cli.setup import open_desk
from awcopy.errors import UsageError
from awcopy.model.spec import Compare, Pruning, Sync
from awcopy.planning.backup import check_backup
from awcopy.planning.naming import name_problem
from awcopy.units import parse_when

if TYPE_CHECKING:
    from collections.abc import Mapping

    from awcopy.config import Settings
    from awcopy.model.spec import JobSpec
    from awcopy.vault.credentials import JobCredentials

LAST = "last"
_ALL = 100  # per cent
_MOST = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)(%?)", re.ASCII)
EXAMPLES = (
    "awcopy sync s3://photos/2024/ az://backup/photos/2024/ --dry-run",
    "awcopy sync s3://logs az://archive/logs --exclude '*.tmp' --agents 16 --detach",
)
# What a sync decides by itself, as `copy` is given it otherwise.
DECIDED: dict[str, Any] = {
    "overwrite": "changed",
    "no_stamp": False,
    "versions": "latest",
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
        now = datetime.now(UTC)
        try:
            moment = parse_when(value, now=now)
        except UsageError as error:
            self.fail(": ".join(filter(None, (error.message, error.hint))), param, ctx)
        if moment > now:
            self.fail(f"{value!r} is still to come; without an offset a time is UTC's", param, ctx)
        return moment


class _Most(click.ParamType[Any]):
    """A number, or a percentage: (number, None) or (None, percentage)."""

    name = "number"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> object:
        """Return the pair."""
        if not isinstance(value, str):
            return value
        found = _MOST.fullmatch(value)
        if found is None or (found[2] and float(found[1]) > _ALL) or (not found[2] and "." in value):
            self.fail(f"{value!r} is neither a number nor a percentage: 100, 5%", param, ctx)
        return (None, float(found[1])) if found[2] else (int(found[1]), None)


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
@click.option(
    "--delete",
    is_flag=True,
    help="When all is copied, delete at DST the blobs that awcopy copied from SRC's bucket and whose objects "
    "are gone. Deletes nothing when anything failed or SRC is empty.",
)
@click.option(
    "--max-delete",
    type=_Most(),
    default="50%",
    show_default=True,
    metavar="N|P%",
    help="With --delete: delete nothing if more blobs than this would go; P% is of all names on both sides.",
)
@click.option(
    "--delete-unstamped",
    is_flag=True,
    help="With --delete: also blobs that awcopy did not write, or copied from another bucket.",
)
@click.option(
    "--backup-prefix",
    default="",
    metavar="PREFIX",
    help="Before a blob is replaced or deleted, copy it to this folder of the container; {date} is the job's day. "
    "The folder may not overlap with DST.",
)
@click.pass_obj
def sync(given: JobCredentials | None, /, **options: Any) -> Exit:  # noqa: ANN401 - made a record at once
    """Copy what is new or changed under SRC (s3://bucket/prefix) to DST (az://account/container/prefix).

    Both sides are listed side by side; nothing else is asked about an object that is unchanged. Objects and blobs
    are named as `awcopy copy` names them, and what is copied is copied and proved likewise.

    Blobs whose objects are gone stay, unless --delete says otherwise: then they go at the end, each only if it is
    still the blob that was listed, and if SRC, asked once more, has no object for it.
    """
    since = options["since"]
    if since == LAST and options["local"]:
        raise UsageError(
            "--since last looks at the fleet's jobs, and --local works without a fleet",
            hint="give a date, or leave out --since: what is unchanged is not copied in any case",
        )
    asked = make_sync(options)

    def adapt(spec: JobSpec, settings: Settings) -> JobSpec:
        spec = check_backup(replace(spec, sync=asked))
        if asked.since_last:
            spec = open_desk(settings).resolve_since(spec)
            if not (spec.selection.newer_than or options["quiet"]):
                print_note("awcopy: no such sync has completed yet, so all objects are looked at")
        return spec

    return start(given, {**options, **DECIDED, "newer_than": None if asked.since_last else since}, adapt)


def make_sync(options: Mapping[str, Any]) -> Sync:
    """Return how the options of ``awcopy sync`` want the two sides kept alike."""
    if options["delete_unstamped"] and not options["delete"]:
        raise UsageError("--delete-unstamped goes with --delete", hint="leave it out, or add --delete")
    most, most_percent = options["max_delete"]
    pruning = Pruning(most=most, most_percent=most_percent, takes_unstamped=options["delete_unstamped"])
    return Sync(
        compare=Compare(options["compare"]),
        since_last=options["since"] == LAST,
        backup=_read_folder(options["backup_prefix"]),
        pruning=pruning if options["delete"] else None,
    )


def _read_folder(text: str) -> str:
    folder = text.strip("/")
    problem = name_problem(f"{folder}/x") if folder else "it is empty" if text else ""
    if problem:
        raise UsageError(f"--backup-prefix {text!r} cannot be a folder: {problem}")
    return f"{folder}/" if folder else ""
