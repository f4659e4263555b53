"""How every help page ends: two real examples and the exit codes. The rest is said in each command's file."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence


class Exit(IntEnum):
    """What the shell is told."""

    OK = 0
    ERROR = 1
    USAGE = 2
    SOME_FAILED = 3
    CREDENTIALS = 4
    CANCELLED = 6
    UNREACHABLE = 7
    DIFFERENT = 8
    GUARDED = 9
    INTERRUPTED = 130


_MEANINGS = {
    Exit.OK: "done",
    Exit.ERROR: "error, or the job failed",
    Exit.USAGE: "not possible as it is written",
    Exit.SOME_FAILED: "some objects failed",
    Exit.CREDENTIALS: "credentials missing, wrong or expired",
    Exit.CANCELLED: "the job was cancelled",
    Exit.UNREACHABLE: "a service does not answer",
    Exit.DIFFERENT: "the two sides differ",
    Exit.GUARDED: "all is copied, and a guard kept everything that was to be deleted",
    Exit.INTERRUPTED: "interrupted; a job on the fleet goes on",
}
COPY_CODES = tuple(code for code in _MEANINGS if code is not Exit.DIFFERENT)
PLAIN_CODES = (Exit.OK, Exit.ERROR, Exit.USAGE, Exit.CREDENTIALS, Exit.UNREACHABLE, Exit.INTERRUPTED)


class HelpfulCommand(click.Command):
    """A command whose help ends with examples, each printed as it is typed, and its exit codes."""

    examples: Sequence[str] = ()
    exit_codes: Sequence[Exit] = PLAIN_CODES

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples and the exit codes."""
        del ctx
        write_epilog(formatter, self.examples, self.exit_codes)


class HelpfulGroup(HelpfulCommand, click.Group):
    """The same for a group of commands."""


def helpful(*examples: str, exit_codes: Sequence[Exit] = PLAIN_CODES) -> type[HelpfulCommand]:
    """Return the class of a command with these examples: ``@click.command(cls=helpful(...))``."""
    return type("Helpful", (HelpfulCommand,), {"examples": examples, "exit_codes": tuple(exit_codes)})


def helpful_group(*examples: str, exit_codes: Sequence[Exit] = PLAIN_CODES) -> type[HelpfulGroup]:
    """Return the class of a group with these examples: ``@click.group(cls=helpful_group(...))``."""
    return type("HelpfulGroup", (HelpfulGroup,), {"examples": examples, "exit_codes": tuple(exit_codes)})


def write_epilog(
    formatter: click.HelpFormatter, examples: Sequence[str], exit_codes: Sequence[Exit] = PLAIN_CODES
) -> None:
    """Write the end of a help page."""
    with formatter.section("Examples"):
        for example in examples:
            for line in example.splitlines():
                formatter.write(f"{'':>{formatter.current_indent}}{line}\n")
    with formatter.section("Exit codes"):
        formatter.write_dl([(str(int(code)), _MEANINGS[code]) for code in exit_codes])
