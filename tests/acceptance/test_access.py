"""Who gets into a real ``awcopy web``: tokens, sessions, and what is sent by those who should not."""

from __future__ import annotations

import http.client
import json
import re
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from itertools import count
from pathlib import Path

import pytest

from awcopy.demo.fleet import awcopy_command
from awcopy.demo.ports import pick_ports
from awcopy.demo.processes import ChildProcess, Launch

LIMIT_S = 60
NAME = "awcopy.example"
JOB = {"source": "s3://photos/", "sink": "az://backup/photos"}
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True, kw_only=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    text: str

    def json(self):
        return json.loads(self.text)


@dataclass(kw_only=True)
class Door:
    """A dashboard of a fleet without workers, in a namespace of its own, and a token of each role."""

    port: int
    process: ChildProcess
    tokens: dict[str, str]
    run: object
    addresses: Iterator[int] = field(default_factory=count)

    def ask(self, method, path, body=None, host=NAME, **headers) -> Answer:
        """Send one request as it is said, and nothing else."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LIMIT_S)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        # A visitor of its own for each request that does not say, since an address has only so many logins.
        named = {"X-Forwarded-For": str(IPv4Address("198.18.0.0") + next(self.addresses)), **named}
        try:
            connection.putrequest(method, path, skip_host=True)
            connection.putheader("Host", host)
            content = body.encode() if isinstance(body, str) else body
            for name, value in named.items():
                connection.putheader(name, value)
            if content is not None:
                connection.putheader("Content-Length", str(len(content)))
            connection.endheaders(content)
            answer = connection.getresponse()
            return Answer(status=answer.status, headers=answer.headers, text=answer.read().decode())
        finally:
            connection.close()

    def api(self, method, path, role, body=None, **headers) -> Answer:
        """Ask the API as a program with a token of this role does."""
        content = None if body is None else json.dumps(body)
        more = JSON if content else {}
        bearer = {"Authorization": f"Bearer {self.tokens[role]}"}
        return self.ask(method, f"/api/v1/{path}", content, **more, **bearer, **headers)

    def log_in(self, text, following="/", **headers) -> Answer:
        """Fill in the form of the login page."""
        page = self.ask("GET", "/login", **headers).text
        fields = {"token": hidden(page, "/login"), "access": text, "next": following}
        return self.ask("POST", "/login", urllib.parse.urlencode(fields), **FORM, **headers)

    def log(self) -> str:
        return self.process.log_path.read_text(encoding="utf-8")


def hidden(page, path):
    return re.search(rf'action="{path}">\s*<input type="hidden" name="token" value="(\w+)"', page)[1]


def session(answer):
    return answer.headers["Set-Cookie"].partition(";")[0]


@pytest.fixture(scope="module")
def door(place, tmp_path_factory):
    folder: Path = tmp_path_factory.mktemp("door")
    env = {**place.env, "AWCOPY_NAMESPACE": "door", "AWCOPY_WEB_KEY": "k" * 40}
    [port] = pick_ports(1)
    words = ["web", "--port", str(port), "--name", NAME, "--proxies", "1"]

    def run(*arguments):
        return place.awcopy(*arguments, AWCOPY_NAMESPACE="door")

    refused = run(*words)
    assert refused.returncode == 4, refused.stderr
    assert "awcopy token create NAME --role admin" in refused.stderr
    tokens = {}
    for role in ("viewer", "operator", "admin"):
        made = run("token", "create", role, "--role", role)
        assert made.returncode == 0, made.stderr
        tokens[role] = made.stdout.strip()
    launch = Launch(
        name="web",
        command=awcopy_command(*words),
        folder=folder,
        is_ready=lambda: answers(port),
        environment=env,
    )
    process = ChildProcess(launch)
    process.start()
    yield Door(port=port, process=process, tokens=tokens, run=run)
    process.stop()


def answers(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/api/v1/health")
        return connection.getresponse().status == 200
    finally:
        connection.close()


def wait_until(holds):
    deadline = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def make_job(door):
    made = door.api("POST", "jobs", "admin", JOB)
    assert made.status == 201, made.text
    return made.json()["id"]


def state_of(door, job_id):
    return door.api("GET", f"jobs/{job_id}", "viewer").json()["state"]


def test_each_role_does_what_it_may(door):
    job_id = make_job(door)
    for role, create, cancel in (("viewer", 403, 403), ("operator", 201, 200)):
        assert door.api("GET", "jobs", role).status == 200
        assert door.api("POST", "jobs", role, JOB).status == create
        refused = door.api("POST", f"jobs/{job_id}/cancel", role)
        assert refused.status == cancel
    assert state_of(door, job_id) in {"cancelling", "cancelled"}
    assert door.api("GET", f"jobs/{job_id}", "viewer").json()["user"] == "admin"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "awc_admin_" + "0" * 48,
        "awc_nobody_" + "0" * 48,
        "{}0",
        "{}\u00e9".encode().decode("latin-1"),
    ],
)
def test_a_garbled_token_is_refused_with_what_to_do(door, text):
    value = f"Bearer {text.replace('{}', door.tokens['admin'])}"
    answer = door.ask("GET", "/api/v1/jobs", Authorization=value)

    assert (answer.status, answer.headers.get_content_type()) == (401, "application/problem+json")
    assert "awcopy token create" in answer.json()["hint"]
    assert answer.headers["WWW-Authenticate"].lower().startswith("bearer")


def test_a_revoked_token_is_out_within_seconds_and_so_is_its_session(door):
    text = door.run("token", "create", "leaver", "--role", "admin").stdout.strip()
    bearer = {"Authorization": f"Bearer {text}"}
    assert door.ask("GET", "/api/v1/jobs", **bearer).status == 200
    cookie = session(door.log_in(text))
    assert door.ask("GET", "/jobs", Cookie=cookie).status == 200

    assert door.run("token", "revoke", "leaver").returncode == 0

    wait_until(lambda: door.ask("GET", "/api/v1/jobs", **bearer).status == 401)
    assert door.ask("GET", "/jobs", Cookie=cookie).status == 303
    assert door.log_in(text).status == 403


def listed(door):
    found = json.loads(door.run("token", "list", "-o", "json").stdout)
    return {one["name"]: one["state"] for one in found}


def test_an_expired_token_is_out(door):
    text = door.run("token", "create", "guest", "--role", "admin", "--expires", "15s").stdout.strip()
    assert door.ask("GET", "/api/v1/jobs", Authorization=f"Bearer {text}").status == 200
    wait_until(lambda: door.ask("GET", "/api/v1/jobs", Authorization=f"Bearer {text}").status == 401)
    # A command that has just begun knows the ledger's time to a second only.
    wait_until(lambda: listed(door)["guest"] == "expired")


def test_a_person_logs_in_looks_acts_and_logs_out(door):
    job_id = make_job(door)
    asked = door.ask("GET", f"/jobs/{job_id}")
    assert (asked.status, asked.headers["Location"]) == (303, f"/login?next=/jobs/{job_id}")
    entered = door.log_in(door.tokens["operator"], f"/jobs/{job_id}", X_Forwarded_Proto="https")
    assert (entered.status, entered.headers["Location"]) == (303, f"/jobs/{job_id}")
    assert {"HttpOnly", "SameSite=Lax", "Secure"} <= set(entered.headers["Set-Cookie"].split("; "))
    cookie = session(entered)
    page = door.ask("GET", f"/jobs/{job_id}", Cookie=cookie).text
    cancel = f"/jobs/{job_id}/cancel"
    form = urllib.parse.urlencode({"token": hidden(page, cancel)})

    other = session(door.log_in(door.tokens["admin"]))
    for sent in ({"Cookie": cookie}, {}):  # the cookie without the form's token, and the other way round
        body = "" if sent else form
        assert door.ask("POST", cancel, body, **FORM, **sent).status in {401, 403}
    assert door.ask("POST", cancel, form, **FORM, Cookie=other).status == 403
    evil = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert door.ask("POST", cancel, form, **FORM, Cookie=cookie, **evil).status == 403
    assert door.ask("POST", f"/api/v1{cancel}", Cookie=cookie).status == 401
    assert state_of(door, job_id) == "queued"

    assert door.ask("POST", cancel, form, **FORM, Cookie=cookie).status == 303
    assert state_of(door, job_id) in {"cancelling", "cancelled"}
    leave = urllib.parse.urlencode({"token": hidden(page, "/logout")})
    left = door.ask("POST", "/logout", leave, **FORM, Cookie=cookie)
    assert left.status == 303
    assert "Max-Age=0" in left.headers["Set-Cookie"]


def test_a_viewer_sees_no_button(door):
    job_id = make_job(door)
    cookie = session(door.log_in(door.tokens["viewer"]))

    page = door.ask("GET", f"/jobs/{job_id}", Cookie=cookie).text

    assert re.findall(r'<form method="post" action="([^"]+)"', page) == []
    assert '<form class="who" method="post" action="/logout">' in page
    assert door.ask("GET", "/jobs/new", Cookie=cookie).status == 403


def test_guessing_is_slowed_down(door):
    attacker = {"X_Forwarded_For": "203.0.113.7"}
    tried = [door.log_in("awc_admin_" + f"{n:048x}", **attacker).status for n in range(6)]

    assert tried == [403] * 5 + [429]
    assert door.log_in(door.tokens["admin"], **attacker).status == 429
    # Whatever the attacker claims, the last address is the one that the server in front saw.
    spoofed = {"X_Forwarded_For": "198.51.100.1, 203.0.113.7"}
    assert door.log_in(door.tokens["admin"], **spoofed).status == 429
    assert door.log_in(door.tokens["admin"]).status == 303


@pytest.mark.parametrize(
    "following",
    ["//evil.example", "/\\evil.example", "https://evil.example", "/\t/evil.example", "javascript:x"],
)
def test_a_login_leads_nowhere_else(door, following):
    assert door.log_in(door.tokens["viewer"], following).headers["Location"] == "/"


@pytest.mark.parametrize("host", ["evil.example", "awcopy.example.evil.example", "169.254.169.254", ""])
def test_another_name_is_refused(door, host):
    for path in ("/login", "/api/v1/jobs", "/static/app.css", "/api/v1/health"):
        answer = door.ask("GET", path, host=host, X_Forwarded_Host=NAME, X_Host=NAME)
        assert answer.status == 400, path


def test_a_method_is_what_it_is(door):
    job_id = make_job(door)
    for name in ("X_HTTP_Method_Override", "X_Method_Override", "X_HTTP_Method"):
        assert door.api("POST", f"jobs/{job_id}/cancel", "viewer", **{name: "GET"}).status == 403
        assert door.api("GET", f"jobs/{job_id}/cancel", "admin", **{name: "POST"}).status == 405
    assert state_of(door, job_id) == "queued"


def body_of(**changes):
    return json.dumps({**JOB, **changes})


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        pytest.param(b"x" * 10_000_000, "application/json", 413, id="10 MB"),
        pytest.param("[" * 30_000 + "]" * 30_000, "application/json", 400, id="deep"),
        pytest.param('{"a":' * 10_000 + "1" + "}" * 10_000, "application/json", 400, id="deep objects"),
        pytest.param(body_of()[:-1] + ', "sink": "az://evil/x"}', "application/json", 400, id="twice"),
        pytest.param(body_of()[:-1] + ', "agents": NaN}', "application/json", 400, id="NaN"),
        pytest.param(body_of()[:-1] + ', "agents": Infinity}', "application/json", 400, id="Infinity"),
        pytest.param(body_of()[:-1] + f', "agents": {"9" * 5000}}}', "application/json", 400, id="huge"),
        pytest.param(body_of(agents=2**63), "application/json", 400, id="wide"),
        pytest.param(body_of()[:-1] + ', "agents": 1e400}', "application/json", 400, id="beyond floats"),
        pytest.param(body_of(access_key="AKIA"), "application/json", 400, id="credentials"),
        pytest.param(body_of(), "text/plain", 415, id="text"),
        pytest.param(body_of(), "application/x-www-form-urlencoded", 415, id="form"),
        pytest.param(b"\xff\xfe{}", "application/json", 400, id="not UTF-8"),
        pytest.param("null", "application/json", 400, id="null"),
    ],
)
def test_a_body_that_is_none_is_refused_and_makes_no_job(door, body, kind, status):
    before = len(door.api("GET", "jobs?limit=200", "admin").json()["jobs"])
    bearer = {"Authorization": f"Bearer {door.tokens['operator']}", "Content-Type": kind}
    try:
        answer = door.ask("POST", "/api/v1/jobs", body, **bearer)
    except (BrokenPipeError, ConnectionResetError):
        assert status == 413  # it did not wait for the rest
    else:
        assert answer.status == status, answer.text
        assert answer.headers.get_content_type() == "application/problem+json"
    assert len(door.api("GET", "jobs?limit=200", "admin").json()["jobs"]) == before


def test_a_restart_ends_no_session_where_the_key_is_kept(door):
    cookie = session(door.log_in(door.tokens["viewer"]))

    door.process.restart()

    assert door.ask("GET", "/jobs", Cookie=cookie).status == 200


def test_no_token_is_written_down_anywhere(door, place):
    """Last, when all of the others have left what they leave: logs, rows, and what others see of processes."""
    logged = door.log()
    kept = door.run("token", "list", "-o", "json").stdout + rows_of(place)
    names, held = place.redis_dump()
    for text in door.tokens.values():
        secret = text.rpartition("_")[2]
        assert secret not in logged
        assert secret not in kept
        assert secret.encode() not in held + b"".join(names)
        assert not any(secret.encode() in line for line in command_lines())
    events = {json.loads(line)["event"] for line in logged.splitlines() if line.startswith("{")}
    assert {"logged_in", "login_refused", "logged_out", "refused_over_http", "asked_over_http"} <= events


def rows_of(place):
    from azure.data.tables import TableServiceClient

    with TableServiceClient.from_connection_string(place.servers.ledger.connection_string) as service:
        tables = [table.name for table in service.list_tables() if table.name.startswith("door")]
        assert "doortokens" in tables
        return "".join(
            str(dict(row)) for name in tables for row in service.get_table_client(name).list_entities()
        )


def command_lines():
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield path.read_bytes()
        except OSError:  # it has ended
            continue
