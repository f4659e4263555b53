"""``awcopy config``: the settings as they are here, and where each comes from."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING

import click

from awcopy.cli.console import print_json, print_line, print_note, safe_text
from awcopy.cli.help import Exit, helpful
from awcopy.cli.lazy import lazy_group, stand_ins
from awcopy.cli.setup import warn_of_unknown
from awcopy.cli.values import output_option
from awcopy.config import Secret, Settings, config_files, load_settings_with_origins

if TYPE_CHECKING:
    from awcopy.config import LoadedSettings

_CODES = (Exit.OK, Exit.ERROR, Exit.USAGE, Exit.CREDENTIALS)
COMMANDS = {
    "show": ("awcopy.cli.config:show_settings", "Show the settings as they are here."),
    "path": ("awcopy.cli.config:show_paths", "Show which files settings are read from."),
    "prices": ("awcopy.cli.config_prices:prices", "Show or refresh the prices of estimates."),
}


@click.group(
    cls=lazy_group(COMMANDS, "awcopy config show --origin", "awcopy config path", exit_codes=_CODES),
    commands=stand_ins(COMMANDS),
)
def config() -> None:
    """Show how this machine is set up.

    Settings come from the user's file, then from the one that AWCOPY_CONFIG names, then from variables of the
    environment; what comes later counts.
    """


@click.command(
    "show",
    cls=helpful("awcopy config show --origin", "awcopy config show -o json | jq .lease_s", exit_codes=_CODES),
)
@click.option("--origin", "with_origin", is_flag=True, help="Say where each comes from.")
@output_option("table", "json")
def show_settings(output: str, *, with_origin: bool) -> None:
    """Show the settings as a configuration file would hold them; secrets are not shown."""
    loaded = load_settings_with_origins()
    warn_of_unknown(loaded)
    shown = {setting.name: _shown(loaded, setting.name) for setting in fields(Settings)}
    origins = {name: str(loaded.origins.get(name, "default")) for name in shown}
    if output == "json":
        with_origins = {name: {"value": value, "origin": origins[name]} for name, value in shown.items()}
        print_json(with_origins if with_origin else shown)
        return
    lines = {name: f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in shown.items()}
    widest = max(map(len, lines.values()))
    for name, line in lines.items():
        print_line(safe_text(f"{line:<{widest}}  # {origins[name]}" if with_origin else line))


@click.command(
    "path",
    cls=helpful("awcopy config path", "$EDITOR $(awcopy config path | head -1)", exit_codes=_CODES),
)
def show_paths() -> None:
    """Show the configuration files, the user's own first; what a later one says counts."""
    for path in config_files():
        print_line(safe_text(str(path)))
        if not path.exists():
            print_note(f"{path} is not there")


def _shown(loaded: LoadedSettings, name: str) -> str | int | bool:
    value = getattr(loaded.settings, name)
    if isinstance(value, Secret):
        # A default is no secret, since everybody has it.
        return value.reveal() if name not in loaded.origins else repr(value)
    return value if isinstance(value, int) else str(value)
