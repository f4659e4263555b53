"""The pages' own files: a browser keeps each for as long as it stays as it is, and asks for none of them again."""

from __future__ import annotations

import hashlib
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Flask, Response

_ENDPOINT = "static"
_KEPT_S = 365 * 86_400
_DIGITS = 12
_GOOD = frozenset({HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT, HTTPStatus.NOT_MODIFIED})


def keep_files(app: Flask) -> None:
    """Name the version of each file in its address, and let browsers keep what they got under it."""
    versions = _versions(Path(str(app.static_folder)))

    @app.url_defaults
    def add_version(endpoint: str, values: dict[str, Any]) -> None:
        if endpoint == _ENDPOINT:
            values["v"] = versions.get(values["filename"])

    @app.after_request
    def let_keep(response: Response) -> Response:
        file = (request.view_args or {}).get("filename", "") if request.endpoint == _ENDPOINT else ""
        # An address of another version, such as that of a page from before an update, brings what is there now.
        is_this = file in versions and request.args.get("v") == versions[file]
        if is_this and response.status_code in _GOOD:
            response.headers["Cache-Control"] = f"public, max-age={_KEPT_S}, immutable"
        return response


@cache
def _versions(folder: Path) -> Mapping[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()[:_DIGITS]
        for path in folder.rglob("*")
        if path.is_file()
    }
