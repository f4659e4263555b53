"""Staging the blocks of one pinned object, committing them, and proving the whole."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from awcopy.crc64 import combine, crc64
from awcopy.errors import IntegrityError, SourceChanged
from awcopy.model.outcome import Proof
from awcopy.planning.blocks import block_id, pin_blocks, read_block_id
from awcopy.planning.proofs import PROOFS, check_proof
from awcopy.transfer.context import run_each
from awcopy.transfer.properties import properties_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from awcopy.model.objects import Condition, ObjectHead, SourceObject
    from awcopy.planning.blocks import BlockPlan
    from awcopy.transfer.context import Transfer
    from awcopy.transfer.digests import Digest

T = TypeVar("T")


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


def stage_blocks(
    transfer: Transfer, file: PinnedFile, indexes: Iterable[int], digest: Digest | None = None
) -> dict[int, int]:
    """Stage these blocks, several at once, and return each one's CRC-64 by index.

    With a digest, which takes each of them too, they must be all of the file's.
    """
    todo = list(indexes)
    crcs = _each_block(transfer, lambda index: _stage_block(transfer, file, index, digest), todo, digest)
    return dict(zip(todo, crcs, strict=True))


def read_again(transfer: Transfer, file: PinnedFile, crcs: dict[int, int], digest: Digest) -> None:
    """Give the digest every block of the file, read a second time, several at once; nothing is sent.

    Raises:
        IntegrityError: A block is not the one that was staged: one of the two readings was wrong.
    """

    def read(index: int) -> None:
        with transfer.buffers.lend(file.plan.span(index).size_bytes) as block:
            if _read_block(transfer, file, index, block, digest) != crcs[index]:
                raise IntegrityError("a block that was read again is not the one that was staged")

    _each_block(transfer, read, range(file.plan.blocks), digest)


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
    transfer: Transfer,
    file: PinnedFile,
    crcs: dict[int, int],
    condition: Condition,
    digest: Digest | None = None,
) -> tuple[Proof, int, tuple[str, ...]]:
    """Commit the staged blocks as the blob, with its properties.

    Returns the proof, the whole's CRC-64, and the notices about what the blob has otherwise than the object.

    Nothing is committed unless the combined CRC equals the one that the source keeps, if it keeps one, and
    the digest, which has taken all blocks, the checksum that it is for.

    Raises:
        SourceChanged: The object is no longer the pinned one.
        IntegrityError: A checksum of the whole is not the source's.
        ProofTooWeak: The job requires more.
        BlocksMissing: The sink no longer holds every block.
        BlobConflict: The condition did not hold.
    """
    head = transfer.retrier.call(lambda: transfer.source.head(file.object.key))
    check_pin(file.object, head)
    whole = combine_blocks(file, crcs, range(file.plan.blocks))
    proof = prove(head, whole, digest)
    check_proof(transfer.job.spec, proof)
    properties = properties_of(transfer, head, file.object, crc64=whole, proof=proof, md5=head.md5)
    ids = [block_id(file.pin, index, crcs[index]) for index in range(file.plan.blocks)]
    transfer.check()
    transfer.retrier.call(
        lambda: transfer.sink.commit_blocks(file.blob, ids, properties=properties, condition=condition)
    )
    return proof, whole, properties.notices


def prove(head: ObjectHead, whole: int, digest: Digest | None) -> Proof:
    """Return the proof that the source's own checksums give, strongest first.

    The blocks are the proof where it keeps none, or none that was computed.

    Raises:
        IntegrityError: A checksum of the source is not that of the bytes that were read.
    """
    if head.crc64 is not None:
        if head.crc64 != whole:
            raise IntegrityError("the bytes read do not have the CRC-64 that the source keeps for the object")
        return Proof.CRC64
    if digest and digest.checksum in head.checksums:
        algorithm = digest.checksum.algorithm
        if not digest.agrees():
            raise IntegrityError(
                f"the bytes read do not have the {algorithm} that the source keeps for the object"
            )
        return PROOFS[algorithm]
    return Proof.BLOCKS


def check_pin(obj: SourceObject, head: ObjectHead) -> None:
    """Return when the headers are those of the pinned object.

    Raises:
        SourceChanged: They are another's.
    """
    if head.etag != obj.etag or head.size_bytes != obj.size_bytes:
        raise SourceChanged("the object changed while it was copied")


def _each_block(
    transfer: Transfer, work: Callable[[int], T], indexes: Iterable[int], digest: Digest | None
) -> list[T]:
    """Do the work for each block; one that fails, or is not begun, keeps none waiting that comes after it."""
    if digest is None:
        return run_each(transfer, work, indexes)

    def check() -> None:
        with digest.failing():
            transfer.check()

    def guarded(index: int) -> T:
        with digest.failing():
            return work(index)

    return run_each(replace(transfer, check=check), guarded, indexes)


def _stage_block(transfer: Transfer, file: PinnedFile, index: int, digest: Digest | None) -> int:
    span = file.plan.span(index)
    with transfer.buffers.lend(span.size_bytes) as block:
        crc = _read_block(transfer, file, index, block, digest)
        name = block_id(file.pin, index, crc)
        transfer.retrier.call(lambda: transfer.sink.stage_block(file.blob, name, block, crc64=crc))
    transfer.moved(span.size_bytes)
    return crc


def _read_block(
    transfer: Transfer, file: PinnedFile, index: int, block: memoryview, digest: Digest | None
) -> int:
    transfer.retrier.call(lambda: transfer.source.read_range(file.object, file.plan.span(index), block))
    if digest:
        digest.take(index, block)
    return crc64(block)
