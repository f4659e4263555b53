"""What the ecosystem's own variables say about the stores: ``AWS_*`` and ``AZURE_STORAGE_*``."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from awcopy.config.credentials import AwsKeys, AzureKeys
from awcopy.config.secrets import Secret

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


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreDefaults:
    """What they say, in one record; empty where they say nothing."""

    aws: AwsKeys | None = None
    region: str = ""
    s3_endpoint_url: str = ""
    azure: AzureKeys | None = None
    azure_origin: str = ""  # the variable that gave them
    azure_account: str = ""
    azure_endpoint_url: str = ""


def load_store_defaults(environ: Mapping[str, str] | None = None) -> StoreDefaults:
    """Return what ``AWS_*`` and ``AZURE_STORAGE_*`` say; a connection string counts as its parts."""
    env = os.environ if environ is None else environ
    connection = parse_connection_string(env.get("AZURE_STORAGE_CONNECTION_STRING", ""))
    account_key = env.get("AZURE_STORAGE_KEY") or connection.get("accountkey", "")
    sas_token = env.get("AZURE_STORAGE_SAS_TOKEN") or connection.get("sharedaccesssignature", "")
    origins = ("AZURE_STORAGE_KEY", "AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_SAS_TOKEN")
    if not env.get("AZURE_STORAGE_KEY") and "accountkey" not in connection:
        origins = ("AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_CONNECTION_STRING", "")
    return StoreDefaults(
        azure_origin=next((name for name in origins if env.get(name)), ""),
        aws=_aws_keys(env),
        region=env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION", ""),
        s3_endpoint_url=env.get("AWS_ENDPOINT_URL_S3") or env.get("AWS_ENDPOINT_URL", ""),
        azure=_azure_keys(account_key, sas_token),
        azure_account=env.get("AZURE_STORAGE_ACCOUNT") or connection.get("accountname", ""),
        azure_endpoint_url=env.get("AZURE_STORAGE_SERVICE_ENDPOINT") or _blob_endpoint(connection),
    )


def parse_connection_string(text: str) -> dict[str, str]:
    """Return the parts of an Azure connection string by lower-case name; nothing for an empty text."""
    pairs = (part.partition("=") for part in text.split(";") if part.strip())
    return {name.strip().lower(): value for name, _, value in pairs}


def _blob_endpoint(connection: Mapping[str, str]) -> str:
    """Return the blob service that a connection string names; empty for that of the public cloud."""
    account, suffix = connection.get("accountname", ""), connection.get("endpointsuffix", "")
    scheme = connection.get("defaultendpointsprotocol", "https")
    is_elsewhere = account and suffix not in {"", "core.windows.net"}
    return connection.get("blobendpoint") or (f"{scheme}://{account}.blob.{suffix}" if is_elsewhere else "")


def _aws_keys(env: Mapping[str, str]) -> AwsKeys | None:
    if not (env.get("AWS_ACCESS_KEY_ID") and env.get("AWS_SECRET_ACCESS_KEY")):
        return None
    return AwsKeys(
        access_key=Secret(env["AWS_ACCESS_KEY_ID"]),
        secret_key=Secret(env["AWS_SECRET_ACCESS_KEY"]),
        session_token=Secret(env.get("AWS_SESSION_TOKEN", "")),
    )


def _azure_keys(account_key: str, sas_token: str) -> AzureKeys | None:
    if not (account_key or sas_token):
        return None
    return AzureKeys(account_key=Secret(account_key), sas_token=Secret("" if account_key else sas_token))
