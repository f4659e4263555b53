"""Which of the listed keys a command takes: the options that say so, and what they mean together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from awcopy.cli.values import REGEX, SIZE, WHEN
from awcopy.errors import UsageError
from awcopy.model.spec import Selection

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Decorated = TypeVar("Decorated", bound="Callable[..., Any]")

_OPTIONS = (
    click.option(
        "--include", multiple=True, metavar="GLOB", help="Take only keys that match; may be repeated."
    ),
    click.option(
        "--exclude", multiple=True, metavar="GLOB", help="Leave out keys that match; may be repeated."
    ),
    click.option(
        "--include-regex",
        multiple=True,
        type=REGEX,
        metavar="RE2",
        help="Take keys that, below SRC's folder, match a regular expression wholly; may be repeated.",
    ),
    click.option(
        "--exclude-regex",
        multiple=True,
        type=REGEX,
        metavar="RE2",
        help="Leave out keys that do; may be repeated.",
    ),
    click.option(
        "--newer-than",
        type=WHEN,
        metavar="WHEN",
        help="Modified after this age (36h, 7d) or date (2026-01-31).",
    ),
    click.option("--older-than", type=WHEN, metavar="WHEN", help="Modified before this age or date."),
    click.option("--min-size", type=SIZE, metavar="SIZE", help="At least this large: 512K, 8M, 1.5GiB."),
    click.option("--max-size", type=SIZE, metavar="SIZE", help="At most this large."),
)


def selection_options(command: Decorated) -> Decorated:
    """Add the options by which keys are chosen, beside ``--recursive``."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def make_selection(options: Mapping[str, Any]) -> Selection:
    """Return what the options choose.

    Raises:
        UsageError: They contradict each other.
    """
    newer, older = options["newer_than"], options["older_than"]
    smallest, largest = options["min_size"], options["max_size"]
    if newer and older and newer >= older:
        raise UsageError(
            "nothing is both newer than --newer-than and older than --older-than", hint="swap the two"
        )
    if smallest is not None and largest is not None and smallest > largest:
        raise UsageError("--min-size is larger than --max-size", hint="swap the two")
    return Selection(
        recursive=options["recursive"],
        include=tuple(options["include"]),
        include_regex=tuple(options["include_regex"]),
        exclude_regex=tuple(options["exclude_regex"]),
        exclude=tuple(options["exclude"]),
        newer_than=newer,
        older_than=older,
        min_size_bytes=smallest,
        max_size_bytes=largest,
    )
