"""What can be said of an object and a blob of its name without reading their bytes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from awcopy.planning.metadata import STAMP_ETAG, is_stamped_with, read_proof

if TYPE_CHECKING:
    from awcopy.model.objects import BlobHead, ObjectHead, SourceObject


class Verdict(StrEnum):
    """What a comparison says of one name; the values are the letters of ``rclone check --combined``."""

    SAME = "="
    DIFFERENT = "*"
    MISSING = "-"  # at the destination
    EXTRA = "+"  # only at the destination
    FAILED = "!"  # could not be compared


class Level(StrEnum):
    """How closely two sides are compared."""

    LISTING = "listing"  # sizes, and what the blobs' stamps say; nothing is asked of single objects
    CHECKSUM = "checksum"  # the source's checksum of each object, with that of the stamp
    DOWNLOAD = "download"  # the bytes of both


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a comparison says of one name, and by what it is known."""

    verdict: Verdict
    key: str  # the object's, or the one that a blob without an object would be a copy of
    blob: str
    version_id: str = ""  # the object's, where versions are compared
    reason: str = ""  # why not the same: missing, extra, size, etag, crc64, md5, bytes, or an error's code
    by: str = ""  # what shows that it is the same: stamp, crc64, md5, bytes or length
    size_bytes: int = 0  # of the object; of the blob where there is no object
    detail: str = ""  # one sentence for a person


def judge_listing(obj: SourceObject, blob: BlobHead) -> Finding:
    """Return what the two listings say.

    A stamp that names this very object shows that the blob was made from it by awcopy, and proved then as
    the stamp says; that its bytes are still those is Azure's word. An MD5 in the blob's properties was
    computed by Azure if the blob was written in one call, and is its writer's word otherwise.
    """
    if obj.size_bytes != blob.size_bytes:
        detail = f"the object has {obj.size_bytes} bytes, the blob {blob.size_bytes}"
        return _finding(Verdict.DIFFERENT, obj, blob, reason="size", detail=detail)
    if is_stamped_with(blob, obj):
        return _finding(Verdict.SAME, obj, blob, by="stamp")
    if STAMP_ETAG in blob.metadata and obj.etag:
        detail = "the blob is a copy of another version of the object"
        return _finding(Verdict.DIFFERENT, obj, blob, reason="etag", detail=detail)
    if blob.content_md5 and blob.content_md5.hex() == obj.etag.lower():
        return _finding(Verdict.SAME, obj, blob, by="md5")
    if not obj.size_bytes:
        return _finding(Verdict.SAME, obj, blob, by="length")
    detail = "the lengths agree, and the blob does not say what it is a copy of: use --checksum or --download"
    return _finding(Verdict.FAILED, obj, blob, reason="not_comparable", detail=detail)


def judge_checksums(obj: SourceObject, head: ObjectHead, blob: BlobHead) -> Finding:
    """Return what the source's own checksum says, compared with the one in the blob's stamp or properties.

    Where the two sides have no kind of checksum in common, the listings decide.
    """
    listed = judge_listing(obj, blob)
    if listed.reason == "size":
        return listed
    _, stamped = read_proof(blob.metadata)
    if head.crc64 is not None and stamped is not None:
        return _by_checksum(obj, blob, "crc64", is_same=head.crc64 == stamped)
    if head.md5 and blob.content_md5:
        return _by_checksum(obj, blob, "md5", is_same=head.md5 == blob.content_md5)
    return listed


def judge_bytes(obj: SourceObject, blob: BlobHead, *, is_same: bool) -> Finding:
    """Return what reading both sides has shown."""
    if is_same:
        return _finding(Verdict.SAME, obj, blob, by="bytes")
    return _finding(Verdict.DIFFERENT, obj, blob, reason="bytes", detail="the bytes differ")


def _by_checksum(obj: SourceObject, blob: BlobHead, name: str, *, is_same: bool) -> Finding:
    if is_same:
        return _finding(Verdict.SAME, obj, blob, by=name)
    detail = f"the object has another {name} than the blob"
    return _finding(Verdict.DIFFERENT, obj, blob, reason=name, detail=detail)


def _finding(
    verdict: Verdict, obj: SourceObject, blob: BlobHead, *, reason: str = "", by: str = "", detail: str = ""
) -> Finding:
    return Finding(
        verdict=verdict,
        key=obj.key,
        blob=blob.name,
        version_id=obj.version_id,
        reason=reason,
        by=by,
        size_bytes=obj.size_bytes,
        detail=detail,
    )
