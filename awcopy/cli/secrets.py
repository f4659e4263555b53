"""Secrets that a command line names: ``@env:NAME``, ``@file:PATH``, ``-`` to be asked, or some in clear."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from awcopy.cli.console import print_warning
from awcopy.config import FROM_FILE, FROM_VARIABLE, Secret, parse_customer_key, resolve_secret
from awcopy.errors import CredentialsError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from awcopy.config import CustomerKey

ASK = "-"


def is_hidden(text: str) -> bool:
    """Return whether the text only says where the secret is."""
    return text == ASK or text.startswith((FROM_VARIABLE, FROM_FILE))


def ask_secret(name: str) -> str:
    """Return what the person types, unseen; a line of standard input where that is no terminal."""
    if sys.stdin.isatty():
        return str(click.prompt(name, hide_input=True, err=True))
    return sys.stdin.readline()


def read_secret(name: str, text: str) -> Secret:
    """Return the secret that a value on the command line stands for; ``name`` begins what is said about it.

    Raises:
        CredentialsError: It is empty, or the variable or file that it names is not there.
    """
    given = Secret(ask_secret(name)) if text == ASK else resolve_secret(name, text)
    secret = Secret(given.reveal().strip())
    if not secret:
        raise CredentialsError(f"{name} is empty", hint="set it and try again")
    return secret


def warn_of_clear_ones(given: Mapping[str, str], *, join: str) -> None:
    """Warn of values that stand on the command line themselves; ``join`` stands between a name and its value."""
    names = [f"{name}{join}" for name, text in given.items() if not is_hidden(text)]
    if names:
        print_warning(
            f"{' and '.join(name.strip() for name in names)} in clear can be read in the process list and the "
            f"shell's history; write {names[0]}@env:NAME, {names[0]}@file:PATH or {names[0]}- instead"
        )


def read_customer_key(option: str, text: str | None) -> CustomerKey | None:
    """Return the AES-256 key that an option gives; None when the option was not given.

    Raises:
        UsageError: The key itself stands on the command line.
        CredentialsError: There is no such key.
    """
    if not text:
        return None
    if not is_hidden(text):
        raise UsageError(
            f"{option} takes no key in clear, which the process list would show",
            hint=f"write {option} @file:PATH, @env:NAME or - to be asked",
        )
    return parse_customer_key(_read(option, text), option)


def _read(option: str, text: str) -> bytes:
    if text == ASK:
        return ask_secret(option).encode()
    if text.startswith(FROM_VARIABLE):
        return resolve_secret(option, text).reveal().encode()
    path = Path(text.removeprefix(FROM_FILE))  # may hold the key's bytes as they are, which are no text
    try:
        return path.expanduser().read_bytes()
    except OSError as error:
        hint = "name a file with only the key"
        raise CredentialsError(f"{option}: cannot be read from {path}: {error.strerror}", hint=hint) from None
