from __future__ import annotations

import pytest

from awcopy.bootstrap import memory_fleet
from awcopy.config import Settings
from awcopy.errors import CredentialsError, UsageError
from awcopy.jobs.tokens import create_token, revoke_token
from awcopy.model.token import Role
from web import server
from web.headers import HERE_ALONE
from web.server import plan_reach, run_web


@pytest.fixture
def ledger(monkeypatch):
    fleet = memory_fleet()
    monkeypatch.setattr(server, "connect_fleet", lambda _settings: fleet)
    return fleet.ledger


@pytest.fixture
def listened(monkeypatch):
    """The addresses that the server would have listened at; it gets no further."""
    found = []

    def listen(host, port):
        found.append(host)
        raise UsageError("that is far enough")

    monkeypatch.setattr(server, "_listen", listen)
    return found


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_on_loopback_nobody_needs_a_token(ledger, listened, host):
    with pytest.raises(UsageError, match="far enough"):
        run_web(Settings(), host, 0)
    assert listened == [host]


@pytest.mark.parametrize(
    ("host", "names", "proxies"),
    [
        ("192.0.2.7", (), 0),
        ("0.0.0.0", ("awcopy.example",), 0),
        ("127.0.0.1", ("awcopy.example",), 1),
        ("127.0.0.1", ("awcopy.example",), 0),
    ],
)
def test_where_others_reach_it_there_is_a_token_first(ledger, listened, host, names, proxies):
    with pytest.raises(CredentialsError, match="no token") as refused:
        run_web(Settings(), host, 0, "", names, proxies)
    assert "awcopy token create" in refused.value.hint
    create_token(ledger, "dana", Role.ADMIN, 60, "")
    revoke_token(ledger, "dana")
    with pytest.raises(CredentialsError):
        run_web(Settings(), host, 0, "", names, proxies)
    assert listened == []

    create_token(ledger, "dana", Role.ADMIN, 60, "")
    with pytest.raises(UsageError, match="far enough"):
        run_web(Settings(), host, 0, "", names, proxies)
    assert listened == [host]


@pytest.mark.parametrize(("host", "proxies"), [("0.0.0.0", 0), ("::", 0), ("", 0), ("127.0.0.1", 1)])
def test_it_answers_to_some_name_that_others_know(host, proxies):
    with pytest.raises(UsageError, match="no name") as refused:
        plan_reach(host, (), proxies)
    assert "--name" in refused.value.hint


@pytest.mark.parametrize(
    ("host", "names", "known"),
    [
        ("192.0.2.7", (), {"192.0.2.7"}),
        ("2001:db8::7", ("A.Example",), {"[2001:db8::7]", "a.example"}),
        ("0.0.0.0", ("a.example", "b.example"), {"a.example", "b.example"}),
        ("dashboard.example", (), {"dashboard.example"}),
    ],
)
def test_an_address_is_a_name_unless_it_is_every_address(host, names, known):
    reach = plan_reach(host, names, 0)

    assert reach.names == known
    assert reach.is_public


def test_on_loopback_it_is_for_this_machine_alone():
    assert plan_reach("127.0.0.1", (), 0) == HERE_ALONE


def test_nothing_that_is_forwarded_is_believed_by_the_server_itself():
    assert server._options(3)["forwarded_allow_ips"] == ""
