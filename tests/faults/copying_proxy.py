"""Put Block From URL before an Azurite that cannot read from other servers.

Azurite itself judges each request: signature, rights, container, block id. Only what it then cannot do, to read
the source, is done here: the bytes are fetched as Azure fetches them, without any header but the range, and
staged in Azurite under the same authority. The answer holds the CRC-64 of what was staged.

What it does not prove: that Azure reaches a source over its own network, and takes a signed URL of S3 as it
comes; which of S3's codes Azure passes on, and under which status; its limits on the URL's length; what it does
with conditions on the source, redirects, or URLs with dot segments; its throttling, timeouts and speed. For
these there is docs/live-checks.md. Customer-provided keys and scopes are as Azurite has them, which is not.

Requests must bring a SAS or a token: a SharedKey signature holds for the one request that the client made, not
for the other that is made of it here.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import re
from urllib.parse import urlsplit

from awcopy.crc64 import crc64, to_azure
from awcopy.demo.ports import LOOPBACK
from tests.faults.http_proxy import Channel, Exchange, Fault, Head, HttpProxy, flip

COPY_SOURCE = "x-ms-copy-source"
CANNOT_VERIFY = "CannotVerifyCopySource"
_READ_TIMEOUT_S = 60.0
_NOT_FOR_PUT_BLOCK = {COPY_SOURCE, "x-ms-source-range", "content-length", "content-md5", "x-ms-content-crc64"}


def is_copy(exchange: Exchange) -> bool:
    """Return whether a request asks the store to read by itself."""
    return COPY_SOURCE in exchange.headers


class CopyingProxy(HttpProxy):
    """An `HttpProxy` before Azurite that does Put Block From URL; all else is passed on, and all rules hold.

    Args:
        target_port: Azurite's blob port.
        source_port: Where every host but this machine's is found: the S3 server that plays Amazon.
        seed: Of the rules' draws.
    """

    def __init__(self, target_port: int, *, source_port: int = 0, seed: int = 0) -> None:
        """Keep where Azurite and the source are."""
        super().__init__(target_port, "azure", seed=seed)
        self.source_port = source_port

    def _ask(self, exchange: Exchange, fault: Fault, head: Head, client: Channel, server: Channel) -> bool:
        if not is_copy(exchange) or (fault.answer is not None and fault.is_applied):
            return super()._ask(exchange, fault, head, client, server)
        server.send(head.raw)
        verdict = server.read_head()
        exchange.status = verdict.status
        body: list[bytes] = []
        server.copy_body(verdict.framing_of_answer("PUT"), body.append)
        if CANNOT_VERIFY.encode() not in b"".join(body):  # Azurite refused it, or has read it by itself
            client.send(verdict.raw + b"".join(body))
            return True
        status, content = self._fetch(head)
        if status >= 300:
            client.send(_refusal(exchange, status, content))
            return True
        exchange.copied_bytes = len(content)
        content = flip(content, fault.flip_sent)
        server.send(_put_block(head, content) + content)
        answer = server.read_head()
        exchange.status = answer.status
        told = (
            {"x-ms-content-crc64": to_azure(crc64(content)), **fault.headers} if answer.status < 300 else {}
        )
        return self._answer(
            exchange,
            Fault(headers=told, drop=fault.drop),
            answer,
            client,
            server,
            answer.framing_of_answer("PUT"),
        )

    def _fetch(self, head: Head) -> tuple[int, bytes]:
        """Return the source's status and body; 500 where it cannot be reached."""
        url = urlsplit(head.headers[COPY_SOURCE])
        is_here = url.hostname == LOOPBACK
        port = (url.port or 80) if is_here else self.source_port
        connection = http.client.HTTPConnection(LOOPBACK, port, timeout=_READ_TIMEOUT_S)
        try:
            span = head.headers.get("x-ms-source-range", "")
            headers = {"Host": url.netloc, **({"Range": span} if span else {})}
            connection.request("GET", f"{url.path}?{url.query}", headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            return 500, b""
        finally:
            connection.close()


def _put_block(head: Head, content: bytes) -> bytes:
    """Return the head of the Put Block that stages the bytes; a SAS or a token is good for both requests."""
    first, *lines = head.raw.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    kept = [line for line in lines if line.partition(":")[0].strip().lower() not in _NOT_FOR_PUT_BLOCK]
    # Azurite checks an MD5 natively, and computes a CRC-64, at half of that speed, if it gets none.
    md5 = base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()
    kept += [f"Content-Length: {len(content)}", f"Content-MD5: {md5}"]
    return ("\r\n".join([first, *kept]) + "\r\n\r\n").encode("latin-1")


def _refusal(exchange: Exchange, status: int, content: bytes) -> bytes:
    found = re.search(rb"<Code>([^<]*)</Code>", content)
    code = found[1].decode() if found else ""
    body = f"<?xml version='1.0' encoding='utf-8'?><Error><Code>{CANNOT_VERIFY}</Code></Error>"
    lines = [
        f"HTTP/1.1 {status} The source refused",
        f"x-ms-error-code: {CANNOT_VERIFY}",
        f"x-ms-copy-source-status-code: {status}",
        *([f"x-ms-copy-source-error-code: {code}"] if code else []),
        f"x-ms-request-id: copy-{exchange.number}",
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join([*lines, "", body]).encode()
