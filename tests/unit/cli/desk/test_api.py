"""What a dashboard's answers mean, and to whom the token is shown."""

from __future__ import annotations

import json

import pytest

from awcopy.cli.desk import http as module
from awcopy.cli.desk.api import Api
from awcopy.cli.desk.http import SUBMIT_FOR_S, HttpDesk
from awcopy.config import Secret, Settings
from awcopy.errors import (
    AwcopyError,
    ConnectionLost,
    CredentialsError,
    IllegalMove,
    IntegrityError,
    JobNotFound,
    ScheduleNotFound,
    ServiceUnreachable,
    UsageError,
)
from awcopy.http import Answer, Pool
from awcopy.jobs.queries import JobSnapshot, Phase, snapshot_record
from awcopy.jobs.submit import JobRequest
from awcopy.model.job import JobState
from awcopy.model.outcome import Totals
from tests.unit.factories import make_job, make_spec

URL = "https://awcopy.example.com"
TOKEN = "awc_dana_0123456789abcdef"


def answer(status=200, content=None, kind="application/json", **headers):
    body = (
        content
        if isinstance(content, bytes)
        else json.dumps({"schema": "x"} if content is None else content).encode()
    )
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, {"content-type": kind, **named}, body, len(body))


def problem(status, code="usage", detail="it is wrong", hint="mend it", **headers):
    content = {"status": status, "code": code, "detail": detail, "hint": hint}
    return answer(status, content, "application/problem+json", **headers)


@pytest.fixture
def wire(monkeypatch):
    """What is answered, one after the other and the last for ever, and what was sent."""

    class Wire:
        def __init__(self):
            self.answers, self.sent, self.naps, self.now = [], [], [], 0.0

        def sleep(self, seconds):
            self.naps.append(seconds)
            self.now += seconds

        def api(self, **settings):
            return Api(Settings(**{"api_url": URL, "api_token": Secret(TOKEN), **settings}), sleep=self.sleep)

    wire = Wire()

    def request(pool, method, target, headers, body=None, *, is_repeatable=True):
        wire.sent.append((pool.origin, method, target, headers, body, is_repeatable))
        wire.now += 0.1
        following = wire.answers.pop(0) if len(wire.answers) > 1 else wire.answers[0]
        if isinstance(following, Exception):
            raise following
        return following

    monkeypatch.setattr(Pool, "request", request)
    return wire


@pytest.mark.parametrize(
    ("url", "target"),
    [
        (URL, "/api/v1/me"),
        (f"{URL}/", "/api/v1/me"),
        (f"{URL}/api/v1/", "/api/v1/me"),
        (f"{URL}/tools/awcopy/", "/tools/awcopy/api/v1/me"),
        ("http://127.0.0.1:8080", "/api/v1/me"),
        ("http://[::1]:8080", "/api/v1/me"),
        ("http://localhost:8080/", "/api/v1/me"),
    ],
)
def test_the_token_is_shown_at_the_address_that_was_given(wire, url, target):
    wire.answers = [answer()]

    wire.api(api_url=url).get("/me")

    [(_, method, sent, headers, _, _)] = wire.sent
    assert (method, sent, headers["Authorization"]) == ("GET", target, f"Bearer {TOKEN}")


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://awcopy.example.com", "in clear"),
        ("http://10.0.0.7:8080", "in clear"),
        ("http://127.0.0.1.example.com", "in clear"),
        ("awcopy.example.com", "no http"),
        ("ftp://awcopy.example.com", "no http"),
        ("https://", "no http"),
        ("https://[::1", "no http"),
        ("https://dana:secret@awcopy.example.com", "more than an address"),
        ("https://awcopy.example.com/?token=secret", "more than an address"),
    ],
)
def test_an_address_that_would_give_the_token_away_or_is_none_is_refused(wire, url, says):
    with pytest.raises(UsageError, match=says) as caught:
        wire.api(api_url=url)
    assert "secret" not in f"{caught.value.message} {caught.value.hint}"
    assert wire.sent == []


def test_without_a_token_plain_http_gives_nothing_away(wire):
    wire.answers = [answer()]

    wire.api(api_url="http://awcopy.example.com", api_token=Secret("")).get("/me")

    assert "Authorization" not in wire.sent[0][3]


def test_this_machine_is_asked_without_the_proxy(wire, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")

    assert wire.api(api_url="http://127.0.0.1:8080")._pool._proxy is None
    assert wire.api(api_url="http://awcopy.example.com", api_token=Secret(""))._pool._proxy


def test_a_redirect_is_told_and_not_followed(wire):
    wire.answers = [answer(302, b"", "text/html", location="https://evil.example/login?next=secret")]

    with pytest.raises(UsageError, match=r"sends on to https://evil\.example,") as caught:
        wire.api().get("/me")

    assert "secret" not in caught.value.message
    assert len(wire.sent) == 1


@pytest.mark.parametrize(
    ("got", "kind", "exit_code", "says"),
    [
        (problem(400), UsageError, 2, "it is wrong"),
        (problem(401, "unauthorized"), CredentialsError, 4, "wrong, revoked or expired"),
        (problem(403, "forbidden"), CredentialsError, 4, "it is wrong"),
        (problem(404, "job_not_found"), JobNotFound, 2, "it is wrong"),
        (problem(404, "schedule_not_found"), ScheduleNotFound, 2, "it is wrong"),
        (problem(404, "not_found"), UsageError, 2, "an older one"),
        (problem(405, "method_not_allowed"), AwcopyError, 1, "405"),
        (problem(409, "illegal_move"), IllegalMove, 1, "it is wrong"),
        (problem(413, "request_entity_too_large"), UsageError, 2, "it is wrong"),
        (problem(429, "too_many_requests", retry_after="900"), ServiceUnreachable, 7, "patience"),
        (problem(500, "internal"), AwcopyError, 1, "an error of its own"),
        (problem(503, "unreachable"), ServiceUnreachable, 7, "it is wrong"),
        (answer(200, b"<html>Sign in</html>", "text/html"), UsageError, 2, "no dashboard"),
        (answer(200, {"hello": "world"}), UsageError, 2, "no dashboard"),
        (answer(200, b"[1]"), UsageError, 2, "no dashboard"),
        (answer(200, b"[" * 100_000), UsageError, 2, "no dashboard"),
        (answer(401, b"", "text/html"), UsageError, 2, "is no dashboard of awcopy"),
        (answer(403, b"blocked", "text/html"), CredentialsError, 4, "does not let you through"),
        (answer(404, b"<html>", "text/html"), UsageError, 2, "no dashboard"),
        (answer(407, b"", "text/html"), CredentialsError, 4, "does not let you through"),
        (answer(502, b"<html>", "text/html"), ServiceUnreachable, 7, "answered 502"),
        (ConnectionLost("no such host", service_code="dns"), ServiceUnreachable, 7, "no such host"),
        (ConnectionLost("not trusted", service_code="tls", hint="AWCOPY_CA_BUNDLE"), ServiceUnreachable, 7, "trusted"),
        (ConnectionLost("silent", service_code="timeout"), ServiceUnreachable, 7, "silent"),
        (IntegrityError("too long"), UsageError, 2, "too long"),
    ],
)  # fmt: skip
def test_each_answer_is_said_with_what_to_do(wire, got, kind, exit_code, says):
    wire.answers = [got]

    with pytest.raises(AwcopyError, match=says) as caught:
        wire.api().get("/me")

    assert isinstance(caught.value, kind)
    assert caught.value.exit_code == exit_code
    assert caught.value.hint
    assert TOKEN not in f"{caught.value.message} {caught.value.hint}"


def test_the_way_to_mend_a_certificate_is_kept(wire):
    wire.answers = [ConnectionLost("not trusted", service_code="tls", hint="name it in AWCOPY_CA_BUNDLE")]

    with pytest.raises(ServiceUnreachable) as caught:
        wire.api().get("/me")

    assert caught.value.hint == "name it in AWCOPY_CA_BUNDLE"


def test_without_a_token_one_is_asked_for(wire):
    wire.answers = [problem(401, "unauthorized")]

    with pytest.raises(CredentialsError, match="asks for a token") as caught:
        wire.api(api_token=Secret("")).get("/me")

    assert "AWCOPY_API_TOKEN" in caught.value.hint


def test_a_token_that_no_header_takes_is_told(monkeypatch):
    api = Api(Settings(api_url="http://127.0.0.1:1", api_token=Secret("awc_dana_\u20ac")))

    with pytest.raises(CredentialsError, match="no token has"):
        api.get("/me")


def test_a_dashboard_that_asks_for_patience_gets_a_minute_of_it(wire):
    busy = problem(429, "too_many_requests", retry_after="20")
    wire.answers = [busy, busy, answer(200, {"schema": "x", "n": 1})]

    assert wire.api().get("/me")["n"] == 1
    assert wire.naps == [20.0, 20.0]
    wire.answers, wire.naps = [busy], []
    with pytest.raises(ServiceUnreachable):
        wire.api().get("/me")
    assert sum(wire.naps) <= 60


def test_only_what_may_arrive_twice_is_sent_twice(wire):
    wire.answers = [answer()]
    api = wire.api()

    api.get("/me")
    api.post("/jobs/x/pause")
    api.post("/jobs", {}, key="k")

    assert [is_repeatable for *_, is_repeatable in wire.sent] == [True, False, True]


# A job whose request is cut off.


@pytest.fixture
def desk(wire):
    settings = Settings(api_url=URL, api_token=Secret(TOKEN))
    return HttpDesk(settings, sleep=wire.sleep, clock=lambda: wire.now)


def made():
    job = make_job(state=JobState.QUEUED)
    record = snapshot_record(JobSnapshot(job=job, phase=Phase.QUEUED, totals=Totals()))
    return answer(201, {"schema": "awcopy.job/1", "record": record})


LOST = ConnectionLost("closed", service_code="closed")


@pytest.mark.parametrize("cut", [[LOST], [LOST, LOST], [LOST, problem(409, "still_submitting")]])
def test_a_request_for_a_job_that_is_cut_off_is_sent_again_as_the_same(wire, desk, cut):
    wire.answers = [*cut, made()]

    desk.submit(JobRequest(spec=make_spec()))

    keys = {headers["Idempotency-Key"] for _, _, _, headers, _, _ in wire.sent}
    assert (len(keys), len({body for *_, body, _ in wire.sent})) == (1, 1)
    assert len(wire.sent) == len(cut) + 1


def test_two_jobs_have_two_keys(wire, desk):
    wire.answers = [made()]

    for _ in range(2):
        desk.submit(JobRequest(spec=make_spec()))

    assert len({headers["Idempotency-Key"] for _, _, _, headers, _, _ in wire.sent}) == 2


def test_when_no_answer_comes_at_all_that_is_said(wire, desk):
    wire.answers = [LOST]

    with pytest.raises(ServiceUnreachable, match="is not known") as caught:
        desk.submit(JobRequest(spec=make_spec()))

    assert "awcopy jobs list" in caught.value.hint
    assert wire.now <= SUBMIT_FOR_S + 10


@pytest.mark.parametrize(
    "got", [ConnectionLost("refused", service_code="connect"), problem(503, "unreachable"), problem(400)]
)
def test_what_was_not_done_is_not_sent_again(wire, desk, got):
    wire.answers = [got]

    with pytest.raises(AwcopyError, match=r"refused|it is wrong"):
        desk.submit(JobRequest(spec=make_spec()))

    assert len(wire.sent) == 1


def test_more_of_a_history_than_the_api_shows_is_refused(wire, desk):
    with pytest.raises(UsageError, match="1000"):
        desk.list_occurrences("nightly", module.MOST_OCCURRENCES + 1)
    assert wire.sent == []
