"""Deleting one extra blob at the sink, when the source still has no object for it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from awcopy.errors import BlobConflict, ObjectNotFound, StorageError
from awcopy.model.outcome import Result
from awcopy.transfer.backup import back_up
from awcopy.transfer.engine import ENDS_THE_ITEM

if TYPE_CHECKING:
    from awcopy.model.outcome import Outcome
    from awcopy.transfer.context import Transfer

OBJECT_EXISTS = "object_exists"


def prune_blob(transfer: Transfer, extra: Outcome) -> Outcome:
    """Return what became of an extra blob: deleted, or kept with the reason.

    May be called again for a blob whose deletion nobody knows about: it is not there any more.

    Raises:
        JobInterrupted: The work is no longer wanted.
        LeaseLost: The work is no longer ours.
        StorageError: Something ended the whole item: the credentials expired, or a store is gone.
    """
    if extra.result is not Result.EXTRA:
        return extra
    try:
        if has_object(transfer, extra):
            return _kept(extra, OBJECT_EXISTS, "the source has an object for it by now")
        kept_as = back_up(transfer, extra.blob, etag=extra.etag)
        transfer.check()
        transfer.retrier.call(lambda: transfer.sink.delete_blob(extra.blob, etag=extra.etag))
    except ObjectNotFound:
        return _deleted(extra)
    except ENDS_THE_ITEM:
        raise
    except StorageError as error:
        if isinstance(error, BlobConflict) and _is_gone(transfer, extra):
            return _deleted(extra)  # some servers say so of what is gone
        return _kept(extra, error.code, error.message)
    return _deleted(extra, f"kept as {kept_as}" if kept_as else "")


def settle_pruning(transfer: Transfer | None, extra: Outcome) -> Outcome:
    """Return what is known of an extra blob whose deletion may have been begun, and is no longer wanted."""
    if extra.result is not Result.EXTRA:
        return extra
    try:
        if transfer and _is_gone(transfer, extra):
            return _deleted(extra)
    except StorageError as error:
        return _kept(extra, "cancelled", f"it may have been deleted: {error.message}")
    return _kept(
        extra, "cancelled", "" if transfer else "it may have been deleted: the sink could not be asked"
    )


def _is_gone(transfer: Transfer, extra: Outcome) -> bool:
    return transfer.retrier.call(lambda: transfer.sink.head(extra.blob)) is None


def has_object(transfer: Transfer, extra: Outcome) -> bool:
    """Return whether the source has an object of which the blob would be a copy."""
    try:
        transfer.retrier.call(lambda: transfer.source.head(extra.key))
    except ObjectNotFound:
        return False
    return True


def _deleted(extra: Outcome, detail: str = "") -> Outcome:
    return replace(extra, result=Result.DELETED, detail=detail)


def _kept(extra: Outcome, reason: str, detail: str) -> Outcome:
    return replace(extra, result=Result.KEPT, reason=reason, detail=detail)
