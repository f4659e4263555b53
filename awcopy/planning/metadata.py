"""What is written beside a blob's bytes: the object's headers, metadata and tags, and awcopy's stamp.

Azure takes metadata names that are C# identifiers and ASCII values only; S3 knows neither rule. Names and
values are therefore rewritten so that the original can be told exactly from the result, unless the job's
policy wants them left out, or the object not copied.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import fields, replace
from typing import TYPE_CHECKING

from awcopy.errors import MetadataNotAllowed
from awcopy.model.objects import BlobProperties, ContentHeaders
from awcopy.model.outcome import Proof, Route
from awcopy.model.spec import MetadataPolicy
from awcopy.planning.naming import blob_of, is_renamed, key_in_name
from awcopy.planning.tags import fit_tags
from awcopy.planning.tiers import AUTO, choose_tier

if TYPE_CHECKING:
    from collections.abc import Mapping

    from awcopy.model.job import Job, JobId
    from awcopy.model.objects import BlobHead, ObjectHead, SourceObject
    from awcopy.model.outcome import Outcome
    from awcopy.model.spec import JobSpec, SourceSpec

STAMP_ETAG = "awcopy_etag"
STAMP_MODIFIED = "awcopy_modified"
STAMP_SIZE = "awcopy_size"
STAMP_CRC64 = "awcopy_crc64"
STAMP_PROOF = "awcopy_proof"
STAMP_ROUTE = "awcopy_route"
STAMP_JOB = "awcopy_job"
STAMP_SOURCE = "awcopy_source"
STAMP_VERSION = "awcopy_version"
STAMP_KEY = "awcopy_key"  # of an object whose blob bears another name
STAMP_PLACEHOLDER = "awcopy_placeholder"  # of an empty blob that is to be replaced, and stands for nothing
STAMP_NOTICES = "awcopy_notices"

MAX_METADATA_BYTES = 8192  # of all names and values together
_DIGITS_OF_SOURCE = 16  # 64 bits: which two of a sink's sources will not share by chance
_NOTICES_BYTES = 256  # kept free for the notices, which are known last
_BETWEEN_NOTICES = "; "
_RENAMING = "--metadata rename keeps them in another form"

# Also each "_" that would begin an escape once the character after the digits is written, and names that
# would be taken for awcopy's own.
_NOT_IN_NAMES = re.compile(r"[^a-z0-9_]|^[0-9]|^a(?=wcopy_)|_(?=x[0-9a-f]+[^a-z0-9])")
_NO_NAME = re.compile(r"[^a-z0-9_]|^[0-9]|^awcopy_")
_PLAIN_VALUE = re.compile(r"[!-~](?:[ -~]*[!-~])?|")
_HEADERS = tuple(header.name for header in fields(ContentHeaders))


def blob_properties(
    job: Job,
    head: ObjectHead,
    obj: SourceObject,
    *,
    crc64: int,
    proof: Proof,
    route: Route = Route.STREAM,
    md5: bytes = b"",
    tags: Mapping[str, str] | None = None,
) -> BlobProperties:
    """Return the properties of the blob that an object becomes.

    Raises:
        MetadataNotAllowed: Azure does not take the metadata as the job's policy wants it.
        TagsNotAllowed: The same of the tags.
    """
    spec = job.spec
    key = key_in_name(spec, obj)
    is_encoded = is_renamed(spec, key, blob_of(spec, obj))
    stamp = _stamp(obj, job, crc64=crc64, proof=proof, route=route) if spec.has_stamps else {}
    if spec.has_stamps and (is_encoded or key != obj.key):
        stamp[STAMP_KEY] = encode_value(obj.key)
    headers, moved, notices = _fit_headers(head, spec.metadata)
    metadata, changes = _fit_metadata(head, spec.metadata, {**stamp, **moved})
    tagged, tag_notices = fit_tags(tags or {}, spec.metadata)
    tier = choose_tier(spec.tier, obj.storage_class)
    notices += changes + tag_notices
    if is_encoded:
        notices.insert(0, "name_encoded")
    if tier and spec.tier == AUTO:
        notices.append(f"tier: {tier}")
    if notices and spec.has_stamps:
        metadata[STAMP_NOTICES] = _BETWEEN_NOTICES.join(notices)
    return BlobProperties(
        headers=headers, metadata=metadata, content_md5=md5, tier=tier, tags=tagged, notices=tuple(notices)
    )


def may_refuse(spec: JobSpec) -> bool:
    """Return whether a job may well refuse an object for what it has beside its bytes.

    The others do so only where there is more than Azure keeps.
    """
    return spec.metadata is MetadataPolicy.FAIL or spec.copies_tags


def is_stamped_with(blob: BlobHead, obj: SourceObject | Outcome) -> bool:
    """Return whether the blob says that it is a copy of exactly this object, or of the one of an outcome.

    Of an object whose server gives it no ETag, none does: another content of that size would have none either.
    """
    stamp = blob.metadata
    return (
        bool(obj.etag)
        and blob.size_bytes == obj.size_bytes
        and stamp.get(STAMP_ETAG) == encode_value(obj.etag)
        and stamp.get(STAMP_SIZE) == str(obj.size_bytes)
    )


def is_placeholder(blob: BlobHead) -> bool:
    """Return whether the blob stands for nothing: a job has put it there to drop somebody else's blocks."""
    return blob.size_bytes == 0 and STAMP_PLACEHOLDER in blob.metadata


def is_stamped_by(blob: BlobHead, job_id: JobId) -> bool:
    """Return whether this job wrote the blob."""
    return blob.metadata.get(STAMP_JOB) == job_id


def is_copied_from(blob: BlobHead, source: SourceSpec, key: str) -> bool:
    """Return whether the blob says that it is a copy of that key, in that bucket, at that endpoint."""
    return blob.metadata.get(STAMP_SOURCE) == name_source(source, key)


def name_source(source: SourceSpec, key: str) -> str:
    """Return what a stamp says of where an object is from: its bucket, for people, and a digest.

    The digest is of endpoint, bucket and whole key, so that two prefixes of one bucket are told apart as well.
    No key or endpoint can be read from it, and it stays short whatever they are.
    """
    parts = (source.endpoint_url.rstrip("/"), source.bucket, key)
    whole = "\0".join(parts).encode("utf-8", "surrogateescape")
    digest = hashlib.sha256(whole).hexdigest()[:_DIGITS_OF_SOURCE]
    return f"{encode_value(source.bucket)} {digest}"


def read_proof(metadata: Mapping[str, str]) -> tuple[Proof, int | None]:
    """Return the proof and CRC-64 that a stamp names."""
    try:
        return Proof(metadata.get(STAMP_PROOF, "")), int(metadata[STAMP_CRC64], 16)
    except (KeyError, ValueError):
        return Proof.LENGTH, None


def read_notices(metadata: Mapping[str, str]) -> tuple[str, ...]:
    """Return the notices that a stamp names."""
    return tuple(filter(None, metadata.get(STAMP_NOTICES, "").split(_BETWEEN_NOTICES)))


def read_route(metadata: Mapping[str, str]) -> Route:
    """Return the route that a stamp tells; only the server-side one is named."""
    return Route.SERVER if metadata.get(STAMP_ROUTE) == Route.SERVER else Route.STREAM


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
    if value.isascii() and value.isalnum():  # as most ETags; quicker than to match them
        return value
    if _PLAIN_VALUE.fullmatch(value) and not value.startswith("=?"):
        return value
    return f"=?UTF-8?B?{base64.b64encode(value.encode('utf-8', 'surrogateescape')).decode('ascii')}?="


def decode_value(value: str) -> str:
    """Return the value that ``encode_value`` was given."""
    if not (value.startswith("=?UTF-8?B?") and value.endswith("?=")):
        return value
    return base64.b64decode(value[10:-2]).decode("utf-8", "surrogateescape")


def _stamp(obj: SourceObject, job: Job, *, crc64: int, proof: Proof, route: Route) -> dict[str, str]:
    stamp = {
        STAMP_ETAG: encode_value(obj.etag),
        STAMP_MODIFIED: obj.modified_at.isoformat(),
        STAMP_SIZE: str(obj.size_bytes),
        STAMP_CRC64: f"{crc64:016x}",
        STAMP_PROOF: proof.value,
        STAMP_JOB: job.id,
        STAMP_SOURCE: name_source(job.spec.source, obj.key),
    }
    if route is Route.SERVER:
        stamp[STAMP_ROUTE] = route.value
    if obj.version_id:
        stamp[STAMP_VERSION] = encode_value(obj.version_id)
    return stamp


def _fit_headers(
    head: ObjectHead, policy: MetadataPolicy
) -> tuple[ContentHeaders, dict[str, str], list[str]]:
    """Return the headers that Azure keeps, the metadata that others become, and what was done."""
    given = {name: value for name in _HEADERS if (value := getattr(head.headers, name))}
    odd = {name: encoded for name, value in given.items() if (encoded := encode_value(value)) != value}
    changed = len(odd) + len(head.extras)
    if not changed:
        return head.headers, {}, []
    if policy is MetadataPolicy.FAIL:
        message = f"headers that Azure cannot keep as they are: {changed}; {_RENAMING}"
        raise MetadataNotAllowed(message)
    if policy is MetadataPolicy.EXCLUDE:
        return replace(head.headers, **dict.fromkeys(odd, "")), {}, [f"headers_excluded: {changed}"]
    moved = {f"awcopy_{name}": encode_value(value) for name, value in head.extras.items()}
    return replace(head.headers, **odd), moved, [f"headers_renamed: {changed}"]


def _fit_metadata(
    head: ObjectHead, policy: MetadataPolicy, own: dict[str, str]
) -> tuple[dict[str, str], list[str]]:
    """Return the user's metadata as Azure takes it together with awcopy's own, and what was done."""
    # Only where names are rewritten must one that looks so be told from those that were.
    is_odd = _NOT_IN_NAMES.search if policy is MetadataPolicy.RENAME else _NO_NAME.search
    plain = [name for name in head.metadata if not is_odd(name)]
    odd = len(head.metadata) - len(plain)
    if policy is MetadataPolicy.FAIL and odd + head.missing_metadata:
        message = f"entries of metadata that cannot be kept as they are: {odd + head.missing_metadata}"
        raise MetadataNotAllowed(f"{message}; {_RENAMING}")
    values = {name: encode_value(value) for name, value in head.metadata.items()}
    if policy is MetadataPolicy.EXCLUDE:
        kept = _fitting({name: values[name] for name in sorted(plain)}, own)
    elif policy is MetadataPolicy.RENAME:
        kept = {encode_name(name): value for name, value in values.items()}
    else:
        kept = values
    if _size(kept) + _size(own) + _NOTICES_BYTES > MAX_METADATA_BYTES:
        raise MetadataNotAllowed(
            f"its metadata takes {_size(kept) + _size(own):,} bytes as Azure would keep it, awcopy's own"
            f" included, and there is room for {MAX_METADATA_BYTES - _NOTICES_BYTES:,}; --metadata exclude"
            " leaves out what does not fit"
        )
    notices = {
        "metadata_renamed": odd if policy is MetadataPolicy.RENAME else 0,
        "metadata_excluded": len(values) - len(kept),
        "metadata_missing": head.missing_metadata,
    }
    return {**kept, **own}, [f"{what}: {count}" for what, count in notices.items() if count]


def _fitting(metadata: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """Return the entries that there is room for beside awcopy's own, the first ones first."""
    room = MAX_METADATA_BYTES - _NOTICES_BYTES - _size(own)
    kept: dict[str, str] = {}
    for name, value in metadata.items():
        if len(name) + len(value) <= room:
            kept[name] = value
            room -= len(name) + len(value)
    return kept


def _size(metadata: Mapping[str, str]) -> int:
    return sum(len(name) + len(value) for name, value in metadata.items())
