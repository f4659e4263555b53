"""Groups whose commands are imported when they are invoked, so that every help page answers at once."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, ClassVar

import click

from awcopy.cli.help import PLAIN_CODES, HelpfulGroup

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from awcopy.cli.help import Exit

    # By name: the module and the command in it, and what it does.
    Commands = Mapping[str, tuple[str, str]]


class LazyGroup(HelpfulGroup):
    """Commands by name, in the order of the help page."""

    table: ClassVar[Commands] = {}

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command, importing it."""
        del ctx
        if cmd_name not in self.table:
            return None
        module, _, name = self.table[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the help page."""
        del ctx
        return list(self.table)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing one."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in self.table.items()])


def lazy_group(
    commands: Commands, *examples: str, exit_codes: Sequence[Exit] = PLAIN_CODES
) -> type[LazyGroup]:
    """Return the class of a group: ``@click.group(cls=lazy_group(...), commands=stand_ins(...))``."""
    facts = {"table": commands, "examples": examples, "exit_codes": tuple(exit_codes)}
    return type("Lazy", (LazyGroup,), facts)


def stand_ins(commands: Commands) -> dict[str, click.Command]:
    """Return empty commands by which Click finds what a mistyped name may have meant."""
    return {name: click.Command(name) for name in commands}
