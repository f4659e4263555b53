"""What a request for a copy may hold, as JSON Schema made of the command line's own options."""

from __future__ import annotations

from typing import Any

import click

from awcopy.cli.request import (
    ADDRESSES,
    LONGEST_VALUE,
    MOST_VALUES,
    request_options,
    takes_number,
    usual_value,
)
from awcopy.model.job import Overwrite

_ABOUT_ADDRESSES = {
    "source": "Where objects come from: s3://BUCKET/PREFIX.",
    "sink": "Where blobs go: az://ACCOUNT/CONTAINER/PREFIX, or the URL of a container.",
}


def describe_request() -> dict[str, Any]:
    """Return the schema of what ``awcopy.cli.request.read_request`` takes."""
    addresses = {name: {**_text(), "description": _ABOUT_ADDRESSES[name]} for name in ADDRESSES}
    options = {name: _describe(option) for name, option in request_options().items()}
    options["overwrite"]["enum"].remove(Overwrite.PROMPT.value)  # there is nobody to ask
    options["overwrite"]["description"] = "What to do with a blob that is there already."
    return {
        "type": "object",
        "required": list(ADDRESSES),
        "properties": {**addresses, **options},
        "additionalProperties": False,
    }


def _describe(option: click.Option) -> dict[str, Any]:
    found: dict[str, Any] = {**_kind(option), "description": (option.help or "").partition("  [")[0]}
    usual = usual_value(option)
    return found if usual in (None, "") else {**found, "default": usual}


def _kind(option: click.Option) -> dict[str, Any]:
    if option.is_flag:
        return {"type": "boolean"}
    if option.multiple:
        return {"type": "array", "items": _text(), "maxItems": MOST_VALUES}
    if isinstance(option.type, click.IntRange):
        limits = {"minimum": option.type.min, "maximum": option.type.max}
        return {"type": "integer", **{name: limit for name, limit in limits.items() if limit is not None}}
    if isinstance(option.type, click.Choice):
        return {"type": "string", "enum": list(option.type.choices)}
    if takes_number(option):
        return {"oneOf": [_text(), {"type": "integer", "minimum": 0}]}
    return _text()


def _text() -> dict[str, Any]:
    return {"type": "string", "maxLength": LONGEST_VALUE}
