"""``awcopy config prices``: which price table estimates use, and today's prices in its place."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from awcopy.cli.console import print_json, print_line, print_note, safe_text
from awcopy.cli.help import Exit, helpful
from awcopy.cli.pricing import load_prices
from awcopy.cli.setup import begin
from awcopy.cli.values import output_option
from awcopy.config import ca_files, proxy_for
from awcopy.cost import offers
from awcopy.cost.prices import Kind, Prices, format_prices, parse_prices, shipped_prices
from awcopy.errors import ConnectionLost, ServerFault, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from awcopy.config import Settings

_OK = 200
_FROM_LISTS = "the price lists of AWS and Azure"


@click.command(
    "prices",
    cls=helpful(
        "awcopy config prices --refresh --region eu-west-1",
        "awcopy config prices -o csv > mine.csv",
        exit_codes=(Exit.OK, Exit.ERROR, Exit.USAGE, Exit.UNREACHABLE, Exit.INTERRUPTED),
    ),
)
@click.option("--refresh", is_flag=True, help="Fetch today's prices, which needs no login, and keep them.")
@click.option(
    "--region",
    "regions",
    multiple=True,
    metavar="REGION",
    help="Fetch this AWS region alone; may be repeated.",
)
@output_option("table", "json", "csv")
def prices(regions: tuple[str, ...], output: str, *, refresh: bool) -> None:
    """Show which price table estimates use; with -o csv, the table itself.

    --refresh writes it where AWCOPY_PRICES says, whole or not at all. Prices that the lists of AWS and Azure do
    not have stay as they were, with their dates.
    """
    if regions and not refresh:
        raise UsageError("--region says what to fetch, and nothing is fetched", hint="add --refresh")
    settings = begin()
    if refresh:
        _refresh(settings, regions)
    table = load_prices(settings, None)
    if output == "csv":
        print_line(format_prices(table).rstrip("\n"))
    elif output == "json":
        print_json(_record(table))
    else:
        _print_table(table)


def _refresh(settings: Settings, regions: tuple[str, ...]) -> None:
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    with _fetching(settings, offers.AWS_URL) as fetch:
        fresh = list(offers.aws_prices(fetch, regions, _tell))
    with _fetching(settings, offers.AZURE_URL) as fetch:
        fresh += offers.azure_prices(fetch, today, _tell)
    # What somebody broke in the old table must not be in the way of a new one.
    try:
        before = load_prices(settings, None)
    except UsageError:
        before = shipped_prices()
    text = format_prices(before.updated({row.key: row for row in fresh}.values(), _FROM_LISTS))
    parse_prices(text, _FROM_LISTS)  # nothing is kept that could not be read again
    path = settings.prices.expanduser()
    try:
        _replace_file(path, text)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}", hint="set AWCOPY_PRICES") from error
    print_note(f"awcopy: {len(fresh)} prices fetched, kept in {path}")


@contextmanager
def _fetching(settings: Settings, url: str) -> Iterator[offers.Fetch]:
    from awcopy.http import Pool, parse_origin

    pool = Pool(
        parse_origin(url),
        connections=1,
        proxy_url=proxy_for(url),
        ca_files=ca_files(settings, "REQUESTS_CA_BUNDLE"),
    )

    def fetch(path: str) -> bytes:
        try:
            answer = pool.request("GET", path, {"Accept": "application/json"})
        except ConnectionLost as error:
            hint = "the table in use stays as it is; check the network and HTTPS_PROXY"
            raise ConnectionLost(f"{url} cannot be asked for prices: {error.message}", hint=hint) from error
        if answer.status != _OK:
            raise ServerFault(
                f"{url} answers {answer.status} where prices were asked for", status=answer.status
            )
        return bytes(answer.body)

    try:
        yield fetch
    finally:
        pool.close()


def _replace_file(path: Path, text: str) -> None:
    """Write the file whole, in place of the one that is there, which stays if anything goes wrong."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _tell(what: str) -> None:
    print_note(f"awcopy: fetching {what}")


def _record(table: Prices) -> dict[str, object]:
    oldest, newest = table.seen
    return {
        "schema": "awcopy.prices/1",
        "origin": table.origin,
        "oldest": oldest,
        "newest": newest,
        "prices": len(table.rows),
        "aws_regions": list(table.places(Kind.EGRESS)),
        "azure_regions": list(table.places(Kind.AZURE_WRITE)),
    }


def _print_table(table: Prices) -> None:
    oldest, newest = table.seen
    print_line(safe_text(f"{table.origin}: {len(table.rows)} prices, seen {oldest} to {newest}"))
    print_line(f"  egress from {', '.join(table.places(Kind.EGRESS))}")
    print_line(f"  writes in Azure's {', '.join(table.places(Kind.AZURE_WRITE))}")
    for source, count in Counter(row.source.partition("?")[0] for row in table.rows).most_common():
        print_line(safe_text(f"  {count:>5} from {source}"))
