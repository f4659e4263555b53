"""The way to a Redis server: what its URL may say, its connections, and what its errors mean to a person."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthenticationWrongNumberOfArgsError,
    AuthorizationError,
    BusyLoadingError,
    InvalidResponse,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
)
from redis.exceptions import (
    ConnectionError as RedisConnectionError,
)
from redis.exceptions import (
    TimeoutError as RedisTimeoutError,
)
from redis.retry import Retry

from awcopy.config import Secret
from awcopy.errors import AwcopyError, CredentialsError, ServiceUnreachable, UsageError

_CONNECT_TIMEOUT_S = 5
SILENCE_S = 30.0
_CHECKED_AFTER_S = 30  # in which nothing was sent: whatever lies between may have dropped the connection
# A broken connection is made anew; a server that stays silent is not asked again, its timeout is long enough.
_RETRIES = 2
# More than one worker process has threads; redis-py would refuse the 101st.
_MAX_CONNECTIONS = 1000
# Of what redis-py takes behind the ?, kombu, which reads the same URL, takes no more than this.
_IN_QUERY = re.compile(r"ssl_\w+")
_DATABASE = re.compile(r"/?\d{0,4}")


def connect(url: Secret, *, silence_s: float = SILENCE_S) -> Redis:
    """Return a client of the server, which makes its connections when they are needed.

    Args:
        url: As ``RedisLive`` takes it.
        silence_s: How long an answer is waited for.

    Raises:
        UsageError: The URL cannot be read, or Celery would read it otherwise.
    """
    # Celery's own names for this setting are taken too, since both read the same URL.
    plain_url = re.sub(r"(?<=ssl_cert_reqs=)CERT_(\w+)", lambda match: match[1].lower(), url.reveal())
    backoff = ExponentialBackoff(cap=0.5, base=0.05)
    try:
        _check_url(url)
        return Redis.from_url(
            plain_url,
            decode_responses=True,
            health_check_interval=_CHECKED_AFTER_S,
            max_connections=_MAX_CONNECTIONS,
            retry=Retry(backoff, _RETRIES, supported_errors=(RedisConnectionError,)),
            socket_connect_timeout=_CONNECT_TIMEOUT_S,
            socket_keepalive=True,
            socket_timeout=silence_s,
        )
    except ValueError:
        # What was wrong with it may be the password, so the chain is cut.
        hint = "write it like redis://HOST:6379/0, or rediss:// for TLS"
        raise UsageError("AWCOPY_REDIS_URL is not the URL of a Redis server", hint=hint) from None


def _check_url(url: Secret) -> None:
    """Refuse what redis-py and Celery, which read the same URL, would read otherwise than it is meant.

    Raises:
        ValueError: Another part of it cannot be read.
    """
    parts = urlsplit(url.reveal())
    if parts.fragment or "@" in f"{parts.path}{parts.query}":
        hint = "a / is %2F there, a # %23, a ? %3F, an @ %40 and a % %25"
        raise UsageError(
            "AWCOPY_REDIS_URL has a password with characters that mean something in a URL", hint=hint
        )
    names = parse_qs(parts.query, keep_blank_values=True)
    if {"username", "userid", "password"} & names.keys():
        hint = "write it like redis://USER:PASSWORD@HOST:6379/0"
        raise UsageError("AWCOPY_REDIS_URL names the user or the password behind its ?", hint=hint)
    if names and not (parts.scheme == "rediss" and all(map(_IN_QUERY.fullmatch, names))):
        hint = "nothing but ssl_cert_reqs and its like of rediss:// may stand there"
        raise UsageError("AWCOPY_REDIS_URL has a setting behind its ? that Celery does not take", hint=hint)
    if parts.scheme not in {"redis", "rediss"}:
        raise ValueError("not a URL of Redis")
    if not _DATABASE.fullmatch(parts.path):
        raise UsageError(
            "AWCOPY_REDIS_URL ends with no number of a database", hint="write /0 at its end, or nothing"
        )


def describe_server(url: Secret) -> str:
    """Return the server's host and port, without what is secret in its URL."""
    parts = urlsplit(url.reveal())
    return f"{parts.hostname or 'localhost'}:{parts.port or 6379}"


# The most particular class first; redis-py's own texts are not quoted, they may repeat what was sent.
_REASONS: tuple[tuple[tuple[type[RedisError], ...], type[AwcopyError], str], ...] = (
    (
        (AuthenticationError, AuthenticationWrongNumberOfArgsError, AuthorizationError),
        CredentialsError,
        "refused the user or the password",
    ),
    ((NoPermissionError,), CredentialsError, "does not let this user do that (ACL)"),
    ((BusyLoadingError,), ServiceUnreachable, "is still loading its data"),
    ((InvalidResponse,), ServiceUnreachable, "does not speak Redis' protocol"),
    ((ReadOnlyError,), ServiceUnreachable, "is a read-only replica"),
    ((OutOfMemoryError,), ServiceUnreachable, "is out of memory (maxmemory)"),
    ((RedisTimeoutError,), ServiceUnreachable, "does not answer in time"),
    ((RedisConnectionError,), ServiceUnreachable, "cannot be reached"),
    ((RedisError,), ServiceUnreachable, "refused a command"),
)


def translate_redis(error: RedisError, where: str) -> AwcopyError:
    """Return what an error of redis-py is to awcopy, and what helps; ``where`` as ``describe_server`` has it."""
    kind, reason = next((kind, reason) for classes, kind, reason in _REASONS if isinstance(error, classes))
    what = "the password and the user's rights" if kind is CredentialsError else "the server and the network"
    hint = f"check AWCOPY_REDIS_URL, {what}"
    return kind(f"Redis at {where} {reason}", hint=hint)
