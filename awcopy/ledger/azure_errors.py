"""What Azure's answers mean to the ledger, and when a request is tried again; it makes no request itself."""

from __future__ import annotations

import random
import re
from typing import Any

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestTimeoutError,
    ServiceResponseTimeoutError,
)

from awcopy.errors import AwcopyError, Conflict, CredentialsError, ServiceUnreachable

# While nobody answers, a command must end within seconds; one that answers "busy" is worth more patience.
UNANSWERED_PATIENCE_S = 4.0
BUSY_PATIENCE_S = 20.0
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 4.0

_BUSY = frozenset({408, 429, 500, 502, 503, 504})
# Codes that say more than their status does. The first two are answers to a create just after a delete.
_BY_CODE: dict[tuple[int, str], type[AwcopyError]] = {
    (409, "TableBeingDeleted"): ServiceUnreachable,
    (409, "ContainerBeingDeleted"): ServiceUnreachable,
}
_BY_STATUS: dict[int, type[AwcopyError]] = {
    401: CredentialsError,
    403: CredentialsError,
    409: Conflict,
    412: Conflict,
}
_STORE_MISSING = frozenset({"TableNotFound", "ContainerNotFound"})
_CODE = re.compile(r'ErrorCode:(\w+)|"code":\s*"(\w+)"')

_HINTS: dict[type[AwcopyError], str] = {
    ServiceUnreachable: "check AWCOPY_LEDGER, the network, and whether the storage account is up",
    CredentialsError: "check the key, SAS or role behind AWCOPY_LEDGER, and this machine's clock",
}


class RowMissing(AwcopyError):
    """The row or document is not there; the adapter's own, and never leaves it."""


class StoreMissing(ServiceUnreachable):
    """The table or container is not there: nobody has prepared the ledger yet."""


def is_conflict(error: AzureError) -> bool:
    """Return whether the answer is that the row is not as the request demands."""
    return isinstance(error, HttpResponseError) and error.status_code in {409, 412}


def choose_pause_s(error: AzureError, *, attempt: int, elapsed_s: float) -> float | None:
    """Return how long to wait before the request is sent again, or None if it is not.

    Args:
        error: What the last attempt ended in.
        attempt: How many attempts there were before that one.
        elapsed_s: Time since the first attempt began.
    """
    if isinstance(error, ClientAuthenticationError):
        return None
    status = error.status_code if isinstance(error, HttpResponseError) else None
    if status is not None and status not in _BUSY:
        return None
    pause_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**attempt) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
    pause_s = max(pause_s, _asked_pause_s(error))
    patience_s = UNANSWERED_PATIENCE_S if status is None else BUSY_PATIENCE_S
    return pause_s if elapsed_s + pause_s <= patience_s else None


def _asked_pause_s(error: AzureError) -> float:
    response: Any = error.response if isinstance(error, HttpResponseError) else None
    asked = response.headers.get("Retry-After", "") if response is not None else ""
    return float(asked) if asked.isdecimal() else 0.0


def translate_azure(error: AzureError, *, host: str) -> AwcopyError:
    """Return awcopy's error for Azure's. Azure's own text is not quoted: it may hold a signed URL."""
    if isinstance(error, HttpResponseError) and error.status_code is not None:
        return _translate_answer(error.status_code, find_code(error), host)
    if isinstance(error, ClientAuthenticationError):
        return _build(CredentialsError, f"this machine has no credentials for the ledger at {host}")
    if isinstance(error, (ServiceRequestTimeoutError, ServiceResponseTimeoutError)):
        return _build(ServiceUnreachable, f"the ledger at {host} did not answer in time")
    reason = _socket_reason(error)
    return _build(ServiceUnreachable, f"the ledger at {host} cannot be reached: {reason}")


def find_code(error: HttpResponseError) -> str:
    """Return the service's name for the error, or nothing; some of the SDK's calls leave it in the text."""
    code = getattr(error, "error_code", None)
    if code:
        return str(getattr(code, "value", code))
    match = _CODE.search(str(error))
    return (match[1] or match[2]) if match else ""


def _translate_answer(status: int, code: str, host: str) -> AwcopyError:
    answer = f"{status} {code}".strip()
    if status == 404:  # noqa: PLR2004 - HTTP's own number
        if code in _STORE_MISSING:
            hint = "start a worker, or run `awcopy doctor`: either creates them"
            return StoreMissing(f"the ledger at {host} has no tables yet ({answer})", hint=hint)
        if not code:  # a proxy's or another server's 404 must never pass for "there is no such job"
            return _build(ServiceUnreachable, f"what answers at {host} is no storage account ({answer})")
        return RowMissing(f"the ledger at {host} holds no such row ({answer})")
    kind = _BY_CODE.get((status, code)) or _BY_STATUS.get(status)
    if kind is None:
        kind = ServiceUnreachable if status in _BUSY else AwcopyError
    verb = {Conflict: "has another version of the row", ServiceUnreachable: "is not able to serve"}
    return _build(kind, f"the ledger at {host} {verb.get(kind, 'refused the request')} ({answer})")


def _build(kind: type[AwcopyError], message: str) -> AwcopyError:
    return kind(message, hint=_HINTS.get(kind, ""))


# Connection libraries wrap the socket's error several times; only the innermost says what happened.
def _socket_reason(error: BaseException) -> str:
    text = str(error).lower()
    if "refused" in text:
        return "the connection was refused"
    if "resolve" in text or "name or service" in text:
        return "the host's name is not known"
    if "certificate" in text or "ssl" in text:
        return "no trusted TLS connection could be made"
    return "the connection broke"
