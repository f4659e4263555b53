"""What the ecosystem's own variables say about the stores: ``AWS_*`` and ``AZURE_STORAGE_*``."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from awcopy.config.credentials import AwsKeys, AzureKeys
from awcopy.config.secrets import Secret
from awcopy.errors import CredentialsError

if TYPE_CHECKING:
    from collections.abc import Mapping

# Where people sign in to each of Azure's clouds, by the end of its blob services' names; the public cloud's is
# azure-identity's own affair, and AZURE_AUTHORITY_HOST's.
AZURE_AUTHORITIES = {
    ".blob.core.windows.net": "",
    ".blob.storage.azure.net": "",
    ".blob.core.chinacloudapi.cn": "login.chinacloudapi.cn",
    ".blob.core.usgovcloudapi.net": "login.microsoftonline.us",
}
_CONNECTION_STRING = "AZURE_STORAGE_CONNECTION_STRING"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreDefaults:
    """What they say, in one record; empty where they say nothing."""

    aws: AwsKeys | None = None  # as they are written: one of the pair may be empty
    region: str = ""
    s3_endpoint_url: str = ""
    azure: AzureKeys | None = None
    azure_origin: str = ""  # the variable that gave them
    azure_account: str = ""
    azure_endpoint_url: str = ""


def load_source_defaults(environ: Mapping[str, str] | None = None) -> StoreDefaults:
    """Return what ``AWS_*`` say, for what looks at a source alone."""
    env = os.environ if environ is None else environ
    return StoreDefaults(
        aws=_aws_keys(env),
        region=env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION", ""),
        s3_endpoint_url=env.get("AWS_ENDPOINT_URL_S3") or env.get("AWS_ENDPOINT_URL", ""),
    )


def load_store_defaults(environ: Mapping[str, str] | None = None) -> StoreDefaults:
    """Return what ``AWS_*`` and ``AZURE_STORAGE_*`` say; a connection string counts as its parts.

    Raises:
        CredentialsError: The connection string cannot be read, or has no key where no other variable has one.
    """
    env = os.environ if environ is None else environ
    has_key = bool(env.get("AZURE_STORAGE_KEY") or env.get("AZURE_STORAGE_SAS_TOKEN"))
    text = env.get(_CONNECTION_STRING, "")
    connection = parse_connection_string(_CONNECTION_STRING, text, needs_key=not has_key)
    account_key = env.get("AZURE_STORAGE_KEY") or connection.get("accountkey", "")
    sas_token = env.get("AZURE_STORAGE_SAS_TOKEN") or connection.get("sharedaccesssignature", "")
    origins = ("AZURE_STORAGE_KEY", _CONNECTION_STRING, "AZURE_STORAGE_SAS_TOKEN")
    if not env.get("AZURE_STORAGE_KEY") and "accountkey" not in connection:
        origins = ("AZURE_STORAGE_SAS_TOKEN", _CONNECTION_STRING, "")
    return replace(
        load_source_defaults(env),
        azure_origin=next((name for name in origins if env.get(name)), ""),
        azure=_azure_keys(account_key, sas_token),
        azure_account=env.get("AZURE_STORAGE_ACCOUNT") or connection.get("accountname", ""),
        azure_endpoint_url=env.get("AZURE_STORAGE_SERVICE_ENDPOINT") or _blob_endpoint(connection),
    )


def parse_connection_string(where: str, text: str, *, needs_key: bool = True) -> dict[str, str]:
    """Return the parts of an Azure connection string by lower-case name; nothing for an empty text.

    Args:
        where: Where it stands, for the message.
        text: The connection string.
        needs_key: Whether it is to hold a key or a token.

    Raises:
        CredentialsError: It cannot be read, or has neither; nothing of it is shown.
    """
    pairs = [part.partition("=") for part in text.split(";") if part.strip()]
    parts = {name.strip().lower(): value.strip() for name, _, value in pairs}
    if not all(name.strip() and found for name, found, _ in pairs):
        raise _unreadable(where, "a part of it is no NAME=VALUE")
    if parts and needs_key and not (parts.get("accountkey") or parts.get("sharedaccesssignature")):
        raise _unreadable(where, "it has neither an AccountKey nor a SharedAccessSignature")
    return parts


def _unreadable(where: str, reason: str) -> CredentialsError:
    hint = "copy it whole from the account's page of access keys, and write it in quotes in a shell"
    return CredentialsError(f"{where} cannot be read: {reason}", hint=hint)


def _blob_endpoint(connection: Mapping[str, str]) -> str:
    """Return the blob service that a connection string names; empty for that of the public cloud."""
    account, suffix = connection.get("accountname", ""), connection.get("endpointsuffix", "")
    scheme = connection.get("defaultendpointsprotocol", "https")
    is_elsewhere = account and suffix not in {"", "core.windows.net"}
    return connection.get("blobendpoint") or (f"{scheme}://{account}.blob.{suffix}" if is_elsewhere else "")


def _aws_keys(env: Mapping[str, str]) -> AwsKeys | None:
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    access_key, secret_key, session_token = (Secret(env.get(name, "")) for name in names)
    if not (access_key or secret_key or session_token):
        return None
    return AwsKeys(access_key=access_key, secret_key=secret_key, session_token=session_token)


def _azure_keys(account_key: str, sas_token: str) -> AzureKeys | None:
    if not (account_key or sas_token):
        return None
    return AzureKeys(account_key=Secret(account_key), sas_token=Secret("" if account_key else sas_token))
