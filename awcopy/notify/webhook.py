"""Web hooks: a signed POST as the Standard Webhooks specification has it (github.com/standard-webhooks)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import socket
import ssl
import time
from collections.abc import Callable
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from awcopy import __version__
from awcopy.config import Secret
from awcopy.errors import ServiceUnreachable, UsageError
from awcopy.notify.base import Message

TIMEOUT_S = 10.0
_HTTPS_PORT, _HTTP_PORT = 443, 80


class Webhook:
    """Implements ``awcopy.notify.base.Messenger`` by HTTP.

    The address is resolved once, looked at, and connected to as it was looked at, so that a name that changes its
    mind leads nowhere else. Redirects are not followed, and nothing of the answer is shown but its status.

    Args:
        url: Where to POST to; it may be a secret as a whole.
        key: What messages are signed with; without one they are not signed.
        context: How TLS is verified.
        allows_private: Whether the receiver may be at a private address, or without TLS.
        clock: Seconds since 1970.
    """

    def __init__(
        self,
        url: Secret,
        key: Secret,
        *,
        context: ssl.SSLContext,
        allows_private: bool,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._url = urlsplit(url.reveal())
        self._key = key
        self._context = context
        self._allows_private = allows_private
        self._clock = clock

    def send(self, message: Message) -> None:
        """Return when the receiver has answered with a 2xx."""
        host = self._url.hostname or ""
        is_tls = self._url.scheme == "https"
        if not is_tls and not self._allows_private:
            raise UsageError("a web hook's URL begins with https://")
        try:
            port = self._url.port or (_HTTPS_PORT if is_tls else _HTTP_PORT)
            with socket.create_connection((self._resolve(host, port), port), TIMEOUT_S) as plain:
                sock = self._context.wrap_socket(plain, server_hostname=host) if is_tls else plain
                status = self._post(sock, host, port, message)
        except (OSError, HTTPException, ValueError) as exc:
            raise ServiceUnreachable(f"the web hook does not answer: {type(exc).__name__}") from exc
        if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            raise ServiceUnreachable(f"the web hook answers {status}")

    def _post(self, sock: socket.socket, host: str, port: int, message: Message) -> int:
        connection = HTTPConnection(host, port, timeout=TIMEOUT_S)
        connection.sock = sock
        path = self._url.path or "/"
        target = f"{path}?{self._url.query}" if self._url.query else path
        try:
            connection.request("POST", target, message.body, self._headers(message))
            return connection.getresponse().status
        finally:
            connection.close()

    def _headers(self, message: Message) -> dict[str, str]:
        timestamp = str(int(self._clock()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"awcopy/{__version__}",
            "webhook-id": message.id,
            "webhook-timestamp": timestamp,
        }
        if self._key:
            headers["webhook-signature"] = sign(self._key, message.id, timestamp, message.body)
        return headers

    def _resolve(self, host: str, port: int) -> str:
        """Return an address of the host; all of them must be public, unless private ones are allowed."""
        found = [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        if not self._allows_private and not all(ipaddress.ip_address(one).is_global for one in found):
            raise UsageError(
                "the web hook is at a private address",
                hint="set AWCOPY_ALLOW_PRIVATE_ENDPOINTS=1 on the workers and beat, if it is yours",
            )
        return found[0]


def sign(key: Secret, message_id: str, timestamp: str, body: bytes) -> str:
    """Return the signature: HMAC-SHA256 over id, timestamp and body, joined by dots, in base64."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.new(key.reveal().encode(), signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode('ascii')}"
