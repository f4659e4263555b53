"""Copying one object, whatever its size, to the one outcome that it gets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from awcopy.crc64 import crc64
from awcopy.errors import (
    BlobConflict,
    BlocksMissing,
    CredentialsRefused,
    ForeignBlocks,
    IntegrityError,
    Miswritten,
    NameConflict,
    NotEncrypted,
    ObjectArchived,
    SourceChanged,
    StorageError,
    StoreNotFound,
    WrongBlobLeft,
)
from awcopy.model.outcome import Outcome, Proof, Result, Route
from awcopy.model.spec import Archived
from awcopy.planning.backup import BACKED_UP
from awcopy.planning.blocks import LARGE_FILE_BYTES, PinnedFile, plan_blocks
from awcopy.planning.metadata import (
    STAMP_ETAG,
    STAMP_PLACEHOLDER,
    decode_value,
    read_notices,
    read_proof,
    read_route,
)
from awcopy.planning.naming import blob_of, name_problem
from awcopy.planning.overwrite import COPY_NEW, PLACEHOLDER, Act, Decision, decide_overwrite, needs_head
from awcopy.planning.pieces import Piece, cover_blocks, route_of
from awcopy.planning.proofs import check_proof, plan_proof
from awcopy.transfer.backup import back_up
from awcopy.transfer.blocks import (
    check_pin,
    commit_file,
    drop_staged,
    prove,
    read_again,
    stage_blocks,
    staged_pieces,
)
from awcopy.transfer.context import run_each
from awcopy.transfer.digests import open_digest
from awcopy.transfer.properties import check_properties, properties_of
from awcopy.transfer.server_side import proof_needs_blocks, reads_by_itself, stage_or
from awcopy.transfer.whole import write_new, write_over

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from awcopy.model.job import Job
    from awcopy.model.objects import BlobHead, Condition, ObjectHead, SourceObject
    from awcopy.transfer.context import Transfer
    from awcopy.transfer.digests import Digest

# A source that changes under the copy is begun anew this often, and so is a blob that someone else writes.
MAX_RESTARTS = 3

# Errors that say something about the whole job rather than about one object; they are not outcomes.
ENDS_THE_ITEM = (CredentialsRefused, NotEncrypted, StoreNotFound)

# What may come out right when it is begun anew: the source is pinned again, the sink looked at again, blocks
# that are gone are staged again, and blocks whose sum is wrong get other ids.
_BEGUN_ANEW = (SourceChanged, BlobConflict, BlocksMissing, IntegrityError)


# Reasons of failed objects that are not the error's own code.
_REASONS = ((SourceChanged, "source_unstable"), (IntegrityError, IntegrityError.code))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Copied:
    proof: Proof
    crc64: int
    notices: tuple[str, ...]
    route: Route = Route.STREAM


def copy_objects(transfer: Transfer, objects: Sequence[SourceObject], *, look_first: bool) -> list[Outcome]:
    """Copy the objects, several at once, and return an outcome for each, in order.

    Args:
        transfer: Where from, where to, and how.
        objects: What to copy; objects of any size, though large ones are better shared out as blocks.
        look_first: Whether to look for a blob of that name before reading the object. Not needed when
            nothing was there: each write is conditional on that in any case.

    Raises:
        JobInterrupted: The work is no longer wanted.
        LeaseLost: The work is no longer ours.
        StorageError: Something ended the whole item: the credentials expired, or a store is gone.
    """
    # Connections are shared between objects and the blocks of each, so that memory stays within bounds.
    each = replace(transfer, connections=max(1, transfer.connections // max(1, len(objects))))
    return run_each(transfer, lambda obj: copy_object(each, obj, look_first=look_first), objects)


def copy_object(transfer: Transfer, obj: SourceObject, *, look_first: bool) -> Outcome:
    """Copy one object and return its outcome; raises as ``copy_objects`` does."""
    blob = blob_of(transfer.job.spec, obj)
    settled = settle_unread(transfer.job, obj, blob)
    if settled:
        return settled
    try:
        decision = look_at_sink(transfer, obj, blob) if look_first else COPY_NEW
        return _settle(transfer, obj, blob, decision)
    except StorageError as error:
        return _failed(transfer, obj, error)


def settle_unread(job: Job, obj: SourceObject, blob: str) -> Outcome | None:
    """Return the outcome of an object that is not copied whatever the stores hold, or None."""
    if obj.is_delete_marker:
        return _outcome(obj, blob, Result.SKIPPED, "delete_marker")
    if obj.key.endswith("/") and obj.size_bytes == 0:
        return _outcome(obj, blob, Result.SKIPPED, "folder_marker")
    if obj.is_archived and job.spec.archived is not Archived.RESTORE:
        return _archived(job, obj, blob)
    problem = name_problem(blob, has_directories=job.spec.sink.has_directories)
    return _outcome(obj, blob, Result.FAILED, "name_not_allowed", problem) if problem else None


def look_at_sink(transfer: Transfer, obj: SourceObject, blob: str) -> Decision:
    """Return what to do with the object, given what the sink holds under that name now.

    Raises:
        NameConflict: The account has directories, and one of that name, or a blob in place of one that is needed.
        StorageError: A store cannot be asked.
    """
    found = _head(transfer, blob)
    if transfer.job.spec.sink.has_directories:
        _check_path(transfer, obj, blob, found)
    head = None
    if needs_head(transfer.job, obj, found):
        head = transfer.retrier.call(lambda: transfer.source.head(obj.key, version_id=obj.version_id))
    return decide_overwrite(transfer.job, obj, found, head)


def _check_path(transfer: Transfer, obj: SourceObject, blob: str, found: BlobHead | None) -> None:
    """Return when neither a directory nor a blob is known to be in the way of the blob's path.

    Of a large file it is looked at before its blocks are sent; smaller ones the sink refuses by itself.
    """
    if found and found.is_directory:
        raise NameConflict("the account has a directory of that name, and cannot have a blob of it too")
    parent = blob.rpartition("/")[0] if obj.size_bytes > LARGE_FILE_BYTES and not found else ""
    while parent:
        above = _head(transfer, parent)
        if above and above.is_directory:
            return
        if above:
            raise NameConflict("the account has a blob where the name needs a directory")
        parent = parent.rpartition("/")[0]


def skip_object(obj: SourceObject, blob: str, reason: str) -> Outcome:
    """Return the outcome of an object that is rightly not copied."""
    return _outcome(obj, blob, Result.SKIPPED, reason)


def cancel_object(job: Job, obj: SourceObject, transfer: Transfer | None, *, was_begun: bool) -> Outcome:
    """Return the outcome of an object whose job was cancelled: copied, if this job had copied it already.

    ``transfer`` is None where the stores cannot be opened any more; only what was begun is looked for.
    """
    blob = blob_of(job.spec, obj)
    settled = settle_unread(job, obj, blob)
    if settled or not was_begun:
        return settled or _outcome(obj, blob, Result.CANCELLED, "cancelled")
    try:
        decision = look_at_sink(transfer, obj, blob) if transfer else None
        if decision and decision.kept:
            return _kept(obj, decision.kept)
        detail = (
            _what_is_left(decision) if decision else "it may have been copied: the sink could not be asked"
        )
    except StorageError as error:
        detail = f"it may have been copied: {error.message}"
    return _outcome(obj, blob, Result.CANCELLED, "cancelled", detail)


def fail_object(transfer: Transfer, obj: SourceObject, reason: str, detail: str) -> Outcome:
    """Return the outcome of an object that is not tried again: failed, unless this job has written its blob."""
    blob = blob_of(transfer.job.spec, obj)
    try:
        decision = look_at_sink(transfer, obj, blob)
    except ENDS_THE_ITEM:
        raise
    except StorageError:
        return _outcome(obj, blob, Result.FAILED, reason, detail)
    if decision.kept:
        return _kept(obj, decision.kept)
    detail = "; ".join(filter(None, (detail, _what_is_left(decision))))
    return _outcome(obj, blob, Result.FAILED, reason, detail)


def finish_file(transfer: Transfer, file: PinnedFile) -> Outcome:
    """Bring one large file to its outcome: look at the sink, stage whatever is not staged, prove, commit.

    To be called by one worker at a time, and by the same one again if it was interrupted: blocks that are
    there already are not sent again. Raises as ``copy_objects`` does.
    """
    try:
        decision = look_at_sink(transfer, file.object, file.blob)
        return _settle(transfer, file.object, file.blob, decision, file)
    except StorageError as error:
        return _failed(transfer, file.object, error)


def _settle(
    transfer: Transfer, obj: SourceObject, blob: str, decision: Decision, file: PinnedFile | None = None
) -> Outcome:
    attempts, restarts = 0, 0
    while True:
        attempts += 1
        try:
            if decision.act is Act.SKIP:
                return skip_object(obj, blob, decision.reason)
            if decision.kept:
                return replace(_kept(obj, decision.kept), attempts=attempts)
            copied = _replace_blob(transfer, _file(transfer, obj, blob, file, restarts), decision)
        except StorageError as error:
            is_gone = isinstance(error, SourceChanged) and not obj.is_latest  # no other may go under its name
            if attempts > MAX_RESTARTS or is_gone or not isinstance(error, _BEGUN_ANEW):
                return replace(_failed(transfer, obj, error), attempts=attempts)
            if isinstance(error, SourceChanged):
                obj, file = _pin_again(transfer, obj), None
            elif isinstance(
                error, BlobConflict | BlocksMissing | Miswritten
            ):  # another blob may be there now
                decision = look_at_sink(transfer, obj, blob)
            elif isinstance(error, IntegrityError):
                restarts += 1
        else:
            done = _outcome(obj, blob, Result.COPIED)
            return replace(
                done,
                proof=copied.proof,
                crc64=copied.crc64,
                attempts=attempts,
                notices=copied.notices,
                route=copied.route,
            )


def _file(
    transfer: Transfer, obj: SourceObject, blob: str, file: PinnedFile | None, restarts: int
) -> PinnedFile:
    if file is None:
        spec = transfer.job.spec
        plan = plan_blocks(obj.size_bytes, spec.block_size_bytes, spec.agents)
        file = PinnedFile(object=obj, blob=blob, plan=plan)
    return replace(file, restart=file.restart + restarts)


def _replace_blob(transfer: Transfer, file: PinnedFile, decision: Decision) -> _Copied:
    """Copy the file; the blob that it replaces is kept before, where the job wants that."""
    etag = "" if decision.reason == PLACEHOLDER else decision.condition.if_match
    kept_as = back_up(transfer, file.blob, etag=etag) if etag else ""
    copied = _copy(transfer, file, decision.condition)
    return replace(copied, notices=(*copied.notices, f"{BACKED_UP}: {kept_as}")) if kept_as else copied


def _copy(transfer: Transfer, file: PinnedFile, condition: Condition) -> _Copied:
    try:
        return _copy_as_planned(transfer, file, condition)
    except ForeignBlocks:
        is_streamed = not (transfer.server_side and transfer.server_side.is_forced)
        if is_streamed and not condition.if_absent and file.object.size_bytes <= LARGE_FILE_BYTES:
            # A single block can have an id as long as theirs, and its commit drops them.
            return _copy_whole(transfer, file, condition)
        drop_staged(transfer, file.blob, condition)
        raise BlocksMissing("another program's blocks were in the way, and were dropped") from None


def _copy_as_planned(transfer: Transfer, file: PinnedFile, condition: Condition) -> _Copied:
    if file.plan.blocks > 1 or (file.plan.blocks and proof_needs_blocks(transfer, file)):
        return _copy_blocks(transfer, file, condition)
    run = range(file.plan.blocks)
    copied = stage_or(transfer, file, run, lambda: _copy_whole(transfer, file, condition))
    return _commit(transfer, file, {0: copied}, condition) if isinstance(copied, Piece) else copied


def _copy_whole(transfer: Transfer, file: PinnedFile, condition: Condition) -> _Copied:
    obj = file.object
    with transfer.buffers.lend(obj.size_bytes) as content:
        head, crc, proof = transfer.retrier.call(lambda: _read_proved(transfer, obj, content))
        properties = properties_of(transfer, head, obj, crc64=crc, proof=proof, md5=head.md5)
        transfer.check()
        write = write_new if condition.if_absent else write_over
        write(transfer, file, content, crc64=crc, properties=properties, condition=condition)
    transfer.moved(obj.size_bytes)
    return _Copied(proof=proof, crc64=crc, notices=properties.notices)


def _read_proved(transfer: Transfer, obj: SourceObject, content: memoryview) -> tuple[ObjectHead, int, Proof]:
    head = transfer.source.read_object(obj, content)
    crc = crc64(content)
    digest = open_digest(transfer, obj, plan_proof(transfer.job.spec, head, reads_all=True).checksum)
    if digest:
        digest.take(0, content)
    proof = prove(head, crc, digest)
    check_proof(transfer.job.spec, proof)
    return head, crc, proof


def _copy_blocks(transfer: Transfer, file: PinnedFile, condition: Condition) -> _Copied:
    staged, missing = cover_blocks(staged_pieces(transfer, file), range(file.plan.blocks))
    head = look_at_source(transfer, file)
    if missing:
        check_properties(transfer, head, file.object)
    by_sink = reads_by_itself(transfer, file, head)
    here = transfer if by_sink else replace(transfer, server_side=None)
    plan = plan_proof(transfer.job.spec, head, reads_all=not staged, by_sink=by_sink)
    digest = open_digest(transfer, file.object, plan.checksum)
    staged |= stage_blocks(here, file, missing, None if plan.reads_again else digest)
    if plan.reads_again and digest:
        read_again(transfer, file, staged, digest)
    return _commit(transfer, file, staged, condition, digest)


def _commit(
    transfer: Transfer,
    file: PinnedFile,
    staged: Mapping[int, Piece],
    condition: Condition,
    digest: Digest | None = None,
) -> _Copied:
    proof, whole, notices = commit_file(transfer, file, staged, condition, digest)
    return _Copied(proof=proof, crc64=whole, notices=notices, route=route_of(staged.values()))


def look_at_source(transfer: Transfer, file: PinnedFile) -> ObjectHead:
    """Return what the source says about the pinned object; raises ``SourceChanged`` if it is another now."""
    obj = file.object
    head = transfer.retrier.call(lambda: transfer.source.head(obj.key, version_id=obj.version_id))
    check_pin(obj, head)
    return head


def _pin_again(transfer: Transfer, obj: SourceObject) -> SourceObject:
    head = transfer.retrier.call(lambda: transfer.source.head(obj.key, version_id=obj.version_id))
    return replace(
        obj,
        etag=head.etag,
        size_bytes=head.size_bytes,
        modified_at=head.modified_at,
        version_id=head.version_id or obj.version_id,  # a bucket that keeps none does not say "null"
    )


def _kept(obj: SourceObject, blob: BlobHead) -> Outcome:
    """Return the outcome that the stamp of a blob of this job tells: of what was copied, not of what was listed."""
    proof, crc = read_proof(blob.metadata)
    done = _outcome(obj, blob.name, Result.COPIED)
    etag = decode_value(blob.metadata.get(STAMP_ETAG, ""))
    return replace(
        done,
        etag=etag or obj.etag,
        size_bytes=blob.size_bytes,
        proof=proof,
        crc64=crc,
        notices=read_notices(blob.metadata),
        route=read_route(blob.metadata),
    )


def _head(transfer: Transfer, blob: str) -> BlobHead | None:
    return transfer.retrier.call(lambda: transfer.sink.head(blob))


def _failed(transfer: Transfer, obj: SourceObject, error: StorageError) -> Outcome:
    """Return the object as failed, unless this job has written its blob: the answer to a write may be lost."""
    if isinstance(error, ENDS_THE_ITEM):
        raise error
    if isinstance(error, ObjectArchived):  # known only now: in Intelligent-Tiering, or restored no longer
        return _archived(transfer.job, obj, blob_of(transfer.job.spec, obj))
    if isinstance(error, WrongBlobLeft):  # its stamp is not to be believed
        return _outcome(obj, blob_of(transfer.job.spec, obj), Result.FAILED, error.code, error.message)
    reason = next((reason for kind, reason in _REASONS if isinstance(error, kind)), error.code)
    return fail_object(transfer, obj, reason, error.message)


def _archived(job: Job, obj: SourceObject, blob: str) -> Outcome:
    result = Result.SKIPPED if job.spec.archived is Archived.SKIP else Result.FAILED
    return _outcome(obj, blob, result, ObjectArchived.code, "it must be restored before it can be read")


def _what_is_left(decision: Decision) -> str:
    is_empty = decision.reason == PLACEHOLDER
    return f"an empty blob with the metadata {STAMP_PLACEHOLDER} is in its place" if is_empty else ""


def _outcome(obj: SourceObject, blob: str, result: Result, reason: str = "", detail: str = "") -> Outcome:
    return Outcome(
        key=obj.key,
        blob=blob,
        result=result,
        reason=reason,
        size_bytes=obj.size_bytes,
        etag=obj.etag,
        version_id=obj.version_id,
        detail=detail,
    )
