"""What a command needs before its work: settings read, logging set up. Contacts nothing."""

from __future__ import annotations

import getpass
import logging
from typing import TYPE_CHECKING

from awcopy.config import load_settings
from awcopy.errors import UsageError

if TYPE_CHECKING:
    from awcopy.config import Settings
    from awcopy.jobs.fleet import Fleet

_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


def begin(*, verbose: bool = False) -> Settings:
    """Return the settings, with logging on standard error set up for a person at a terminal.

    At the default level only errors are logged, since the command itself says what a person wants to know.

    Raises:
        UsageError: A setting cannot be read.
    """
    from awcopy.logs import configure_logging

    settings = load_settings()
    level = check_log_level(settings)
    shown = "INFO" if verbose and level != "DEBUG" else "ERROR" if level == "INFO" else level
    configure_logging(shown)
    for handler in logging.getLogger().handlers:
        handler.setLevel(shown)  # the stores' clients have a level of their own
    return settings


def check_log_level(settings: Settings) -> str:
    """Return the level in capitals.

    Raises:
        UsageError: There is no such level.
    """
    level = settings.log_level.upper()
    if level not in _LEVELS:
        raise UsageError(
            f"AWCOPY_LOG_LEVEL={settings.log_level!r} is no level", hint=f"write one of {', '.join(_LEVELS)}"
        )
    return level


def open_fleet(settings: Settings) -> Fleet:
    """Return the fleet that the settings name."""
    from awcopy.bootstrap import connect_fleet

    return connect_fleet(settings)


def user_name() -> str:
    """Return who runs this, as the original recorded it; nothing where the system does not know."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""
