"""The dashboard's and Flower's own processes, on loopback."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest
from celery import Celery

# Port 1 of loopback: nothing answers there.
KNOWN = {"Authorization": "Basic " + base64.b64encode(b"anybody:password-of-tests").decode()}
NOWHERE = "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=YQ==;TableEndpoint=http://127.0.0.1:1/a;BlobEndpoint=http://127.0.0.1:1/a;"
RUN_WEB = f"""
from awcopy.config import Secret, Settings
from web.server import run_web
run_web(Settings(ledger=Secret({NOWHERE!r}), redis_url=Secret("redis://127.0.0.1:1/0")), "127.0.0.1", 0)
"""
RUN_FLOWER = """
import sys
from awcopy.config import Secret
from celery import Celery
from workers.flower import run_flower
run_flower(Celery(broker=sys.argv[1]), Secret("password-of-tests"), "127.0.0.1", 0)
"""


@contextmanager
def running(tmp_path, code, *arguments, **options):
    """Start a program that logs the address it listens at; yield it with the port."""
    log = tmp_path / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments], stdout=out, stderr=subprocess.STDOUT, **options
        )
    try:
        found = wait_for(lambda: re.search(r"http://127\.0\.0\.1:(\d+)/", log.read_text()))
        yield process, int(found[1])
    finally:
        process.kill()
        process.wait()


def wait_for(look, timeout_s=30.0):
    deadline = time.monotonic() + timeout_s
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)
    return found


def get(port, path, **headers):
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read(), response.headers
    finally:
        connection.close()


@pytest.mark.parametrize("has_session", [True, False])
def test_a_dashboard_lets_others_on_its_machine_go_first(tmp_path, has_session):
    ours, our_group = os.getpriority(os.PRIO_PROCESS, 0), group_nice(os.getpid())
    with running(tmp_path, RUN_WEB, start_new_session=has_session) as (process, _):
        own, own_group = os.getpriority(os.PRIO_PROCESS, process.pid), group_nice(process.pid)

    assert own == min(19, ours + 5)
    if not has_session:
        assert own_group == our_group
    elif own_group is not None:
        assert own_group == 5
    assert group_nice(os.getpid()) == our_group


def group_nice(pid):
    """Return what Linux weighs a session's processes by together; None where it does not, or nobody may say so."""
    group = Path(f"/proc/{pid}/autogroup")
    # Empty for the processes of the first session.
    said = group.read_text().split() if os.access(group, os.W_OK) else []
    return int(said[-1]) if said else None


def test_a_dashboard_whose_ledger_is_away_says_so_and_stops_when_told(tmp_path):
    with running(tmp_path, RUN_WEB) as (process, port):
        assert get(port, "/static/app.css")[0] == 200
        status, body, _ = get(port, "/api/v1/health")
        assert (status, json.loads(body)["code"]) == (503, "unreachable")

        process.send_signal(signal.SIGTERM)

        assert process.wait(timeout=15) == 0


@pytest.fixture
def flower_port(tmp_path, redis_server):
    with running(tmp_path, RUN_FLOWER, redis_server.url) as (process, port):
        yield port
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=15) == 0


def test_flower_shows_readable_arguments_and_no_secret(flower_port, redis_server):
    facts = {
        "uuid": "1",
        "name": "awcopy.copy_files",
        "kwargs": "job zybq, item 17",
        "exception": "E('https://x/?sig=SECRET1')",
        "traceback": "SECRET2",
    }

    def send_and_look():
        with Celery(broker=redis_server.url) as app, app.connection() as connection:
            app.events.Dispatcher(connection).send("task-failed", **facts)
        return json.loads(get(flower_port, "/api/tasks", **KNOWN)[1])

    [task] = wait_for(send_and_look).values()

    assert task["kwargs"] == "job zybq, item 17"
    pages = [get(flower_port, path, **KNOWN)[1] for path in ("/api/tasks", "/task/1", "/api/task/info/1")]
    assert b"SECRET" not in b"".join(pages)


def test_flower_is_for_this_machine_only(flower_port):
    assert get(flower_port, "/api/tasks", Host="rebound.example", **KNOWN)[0] == 400
    assert get(flower_port, "/api/task/result/1", **KNOWN)[0] == 403
    asked = get(flower_port, "/api/tasks", Origin="https://x.example", **KNOWN)
    assert "Access-Control-Allow-Origin" not in asked[2]


def test_flower_shows_nothing_without_the_password(flower_port):
    wrong = {"Authorization": "Basic " + base64.b64encode(b"anybody:password-of-test").decode()}
    for path in (
        "/",
        "/tasks",
        "/api/tasks",
        "/api/workers",
        "/metrics",
        "/static/css/flower.css",
        "/login",
        "/x",
    ):
        for headers in ({}, wrong):
            status, body, answered = get(flower_port, path, **headers)
            assert (status, "Basic" in answered["WWW-Authenticate"]) == (401, True), path
            assert b"celery" not in body.lower()
    assert get(flower_port, "/healthcheck")[:2] == (200, b"OK")
    assert get(flower_port, "/tasks", **KNOWN)[0] == 200
