"""Addresses of sources and sinks as people write them, checked for what no store takes. Contacts nothing."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from awcopy.errors import UsageError
from awcopy.planning.naming import is_utf8, name_problem

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]")
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
_CONTAINER = re.compile(r"(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*|\$root|\$web")
_SINK_FORMS = "az://ACCOUNT/CONTAINER/PREFIX or https://ACCOUNT.blob.core.windows.net/CONTAINER/PREFIX"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceAddress:
    """A bucket and a prefix of keys."""

    bucket: str
    prefix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkAddress:
    """An account, a container, and a prefix that is empty or ends with ``/``."""

    account: str
    container: str
    prefix: str
    endpoint_url: str = ""  # empty when the address names none, or Azure's public cloud


def parse_source(text: str) -> SourceAddress:
    """Return what ``s3://bucket/prefix`` names; the prefix is taken as it is, nothing is decoded.

    Raises:
        UsageError: It is no such address, or no bucket can have that name, or no key such a prefix.
    """
    _refuse_credentials(text, "source", "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    scheme, found, rest = text.partition("://")
    if not found or scheme.lower() != "s3":
        raise UsageError(f"{text!r} is not a source", hint="write it like s3://BUCKET/PREFIX")
    bucket, _, prefix = rest.partition("/")
    check_bucket(bucket)
    if not is_utf8(prefix):
        hint = "keys are UTF-8 in S3: write a prefix that ends before what is not"
        raise UsageError("the prefix is not UTF-8, so that S3 cannot be asked for it", hint=hint)
    return SourceAddress(bucket=bucket, prefix=prefix)


def parse_sink(text: str) -> SinkAddress:
    """Return what ``az://account/container/prefix``, or a URL of a container, names.

    Raises:
        UsageError: It is no such address, or Azure does not take such a name.
    """
    _refuse_credentials(text, "destination", "AZURE_STORAGE_SAS_TOKEN or AZURE_STORAGE_KEY")
    scheme, found, rest = text.partition("://")
    if found and scheme.lower() == "az":
        return _sink_of_path(rest)
    if found and scheme.lower() in {"http", "https"}:
        return _sink_of_url(text)
    raise UsageError(f"{text!r} is not a destination", hint=f"write it like {_SINK_FORMS}")


def _refuse_credentials(text: str, side: str, variables: str) -> None:
    """Raise, without a word of the address, where it holds credentials as URLs do: before an ``@``, or as a SAS."""
    scheme, found, rest = text.partition("://")
    has_query = scheme.lower() in {"http", "https"} and "?" in rest
    if "@" in (rest if found else text).partition("/")[0] or has_query:
        raise UsageError(
            f"the {side}'s address holds credentials, which others can read in the list of processes",
            hint=f"leave them out and set {variables}",
        )


def check_bucket(bucket: str) -> str:
    """Return the name if a bucket can have it (S3-compatible stores allow more than AWS does)."""
    if not bucket:
        raise UsageError("the source names no bucket", hint="write it like s3://BUCKET/PREFIX")
    if not _BUCKET.fullmatch(bucket):
        raise UsageError(
            f"no bucket can be called {bucket!r}",
            hint="names have 3 or more letters, digits, dots and hyphens",
        )
    return bucket


def check_account(account: str) -> str:
    """Return the name if a storage account can have it."""
    if not account:
        raise UsageError("the destination names no account", hint=f"write it like {_SINK_FORMS}")
    if not _ACCOUNT.fullmatch(account):
        raise UsageError(
            f"no storage account can be called {account!r}", hint="names are 3 to 24 small letters and digits"
        )
    return account


def check_container(container: str) -> str:
    """Return the name if a container can have it."""
    if not container:
        raise UsageError("the destination names no container", hint=f"write it like {_SINK_FORMS}")
    if not _CONTAINER.fullmatch(container):
        raise UsageError(
            f"no container can be called {container!r}",
            hint="names are 3 to 63 small letters, digits and single hyphens between them",
        )
    return container


def _sink_of_url(text: str) -> SinkAddress:
    try:
        url = urlsplit(text)
        has_port = url.port is not None
    except ValueError:
        raise UsageError(
            "the destination's address is not a URL", hint=f"write it like {_SINK_FORMS}"
        ) from None
    host, path = (url.hostname or "").lower(), unquote(url.path).lstrip("/")
    name, is_blob, cloud = host.partition(".blob.")
    account, _, _ = name.partition(".")  # an account with a zone of its own is at ACCOUNT.zNN.blob....
    if is_blob:
        is_public = cloud == "core.windows.net" and url.scheme == "https" and not has_port
        return _sink_of_path(
            f"{account}/{path}", endpoint_url="" if is_public else f"{url.scheme}://{url.netloc}"
        )
    if _is_path_style(host):
        account = path.partition("/")[0]
        return _sink_of_path(path, endpoint_url=f"{url.scheme}://{url.netloc}/{account}")
    raise UsageError(
        f"the host {host!r} does not say which storage account it is",
        hint="write az://ACCOUNT/CONTAINER/PREFIX and give the URL with --azure-endpoint",
    )


def _sink_of_path(path: str, *, endpoint_url: str = "") -> SinkAddress:
    account, _, rest = path.partition("/")
    container, _, prefix = rest.partition("/")
    check_account(account)
    check_container(container)
    # A destination is a folder: "x" and "x/" both give "x/k", never "xk".
    folder = prefix if not prefix or prefix.endswith("/") else f"{prefix}/"
    if problem := name_problem(f"{folder}k"):
        raise UsageError(f"no blob can keep the destination's prefix: {problem}", hint="choose another one")
    return SinkAddress(account=account, container=container, prefix=folder, endpoint_url=endpoint_url)


def _is_path_style(host: str) -> bool:
    """Return whether an emulator's or private store's host, where the account stands first in the path."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return bool(host) and "." not in host
    return True
