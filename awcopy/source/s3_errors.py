"""What an S3 server's refusals and botocore's exceptions mean in awcopy's errors: one table for S3Source.

Messages name the operation and the bucket; never a key, and never a URL.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import unescape
from typing import Final

import botocore.exceptions as boto

from awcopy.errors import (
    AccessDenied,
    AwcopyError,
    ConnectionLost,
    CredentialsError,
    CredentialsRefused,
    KeyMismatch,
    ObjectArchived,
    ObjectNotFound,
    RequestRefused,
    ServerFault,
    SourceChanged,
    StorageError,
    StoreNotFound,
    Throttled,
    TransientError,
)
from awcopy.http import Answer, Headers

_WRONG_KEY: Final = "the access key or secret is wrong"
_RENEW: Final = "renew the credentials, then resume the job"
_CLOCK: Final = "set this machine's clock, which is more than 15 minutes off, then resume the job"
_RESTORE: Final = "restore the object first, or skip archived objects"
_ROLE: Final = "check the role's ARN, whom it trusts, and the external id"
_POLICY: Final = (
    "the credentials need s3:ListBucket on the bucket and s3:GetObject on its objects; "
    "a bucket whose readers pay wants --request-payer requester"
)
_OTHER_KEY: Final = "it is encrypted with a key of its owner; give that key with --source-encryption-key"

# The service's code decides; where it says nothing (every answer to HEAD), the status does.
_CODES: Final[dict[str, tuple[type[StorageError], str]]] = {
    "NoSuchBucket": (StoreNotFound, "check the bucket's name and the endpoint"),
    "NoSuchKey": (ObjectNotFound, ""),
    "NoSuchVersion": (ObjectNotFound, ""),
    "AccessDenied": (AccessDenied, _POLICY),
    "AllAccessDisabled": (AccessDenied, "the bucket's owner or Amazon has shut all access off"),
    "AccountProblem": (AccessDenied, "Amazon has restricted the account"),
    "InvalidAccessKeyId": (CredentialsRefused, _WRONG_KEY),
    "SignatureDoesNotMatch": (CredentialsRefused, _WRONG_KEY),
    "InvalidToken": (CredentialsRefused, _RENEW),
    "ExpiredToken": (CredentialsRefused, _RENEW),
    "TokenRefreshRequired": (CredentialsRefused, _RENEW),
    "RequestTimeTooSkewed": (CredentialsRefused, _CLOCK),  # of whatever is signed here, not of one object
    "PreconditionFailed": (SourceChanged, ""),
    "InvalidRange": (SourceChanged, ""),  # the object has become shorter than it was when listed
    "InvalidObjectState": (ObjectArchived, _RESTORE),
    "SlowDown": (Throttled, ""),
    "ServiceUnavailable": (Throttled, ""),
    "Throttling": (Throttled, ""),
    "ThrottlingException": (Throttled, ""),
    "TooManyRequests": (Throttled, ""),
    "RequestLimitExceeded": (Throttled, ""),
    "RequestTimeout": (ConnectionLost, ""),
    "OperationAborted": (ServerFault, ""),
    "ConditionalRequestConflict": (ServerFault, ""),  # somebody else writes the same object just now
    "NotImplemented": (RequestRefused, "the server does not do this"),
    "InternalError": (ServerFault, ""),
    "KMS.ThrottlingException": (Throttled, ""),
}
_STATUSES: Final[dict[int, tuple[type[StorageError], str]]] = {
    401: (CredentialsRefused, _WRONG_KEY),
    403: (AccessDenied, _POLICY),
    404: (ObjectNotFound, ""),
    408: (ConnectionLost, ""),
    412: (SourceChanged, ""),
    416: (SourceChanged, ""),
    429: (Throttled, ""),
    503: (Throttled, ""),
}
_OTHER_REGION: Final = frozenset(
    {"PermanentRedirect", "TemporaryRedirect", "Redirect", "AuthorizationHeaderMalformed"}
    | {"IncorrectEndpoint", "IllegalLocationConstraintException"}
)
# How Amazon, and SeaweedFS, say that a key is missing; their codes stand for much else.
_ENCRYPTED: Final = re.compile(
    r"stored using a form of server.side encryption|must provide the customer key", re.IGNORECASE
)
_REDIRECTS: Final = frozenset({301, 302, 307, 308})
# Amazon's reasons name the caller and the object; neither belongs into a message.
_NAMES: Final = re.compile(r"""(?:on resource:?\s*)?(?:"[^"]*"|'[^']*'|(?:arn:|https?://)\S+)""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What a server said when it refused: all that the table looks at."""

    status: int
    code: str = ""
    reason: str = ""
    region: str = ""  # where the bucket is, if the server says so
    request_id: str = ""
    retry_after_s: float = 0.0


def error_from_answer(answer: Answer, *, op: str, bucket: str, is_object: bool = True) -> StorageError:
    """Return the error that an answer of 300 or more means; ``is_object``: a bare 404 is about an object."""
    text = answer.body.decode("utf-8", "replace")
    headers = answer.headers
    refusal = Refusal(
        status=answer.status,
        code=_element("Code", text),
        reason=_NAMES.sub("…", _element("Message", text)),
        region=headers.get("x-amz-bucket-region") or _element("Region", text),
        request_id=headers.get("x-amz-request-id", ""),
        retry_after_s=_retry_after_s(headers),
    )
    return error_from_refusal(refusal, op=op, bucket=bucket, is_object=is_object)


def error_from_refusal(refusal: Refusal, *, op: str, bucket: str, is_object: bool = True) -> StorageError:
    """Return the error that a refusal means."""
    status = refusal.status
    kind, hint = _CODES.get(refusal.code) or _STATUSES.get(status, (RequestRefused, ""))
    if refusal.code not in _CODES and kind is RequestRefused and status >= 500:  # noqa: PLR2004 - HTTP
        kind = ServerFault
    if kind is ObjectNotFound and not refusal.code and not is_object:
        kind, hint = _CODES["NoSuchBucket"]
    if refusal.code in _OTHER_REGION or status in _REDIRECTS:
        kind, hint = RequestRefused, "the bucket is in another region"
        if refusal.region:
            hint = f"the bucket is in the region {refusal.region}; name that one"
    if refusal.code in {"InvalidRequest", "InvalidArgument"} and _ENCRYPTED.search(refusal.reason):
        kind, hint = KeyMismatch, _OTHER_KEY
    why = ": ".join(part for part in (refusal.code or f"status {status}", refusal.reason) if part)
    message = f"{op} in s3://{bucket} was refused, {why}"
    if kind is KeyMismatch:  # stands in reports, which show no hints
        message = f"{op} in s3://{bucket} was refused: {hint}"
    if kind is Throttled:
        return Throttled(
            message,
            retry_after_s=refusal.retry_after_s,
            status=status,
            service_code=refusal.code,
            request_id=refusal.request_id,
        )
    return kind(message, hint=hint, status=status, service_code=refusal.code, request_id=refusal.request_id)


@contextmanager
def translating_botocore(*, op: str, bucket: str) -> Iterator[None]:
    """Turn botocore's exceptions into awcopy's errors."""
    try:
        yield
    except (boto.BotoCoreError, boto.ClientError) as exc:
        raise error_from_botocore(exc, op=op, bucket=bucket) from exc


def error_from_botocore(exc: Exception, *, op: str, bucket: str) -> AwcopyError:
    """Return the error that an exception of botocore means."""
    if isinstance(exc, boto.ClientError):
        error = error_from_refusal(_refusal_of(exc.response), op=op, bucket=bucket)
        if exc.operation_name.startswith("AssumeRole") and not isinstance(error, TransientError):
            why = error.service_code or "no reason given"
            return CredentialsRefused(f"the role for s3://{bucket} was refused, {why}", hint=_ROLE)
        return error
    # botocore's own text may name a URL, so it is not passed on.
    kind, why, hint = next(
        (entry for faults, entry in _FAULTS if isinstance(exc, faults)),
        (
            RequestRefused,
            f"AWS's client says: {_in_words(exc)}",
            "check the bucket, the region, the endpoint and AWS's configuration files",
        ),
    )
    return kind(f"{op} in s3://{bucket} failed: {why}", hint=hint)


def _in_words(exc: Exception) -> str:
    """Return what an exception's class says, as words: ``InvalidRegionError`` is "invalid region"."""
    return " ".join(
        re.findall(r"[A-Z]+\d*(?![a-z])|[A-Z][a-z]+\d*", type(exc).__name__.removesuffix("Error"))
    ).lower()


_GIVE: Final = "give an access key and secret, or configure them for boto3"
_SIGN_IN: Final = "sign in again (aws sso login), then resume the job"
_SIGN_IN_ANEW: Final = "sign in again (aws login), then resume the job"
_FILES: Final = "check AWS's configuration files on this machine"
_NETWORK: Final = "check the endpoint, the network and the proxy"
# The most particular class first.
_FAULTS: Final[tuple[tuple[type[Exception], tuple[type[AwcopyError], str, str]], ...]] = (
    (boto.UnauthorizedSSOTokenError, (CredentialsRefused, "the sign-in to AWS has ended", _SIGN_IN)),
    (boto.SSOTokenLoadError, (CredentialsRefused, "nobody is signed in to AWS here", _SIGN_IN)),
    (boto.TokenRetrievalError, (CredentialsRefused, "the sign-in to AWS cannot be renewed", _SIGN_IN)),
    (boto.SSOError, (CredentialsRefused, "the sign-in to AWS failed", _SIGN_IN)),
    (boto.LoginError, (CredentialsRefused, "the sign-in to AWS has ended", _SIGN_IN_ANEW)),
    (boto.NoAuthTokenError, (CredentialsRefused, "nobody is signed in to AWS here", _SIGN_IN)),
    (boto.NoCredentialsError, (CredentialsError, "this machine has no AWS credentials", _GIVE)),
    (boto.PartialCredentialsError, (CredentialsError, "a part of the AWS credentials is missing", _GIVE)),
    (boto.CredentialRetrievalError, (CredentialsError, "the AWS credentials could not be fetched", _GIVE)),
    (boto.MetadataRetrievalError, (CredentialsError, "the instance's role could not be fetched", _GIVE)),
    (boto.ProfileNotFound, (CredentialsError, "AWS's configuration files have no such profile", _GIVE)),
    (boto.ConfigParseError, (CredentialsError, "AWS's configuration file cannot be read", _GIVE)),
    (boto.ConfigNotFound, (CredentialsError, "AWS's configuration file is missing", _FILES)),
    (boto.InvalidConfigError, (CredentialsError, "AWS's configuration file contradicts itself", _FILES)),
    (
        boto.UnknownCredentialError,
        (CredentialsError, "AWS's configuration names no known way to sign in", _FILES),
    ),
    (
        boto.MissingDependencyException,
        (CredentialsError, "a package for this way to sign in is missing", _FILES),
    ),
    (boto.InfiniteLoopConfigError, (CredentialsError, "AWS's configuration names roles in a circle", _GIVE)),
    (boto.RefreshWithMFAUnsupportedError, (CredentialsError, "the role wants a one-time code", _GIVE)),
    (boto.ProxyConnectionError, (ConnectionLost, "the proxy cannot be reached", _NETWORK)),
    (boto.SSLError, (ConnectionLost, "the service's certificate is not trusted", _NETWORK)),
    (boto.ConnectTimeoutError, (ConnectionLost, "the service does not answer in time", _NETWORK)),
    (boto.ReadTimeoutError, (ConnectionLost, "the service does not answer in time", _NETWORK)),
    (boto.ConnectionError, (ConnectionLost, "the service cannot be reached", _NETWORK)),
    (boto.HTTPClientError, (ConnectionLost, "the connection broke", _NETWORK)),
)


def _refusal_of(response: object) -> Refusal:
    facts = response if isinstance(response, dict) else {}
    about, error = facts.get("ResponseMetadata", {}), facts.get("Error", {})
    headers = about.get("HTTPHeaders", {})
    code = str(error.get("Code", ""))
    return Refusal(
        status=int(about.get("HTTPStatusCode", 0)),
        code="" if code.isdecimal() else code,  # botocore puts the status there for answers to HEAD
        reason=_NAMES.sub("…", str(error.get("Message", ""))),
        region=str(headers.get("x-amz-bucket-region") or error.get("Region", "")),
        request_id=str(about.get("RequestId", "")),
        retry_after_s=_retry_after_s(headers),
    )


def _retry_after_s(headers: Headers) -> float:
    """Return the wait that the server asks for; Amazon's own header counts in milliseconds."""
    for name, unit in (("x-amz-retry-after", 0.001), ("retry-after", 1.0)):
        text = headers.get(name, "")
        if text.isascii() and text.isdecimal():
            return int(text) * unit
    return 0.0


def _element(name: str, text: str) -> str:
    """Return the text of an element of an error document, which may be cut or no XML at all."""
    match = re.search(rf"<{name}>([^<]*)</{name}>", text)
    return unescape(match[1]).strip()[:500] if match else ""
