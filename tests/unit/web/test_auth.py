"""Who gets in, and what they may do there."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from awcopy.config import Secret, Settings
from awcopy.errors import ServiceUnreachable, UsageError
from awcopy.jobs.tokens import create_token, revoke_token
from awcopy.model.job import JobState
from awcopy.model.schedule import Schedule
from awcopy.model.spec import Deletion, Pruning, Sync
from awcopy.model.token import Role
from tests.unit.web.conftest import make_app
from web import auth, events
from web.auth import COOKIE, SESSION_LIFE
from web.auth_pages import MOST_LOGINS
from web.auth_roles import ANYONE, NEEDED
from web.headers import Reach

REQUEST = {"source": "s3://photos/", "sink": "az://backup/photos"}
ADDRESS = {"REMOTE_ADDR": "192.0.2.1"}


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """Tokens are looked up each time; that they are kept for two seconds has a test of its own."""
    monkeypatch.setattr(auth, "FRESH_S", 0.0)


@pytest.fixture
def tokens(fleet):
    """The text of a token of each role."""
    return {role: create_token(fleet.ledger, role.value, role, 86_400, "root")[1].reveal() for role in Role}


def bearer(text):
    return {"Authorization": f"Bearer {text}"}


def form_of(client, path, page=None):
    text = client.get(page or path).text
    return re.search(rf'action="{path}">\s*<input type="hidden" name="token" value="(\w+)"', text)[1]


def log_in(client, text, following="", **more):
    fields = {"token": form_of(client, "/login"), "next": following, "access": text}
    return client.post("/login", data=fields, **more)


def cookie_of(response):
    return next(line for line in response.headers.getlist("Set-Cookie") if line.startswith(COOKIE))


# The table of roles.


def test_every_request_of_the_app_has_a_role_and_nothing_else_has(client):
    asked = {
        (method, rule.endpoint)
        for rule in client.application.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }

    assert asked == set(NEEDED)


def test_what_has_no_role_is_answered_to_nobody(fleet, tokens):
    app = make_app(fleet)
    app.add_url_rule("/forgotten", "forgotten", lambda: "secret")

    response = app.test_client().get("/forgotten", headers=bearer(tokens[Role.ADMIN]))

    assert response.status_code == 500
    assert "secret" not in response.text


def paths(client, add_job):
    """Yield the method and path of every request, with its role, on a job that is there."""
    job = add_job()
    for rule in client.application.url_map.iter_rules():
        for method in rule.methods - {"HEAD", "OPTIONS"}:
            path = (
                rule.rule.replace("<job_id>", job.id).replace("<verb>", "pause").replace("<name>", "nightly")
            )
            yield method, path.replace("<path:filename>", "app.css"), NEEDED[method, rule.endpoint]


def test_without_a_token_only_what_is_anyones_is_answered(client, add_job, tokens, published):
    for method, path, role in paths(client, add_job):
        response = client.open(path, method=method)
        is_page = method == "GET" and not path.startswith(("/api/", "/events", "/metrics"))
        if role is ANYONE:
            assert response.status_code in {200, 403, 503}, path  # the form's token, or no worker
        elif is_page:
            assert response.status_code == 303, path
            assert response.headers["Location"] == f"/login?next={path}"
        else:
            assert response.status_code == 401, path
            assert response.headers["WWW-Authenticate"].lower().startswith("bearer")
        response.close()
    assert published == []


@pytest.mark.parametrize("role", Role)
def test_a_role_does_what_it_may_and_no_more(client, add_job, tokens, role):
    for method, path, needed in paths(client, add_job):
        if needed is ANYONE or path == "/events":
            continue
        response = client.open(path, method=method, headers=bearer(tokens[role]))
        if role.may(needed):
            # A 403 is the form's, which no page of the session gave.
            assert response.status_code != 401, path
            assert response.status_code != 403 or "the form is of" in response.text, path
        else:
            assert response.status_code == 403, path
            assert f"takes the role {needed.value}" in response.text, path
        response.close()


def test_the_document_says_which_role_each_request_takes(client):
    document = client.get("/api/v1/openapi.json").json
    described = {
        (method.upper(), f"api.{operation['operationId']}"): operation
        for item in document["paths"].values()
        for method, operation in item.items()
    }
    assert set(described) == {key for key in NEEDED if key[1].startswith("api.")}
    for key, operation in described.items():
        role = NEEDED[key]
        assert operation.get("x-role") == (role and role.value)
        assert bool(operation["security"]) is (role is not ANYONE) is ("401" in operation["responses"])
        assert role in {ANYONE, Role.VIEWER} or "403" in operation["responses"]


# Nobody needs one.


def test_while_there_is_no_token_whoever_is_on_this_machine_gets_in(client, add_job):
    assert client.get("/").status_code == 200
    assert client.post("/api/v1/jobs", json=REQUEST).status_code == 201
    assert "Log out" not in client.get("/").text
    assert client.get("/login?next=/workers").headers["Location"] == "/workers"


def test_from_the_first_token_on_nobody_gets_in_without(client, fleet):
    assert client.get("/api/v1/jobs").status_code == 200
    create_token(fleet.ledger, "dana", Role.VIEWER, 60, "")
    assert client.get("/api/v1/jobs").status_code == 401
    revoke_token(fleet.ledger, "dana")
    assert client.get("/api/v1/jobs").status_code == 401


def test_where_others_reach_it_nobody_gets_in_without_even_when_there_is_none(fleet):
    reach = Reach(names=frozenset({"awcopy.example"}), is_public=True)
    client = make_app(fleet, reach=reach).test_client()

    assert client.get("/api/v1/jobs", headers={"Host": "awcopy.example"}).status_code == 401
    assert client.get("/api/v1/jobs").status_code == 401


def test_the_log_says_who_gets_in(client, fleet):
    with capture_logs() as lines:
        auth.say_who_gets_in(client.application)
        create_token(fleet.ledger, "dana", Role.VIEWER, 60, "")
        auth.say_who_gets_in(client.application)

    assert [line["event"] for line in lines] == ["web_open", "web_asks_for_tokens"]


# Programs.


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Bearer awc_admin_" + "0" * 48,
        "Basic YWRtaW46YWRtaW4=",
        "Token {}",
        "{}",
        "Bearer {}x",
        "Bearer x{}",
    ],
)
def test_a_garbled_token_is_a_401_that_says_what_to_send(client, tokens, value):
    headers = {"Authorization": value.replace("{}", tokens[Role.ADMIN])}

    response = client.get("/api/v1/jobs", headers=headers)

    assert (response.status_code, response.mimetype) == (401, "application/problem+json")
    assert response.json["code"] == "unauthorized"
    assert "awcopy token create" in response.json["hint"]
    assert tokens[Role.ADMIN] not in response.text


def test_the_wrong_role_is_a_403_that_names_the_right_one(client, add_job, tokens, published):
    response = client.post(f"/api/v1/jobs/{add_job().id}/cancel", headers=bearer(tokens[Role.VIEWER]))

    assert (response.status_code, response.mimetype) == (403, "application/problem+json")
    assert response.json["detail"] == "this takes the role operator, and this token has viewer"
    assert response.json["hint"]
    assert published == []


def test_a_method_cannot_be_dressed_up_as_another(client, fleet, add_job, tokens):
    job = add_job()
    for headers in ({"X-HTTP-Method-Override": "GET"}, {"X-Method-Override": "GET"}):
        path = f"/api/v1/jobs/{job.id}/cancel?_method=GET"
        assert client.post(path, headers=headers | bearer(tokens[Role.VIEWER])).status_code == 403
    for headers in ({"X-HTTP-Method-Override": "POST"}, {}):
        path = f"/api/v1/jobs/{job.id}/cancel?_method=POST"
        assert client.get(path, headers=headers | bearer(tokens[Role.ADMIN])).status_code == 405
    assert fleet.ledger.get_job(job.id).state is JobState.RUNNING


def test_an_ended_token_is_no_token(client, fleet, tokens):
    expired, text = create_token(fleet.ledger, "old", Role.ADMIN, 60, "")
    assert client.get("/api/v1/jobs", headers=bearer(text.reveal())).status_code == 200
    row = next(one for one in fleet.ledger.list_tokens() if one.name == expired.name)
    fleet.ledger.update_token(replace(row, expires_at=datetime.now(UTC) - timedelta(seconds=1)))
    assert client.get("/api/v1/jobs", headers=bearer(text.reveal())).status_code == 401

    revoke_token(fleet.ledger, Role.ADMIN.value)
    assert client.get("/api/v1/jobs", headers=bearer(tokens[Role.ADMIN])).status_code == 401


def test_tokens_are_looked_up_every_two_seconds(client, fleet, tokens, monkeypatch):
    monkeypatch.setattr(auth, "FRESH_S", 2.0)
    now, reads = [100.0], []
    book = client.application.extensions["awcopy.tokens"]
    monkeypatch.setattr(book, "_clock", lambda: now[0])
    list_tokens = fleet.ledger.list_tokens
    monkeypatch.setattr(fleet.ledger, "list_tokens", lambda: reads.append(now[0]) or list_tokens())
    headers = bearer(tokens[Role.VIEWER])
    client.get("/api/v1/jobs", headers=headers)  # it notes the use, and looks again for that
    reads.clear()

    for now[0] in (101.0, 102.0, 102.9, 103.0):
        assert client.get("/api/v1/jobs", headers=headers).status_code == 200
    assert len(reads) == 2

    revoke_token(fleet.ledger, Role.VIEWER.value)
    now[0] = 106.0
    assert client.get("/api/v1/jobs", headers=headers).status_code == 401


def test_a_new_token_is_known_almost_at_once_and_a_wrong_one_costs_little(client, fleet, tokens, monkeypatch):
    monkeypatch.setattr(auth, "FRESH_S", 2.0)
    now, reads = [100.0], []
    book = client.application.extensions["awcopy.tokens"]
    monkeypatch.setattr(book, "_clock", lambda: now[0])
    list_tokens = fleet.ledger.list_tokens
    monkeypatch.setattr(fleet.ledger, "list_tokens", lambda: reads.append(now[0]) or list_tokens())
    assert client.get("/api/v1/jobs", headers=bearer("awc_new_" + "0" * 48)).status_code == 401
    text = create_token(fleet.ledger, "new", Role.VIEWER, 60, "")[1].reveal()
    reads.clear()

    for _ in range(5):
        assert client.get("/api/v1/jobs", headers=bearer(text)).status_code == 401
    assert reads == []
    now[0] = 100.3
    assert client.get("/api/v1/jobs", headers=bearer(text)).status_code == 200


def test_a_use_is_kept(client, fleet, tokens):
    client.get("/api/v1/jobs", headers=bearer(tokens[Role.VIEWER]))

    used = {one.name: one.used_at for one in fleet.ledger.list_tokens()}
    assert used["viewer"] is not None
    assert used["admin"] is None


def test_a_ledger_that_is_away_lets_nobody_in(client, fleet, tokens, monkeypatch):
    def refuse(*_args, **_named):
        raise ServiceUnreachable("the ledger does not answer")

    monkeypatch.setattr(fleet.ledger, "list_tokens", refuse)

    assert client.get("/api/v1/jobs", headers=bearer(tokens[Role.ADMIN])).status_code == 503
    page = client.get("/")
    assert (page.status_code, "cannot look right now" in page.text) == (503, True)
    assert client.get("/api/v1/health").status_code == 200


# Jobs that delete.


@pytest.mark.parametrize("verb", ["resume", "retry"])
@pytest.mark.parametrize(
    "changes", [{"deletion": Deletion()}, {"sync": Sync(pruning=None)}], ids=["deletes", "keeps"]
)
def test_a_job_that_deletes_is_started_again_by_an_admin_only(
    client, fleet, add_job, tokens, published, verb, changes
):
    state = JobState.PAUSED if verb == "resume" else JobState.COMPLETED_WITH_ERRORS
    job = add_job(state=state)
    job = fleet.ledger.update_job(replace(fleet.ledger.get_job(job.id), spec=replace(job.spec, **changes)))
    path = f"/api/v1/jobs/{job.id}/{verb}"

    response = client.post(path, headers=bearer(tokens[Role.OPERATOR]))

    assert (response.status_code == 403) is job.spec.deletes
    if job.spec.deletes:
        assert "what deletes takes the role admin" in response.json["detail"]
        assert published == []
        assert client.post(path, headers=bearer(tokens[Role.ADMIN])).status_code != 403


@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("jobs", {"delete_source": True}),
        ("jobs", {"command": "sync", "delete": True}),
        ("schedules", {"name": "n", "every": "6h", "delete": True}),
    ],
)
def test_what_deletes_is_created_by_an_admin_only(client, tokens, published, path, more):
    def ask(role):
        return client.post(f"/api/v1/{path}", json=REQUEST | more, headers=bearer(tokens[role])).status_code

    assert ask(Role.OPERATOR) == 403
    assert client.get(f"/api/v1/{path}", headers=bearer(tokens[Role.VIEWER])).json[path] == []
    assert ask(Role.ADMIN) == 201


@pytest.mark.parametrize("verb", ["run", "resume", "pause"])
def test_a_schedule_that_deletes_is_run_by_an_admin_only(client, fleet, add_job, tokens, verb):
    spec = replace(add_job().spec, sync=Sync(pruning=Pruning()))
    now = datetime.now(UTC).replace(microsecond=0)
    facts = {"user": "", "created_at": now, "fired_to": now, "every_s": 3600}
    fleet.ledger.add_schedule(Schedule(name="nightly", spec=spec, is_paused=verb == "resume", **facts))
    path = f"/api/v1/schedules/nightly/{verb}"

    refused = client.post(path, headers=bearer(tokens[Role.OPERATOR])).status_code == 403

    assert refused is (verb != "pause")
    page = client.get("/schedules/nightly", headers=bearer(tokens[Role.OPERATOR])).text
    assert "/nightly/run" not in page
    assert "/nightly/resume" not in page
    assert client.post(path, headers=bearer(tokens[Role.ADMIN])).status_code == 200


def test_buttons_that_a_role_may_not_use_are_not_there(client, fleet, add_job, tokens):
    job, deleting = add_job(), add_job(state=JobState.PAUSED)
    fleet.ledger.update_job(
        replace(fleet.ledger.get_job(deleting.id), spec=replace(deleting.spec, deletion=Deletion()))
    )

    def verbs(role, one):
        page = client.get(f"/jobs/{one.id}", headers=bearer(tokens[role])).text
        return set(re.findall(rf'action="/jobs/{one.id}/(\w+)"', page))

    assert verbs(Role.VIEWER, job) == set()
    assert verbs(Role.OPERATOR, job) == {"pause", "cancel", "agents", "bandwidth"}
    assert verbs(Role.VIEWER, deleting) == set()
    assert verbs(Role.OPERATOR, deleting) == {"cancel", "agents", "bandwidth"}
    assert verbs(Role.ADMIN, deleting) == {"resume", "cancel", "agents", "bandwidth"}


# Sessions.


def test_a_login_leads_to_where_one_was_going_and_a_logout_ends_it(client, add_job, tokens):
    job = add_job()
    asked = client.get(f"/jobs/{job.id}?x=1")
    assert asked.headers["Location"] == f"/login?next=/jobs/{job.id}?x%3D1"

    response = log_in(client, f" {tokens[Role.OPERATOR]}\n", f"/jobs/{job.id}?x=1")

    assert (response.status_code, response.headers["Location"]) == (303, f"/jobs/{job.id}?x=1")
    page = client.get(f"/jobs/{job.id}").text
    assert 'operator <span class="note">(operator)</span>' in page
    assert client.get(f"/api/v1/jobs/{job.id}").status_code == 200

    token = form_of(client, "/logout", f"/jobs/{job.id}")
    assert client.post("/logout", data={"token": "0" * 64}).status_code == 403
    assert client.get("/").status_code == 200
    assert client.post("/logout", data={"token": token}).headers["Location"] == "/login"
    assert client.get("/").status_code == 303


def test_the_cookie_holds_no_token_and_is_kept_from_scripts_and_other_sites(client, fleet, tokens):
    cookie = cookie_of(log_in(client, tokens[Role.ADMIN]))

    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie
    assert tokens[Role.ADMIN].rpartition("_")[2] not in cookie
    digest = next(one.digest for one in fleet.ledger.list_tokens() if one.name == "admin")
    assert digest not in cookie


def test_over_tls_the_cookie_stays_there(client, tokens):
    cookie = cookie_of(log_in(client, tokens[Role.ADMIN], base_url="https://localhost"))

    assert "; Secure" in cookie


def test_a_session_ends_by_itself_however_much_it_is_used(client, fleet, tokens, monkeypatch):
    log_in(client, tokens[Role.VIEWER])
    signed_at = itsdangerous_time(monkeypatch)
    for hours, status in ((6, 200), (11, 200), (13, 303)):
        signed_at(hours * 3600)
        response = client.get("/")
        assert response.status_code == status, hours
        if status == 200:
            assert "Set-Cookie" not in response.headers
    assert timedelta(hours=11) < SESSION_LIFE < timedelta(hours=13)


def itsdangerous_time(monkeypatch):
    """Return what moves the clock by which sessions grow old."""
    from itsdangerous import TimestampSigner

    get_timestamp = TimestampSigner.get_timestamp
    ahead = [0]
    monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda self: get_timestamp(self) + ahead[0])
    return lambda seconds: ahead.__setitem__(0, seconds)


@pytest.mark.parametrize("end", ["revoke", "expire", "replace"])
def test_a_session_ends_with_its_token(client, fleet, tokens, end):
    log_in(client, tokens[Role.VIEWER])
    assert client.get("/").status_code == 200

    if end == "expire":
        row = next(one for one in fleet.ledger.list_tokens() if one.name == "viewer")
        fleet.ledger.update_token(replace(row, expires_at=datetime.now(UTC)))
    else:
        revoke_token(fleet.ledger, "viewer")
    if end == "replace":
        create_token(fleet.ledger, "viewer", Role.ADMIN, 60, "")

    assert client.get("/").status_code == 303


def test_an_open_stream_ends_with_its_token(client, fleet, tokens, monkeypatch):
    monkeypatch.setattr(events, "_PAUSE_S", 0)
    log_in(client, tokens[Role.VIEWER])

    with client.get("/events") as response:
        chunks = iter(response.response)
        assert "hello" in str(next(chunks))
        assert "snapshot" in str(next(chunks))
        revoke_token(fleet.ledger, "viewer")
        assert list(chunks) == []


def test_a_session_outlasts_a_restart_where_the_key_is_kept(fleet, tokens):
    key = Settings(web_key=Secret("k" * 32))
    before, after, other = (make_app(fleet, settings) for settings in (key, key, Settings()))
    client = before.test_client()
    value = cookie_of(log_in(client, tokens[Role.VIEWER])).split(";")[0].split("=", 1)[1]

    for app, status in ((after, 200), (other, 303)):
        again = app.test_client()
        again.set_cookie(COOKIE, value)
        assert again.get("/").status_code == status


def test_a_key_that_can_be_guessed_is_refused(fleet):
    with pytest.raises(UsageError, match="AWCOPY_WEB_KEY has less than 32"):
        make_app(fleet, Settings(web_key=Secret("k" * 31)))


@pytest.mark.parametrize("value", ["", "x", "eyJuYW1lIjoiYWRtaW4ifQ.x.y"])
def test_a_forged_cookie_lets_nobody_in(client, tokens, value):
    client.set_cookie(COOKIE, value)

    assert client.get("/").status_code == 303
    assert client.get("/api/v1/jobs").status_code == 401


def test_in_the_api_a_cookie_changes_nothing(client, add_job, tokens, published):
    job = add_job()
    log_in(client, tokens[Role.ADMIN])

    assert client.get(f"/api/v1/jobs/{job.id}").status_code == 200
    assert client.post(f"/api/v1/jobs/{job.id}/cancel").status_code == 401
    assert client.post("/api/v1/jobs", json=REQUEST).status_code == 401
    assert published == []


def test_a_form_belongs_to_its_session(client, fleet, add_job, tokens, published):
    job = add_job()
    path = f"/jobs/{job.id}/cancel"
    log_in(client, tokens[Role.OPERATOR])
    stale = form_of(client, path, f"/jobs/{job.id}")
    other = client.application.test_client()
    log_in(other, tokens[Role.ADMIN])

    assert client.post(path).status_code == 403
    assert other.post(path, data={"token": stale}).status_code == 403
    assert published == []
    assert client.post(path, data={"token": stale}).status_code == 303
    assert fleet.ledger.get_job(job.id).state is JobState.CANCELLING


def test_after_a_new_login_the_old_forms_are_waste(client, add_job, tokens, published):
    job = add_job()
    path = f"/jobs/{job.id}/cancel"
    log_in(client, tokens[Role.OPERATOR])
    stale = form_of(client, path, f"/jobs/{job.id}")
    client.post("/logout", data={"token": form_of(client, "/logout", "/")})
    log_in(client, tokens[Role.OPERATOR])

    assert client.post(path, data={"token": stale}).status_code == 403
    assert published == []


@pytest.mark.parametrize(
    "following",
    [
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "https://evil.example/",
        "/\t/evil.example",
        "/\n/evil.example",
        "javascript:alert(1)",
        "jobs",
        "/a\r\nSet-Cookie: x=1",
        "/\u2028",
        "",
    ],
)
def test_nobody_is_led_to_another_site(client, tokens, following):
    page = client.get("/login", query_string={"next": following}).text
    assert re.search(r'name="next" value="([^"]*)"', page)[1] == "/"

    response = log_in(client, tokens[Role.VIEWER], following)

    assert (response.status_code, response.headers["Location"]) == (303, "/")
    assert client.get("/login", query_string={"next": following}).headers["Location"] == "/"


@pytest.mark.parametrize("text", ["", "x", "awc_admin_" + "0" * 48, "\x00", "a" * 5000])
def test_a_wrong_token_is_told_so_on_the_page(client, tokens, text):
    response = log_in(client, text)

    assert response.status_code == 403
    assert 'role="alert"' in response.text
    assert "Set-Cookie" not in response.headers
    assert client.get("/").status_code == 303


def test_a_login_comes_from_our_own_page(client, tokens):
    assert client.post("/login", data={"access": tokens[Role.ADMIN]}).status_code == 403
    fields = {"token": form_of(client, "/login"), "access": tokens[Role.ADMIN]}
    evil = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert client.post("/login", data=fields, headers=evil).status_code == 403
    assert client.get("/").status_code == 303


def test_an_address_tries_five_times_a_minute(client, tokens):
    for _ in range(MOST_LOGINS):
        assert log_in(client, "wrong", environ_overrides=ADDRESS).status_code == 403

    refused = log_in(client, tokens[Role.ADMIN], environ_overrides=ADDRESS)

    assert refused.status_code == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert log_in(client, tokens[Role.ADMIN]).status_code == 303  # from another address


def test_a_visitor_submits_thirty_jobs_a_minute(client, tokens):
    for _ in range(30):
        assert (
            client.post("/api/v1/jobs", json=REQUEST, headers=bearer(tokens[Role.ADMIN])).status_code == 201
        )

    refused = client.post("/api/v1/jobs", json=REQUEST, headers=bearer(tokens[Role.ADMIN]))

    assert (refused.status_code, refused.mimetype) == (429, "application/problem+json")
    assert int(refused.headers["Retry-After"]) > 0
    assert client.post("/api/v1/jobs", json=REQUEST, headers=bearer(tokens[Role.OPERATOR])).status_code == 201


# What is written down.


def test_whoever_changes_something_is_named_and_no_token_is(client, fleet, add_job, tokens, published):
    job = add_job()
    with capture_logs() as lines:
        log_in(client, "wrong")
        log_in(client, tokens[Role.OPERATOR])
        token = form_of(client, f"/jobs/{job.id}/pause", f"/jobs/{job.id}")
        client.post(f"/jobs/{job.id}/pause", data={"token": token})
        client.post(f"/api/v1/jobs/{job.id}/resume", headers=bearer(tokens[Role.ADMIN]))
        client.post(f"/api/v1/jobs/{job.id}/cancel", headers=bearer(tokens[Role.VIEWER]))

    told = [(line["event"], line.get("action"), line.get("token")) for line in lines]
    assert told == [
        ("login_refused", None, None),
        ("logged_in", None, "operator"),
        ("asked_over_http", "pause", "operator"),
        ("asked_over_http", "resume", "admin"),
        ("refused_over_http", None, "viewer"),
    ]
    written = json.dumps(lines, default=str)
    assert not any(text.rpartition("_")[2] in written for text in tokens.values())


# Names, and servers in front.


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("awcopy.example", 401),
        ("AWCOPY.example:8443", 401),
        ("localhost:8080", 401),
        ("evil.example", 400),
        ("awcopy.example.evil.example", 400),
        ("awcopy.example:8080:80", 400),
        ("awcopy.example@evil.example", 400),
        ("", 400),
    ],
)
def test_it_answers_to_the_names_that_it_was_given(fleet, host, status):
    reach = Reach(names=frozenset({"awcopy.example"}), is_public=True)
    client = make_app(fleet, reach=reach).test_client()

    response = client.get("/api/v1/jobs", headers={"Host": host, "X-Forwarded-Host": "awcopy.example"})

    assert response.status_code == status


@pytest.mark.parametrize(
    ("proxies", "address", "is_tls"), [(0, "127.0.0.1", False), (1, "198.51.100.9", True)]
)
def test_a_server_in_front_is_believed_only_where_it_is_named(fleet, tokens, proxies, address, is_tls):
    app = make_app(fleet, reach=Reach(names=frozenset({"a.example"}), proxies=proxies, is_public=True))
    forwarded = {
        "Host": "a.example",
        "X-Forwarded-For": "203.0.113.5, 198.51.100.9",
        "X-Forwarded-Proto": "https",
    }
    client = app.test_client()
    page = client.get("/login", headers=forwarded).text
    token = re.search(r'name="token" value="(\w+)"', page)[1]
    fields = {"token": token, "access": tokens[Role.VIEWER]}
    with capture_logs() as lines:
        response = client.post("/login", data=fields, headers=forwarded)

    assert [line["address"] for line in lines if line["event"] == "logged_in"] == [address]
    assert ("; Secure" in cookie_of(response)) is is_tls


def test_pages_are_not_kept_for_whoever_comes_after(client, add_job):
    for path in ("/", f"/jobs/{add_job().id}", "/api/v1/jobs", "/login"):
        assert client.get(path).headers["Cache-Control"] == "no-store", path
