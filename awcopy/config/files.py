"""Configuration files: which there are, and what they say, checked key by key; ``settings`` makes settings of it."""

from __future__ import annotations

import stat
import tomllib
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from awcopy.errors import UsageError

# Reads the value of one key, or says in what it must be instead.
Reader = Callable[[object], object]
CONFIG_VARIABLE = "AWCOPY_CONFIG"
_OTHERS_MAY_READ = stat.S_IRGRP | stat.S_IROTH


def user_file(env: Mapping[str, str]) -> Path | None:
    """Return the user's own configuration file, which need not be there; None where nobody has a home."""
    if env.get("XDG_CONFIG_HOME"):
        return Path(env["XDG_CONFIG_HOME"]) / "awcopy" / "config.toml"
    return Path(env["HOME"]) / ".config" / "awcopy" / "config.toml" if env.get("HOME") else None


def named_file(env: Mapping[str, str]) -> Path | None:
    """Return the file that ``AWCOPY_CONFIG`` names; None when it names none."""
    return Path(env[CONFIG_VARIABLE]).expanduser() if env.get(CONFIG_VARIABLE) else None


def read_files(env: Mapping[str, str], readers: Mapping[str, Reader]) -> dict[str, tuple[object, Path]]:
    """Return the values that the files give, each with its file; the one that is named goes first.

    Raises:
        UsageError: A file cannot be read, or a key in it is unknown or of the wrong kind.
    """
    found: dict[str, tuple[object, Path]] = {}
    own, named = user_file(env), named_file(env)
    if own and own.exists():
        found.update(_read_file(own, readers))
    if named:
        found.update(_read_file(named, readers))
    return found


def is_open_to_others(path: Path) -> bool:
    """Return whether others than the owner may read a file."""
    return bool(path.stat().st_mode & _OTHERS_MAY_READ)


def _read_file(path: Path, readers: Mapping[str, Reader]) -> dict[str, tuple[object, Path]]:
    return {key: (_read_value(path, key, value, readers), path) for key, value in parse_toml(path).items()}


def _read_value(path: Path, key: str, value: object, readers: Mapping[str, Reader]) -> object:
    if key not in readers:
        raise UsageError(f"{path}: there is no setting {key!r}", hint=suggest(key, readers))
    try:
        return readers[key](value)
    except UsageError as error:
        raise UsageError(f"{path}: {key} {error.message}", hint=error.hint) from None


def parse_toml(path: Path) -> dict[str, Any]:
    """Return what a TOML file holds.

    Raises:
        UsageError: It cannot be read, or is no TOML; the message names the file and the line.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:  # of TOML, or of its encoding; neither repeats a value
        reason = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        hint = 'write lines like namespace = "staging", texts in quotes'
        raise UsageError(f"{path} is not TOML: {reason}", hint=hint) from None


def suggest(key: str, known: Mapping[str, object]) -> str:
    """Return what somebody who wrote an unknown key may have meant."""
    close = get_close_matches(key.lower(), known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"
