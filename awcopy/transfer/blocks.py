"""Staging the blocks of one pinned object, committing them, and proving the whole."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from awcopy.crc64 import combine, crc64
from awcopy.errors import BlobConflict, ForeignBlocks, IntegrityError, SourceChanged
from awcopy.model.objects import BlobProperties, Condition
from awcopy.model.outcome import Proof
from awcopy.planning.blocks import block_id
from awcopy.planning.metadata import STAMP_PLACEHOLDER
from awcopy.planning.pieces import Piece, in_order, read_pieces, route_of, split_runs
from awcopy.planning.proofs import PROOFS, check_proof
from awcopy.transfer.context import run_each
from awcopy.transfer.properties import properties_of
from awcopy.transfer.server_side import check_unproved, run_length, stage_or

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from awcopy.model.objects import ObjectHead, SourceObject
    from awcopy.planning.blocks import PinnedFile
    from awcopy.transfer.context import Transfer
    from awcopy.transfer.digests import Digest

A = TypeVar("A")
T = TypeVar("T")


def stage_blocks(
    transfer: Transfer, file: PinnedFile, indexes: Iterable[int], digest: Digest | None = None
) -> dict[int, Piece]:
    """Stage these blocks, several at once, and return the pieces that hold them, by first block.

    With a digest, which takes each of them too, they must be all of the file's, and are streamed.
    """
    here = replace(transfer, server_side=None) if digest else transfer
    runs = split_runs(indexes, run_length(here, file))
    staged = _each(here, lambda run: _stage_run(here, file, run, digest), runs, digest)
    return {piece.first: piece for pieces in staged for piece in pieces}


def read_again(transfer: Transfer, file: PinnedFile, staged: Mapping[int, Piece], digest: Digest) -> None:
    """Give the digest every block of the file, read a second time, several at once; nothing is sent.

    Raises:
        IntegrityError: A piece is not what was staged: one of the two readings was wrong.
    """

    def read(index: int) -> int:
        with transfer.buffers.lend(file.plan.span(index).size_bytes) as block:
            return _read_block(transfer, file, index, block, digest)

    blocks = range(file.plan.blocks)
    crcs = _each(transfer, read, blocks, digest)
    for piece in in_order(staged, blocks):
        whole = 0
        for index in range(piece.first, piece.end):
            whole = combine(whole, crcs[index], file.plan.span(index).size_bytes)
        if whole != piece.crc64:
            raise IntegrityError("a block that was read again is not the one that was staged")


def staged_pieces(transfer: Transfer, file: PinnedFile) -> dict[int, Piece]:
    """Return what the sink holds of the file and can be committed as it is, by first block."""
    listed = transfer.retrier.call(lambda: transfer.sink.staged_blocks(file.blob))
    return read_pieces(file.plan, file.pin, file.sink_pin, listed)


def combine_pieces(file: PinnedFile, pieces: Iterable[Piece]) -> int:
    """Return the CRC-64 of consecutive pieces from the CRC-64 of each."""
    whole = 0
    for piece in pieces:
        whole = combine(whole, piece.crc64, file.plan.extent(piece.first, piece.end).size_bytes)
    return whole


def commit_file(
    transfer: Transfer,
    file: PinnedFile,
    staged: Mapping[int, Piece],
    condition: Condition,
    digest: Digest | None = None,
) -> tuple[Proof, int, tuple[str, ...]]:
    """Commit the staged pieces as the blob, with its properties.

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
    obj = file.object
    head = transfer.retrier.call(lambda: transfer.source.head(obj.key, version_id=obj.version_id))
    check_pin(obj, head)
    pieces = in_order(staged, range(file.plan.blocks))
    whole = combine_pieces(file, pieces)
    proof = prove(head, whole, digest)
    check_proof(transfer.job.spec, proof)
    if proof is Proof.BLOCKS:
        check_unproved(transfer, file, pieces, head)
    properties = properties_of(
        transfer, head, obj, crc64=whole, proof=proof, route=route_of(pieces), md5=head.md5
    )
    ids = [piece.block_id for piece in pieces]
    transfer.check()
    transfer.retrier.call(
        lambda: transfer.sink.commit_blocks(file.blob, ids, properties=properties, condition=condition)
    )
    return proof, whole, properties.notices


def drop_staged(transfer: Transfer, blob: str, condition: Condition) -> None:
    """Drop all blocks that are staged under the name of a blob that is not there, ours and those of others.

    Only a write of the blob itself does that: an empty one, which says that it stands for nothing. It is not
    deleted, since awcopy asks for no right to delete; the copy replaces it.

    Raises:
        ForeignBlocks: A blob is there, which would be lost.
        BlobConflict: One has come to be there.
    """
    if not condition.if_absent:
        message = (
            "blocks that another program has staged keep ours out, and to drop them the blob must be deleted"
        )
        raise ForeignBlocks(message)
    transfer.check()
    _write_placeholder(transfer, blob, condition)


def void_blob(transfer: Transfer, blob: str, etag: str) -> None:
    """Put an empty blob, which says that it stands for nothing, in the place of one whose bytes are wrong.

    Its stamp would pass it off as a copy. One that somebody else has written meanwhile stays.
    """
    with suppress(BlobConflict):
        _write_placeholder(transfer, blob, Condition(if_match=etag))


def _write_placeholder(transfer: Transfer, blob: str, condition: Condition) -> None:
    properties = BlobProperties(metadata={STAMP_PLACEHOLDER: transfer.job.id})
    transfer.retrier.call(
        lambda: transfer.sink.commit_blocks(blob, (), properties=properties, condition=condition)
    )


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
    """Return when the headers are those of the pinned object; where the server gives no ETag, the date decides.

    Raises:
        SourceChanged: They are another's.
    """
    # A header has no fractions of a second.
    is_other = not obj.etag and abs(head.modified_at - obj.modified_at) >= timedelta(seconds=1)
    if is_other or head.etag != obj.etag or head.size_bytes != obj.size_bytes:
        raise SourceChanged("the object changed while it was copied")


def _each(transfer: Transfer, work: Callable[[A], T], todo: Iterable[A], digest: Digest | None) -> list[T]:
    """Do the work for each; one that fails, or is not begun, keeps none waiting that comes after it."""
    if digest is None:
        return run_each(transfer, work, todo)

    def check() -> None:
        with digest.failing():
            transfer.check()

    def guarded(one: A) -> T:
        with digest.failing():
            return work(one)

    return run_each(replace(transfer, check=check), guarded, todo)


def _stage_run(transfer: Transfer, file: PinnedFile, run: range, digest: Digest | None) -> list[Piece]:
    staged = stage_or(transfer, file, run, lambda: _stream_run(transfer, file, run, digest))
    return [staged] if isinstance(staged, Piece) else staged


def _stream_run(transfer: Transfer, file: PinnedFile, run: range, digest: Digest | None) -> list[Piece]:
    pieces: list[Piece] = []
    for index in run:
        if pieces:  # whoever called has asked before the first
            transfer.check()
        pieces.append(_stream_block(transfer, file, index, digest))
    return pieces


def _stream_block(transfer: Transfer, file: PinnedFile, index: int, digest: Digest | None) -> Piece:
    span = file.plan.span(index)
    with transfer.buffers.lend(span.size_bytes) as block:
        crc = _read_block(transfer, file, index, block, digest)
        name = block_id(file.pin, index, crc)
        transfer.retrier.call(lambda: transfer.sink.stage_block(file.blob, name, block, crc64=crc))
    transfer.moved(span.size_bytes)
    return Piece(block_id=name, first=index, end=index + 1, crc64=crc)


def _read_block(
    transfer: Transfer, file: PinnedFile, index: int, block: memoryview, digest: Digest | None
) -> int:
    transfer.retrier.call(lambda: transfer.source.read_range(file.object, file.plan.span(index), block))
    if digest:
        digest.take(index, block)
    return crc64(block)
