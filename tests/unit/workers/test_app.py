from __future__ import annotations

import ssl

import kombu
import pytest

from awcopy.config import Secret, Settings
from workers import broker
from workers.app import make_app


def test_a_fleet_reads_one_queue_of_its_own():
    app = make_app(Settings(namespace="staging"))
    assert [queue.name for queue in app.conf.task_queues] == ["staging"]
    assert app.conf.task_default_queue == "staging"


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("task_acks_late", True),
        ("accept_content", ["json"]),
        ("task_ignore_result", True),
        ("worker_prefetch_multiplier", 1),
        ("worker_cancel_long_running_tasks_on_connection_loss", False),
    ],
)
def test_what_the_protocol_relies_on_is_set(setting, value):
    assert make_app(Settings()).conf[setting] == value


def test_a_message_that_nobody_acknowledges_comes_back_when_the_settings_say():
    conf = make_app(Settings(visibility_s=60)).conf
    assert conf.broker_transport_options["visibility_timeout"] == 60


@pytest.mark.parametrize(("scheme", "is_checked"), [("redis", False), ("rediss", True)])
def test_a_server_over_tls_must_prove_who_it_is(scheme, is_checked):
    conf = make_app(Settings(redis_url=Secret(f"{scheme}://h:1/0"))).conf
    expected = {"ssl_cert_reqs": ssl.CERT_REQUIRED} if is_checked else None
    assert conf.broker_use_ssl == conf.redis_backend_use_ssl == expected


# The guard against one release of kombu.


class FakeQoS:
    """What the guard touches of kombu's class."""

    def __init__(self, connection):
        self.channel = type("Channel", (), {"connection": connection})()
        self._on_collect = type("Collector", (), {"cancel": lambda _self: None})()
        self._delivered = type("Delivered", (dict,), {})({"tag": "message"})

    def restore_unacked_once(self, stderr=None):
        return "restored"


@pytest.fixture
def qos(monkeypatch):
    guarded = type("QoS", (FakeQoS,), {"restore_unacked_once": FakeQoS.restore_unacked_once})
    monkeypatch.setattr(broker.kombu_redis, "QoS", guarded)
    return guarded


def test_the_faulty_release_restores_nothing_over_a_connection_that_is_gone(qos, monkeypatch):
    monkeypatch.setattr(kombu, "__version__", broker.FAULTY_KOMBU)
    broker.guard_broker()
    lost = qos(None)
    assert lost.restore_unacked_once() is None
    assert lost._delivered == {}
    assert lost._delivered.restored


def test_the_faulty_release_restores_as_ever_while_it_is_connected(qos, monkeypatch):
    monkeypatch.setattr(kombu, "__version__", broker.FAULTY_KOMBU)
    broker.guard_broker()
    broker.guard_broker()
    connected = qos(type("Connection", (), {"client": object()})())
    assert connected.restore_unacked_once() == "restored"


def test_other_releases_are_left_alone(qos, monkeypatch):
    monkeypatch.setattr(kombu, "__version__", "5.7.1")
    before = qos.restore_unacked_once
    broker.guard_broker()
    assert qos.restore_unacked_once is before
