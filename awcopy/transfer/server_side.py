"""The server-side route: the sink reads from the source by itself, and no byte passes through here.

Owns whether an object goes that way, one such request with its tries, and what it leaves to be proved. What is
staged, and committing it, are the same for both routes; when the whole job goes back to streaming is ``breaker``'s.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final, TypeVar

import structlog

from awcopy.crc64 import crc64
from awcopy.errors import (
    ConnectionLost,
    IntegrityError,
    RequestRefused,
    ServerFault,
    SourceChanged,
    SourceUnreadable,
)
from awcopy.planning.blocks import block_id
from awcopy.planning.pieces import RECEIPT, Piece, receipt_id
from awcopy.planning.proofs import is_thorough
from awcopy.planning.route import why_streamed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from awcopy.model.objects import ObjectHead
    from awcopy.planning.blocks import PinnedFile
    from awcopy.transfer.context import Transfer

T = TypeVar("T")

log = structlog.get_logger(__name__)

# What a worker that streams need not meet.
_MAY_STREAM: Final = (SourceUnreadable, RequestRefused, ConnectionLost, ServerFault)
_NONCE_BITS: Final = 64


def run_length(transfer: Transfer, file: PinnedFile) -> int:
    """Return how many blocks of the file are staged as one, at most."""
    return 1 if _why_streamed(transfer, file) else file.plan.blocks_per_run


def reads_by_itself(transfer: Transfer, file: PinnedFile, head: ObjectHead) -> bool:
    """Return whether the sink is to read the object by itself.

    It is not where the job pays for a proof that only the bytes can give: streamed once, they give it, where
    otherwise they would be read twice.
    """
    server = transfer.server_side
    if server is None or server.is_forced:
        return server is not None
    return (head.crc64 is not None or not is_thorough(transfer.job.spec)) and not _why_streamed(
        transfer, file
    )


def proof_needs_blocks(transfer: Transfer, file: PinnedFile) -> bool:
    """Return whether an object of one block is copied as larger ones are, because of the proof it needs."""
    if transfer.server_side is None or not is_thorough(transfer.job.spec):
        return False
    return transfer.server_side.is_forced or not _why_streamed(transfer, file)


def stage_or(transfer: Transfer, file: PinnedFile, run: range, stream: Callable[[], T]) -> Piece | T:
    """Return a run of blocks as the sink staged it by itself, or what ``stream`` returns in its place.

    Raises:
        SourceUnreadable: The sink cannot read the object, and the job is not to stream.
        StorageError: As the sink's ``stage_block_from_url``, or ``stream``, raises.
    """
    server = transfer.server_side
    if server is None or not file.object.size_bytes:
        return stream()
    why = _why_streamed(transfer, file)
    if why and server.is_forced:
        raise SourceUnreadable(f"the object cannot be copied server-side: {why}")
    if why:
        return stream()
    try:
        piece = _stage_run(transfer, file, run)
    except _MAY_STREAM as error:
        if server.is_forced:
            raise
        log.info("server_side_copy_failed", error=error.code, status=error.status, code=error.service_code)
        streamed = stream()
        server.breaker.failed(error.message)
        return streamed
    server.breaker.succeeded()
    return piece


def check_unproved(transfer: Transfer, file: PinnedFile, pieces: Sequence[Piece], head: ObjectHead) -> None:
    """Return when pieces that the sink read by itself are whole and of the pinned object.

    For objects of which the source keeps no checksum. A worker's every read is bound to the ETag; a sink's
    is not, so an object that was replaced and then restored, with the same ETag, must be told by its date.

    Raises:
        SourceChanged: The object was written to since it was listed.
        IntegrityError: The sink staged more or less than a piece.
    """
    runs = [piece for piece in pieces if piece.by_sink]
    if not runs:
        return
    moved_s = abs((head.modified_at - file.object.modified_at).total_seconds())
    # The version "null" is what a bucket holds that keeps none, and can be written again.
    is_pinned = file.object.version_id not in {"", "null"}
    if not is_pinned and moved_s >= 1:  # a header has no fractions of a second
        raise SourceChanged("the object was written to while it was copied")
    listed = transfer.retrier.call(lambda: transfer.sink.staged_blocks(file.blob))
    sizes = {block.block_id: block.size_bytes for block in listed}
    for piece in runs:
        expected = file.plan.extent(piece.first, piece.end).size_bytes
        if sizes.get(piece.block_id, expected) != expected:  # one that is gone is the commit's to find
            raise IntegrityError("the sink read another length than it was asked to", service_code="length")


def _why_streamed(transfer: Transfer, file: PinnedFile) -> str:
    server = transfer.server_side
    if server is None:
        return "the job streams"
    if not server.is_forced and server.breaker.is_open:
        return "server-side copies of this job have failed"
    if not server.is_forced and file.restart:
        return "what the sink read by itself was not the object"
    return why_streamed(server.route, file.object, transfer.source.presign)


def _stage_run(transfer: Transfer, file: PinnedFile, run: range) -> Piece:
    span = file.plan.extent(run.start, run.stop)

    def attempt() -> Piece:
        # Each try has a URL of its own, which cannot have expired, and an id that no other request has.
        name = block_id(file.sink_pin, run.start, secrets.randbits(_NONCE_BITS))
        url = transfer.source.presign(file.object)
        crc = transfer.sink.stage_block_from_url(file.blob, name, url, span)
        return Piece(block_id=name, first=run.start, end=run.stop, crc64=crc, by_sink=True)

    piece = transfer.retrier.call(attempt)
    if len(run) < file.plan.blocks:  # else nothing is left to resume once this piece is known
        receipt = receipt_id(piece)
        transfer.retrier.call(
            lambda: transfer.sink.stage_block(file.blob, receipt, memoryview(RECEIPT), crc64=crc64(RECEIPT))
        )
    transfer.moved(span.size_bytes)
    return piece
