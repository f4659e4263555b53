"""awcopy's own settings: what there is, its defaults, and what files and environment say in their place."""

from __future__ import annotations

import os
import re
from dataclasses import Field, dataclass, field, fields
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from awcopy.config.files import CONFIG_VARIABLE, Reader, named_file, read_files, user_file
from awcopy.config.secrets import FROM_VARIABLE, Secret, resolve_secret
from awcopy.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

_HOUR_S = 3_600
_DAY_S = 24 * _HOUR_S
# Azurite and the storage emulators before it answer to this short connection string.
DEVELOPMENT_STORAGE = "UseDevelopmentStorage=true"
_PREFIX = "AWCOPY_"
# Of awcopy's tests; and what Kubernetes sets in a pod for services whose names begin with "awcopy".
_OTHERS_VARIABLES = re.compile(
    r"AWCOPY_(?:LIVE_\w+|FAULT_SEED|GOLDEN|(?:\w+_)?SERVICE_(?:HOST|PORT\w*)|(?:\w+_)?PORT(?:_\d+_\w+)?)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one process. Each carries its help, and comes from its own variable or a file.

    A secret may be written as ``@env:NAME`` or ``@file:PATH``: then that variable or file holds it. A number is
    1 or more, and at most what its field names.
    """

    redis_url: Secret = field(
        default=Secret("redis://127.0.0.1:6379/0"),
        metadata={"help": "Redis that carries the messages and the live state."},
    )
    ledger: Secret = field(
        default=Secret(DEVELOPMENT_STORAGE),
        metadata={"help": "Azure Storage account of the jobs: a connection string, or an account's URL."},
    )
    api_url: str = field(
        default="",
        metadata={
            "help": "Dashboard through whose API the commands work, in place of Redis and the ledger: https://HOST."
        },
    )
    api_token: Secret = field(
        default=Secret(""),
        metadata={"help": "Token that the commands show to that API; `awcopy token create` prints one."},
    )
    namespace: str = field(
        default="awcopy",
        metadata={
            "help": "Prefix of tables, container, Redis keys and queue: several fleets share one account."
        },
    )
    keys: Path = field(
        default=Path("~/.awcopy/keys"),
        metadata={
            "help": "Folder of the fleet's keys: fleet.pub seals credentials, fleet.key (workers) opens them."
        },
    )
    profiles: Path = field(
        default=Path("~/.awcopy/profiles"),
        metadata={
            "help": "Folder of the workers' profiles: credentials by name, and what they may be used for."
        },
    )
    allow_private_endpoints: bool = field(
        default=False,
        metadata={"help": "Allow sources and sinks at loopback and private addresses."},
    )
    lease_s: int = field(
        default=30,
        metadata={
            "help": "Seconds a worker holds a work item without renewing before others may take it.",
            "most": _HOUR_S,
        },
    )
    reconcile_s: int = field(
        default=15,
        metadata={
            "help": "Seconds between two looks for what broken workers and lost messages left behind.",
            "most": _HOUR_S,
        },
    )
    visibility_s: int = field(
        default=900,
        metadata={
            "help": "Seconds after which Redis gives a message that no worker has acknowledged to another one.",
            "most": _DAY_S,
        },
    )
    restore_poll_s: int = field(
        default=600,
        metadata={
            "help": "Seconds between two looks whether archived objects have been restored.",
            "most": _DAY_S,
        },
    )
    connections: int = field(
        default=16,
        metadata={"help": "Requests that one task has under way at once.", "most": 256},
    )
    store_timeout_s: int = field(
        default=60,
        metadata={
            "help": "Seconds that S3 or Azure may be silent before a request counts as lost.",
            "most": _HOUR_S,
        },
    )
    encryption_scope: str = field(
        default="",
        metadata={"help": "Encryption scope of the sink's account that `--encrypt` and `/E` use."},
    )
    encryption_key: Secret = field(
        default=Secret(""),
        metadata={"help": "Key that `--encrypt` and `/E` use in place of a scope, in base64."},
    )
    ca_bundle: str = field(
        default="",
        metadata={"help": "File of authorities' certificates that are trusted beside the system's own."},
    )
    prices: Path = field(
        default=Path("~/.awcopy/prices.csv"),
        metadata={
            "help": "Price table of estimates, which `awcopy config prices --refresh` writes; else awcopy's own."
        },
    )
    web_key: Secret = field(
        default=Secret(""),
        metadata={
            "help": "Key that signs the dashboard's sessions; without, each start makes one, and all log in anew."
        },
    )
    flower_password: Secret = field(
        default=Secret(""),
        metadata={
            "help": "Password that Flower asks for; without, it makes one in `~/.awcopy/flower.password`."
        },
    )
    log_level: str = field(
        default="INFO",
        metadata={"help": "Least level of records that are logged: DEBUG, INFO, WARNING or ERROR."},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedSettings:
    """The settings, and by their names where each comes from that has not its default: a variable or a file."""

    settings: Settings
    origins: Mapping[str, str | Path]
    unknown: tuple[str, ...] = ()  # variables that look like settings, and are none


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Return the settings that the files and the environment give, defaults for the rest.

    Raises:
        UsageError: A value cannot be read as its setting's type, or a file not at all.
    """
    return load_settings_with_origins(environ).settings


def load_settings_with_origins(environ: Mapping[str, str] | None = None) -> LoadedSettings:
    """Return the same with where each comes from. Variables go before files.

    Raises:
        UsageError: As ``load_settings``.
    """
    env = os.environ if environ is None else environ
    readers: dict[str, Reader] = {f.name: partial(_check_value, f) for f in fields(Settings)}
    read = read_files(env, readers)
    values: dict[str, object] = {name: value for name, (value, _) in read.items()}
    origins: dict[str, str | Path] = {name: path for name, (_, path) in read.items()}
    for name in readers:
        if (variable := variable_name(name)) in env:
            values[name], origins[name] = _parse_setting(name, env[variable]), variable
    named: set[str] = set()  # variables that hold secrets, by whatever name
    for name, value in values.items():
        if isinstance(value, Secret):
            named.add(value.reveal().removeprefix(FROM_VARIABLE))
            origin = origins[name]
            where = f"{origin}: {name}" if isinstance(origin, Path) else origin
            values[name] = resolve_secret(where, value.reveal(), env)
    settings = Settings(**values)  # type: ignore[arg-type]  # each value is parsed to its field's type
    return LoadedSettings(settings=settings, origins=origins, unknown=_find_unknown(env, named))


def config_files(environ: Mapping[str, str] | None = None) -> list[Path]:
    """Return the files that settings are read from, the last one first to count; they need not be there."""
    env = os.environ if environ is None else environ
    return [path for path in (user_file(env), named_file(env)) if path]


def variable_name(setting: str) -> str:
    """Return the environment variable of a setting."""
    return f"{_PREFIX}{setting.upper()}"


def suggest_variable(unknown: str) -> str:
    """Return what somebody who set a variable that is no setting's may have meant."""
    name = unknown.removeprefix(_PREFIX).lower()
    close = get_close_matches(name, [f.name for f in fields(Settings)], n=1)
    return (
        f"did you mean {variable_name(close[0])}?"
        if close
        else f"it counts only where an option or a profile names it, as @env:{unknown}"
    )


def _find_unknown(env: Mapping[str, str], named: set[str]) -> tuple[str, ...]:
    known = {CONFIG_VARIABLE, *named, *(variable_name(f.name) for f in fields(Settings))}
    given = {name for name in env if name.startswith(_PREFIX) and not _OTHERS_VARIABLES.fullmatch(name)}
    return tuple(sorted(given - known))


def _parse_setting(name: str, text: str) -> object:
    setting = next(f for f in fields(Settings) if f.name == name)
    default = setting.default
    if isinstance(default, Secret):
        return Secret(text)
    if isinstance(default, bool):
        return _parse_flag(name, text)
    if isinstance(default, int):
        return _parse_whole(setting, text)
    return Path(text) if isinstance(default, Path) else text


def _check_value(setting: Field[Any], value: object) -> object:
    """Return a file's value as its setting's type; the error goes on where the key's name ends."""
    default = setting.default
    if isinstance(default, bool):
        if isinstance(value, bool):
            return value
        raise UsageError("is neither true nor false", hint="write true or false, without quotes")
    if isinstance(default, int):
        if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= setting.metadata["most"]:
            return value
        raise UsageError(_no_number(setting), hint="write it without quotes")
    if not isinstance(value, str):
        raise UsageError("is not a text", hint="write it in quotes")
    if isinstance(default, Secret):
        return Secret(value)
    return Path(value) if isinstance(default, Path) else value


def _parse_flag(name: str, text: str) -> bool:
    if text.lower() in {"1", "true", "yes", "on"}:
        return True
    if text.lower() in {"0", "false", "no", "off", ""}:
        return False
    raise UsageError(f"{variable_name(name)}={text!r} is neither yes nor no", hint="write 1 or 0")


def _parse_whole(setting: Field[Any], text: str) -> int:
    most = setting.metadata["most"]
    # No longer text is turned into a number: beyond thousands of digits Python refuses to.
    if not (text.isdecimal() and len(text) <= len(str(most)) and 1 <= int(text) <= most):
        hint = "write digits alone, or leave it out"
        raise UsageError(f"{variable_name(setting.name)}={text!r} {_no_number(setting)}", hint=hint)
    return int(text)


def _no_number(setting: Field[Any]) -> str:
    return f"is not a whole number of 1 to {setting.metadata['most']:,}"
