"""``awcopy legacy-explain``: what a command line of 2015 is today."""

from __future__ import annotations

import shlex

import click

from awcopy.cli.console import print_line, print_note
from awcopy.cli.help import Exit, helpful
from awcopy.cli.legacy import legacy_help, read_legacy

_SECRETS = (
    "secrets: set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AZURE_STORAGE_KEY in the environment, or keep "
    "to the form of 2015 with accesskey:@env:NAME secret:@env:NAME storagekey:@env:NAME"
)
EXAMPLES = (
    (
        "awcopy legacy-explain bucket:photos path:*.* accesskey:A secret:- region:eu-west-1 \\\n"
        "    container:backup storageaccount:acme storagekey:- /C /S /B:4M"
    ),
    "awcopy legacy-explain /H",
)


@click.command(
    "legacy-explain",
    cls=helpful(*EXAMPLES, exit_codes=(Exit.OK, Exit.USAGE)),
    context_settings={"ignore_unknown_options": True},
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def legacy_explain(words: tuple[str, ...]) -> None:
    """Print today's command line for one of the 2015 form. Copies nothing and reads no secret."""
    call = read_legacy(words)
    if call.wants_help:
        print_line(legacy_help())
        return
    print_line(shlex.join(["awcopy", *call.modern_argv()]))
    print_note(_SECRETS)
