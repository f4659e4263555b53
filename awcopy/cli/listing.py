"""How listed keys are printed, one at a time as they come, in the format asked for, and what may follow them."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from awcopy.cli.console import print_json, print_line, safe_text
from awcopy.units import format_count

if TYPE_CHECKING:
    from collections.abc import Iterable

    from awcopy.model.objects import SourceObject

SCHEMA = "awcopy.listing/1"


@dataclass(frozen=True, slots=True)
class Folder:
    """A run of keys that begin alike up to a ``/``, shown as one line."""

    prefix: str


def print_entries(entries: Iterable[SourceObject | Folder], output: str) -> None:
    """Print keys and nothing else; as JSON they are one list."""
    if output == "json":
        _write_list(entries)
        print_line()
    elif output == "ndjson":
        _print_lines(entries)
    else:
        _print_texts(entries)


def open_listing(entries: Iterable[SourceObject | Folder], output: str) -> None:
    """Print keys that a record follows, which ``close_listing`` prints; as JSON they make one document."""
    if output == "json":
        sys.stdout.write(f'{{"schema": {json.dumps(SCHEMA)}, "entries": ')
        _write_list(entries)
    elif output == "ndjson":
        _print_lines(entries)
    else:
        _print_texts(entries)
        print_line()


def close_listing(name: str, record: dict[str, Any], output: str) -> None:
    """Print the record that follows the keys: a line of its own, or the end of the document."""
    if output == "json":
        print_line(f", {json.dumps(name)}: {json.dumps(record)}}}")
    else:
        print_json(record, is_line=True)


def _print_texts(entries: Iterable[SourceObject | Folder]) -> None:
    for entry in entries:
        print_line(_text(entry))


def _print_lines(entries: Iterable[SourceObject | Folder]) -> None:
    for entry in entries:
        print_json(_record(entry), is_line=True)


def _write_list(entries: Iterable[SourceObject | Folder]) -> None:
    opening = "[\n"
    for entry in entries:
        sys.stdout.write(opening)
        sys.stdout.write(json.dumps(_record(entry)))
        opening = ",\n"
    sys.stdout.write("[]" if opening == "[\n" else "\n]")


def _text(entry: SourceObject | Folder) -> str:
    if not isinstance(entry, Folder):
        size, at = format_count(entry.size_bytes), entry.modified_at
        kind = "delete marker" if entry.is_delete_marker else entry.storage_class
        version = f"  {safe_text(entry.version_id)}" if entry.version_id else ""
        return f"{size:>19}  {at:%Y-%m-%d %H:%M:%S}  {kind:<19}  {safe_text(entry.key)}{version}"
    return f"{'folder':>19}  {'':>19}  {'':>19}  {safe_text(entry.prefix)}"


def _record(entry: SourceObject | Folder) -> dict[str, str | int]:
    if isinstance(entry, Folder):
        return {"folder": entry.prefix}
    facts: dict[str, str | int] = {
        "key": entry.key,
        "bytes": entry.size_bytes,
        "modified_at": entry.modified_at.isoformat(),
        "etag": entry.etag,
        "storage_class": entry.storage_class,
    }
    if entry.version_id:
        facts |= {
            "version": entry.version_id,
            "is_latest": entry.is_latest,
            "is_delete_marker": entry.is_delete_marker,
        }
    return facts
