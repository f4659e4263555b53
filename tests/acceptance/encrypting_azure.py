"""Azure's encryption by scope and by customer's key, before Azurite, which knows neither.

Azurite passes over scopes and refuses keys. This server takes them off each request, passes it on, remembers
how each blob was encrypted, refuses who brings another key, and says in its answers what Azure says. The bytes
themselves stay as they are. Owns nothing of awcopy; what it answers is in Azure's pages on encryption.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit

SCOPE = "x-ms-encryption-scope"
KEY = "x-ms-encryption-key"
KEY_SHA256 = "x-ms-encryption-key-sha256"
ALGORITHM = "x-ms-encryption-algorithm"
_HOP_BY_HOP = {"connection", "transfer-encoding", "content-length"}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request about a blob, as it came."""

    method: str
    what: str  # the query's comp, or empty
    blob: str
    headers: dict[str, str] = field(repr=False)


@dataclass(kw_only=True)
class Encrypted:
    """How what lies under a blob's name is encrypted."""

    scope: str = ""
    key_sha256: str = ""


class EncryptingAzure:
    """A server on loopback before Azurite's port; a context manager."""

    def __init__(self, target_port: int, *, scopes: tuple[str, ...] = ()) -> None:
        self.asked: list[Asked] = []
        self.blobs: dict[str, Encrypted] = {}
        self.scopes = scopes
        self._target_port = target_port
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer._handle(self)

            do_PUT = do_HEAD = do_GET  # noqa: N815 - http.server's names

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def writes(self, blob: str) -> list[Asked]:
        return [one for one in self.asked if one.blob == blob and one.method == "PUT"]

    def _handle(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        names = unquote(parts.path).split("/", 3)
        what = parse_qs(parts.query).get("comp", [""])[0]
        headers = {name.lower(): value for name, value in handler.headers.items()}
        body = handler.rfile.read(int(headers.get("content-length", 0)))
        given = Encrypted(scope=headers.get(SCOPE, ""), key_sha256=headers.get(KEY_SHA256, ""))
        asked = Asked(
            method=handler.command, what=what, blob=names[3] if len(names) > 3 else "", headers=headers
        )
        self.asked.append(asked)
        code = self._refusal(asked, given) if asked.blob else ""
        if code:
            handler.send_response(404 if code == "EncryptionScopeNotFound" else 409)
            handler.send_header("x-ms-error-code", code)
            handler.send_header("content-length", "0")
            handler.end_headers()
            return
        self._pass_on(handler, asked, given, body)

    def _refusal(self, asked: Asked, given: Encrypted) -> str:
        known = self.blobs.get(asked.blob)
        if asked.method == "PUT" and given.scope and given.scope not in self.scopes:
            return "EncryptionScopeNotFound"
        if given.key_sha256:
            raw = base64.b64decode(asked.headers.get(KEY, ""))
            is_whole = base64.b64encode(hashlib.sha256(raw).digest()).decode() == given.key_sha256
            if not is_whole or (asked.method == "PUT" and asked.headers.get(ALGORITHM) != "AES256"):
                return "InvalidHeaderValue"
        is_written_whole = asked.method == "PUT" and not asked.what  # so it is encrypted anew
        is_list_of_blocks = asked.method == "GET" and asked.what == "blocklist"
        if known is None or is_written_whole or is_list_of_blocks or given.key_sha256 == known.key_sha256:
            return ""
        if given.key_sha256 and known.key_sha256:
            return "BlobCustomerSpecifiedEncryptionMismatch"
        which = "Uses" if known.key_sha256 else "DoesNotUse"
        return f"Blob{which}CustomerSpecifiedEncryption"

    def _pass_on(self, handler: BaseHTTPRequestHandler, asked: Asked, given: Encrypted, body: bytes) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._target_port, timeout=30)
        taken_off = {SCOPE, KEY, KEY_SHA256, ALGORITHM, "connection"}
        headers = {name: value for name, value in handler.headers.items() if name.lower() not in taken_off}
        connection.request(handler.command, handler.path, body or None, headers)
        response = connection.getresponse()
        answer = response.read()
        connection.close()
        if asked.method == "PUT" and asked.blob and response.status < 300:
            self.blobs[asked.blob] = given
        known = self.blobs.get(asked.blob, Encrypted()) if response.status < 300 else Encrypted()
        handler.send_response(response.status)
        for name, value in response.getheaders():
            if name.lower() not in _HOP_BY_HOP:
                handler.send_header(name, value)
        if known.scope:
            handler.send_header(SCOPE, known.scope)
        if known.key_sha256:
            handler.send_header(KEY_SHA256, known.key_sha256)
        length = response.getheader("content-length") if asked.method == "HEAD" else str(len(answer))
        handler.send_header("content-length", length or "0")
        handler.end_headers()
        if asked.method != "HEAD":
            handler.wfile.write(answer)
