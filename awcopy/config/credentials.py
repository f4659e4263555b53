"""What credentials for the stores are made of, wherever they come from; records only."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass

from awcopy.config.secrets import Secret
from awcopy.errors import CredentialsError

_CUSTOMER_KEY_BYTES = 32


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
