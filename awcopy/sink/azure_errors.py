"""What Azure Storage's refusals and its SDK's exceptions mean in awcopy's errors: one table.

Messages name the operation, the account and the container; never a blob's name, and never a URL.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import unescape
from typing import Final

from azure.core import exceptions as azure

from awcopy.errors import (
    AccessDenied,
    BlobConflict,
    BlobProtected,
    BlocksMissing,
    ConnectionLost,
    CredentialsError,
    CredentialsRefused,
    ForeignBlocks,
    IntegrityError,
    KeyMismatch,
    MetadataNotAllowed,
    NameConflict,
    NameNotAllowed,
    ObjectArchived,
    ObjectNotFound,
    RequestRefused,
    ServerFault,
    SourceChanged,
    SourceUnreadable,
    StorageError,
    StoreNotFound,
    Throttled,
)
from awcopy.http import Answer

WRONG_ACCOUNT: Final = "the storage account's name may be wrong"
_WRONG_KEY: Final = "the account key or the SAS token is wrong or has expired"
_RIGHTS: Final = (
    "the SAS or the role needs to read, add, create, write and list (racwl), and for --tags to tag (t)"
)
_FIREWALL: Final = "the account's network rules refuse this machine, or the role lacks a right"
FOREIGN_BLOCKS: Final = (
    "another program has begun to write this blob: let it end, delete the blob and retry, or wait a week, after"
    " which Azure drops its blocks"
)
_CONTAINER: Final = "check the container's name, or let awcopy create it"
_OTHER_KEY: Final = "give the key that the blob has been encrypted with, or delete the blob first"
_OTHER_VERSION: Final = "the server does not know this version of the protocol"
_LEASED: Final = "the blob is leased; release the lease, then retry"
_IMMUTABLE: Final = "the blob may not be changed, by a policy or a legal hold"
_ARCHIVED: Final = "the blob is archived; delete it or move it to another tier first"
_DIRECTORY: Final = "a directory of the account has that name, or a blob that of one of its directories"

# The service's code decides; where there is none (answers to HEAD of some servers), the status does.
# Rights are given for accounts and containers, as a rule: a refusal then concerns every blob alike.
_CODES: Final[dict[str, tuple[type[StorageError], str]]] = {
    "ContainerNotFound": (StoreNotFound, _CONTAINER),
    "ContainerBeingDeleted": (StoreNotFound, "the container is being deleted; try again in a minute"),
    "ContainerDisabled": (StoreNotFound, "the container is disabled"),
    "ContainerAlreadyExists": (BlobConflict, ""),
    "BlobNotFound": (ObjectNotFound, ""),
    "ResourceNotFound": (ObjectNotFound, ""),
    "AuthenticationFailed": (CredentialsRefused, _WRONG_KEY),
    "InvalidAuthenticationInfo": (CredentialsRefused, _WRONG_KEY),
    "NoAuthenticationInformation": (CredentialsRefused, _WRONG_KEY),
    "AuthorizationFailure": (CredentialsRefused, f"{_WRONG_KEY}; or {_FIREWALL}"),
    "AuthorizationPermissionMismatch": (CredentialsRefused, _RIGHTS),
    "AuthorizationResourceTypeMismatch": (CredentialsRefused, _RIGHTS),
    "AuthorizationServiceMismatch": (CredentialsRefused, _RIGHTS),
    "AuthorizationProtocolMismatch": (CredentialsRefused, "the SAS token allows https:// only"),
    "AuthorizationSourceIPMismatch": (
        CredentialsRefused,
        "the SAS token does not allow this machine's address",
    ),
    "InsufficientAccountPermissions": (CredentialsRefused, _RIGHTS),
    "UnauthorizedBlobOverwrite": (AccessDenied, "the credentials may create blobs and not replace them"),
    "KeyBasedAuthenticationNotPermitted": (CredentialsRefused, "the account refuses keys; use Entra ID"),
    "AccountIsDisabled": (CredentialsRefused, "the storage account is disabled"),
    "PublicAccessNotPermitted": (CredentialsRefused, _WRONG_KEY),
    "BlobAlreadyExists": (BlobConflict, ""),
    "ConditionNotMet": (BlobConflict, ""),
    "TargetConditionNotMet": (BlobConflict, ""),
    "LeaseIdMissing": (BlobProtected, _LEASED),
    "LeaseLost": (BlobProtected, _LEASED),
    "LeaseIdMismatchWithBlobOperation": (BlobProtected, _LEASED),
    "BlobImmutableDueToPolicy": (BlobProtected, _IMMUTABLE),
    "BlobImmutableDueToLegalHold": (BlobProtected, _IMMUTABLE),
    "SnapshotsPresent": (BlobProtected, "the blob has snapshots"),
    "BlobArchived": (BlobProtected, _ARCHIVED),
    "BlobBeingRehydrated": (BlobProtected, "the blob is on its way out of the archive; retry later"),
    "PendingCopyOperation": (BlobProtected, "another program copies to the blob; retry later"),
    "InvalidBlobType": (BlobProtected, "the blob that is there is an append or a page blob; delete it first"),
    "BlobOperationNotSupported": (
        BlobProtected,
        "the blob may have been written through the Data Lake API, and takes no blocks; delete it first",
    ),
    "PathConflict": (NameConflict, _DIRECTORY),
    "PathAlreadyExists": (NameConflict, _DIRECTORY),
    "ResourceTypeMismatch": (NameConflict, _DIRECTORY),
    "InvalidResourceName": (NameNotAllowed, "Azure does not take this name"),
    "InvalidMetadata": (MetadataNotAllowed, "Azure does not take the metadata"),
    "MetadataTooLarge": (MetadataNotAllowed, "Azure does not take so much metadata"),
    "BlobUsesCustomerSpecifiedEncryption": (KeyMismatch, _OTHER_KEY),
    "BlobCustomerSpecifiedEncryptionMismatch": (KeyMismatch, _OTHER_KEY),
    "BlobDoesNotUseCustomerSpecifiedEncryption": (
        KeyMismatch,
        "the blob, or a block staged under its name in the last week, has no key; delete it, or wait a week",
    ),
    "EncryptionScopeNotFound": (RequestRefused, "the account has no encryption scope of that name"),
    "EncryptionScopeDisabled": (RequestRefused, "the encryption scope is disabled"),
    "Crc64Mismatch": (IntegrityError, ""),
    "Md5Mismatch": (IntegrityError, ""),
    "InvalidBlockList": (BlocksMissing, ""),
    "InvalidBlobOrBlock": (ForeignBlocks, FOREIGN_BLOCKS),
    "ServerBusy": (Throttled, ""),
    "TooManyRequests": (Throttled, ""),
    "IngressLimitExceeded": (Throttled, ""),
    "OperationTimedOut": (ServerFault, ""),
    "InternalError": (ServerFault, ""),
}
_STATUSES: Final[dict[int, tuple[type[StorageError], str]]] = {
    401: (CredentialsRefused, _WRONG_KEY),
    403: (CredentialsRefused, _RIGHTS),
    404: (ObjectNotFound, ""),
    408: (ServerFault, ""),
    412: (BlobConflict, ""),
    429: (Throttled, ""),
    503: (Throttled, ""),
}
# What the source said when the sink read from it by itself; its own code decides, where Azure passes it on.
_SOURCE_CODES: Final[dict[str, type[StorageError]]] = {
    "InvalidObjectState": ObjectArchived,
    "InvalidRange": SourceChanged,
    "PreconditionFailed": SourceChanged,
    "SlowDown": Throttled,
}
_SOURCE_STATUSES: Final[dict[int, type[StorageError]]] = {
    408: ServerFault,
    412: SourceChanged,
    416: SourceChanged,
    429: Throttled,
    503: Throttled,
}
# What a report has to say of one object, though it shows no hints.
_EXPLAINED: Final = (
    AccessDenied,
    BlobProtected,
    KeyMismatch,
    NameConflict,
    NameNotAllowed,
    MetadataNotAllowed,
)
# These may concern one path alone: access lists of directories, and conditions of roles.
_MAY_BE_OF_ONE: Final = frozenset({"", "AuthorizationPermissionMismatch"})
_CANNOT_READ: Final = "the source may be closed to Azure; --route stream reads it through the workers"
_EXPIRED: Final = re.compile(
    r"not valid in the specified(?: key)? time frame|token is expired", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What the service said when it refused: all that the table looks at."""

    status: int
    code: str = ""
    reason: str = ""
    request_id: str = ""
    retry_after_s: float = 0.0


def error_from_answer(answer: Answer, *, op: str, where: str) -> StorageError:
    """Return the error that an answer of 300 or more means; ``where`` is account and container.

    Where the sink was to read from the source by itself, the source's refusals are told from the sink's own.
    """
    text = answer.body.decode("utf-8", "replace")
    wait = answer.headers.get("retry-after", "")
    code = answer.headers.get("x-ms-error-code") or _element("Code", text)
    if code == "CannotVerifyCopySource":
        return _error_of_source(answer, op=op, where=where)
    refusal = Refusal(
        status=answer.status,
        code=code,
        reason=" ".join(
            filter(None, (_element("Message", text), _element("AuthenticationErrorDetail", text)))
        ),
        request_id=answer.headers.get("x-ms-request-id", ""),
        retry_after_s=int(wait) if wait.isascii() and wait.isdecimal() else 0.0,
    )
    return error_from_refusal(refusal, op=op, where=where)


def error_from_refusal(refusal: Refusal, *, op: str, where: str) -> StorageError:
    """Return the error that a refusal means."""
    status = refusal.status
    kind, hint = _CODES.get(refusal.code) or _STATUSES.get(status, (RequestRefused, ""))
    if kind is RequestRefused and status >= 500:  # noqa: PLR2004 - HTTP
        kind = ServerFault
    if kind is CredentialsRefused and _EXPIRED.search(refusal.reason):
        hint = "renew the credentials, then resume the job"
    if refusal.code == "InvalidHeaderValue" and "x-ms-version" in refusal.reason:
        hint = _OTHER_VERSION
    message = f"{op} in {where} was refused, {refusal.code or 'no reason given'} (status {status})"
    if kind in _EXPLAINED:
        message = f"{message}: {hint}"
    if kind is Throttled:
        return Throttled(
            message,
            retry_after_s=refusal.retry_after_s,
            status=status,
            service_code=refusal.code,
            request_id=refusal.request_id,
        )
    return kind(message, hint=hint, status=status, service_code=refusal.code, request_id=refusal.request_id)


def may_concern_one_blob(error: StorageError) -> bool:
    """Return whether a refusal of credentials may concern the one blob that it was about."""
    is_refused = isinstance(error, CredentialsRefused) and error.status == 403  # noqa: PLR2004 - HTTP
    return is_refused and error.service_code in _MAY_BE_OF_ONE


def _error_of_source(answer: Answer, *, op: str, where: str) -> StorageError:
    told = answer.headers.get("x-ms-copy-source-status-code", "")
    status = int(told) if told.isascii() and told.isdecimal() else answer.status
    code = answer.headers.get("x-ms-copy-source-error-code", "")
    kind = _SOURCE_CODES.get(code) or _SOURCE_STATUSES.get(status, SourceUnreadable)
    if kind is SourceUnreadable and status >= 500:  # noqa: PLR2004 - HTTP
        kind = ServerFault
    why = f"{code} (status {status})" if code else f"status {status}"
    message = f"{op} in {where}: Azure asked the source, which refused it, {why}"
    request_id = answer.headers.get("x-ms-request-id", "")
    if kind is Throttled:
        return Throttled(message, by_source=True, status=status, service_code=code, request_id=request_id)
    hint = _CANNOT_READ if kind is SourceUnreadable else ""
    return kind(message, hint=hint, status=status, service_code=code, request_id=request_id)


@contextmanager
def translating_azure(*, op: str, where: str) -> Iterator[None]:
    """Turn the exceptions of Azure's SDKs into awcopy's errors."""
    try:
        yield
    except azure.ClientAuthenticationError as exc:
        if exc.status_code is None or not exc.response:  # azure-identity's: no token could be had
            hint = "sign in (az login), give the workers an identity, or give an account key"
            raise CredentialsError(f"this machine has no Azure credentials for {where}", hint=hint) from exc
        raise error_from_refusal(_refusal_of(exc), op=op, where=where) from exc
    except azure.HttpResponseError as exc:
        raise error_from_refusal(_refusal_of(exc), op=op, where=where) from exc
    except azure.AzureError as exc:
        is_unknown_host = re.search("resolve|name or service|getaddrinfo", str(exc), re.IGNORECASE)
        hint = WRONG_ACCOUNT if is_unknown_host else "check the endpoint, the network and the proxy"
        message = f"{op} in {where} got no answer"
        raise ConnectionLost(message, hint=hint, service_code="dns" if is_unknown_host else "") from exc


def _refusal_of(exc: azure.HttpResponseError) -> Refusal:
    code = getattr(exc, "error_code", "") or ""
    headers = getattr(exc.response, "headers", {})
    return Refusal(
        status=exc.status_code or 0,
        code=str(getattr(code, "value", code)),  # a name of the SDK's enum, or plain text
        reason=str(exc.message),
        request_id=str(headers.get("x-ms-request-id", "")),
    )


def _element(name: str, text: str) -> str:
    """Return the text of an element of an error document, which may be cut or no XML at all."""
    match = re.search(rf"<{name}>([^<]*)</{name}>", text)
    return unescape(match[1]).strip() if match else ""
