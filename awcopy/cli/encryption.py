"""Options that say how blobs are to be encrypted, and with which key objects are; read into one record."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from awcopy.cli.secrets import read_customer_key
from awcopy.config import parse_customer_key
from awcopy.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from awcopy.config import CustomerKey, Settings

Decorated = TypeVar("Decorated", bound="Callable[..., Any]")

_SCOPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{1,61}[A-Za-z0-9]")  # as the portal takes them
KEY_FORMS = "@file:PATH, @env:NAME, or - to be asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenEncryption:
    """What a command line says about encryption."""

    scope: str = ""
    sink_key: CustomerKey | None = None
    source_key: CustomerKey | None = None


NO_ENCRYPTION = GivenEncryption()


def key_options(command: Decorated) -> Decorated:
    """Return a command with the two options that give keys."""
    for name, help_text in (
        ("--source-encryption-key", f"Key that the objects are encrypted with (SSE-C): {KEY_FORMS}."),
        ("--encryption-key", f"Encrypt the blobs with this key, which Azure does not keep: {KEY_FORMS}."),
    ):
        command = click.option(name, metavar="KEY", help=help_text)(command)
    return command


def encryption_options(command: Decorated) -> Decorated:
    """Return a command with every option about encryption."""
    command = key_options(command)
    command = click.option(
        "--encrypt",
        is_flag=True,
        help="Encrypt the blobs with AWCOPY_ENCRYPTION_SCOPE or AWCOPY_ENCRYPTION_KEY.",
    )(command)
    return click.option(
        "--encryption-scope",
        default="",
        metavar="NAME",
        help="Encrypt the blobs with this encryption scope of the account.",
    )(command)


def read_encryption(options: Mapping[str, Any], settings: Settings) -> GivenEncryption:
    """Return what the options say, with the settings' part where ``--encrypt`` asks for it.

    Raises:
        UsageError: They contradict each other, or ``--encrypt`` finds nothing set.
        CredentialsError: A key cannot be read, or is none.
    """
    given = GivenEncryption(
        scope=options["encryption_scope"],
        sink_key=read_customer_key("--encryption-key", options["encryption_key"]),
        source_key=read_customer_key("--source-encryption-key", options["source_encryption_key"]),
    )
    if options["encrypt"]:
        given = _with_settings(given, settings)
    if given.scope and given.sink_key:
        raise UsageError(
            "a blob is encrypted with a scope or with a key, not with both", hint="leave one of them out"
        )
    if given.scope and not _SCOPE.fullmatch(given.scope):
        raise UsageError(
            f"no encryption scope can be called {given.scope!r}",
            hint="names are 3 to 63 letters, digits and hyphens",
        )
    if options["tier"] and (given.scope or given.sink_key):
        raise UsageError(
            "Azure takes no access tier for a blob that is written with an encryption scope or key",
            hint="leave out --tier: the blobs get the account's tier",
        )
    return given


def _with_settings(given: GivenEncryption, settings: Settings) -> GivenEncryption:
    if given.scope or given.sink_key:
        raise UsageError(
            "--encrypt (/E) takes what the settings name, and --encryption-scope or --encryption-key "
            "names another",
            hint="leave one of them out",
        )
    scope, key = settings.encryption_scope, settings.encryption_key.reveal()
    if bool(scope) == bool(key):
        what = "both are set" if scope else "neither is set"
        raise UsageError(
            f"--encrypt (/E) takes AWCOPY_ENCRYPTION_SCOPE or AWCOPY_ENCRYPTION_KEY, and {what}",
            hint=(
                "set one of them; Azure encrypts every blob at rest with a key of the account, "
                "so without /E they are encrypted, too"
            ),
        )
    if scope:
        return GivenEncryption(scope=scope, source_key=given.source_key)
    return GivenEncryption(
        sink_key=parse_customer_key(key.encode(), "AWCOPY_ENCRYPTION_KEY"), source_key=given.source_key
    )
