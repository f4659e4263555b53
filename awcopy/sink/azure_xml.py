"""Reads and writes the XML of Azure Blob Storage: pages of blobs and lists of blocks. Sends nothing."""

from __future__ import annotations

import base64
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import unquote

from awcopy.errors import ServerFault
from awcopy.http import parse_http_date
from awcopy.model.objects import BlobHead, BlockId, ContentHeaders, StagedBlock
from awcopy.sink.base import BlobPage
from awcopy.xml_entries import Entry, read_entries

_PROPERTIES, _METADATA = "Properties", "Metadata"
_KEPT = {
    "": frozenset({"Name"}),
    _PROPERTIES: frozenset(
        {
            "Last-Modified", "Etag", "Content-Length", "Content-Type", "Content-Encoding", "Content-Language",
            "Content-Disposition", "Cache-Control", "Content-MD5", "EncryptionScope", "CustomerProvidedKeySha256",
        }
    ),
}  # fmt: skip


def encode_block_id(block_id: BlockId) -> str:
    """Return a block id as requests carry it: base64 of its bytes, which are its characters."""
    return base64.b64encode(block_id.encode("latin-1")).decode("ascii")


def write_block_list(block_ids: Sequence[BlockId]) -> bytes:
    """Return the document that commits these blocks, in this order.

    "Latest" takes a staged block before a committed one, so that a commit whose answer was lost can be
    sent again.
    """
    lines = "".join([f"<Latest>{encode_block_id(block_id)}</Latest>" for block_id in block_ids])
    return f'<?xml version="1.0" encoding="utf-8"?><BlockList>{lines}</BlockList>'.encode()


def parse_staged_blocks(body: bytes) -> tuple[StagedBlock, ...]:
    """Return the uncommitted blocks that an answer of Get Block List names.

    Raises:
        ServerFault: The document is cut or has another form.
    """
    root = _parse(body)
    try:
        return tuple(
            StagedBlock(
                # Other programs' ids may be any bytes, as those of .NET's client are.
                block_id=BlockId(base64.b64decode(_text(block, "Name"), validate=True).decode("latin-1")),
                size_bytes=int(_text(block, "Size")),
            )
            for block in root.iterfind("UncommittedBlocks/Block")
        )
    except ValueError as exc:
        raise ServerFault("the list of blocks holds an entry that cannot be read") from exc


def parse_blob_page(body: bytes) -> BlobPage:
    """Return the page of blobs that an answer of List Blobs holds.

    Raises:
        ServerFault: The document is cut or has another form.
    """
    try:
        root, _, blobs = read_entries(
            body,
            "Blobs/Blob",
            _keep,
            parse=lambda document: (_parse(document), ""),
            reader=lambda _root, _space: _parse_blob,
        )
    except (KeyError, ValueError) as exc:
        raise ServerFault("the list of blobs holds an entry that cannot be read") from exc
    return BlobPage(blobs=blobs, token=root.findtext("NextMarker") or "")


def parse_tags(body: bytes) -> dict[str, str]:
    """Return the tags that an answer of Get Blob Tags holds.

    Raises:
        ServerFault: The document is cut or has another form.
    """
    entries = _parse(body).iterfind("TagSet/Tag")
    return {entry.findtext("Key") or "": entry.findtext("Value") or "" for entry in entries}


def _keep(holder: str, name: str) -> str | None:
    if holder == _METADATA:
        return name.lower()
    return name if name in _KEPT.get(holder, ()) else None


def _parse_blob(entry: Entry) -> BlobHead:
    named, facts = entry[""], entry[_PROPERTIES]
    name, etag = named["Name"], facts["Etag"].strip('"')
    if not (name and etag):
        raise ValueError("no name or no ETag")
    return BlobHead(
        # Names that XML cannot carry come percent-encoded, and say so.
        name=unquote(name) if named.get("Name@Encoded") == "true" else name,
        etag=etag,
        size_bytes=int(facts["Content-Length"]),
        modified_at=parse_http_date(facts["Last-Modified"]),
        metadata=entry.get(_METADATA, {}),
        headers=_content_headers(
            facts.get("Content-Type", ""),
            facts.get("Content-Encoding", ""),
            facts.get("Content-Language", ""),
            facts.get("Content-Disposition", ""),
            facts.get("Cache-Control", ""),
        ),
        content_md5=base64.b64decode(md5) if (md5 := facts.get("Content-MD5")) else b"",
        encryption_scope=facts.get("EncryptionScope", ""),
        key_sha256=facts.get("CustomerProvidedKeySha256", ""),
    )


# Most blobs of a container have the same ones.
@lru_cache(maxsize=256)
def _content_headers(
    of_type: str, encoding: str, language: str, disposition: str, cache: str
) -> ContentHeaders:
    return ContentHeaders(
        content_type=of_type,
        content_encoding=encoding,
        content_language=language,
        content_disposition=disposition,
        cache_control=cache,
    )


def _parse(body: bytes) -> ET.Element:
    if b"<!DOCTYPE" in body or b"\0" in body:  # the latter in encodings in which the former looks otherwise
        raise ServerFault("the answer holds a document type")
    try:
        return ET.fromstring(body)  # noqa: S314 - no document type, so there are no entities to expand
    except (ET.ParseError, LookupError, ValueError) as exc:  # the others are of encodings that Python lacks
        raise ServerFault("the answer is cut or no XML") from exc


def _text(element: ET.Element, name: str) -> str:
    text = element.findtext(name)
    if not text:
        raise ValueError(f"no {name}")
    return text
