"""What only the live state in Redis can meet: lost answers, refused users, nobody there, keys that stay."""

from __future__ import annotations

import secrets
import time
from urllib.parse import urlsplit

import pytest
from redis import Redis
from redis.exceptions import BusyLoadingError, InvalidResponse, OutOfMemoryError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from awcopy.config import Secret
from awcopy.errors import CredentialsError, ServiceUnreachable, UsageError
from awcopy.live.redis import RedisLive
from awcopy.live.redis_server import SILENCE_S
from awcopy.model.job import JobId
from tests.faults.tcp_proxy import TcpProxy

JOB = JobId("0abc")
CANARY = "canary-pass"
WEEK_S = 7 * 24 * 3600


@pytest.fixture
def url(redis_server) -> str:
    return redis_server.url.reveal() if isinstance(redis_server.url, Secret) else redis_server.url


@pytest.fixture
def client(url):
    with Redis.from_url(url, decode_responses=True) as client:
        yield client


@pytest.fixture
def namespace() -> str:
    return f"t{secrets.token_hex(8)}"


@pytest.fixture
def live(url, namespace):
    live = RedisLive(Secret(url), namespace)
    yield live
    live.close()


def test_every_key_of_a_job_ends_by_itself(live, client, namespace):
    live.push_ready(JOB, [1])
    live.begin_generation(JOB, 1, 2)
    live.pass_turn(JOB, 1, 0, 0)
    live.add_moved_bytes(JOB, 1)
    keys = sorted(client.scan_iter(f"{namespace}:*"))
    assert keys == [f"{namespace}:job:{JOB}:{what}" for what in ("moved", "ready", "turns")]
    assert all(0 < client.ttl(key) <= WEEK_S for key in keys)
    client.expire(f"{namespace}:job:{JOB}:turns", 5)
    live.pass_turn(JOB, 1, 1, 0)
    assert client.ttl(f"{namespace}:job:{JOB}:turns") > WEEK_S - 60
    live.forget_job(JOB)
    assert list(client.scan_iter(f"{namespace}:*")) == []


def test_a_worker_that_said_nothing_for_30_s_is_forgotten(live, client, namespace):
    live.beat("a", 1)
    live.beat("b", 1)
    member = client.zrange(f"{namespace}:workers", 0, 0)[0]
    client.zadd(f"{namespace}:workers", {member: time.time() - 31})
    assert [worker.name for worker in live.workers()] == ["b"]
    live.beat("b", 1)
    assert client.zcard(f"{namespace}:workers") == 1
    assert 0 < client.ttl(f"{namespace}:workers") <= 60


def test_a_turn_whose_answer_was_lost_is_given_to_the_same_caller_again(live, monkeypatch):
    live.begin_generation(JOB, 1, 1)
    monkeypatch.setattr("awcopy.live.redis.secrets.token_hex", lambda _: "same caller")
    assert live.pass_turn(JOB, 1, 0, 0)
    assert live.pass_turn(JOB, 1, 0, 0)
    monkeypatch.undo()
    assert not live.pass_turn(JOB, 1, 0, 0)


def test_scripts_that_the_server_forgot_are_sent_again(live, client):
    live.begin_generation(JOB, 1, 1)
    client.script_flush()
    assert live.pass_turn(JOB, 1, 0, 0)


def test_connections_that_the_server_closed_are_made_again(live, client):
    live.ping()
    client.client_kill_filter(_type="normal", skipme=True)
    assert live.pop_ready(JOB) is None


def test_when_nobody_answers_the_error_comes_within_seconds():
    live = RedisLive(Secret(f"redis://:{CANARY}@127.0.0.1:9/0"), "awcopy")
    started = time.monotonic()
    for call in (live.ping, live.workers, lambda: live.pop_ready(JOB, timeout_s=1.0)):
        with pytest.raises(ServiceUnreachable) as caught:
            call()
        assert "127.0.0.1:9 cannot be reached" in str(caught.value)
        assert "AWCOPY_REDIS_URL" in caught.value.hint
        assert CANARY not in f"{caught.value} {caught.value.hint}"
    assert time.monotonic() - started < 6


def test_a_server_that_says_nothing_is_waited_for_as_long_as_was_said(url):
    with TcpProxy(urlsplit(url).port) as wire:
        live = RedisLive(Secret(f"redis://127.0.0.1:{wire.port}/0"), "awcopy", silence_s=0.2)
        wire.blackhole()
        started = time.monotonic()
        with pytest.raises(ServiceUnreachable, match="does not answer in time"):
            live.moved_bytes(JOB)
        assert 0.2 <= time.monotonic() - started < SILENCE_S
        wire.heal()
        live.ping()
        live.close()


def test_a_wrong_password_is_named_and_not_shown(url):
    live = RedisLive(Secret(url.replace("redis://", f"redis://nobody:{CANARY}@")), "awcopy")
    with pytest.raises(CredentialsError) as caught:
        live.ping()
    assert CANARY not in f"{caught.value} {caught.value.hint}"


def test_a_user_without_rights_is_told_so(url, client, namespace):
    client.acl_setuser(
        namespace, enabled=True, passwords=[f"+{CANARY}"], keys=["none:*"], categories=["+@all"]
    )
    live = RedisLive(Secret(url.replace("redis://", f"redis://{namespace}:{CANARY}@")), "awcopy")
    try:
        with pytest.raises(CredentialsError, match="ACL"):
            live.push_ready(JOB, [1])
    finally:
        live.close()
        client.acl_deluser(namespace)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (BusyLoadingError("x"), "loading"),
        (InvalidResponse("x"), "protocol"),
        (OutOfMemoryError("x"), "out of memory"),
        (RedisTimeoutError("x"), "in time"),
        (ResponseError(f"unknown {CANARY}"), "refused a command"),
    ],
)
def test_what_the_server_cannot_do_is_unreachable(live, monkeypatch, error, reason):
    def fail():
        raise error

    monkeypatch.setattr(live._redis, "ping", fail)
    with pytest.raises(ServiceUnreachable, match=reason) as caught:
        live.ping()
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    "bad_url",
    [
        "",
        f"http://{CANARY}@x",
        f"redis://x:{CANARY}",
        f"redis://x/0?db={CANARY}",
        f"redis://[{CANARY}",
        f"redis://x/0?password={CANARY}",
        f"redis://x/0?username=me&password={CANARY}",
        f"redis://x/0?{CANARY}=1",
        f"redis://x/{CANARY}",
        f"redis://x/0?ssl_cert_reqs={CANARY}",
        f"unix:///{CANARY}",
        f"redis://me:one/{CANARY}@x/0",
        f"redis://me:one#{CANARY}@x/0",
        f"redis://me:one?{CANARY}@x/0",
    ],
)
def test_a_url_that_names_no_server_is_refused_and_not_shown(bad_url):
    with pytest.raises(UsageError) as caught:
        RedisLive(Secret(bad_url), "awcopy")
    assert CANARY not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ("redis://host", "host:6379"),
        ("rediss://u:p@host:7000/1?ssl_cert_reqs=CERT_REQUIRED", "host:7000"),
        ("rediss://host/0?ssl_cert_reqs=none", "host:6379"),
    ],
)
def test_every_form_of_url_is_taken(given, where):
    assert RedisLive(Secret(given), "awcopy")._where == where
