"""What a command needs before its work: settings read, logging set up. Contacts nothing."""

from __future__ import annotations

import getpass
import logging
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from awcopy.cli.console import print_warning
from awcopy.config import load_settings, load_settings_with_origins, suggest_variable
from awcopy.errors import AwcopyError, UsageError

if TYPE_CHECKING:
    from awcopy.cli.desk.base import Desk
    from awcopy.config import LoadedSettings, Settings
    from awcopy.jobs.fleet import Fleet

_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
# How a message begins that is about the value of a setting.
_ABOUT_A_SETTING = re.compile(r"AWCOPY_([A-Z_]+)\b")


def begin(*, verbose: bool = False, warns: bool = True) -> Settings:
    """Return the settings, with logging on standard error set up for a person at a terminal.

    At the default level only errors are logged, since the command itself says what a person wants to know.

    Args:
        verbose: Whether to log what the command does.
        warns: Whether to warn of variables that look like settings and are none.

    Raises:
        UsageError: A setting cannot be read.
    """
    from awcopy.logs import configure_logging

    loaded = load_settings_with_origins()
    settings, level = loaded.settings, check_log_level(loaded.settings)
    if warns:
        warn_of_unknown(loaded)
    shown = "INFO" if verbose and level != "DEBUG" else "ERROR" if level == "INFO" else level
    configure_logging(shown)
    for handler in logging.getLogger().handlers:
        handler.setLevel(shown)  # the stores' clients have a level of their own
    return settings


def warn_of_unknown(loaded: LoadedSettings) -> None:
    """Warn of variables that look like settings and are none, such as a mistyped one."""
    for variable in loaded.unknown:
        print_warning(f"{variable} is no setting: {suggest_variable(variable)}")


def name_file(error: AwcopyError) -> AwcopyError:
    """Return the error; where it is about a setting that a file gives, it names that and the key, no variable."""
    about = _ABOUT_A_SETTING.match(error.message)
    with suppress(AwcopyError):
        origin = load_settings_with_origins().origins.get(about[1].lower()) if about else None
        if about and isinstance(origin, Path):
            error.message = f"{origin}: {about[1].lower()}{error.message[about.end() :]}"
    return error


def begin_server(what: str) -> Settings:
    """Return the settings of what runs until it is told to stop, such as ``awcopy worker``.

    It would start, and fail, again and again where its settings can never do.

    Raises:
        UsageError: A setting cannot be read, or names an API in place of the fleet.
    """
    settings = load_settings()
    check_log_level(settings)
    open_fleet(settings, what)
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


def open_desk(settings: Settings) -> Desk:
    """Return the way to the fleet that the settings name; nothing is contacted yet.

    Raises:
        UsageError: The address of the API is none, or would take the token in clear.
    """
    if settings.api_url:
        from awcopy.cli.desk.http import HttpDesk

        return HttpDesk(settings)
    from awcopy.bootstrap import COMMAND, connect_fleet
    from awcopy.cli.desk.fleet import FleetDesk

    return FleetDesk(settings, connect_fleet(settings, COMMAND))


def open_fleet(settings: Settings, what: str) -> Fleet:
    """Return the fleet that the settings name, for what needs its ledger or Redis.

    Raises:
        UsageError: The settings say that there is a way through the API instead.
    """
    if settings.api_url:
        raise UsageError(
            f"{what} works on Redis and the ledger themselves, and AWCOPY_API_URL is set in place of them",
            hint="run it where AWCOPY_REDIS_URL and AWCOPY_LEDGER are set, and AWCOPY_API_URL is not",
        )
    from awcopy.bootstrap import COMMAND, connect_fleet

    return connect_fleet(settings, COMMAND)


def user_name() -> str:
    """Return who runs this, as the original recorded it; nothing where the system does not know."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""
