"""What a request for a copy may hold, as JSON Schema made of the command line's own options."""

from __future__ import annotations

from typing import Any

import click

from awcopy.cli.request import (
    ADDRESSES,
    COMMANDS,
    LONGEST_SEALED,
    LONGEST_VALUE,
    MOST_APPROVED,
    MOST_VALUES,
    SEALED,
    SHA256,
    request_options,
    takes_number,
    usual_value,
)

JOB_ID = "^[0-9a-hjkmnp-tv-z]{16}$"
_ADDRESSES = {
    "source": {
        "pattern": "^[sS]3://.",
        "description": "Where objects come from: s3://BUCKET/PREFIX.",
    },
    "sink": {
        "pattern": "^([aA][zZ]|[hH][tT][tT][pP][sS]?)://.",
        "description": "Where blobs go: az://ACCOUNT/CONTAINER/PREFIX, or the URL of a container.",
    },
}


def describe_request() -> dict[str, Any]:
    """Return the schema of what ``awcopy.cli.request.read_request`` takes."""
    addresses = {name: {**_text(), **_ADDRESSES[name]} for name in ADDRESSES}
    options = {name: _describe(option) for name, option in request_options().items()}
    options["overwrite"]["description"] = (
        "What to do with a blob that is there already; prompt: as `approval` says, which somebody was asked for."
    )
    of_sync = {
        name: _describe(option)
        for name, option in request_options("sync").items()
        if name not in options or name == "max_delete"
    }
    for schema in of_sync.values():
        schema["description"] = f"Of a sync. {schema['description']}"
    # A number of objects for a copy, and perhaps a percentage for a sync.
    of_sync["max_delete"]["description"] = (
        "With delete_source or delete: delete nothing if more would go. Of a sync, P% is of all names on both "
        "sides, and 50% is usual."
    )
    of_sync["max_delete"].pop("default")
    command = {
        "type": "string",
        "enum": list(COMMANDS),
        "default": "copy",
        "description": "Whether all is copied, or what is new or changed, told by both listings.",
    }
    return {
        "type": "object",
        "required": list(ADDRESSES),
        "properties": {**addresses, "command": command, **options, **of_sync, **_others()},
        "additionalProperties": False,
    }


def _others() -> dict[str, Any]:
    digest = {"type": "string", "pattern": SHA256}
    approval = {
        "type": "object",
        "properties": {
            "etags": {"type": "array", "items": _text(), "maxItems": MOST_APPROVED},
            "until": {"oneOf": [_text(), {"type": "null"}]},
        },
        "additionalProperties": False,
    }
    return {
        "id": {
            "type": "string",
            "pattern": JOB_ID,
            "description": "The job's id, chosen by who asks, at the time of now: credentials are sealed to it.",
        },
        "sealed": {
            "type": "string",
            "pattern": SEALED,
            "maxLength": LONGEST_SEALED,
            "description": "Credentials, sealed to the fleet's public key and the id; only workers can open them.",
        },
        "source_key_sha256": {
            **digest,
            "description": "SHA-256 of the key that the objects are encrypted with, which `sealed` holds.",
        },
        "encryption_key_sha256": {
            **digest,
            "description": "SHA-256 of the key that the blobs are encrypted with, which `sealed` holds.",
        },
        "approval": {
            **approval,
            "description": "With overwrite prompt: which blobs somebody agreed to replace, by their ETags, or all "
            "that were written until then.",
        },
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
