"""Everything awcopy reads from the environment and its configuration files; no other module looks there."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import os
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from awcopy.config_files import Reader, named_file, read_files, user_file
from awcopy.errors import CredentialsError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

# Azurite and the storage emulators before it answer to this short connection string.
DEVELOPMENT_STORAGE = "UseDevelopmentStorage=true"
_CUSTOMER_KEY_BYTES = 32
# Where people sign in to each of Azure's clouds, by the end of its blob services' names; the public cloud's is
# azure-identity's own affair, and AZURE_AUTHORITY_HOST's.
AZURE_AUTHORITIES = {
    ".blob.core.windows.net": "",
    ".blob.storage.azure.net": "",
    ".blob.core.chinacloudapi.cn": "login.chinacloudapi.cn",
    ".blob.core.usgovcloudapi.net": "login.microsoftonline.us",
}

# How a secret is written that lies elsewhere.
FROM_VARIABLE = "@env:"
FROM_FILE = "@file:"


class Secret:
    """A text that never shows itself: not in ``repr``, not in ``str``, not in a pickle."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the secret itself, for the one call that needs it."""
        return self._value

    def __bool__(self) -> bool:
        """Return whether there is anything to hide."""
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        """Compare by value, for tests and caches."""
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        """Hash by value."""
        return hash(self._value)

    def __repr__(self) -> str:
        """Hide the value."""
        return "**redacted**"

    __str__ = __repr__

    def __reduce__(self) -> str:
        """Refuse to be pickled."""
        raise TypeError("a Secret is never serialized")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one process. Each carries its help, and comes from its own variable or a file.

    A secret may be written as ``@env:NAME`` or ``@file:PATH``: then that variable or file holds it.
    """

    redis_url: Secret = field(
        default=Secret("redis://127.0.0.1:6379/0"),
        metadata={"help": "Redis that carries the messages and the live state."},
    )
    ledger: Secret = field(
        default=Secret(DEVELOPMENT_STORAGE),
        metadata={"help": "Azure Storage account of the jobs: a connection string, or an account's URL."},
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
        metadata={"help": "Seconds a worker holds a work item without renewing before others may take it."},
    )
    reconcile_s: int = field(
        default=15,
        metadata={"help": "Seconds between two looks for what broken workers and lost messages left behind."},
    )
    visibility_s: int = field(
        default=900,
        metadata={
            "help": "Seconds after which Redis gives a message that no worker has acknowledged to another one."
        },
    )
    restore_poll_s: int = field(
        default=600,
        metadata={"help": "Seconds between two looks whether archived objects have been restored."},
    )
    connections: int = field(
        default=16,
        metadata={"help": "Requests that one task has under way at once."},
    )
    store_timeout_s: int = field(
        default=60,
        metadata={"help": "Seconds that S3 or Azure may be silent before a request counts as lost."},
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
    log_level: str = field(
        default="INFO",
        metadata={"help": "Least level of records that are logged: DEBUG, INFO, WARNING or ERROR."},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsKeys:
    """Static AWS credentials."""

    access_key: Secret
    secret_key: Secret
    session_token: Secret = Secret("")


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsLogin:
    """A way to AWS credentials that renew themselves, as a profile describes it."""

    keys: AwsKeys | None = None  # None: what boto3 finds on the machine
    aws_profile: str = ""  # of AWS's own files, in place of keys
    role_arn: str = ""  # the role to assume with them
    external_id: str = ""
    session_name: str = "awcopy"
    web_identity_token_file: str = ""  # a token to assume the role with, in place of keys
    region: str = ""  # of the token service


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureIdentity:
    """An identity that azure-identity finds on the machine; the client id chooses among several."""

    client_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureKeys:
    """Static Azure Storage credentials: the account's key or a SAS token, one of them empty."""

    account_key: Secret = Secret("")
    sas_token: Secret = Secret("")


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerKey:
    """A key for AES-256 that a store encrypts with and does not keep: its owner sends it with each request."""

    value: Secret  # base64 of its 32 bytes

    @property
    def sha256(self) -> str:
        """The key's SHA-256 in base64: by it, a key is told from others, and cannot be found."""
        return base64.b64encode(hashlib.sha256(self._raw()).digest()).decode("ascii")

    @property
    def md5(self) -> str:
        """The key's MD5 in base64, by which S3 sees that it arrived whole."""
        return base64.b64encode(hashlib.md5(self._raw(), usedforsecurity=False).digest()).decode("ascii")

    def _raw(self) -> bytes:
        return base64.b64decode(self.value.reveal())


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreDefaults:
    """What the ecosystem's own variables say about the stores: ``AWS_*`` and ``AZURE_STORAGE_*``."""

    aws: AwsKeys | None = None
    region: str = ""
    s3_endpoint_url: str = ""
    azure: AzureKeys | None = None
    azure_origin: str = ""  # the variable that gave them
    azure_account: str = ""
    azure_endpoint_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedSettings:
    """The settings, and by their names where each comes from that has not its default: a variable or a file."""

    settings: Settings
    origins: Mapping[str, str | Path]


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
    readers: dict[str, Reader] = {f.name: partial(_check_value, f.default) for f in fields(Settings)}
    read = read_files(env, readers)
    values: dict[str, object] = {name: value for name, (value, _) in read.items()}
    origins: dict[str, str | Path] = {name: path for name, (_, path) in read.items()}
    for name in readers:
        if (variable := variable_name(name)) in env:
            values[name], origins[name] = _parse_setting(name, env[variable]), variable
    for name, value in values.items():
        if isinstance(value, Secret):
            origin = origins[name]
            where = f"{origin}: {name}" if isinstance(origin, Path) else origin
            values[name] = resolve_secret(where, value.reveal(), env)
    settings = Settings(**values)  # type: ignore[arg-type]  # each value is parsed to its field's type
    return LoadedSettings(settings=settings, origins=origins)


def config_files(environ: Mapping[str, str] | None = None) -> list[Path]:
    """Return the files that settings are read from, the last one first to count; they need not be there."""
    env = os.environ if environ is None else environ
    return [path for path in (user_file(env), named_file(env)) if path]


def variable_name(setting: str) -> str:
    """Return the environment variable of a setting."""
    return f"AWCOPY_{setting.upper()}"


def resolve_secret(where: str, text: str, environ: Mapping[str, str] | None = None) -> Secret:
    """Return the secret that ``@env:NAME`` or ``@file:PATH`` stands for; any other text is one itself.

    Raises:
        CredentialsError: The variable or file is not there, or empty; ``where`` begins the message.
    """
    env = os.environ if environ is None else environ
    if text.startswith(FROM_VARIABLE):
        value = env.get(text.removeprefix(FROM_VARIABLE), "")
    elif text.startswith(FROM_FILE):
        value = _read_secret(where, Path(text.removeprefix(FROM_FILE)))
    else:
        return Secret(text)
    if not value.strip():
        raise CredentialsError(f"{where}: {text} is empty", hint="set it and try again")
    return Secret(value.strip())


def _read_secret(where: str, path: Path) -> str:
    try:
        return path.expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise CredentialsError(
            f"{where}: cannot be read from {path}: {reason}", hint="name a file with only the secret"
        ) from None


def _parse_setting(name: str, text: str) -> object:
    default = next(f.default for f in fields(Settings) if f.name == name)
    if isinstance(default, Secret):
        return Secret(text)
    if isinstance(default, bool):
        return _parse_flag(name, text)
    if isinstance(default, int):
        return _parse_whole(name, text)
    return Path(text) if isinstance(default, Path) else text


def _check_value(default: object, value: object) -> object:
    """Return a file's value as its setting's type; the error goes on where the key's name ends."""
    if isinstance(default, bool):
        if isinstance(value, bool):
            return value
        raise UsageError("is neither true nor false", hint="write true or false, without quotes")
    if isinstance(default, int):
        if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
            return value
        raise UsageError("is not a whole number of 1 or more", hint="write it without quotes")
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


def _parse_whole(name: str, text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"{variable_name(name)}={text!r} is not a whole number of 1 or more")
    return int(text)


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


def parse_customer_key(given: bytes, where: str) -> CustomerKey:
    """Return the key that a file or a variable holds: 32 bytes as they are, or in base64.

    Args:
        given: What it holds.
        where: Which it is, for the message.

    Raises:
        CredentialsError: It is no such key; nothing of it is shown.
    """
    raw = given
    if len(given) != _CUSTOMER_KEY_BYTES:
        try:
            raw = base64.b64decode(given.strip(), validate=True)
        except ValueError:
            raw = b""
    if len(raw) != _CUSTOMER_KEY_BYTES:
        raise CredentialsError(
            f"{where} holds no key for AES-256",
            hint="it takes 32 bytes, or their base64: `openssl rand -base64 32` makes one",
        )
    return CustomerKey(value=Secret(base64.b64encode(raw).decode("ascii")))


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


def ca_files(settings: Settings, *variables: str, environ: Mapping[str, str] | None = None) -> list[str]:
    """Return the files of certificates that are trusted beside the system's: the setting's, and the variables'.

    A certificate that is trusted in addition cannot break what worked without it, so files add up where other
    programs let one take the place of all.
    """
    env = os.environ if environ is None else environ
    named = (settings.ca_bundle, *(env.get(name, "") for name in variables))
    return [str(Path(path).expanduser()) for path in named if path]


def proxy_for(url: str, environ: Mapping[str, str] | None = None) -> str:
    """Return the forward proxy for a URL, from ``HTTPS_PROXY`` or ``HTTP_PROXY``; empty for none.

    ``NO_PROXY`` names hosts that are reached directly: ``*``, a host, a domain (with or without a dot before
    it), ``host:port``, or a network such as ``10.0.0.0/8``. Lower-case names of the variables count first.
    """
    env = os.environ if environ is None else environ
    parts = urlsplit(url)
    name = f"{parts.scheme}_proxy"
    proxy = env.get(name) or env.get(name.upper()) or env.get("all_proxy") or env.get("ALL_PROXY", "")
    exempt = env.get("no_proxy") or env.get("NO_PROXY", "")
    host = (parts.hostname or "").rstrip(".")
    names = {host, f"{host}:{parts.port}"}
    return "" if any(_is_exempt(host, names, entry.strip().lower()) for entry in exempt.split(",")) else proxy


def _is_exempt(host: str, names: set[str], entry: str) -> bool:
    if not entry:
        return False
    if "/" in entry:
        try:
            return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
        except ValueError:  # a name, which is not looked up for this
            return False
    return entry == "*" or entry.lstrip(".") in names or host.endswith(f".{entry.lstrip('.')}")
