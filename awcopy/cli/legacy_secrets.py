"""The secrets of a 2015 command line, as the job's credentials."""

from __future__ import annotations

from typing import TYPE_CHECKING

from awcopy.cli.credentials import check_azure_keys
from awcopy.cli.legacy import PARAMETERS
from awcopy.cli.secrets import read_secret, warn_of_clear_ones
from awcopy.config import AwsKeys, AzureKeys
from awcopy.vault.credentials import JobCredentials

if TYPE_CHECKING:
    from awcopy.cli.legacy import LegacyCall

# An access key's id names the key and opens nothing.
_MUST_BE_HIDDEN = ("secret", "storagekey")


def resolve_credentials(call: LegacyCall) -> JobCredentials:
    """Return the credentials that the command line gives, asking for those that are ``-``.

    Raises:
        CredentialsError: A variable or file is not there or empty, or the storage key cannot be one.
    """
    given = call.parameters
    needed = [each.name for each in PARAMETERS if each.is_secret and not (call.is_list and each.is_of_sink)]
    warn_of_clear_ones({name: given[name] for name in needed if name in _MUST_BE_HIDDEN}, join=":")
    secrets = {name: read_secret(name, given[name]) for name in needed}
    aws = AwsKeys(access_key=secrets["accesskey"], secret_key=secrets["secret"])
    if call.is_list:
        return JobCredentials(aws=aws)
    azure = AzureKeys(account_key=secrets["storagekey"])
    return JobCredentials(aws=aws, azure=check_azure_keys(azure, "storagekey:"))
