"""``awcopy ls``: the keys of a bucket, as they are listed."""

from __future__ import annotations

import random
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from awcopy.cli.console import print_json, print_line, print_note, safe_text
from awcopy.cli.copy import make_source
from awcopy.cli.help import helpful
from awcopy.cli.preflight import check_source
from awcopy.cli.setup import begin
from awcopy.cli.values import ENDPOINT, output_option, source_access_options
from awcopy.config import load_store_defaults
from awcopy.model.job import JobSpec, SinkSpec
from awcopy.model.objects import SourceObject
from awcopy.model.outcome import Tally
from awcopy.units import format_count, format_size
from awcopy.vault.credentials import JobCredentials

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from awcopy.source.base import ListPage, Source

    Retry = Callable[[Callable[[], ListPage]], ListPage]

_LAST_CHARACTER = "\U0010ffff"  # sorts after everything that a key can go on with


@dataclass(frozen=True, slots=True)
class Folder:
    """A run of keys that begin alike up to a ``/``, shown as one line."""

    prefix: str


@click.command(
    cls=helpful(
        "awcopy ls s3://photos/2024/", "awcopy ls -r s3://photos -o ndjson | jq -r 'select(.bytes > 1e9).key'"
    )
)
@click.argument("source", metavar="SRC")
@click.option("-r", "--recursive", is_flag=True, help="List every key, also below folders.")
@click.option(
    "--endpoint-url",
    type=ENDPOINT,
    metavar="URL",
    help="The S3 service; else AWS_ENDPOINT_URL, else AWS's own.",
)
@click.option("--region", default="", help="The bucket's region; else AWS_REGION, else found out.")
@source_access_options
@output_option("table", "json", "ndjson")
def ls(source: str, output: str, *, recursive: bool, **access: Any) -> None:  # noqa: ANN401 - made a record at once
    """List the keys under SRC (s3://bucket/prefix) with size and date (UTC); totals go to standard error."""
    from awcopy.bootstrap import open_stores

    settings, defaults = begin(), load_store_defaults()
    spec = make_source({"source": source, **access}, defaults)
    # Nothing is written, so the other end of this pair of stores is never contacted.
    nowhere = JobSpec(source=spec, sink=SinkSpec(account="nowhere", container="nowhere"))
    with closing(open_stores(settings, nowhere, JobCredentials(aws=defaults.aws))) as stores:
        check_source(spec, stores.source)
        # Only AWS's own listing is known to be in the order that jumping over a folder relies on.
        entries = list_entries(
            stores.source, spec.prefix, _retry_pages(), recursive=recursive, may_jump=not spec.endpoint_url
        )
        total, folders = _print_entries(entries, output)
    beside = f", and {_counted(folders, 'folder')}" if folders else ""
    print_note(f"{_counted(total.objects, 'key')}, {format_size(total.size_bytes)}{beside}")


def list_entries(
    source: Source, prefix: str, retry: Retry, *, recursive: bool, may_jump: bool
) -> Iterator[SourceObject | Folder]:
    """Yield the keys under a prefix as they are listed; without ``recursive`` a folder counts as one entry.

    A folder's own keys are jumped over where the listing's order allows it, so that one with a million keys
    costs one page.
    """
    after, token = "", ""
    seen: set[str] = set()
    while True:
        page = retry(partial(source.list_page, prefix, after=after, token=token))
        folder = ""
        for obj in page.objects:
            folder = "" if recursive else _folder_of(obj.key, prefix)
            if not folder:
                yield obj
            elif folder not in seen:
                seen.add(folder)
                yield Folder(folder)
        if not page.token:
            return
        jump = bool(folder) and may_jump
        after, token = (folder + _LAST_CHARACTER, "") if jump else ("", page.token)


def _counted(count: int, thing: str) -> str:
    return f"{format_count(count)} {thing if count == 1 else f'{thing}s'}"


def _folder_of(key: str, prefix: str) -> str:
    """Return the folder below the prefix that the key lies in; empty when it lies in none."""
    return key[: key.find("/", len(prefix)) + 1]


def _retry_pages() -> Retry:
    from awcopy.transfer.retry import Retrier

    return Retrier(wait=time.sleep, chance=random.random).call


def _print_entries(entries: Iterable[SourceObject | Folder], output: str) -> tuple[Tally, int]:
    total, folders = Tally(), 0
    opening = "[\n"
    for entry in entries:
        if isinstance(entry, Folder):
            folders += 1
        else:
            total += Tally(objects=1, size_bytes=entry.size_bytes)
        if output == "table":
            print_line(_text(entry))
        elif output == "ndjson":
            print_json(_record(entry), is_line=True)
        else:
            sys.stdout.write(opening)
            sys.stdout.write(_json(entry))
            opening = ",\n"
    if output == "json":
        print_line("[]" if opening == "[\n" else "\n]")
    return total, folders


def _text(entry: SourceObject | Folder) -> str:
    if isinstance(entry, Folder):
        return f"{'folder':>19}  {'':>19}  {safe_text(entry.prefix)}"
    return (
        f"{format_count(entry.size_bytes):>19}  {entry.modified_at:%Y-%m-%d %H:%M:%S}  {safe_text(entry.key)}"
    )


def _record(entry: SourceObject | Folder) -> dict[str, str | int]:
    if isinstance(entry, Folder):
        return {"folder": entry.prefix}
    return {
        "key": entry.key,
        "bytes": entry.size_bytes,
        "modified_at": entry.modified_at.isoformat(),
        "etag": entry.etag,
        "storage_class": entry.storage_class,
    }


def _json(entry: SourceObject | Folder) -> str:
    import json

    return json.dumps(_record(entry))
