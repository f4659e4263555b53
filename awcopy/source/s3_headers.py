"""What the headers of an object's answer say, as awcopy's records; no request is made here."""

from __future__ import annotations

import re
from base64 import b64decode
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from typing import TYPE_CHECKING, Final

from awcopy import crc64
from awcopy.errors import ServerFault
from awcopy.http import Headers, parse_http_date
from awcopy.model.objects import Algorithm, Checksum, ContentHeaders, ObjectHead

if TYPE_CHECKING:
    from collections.abc import Iterator

_METADATA: Final = "x-amz-meta-"
_EXTRAS: Final = {"expires": "expires", "x-amz-website-redirect-location": "website_redirect"}
_MD5_ETAG: Final = re.compile(r"[0-9a-fA-F]{32}")
_SIZES_BYTES: Final = {Algorithm.SHA256: 32, Algorithm.SHA1: 20, Algorithm.CRC32C: 4, Algorithm.CRC32: 4}
_PARTS: Final = re.compile(r"[1-9][0-9]{0,4}")
_ENCODED_WORDS: Final = re.compile(r"=\?[^?]+\?[BbQq]\?[^?]*\?=(\s+=\?[^?]+\?[BbQq]\?[^?]*\?=)*")


def head_from_headers(headers: Headers) -> ObjectHead:
    """Return what the headers of a whole object's answer say.

    Raises:
        ServerFault: A header that every object has is missing or cannot be read.
    """
    try:
        modified_at = parse_http_date(headers["last-modified"])
        size_bytes = int(headers["content-length"])
        tag_count = int(headers.get("x-amz-tagging-count", 0))
        missing_metadata = int(headers.get("x-amz-missing-meta", 0))
    except (KeyError, ValueError):
        raise ServerFault("the answer does not say the object's length and date") from None
    return ObjectHead(
        etag=etag_of(headers),
        size_bytes=size_bytes,
        modified_at=modified_at,
        headers=_content_headers(headers),
        metadata={
            name[len(_METADATA) :]: decode_value(value)
            for name, value in headers.items()
            if name.startswith(_METADATA)
        },
        crc64=_full_crc64(headers),
        checksums=tuple(_checksums(headers)),
        version_id=headers.get("x-amz-version-id", ""),
        tag_count=tag_count,
        extras={name: decode_value(headers[header]) for header, name in _EXTRAS.items() if header in headers},
        missing_metadata=missing_metadata,
    )


def etag_of(headers: Headers) -> str:
    """Return the ETag without its quotes; empty when there is none."""
    return headers.get("etag", "").removeprefix("W/").strip('"')


def decode_value(value: str) -> str:
    """Return a header's value as its writer meant it.

    The bytes are UTF-8 if they can be, else latin-1. Amazon returns values that were sent as raw UTF-8 in
    encoded words (RFC 2047), ``=?UTF-8?B?...?=``; they are decoded.
    """
    if not value.isascii():
        raw = value.encode("latin-1")
        try:
            value = raw.decode("utf-8")
        except UnicodeDecodeError:
            return value
    if not _ENCODED_WORDS.fullmatch(value):
        return value
    try:
        return str(make_header(decode_header(value)))
    except (HeaderParseError, LookupError, ValueError):
        return value


def _content_headers(headers: Headers) -> ContentHeaders:
    return ContentHeaders(
        content_type=decode_value(headers.get("content-type", "")),
        content_encoding=_without_aws_chunked(headers.get("content-encoding", "")),
        content_language=decode_value(headers.get("content-language", "")),
        content_disposition=decode_value(headers.get("content-disposition", "")),
        cache_control=decode_value(headers.get("cache-control", "")),
    )


def _without_aws_chunked(value: str) -> str:
    """Return the encodings of the bytes; ``aws-chunked`` was the upload's own, but some servers keep it."""
    if "aws-chunked" not in value:
        return value
    codings = (coding.strip() for coding in value.split(","))
    return ", ".join(coding for coding in codings if coding and coding != "aws-chunked")


def _checksums(headers: Headers) -> Iterator[Checksum]:
    """Yield the checksums that can be computed of the bytes, strongest first.

    The ETag of a multipart upload is none of them: what it is computed of is not documented, and differs
    between servers.
    """
    kind = headers.get("x-amz-checksum-type", "").upper()
    if not kind and "-" in etag_of(headers):
        return  # a multipart upload, and a server that does not say of what its checksums are
    for algorithm in Algorithm:
        if algorithm is Algorithm.MD5:
            if md5 := _md5(headers):
                yield Checksum(algorithm=algorithm, value=md5)
        elif checksum := _checksum(algorithm, headers.get(f"x-amz-checksum-{algorithm}", ""), kind):
            yield checksum


def _checksum(algorithm: Algorithm, text: str, kind: str) -> Checksum | None:
    """Return the checksum that a header's text is; one of the parts' checksums ends in their number."""
    value, dash, parts = text.partition("-")
    if dash and not _PARTS.fullmatch(parts):
        return None
    if kind and (kind == "COMPOSITE") is not bool(dash):
        return None
    try:
        raw = b64decode(value, validate=True)
    except ValueError:
        return None
    is_whole = len(raw) == _SIZES_BYTES[algorithm]
    return Checksum(algorithm=algorithm, value=raw, parts=int(parts or 0)) if is_whole else None


def _md5(headers: Headers) -> bytes:
    """Return the content's MD5 where the ETag is one: not after multipart uploads, nor under KMS or SSE-C."""
    etag = etag_of(headers)
    has_own_etag = (
        headers.get("x-amz-server-side-encryption", "AES256") != "AES256"
        or "x-amz-server-side-encryption-customer-algorithm" in headers
    )
    return bytes.fromhex(etag) if _MD5_ETAG.fullmatch(etag) and not has_own_etag else b""


def _full_crc64(headers: Headers) -> int | None:
    """Return the checksum of the whole object; one made of the parts' checksums is none."""
    text = headers.get("x-amz-checksum-crc64nvme", "")
    if not text or headers.get("x-amz-checksum-type", "").upper() == "COMPOSITE":
        return None
    try:
        return crc64.from_s3(text)
    except ValueError:
        return None
