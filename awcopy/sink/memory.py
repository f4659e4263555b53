"""A sink in memory: AzureBlobSink's twin for tests, local mode and the simulator, with the same errors."""

from __future__ import annotations

import hashlib
import itertools
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from awcopy.crc64 import crc64 as crc64_of
from awcopy.errors import (
    AccessDenied,
    BlobConflict,
    BlocksMissing,
    ForeignBlocks,
    IntegrityError,
    KeyMismatch,
    NameConflict,
    ObjectNotFound,
    RequestRefused,
    SourceChanged,
    SourceUnreadable,
    StoreNotFound,
)
from awcopy.model.objects import (
    BlobHead,
    BlobProperties,
    BlockId,
    Condition,
    ContentHeaders,
    SinkAccount,
    Span,
    StagedBlock,
)
from awcopy.sink.base import BlobPage

# Called before each operation with its name and the blob's name or prefix; may raise, to let it fail.
Fault = Callable[[str, str], None]

MAX_BLOCKS: Final = 50_000
MAX_STAGED_BLOCKS: Final = 100_000
MAX_BLOCK_ID_LENGTH: Final = 64
_DEFAULT_TYPE: Final = "application/octet-stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBlob:
    """A committed blob, for tests to look at."""

    content: bytes
    head: BlobHead
    tier: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    blocks: tuple[tuple[BlockId, bytes], ...] = ()  # none when it was written in one call


@dataclass(slots=True, kw_only=True)
class MemorySink:
    """One container in memory. Safe for many threads.

    Where ``facts`` say that the account has directories, there is one for each folder of a blob's name: it is
    listed and looked at as Azure shows it, and no blob can have its name.
    """

    has_container: bool = True
    encryption_scope: str = ""  # that blobs are encrypted with
    key_sha256: str = ""  # of the key that was given for blobs
    fault: Fault | None = None
    read_url: Callable[[str, Span], bytes] | None = None  # the network on which this sink reads by itself
    facts: SinkAccount = field(default_factory=lambda: SinkAccount(kind="StorageV2"))
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    blobs: dict[str, StoredBlob] = field(default_factory=dict)
    _staged: dict[str, dict[BlockId, bytes]] = field(default_factory=dict)
    _etags: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _sorted: list[str] | None = None  # names in order, made anew when one is added

    def probe(self) -> None:
        """Return when the container is there."""
        self._begin("probe", "")

    def account(self) -> SinkAccount:
        """Return what the account can do."""
        self._begin("account", "")
        return self.facts

    def create_container(self) -> None:
        """Create the container; nothing happens when it is there already."""
        if self.fault:
            self.fault("create_container", "")
        self.has_container = True

    def is_empty(self, prefix: str) -> bool:
        """Return whether no committed blob's name starts with the prefix."""
        return not self.list_page(prefix, limit=1).blobs

    def list_page(self, prefix: str, *, token: str = "", limit: int = 5000) -> BlobPage:
        """Return the next page of committed blobs; a token is the last name of the page before it."""
        self._begin("list_page", prefix)
        with self._lock:
            if self._sorted is None:
                self._sorted = sorted({*self.blobs, *self._directories()})
            found: list[BlobHead] = []
            start = bisect_right(self._sorted, token) if token else bisect_left(self._sorted, prefix)
            for position in range(start, len(self._sorted)):
                name = self._sorted[position]
                if not name.startswith(prefix):
                    break
                if len(found) == limit:
                    return BlobPage(blobs=tuple(found), token=found[-1].name)
                stored = self.blobs.get(name)
                found.append(stored.head if stored else _directory(name))
        return BlobPage(blobs=tuple(found))

    def head(self, name: str) -> BlobHead | None:
        """Return the committed blob of that name, or None."""
        self._begin("head", name)
        stored = self.blobs.get(name)
        if stored is None and name in self._directories():
            return _directory(name)
        if stored and stored.head.key_sha256 not in {"", self.key_sha256}:
            message = "the blob is encrypted with another key"
            raise KeyMismatch(message, status=409, service_code="BlobUsesCustomerSpecifiedEncryption")
        return stored.head if stored else None

    def read_range(self, blob: BlobHead, span: Span, into: memoryview) -> None:
        """Fill ``into`` with those bytes of the blob that was seen."""
        self._begin("read_range", blob.name)
        stored = self.blobs.get(blob.name)
        if stored is None:
            raise ObjectNotFound("there is no such blob", status=404, service_code="BlobNotFound")
        self._check_condition(blob.name, Condition(if_match=blob.etag))
        content = stored.content[span.offset : span.offset + span.size_bytes]
        if len(content) != len(into):
            message = f"the answer holds {len(content)} bytes where {len(into)} were asked for"
            raise IntegrityError(message, service_code="length")
        into[:] = content

    def put_blob(
        self, name: str, data: memoryview, *, crc64: int, properties: BlobProperties, condition: Condition
    ) -> str:
        """Write a whole blob in one call and return its ETag; blocks staged under its name are dropped.

        As with Azure, the blob's MD5 is computed here, whatever the properties say.
        """
        self._begin("put_blob", name)
        _check_crc64(data, crc64)
        md5 = hashlib.md5(data, usedforsecurity=False).digest()
        return self._write(name, bytes(data), (), replace(properties, content_md5=md5), condition)

    def stage_block(self, name: str, block_id: BlockId, data: memoryview, *, crc64: int) -> None:
        """Stage one block."""
        self._begin("stage_block", name)
        _check_crc64(data, crc64)
        self._stage(name, block_id, bytes(data))

    def stage_block_from_url(self, name: str, block_id: BlockId, url: str, span: Span) -> int:
        """Read a span of a URL as one block; return its CRC-64."""
        self._begin("stage_block_from_url", name)
        if self.read_url is None:
            raise SourceUnreadable("the sink reaches no source", status=500)
        try:
            content = self.read_url(url, span)
        except (AccessDenied, ObjectNotFound) as exc:
            raise SourceUnreadable(
                "the sink could not read the source", status=exc.status, service_code=exc.service_code
            ) from exc
        if len(content) != span.size_bytes:
            raise SourceChanged("the object is shorter than it was", status=416)
        self._stage(name, block_id, content)
        return crc64_of(content)

    def _stage(self, name: str, block_id: BlockId, content: bytes) -> None:
        if not 1 <= len(block_id) <= MAX_BLOCK_ID_LENGTH:
            raise RequestRefused(
                "a block id has 1 to 64 characters", status=400, service_code="OutOfRangeInput"
            )
        with self._lock:
            self._check_path(name)
            staged = self._staged.setdefault(name, {})
            if staged and len(next(iter(staged))) != len(block_id):
                message = "all block ids of a blob have the same length"
                raise ForeignBlocks(message, status=400, service_code="InvalidBlobOrBlock")
            if len(staged) >= MAX_STAGED_BLOCKS and block_id not in staged:
                message = "a blob has at most 100,000 uncommitted blocks"
                raise RequestRefused(message, status=409, service_code="BlockCountExceedsLimit")
            staged[block_id] = content

    def staged_blocks(self, name: str) -> tuple[StagedBlock, ...]:
        """Return the uncommitted blocks that the sink holds for this name."""
        self._begin("staged_blocks", name)
        with self._lock:
            staged = self._staged.get(name, {})
            return tuple(StagedBlock(block_id=key, size_bytes=len(block)) for key, block in staged.items())

    def commit_blocks(
        self, name: str, block_ids: Sequence[BlockId], *, properties: BlobProperties, condition: Condition
    ) -> str:
        """Make the staged blocks, in this order, the blob's content; the others are dropped."""
        self._begin("commit_blocks", name)
        if len(block_ids) > MAX_BLOCKS:
            message = "a blob has at most 50,000 blocks"
            raise RequestRefused(message, status=400, service_code="BlockListTooLong")
        with self._lock:
            stored = self.blobs.get(name)
            # A staged block stands before a committed one of the same id.
            known = {**dict(stored.blocks if stored else ()), **self._staged.get(name, {})}
            if not known.keys() >= set(block_ids):
                message = "the sink does not hold all of the blocks"
                raise BlocksMissing(message, status=400, service_code="InvalidBlockList")
            blocks = tuple((block_id, known[block_id]) for block_id in block_ids)
            content = b"".join(block for _, block in blocks)
            return self._write(name, content, blocks, properties, condition)

    def copy_blob(self, name: str, to: str, *, etag: str) -> None:
        """Copy the blob that was seen to another name."""
        self._begin("copy_blob", name)
        with self._lock:
            stored = self.blobs.get(name)
            if stored is None:
                raise ObjectNotFound("there is no such blob", status=404, service_code="BlobNotFound")
            self._check_condition(name, Condition(if_match=etag))
            properties = BlobProperties(
                headers=stored.head.headers,
                metadata=stored.head.metadata,
                content_md5=stored.head.content_md5,
                tier=stored.tier,
                tags=stored.tags,
            )
            self._write(to, stored.content, (), properties, Condition())

    def delete_blob(self, name: str, *, etag: str) -> None:
        """Delete the blob that was seen."""
        self._begin("delete_blob", name)
        with self._lock:
            if name not in self.blobs:
                raise ObjectNotFound("there is no such blob", status=404, service_code="BlobNotFound")
            self._check_condition(name, Condition(if_match=etag))
            del self.blobs[name]
            self._sorted = None

    def close(self) -> None:
        """Do nothing: there are no connections."""

    def _begin(self, op: str, name: str) -> None:
        if self.fault:
            self.fault(op, name)
        if not self.has_container:
            raise StoreNotFound("there is no such container", status=404, service_code="ContainerNotFound")

    def _write(
        self,
        name: str,
        content: bytes,
        blocks: tuple[tuple[BlockId, bytes], ...],
        properties: BlobProperties,
        condition: Condition,
    ) -> str:
        with self._lock:
            self._check_path(name)
            self._check_condition(name, condition)
            head = BlobHead(
                name=name,
                etag=f"0x{next(self._etags):015X}",
                size_bytes=len(content),
                modified_at=self.now().replace(microsecond=0),
                metadata={key.lower(): value for key, value in properties.metadata.items()},
                headers=_stored_headers(properties.headers),
                content_md5=properties.content_md5,
                encryption_scope=self.encryption_scope,
                key_sha256=self.key_sha256,
            )
            if name not in self.blobs:
                self._sorted = None
            self.blobs[name] = StoredBlob(
                content=content, head=head, tier=properties.tier, tags=properties.tags, blocks=blocks
            )
            self._staged.pop(name, None)
            return head.etag

    def _directories(self) -> set[str]:
        if not self.facts.is_hierarchical:
            return set()
        with self._lock:
            return {folder for name in self.blobs for folder in _folders(name)}

    def _check_path(self, name: str) -> None:
        if not self.facts.is_hierarchical:
            return
        if name in self._directories() or any(folder in self.blobs for folder in _folders(name)):
            message = "a directory and a blob would have one name"
            raise NameConflict(message, status=409, service_code="PathConflict")

    def _check_condition(self, name: str, condition: Condition) -> None:
        stored = self.blobs.get(name)
        if condition.if_absent and stored:
            message = "there is a blob of that name"
            raise BlobConflict(message, status=409, service_code="BlobAlreadyExists")
        if condition.if_match and (stored is None or stored.head.etag != condition.if_match):
            message = "the blob is not the one that was seen"
            raise BlobConflict(message, status=412, service_code="ConditionNotMet")


def _folders(name: str) -> list[str]:
    parts = name.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def _directory(name: str) -> BlobHead:
    made_at = datetime(2026, 1, 1, tzinfo=UTC)
    return BlobHead(
        name=name, etag="0xD", size_bytes=0, modified_at=made_at, metadata={"hdi_isfolder": "true"}
    )


def _check_crc64(data: memoryview, crc64: int) -> None:
    if crc64_of(data) != crc64:
        message = "the sink received other bytes than were sent"
        raise IntegrityError(message, status=400, service_code="Crc64Mismatch")


def _stored_headers(headers: ContentHeaders) -> ContentHeaders:
    return ContentHeaders(
        content_type=headers.content_type or _DEFAULT_TYPE,
        content_encoding=headers.content_encoding,
        content_language=headers.content_language,
        content_disposition=headers.content_disposition,
        cache_control=headers.cache_control,
    )
