"""Which credentials go with a job, and which of the environment's hints about the stores apply to it."""

from __future__ import annotations

import base64
import binascii
from dataclasses import replace
from typing import TYPE_CHECKING

from awcopy.errors import CredentialsError
from awcopy.vault.credentials import JobCredentials

if TYPE_CHECKING:
    from awcopy.config import AwsKeys, AzureKeys, StoreDefaults
    from awcopy.model.spec import JobSpec

AWS_VARIABLES = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
AZURE_VARIABLES = "AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN or AZURE_STORAGE_CONNECTION_STRING"


def environment_credentials(defaults: StoreDefaults, account: str) -> JobCredentials:
    """Return the static credentials that the environment gives; a side without any is None.

    Raises:
        CredentialsError: The environment's Azure credentials belong to another account, or are malformed, or a
            part of its AWS credentials is missing.
    """
    if defaults.azure and not is_for_account(defaults, account):
        raise CredentialsError(
            f"the environment has credentials for {defaults.azure_account}, the destination is {account}",
            hint=f"set {AZURE_VARIABLES} for {account}, or unset them",
        )
    return JobCredentials(
        aws=check_aws_keys(defaults.aws), azure=check_azure_keys(defaults.azure, defaults.azure_origin)
    )


def credentials_for(spec: JobSpec, defaults: StoreDefaults) -> JobCredentials:
    """Return what the environment gives for a job; nothing for a side that has a profile.

    Raises:
        CredentialsError: As ``environment_credentials`` has it.
    """
    used = replace(
        defaults,
        aws=None if spec.source.profile else defaults.aws,
        azure=None if spec.sink.profile else defaults.azure,
    )
    return environment_credentials(used, spec.sink.account)


def require_some(credentials: JobCredentials) -> JobCredentials:
    """Return the credentials if there are any to send to the fleet.

    Raises:
        CredentialsError: There are none on either side.
    """
    if credentials:
        return credentials
    raise CredentialsError(
        "the environment gives no credentials for S3 nor for Azure",
        hint=(
            f"set {AWS_VARIABLES}, and {AZURE_VARIABLES}; "
            "or pass --credentials workers if the workers have their own"
        ),
    )


def is_for_account(defaults: StoreDefaults, account: str) -> bool:
    """Return whether what the environment says about Azure is about this account, or about no other."""
    return not defaults.azure_account or defaults.azure_account == account


def azure_endpoint(defaults: StoreDefaults, account: str) -> str:
    """Return the blob endpoint that the environment names for this account; empty when it names none."""
    return defaults.azure_endpoint_url if is_for_account(defaults, account) else ""


def check_aws_keys(keys: AwsKeys | None) -> AwsKeys | None:
    """Return the environment's keys if they are a pair.

    Raises:
        CredentialsError: Something is set, and it is not the pair; else a job would run with another identity.
    """
    if keys is None or (keys.access_key and keys.secret_key):
        return keys
    given = {
        "AWS_ACCESS_KEY_ID": keys.access_key,
        "AWS_SECRET_ACCESS_KEY": keys.secret_key,
        "AWS_SESSION_TOKEN": keys.session_token,
    }
    is_set = " and ".join(name for name, value in given.items() if value)
    missing = " and ".join(name for name in list(given)[:2] if not given[name])
    raise CredentialsError(f"{is_set} is set without {missing}", hint=f"set {missing} too, or unset {is_set}")


def check_azure_keys(keys: AzureKeys | None, where: str) -> AzureKeys | None:
    """Return the keys if the account's key can be one.

    Raises:
        CredentialsError: It is not base64; the text itself is not shown.
    """
    if keys and keys.account_key:
        try:
            base64.b64decode(keys.account_key.reveal(), validate=True)
        except (binascii.Error, ValueError):
            hint = "copy it whole from the account's page of access keys; it ends in =="
            raise CredentialsError(
                f"{where} is not a storage account's key: it is not base64", hint=hint
            ) from None
    return keys
