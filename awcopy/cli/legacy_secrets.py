"""The secrets of a 2015 command line: ``@env:NAME``, ``@file:PATH``, ``-``, or, with a warning, in clear."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from awcopy import config
from awcopy.cli.console import print_warning
from awcopy.cli.credentials import check_azure_keys
from awcopy.cli.legacy import PARAMETERS
from awcopy.config import FROM_FILE, FROM_VARIABLE, AwsKeys, AzureKeys, Secret
from awcopy.errors import CredentialsError
from awcopy.vault.credentials import JobCredentials

if TYPE_CHECKING:
    from collections.abc import Mapping

    from awcopy.cli.legacy import LegacyCall

_ASK = "-"
# An access key's id names the key and opens nothing.
_MUST_BE_HIDDEN = ("secret", "storagekey")


def resolve_credentials(call: LegacyCall) -> JobCredentials:
    """Return the credentials that the command line gives, asking for those that are ``-``.

    Raises:
        CredentialsError: A variable or file is not there or empty, or the storage key cannot be one.
    """
    in_clear = [f"{name}:" for name in _MUST_BE_HIDDEN if _is_in_clear(call.parameters[name])]
    if in_clear:
        print_warning(
            f"{' and '.join(in_clear)} in clear can be read in the process list and the shell's history; "
            f"write {in_clear[0]}@env:NAME, {in_clear[0]}@file:PATH or {in_clear[0]}- instead"
        )
    secrets = {
        each.name: resolve_secret(each.name, call.parameters[each.name])
        for each in PARAMETERS
        if each.is_secret
    }
    return _make_credentials(secrets)


def resolve_secret(name: str, text: str) -> Secret:
    """Return the secret that a parameter's value stands for."""
    secret = Secret(_ask(name).strip()) if text == _ASK else config.resolve_secret(name, text)
    if not secret.reveal().strip():
        raise CredentialsError(f"{name}: is empty", hint="set it and try again")
    return secret


def _make_credentials(secrets: Mapping[str, Secret]) -> JobCredentials:
    azure = AzureKeys(account_key=secrets["storagekey"])
    return JobCredentials(
        aws=AwsKeys(access_key=secrets["accesskey"], secret_key=secrets["secret"]),
        azure=check_azure_keys(azure, "storagekey:"),
    )


def _is_in_clear(text: str) -> bool:
    return text != _ASK and not text.startswith((FROM_VARIABLE, FROM_FILE))


def _ask(name: str) -> str:
    if sys.stdin.isatty():
        return str(click.prompt(name, hide_input=True, err=True))
    return sys.stdin.readline()
