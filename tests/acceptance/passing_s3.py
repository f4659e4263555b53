"""A token service and a bucket whose credentials pass: each is refused once enough younger ones were handed out.

So a job outlives its credentials after a few requests, whatever the clock says. Signatures are checked by botocore's
own signer against the secret of the very key that a request names. Nothing here is known of awcopy.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import parse_qs

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

_SIGNED = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(\w+)/\d{8}/([\w-]+)/s3/aws4_request, SignedHeaders=([\w;-]+), Signature=(\w+)"
)
# Said to hold so long that botocore renews them at each use: it does from 10 minutes before the end.
_SAID_LIFE = timedelta(minutes=5)
_XMLNS = "https://sts.amazonaws.com/doc/2011-06-15/"


@dataclass(kw_only=True)
class PassingServer:
    """One bucket and the token service that hands out credentials for it.

    ``lasts`` is how many younger credentials may have been handed out when one is still taken.
    """

    objects: Mapping[str, bytes]
    lasts: int
    url: str = ""
    asked: list[Mapping[str, str]] = field(default_factory=list)  # of the token service, in order
    taken: list[int] = field(
        default_factory=list
    )  # the number of the credentials of each request that was answered
    refused: list[str] = field(default_factory=list)  # why others were not
    lock: threading.Lock = field(default_factory=threading.Lock)

    def hand_out(self, asked: Mapping[str, str]) -> bytes:
        """Return the answer of the token service."""
        with self.lock:
            self.asked.append(asked)
            number = len(self.asked)
        action, until = asked["Action"], datetime.now(UTC) + _SAID_LIFE
        given = self.credentials(number)
        return (
            f'<{action}Response xmlns="{_XMLNS}"><{action}Result><Credentials>'
            f"<AccessKeyId>{given.access_key}</AccessKeyId><SecretAccessKey>{given.secret_key}</SecretAccessKey>"
            f"<SessionToken>{given.token}</SessionToken><Expiration>{until:%Y-%m-%dT%H:%M:%SZ}</Expiration>"
            f"</Credentials></{action}Result></{action}Response>"
        ).encode()

    @staticmethod
    def credentials(number: int) -> Credentials:
        """Return the credentials of this number."""
        return Credentials(f"ASIA{number:08}", f"secret{number}", f"token{number}")

    def refusal(self, method: str, path: str, headers: Mapping[str, str]) -> str:
        """Return the code of S3's error for a request, or nothing: it is signed with credentials that hold."""
        found = _SIGNED.fullmatch(headers.get("Authorization", ""))
        if not found:
            return "AccessDenied"
        number = int(found[1].removeprefix("ASIA"))
        given = self.credentials(number)
        if headers.get("x-amz-security-token") != given.token:
            return "InvalidToken"
        names = found[3].split(";")
        request = AWSRequest(method, f"{self.url}{path}", headers={name: headers[name] for name in names})
        request.context["timestamp"] = headers["x-amz-date"]
        auth = S3SigV4Auth(given, "s3", found[2])
        signed = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
        with self.lock:
            if signed != found[4]:
                return "SignatureDoesNotMatch"
            if len(self.asked) - number > self.lasts:
                return "ExpiredToken"
            self.taken.append(number)
        return ""


@contextmanager
def serve_passing(bucket: str, objects: Mapping[str, bytes], *, lasts: int) -> Iterator[PassingServer]:
    """Yield a running server with one bucket that holds these objects."""
    passing = PassingServer(objects=objects, lasts=lasts)

    class Handler(_Handler):
        server_of_all = passing
        place = f"/{bucket}"

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        passing.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield passing
        finally:
            server.shutdown()
            thread.join(10)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_of_all: ClassVar[PassingServer]
    place: ClassVar[str]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        asked = {name: values[0] for name, values in parse_qs(body).items()}
        self._answer(self.server_of_all.hand_out(asked), {"Content-Type": "text/xml"})

    def do_GET(self) -> None:
        if why := self.server_of_all.refusal(self.command, self.path, self.headers):
            self.server_of_all.refused.append(why)
            self._answer(f"<Error><Code>{why}</Code></Error>".encode(), {}, HTTPStatus.FORBIDDEN)
            return
        path = self.path.partition("?")[0]
        if path == self.place:
            self._answer(self._listing(), {"Content-Type": "application/xml"})
            return
        content = self.server_of_all.objects[path.removeprefix(f"{self.place}/")]
        etag = hashlib.md5(content, usedforsecurity=False).hexdigest()
        self._answer(content, {"ETag": f'"{etag}"', "Last-Modified": "Mon, 21 Sep 2026 13:33:20 GMT"})

    do_HEAD = do_GET  # noqa: N815 - the name that the base class looks for

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _listing(self) -> bytes:
        entries = "".join(
            f"<Contents><Key>{key}</Key><LastModified>2026-09-21T13:33:20Z</LastModified>"
            f"<ETag>&quot;{hashlib.md5(content, usedforsecurity=False).hexdigest()}&quot;</ETag>"
            f"<Size>{len(content)}</Size></Contents>"
            for key, content in sorted(self.server_of_all.objects.items())
        )
        return f"<ListBucketResult><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>".encode()

    def _answer(self, body: bytes, headers: Mapping[str, str], status: HTTPStatus = HTTPStatus.OK) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
