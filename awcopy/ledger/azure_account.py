"""The way to the control account: its address, credentials, connections, retries and clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import urlsplit

import requests
from azure.core.credentials import AzureSasCredential, TokenCredential
from azure.core.exceptions import AzureError
from azure.core.pipeline.transport import HttpTransport, RequestsTransport
from azure.data.tables import TableServiceClient
from requests.adapters import HTTPAdapter

from awcopy.config import DEVELOPMENT_STORAGE, Secret
from awcopy.errors import UsageError
from awcopy.ledger.azure_errors import choose_pause_s, is_conflict, translate_azure

if TYPE_CHECKING:
    from azure.storage.blob import BlobServiceClient

_Answer = TypeVar("_Answer")

# Long known to every cloud and to Azurite, whatever newer one the SDK would ask for.
_BLOB_API_VERSION = "2024-11-04"
_CONNECT_TIMEOUT_S = 5
SILENCE_S = 30.0  # whoever gives up a write sooner does not know what became of it
# As many threads as one worker process may have keep their connection.
_POOL_SIZE = 128
# Tries again are made by Account.call alone, which knows what a lost answer may mean.
_NO_RETRIES = {"retry_total": 0, "retry_connect": 0, "retry_read": 0, "retry_status": 0}
_HINT = "AWCOPY_LEDGER is a storage account's connection string or https://ACCOUNT.blob.core.windows.net"


class ServiceClock:
    """The service's time, from the Date headers of its answers; a machine's own clock may be minutes off.

    A Date header is cut to the second, so each answer only bounds the difference between the two clocks.
    The greatest lower bound is kept, which is exact to a few milliseconds after a few answers.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._ahead_s: float | None = None  # of the monotonic clock
        self._last = ("", 0.0)

    @property
    def is_set(self) -> bool:
        """Whether any answer has been seen."""
        return self._ahead_s is not None

    def observe(self, date: str, *, sent_at: float, answered_at: float) -> None:
        """Learn from an answer's Date header; the moments are those of the monotonic clock."""
        with self._lock:
            if date != self._last[0]:
                self._last = (date, parsedate_to_datetime(date).timestamp())
            stamped = self._last[1]
            least, most = stamped - answered_at, stamped + 1 - sent_at
            ahead_s = least if self._ahead_s is None else max(self._ahead_s, least)
            self._ahead_s = min(ahead_s, most)

    def now(self) -> datetime:
        """Return the service's present time (aware, UTC).

        Raises:
            ValueError: No answer has been seen yet.
        """
        if self._ahead_s is None:
            raise ValueError("the service has not said its time yet")
        return datetime.fromtimestamp(0, UTC) + timedelta(seconds=self._monotonic() + self._ahead_s)


class ClockedTransport(HttpTransport[Any, Any]):
    """Sends over another transport, waits for each answer as long as it is worth, and shows the clock all of them."""

    def __init__(
        self, inner: HttpTransport[Any, Any], clock: ServiceClock, reads_silence_s: float = SILENCE_S
    ) -> None:
        self._inner = inner
        self._clock = clock
        self._reads_silence_s = reads_silence_s

    def send(self, request: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the SDK's own signature
        """Send one request and return the answer."""
        if request.method == "GET":
            kwargs.setdefault("read_timeout", self._reads_silence_s)
        sent_at = time.monotonic()
        response = self._inner.send(request, **kwargs)
        date = response.headers.get("Date")
        with suppress(TypeError, ValueError):  # no header, or one that a proxy has spoilt
            self._clock.observe(date, sent_at=sent_at, answered_at=time.monotonic())
        return response

    def open(self) -> None:
        """Open the inner transport."""
        self._inner.open()

    def close(self) -> None:
        """Close the inner transport."""
        self._inner.close()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        self.close()


class Account:
    """A control account: clients for its two services, which share connections, and a way to call them."""

    def __init__(
        self,
        address: Secret,
        *,
        transport: HttpTransport[Any, Any] | None = None,
        reads_silence_s: float = SILENCE_S,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.clock = ServiceClock()
        self._transport = ClockedTransport(transport or _pooled_transport(), self.clock, reads_silence_s)
        self._sleep = sleep
        with _refusing():
            self._way = _read_address(address)
            self.tables = _open_tables(self._way, self._transport)
        self._host = urlsplit(self.tables.url).netloc

    @cached_property
    def blobs(self) -> BlobServiceClient:
        """The client of the documents; most commands need none, and its import takes them as long as all the rest."""
        with _refusing():
            return _open_blobs(self._way, self._transport)

    def call(
        self, request: Callable[[], _Answer], *, recover: Callable[[], _Answer | None] | None = None
    ) -> _Answer:
        """Return what a request returns, made again for a while if the service is busy or does not answer.

        Args:
            request: Makes the request; may be called several times.
            recover: Looks what became of an earlier attempt of a conditional write, whose answer may be
                the one that was lost: then the next attempt meets its own work, and conflicts with it.

        Raises:
            AwcopyError: As ``translate_azure`` has it.
        """
        started, attempt = time.monotonic(), 0
        while True:
            try:
                return request()
            except AzureError as exc:
                found = recover() if attempt and recover and is_conflict(exc) else None
                if found is not None:
                    return found
                pause_s = choose_pause_s(exc, attempt=attempt, elapsed_s=time.monotonic() - started)
                if pause_s is None:
                    raise translate_azure(exc, host=self._host) from exc
            self._sleep(pause_s)
            attempt += 1

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()


def _pooled_transport() -> HttpTransport[Any, Any]:
    session = requests.Session()
    adapter = HTTPAdapter(pool_maxsize=_POOL_SIZE)  # which by itself tries nothing again
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    timeouts = {"connection_timeout": _CONNECT_TIMEOUT_S, "read_timeout": SILENCE_S}
    transport: HttpTransport[Any, Any] = RequestsTransport(session=session, **timeouts)
    return transport


@contextmanager
def _refusing() -> Iterator[None]:
    """Turn what the SDKs say of an address into awcopy's error."""
    try:
        yield
    except ValueError as exc:
        # The SDK's message may quote the connection string, so the chain is cut.
        reason = "https is needed for these credentials" if "HTTPS" in str(exc) else "it cannot be read"
        raise UsageError(f"AWCOPY_LEDGER names no storage account: {reason}", hint=_HINT) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """How the account is reached: by a connection string, or by the URLs of its services and a credential."""

    connection_string: Secret | None = None
    blob_url: str = ""
    table_url: str = ""
    credential: AzureSasCredential | TokenCredential | None = None


def _read_address(address: Secret) -> _Way:
    text = address.reveal()
    if not text.startswith(("https://", "http://")):
        return _Way(connection_string=Secret(_plain_connection_string(text)))
    blob_url, table_url, sas = _split_url(text)
    credential = AzureSasCredential(sas) if sas else _own_credential()
    return _Way(blob_url=blob_url, table_url=table_url, credential=credential)


def _open_tables(way: _Way, transport: ClockedTransport) -> TableServiceClient:
    shared: dict[str, Any] = {"transport": transport, "user_agent": "awcopy", **_NO_RETRIES}
    if way.connection_string:
        return TableServiceClient.from_connection_string(way.connection_string.reveal(), **shared)
    return TableServiceClient(way.table_url, credential=way.credential, **shared)


def _open_blobs(way: _Way, transport: ClockedTransport) -> BlobServiceClient:
    from azure.storage.blob import BlobServiceClient  # noqa: PLC0415 - slow to import, and not always needed

    shared: dict[str, Any] = {"transport": transport, "user_agent": "awcopy", **_NO_RETRIES}
    shared["api_version"] = _BLOB_API_VERSION
    if way.connection_string:
        return BlobServiceClient.from_connection_string(way.connection_string.reveal(), **shared)
    return BlobServiceClient(way.blob_url, credential=way.credential, **shared)


# The SDK for tables compares the short form without regard to case, the one for blobs with it.
def _plain_connection_string(address: str) -> str:
    text = address.strip().rstrip(";")
    return DEVELOPMENT_STORAGE if text.lower() == DEVELOPMENT_STORAGE.lower() else text


def _split_url(address: str) -> tuple[str, str, str]:
    parts = urlsplit(address)
    account, found, rest = parts.netloc.partition(".blob.")
    if not found or parts.path.strip("/"):
        raise ValueError("not the URL of an account's blob service")
    return f"{parts.scheme}://{parts.netloc}", f"{parts.scheme}://{account}.table.{rest}", parts.query


def _own_credential() -> TokenCredential:
    from azure.identity import DefaultAzureCredential  # noqa: PLC0415 - slow to import, and rarely needed

    return DefaultAzureCredential()
