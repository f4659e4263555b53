"""The port through which awcopy looks at and writes a sink; it decides nothing and retries nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from awcopy.model.objects import (
        BlobHead,
        BlobProperties,
        BlockId,
        Condition,
        SinkAccount,
        Span,
        StagedBlock,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobPage:
    """One page of a listing, sorted by name."""

    blobs: tuple[BlobHead, ...]
    token: str = ""  # for the next page; empty on the last one


class Sink(Protocol):
    """One container, written with one set of credentials. Safe to use from many threads.

    Every method raises the errors of :mod:`awcopy.errors` only, told apart as for a source.
    """

    def probe(self) -> None:
        """Return when the container is there and answers to the credentials; raise the reason otherwise."""

    def account(self) -> SinkAccount:
        """Return what the account can do; where it may not be asked, nothing is known of it."""

    def create_container(self) -> None:
        """Create the container; nothing happens when it is there already."""

    def is_empty(self, prefix: str) -> bool:
        """Return whether no committed blob's name starts with the prefix."""

    def list_page(self, prefix: str, *, token: str = "", limit: int = 5000) -> BlobPage:
        """Return the next page of committed blobs with their metadata, at most ``limit`` (1 to 5,000)."""

    def head(self, name: str) -> BlobHead | None:
        """Return the committed blob of that name, or None."""

    def read_range(self, blob: BlobHead, span: Span, into: memoryview) -> None:
        """Fill ``into``, which is exactly as long as the span, with those bytes of the blob that was seen.

        Raises:
            BlobConflict: The blob is no longer the one that was seen.
            ObjectNotFound: It is gone; some servers call that a conflict too.
            IntegrityError: The answer was longer or shorter than the span.
        """

    def put_blob(
        self, name: str, data: memoryview, *, crc64: int, properties: BlobProperties, condition: Condition
    ) -> str:
        """Write a whole block blob in one call and return its ETag; the sink checks the CRC-64 first.

        Raises:
            BlobConflict: The condition did not hold; the blob that was there is untouched.
            BlobProtected: It may not be replaced: it is leased, immutable, archived, or of another kind.
            NameConflict: A directory has that name, or a blob that of one of its directories.
            IntegrityError: The sink received other bytes than the CRC says; nothing was written.
            Miswritten: It wrote the blob, and says that it wrote other bytes.
        """

    def stage_block(self, name: str, block_id: BlockId, data: memoryview, *, crc64: int) -> None:
        """Stage one block; the sink checks the CRC-64 first. Staging the same id again replaces it.

        Block ids of one blob must all have the same length, 1 to 64 characters before base64.

        Raises:
            ForeignBlocks: Blocks with ids of another length are staged under that name; a commit drops them.
            IntegrityError: The sink received other bytes than the CRC says; nothing was staged.
        """

    def stage_block_from_url(self, name: str, block_id: BlockId, url: str, span: Span) -> int:
        """Have the sink itself read a span of a URL as one block; return the CRC-64 of what it staged.

        Not to be sent twice under one id: if the first request were late, its bytes would replace those
        whose CRC-64 is known.

        Args:
            name: The blob's name.
            block_id: As for ``stage_block``, of the same length.
            url: A signed URL of the object, at most 2,048 characters.
            span: Which bytes to read, at most 4,000 MiB.

        Raises:
            SourceUnreadable: The sink could not read the object; the reason names what the source said.
            SourceChanged: The object has become shorter than the span's end.
            ObjectArchived: The object must be restored first.
            Throttled: The sink, or the source (``by_source``), asks for fewer requests.
            ServerFault: Likewise either of them; the same may succeed later.
            RequestRefused: The sink does not do this at all, or does not say what it staged.
        """

    def staged_blocks(self, name: str) -> tuple[StagedBlock, ...]:
        """Return the uncommitted blocks that the sink holds for this name; none when there is no blob."""

    def commit_blocks(
        self, name: str, block_ids: Sequence[BlockId], *, properties: BlobProperties, condition: Condition
    ) -> str:
        """Make the staged blocks, in this order, the blob's content; return its ETag.

        Raises:
            BlocksMissing: At least one id is not staged; the blob that was there is untouched.
            BlobConflict: The condition did not hold; the blob that was there is untouched.
            BlobProtected, NameConflict: As for ``put_blob``.
        """

    def copy_blob(self, name: str, to: str, *, etag: str) -> None:
        """Have the sink itself copy the blob that was seen to another name, whatever that holds; return at the end.

        Content, headers, metadata, tier and tags are the same; dates and ETag are not.

        Raises:
            BlobConflict: The blob is no longer the one that was seen.
            BlobProtected: The other name's blob may not be replaced.
            ObjectNotFound: It is gone.
            ServerFault: The sink has not come to the end of it yet.
        """

    def delete_blob(self, name: str, *, etag: str) -> None:
        """Delete the committed blob that was seen; what the account keeps of deleted blobs is its own affair.

        Raises:
            BlobConflict: The blob is no longer the one that was seen.
            BlobProtected: It may not be deleted: it is leased, immutable, or has snapshots.
            ObjectNotFound: It is gone; some servers call that a conflict too.
        """

    def close(self) -> None:
        """Give up idle connections; the sink can still be used afterwards."""
