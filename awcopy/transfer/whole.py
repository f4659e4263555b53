"""Writing an object that is at hand as a whole: in one call where no blob is, in two where one is replaced."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from awcopy.errors import BlobProtected, ForeignBlocks, KeyMismatch, Miswritten, StorageError, WrongBlobLeft
from awcopy.planning.blocks import block_id, fit_block_id
from awcopy.transfer.blocks import void_blob

if TYPE_CHECKING:
    from awcopy.model.objects import BlobProperties, BlockId, Condition
    from awcopy.planning.blocks import PinnedFile
    from awcopy.transfer.context import Transfer

TAKES_NO_BLOCKS: Final = "BlobOperationNotSupported"  # Azure's code


def write_new(
    transfer: Transfer,
    file: PinnedFile,
    content: memoryview,
    *,
    crc64: int,
    properties: BlobProperties,
    condition: Condition,
) -> None:
    """Write an object's whole content in one call, as a blob where none is.

    The sink says only with its answer what it has written: a wrong blob is there by then, and an empty one, which
    says that it stands for nothing, takes its place.

    Raises:
        Miswritten: The sink wrote other bytes.
        WrongBlobLeft: It did, and does not let them go.
        BlobConflict: The condition did not hold.
    """
    try:
        transfer.retrier.call(
            lambda: transfer.sink.put_blob(
                file.blob, content, crc64=crc64, properties=properties, condition=condition
            )
        )
    except Miswritten as error:
        try:
            void_blob(transfer, file.blob, error.etag)
        except StorageError as exc:
            message = (
                f"the sink wrote other bytes than were sent: delete the blob, then retry ({exc.message})"
            )
            raise WrongBlobLeft(message) from exc
        raise


def write_over(
    transfer: Transfer,
    file: PinnedFile,
    content: memoryview,
    *,
    crc64: int,
    properties: BlobProperties,
    condition: Condition,
) -> None:
    """Replace a blob by an object's whole content, once the sink has said what it staged of it.

    That takes two calls: by one, the old blob would be gone before the sink said that the new one is wrong. One
    call replaces only what takes no blocks, as files that were written through the Data Lake API.

    Raises:
        BlobConflict: The condition did not hold.
    """
    try:
        ids = [_stage_alone(transfer, file, content, crc64)] if content else []
        # Of blobs that are written in one call the sink computes the MD5 by itself.
        md5 = properties.content_md5 or hashlib.md5(content, usedforsecurity=False).digest()
        whole = replace(properties, content_md5=md5)
        transfer.check()
        transfer.retrier.call(
            lambda: transfer.sink.commit_blocks(file.blob, ids, properties=whole, condition=condition)
        )
    except (BlobProtected, KeyMismatch) as error:
        if isinstance(error, BlobProtected) and error.service_code != TAKES_NO_BLOCKS:
            raise
        write_new(transfer, file, content, crc64=crc64, properties=properties, condition=condition)


def _stage_alone(transfer: Transfer, file: PinnedFile, content: memoryview, crc: int) -> BlockId:
    """Stage a blob's only block, and return its id: as long as those of another program's blocks, if there are any."""

    def stage(name: BlockId) -> BlockId:
        transfer.retrier.call(lambda: transfer.sink.stage_block(file.blob, name, content, crc64=crc))
        return name

    name = block_id(file.pin, 0, crc)
    try:
        return stage(name)
    except ForeignBlocks:
        foreign = transfer.retrier.call(lambda: transfer.sink.staged_blocks(file.blob))
        if not foreign:
            raise
        return stage(fit_block_id(name, len(foreign[0].block_id)))
