"""The command line through the dashboard's API: its user has no access to the ledger or Redis, and no key."""

from __future__ import annotations

import json
import random
import socket
import subprocess
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from awcopy.config import Secret
from awcopy.demo.fleet import awcopy_command
from awcopy.demo.ports import pick_ports
from awcopy.demo.processes import ChildProcess, Launch
from awcopy.live.redis import RedisLive
from awcopy.units import MIB
from tests.acceptance.conftest import LIMIT_S, Place

NAMESPACE = "remote"
SMALL, LARGE, BAD = "remote-small", "remote-large", "remote-bad"
ACCOUNT = "az://awcopydemo"


@dataclass(frozen=True, kw_only=True)
class Remote:
    """A fleet whose dashboard asks for tokens, and a user elsewhere who has one of each role."""

    place: Place
    port: int
    env: dict[str, str]
    tokens: dict[str, str]
    web: ChildProcess

    def awcopy(self, *words: str, role: str = "operator", **env: str) -> subprocess.CompletedProcess[str]:
        """Run the command as somebody with a token of this role."""
        return subprocess.run(
            awcopy_command(*words),
            env={**self.env, "AWCOPY_API_TOKEN": self.tokens[role], **env},
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )

    def ok(self, *words: str, **more: str) -> str:
        """Run the command, which has to succeed, and return what it printed."""
        done = self.awcopy(*words, **more)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def job(self, job_id: str):
        return json.loads(self.ok("jobs", "show", job_id, "-o", "json"))

    def wait_for(self, job_id: str, is_so) -> dict:
        deadline = time.monotonic() + LIMIT_S
        while not is_so(job := self.job(job_id)):
            assert time.monotonic() < deadline, job
        return job


@pytest.fixture(scope="module")
def remote(place, tmp_path_factory):
    folder: Path = tmp_path_factory.mktemp("remote")
    fleet = {name: value for name, value in place.env.items() if not name.startswith(("AWS_", "AZURE_"))}
    fleet["AWCOPY_NAMESPACE"] = NAMESPACE
    tokens = {}
    for role in ("viewer", "operator", "admin"):
        made = place.awcopy("token", "create", role, "--role", role, AWCOPY_NAMESPACE=NAMESPACE)
        assert made.returncode == 0, made.stderr
        tokens[role] = made.stdout.strip()
    live = RedisLive(Secret(place.servers.redis.url), NAMESPACE)
    [port] = pick_ports(1)
    words = {"worker": ["worker", "--processes", "1"], "web": ["web", "--port", str(port)]}
    is_ready = {"worker": lambda: len(live.workers()) >= 1, "web": lambda: is_open(port)}
    with ExitStack() as stack:
        children = {}
        for name, arguments in words.items():
            launch = Launch(
                name=name,
                command=awcopy_command(*arguments),
                folder=folder / name,
                is_ready=is_ready[name],
                environment=fleet,
            )
            children[name] = child = ChildProcess(launch)
            stack.callback(child.stop)
            child.start()
        home = folder / "home"
        home.mkdir()
        env = {name: value for name, value in place.env.items() if not name.startswith("AWCOPY_")} | {
            "HOME": str(home),
            "AWCOPY_API_URL": f"http://127.0.0.1:{port}",
            "AWCOPY_ALLOW_PRIVATE_ENDPOINTS": "1",
        }
        yield Remote(place=place, port=port, env=env, tokens=tokens, web=children["web"])


def is_open(port):
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module", autouse=True)
def buckets(place):
    numbers = random.Random(7)
    place.make_bucket(SMALL, {f"small/{number:03}": numbers.randbytes(500) for number in range(30)})
    place.make_bucket(LARGE, {"large.bin": numbers.randbytes(70 * MIB)})
    place.make_bucket(BAD, {"good/a": b"a", "good/b": b"bb", "bad.": b"c"})


def test_a_user_with_nothing_but_a_token_copies_to_the_end(remote, place):
    assert not {"AWCOPY_REDIS_URL", "AWCOPY_LEDGER", "AWCOPY_KEYS"} & set(remote.env)

    done = remote.awcopy(
        "copy", f"s3://{SMALL}", f"{ACCOUNT}/remote-copy", "--create-container", "--name", "far"
    )

    assert done.returncode == 0, done.stderr
    assert "completed" in done.stdout
    assert place.differences(SMALL, "remote-copy") == (30, ())
    job = remote.job("@last")
    assert (job["name"], job["user"], job["totals"]["copied"]["objects"]) == ("far", "operator", 30)
    log = remote.web.log_path.read_text()
    assert remote.tokens["operator"] not in log
    assert remote.env["AWS_SECRET_ACCESS_KEY"] not in log


def test_what_failed_is_told_reported_and_tried_again(remote):
    copied = remote.awcopy("copy", f"s3://{BAD}", f"{ACCOUNT}/remote-bad", "--create-container")
    assert copied.returncode == 3, copied.stderr
    job_id = remote.job("@last")["id"]

    [line] = map(json.loads, remote.ok("jobs", "report", job_id, "--failed").splitlines())
    assert (line["key"], line["reason"]) == ("bad.", "name_not_allowed")
    assert len(remote.ok("jobs", "report", job_id, "-o", "csv").splitlines()) == 4
    assert job_id in remote.ok("jobs", "list", role="viewer")
    assert "completed with errors" in remote.ok("jobs", "logs", job_id[:10])
    refused = remote.awcopy("jobs", "retry", job_id, "--reason", "throttled")
    assert (refused.returncode, "no object of job" in refused.stderr) == (1, True)
    retried = remote.awcopy("jobs", "retry", job_id)
    assert (retried.returncode, "tries 1 object again" in retried.stderr) == (0, True)
    watched = remote.awcopy("jobs", "watch", job_id, "-o", "json")
    assert (watched.returncode, json.loads(watched.stdout)["totals"]["failed"]["objects"]) == (3, 1)


def test_a_job_is_paused_resumed_with_credentials_and_cancelled(remote):
    words = (
        "copy",
        f"s3://{LARGE}",
        f"{ACCOUNT}/remote-large",
        "--create-container",
        "--detach",
        "--block-size",
        "64K",
        "--bandwidth",
        "2M",  # so that much is left to do on any machine
    )
    job_id = remote.ok(*words).strip()
    remote.wait_for(job_id, lambda job: job["moved_bytes"] > 0)

    remote.ok("jobs", "pause", job_id)
    remote.wait_for(job_id, lambda job: job["state"] == "paused" and job["busy_agents"] == 0)
    remote.ok("jobs", "agents", job_id, "2")
    remote.ok("jobs", "resume", job_id, "--credentials")
    assert remote.wait_for(job_id, lambda job: job["state"] != "queued")["agents"] == 2
    remote.ok("jobs", "cancel", job_id)
    assert remote.awcopy("jobs", "watch", job_id, "-q").returncode == 6


def test_a_viewer_looks_and_does_nothing_else(remote):
    remote.ok("jobs", "list", role="viewer")
    job_id = remote.job("@last")["id"]
    for words in (
        ["copy", f"s3://{SMALL}", f"{ACCOUNT}/remote-viewer", "--create-container"],
        ["jobs", "cancel", job_id],
        ["jobs", "agents", job_id, "9"],
        ["jobs", "rm", job_id],
        ["schedule", "add", "no", f"s3://{SMALL}", f"{ACCOUNT}/remote-viewer", "--every", "6h"],
    ):
        refused = remote.awcopy(*words, role="viewer")
        assert refused.returncode == 4, words
        assert "this token has viewer" in refused.stderr
    assert "remote-viewer" not in [one.name for one in remote.place.blobs.list_containers()]


def test_what_is_known_of_jobs_is_removed_by_an_admin(remote):
    first, second = (
        remote.ok("copy", f"s3://{SMALL}", f"{ACCOUNT}/remote-copy", "--detach").strip() for _ in range(2)
    )
    for job_id in (first, second):
        assert remote.awcopy("jobs", "watch", job_id, "-q").returncode == 0

    assert remote.awcopy("jobs", "rm", first).returncode == 4
    assert remote.ok("jobs", "rm", first, role="admin").strip() == first
    assert remote.awcopy("jobs", "show", first).returncode == 2
    assert remote.awcopy("jobs", "clean", "--older-than", "1d", "--yes").returncode == 4
    assert remote.ok("jobs", "clean", "--older-than", "36500d", "--yes", role="admin") == ""
    assert remote.awcopy("jobs", "show", second).returncode == 0


def test_a_sync_a_schedule_and_what_the_doctor_says(remote):
    words = ("sync", f"s3://{SMALL}/small/", f"{ACCOUNT}/remote-sync/", "--create-container")
    assert remote.awcopy(*words).returncode == 0
    again = remote.awcopy(*words, "--since", "last", "-o", "json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["totals"]["copied"]["objects"] == 0
    deleting = remote.awcopy(*words, "--delete")
    assert (deleting.returncode, "role admin" in deleting.stderr) == (4, True)

    line = ("schedule", "add", "far", f"s3://{SMALL}", f"{ACCOUNT}/remote-sync", "--every", "6h")
    assert remote.ok(*line).strip() == "far"
    job_id = remote.ok("schedule", "run", "far").strip()
    [past] = json.loads(remote.ok("schedule", "history", "far", "-o", "json"))
    assert (past["what"], past["job"]) == ("started", job_id)
    assert json.loads(remote.ok("schedule", "show", "far", "-o", "json"))["user"] == "operator"
    remote.ok("schedule", "rm", "far")
    assert json.loads(remote.ok("schedule", "list", "-o", "json")) == []

    found = json.loads(remote.awcopy("doctor", "-o", "json").stdout)["findings"]
    states = {one["part"]: one["state"] for one in found}
    assert (states["api"], states["redis"], states["ledger"], states["workers"]) == ("ok", "ok", "ok", "ok")
    public = (Path(remote.place.env["AWCOPY_KEYS"]) / "fleet.pub").read_text().strip()
    assert remote.ok("keys", "public").strip() == public


def test_the_address_and_the_token_may_stand_in_files(remote, tmp_path):
    (tmp_path / "token").write_text(remote.tokens["viewer"])
    config = tmp_path / "config.toml"
    config.write_text(
        f'api_url = "http://127.0.0.1:{remote.port}/"\napi_token = "@file:{tmp_path / "token"}"\n'
    )
    env = {name: value for name, value in remote.env.items() if not name.startswith("AWCOPY_API")}

    done = subprocess.run(
        awcopy_command("jobs", "list", "-o", "json"),
        env={**env, "AWCOPY_CONFIG": str(config)},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert isinstance(json.loads(done.stdout), list)


@pytest.mark.parametrize(
    ("env", "code", "says"),
    [
        ({"AWCOPY_API_URL": "http://awcopy.example.com"}, 2, "in clear"),
        ({"AWCOPY_API_URL": "awcopy.example.com"}, 2, "no http"),
        ({"AWCOPY_API_URL": "http://127.0.0.1:1"}, 7, "does not answer"),
        ({"AWCOPY_API_TOKEN": "awc_operator_" + "0" * 48}, 4, "wrong, revoked or expired"),
        ({"AWCOPY_API_TOKEN": ""}, 4, "asks for a token"),
        ({"AWCOPY_API_TOKEN": "@file:/no/such/file"}, 4, "AWCOPY_API_TOKEN"),
    ],
)
def test_what_is_wrong_with_the_way_is_said(remote, env, code, says):
    done = remote.awcopy("jobs", "list", **env)

    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_address_that_is_another_server_is_told(remote):
    store = remote.place.servers.source.endpoint_url
    done = remote.awcopy("jobs", "list", AWCOPY_API_URL=store)

    assert done.returncode in (2, 4), done.stderr
    assert "dashboard" in done.stderr


def receive(sock: socket.socket) -> bytes:
    try:
        return sock.recv(1 << 20)
    except OSError:
        return b""


def relay(client: socket.socket, port: int, cut: threading.Event) -> None:
    """Relay one connection; end the first that submits a job in place of its answer."""
    with client, socket.create_connection(("127.0.0.1", port)) as upstream:
        is_submitting = threading.Event()
        back = threading.Thread(target=answer, args=(upstream, client, is_submitting, cut), daemon=True)
        back.start()
        while request := receive(client):
            if request.startswith(b"POST /api/v1/jobs?"):
                is_submitting.set()
            with suppress(OSError):
                upstream.sendall(request)
        with suppress(OSError):  # it may have ended by itself
            upstream.shutdown(socket.SHUT_RDWR)
        back.join()


def answer(upstream, client, is_submitting: threading.Event, cut: threading.Event) -> None:
    while part := receive(upstream):
        with suppress(OSError):
            if is_submitting.is_set() and not cut.is_set():
                cut.set()
                client.shutdown(socket.SHUT_RDWR)
                return
            client.sendall(part)


@contextmanager
def cutting_off(port: int):
    """Relay to the dashboard in this way; yield the port, and the event that it has happened."""
    listener = socket.create_server(("127.0.0.1", 0))
    cut = threading.Event()

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=relay, args=(client, port, cut), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], cut
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(timeout=10)


def test_a_job_whose_answer_is_lost_is_submitted_once(remote):
    with cutting_off(remote.port) as (port, cut):
        done = remote.awcopy(
            "copy", f"s3://{SMALL}", f"{ACCOUNT}/remote-copy", "--detach", "--name", "once",
            AWCOPY_API_URL=f"http://127.0.0.1:{port}",
        )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert cut.is_set()
    jobs = [
        one for one in json.loads(remote.ok("jobs", "list", "--all", "-o", "json")) if one["name"] == "once"
    ]
    assert [one["id"] for one in jobs] == [done.stdout.strip()]
