"""The secrets of a 2015 command line: ``@env:NAME``, ``@file:PATH``, ``-``, or, with a warning, in clear."""

from __future__ import annotations

from typing import TYPE_CHECKING

from awcopy import config
from awcopy.cli.console import print_warning
from awcopy.cli.credentials import check_azure_keys
from awcopy.cli.legacy import PARAMETERS
from awcopy.cli.secrets import ASK, ask_secret, is_hidden
from awcopy.config import AwsKeys, AzureKeys, Secret
from awcopy.errors import CredentialsError
from awcopy.vault.credentials import JobCredentials

if TYPE_CHECKING:
    from collections.abc import Mapping

    from awcopy.cli.legacy import LegacyCall

# An access key's id names the key and opens nothing.
_MUST_BE_HIDDEN = ("secret", "storagekey")


def resolve_credentials(call: LegacyCall) -> JobCredentials:
    """Return the credentials that the command line gives, asking for those that are ``-``.

    Raises:
        CredentialsError: A variable or file is not there or empty, or the storage key cannot be one.
    """
    in_clear = [f"{name}:" for name in _MUST_BE_HIDDEN if not is_hidden(call.parameters[name])]
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
    secret = Secret(ask_secret(name).strip()) if text == ASK else config.resolve_secret(name, text)
    if not secret.reveal().strip():
        raise CredentialsError(f"{name}: is empty", hint="set it and try again")
    return secret


def _make_credentials(secrets: Mapping[str, Secret]) -> JobCredentials:
    azure = AzureKeys(account_key=secrets["storagekey"])
    return JobCredentials(
        aws=AwsKeys(access_key=secrets["accesskey"], secret_key=secrets["secret"]),
        azure=check_azure_keys(azure, "storagekey:"),
    )
