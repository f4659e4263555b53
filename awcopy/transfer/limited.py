"""A source and a sink whose requests wait for a limiter, and bytes for their turn; otherwise those they wrap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from awcopy.model.objects import (
        BlobHead,
        BlobProperties,
        BlockId,
        Condition,
        ObjectHead,
        SinkAccount,
        SourceObject,
        Span,
        StagedBlock,
    )
    from awcopy.sink.base import BlobPage, Sink
    from awcopy.source.base import ListPage, Source
    from awcopy.transfer.limiter import Limiter


def at_once(size_bytes: int) -> None:
    """Let any number of bytes go."""
    del size_bytes


@dataclass(frozen=True, slots=True)
class LimitedSource:
    """A source behind a limiter; see ``awcopy.source.base.Source``. ``pace`` returns when so many bytes may go."""

    source: Source
    limiter: Limiter
    pace: Callable[[int], None] = at_once

    def probe(self, prefix: str) -> None:
        """See the port."""
        with self.limiter.slot():
            self.source.probe(prefix)

    def list_page(self, prefix: str, *, after: str = "", token: str = "", limit: int = 1000) -> ListPage:
        """See the port."""
        with self.limiter.slot():
            return self.source.list_page(prefix, after=after, token=token, limit=limit)

    def list_versions(self, prefix: str, *, token: str = "", limit: int = 1000) -> ListPage:
        """See the port."""
        with self.limiter.slot():
            return self.source.list_versions(prefix, token=token, limit=limit)

    def find_region(self) -> str:
        """See the port."""
        return self.source.find_region()

    def head(self, key: str, *, version_id: str = "") -> ObjectHead:
        """See the port."""
        with self.limiter.slot():
            return self.source.head(key, version_id=version_id)

    def read_tags(self, obj: SourceObject) -> Mapping[str, str]:
        """See the port."""
        with self.limiter.slot():
            return self.source.read_tags(obj)

    def part_size(self, obj: SourceObject, number: int) -> int:
        """See the port."""
        with self.limiter.slot():
            return self.source.part_size(obj, number)

    def read_object(self, obj: SourceObject, into: memoryview) -> ObjectHead:
        """See the port."""
        self.pace(len(into))
        with self.limiter.slot():
            return self.source.read_object(obj, into)

    def read_range(self, obj: SourceObject, span: Span, into: memoryview) -> None:
        """See the port."""
        self.pace(span.size_bytes)
        with self.limiter.slot():
            self.source.read_range(obj, span, into)

    def request_restore(self, obj: SourceObject, *, tier: str, days: int) -> None:
        """See the port."""
        with self.limiter.slot():
            self.source.request_restore(obj, tier=tier, days=days)

    def presign(self, obj: SourceObject) -> str:
        """See the port; nothing is sent."""
        return self.source.presign(obj)

    def is_versioned(self) -> bool | None:
        """See the port."""
        with self.limiter.slot():
            return self.source.is_versioned()

    def delete(self, key: str, *, etag: str) -> bool:
        """See the port."""
        with self.limiter.slot():
            return self.source.delete(key, etag=etag)

    def close(self) -> None:
        """See the port."""
        self.source.close()


@dataclass(frozen=True, slots=True)
class LimitedSink:
    """A sink behind a limiter; see ``awcopy.sink.base.Sink``.

    When the sink reads from the source by itself, the request counts at the source too, and each limiter
    learns from its own store; and its bytes wait for their turn here, since the source does not see them.
    """

    sink: Sink
    limiter: Limiter
    source_limiter: Limiter
    pace: Callable[[int], None] = at_once

    def probe(self) -> None:
        """See the port."""
        with self.limiter.slot():
            self.sink.probe()

    def account(self) -> SinkAccount:
        """See the port."""
        with self.limiter.slot():
            return self.sink.account()

    def create_container(self) -> None:
        """See the port."""
        with self.limiter.slot():
            self.sink.create_container()

    def is_empty(self, prefix: str) -> bool:
        """See the port."""
        with self.limiter.slot():
            return self.sink.is_empty(prefix)

    def list_page(self, prefix: str, *, token: str = "", limit: int = 5000) -> BlobPage:
        """See the port."""
        with self.limiter.slot():
            return self.sink.list_page(prefix, token=token, limit=limit)

    def head(self, name: str) -> BlobHead | None:
        """See the port."""
        with self.limiter.slot():
            return self.sink.head(name)

    def read_range(self, blob: BlobHead, span: Span, into: memoryview) -> None:
        """See the port."""
        with self.limiter.slot():
            self.sink.read_range(blob, span, into)

    def put_blob(
        self, name: str, data: memoryview, *, crc64: int, properties: BlobProperties, condition: Condition
    ) -> str:
        """See the port."""
        with self.limiter.slot():
            return self.sink.put_blob(name, data, crc64=crc64, properties=properties, condition=condition)

    def stage_block(self, name: str, block_id: BlockId, data: memoryview, *, crc64: int) -> None:
        """See the port."""
        with self.limiter.slot():
            self.sink.stage_block(name, block_id, data, crc64=crc64)

    def stage_block_from_url(self, name: str, block_id: BlockId, url: str, span: Span) -> int:
        """See the port."""
        self.pace(span.size_bytes)
        with self.limiter.slot(), self.source_limiter.slot(is_source_of_another=True):
            return self.sink.stage_block_from_url(name, block_id, url, span)

    def staged_blocks(self, name: str) -> tuple[StagedBlock, ...]:
        """See the port."""
        with self.limiter.slot():
            return self.sink.staged_blocks(name)

    def commit_blocks(
        self, name: str, block_ids: Sequence[BlockId], *, properties: BlobProperties, condition: Condition
    ) -> str:
        """See the port."""
        with self.limiter.slot():
            return self.sink.commit_blocks(name, block_ids, properties=properties, condition=condition)

    def copy_blob(self, name: str, to: str, *, etag: str) -> None:
        """See the port."""
        with self.limiter.slot():
            self.sink.copy_blob(name, to, etag=etag)

    def delete_blob(self, name: str, *, etag: str) -> None:
        """See the port."""
        with self.limiter.slot():
            self.sink.delete_blob(name, etag=etag)

    def close(self) -> None:
        """See the port."""
        self.sink.close()
