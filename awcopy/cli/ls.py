"""``awcopy ls``: the keys of a bucket as they are listed, their totals, and what copying them costs."""

from __future__ import annotations

import random
import time
from collections import deque
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from awcopy.cli.console import print_json, print_note
from awcopy.cli.copy import make_source
from awcopy.cli.credentials import check_aws_keys
from awcopy.cli.estimates import (
    class_lines,
    estimate_lines,
    estimate_record,
    print_estimate_line,
    totals_record,
)
from awcopy.cli.help import helpful
from awcopy.cli.listing import Folder, close_listing, open_listing, print_entries
from awcopy.cli.preflight import check_source
from awcopy.cli.pricing import load_prices, make_terms, pricing_options
from awcopy.cli.selection import make_selection, selection_options
from awcopy.cli.setup import begin
from awcopy.cli.values import (
    BLOCK_SIZE,
    output_option,
    profile_options,
    source_access_options,
    source_service_options,
)
from awcopy.config import load_source_defaults
from awcopy.cost.estimate import estimate_copy, start_usage
from awcopy.model.spec import JobSpec, SinkSpec, Versions
from awcopy.planning.filters import compile_selection
from awcopy.planning.tiers import AUTO, TIERS
from awcopy.units import MIB, format_count, format_size
from awcopy.vault.credentials import JobCredentials

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from awcopy.cost.usage import Usage
    from awcopy.model.objects import SourceObject
    from awcopy.model.spec import SourceSpec
    from awcopy.source.base import ListPage, Source

    Fetch = Callable[[str, str, str], ListPage]  # of a prefix, after a key, by a token
    Retry = Callable[[Callable[[], ListPage]], ListPage]

_LAST_CHARACTER = "\U0010ffff"  # sorts after everything that a key can go on with


@click.command(
    cls=helpful(
        "awcopy ls s3://photos/2024/",
        "awcopy ls -r s3://photos -o ndjson | jq -r 'select(.bytes > 1e9).key'",
        "awcopy ls --estimate --totals s3://photos --azure-region eastus",
        "awcopy ls --versions all s3://photos/2024/",
    )
)
@click.argument("source", metavar="SRC")
@click.option("-r", "--recursive", is_flag=True, help="List every key, also below folders.")
@selection_options
@click.option(
    "--versions",
    type=click.Choice([choice.value for choice in Versions]),
    default=Versions.LATEST.value,
    show_default=True,
    help="all: also what keys held before, with the id of each version, and delete markers.",
)
@source_service_options
@source_access_options
@profile_options("this machine's", "source")
@click.option(
    "--totals", is_flag=True, help="Print no keys: objects and bytes by storage class, of all keys."
)
@click.option(
    "--estimate", is_flag=True, help="Print, after all keys, what copying them costs, as an estimate."
)
@click.option(
    "--tier",
    type=click.Choice((*TIERS, AUTO), case_sensitive=False),
    help="Access tier to estimate for; else Hot.",
)
@click.option(
    "--block-size",
    type=BLOCK_SIZE,
    default=8 * MIB,
    metavar="SIZE",
    help="Block size to estimate for.  [default: 8M]",
)
@pricing_options
@output_option("table", "json", "ndjson")
@click.pass_obj
def ls(given: JobCredentials | None, /, **options: Any) -> None:  # noqa: ANN401 - made records at once
    """List the keys under SRC (s3://bucket/prefix) with size, date (UTC) and storage class.

    The number of keys and their size go to standard error. Filters choose keys; folders are shown as they are.
    """
    from awcopy.bootstrap import open_stores

    settings, defaults = begin(), load_source_defaults()
    spec = make_source(options, defaults)
    prices = load_prices(settings, options["price_table"])
    # Nothing is written, so the other end of this pair of stores is never contacted.
    nowhere = JobSpec(
        source=spec,
        sink=SinkSpec(account="nowhere", container="nowhere"),
        block_size_bytes=options["block_size"],
    )
    usage = start_usage(prices, nowhere, datetime.now(UTC))
    aws = given.aws if given else None if spec.profile else check_aws_keys(defaults.aws)
    sums = _Sums()
    with closing(open_stores(settings, nowhere, JobCredentials(aws=aws))) as stores:
        check_source(spec, stores.source, Versions(options["versions"]))
        entries = sums.watch(_chosen_entries(spec, stores.source, options, usage))
        if options["estimate"]:
            terms = make_terms(options, spec, stores.source)
            _print_counted(entries, usage, options)
            found = estimate_copy(usage, prices, terms)
            _print_end("estimate", estimate_record(found), estimate_lines(found), options)
        elif options["totals"]:
            _print_counted(entries, usage, options)
            _print_end("totals", totals_record(usage), class_lines(usage), options)
        else:
            print_entries(entries, options["output"])
    others = {"folder": sums.folders, "delete marker": sums.delete_markers}
    beside = "".join(f", and {_counted(count, thing)}" for thing, count in others.items() if count)
    thing = "version" if options["versions"] == Versions.ALL else "key"
    print_note(f"{_counted(sums.objects, thing)}, {format_size(sums.size_bytes)}{beside}")


@dataclass(slots=True)
class _Sums:
    objects: int = 0
    size_bytes: int = 0
    folders: int = 0
    delete_markers: int = 0

    def watch(self, entries: Iterable[SourceObject | Folder]) -> Iterator[SourceObject | Folder]:
        """Yield the entries, each counted."""
        for entry in entries:
            if isinstance(entry, Folder):
                self.folders += 1
            elif entry.is_delete_marker:
                self.delete_markers += 1
            else:
                self.objects += 1
                self.size_bytes += entry.size_bytes
            yield entry


def _chosen_entries(
    spec: SourceSpec, source: Source, options: Mapping[str, Any], usage: Usage
) -> Iterator[SourceObject | Folder]:
    """Yield what the filters choose; the count learns of the others, which have to be listed too."""
    is_whole = options["recursive"] or options["estimate"] or options["totals"]
    is_selected = compile_selection(make_selection({**options, "recursive": True}), spec.prefix)
    takes_all = options["versions"] == Versions.ALL
    # Only AWS's own listing is known to be in the order that jumping over a folder relies on.
    fetch = _fetch_versions(source) if takes_all else fetch_keys(source)
    may_jump = not (spec.endpoint_url or takes_all)
    entries = list_entries(fetch, spec.prefix, _retry_pages(), recursive=is_whole, may_jump=may_jump)
    for entry in entries:
        if isinstance(entry, Folder) or is_selected(entry):
            yield entry
        else:
            usage.exclude()


def _print_counted(
    entries: Iterable[SourceObject | Folder], usage: Usage, options: Mapping[str, Any]
) -> None:
    """Count the keys, and print them unless only totals are wanted."""
    counted = _count_in(usage, entries)
    if options["totals"]:
        deque(counted, maxlen=0)
    else:
        open_listing(counted, options["output"])


def _count_in(usage: Usage, entries: Iterable[SourceObject | Folder]) -> Iterator[SourceObject | Folder]:
    for entry in entries:
        if isinstance(entry, Folder):
            pass
        elif entry.is_delete_marker:
            usage.exclude()
        else:
            usage.add(entry)
        yield entry


def _print_end(name: str, record: dict[str, Any], lines: Iterable[str], options: Mapping[str, Any]) -> None:
    """Print what follows the keys, or stands alone where only totals are wanted."""
    if options["output"] == "table":
        for line in lines:
            print_estimate_line(line)
    elif options["totals"]:
        print_json(record, is_line=options["output"] == "ndjson")
    else:
        close_listing(name, record, options["output"])


def list_entries(
    fetch: Fetch, prefix: str, retry: Retry, *, recursive: bool, may_jump: bool
) -> Iterator[SourceObject | Folder]:
    """Yield the keys under a prefix as they are listed; without ``recursive`` a folder counts as one entry.

    A folder's own keys are jumped over where the listing's order allows it, so that one with a million keys
    costs one page.
    """
    after, token = "", ""
    seen: set[str] = set()
    while True:
        page = retry(partial(fetch, prefix, after, token))
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


def fetch_keys(source: Source) -> Fetch:
    """Return what fetches a page of keys."""
    return lambda prefix, after, token: source.list_page(prefix, after=after, token=token)


def _fetch_versions(source: Source) -> Fetch:
    return lambda prefix, _after, token: source.list_versions(prefix, token=token)


def _counted(count: int, thing: str) -> str:
    return f"{format_count(count)} {thing if count == 1 else f'{thing}s'}"


def _folder_of(key: str, prefix: str) -> str:
    """Return the folder below the prefix that the key lies in; empty when it lies in none."""
    return key[: key.find("/", len(prefix)) + 1]


def _retry_pages() -> Retry:
    from awcopy.transfer.retry import Retrier

    return Retrier(wait=time.sleep, chance=random.random).call
