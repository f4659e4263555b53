"""``awcopy completion``: what a shell needs to complete commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from awcopy.cli.console import print_line
from awcopy.cli.help import Exit, helpful

SHELLS = ("bash", "zsh", "fish")
_VARIABLE = "_AWCOPY_COMPLETE"  # Click's own name for a program called awcopy


@click.command(
    cls=helpful(
        "awcopy completion bash >> ~/.bashrc",
        "awcopy completion zsh > ~/.zfunc/_awcopy",
        "awcopy completion fish > ~/.config/fish/completions/awcopy.fish",
        exit_codes=(Exit.OK, Exit.ERROR, Exit.USAGE),
    )
)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what makes a shell complete awcopy's commands and options; put it where the shell looks."""
    kind = get_completion_class(shell)
    assert kind is not None, f"Click does not know {shell}"  # noqa: S101 - it knows all three
    print_line(kind(context.find_root().command, {}, "awcopy", _VARIABLE).source())
