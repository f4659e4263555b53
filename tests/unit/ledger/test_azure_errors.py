"""Each answer of Azure has one meaning, and is asked for again only where that can help."""

from __future__ import annotations

import pytest
from azure.core.exceptions import (
    ClientAuthenticationError,
    DecodeError,
    HttpResponseError,
    ServiceRequestError,
    ServiceRequestTimeoutError,
    ServiceResponseError,
    ServiceResponseTimeoutError,
)

from awcopy.errors import AwcopyError, Conflict, CredentialsError, ServiceUnreachable
from awcopy.ledger.azure_errors import (
    RowMissing,
    StoreMissing,
    choose_pause_s,
    find_code,
    is_conflict,
    translate_azure,
)

CANARY = "sig=canary"


class Answer:
    reason = CANARY

    def __init__(self, status: int, headers: dict[str, str] | None = None) -> None:
        self.status_code = status
        self.headers = headers or {}


def make_error(status: int, code: str = "", **headers: str) -> HttpResponseError:
    error = HttpResponseError(CANARY, response=Answer(status, headers))
    error.error_code = code
    return error


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (make_error(401), CredentialsError, "401"),
        (make_error(403, "AuthorizationFailure"), CredentialsError, "403 AuthorizationFailure"),
        (make_error(404, "ResourceNotFound"), RowMissing, "no such row"),
        (make_error(404), ServiceUnreachable, "no storage account"),
        (make_error(404, "TableNotFound"), StoreMissing, "no tables yet"),
        (make_error(404, "ContainerNotFound"), StoreMissing, "no tables yet"),
        (make_error(409, "EntityAlreadyExists"), Conflict, "another version"),
        (make_error(409, "TableBeingDeleted"), ServiceUnreachable, "409 TableBeingDeleted"),
        (make_error(412), Conflict, "another version"),
        (make_error(400, "EntityTooLarge"), AwcopyError, "400 EntityTooLarge"),
        (make_error(503, "ServerBusy"), ServiceUnreachable, "503 ServerBusy"),
        (ClientAuthenticationError(CANARY), CredentialsError, "no credentials"),
        (ServiceRequestError("[Errno 111] Connection refused"), ServiceUnreachable, "refused"),
        (ServiceRequestError("Failed to resolve 'x'"), ServiceUnreachable, "name is not known"),
        (ServiceRequestError("certificate verify failed"), ServiceUnreachable, "TLS"),
        (ServiceResponseError(CANARY), ServiceUnreachable, "broke"),
        (ServiceRequestTimeoutError(CANARY), ServiceUnreachable, "in time"),
        (ServiceResponseTimeoutError(CANARY), ServiceUnreachable, "in time"),
        (DecodeError(CANARY), ServiceUnreachable, "broke"),
    ],
)
def test_each_answer_has_one_meaning(error, kind, text):
    found = translate_azure(error, host="acc.table.core.windows.net")
    assert type(found) is kind
    assert text in str(found)
    assert "acc.table.core.windows.net" in str(found)
    assert CANARY not in str(found)


def test_a_code_is_found_where_the_sdk_leaves_it_in_the_text():
    assert (
        find_code(HttpResponseError('Content: {"odata.error":{"code":"TableNotFound"}}')) == "TableNotFound"
    )
    assert find_code(HttpResponseError("x\nErrorCode:EntityTooLarge\n")) == "EntityTooLarge"
    assert find_code(HttpResponseError("x")) == ""


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_busy_service_is_asked_again_for_some_seconds(status):
    assert 0 < choose_pause_s(make_error(status), attempt=0, elapsed_s=0.0) <= 0.1
    assert choose_pause_s(make_error(status), attempt=9, elapsed_s=10.0) <= 4.0
    assert choose_pause_s(make_error(status), attempt=9, elapsed_s=19.9) is None


def test_a_busy_service_is_given_the_time_that_it_asks_for():
    assert choose_pause_s(make_error(503, **{"Retry-After": "3"}), attempt=0, elapsed_s=0.0) == 3.0
    assert choose_pause_s(make_error(503, **{"Retry-After": "60"}), attempt=0, elapsed_s=0.0) is None


@pytest.mark.parametrize("error", [ServiceRequestError("x"), ServiceResponseError("x"), DecodeError("x")])
def test_a_service_that_does_not_answer_is_left_alone_sooner(error):
    assert choose_pause_s(error, attempt=0, elapsed_s=0.0) <= 0.1
    assert choose_pause_s(error, attempt=3, elapsed_s=4.0) is None


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 412, 413])
def test_what_was_decided_is_not_asked_again(status):
    assert choose_pause_s(make_error(status), attempt=0, elapsed_s=0.0) is None


def test_missing_credentials_are_not_looked_for_again():
    assert choose_pause_s(ClientAuthenticationError("x"), attempt=0, elapsed_s=0.0) is None


def test_only_two_answers_are_conflicts():
    assert [status for status in range(400, 600) if is_conflict(make_error(status))] == [409, 412]
    assert not is_conflict(ServiceRequestError("x"))
