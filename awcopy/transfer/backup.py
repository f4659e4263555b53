"""Keeping a blob under another name in its container, before it is replaced or deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from awcopy.errors import BlobConflict, ServerFault
from awcopy.planning.backup import backup_name, can_be_told, is_backup_of

if TYPE_CHECKING:
    from awcopy.transfer.context import Transfer


def back_up(transfer: Transfer, name: str, *, etag: str) -> str:
    """Return under which name the blob that was seen is kept now; nothing where the job keeps none.

    What is there is looked at before and after: a copy that an earlier attempt has made is not made again, and
    nothing counts as kept before its length, its MD5 and its metadata are those of the blob.

    Raises:
        BlobConflict: The blob is no longer the one that was seen.
        StorageError: It could not be kept, so it must stay as it is.
    """
    to = backup_name(transfer.job, name)
    if to:
        transfer.retrier.call(lambda: _keep(transfer, name, to, etag))
    return to


def _keep(transfer: Transfer, name: str, to: str, etag: str) -> None:
    sink = transfer.sink
    blob = sink.head(name)
    if blob is None or blob.etag != etag:
        raise BlobConflict("the blob that was to be kept is another by now")
    if can_be_told(blob) and is_backup_of(sink.head(to), blob):
        return
    transfer.check()
    sink.copy_blob(name, to, etag=etag)
    if not is_backup_of(sink.head(to), blob):
        raise ServerFault("the copy under the backup's name is not whole yet")
