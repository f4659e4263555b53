"""The users of docker/users.acl: a whole fleet runs with their rights, and with none more."""

from __future__ import annotations

import base64
import json
import subprocess
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis

from awcopy.demo.fleet import awcopy_command, fleet_environment, start_servers, user_environment
from awcopy.demo.ports import pick_ports
from awcopy.demo.processes import ChildProcess, Launch, stop_all
from awcopy.demo.sample import make_client

ACL = Path(__file__).parents[2] / "docker" / "users.acl"
USERS = {"worker": "worker", "beat": "worker", "web": "submit", "flower": "flower"}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    """A fleet each of whose parts has the user of its role, and what the command needs to use it."""
    folder = tmp_path_factory.mktemp("acl")
    with ExitStack() as stack:
        servers = start_servers(folder, stack)
        admin = stack.enter_context(redis.Redis(port=servers.redis.port, decode_responses=True))
        for line in ACL.read_text().splitlines():
            _, user, *rules = line.split()
            if user != "default":  # the admin here
                admin.execute_command("ACL", "SETUSER", user, "reset", *rules)

        def url(part: str) -> str:
            user = USERS[part]
            return f"redis://{user}:{user.upper()}_PASSWORD@127.0.0.1:{servers.redis.port}/0"

        web_port, flower_port = pick_ports(2)
        words = {
            "worker": ["--processes", "1"],
            "web": ["--port", f"{web_port}"],
            "flower": ["--port", f"{flower_port}"],
        }
        live = {"AWCOPY_RECONCILE_S": "1"}
        parts = [
            ChildProcess(
                Launch(
                    name=part,
                    command=awcopy_command(part, *words.get(part, [])),
                    folder=folder / part,
                    environment=fleet_environment(servers, folder) | live | {"AWCOPY_REDIS_URL": url(part)},
                    ports=[int(words[part][1])] if part in {"web", "flower"} else [],
                    is_ready=_checks(
                        part, fleet_environment(servers, folder) | {"AWCOPY_REDIS_URL": url(part)}
                    ),
                )
            )
            for part in USERS
        ]
        stack.callback(lambda: stop_all(parts))
        for part in parts:
            part.start()
        client = make_client(servers.source)
        stack.callback(client.close)
        client.create_bucket(Bucket="acl")
        for number in range(30):
            client.put_object(Bucket="acl", Key=f"{number}", Body=b"x")
        env = user_environment(servers, folder) | {"AWCOPY_REDIS_URL": url("web")}
        yield admin, env, [f"http://127.0.0.1:{web_port}/", f"http://127.0.0.1:{flower_port}/"]


def _checks(part: str, env: dict[str, str]):
    if part not in {"worker", "beat"}:
        return lambda: True
    return lambda: (
        subprocess.run(awcopy_command(part, "--check"), env=env, check=False, capture_output=True).returncode
        == 0
    )


def run(env: dict[str, str], *words: str) -> str:
    done = subprocess.run(
        awcopy_command(*words), env=env, capture_output=True, text=True, check=False, timeout=110
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_part_works_with_the_rights_of_its_role(fleet):
    admin, env, pages = fleet
    run(env, "copy", "s3://acl", "az://awcopydemo/acl", "--create-container", "--agents", "2")
    copied = json.loads(run(env, "jobs", "show", "@last", "-o", "json"))["totals"]["copied"]
    assert copied["objects"] == 30
    job = run(env, "copy", "s3://acl", "az://awcopydemo/again", "--create-container", "--detach").strip()
    run(env, "jobs", "watch", job, "-q")
    run(env, "jobs", "rm", job)
    run(env, "doctor")
    password = Path(env["AWCOPY_FLOWER_PASSWORD"].removeprefix("@file:")).read_text()
    known = {"Authorization": "Basic " + base64.b64encode(f"me:{password}".encode()).decode()}
    for page in (
        pages[0],
        f"{pages[0]}workers",
        f"{pages[0]}system",
        f"{pages[0]}metrics",
        pages[1],
        f"{pages[1]}api/workers?refresh=1",
        f"{pages[1]}broker",
    ):
        with urllib.request.urlopen(urllib.request.Request(page, headers=known), timeout=60) as answer:
            assert answer.status == 200
    refused = [
        (each["username"], each["reason"], each["object"], each["context"]) for each in admin.acl_log()
    ]
    assert refused == []


@pytest.mark.parametrize("user", ["worker", "submit", "flower"])
@pytest.mark.parametrize(
    "command", [["FLUSHALL"], ["CONFIG", "SET", "dir", "/"], ["KEYS", "*"], ["ACL", "LIST"]]
)
def test_no_part_may_steer_the_server(fleet, user, command):
    with pytest.raises(redis.exceptions.NoPermissionError):
        as_user(fleet[0], user).execute_command(*command)
    fleet[0].acl_log_reset()


@pytest.mark.parametrize(
    ("user", "command"),
    [
        ("submit", ["HSET", "unacked", "x", "1"]),
        ("submit", ["GET", "another-program"]),
        ("flower", ["LPUSH", "awcopy", "x"]),
        ("flower", ["GET", "awcopy:job:x:moved"]),
        ("worker", ["GET", "another-program"]),
    ],
)
def test_no_part_reaches_what_is_not_its_own(fleet, user, command):
    with pytest.raises(redis.exceptions.NoPermissionError):
        as_user(fleet[0], user).execute_command(*command)
    fleet[0].acl_log_reset()


def as_user(admin: redis.Redis, user: str) -> redis.Redis:
    port = admin.connection_pool.connection_kwargs["port"]
    return redis.Redis(port=port, username=user, password=f"{user.upper()}_PASSWORD")
