"""Reading what a program sends: strict JSON of one flat object, or nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

from flask import request
from werkzeug.exceptions import UnsupportedMediaType

from awcopy.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection

_JSON_TYPE = "application/json"


def read_body(*, members: Collection[str] | None = None) -> dict[str, Any]:
    """Return the request's members; an empty body has none.

    Args:
        members: The names that there are; left out, all are taken.

    Raises:
        UsageError: It is no JSON object, says a name twice, or has a member that is not known.
        UnsupportedMediaType: A body of another type.
    """
    content = request.get_data()
    if not content:
        return {}
    if request.mimetype != _JSON_TYPE:
        raise UnsupportedMediaType(f"send {_JSON_TYPE}")
    try:
        body = json.loads(content, object_pairs_hook=_once_each, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise UsageError("the body is not JSON") from error
    if not isinstance(body, dict):
        raise UsageError("the body is not a JSON object")
    if members is not None and (unknown := sorted(set(body) - set(members))):
        raise UsageError(f"there is no {unknown[0]!r} in this request")
    return body


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise UsageError("the body says a name twice")
    return found


def _refuse(_constant: str) -> NoReturn:
    raise ValueError("JSON has no such number")
