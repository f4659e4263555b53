"""The server-side route: the sink reads from the source by itself, and no byte passes through here.

Owns whether an object goes that way, one such request with its tries, what it leaves to be proved, and when
the whole job goes back to streaming. What is staged, and committing it, are the same for both routes.
"""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass
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
from awcopy.model.outcome import Route
from awcopy.planning.blocks import block_id
from awcopy.planning.pieces import RECEIPT, Piece, receipt_id
from awcopy.planning.proofs import is_thorough
from awcopy.planning.route import why_streamed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from awcopy.model.job import JobId
    from awcopy.model.objects import ObjectHead
    from awcopy.transfer.blocks import PinnedFile
    from awcopy.transfer.context import Transfer

T = TypeVar("T")

log = structlog.get_logger(__name__)

# In a row, in one process. Azure has been seen to refuse single sound URLs at random (azure-storage-azcopy
# issue 2422), and all of them for days (issue 3039).
FAILURES_BEFORE_STREAMING: Final = 5

# What a worker that streams need not meet.
_MAY_STREAM: Final = (SourceUnreadable, RequestRefused, ConnectionLost, ServerFault)
_NONCE_BITS: Final = 64
_KEPT_BREAKERS: Final = 64


class Breaker:
    """Learns whether a job's server-side copies work, in one process. Safe for many threads.

    Only failures of what could then be streamed count: the others are the object's own. It lives and dies
    with its process; what it has learnt is passed on once, to ``give_up``, which tells everyone.
    """

    def __init__(self, give_up: Callable[[str], None]) -> None:
        self._give_up = give_up
        self._failures = 0
        self._lock = threading.Lock()

    @property
    def is_open(self) -> bool:
        """Whether nothing more is to be copied server-side."""
        return self._failures >= FAILURES_BEFORE_STREAMING

    def succeeded(self) -> None:
        """Note a server-side copy that worked."""
        with self._lock:
            if not self.is_open:
                self._failures = 0

    def failed(self, why: str) -> None:
        """Note one that did not, and whose bytes could be streamed."""
        with self._lock:
            self._failures += 1
            is_last = self._failures == FAILURES_BEFORE_STREAMING
        if is_last:
            self._give_up(why)


class Breakers:
    """The breakers of the jobs that a process has worked on lately."""

    def __init__(self) -> None:
        self._breakers: OrderedDict[JobId, Breaker] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, job_id: JobId, give_up: Callable[[str], None]) -> Breaker:
        """Return the breaker of a job."""
        with self._lock:
            if job_id not in self._breakers:
                self._breakers[job_id] = Breaker(give_up)
            self._breakers.move_to_end(job_id)
            while len(self._breakers) > _KEPT_BREAKERS:
                self._breakers.popitem(last=False)
            return self._breakers[job_id]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSide:
    """How a job copies server-side: by itself (``auto``), or because it was told to (``server``)."""

    route: Route
    breaker: Breaker

    @property
    def is_forced(self) -> bool:
        """Whether nothing is streamed in its place."""
        return self.route is Route.SERVER


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
    if not file.object.version_id and moved_s >= 1:  # a header has no fractions of a second
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
