"""Both stores of a large sync, over real HTTP: they list fast, and keep a log of every request.

The servers of the other tests take minutes to be filled with 100,000 objects; these are made with them. They look at
no signature, keep no checksum but the ETag, which is an MD5, and know of Azure's conditions only If-Match. What the
blobs' stamps say is written as awcopy writes it, and is thus no proof of what an earlier copy would have stamped.
"""

from __future__ import annotations

import hashlib
import re
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

from awcopy.model.spec import SourceSpec
from awcopy.planning.metadata import name_source

BUCKET, ACCOUNT, CONTAINER, FOLDER = "listed", "listed", "box", "x/"
_MOMENT = 1_790_000_000
_S3_DATE, _HTTP_DATE = "2026-09-21T13:33:20.000Z", formatdate(_MOMENT, usegmt=True)
_S3_PAGE = 1000


@dataclass(frozen=True)
class Asked:
    """One request: of which store, how, and of which object or blob; of none, it was for the container."""

    store: str
    method: str
    name: str


@dataclass
class Blob:
    """What the sink keeps of a blob."""

    content: bytes
    metadata: dict[str, str]
    etag: str = ""

    def __post_init__(self) -> None:
        """Give it an ETag, which changes with every write."""
        self.etag = self.etag or _etag(self.content + repr(sorted(self.metadata.items())).encode())


@dataclass
class ListedStores:
    """A bucket and a container; change them as you like while no job runs."""

    url: str = ""
    endpoint: str = ""  # under which jobs know the bucket; if it is not the URL, that is the proxy to it
    objects: dict[str, bytes] = field(default_factory=dict)
    blobs: dict[str, Blob] = field(default_factory=dict)
    staged: dict[str, bytes] = field(default_factory=dict)  # by blob and id
    log: list[Asked] = field(default_factory=list)

    def fill(self, count: int) -> None:
        """Hold so many objects, each with its copy, as if an earlier sync had made it."""
        source = SourceSpec(bucket=BUCKET, endpoint_url=self.endpoint)
        self.objects = {f"data/{number:08}": b"%d" % number for number in range(count)}
        self.blobs = {
            FOLDER + key: Blob(body, _stamp(source, key, body)) for key, body in self.objects.items()
        }
        self.log.clear()

    def age(self, *, changed: float, deleted: float) -> tuple[set[str], set[str]]:
        """Let shares of the objects change and vanish; return their keys."""
        keys = list(self.objects)
        gone = set(keys[:: round(1 / deleted)])
        new = set(keys[1 :: round(1 / changed)])
        self.objects = {
            key: b"changed" if key in new else body for key, body in self.objects.items() if key not in gone
        }
        return new, gone

    def asked(self, *methods: str) -> list[Asked]:
        """Return the requests for single objects and blobs, in their order."""
        return [one for one in self.log if one.name and (not methods or one.method in methods)]

    def list_objects(self, query: dict[str, str]) -> bytes:
        """Return a page of ListObjectsV2."""
        keys = sorted(self.objects)
        after = query.get("continuation-token") or query.get("start-after", "")
        begin = bisect_right(keys, after) if after else bisect_left(keys, query.get("prefix", ""))
        page = keys[begin : begin + int(query.get("max-keys", _S3_PAGE))]
        is_cut = begin + len(page) < len(keys)
        entries = "".join(
            f"<Contents><Key>{key}</Key><LastModified>{_S3_DATE}</LastModified><ETag>&quot;{_etag(self.objects[key])}"
            f"&quot;</ETag><Size>{len(self.objects[key])}</Size><StorageClass>STANDARD</StorageClass></Contents>"
            for key in page
        )
        more = f"<NextContinuationToken>{page[-1]}</NextContinuationToken>" if is_cut else ""
        head = f"<IsTruncated>{str(is_cut).lower()}</IsTruncated>{more}<EncodingType>url</EncodingType>"
        return f"<ListBucketResult>{head}{entries}</ListBucketResult>".encode()

    def list_blobs(self, query: dict[str, str]) -> bytes:
        """Return a page of List Blobs."""
        names = sorted(self.blobs)
        after = query.get("marker", "")
        begin = bisect_right(names, after) if after else bisect_left(names, query.get("prefix", ""))
        page = names[begin : begin + int(query["maxresults"])]
        more = page[-1] if begin + len(page) < len(names) else ""
        entries = "".join(_blob_entry(name, self.blobs[name]) for name in page)
        return (
            f"<EnumerationResults><Blobs>{entries}</Blobs><NextMarker>{more}</NextMarker></EnumerationResults>"
        ).encode()


@contextmanager
def serve_listed_stores(endpoint: str = "") -> Iterator[ListedStores]:
    """Yield both stores while they are served; S3 at ``url`` (or an endpoint, through it), Azure at ``url/ACCOUNT``."""
    stores = ListedStores()

    class Handler(_Handler):
        held = stores

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        stores.url = f"http://127.0.0.1:{server.server_address[1]}"
        stores.endpoint = endpoint or stores.url
        try:
            yield stores
        finally:
            server.shutdown()
            thread.join(10)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    held: ClassVar[ListedStores]

    def handle_one_request(self) -> None:
        """Answer by store; a client may hang up."""
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        path = unquote(parts.path)
        azure = f"/{ACCOUNT}/{CONTAINER}"
        is_azure = path.startswith(azure) and "x-ms-version" in self.headers
        name = path.removeprefix(azure if is_azure else f"/{BUCKET}").removeprefix("/")
        self.held.log.append(Asked("azure" if is_azure else "s3", self.command, name))
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if is_azure:
            self._azure(name, query, body)
        elif name:
            self._object(name)
        else:
            self._answer(HTTPStatus.OK, self.held.list_objects(query))

    do_HEAD = do_PUT = do_DELETE = do_GET  # noqa: N815 - the names that the base class looks for

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _object(self, key: str) -> None:
        body = self.held.objects.get(key)
        if body is None:
            self._answer(HTTPStatus.NOT_FOUND, b"<Error><Code>NoSuchKey</Code></Error>")
            return
        self._answer(HTTPStatus.OK, body, ETag=f'"{_etag(body)}"')

    def _azure(self, name: str, query: dict[str, str], body: bytes) -> None:
        blobs = self.held.blobs
        if not name:
            is_list = query.get("comp") == "list"
            self._answer(HTTPStatus.OK, self.held.list_blobs(query) if is_list else b"")
            return
        blob = blobs.get(name)
        wanted = self.headers.get("If-Match")
        if self.command == "PUT" and query.get("comp") == "block":
            self.held.staged[f"{name}?{query['blockid']}"] = body
            self._answer(HTTPStatus.CREATED, b"")
        elif self.command == "PUT":
            meta = {
                key[10:].lower(): value
                for key, value in self.headers.items()
                if key.lower().startswith("x-ms-meta-")
            }
            if (wanted and (blob is None or wanted != f'"{blob.etag}"')) or (
                blob and self.headers.get("If-None-Match") == "*"
            ):
                self._answer(HTTPStatus.PRECONDITION_FAILED, b"")
                return
            if query.get("comp") == "blocklist":
                ids = re.findall(r"<Latest>(.*?)</Latest>", body.decode())
                body = b"".join(self.held.staged.pop(f"{name}?{one}") for one in ids)
            blobs[name] = Blob(body, meta)
            self._answer(HTTPStatus.CREATED, b"", ETag=f'"{blobs[name].etag}"')
        elif blob is None:
            self._answer(HTTPStatus.NOT_FOUND, b"", **{"x-ms-error-code": "BlobNotFound"})
        elif wanted and wanted != f'"{blob.etag}"':
            self._answer(HTTPStatus.PRECONDITION_FAILED, b"")
        elif self.command == "DELETE":
            del blobs[name]
            self._answer(HTTPStatus.ACCEPTED, b"")
        else:
            meta = {f"x-ms-meta-{key}": value for key, value in blob.metadata.items()}
            self._answer(HTTPStatus.OK, blob.content, ETag=f'"{blob.etag}"', **meta)

    def _answer(self, status: HTTPStatus, body: bytes, **headers: Any) -> None:
        self.send_response(status)
        self.send_header("Last-Modified", _HTTP_DATE)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _stamp(source: SourceSpec, key: str, body: bytes) -> dict[str, str]:
    return {
        "awcopy_etag": _etag(body),
        "awcopy_modified": "2026-09-21T13:33:20+00:00",
        "awcopy_size": str(len(body)),
        "awcopy_crc64": "0123456789abcdef",
        "awcopy_proof": "md5",
        "awcopy_job": "0000000000000000",
        "awcopy_source": name_source(source, key),
    }


def _blob_entry(name: str, blob: Blob) -> str:
    metadata = "".join(f"<{key}>{value}</{key}>" for key, value in blob.metadata.items())
    return (
        f"<Blob><Name>{name}</Name><Properties><Creation-Time>{_HTTP_DATE}</Creation-Time><Last-Modified>{_HTTP_DATE}"
        f"</Last-Modified><Etag>{blob.etag}</Etag><Content-Length>{len(blob.content)}</Content-Length><Content-Type>"
        "application/octet-stream</Content-Type><Content-Encoding/><Content-Language/><Content-MD5/><Cache-Control/>"
        "<Content-Disposition/><BlobType>BlockBlob</BlobType><AccessTier>Hot</AccessTier><AccessTierInferred>true"
        "</AccessTierInferred><LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState><ServerEncrypted>"
        f"true</ServerEncrypted></Properties><Metadata>{metadata}</Metadata></Blob>"
    )


def _etag(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
