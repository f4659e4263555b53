"""Staging the blocks of one pinned object, committing them, and proving the whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from awcopy.crc64 import combine, crc64
from awcopy.errors import IntegrityError, SourceChanged
from awcopy.model.outcome import Proof
from awcopy.planning.blocks import block_id, pin_blocks, read_block_id
from awcopy.transfer.context import run_each
from awcopy.transfer.properties import properties_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from awcopy.model.objects import Condition, ObjectHead, SourceObject
    from awcopy.planning.blocks import BlockPlan
    from awcopy.transfer.context import Transfer


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedFile:
    """One content of one object, the blob it goes to, and how it is cut; equal pins stage equal blocks."""

    object: SourceObject
    blob: str
    plan: BlockPlan
    restart: int = 0

    @property
    def pin(self) -> str:
        """The beginning of all its block ids."""
        return pin_blocks(self.object, self.plan.block_size_bytes, self.restart)


def stage_blocks(transfer: Transfer, file: PinnedFile, indexes: Iterable[int]) -> dict[int, int]:
    """Stage these blocks, several at once, and return each one's CRC-64 by index."""
    todo = list(indexes)
    crcs = run_each(transfer, lambda index: _stage_block(transfer, file, index), todo)
    return dict(zip(todo, crcs, strict=True))


def staged_crcs(transfer: Transfer, file: PinnedFile) -> dict[int, int]:
    """Return the CRC-64 of every block of the file that the sink holds, by index.

    An index that was staged with two different contents is left out, so that it is staged anew.
    """
    found: dict[int, set[int]] = {}
    for block in transfer.retrier.call(lambda: transfer.sink.staged_blocks(file.blob)):
        read = read_block_id(file.pin, block.block_id)
        if read and read[0] < file.plan.blocks and block.size_bytes == file.plan.span(read[0]).size_bytes:
            found.setdefault(read[0], set()).add(read[1])
    return {index: crcs.pop() for index, crcs in found.items() if len(crcs) == 1}


def combine_blocks(file: PinnedFile, crcs: dict[int, int], indexes: Iterable[int]) -> int:
    """Return the CRC-64 of consecutive blocks from the CRC-64 of each."""
    whole = 0
    for index in indexes:
        whole = combine(whole, crcs[index], file.plan.span(index).size_bytes)
    return whole


def commit_file(
    transfer: Transfer, file: PinnedFile, crcs: dict[int, int], condition: Condition
) -> tuple[Proof, int, tuple[str, ...]]:
    """Commit the staged blocks as the blob, with its properties.

    Returns the proof, the whole's CRC-64, and the notices about what the blob has otherwise than the object.

    Nothing is committed unless the combined CRC equals the one that the source keeps, if it keeps one.

    Raises:
        SourceChanged: The object is no longer the pinned one.
        IntegrityError: The combined CRC is not the source's.
        BlocksMissing: The sink no longer holds every block.
        BlobConflict: The condition did not hold.
    """
    head = transfer.retrier.call(lambda: transfer.source.head(file.object.key))
    check_pin(file.object, head)
    whole = combine_blocks(file, crcs, range(file.plan.blocks))
    proof = prove(head, whole, md5=b"") or Proof.BLOCKS
    properties = properties_of(transfer, head, file.object, crc64=whole, proof=proof, md5=head.md5)
    ids = [block_id(file.pin, index, crcs[index]) for index in range(file.plan.blocks)]
    transfer.check()
    transfer.retrier.call(
        lambda: transfer.sink.commit_blocks(file.blob, ids, properties=properties, condition=condition)
    )
    return proof, whole, properties.notices


def prove(head: ObjectHead, whole: int, *, md5: bytes) -> Proof:
    """Return the proof that the source's own checksums give, strongest first; NONE when it keeps none.

    Raises:
        IntegrityError: A checksum of the source is not that of the bytes that were read.
    """
    if head.crc64 is not None:
        if head.crc64 != whole:
            raise IntegrityError("the bytes read do not have the CRC-64 that the source keeps for the object")
        return Proof.CRC64
    if head.md5 and md5:
        if head.md5 != md5:
            raise IntegrityError("the bytes read do not have the MD5 that the source's ETag names")
        return Proof.MD5
    return Proof.NONE


def check_pin(obj: SourceObject, head: ObjectHead) -> None:
    """Return when the headers are those of the pinned object.

    Raises:
        SourceChanged: They are another's.
    """
    if head.etag != obj.etag or head.size_bytes != obj.size_bytes:
        raise SourceChanged("the object changed while it was copied")


def _stage_block(transfer: Transfer, file: PinnedFile, index: int) -> int:
    span = file.plan.span(index)
    with transfer.buffers.lend(span.size_bytes) as block:
        transfer.retrier.call(lambda: transfer.source.read_range(file.object, span, block))
        crc = crc64(block)
        name = block_id(file.pin, index, crc)
        transfer.retrier.call(lambda: transfer.sink.stage_block(file.blob, name, block, crc64=crc))
    transfer.moved(span.size_bytes)
    return crc
