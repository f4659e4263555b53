"""Deleting one object at the source, when its copy is there and proved, and it is still what was copied."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from awcopy.errors import ObjectNotFound, SourceChanged, StorageError
from awcopy.model.outcome import AtSource
from awcopy.planning.deletion import is_still, may_go, why_blob_does_not_do
from awcopy.transfer.engine import ENDS_THE_ITEM

if TYPE_CHECKING:
    from awcopy.model.outcome import Outcome
    from awcopy.transfer.context import Transfer

DELETE_MARKER = "delete_marker"


def delete_object(transfer: Transfer, outcome: Outcome) -> Outcome:
    """Return the outcome with what became of the object at the source; one that may not go is left as it is.

    May be called again for an object whose deletion nobody knows about: it is not there any more.

    Raises:
        JobInterrupted: The work is no longer wanted.
        LeaseLost: The work is no longer ours.
        StorageError: Something ended the whole item: the credentials expired, or a store is gone.
    """
    if not may_go(outcome):
        return outcome
    try:
        return _delete(transfer, outcome)
    except ObjectNotFound:
        return _deleted(outcome)
    except ENDS_THE_ITEM:
        raise
    except StorageError as error:
        return keep_object(outcome, error.code, error.message)


def settle_deletion(transfer: Transfer | None, outcome: Outcome) -> Outcome:
    """Return what is known of an object whose deletion may have been begun, and is no longer wanted.

    ``transfer`` is None where the stores cannot be opened any more.
    """
    if not may_go(outcome):
        return outcome
    try:
        if transfer:
            transfer.retrier.call(lambda: transfer.source.head(outcome.key))
        detail = "" if transfer else "it may have been deleted: the source could not be asked"
    except ObjectNotFound:
        return _deleted(outcome)
    except StorageError as error:
        detail = f"it may have been deleted: {error.message}"
    return keep_object(outcome, "cancelled", detail)


def keep_object(outcome: Outcome, reason: str, detail: str = "") -> Outcome:
    """Return the outcome of an object that is not deleted."""
    return replace(outcome, at_source=AtSource.KEPT, source_reason=reason, detail=detail or outcome.detail)


def _delete(transfer: Transfer, outcome: Outcome) -> Outcome:
    call = transfer.retrier.call
    # Looked at first: what is gone may have been deleted by a worker that died before it said so. And not all
    # servers obey the condition of the deletion itself.
    head = call(lambda: transfer.source.head(outcome.key))
    blob = call(lambda: transfer.sink.head(outcome.blob))
    reason = why_blob_does_not_do(transfer.job, outcome, blob)
    if blob is None or reason:
        return keep_object(outcome, reason)
    if not is_still(outcome, head, blob):
        return keep_object(outcome, SourceChanged.code)
    transfer.check()
    try:
        has_marker = call(lambda: transfer.source.delete(outcome.key, etag=outcome.etag))
    except SourceChanged:
        # Some servers say so too of what is gone: deleted, maybe, by a request whose answer was lost.
        call(lambda: transfer.source.head(outcome.key))
        return keep_object(outcome, SourceChanged.code)
    return _deleted(outcome, DELETE_MARKER if has_marker else "")


def _deleted(outcome: Outcome, reason: str = "") -> Outcome:
    return replace(outcome, at_source=AtSource.DELETED, source_reason=reason)
