"""What is written beside a blob's bytes: the object's headers and metadata, and awcopy's stamp.

Azure takes metadata names that are C# identifiers and ASCII values only; S3 knows neither rule. Names and
values are therefore rewritten so that the original can be told exactly from the result.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

from awcopy.model.objects import BlobProperties
from awcopy.model.outcome import Proof

if TYPE_CHECKING:
    from collections.abc import Mapping

    from awcopy.model.job import JobId
    from awcopy.model.objects import BlobHead, ObjectHead, SourceObject

STAMP_ETAG = "awcopy_etag"
STAMP_MODIFIED = "awcopy_modified"
STAMP_SIZE = "awcopy_size"
STAMP_CRC64 = "awcopy_crc64"
STAMP_PROOF = "awcopy_proof"
STAMP_JOB = "awcopy_job"
STAMP_VERSION = "awcopy_version"

# Also each "_" that would begin an escape once the character after the digits is written.
_NOT_IN_NAMES = re.compile(r"[^a-z0-9_]|^[0-9]|_(?=x[0-9a-f]+[^a-z0-9])")
_PLAIN_VALUE = re.compile(r"[!-~](?:[ -~]*[!-~])?|")


def blob_properties(
    head: ObjectHead,
    obj: SourceObject,
    job_id: JobId,
    *,
    crc64: int,
    proof: Proof,
    md5: bytes = b"",
    tier: str = "",
) -> BlobProperties:
    """Return the properties of the blob that an object becomes."""
    renamed = {encode_name(name): encode_value(value) for name, value in head.metadata.items()}
    stamp = {
        STAMP_ETAG: encode_value(obj.etag),
        STAMP_MODIFIED: obj.modified_at.isoformat(),
        STAMP_SIZE: str(obj.size_bytes),
        STAMP_CRC64: f"{crc64:016x}",
        STAMP_PROOF: proof.value,
        STAMP_JOB: job_id,
    }
    if obj.version_id:
        stamp[STAMP_VERSION] = encode_value(obj.version_id)
    return BlobProperties(headers=head.headers, metadata={**renamed, **stamp}, content_md5=md5, tier=tier)


def is_stamped_with(blob: BlobHead, obj: SourceObject) -> bool:
    """Return whether the blob says that it is a copy of exactly this object."""
    stamp = blob.metadata
    return (
        blob.size_bytes == obj.size_bytes
        and stamp.get(STAMP_ETAG) == encode_value(obj.etag)
        and stamp.get(STAMP_SIZE) == str(obj.size_bytes)
    )


def is_stamped_by(blob: BlobHead, job_id: JobId) -> bool:
    """Return whether this job wrote the blob."""
    return blob.metadata.get(STAMP_JOB) == job_id


def read_proof(metadata: Mapping[str, str]) -> tuple[Proof, int | None]:
    """Return the proof and CRC-64 that a stamp names."""
    try:
        return Proof(metadata.get(STAMP_PROOF, "")), int(metadata[STAMP_CRC64], 16)
    except (KeyError, ValueError):
        return Proof.LENGTH, None


def encode_name(name: str) -> str:
    """Return a metadata name as a C# identifier; injective: ``-`` becomes ``_x2d_``, and so on.

    Names come in lower case, as S3 keeps them.
    """
    return _NOT_IN_NAMES.sub(lambda match: f"_x{ord(match[0]):x}_", name)


def decode_name(name: str) -> str:
    """Return the name that ``encode_name`` was given."""
    return re.sub(r"_x([0-9a-f]+)_", lambda match: chr(int(match[1], 16)), name)


def encode_value(value: str) -> str:
    """Return a value as printable ASCII without blanks at its ends, in RFC 2047 form if it is not that."""
    if _PLAIN_VALUE.fullmatch(value) and not value.startswith("=?"):
        return value
    return f"=?UTF-8?B?{base64.b64encode(value.encode('utf-8', 'surrogateescape')).decode('ascii')}?="


def decode_value(value: str) -> str:
    """Return the value that ``encode_value`` was given."""
    if not (value.startswith("=?UTF-8?B?") and value.endswith("?=")):
        return value
    return base64.b64decode(value[10:-2]).decode("utf-8", "surrogateescape")
