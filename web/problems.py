"""What an error looks like to whoever asked: JSON for the API, a plain page otherwise, never a traceback."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

import structlog
from flask import current_app, make_response, render_template
from werkzeug.exceptions import HTTPException

from awcopy.errors import (
    AwcopyError,
    CredentialsError,
    IllegalMove,
    JobNotFound,
    ScheduleNotFound,
    ServiceUnreachable,
    UsageError,
)
from web.headers import is_api_request

if TYPE_CHECKING:
    from flask import Flask, Response

log = structlog.get_logger(__name__)

PROBLEM_TYPE = "application/problem+json"

_STATUS: dict[type[AwcopyError], HTTPStatus] = {
    JobNotFound: HTTPStatus.NOT_FOUND,
    ScheduleNotFound: HTTPStatus.NOT_FOUND,
    UsageError: HTTPStatus.BAD_REQUEST,
    IllegalMove: HTTPStatus.CONFLICT,
    ServiceUnreachable: HTTPStatus.SERVICE_UNAVAILABLE,
    CredentialsError: HTTPStatus.SERVICE_UNAVAILABLE,  # the dashboard's own, not the visitor's
}
_TITLES = {
    HTTPStatus.BAD_REQUEST: "That cannot be done as it is written",
    HTTPStatus.UNAUTHORIZED: "Log in first",
    HTTPStatus.FORBIDDEN: "That is not allowed",
    HTTPStatus.NOT_FOUND: "There is nothing here",
    HTTPStatus.CONFLICT: "That cannot be done now",
    HTTPStatus.TOO_MANY_REQUESTS: "That was asked too often",
    HTTPStatus.SERVICE_UNAVAILABLE: "awcopy cannot look right now",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Something went wrong here",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One error as it is shown; ``code`` is for programs."""

    status: HTTPStatus
    code: str
    message: str
    hint: str = ""

    @property
    def title(self) -> str:
        """What the page is headed with."""
        return _TITLES.get(self.status, self.status.phrase)

    def to_json(self) -> dict[str, str | int]:
        """Return the problem as RFC 9457 has it; ``code`` and ``hint`` are ours."""
        return {
            "type": "about:blank",
            "title": self.title,
            "status": self.status.value,
            "detail": self.message,
            "code": self.code,
            "hint": self.hint,
        }


def show_problems(app: Flask) -> None:
    """Answer every error of the app as a problem."""
    app.register_error_handler(AwcopyError, _answer_own)
    app.register_error_handler(HTTPException, _answer_http)


def _answer_own(error: AwcopyError) -> Response:
    status = next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), None)
    if status is None:
        log.error("request_failed", code=error.code, exc_info=error)
        return _answer(
            Problem(status=HTTPStatus.INTERNAL_SERVER_ERROR, code=error.code, message="the log says more")
        )
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        log.warning("service_unreachable", code=error.code, error=error.message)
    return _answer(Problem(status=status, code=error.code, message=error.message, hint=error.hint))


def _answer_http(error: HTTPException) -> Response:
    # Flask wraps what nobody caught in a 500 and logs it; its text stays in the log.
    status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    problem = Problem(
        status=status,
        code=status.name.lower(),
        message=error.description or status.description or status.phrase,
        hint=getattr(error, "hint", ""),
    )
    response = _answer(problem)
    # Such as Allow, which a 405 must have.
    response.headers.extend((name, value) for name, value in error.get_headers() if name != "Content-Type")
    return response


def _answer(problem: Problem) -> Response:
    if is_api_request():
        response = make_response(current_app.json.dumps(problem.to_json()), problem.status)
        response.content_type = PROBLEM_TYPE
        return response
    return make_response(render_template("problem.html", problem=problem), problem.status)
