"""How a request to Azure Storage proves whose it is: a SAS in the query, or a bearer token in a header.

Owns making, keeping and renewing them. Sends nothing to the storage account.
"""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import parse_qs, urlsplit

from azure.storage.blob import (
    AccountSasPermissions,
    ContainerSasPermissions,
    ResourceTypes,
    generate_account_sas,
    generate_container_sas,
)

from awcopy.config import AZURE_AUTHORITIES, AzureIdentity, AzureKeys
from awcopy.errors import CredentialsError
from awcopy.model.spec import SinkSpec
from awcopy.sink.azure_errors import translating_azure

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken, TokenCredential

TOKEN_SCOPE: Final = "https://storage.azure.com/.default"  # noqa: S105 - no secret; the same in all clouds
_SAS_LIFE_S: Final = 6 * 3600
_SAS_REST_S: Final = 3600  # a new one is made when less of its life is left
_CLOCK_SKEW_S: Final = 15 * 60
_TOKEN_REST_S: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What is added to a request; its ``repr`` hides it."""

    query: str = field(default="", repr=False)  # without "?"
    headers: dict[str, str] = field(default_factory=dict, repr=False)


class Access(Protocol):
    """Something that proves whose requests are. Safe for many threads."""

    def proof(self) -> Proof:
        """Return what to add to the next request."""

    def container_proof(self) -> Proof:
        """Return what to add to the request that makes the container."""

    def has_expired(self) -> bool:
        """Whether a refusal is due to the age of the credentials."""


def make_access(
    spec: SinkSpec,
    keys: AzureKeys | AzureIdentity | None,
    *,
    deletes: bool = False,
    clock: Callable[[], float] = time.time,
) -> Access:
    """Return the access that the keys give: by account key, by SAS token, or none: by azure-identity.

    What is made from an account's key can delete blobs only if that is asked for.

    Raises:
        CredentialsError: The key is malformed, or a token would go over plain HTTP.
    """
    if isinstance(keys, AzureKeys) and keys.account_key:
        return KeyAccess(spec, keys.account_key.reveal(), clock, deletes=deletes)
    if isinstance(keys, AzureKeys) and keys.sas_token:
        return SasAccess(keys.sas_token.reveal(), clock)
    if not spec.account_url.startswith("https://"):
        hint = "use an https:// endpoint, or give the account's key or a SAS token"
        raise CredentialsError("a sign-in token is never sent over plain http", hint=hint)
    client_id = keys.client_id if isinstance(keys, AzureIdentity) else ""
    return TokenAccess(_default_credential(client_id, find_authority(spec.account_url)), spec, clock)


class KeyAccess:
    """By the account's key: a SAS for the one container, made here and made again in good time."""

    def __init__(
        self,
        spec: SinkSpec,
        account_key: str,
        clock: Callable[[], float] = time.time,
        *,
        deletes: bool = False,
    ) -> None:
        self._spec = spec
        self._deletes = deletes
        try:
            base64.b64decode(account_key, validate=True)
        except ValueError:
            hint = "copy it again from the account's page, Access keys"
            raise CredentialsError("the storage account key is not base64", hint=hint) from None
        self._account_key = account_key
        self._clock = clock
        self._lock = threading.Lock()
        self._renew_at = 0.0
        self._proof = Proof()

    def proof(self) -> Proof:
        """Return a SAS that holds for at least an hour."""
        if self._clock() >= self._renew_at:
            with self._lock:
                if self._clock() >= self._renew_at:
                    self._make_sas(self._clock())
        return self._proof

    def container_proof(self) -> Proof:
        """Return a SAS for making containers, which one for the container itself does not allow."""
        query = generate_account_sas(
            account_name=self._spec.account,
            account_key=self._account_key,
            resource_types=ResourceTypes(container=True),
            permission=AccountSasPermissions(write=True, create=True),
            start=datetime.fromtimestamp(self._clock() - _CLOCK_SKEW_S, UTC),
            expiry=datetime.fromtimestamp(self._clock() + _CLOCK_SKEW_S, UTC),
        )
        return Proof(query=query)

    def has_expired(self) -> bool:
        """Return False: keys do not age."""
        return False

    def _make_sas(self, now: float) -> None:
        start = datetime.fromtimestamp(now - _CLOCK_SKEW_S, UTC)
        query = generate_container_sas(
            account_name=self._spec.account,
            container_name=self._spec.container,
            account_key=self._account_key,
            permission=ContainerSasPermissions(
                read=True, add=True, create=True, write=True, list=True, tag=True, delete=self._deletes
            ),
            start=start,
            expiry=start + timedelta(seconds=_CLOCK_SKEW_S + _SAS_LIFE_S),
        )
        self._proof = Proof(query=query)
        self._renew_at = now + _SAS_LIFE_S - _SAS_REST_S


class SasAccess:
    """By a SAS token that was given; it cannot be renewed here."""

    def __init__(self, token: str, clock: Callable[[], float] = time.time) -> None:
        self._query = token.strip().lstrip("?")
        self._clock = clock

    def proof(self) -> Proof:
        """Return the token."""
        return Proof(query=self._query)

    def container_proof(self) -> Proof:
        """Return the same as for any request."""
        return self.proof()

    def has_expired(self) -> bool:
        """Return whether the end that the token names has passed."""
        texts = parse_qs(self._query).get("se", [])
        try:
            end = datetime.fromisoformat(texts[0])
        except (IndexError, ValueError):
            return False
        return (end if end.tzinfo else end.replace(tzinfo=UTC)).timestamp() <= self._clock()


class TokenAccess:
    """By Entra ID: a bearer token of azure-identity, asked for again before it ends."""

    def __init__(
        self, credential: TokenCredential, spec: SinkSpec, clock: Callable[[], float] = time.time
    ) -> None:
        self._credential = credential
        self._where = str(spec)
        self._clock = clock
        self._lock = threading.Lock()
        self._token: AccessToken | None = None
        self._proof = Proof()

    def proof(self) -> Proof:
        """Return a token with five minutes of life or more.

        Raises:
            CredentialsError: There is no way to sign in.
        """
        if self._is_due():
            with self._lock:
                if self._is_due():
                    with translating_azure(op="signing in", where=self._where):
                        self._token = self._credential.get_token(TOKEN_SCOPE)
                    self._proof = Proof(headers={"Authorization": f"Bearer {self._token.token}"})
        return self._proof

    def container_proof(self) -> Proof:
        """Return the same as for any request."""
        return self.proof()

    def has_expired(self) -> bool:
        """Return False: tokens are renewed."""
        return False

    def _is_due(self) -> bool:
        return self._token is None or self._token.expires_on - _TOKEN_REST_S <= self._clock()


def describe_own_credentials() -> str:
    """Return how this machine signs in to Azure.

    Raises:
        CredentialsError: It cannot.
    """
    credential = _default_credential()
    with translating_azure(op="signing in", where="any account"):
        credential.get_token(TOKEN_SCOPE)
    return "an identity of this machine (azure-identity)"


def find_authority(account_url: str) -> str:
    """Return the host where people sign in to the cloud of an account; empty for azure-identity's own choice."""
    host = urlsplit(account_url).hostname or ""
    return next((found for suffix, found in AZURE_AUTHORITIES.items() if host.endswith(suffix)), "")


def _default_credential(client_id: str = "", authority: str = "") -> TokenCredential:
    # Imported here: it costs 0.3 s, and most sinks have a key.
    from azure.identity import DefaultAzureCredential  # noqa: PLC0415

    options = {"authority": authority} if authority else {}
    if client_id:
        options |= {"managed_identity_client_id": client_id, "workload_identity_client_id": client_id}
    return DefaultAzureCredential(**options)
