"""A source in memory: S3Source's twin for tests, local mode and the simulator, with the same errors."""

from __future__ import annotations

import hashlib
import threading
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final
from urllib.parse import parse_qs, quote, unquote, urlsplit

from awcopy import crc64 as crc
from awcopy.errors import (
    AccessDenied,
    IntegrityError,
    KeyMismatch,
    ObjectArchived,
    ObjectNotFound,
    SourceChanged,
    StoreNotFound,
    TagsDenied,
)
from awcopy.model.objects import (
    ARCHIVED_CLASSES,
    Algorithm,
    Checksum,
    ContentHeaders,
    ObjectHead,
    SourceObject,
    Span,
)
from awcopy.source.base import ListPage

# Called before each operation with its name and the key or prefix; may raise, to let the operation fail.
Fault = Callable[[str, str], None]

START: Final = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    content: bytes
    listed: SourceObject
    head: ObjectHead
    tags: Mapping[str, str]
    part_sizes: tuple[int, ...]
    key_sha256: str = ""
    is_archived: bool = False


@dataclass(slots=True, kw_only=True)
class MemorySource:
    """One bucket in memory. Safe for many threads."""

    bucket: str = "bucket"
    region: str = "us-east-1"
    fault: Fault | None = None
    restoring: set[str] = field(default_factory=set)  # keys whose restore was asked for, and is not done
    key_sha256: str = ""  # of the key that was given to read objects with
    is_missing: bool = False  # as if there were no such bucket
    is_denied: bool = False  # as if the credentials allowed nothing
    has_urls: bool = False  # whether objects can be read from URLs
    hides_tags: bool = False  # as if they did not allow reading tags
    keeps_versions: bool | None = False  # None: as if the credentials did not allow asking that
    refuses_deletes: bool = False  # as if the credentials allowed reading only
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _objects: dict[str, _Stored] = field(default_factory=dict)
    _older: dict[str, list[_Stored]] = field(default_factory=dict)  # newest first, delete markers among them
    _versions: int = 0  # made so far
    _sorted: list[tuple[bytes, str]] | None = None  # keys in UTF-8 byte order, made anew when one is added

    def put_object(  # noqa: PLR0913 - a test names the one or two that it is about
        self,
        key: str,
        content: bytes = b"",
        *,
        headers: ContentHeaders | None = None,
        metadata: Mapping[str, str] | None = None,
        etag: str = "",
        crc64: int | None = None,
        has_crc64: bool = True,
        modified_at: datetime = START,
        storage_class: str = "STANDARD",
        version_id: str = "",
        tags: Mapping[str, str] | None = None,
        extras: Mapping[str, str] | None = None,
        checksums: Sequence[Checksum] = (),
        part_sizes: Sequence[int] = (),
        key_sha256: str = "",
        is_archived: bool | None = None,
    ) -> SourceObject:
        """Store an object and return it as it will be listed, without its version, as ListObjectsV2 does.

        ETag and CRC-64 are made where not given; ``has_crc64=False``: as if the bucket kept none. An MD5
        among the checksums is the ETag as well. ``key_sha256``: of the key of the owner's that it is
        encrypted with; ``is_archived``: where that does not follow from the storage class, as in
        Intelligent-Tiering. With ``keeps_versions``, what the key held before stays as an older version.
        """
        etag = etag or next((kept.value.hex() for kept in checksums if kept.algorithm is Algorithm.MD5), "")
        etag = etag or hashlib.md5(content, usedforsecurity=False).hexdigest()
        listed = SourceObject(
            key=key,
            size_bytes=len(content),
            etag=etag,
            modified_at=modified_at,
            storage_class=storage_class,
        )
        kept_crc64 = crc64 if crc64 is not None else crc.crc64(content)
        head = ObjectHead(
            etag=etag,
            size_bytes=len(content),
            modified_at=modified_at.replace(microsecond=0),  # as in a Last-Modified header
            headers=headers or ContentHeaders(content_type="binary/octet-stream"),
            metadata={name.lower(): value for name, value in (metadata or {}).items()},
            crc64=kept_crc64 if has_crc64 else None,
            version_id=version_id,
            tag_count=0 if self.hides_tags else len(tags or {}),
            extras=dict(extras or {}),
            checksums=tuple(checksums),
        )
        parts = tuple(part_sizes) or (len(content),)
        with self._lock:
            if key not in self._objects:
                self._sorted = None
            self._keep_version(key)
            self._objects[key] = _Stored(
                content=content,
                listed=listed,
                head=replace(head, version_id=version_id or self._new_version()),
                tags=dict(tags or {}),
                part_sizes=parts,
                key_sha256=key_sha256,
                is_archived=storage_class in ARCHIVED_CLASSES if is_archived is None else is_archived,
            )
        return listed

    def delete_object(self, key: str) -> None:
        """Remove an object, if it is there; with ``keeps_versions``, put a delete marker over it."""
        with self._lock:
            self._remove(key)

    def _remove(self, key: str) -> None:
        stored = self._objects.get(key)
        self._keep_version(key)
        if stored and self.keeps_versions:
            marker = replace(stored.listed, size_bytes=0, etag="", is_delete_marker=True)
            head = replace(stored.head, version_id=self._new_version())
            self._older[key].insert(0, replace(stored, content=b"", listed=marker, head=head))
        self._objects.pop(key, None)
        self._sorted = None

    def _keep_version(self, key: str) -> None:
        if self.keeps_versions and (stored := self._objects.get(key)):
            self._older.setdefault(key, []).insert(0, stored)

    def _new_version(self) -> str:
        if not self.keeps_versions:
            return ""
        self._versions += 1
        return f"version{self._versions}"

    def probe(self, prefix: str) -> None:
        """Return when the bucket is there and may be listed."""
        self._begin("probe", prefix)

    def list_page(self, prefix: str, *, after: str = "", token: str = "", limit: int = 1000) -> ListPage:
        """Return the next page of objects; a token is the last key of the page before it."""
        self._begin("list_page", prefix)
        start = token or after
        with self._lock:
            if self._sorted is None:
                self._sorted = sorted((key.encode(), key) for key in self._objects)
            index = bisect_right(self._sorted, (start.encode(), start)) if start else 0
            found: list[SourceObject] = []
            # Keys under a prefix stand together, so the search goes straight to the first of them.
            index = max(index, bisect_right(self._sorted, (prefix.encode(), "")))
            for position in range(index, len(self._sorted)):
                key = self._sorted[position][1]
                if not key.startswith(prefix):
                    break
                if len(found) == limit:
                    return ListPage(objects=tuple(found), token=found[-1].key)
                found.append(self._objects[key].listed)
        return ListPage(objects=tuple(found))

    def list_versions(self, prefix: str, *, token: str = "", limit: int = 1000) -> ListPage:
        """Return the next page of versions; a token is the place of the last one in the page before it."""
        self._begin("list_versions", prefix)
        with self._lock:
            keys = sorted(
                {*self._objects, *self._older}, key=lambda key: key.encode("utf-8", "surrogateescape")
            )
            versions = [one for key in keys if key.startswith(prefix) for one in self._versions_of(key)]
        names = [f"{one.key}\n{one.version_id}" for one in versions]
        begin = names.index(token) + 1 if token else 0
        end = begin + limit
        return ListPage(
            objects=tuple(versions[begin:end]), token=names[end - 1] if end < len(versions) else ""
        )

    def _versions_of(self, key: str) -> list[SourceObject]:
        current = self._objects.get(key)
        held = [*([current] if current else []), *self._older.get(key, ())]
        return [
            replace(one.listed, version_id=one.head.version_id or "null", is_latest=index == 0)
            for index, one in enumerate(held)
        ]

    def find_region(self) -> str:
        """Return the region that was given."""
        self._begin("find_region", "")
        return self.region

    def head(self, key: str, *, version_id: str = "") -> ObjectHead:
        """Return what the object's headers say now."""
        self._begin("head", key)
        return self._find(key, version_id).head

    def read_tags(self, obj: SourceObject) -> Mapping[str, str]:
        """Return the object's tags."""
        self._begin("read_tags", obj.key)
        if self.hides_tags:
            raise TagsDenied("the tags may not be read", status=403, service_code="AccessDenied")
        return self._find(obj.key, obj.version_id).tags

    def part_size(self, obj: SourceObject, number: int) -> int:
        """Return how many bytes one part of the pinned object has."""
        self._begin("part_size", obj.key)
        return self._pinned(obj).part_sizes[number - 1]

    def read_object(self, obj: SourceObject, into: memoryview) -> ObjectHead:
        """Fill ``into`` with the pinned object and return what its headers say."""
        self._begin("read_object", obj.key)
        stored = self._pinned(obj)
        _copy(stored.content, into)
        return stored.head

    def read_range(self, obj: SourceObject, span: Span, into: memoryview) -> None:
        """Fill ``into`` with those bytes of the pinned object."""
        self._begin("read_range", obj.key)
        stored = self._pinned(obj)
        _copy(stored.content[span.offset : span.offset + span.size_bytes], into)

    def request_restore(self, obj: SourceObject, *, tier: str, days: int) -> None:
        """Note the request; ``finish_restores`` does what it asks for."""
        del tier, days
        self._begin("request_restore", obj.key)
        if not self._find(obj.key, obj.version_id).is_archived:
            raise ObjectArchived("the object is not archived", status=403, service_code="InvalidObjectState")
        self.restoring.add(obj.key)

    def finish_restores(self) -> None:
        """Let every object that was asked for be readable from now on."""
        with self._lock:
            for key in self.restoring:
                stored = self._objects[key]
                listed = replace(stored.listed, is_restored=True)
                self._objects[key] = replace(stored, listed=listed, is_archived=False)
            self.restoring.clear()

    def presign(self, obj: SourceObject) -> str:
        """Return a URL that ``read_url`` takes, if this source has any; it does not expire."""
        path = f"{quote(self.bucket)}/{quote(obj.key)}"
        return f"memory://{path}?versionId={quote(obj.version_id)}" if self.has_urls else ""

    def read_url(self, url: str, span: Span) -> bytes:
        """Return those bytes of what a URL names, whatever it holds now; for a sink that reads by itself."""
        parts = urlsplit(url)
        key = unquote(parts.path.removeprefix("/"))
        self._begin("read_url", key)
        stored = self._find(key, parse_qs(parts.query).get("versionId", [""])[0])
        if stored.is_archived:
            raise ObjectArchived("the object is archived", status=403, service_code="InvalidObjectState")
        return stored.content[span.offset : span.offset + span.size_bytes]

    def is_versioned(self) -> bool | None:
        """Return whether the bucket keeps the versions of what is deleted."""
        self._begin("is_versioned", "")
        return self.keeps_versions

    def delete(self, key: str, *, etag: str) -> bool:
        """Delete the object if it still has this ETag."""
        self._begin("delete", key)
        with self._lock:
            stored = self._objects.get(key)
            if stored is None:
                raise ObjectNotFound("there is no such object", status=404, service_code="NoSuchKey")
            if self.refuses_deletes:
                raise AccessDenied("the object may not be deleted", status=403, service_code="AccessDenied")
            if stored.head.etag != etag:
                raise SourceChanged("the object is no longer the one that was copied", status=412)
            self._remove(key)
        return bool(self.keeps_versions)

    def close(self) -> None:
        """Do nothing: there are no connections."""

    def _begin(self, op: str, name: str) -> None:
        if self.fault:
            self.fault(op, name)
        if self.is_missing:
            raise StoreNotFound(f"there is no bucket {self.bucket}", status=404, service_code="NoSuchBucket")
        if self.is_denied:
            raise AccessDenied(f"s3://{self.bucket} refused {op}", status=403, service_code="AccessDenied")

    def _find(self, key: str, version_id: str = "") -> _Stored:
        with self._lock:
            stored = self._objects.get(key)
            if version_id and not (stored and (stored.head.version_id or "null") == version_id):
                older = self._older.get(key, ())
                stored = next((one for one in older if (one.head.version_id or "null") == version_id), None)
                if stored is None or stored.listed.is_delete_marker:
                    raise ObjectNotFound("there is no such version", status=404, service_code="NoSuchVersion")
        if stored is None:
            raise ObjectNotFound("there is no such object", status=404, service_code="NoSuchKey")
        if stored.key_sha256 not in {"", self.key_sha256}:
            raise KeyMismatch("the object is encrypted with a key of its owner", status=400)
        return stored

    def _pinned(self, obj: SourceObject) -> _Stored:
        stored = self._find(obj.key, obj.version_id)
        if obj.etag not in {"", stored.head.etag}:
            raise SourceChanged("the object is no longer the one that was listed", status=412)
        if stored.is_archived:
            raise ObjectArchived("the object is archived", status=403, service_code="InvalidObjectState")
        return stored


def _copy(content: bytes, into: memoryview) -> None:
    if len(content) != len(into):
        message = f"the answer holds {len(content)} bytes where {len(into)} were asked for"
        raise IntegrityError(message, service_code="length")
    into[:] = content
