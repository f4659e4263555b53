"""A bucket that holds any bytes as keys and headers, over HTTP: some servers do, and those of the tests do not.

Answers ListObjectsV2 in URL encoding, HEAD and GET with If-Match, without looking at signatures. Nothing here is
known of awcopy.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import quote, unquote_to_bytes

_MOMENT = 1_790_000_000

Headers = Sequence[tuple[str, bytes]]


@contextmanager
def serve_any_keys(
    bucket: str, objects: Mapping[bytes, bytes], headers: Mapping[bytes, Headers] | None = None
) -> Iterator[str]:
    """Yield the URL of a server with one bucket that holds these objects, and says this of some of them."""

    class Handler(_Handler):
        place = f"/{bucket}"
        held = objects
        said = headers or {}

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join(10)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    place: ClassVar[str]
    held: ClassVar[Mapping[bytes, bytes]]
    said: ClassVar[Mapping[bytes, Headers]]

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        if path == self.place:
            prefix = dict(part.partition("=")[::2] for part in query.split("&")).get("prefix", "")
            self._answer(self._listing(unquote_to_bytes(prefix)), [("Content-Type", b"application/xml")])
            return
        key = unquote_to_bytes(path.removeprefix(f"{self.place}/"))
        content = self.held.get(key)
        if content is None:
            self._answer(b"<Error><Code>NoSuchKey</Code></Error>", [], HTTPStatus.NOT_FOUND)
            return
        etag = f'"{_etag(content)}"'
        if self.headers.get("If-Match", etag) != etag:
            self._answer(b"", [], HTTPStatus.PRECONDITION_FAILED)
            return
        every = [("ETag", etag.encode()), ("Last-Modified", formatdate(_MOMENT, usegmt=True).encode())]
        self._answer(content, [*every, *self.said.get(key, ())])

    do_HEAD = do_GET  # noqa: N815 - the name that the base class looks for

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _listing(self, prefix: bytes) -> bytes:
        entries = "".join(
            f"<Contents><Key>{quote(key)}</Key><LastModified>2026-09-21T13:33:20Z</LastModified>"
            f"<ETag>&quot;{_etag(content)}&quot;</ETag><Size>{len(content)}</Size></Contents>"
            for key, content in sorted(self.held.items())
            if key.startswith(prefix)
        )
        head = "<IsTruncated>false</IsTruncated><EncodingType>url</EncodingType>"
        return f"<ListBucketResult>{head}{entries}</ListBucketResult>".encode()

    def _answer(self, body: bytes, headers: Headers, status: HTTPStatus = HTTPStatus.OK) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value.decode("latin-1"))  # the bytes as they are
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _etag(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
