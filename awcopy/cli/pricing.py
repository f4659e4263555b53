"""What an estimate is made with: the options of its terms, and the price table that is in force."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from awcopy.cli.values import SIZE
from awcopy.cost.book import Terms
from awcopy.cost.prices import Prices, parse_prices, shipped_prices
from awcopy.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from awcopy.config import Settings
    from awcopy.model.spec import SourceSpec
    from awcopy.source.base import Source

Decorated = TypeVar("Decorated", bound="Callable[..., Any]")

_OPTIONS = (
    click.option(
        "--price-table",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Estimate with the prices of this table; else AWCOPY_PRICES, else those shipped.",
    ),
    click.option(
        "--azure-region",
        default="",
        metavar="REGION",
        help="Where the account is (eastus), for the estimate.",
    ),
    click.option(
        "--sent-this-month",
        type=SIZE,
        default=0,
        metavar="SIZE",
        help="What has left AWS this month already, for the estimate's steps.  [default: 0]",
    ),
)


def pricing_options(command: Decorated) -> Decorated:
    """Add the options of an estimate's terms."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def load_prices(settings: Settings, path: Path | None) -> Prices:
    """Return the table that is named, else the user's own where there is one, else the one shipped.

    Raises:
        UsageError: It cannot be read, or is no price table.
    """
    if path is not None:
        return read_prices(path)
    own = settings.prices.expanduser()
    return read_prices(own) if own.exists() else shipped_prices()


def read_prices(path: Path) -> Prices:
    """Return the table that a file holds.

    Raises:
        UsageError: It cannot be read, or is no price table.
    """
    try:
        return parse_prices(path.read_text(encoding="utf-8-sig"), str(path))
    except OSError as error:
        raise UsageError(f"the price table {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"the price table {path} is not text") from None


def make_terms(options: Mapping[str, Any], spec: SourceSpec, source: Source) -> Terms:
    """Return the terms of an estimate; a bucket's region that was not given is asked for."""
    from awcopy.jobs.submit import look

    return Terms(
        region=spec.region or look(source.find_region),
        azure_region=options["azure_region"].lower().replace(" ", ""),
        tier=options["tier"] or "",
        sent_bytes=options["sent_this_month"],
        is_aws=is_aws(spec),
    )


def is_aws(spec: SourceSpec) -> bool:
    """Return whether the source is AWS itself, whose prices the table holds."""
    from urllib.parse import urlsplit

    host = urlsplit(spec.endpoint_url).hostname or ""
    return not spec.endpoint_url or host.endswith((".amazonaws.com", ".amazonaws.com.cn"))
