"""One dashboard's HTTP API: where it is, who asks, and what its answers mean. What is asked is ``http``'s affair.

The token goes to that one host, over TLS or to this very machine, and nowhere else: no redirect is followed.
"""

from __future__ import annotations

import json
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import awcopy
from awcopy.config import ca_files, proxy_for
from awcopy.errors import (
    AwcopyError,
    ConnectionLost,
    CredentialsError,
    IllegalMove,
    IntegrityError,
    JobNotFound,
    RequestRefused,
    ScheduleNotFound,
    ServiceUnreachable,
    StillSubmitting,
    UsageError,
)
from awcopy.http import Pool, parse_origin
from awcopy.loopback import is_loopback

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from awcopy.config import Settings
    from awcopy.http import Answer

API_PATH = "/api/v1"
CONNECTIONS = 4
PATIENCE_S = 60.0  # with a dashboard that asks for fewer requests
_JSON = "application/json"
_PROBLEM = "application/problem+json"
_CHECK_URL = "check AWCOPY_API_URL, and whether the dashboard runs"
_NO_API = "AWCOPY_API_URL is the address of a dashboard (`awcopy web`), such as https://awcopy.example.com"
# Of a request that may have arrived, and whose answer did not.
_NEVER_SENT = frozenset({"dns", "connect", "tls"})
_BY_CODE: dict[str, type[AwcopyError]] = {
    error.code: error for error in (JobNotFound, ScheduleNotFound, StillSubmitting)
}
_BY_STATUS: dict[int, type[AwcopyError]] = {
    HTTPStatus.BAD_REQUEST: UsageError,
    HTTPStatus.UNAUTHORIZED: CredentialsError,
    HTTPStatus.FORBIDDEN: CredentialsError,
    HTTPStatus.CONFLICT: IllegalMove,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: UsageError,
    HTTPStatus.SERVICE_UNAVAILABLE: ServiceUnreachable,
}


class AnswerLost(ServiceUnreachable):
    """A request may have been carried out, and its answer did not come."""


class Api:
    """Sends requests and returns what their answers hold; everything else is an error. Safe for many threads."""

    def __init__(self, settings: Settings, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._sleep = sleep
        self.url = settings.api_url.strip().rstrip("/").removesuffix(API_PATH)
        parts = _split(self.url)
        self.host = parts.netloc
        token = settings.api_token.reveal().strip()
        is_here = is_loopback(parts.hostname or "")
        if token and parts.scheme == "http" and not is_here:
            raise UsageError(
                f"AWCOPY_API_TOKEN would cross the network in clear, to {self.host} over http",
                hint="write https://, or reach the dashboard through a tunnel: ssh -L 8080:127.0.0.1:8080 HOST",
            )
        self._prefix = f"{parts.path.rstrip('/')}{API_PATH}"
        self._has_token = bool(token)
        self._headers = {"Accept": f"{_JSON}, {_PROBLEM}", "User-Agent": f"awcopy/{awcopy.__version__}"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._pool = Pool(
            parse_origin(self.url),
            connections=CONNECTIONS,
            proxy_url="" if is_here else proxy_for(self.url),
            ca_files=ca_files(settings, "REQUESTS_CA_BUNDLE"),
        )

    def get(self, path: str, **query: object) -> dict[str, Any]:
        """Return the JSON that a path answers with; queries that are None are left out."""
        return self._read_json(self.ask("GET", path, query=query))

    def post(
        self, path: str, body: Mapping[str, object] | None = None, *, key: str = "", **query: object
    ) -> dict[str, Any]:
        """Send a body and return the JSON that is answered; a request with a key may be sent again."""
        content = json.dumps(body or {}).encode()
        return self._read_json(self.ask("POST", path, query=query, content=content, key=key))

    def delete(self, path: str) -> None:
        """Delete what is at the path."""
        self.ask("DELETE", path)

    def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        content: bytes | None = None,
        key: str = "",
    ) -> Answer:
        """Return a good answer; wait where the dashboard asks for that, a minute in all.

        Raises:
            AwcopyError: As the answer says; ``UsageError`` also when it is none of a dashboard.
            AnswerLost: Nobody knows whether the request was carried out.
            ServiceUnreachable: It was not.
        """
        given = {name: value for name, value in (query or {}).items() if value is not None}
        target = (
            self._prefix
            + path
            + (f"?{urlencode(given, doseq=True, errors='surrogateescape')}" if given else "")
        )
        headers = dict(self._headers)
        if content is not None:
            headers["Content-Type"] = _JSON
        if key:
            headers["Idempotency-Key"] = key
        left_s = PATIENCE_S
        while True:
            answer = self._send(method, target, headers, content, is_repeatable=method == "GET" or bool(key))
            wait_s = _retry_after(answer)
            if answer.status != HTTPStatus.TOO_MANY_REQUESTS or wait_s > left_s:
                break
            left_s -= wait_s
            self._sleep(wait_s)
        if answer.status not in (HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.NO_CONTENT):
            raise self._error_of(answer)
        return answer

    def close(self) -> None:
        """Give up idle connections."""
        self._pool.close()

    def _send(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        content: bytes | None,
        *,
        is_repeatable: bool,
    ) -> Answer:
        try:
            return self._pool.request(method, target, headers, content, is_repeatable=is_repeatable)
        except ConnectionLost as error:
            kind = ServiceUnreachable if error.service_code in _NEVER_SENT else AnswerLost
            raise kind(
                f"the dashboard at {self.host} does not answer: {error.message}",
                hint=error.hint or _CHECK_URL,
            ) from error
        except IntegrityError as error:
            raise UsageError(
                f"what {self.host} answers is too long for a dashboard's API", hint=_NO_API
            ) from error
        except RequestRefused as error:
            raise CredentialsError(
                "AWCOPY_API_TOKEN holds a character that no token has",
                hint="copy it whole, as `awcopy token create` printed it",
            ) from error

    def _read_json(self, answer: Answer) -> dict[str, Any]:
        found = _parse(answer, _JSON)
        if "schema" not in found:
            raise UsageError(f"what answers at {self.url} is no dashboard of awcopy", hint=_NO_API)
        return found

    def _error_of(self, answer: Answer) -> AwcopyError:
        problem, status = _parse(answer, _PROBLEM), answer.status
        if not problem:
            return self._foreign_error(answer)
        says, hint = str(problem.get("detail", "")), str(problem.get("hint", ""))
        if status == HTTPStatus.UNAUTHORIZED:
            return self._unauthorized()
        kind = _BY_CODE.get(str(problem.get("code"))) or _BY_STATUS.get(status)
        if kind:
            return kind(says, hint=hint)
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            return ServiceUnreachable(
                f"the dashboard at {self.host} asks for patience: {says}", hint="try again later"
            )
        if status == HTTPStatus.NOT_FOUND:
            return self._no_such_path()
        return AwcopyError(
            f"the dashboard at {self.host} met an error of its own ({status}): {says}",
            hint="the log of `awcopy web` says more",
        )

    def _foreign_error(self, answer: Answer) -> AwcopyError:
        """Return what an answer means that no dashboard gave."""
        status = answer.status
        if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            where = _origin_of(answer.headers.get("location", "")) or "elsewhere"
            return UsageError(
                f"{self.host} sends on to {where}, where the token is not shown",
                hint="set AWCOPY_API_URL to the dashboard's own address",
            )
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return ServiceUnreachable(
                f"what stands before the dashboard at {self.host} answered {status}", hint=_CHECK_URL
            )
        if status == HTTPStatus.UNAUTHORIZED:
            return UsageError(
                f"what asks for a login at {self.url} is no dashboard of awcopy; it may stand before one",
                hint=_NO_API,
            )
        if status in (HTTPStatus.FORBIDDEN, HTTPStatus.PROXY_AUTHENTICATION_REQUIRED):
            return CredentialsError(
                f"something before the dashboard at {self.host} does not let you through ({status})",
                hint="check proxies and firewalls: HTTPS_PROXY, NO_PROXY",
            )
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            return ServiceUnreachable(f"{self.host} asks for fewer requests", hint="try again later")
        return self._no_such_path()

    def _unauthorized(self) -> CredentialsError:
        if not self._has_token:
            return CredentialsError(
                f"the dashboard at {self.host} asks for a token",
                hint="set AWCOPY_API_TOKEN; whoever runs awcopy makes one: awcopy token create NAME --role operator",
            )
        return CredentialsError(
            f"the dashboard at {self.host} does not take the token: it is wrong, revoked or expired",
            hint="set AWCOPY_API_TOKEN to one that counts; `awcopy token list` shows whoever runs awcopy which do",
        )

    def _no_such_path(self) -> UsageError:
        return UsageError(
            f"there is no such request at {self.url}: it is no dashboard of awcopy, or an older one",
            hint=_NO_API,
        )


def _split(url: str) -> Any:  # noqa: ANN401 - what urlsplit returns, whose type is private to it
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_url = False
    if not is_url:
        raise UsageError("AWCOPY_API_URL is no http:// or https:// URL of a host", hint=_NO_API)
    if parts.username or parts.password or parts.query or parts.fragment:
        raise UsageError(
            "AWCOPY_API_URL holds more than an address", hint="the token goes into AWCOPY_API_TOKEN"
        )
    return parts


def _parse(answer: Answer, kind: str) -> dict[str, Any]:
    """Return an answer's JSON object; an empty one where it is another kind of answer."""
    if answer.headers.get("content-type", "").partition(";")[0].strip().lower() != kind:
        return {}
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _retry_after(answer: Answer) -> float:
    text = answer.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdecimal() and len(text) < len("10000") else 1.0


def _origin_of(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.hostname}" if parts.hostname else ""
