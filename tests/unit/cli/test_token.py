"""What ``awcopy token`` makes, shows once, lists and revokes."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from awcopy.bootstrap import memory_fleet
from awcopy.cli import token as module
from awcopy.cli.main import main
from awcopy.config import load_settings
from awcopy.jobs.tokens import find_token
from awcopy.model.token import Role


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch):
    fleet = memory_fleet()
    monkeypatch.setattr(module, "open_fleet", lambda _settings, _what: fleet)
    monkeypatch.setattr(module, "begin", lambda **_: load_settings({}))
    return fleet.ledger


def test_a_token_is_printed_alone_so_that_it_can_be_piped(ledger, capsys) -> None:
    assert main(["token", "create", "dana", "--role", "operator", "--expires", "7d"]) == 0

    printed = capsys.readouterr()
    found = find_token(ledger.list_tokens(), printed.out.strip(), ledger.now())
    assert found
    assert (found.role, found.expires_at - found.created_at) == (Role.OPERATOR, timedelta(days=7))
    assert "shown this once" in printed.err
    assert printed.out.strip() not in printed.err


def test_what_is_not_said_is_little_and_short(ledger) -> None:
    assert main(["token", "create", "dana"]) == 0

    [made] = ledger.list_tokens()
    assert (made.role, made.expires_at - made.created_at) == (Role.VIEWER, timedelta(days=90))


def test_programs_get_json(ledger, capsys) -> None:
    assert main(["token", "create", "dana", "-o", "json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert main(["token", "list", "-o", "json"]) == 0
    [listed] = json.loads(capsys.readouterr().out)

    assert find_token(ledger.list_tokens(), made.pop("token"), ledger.now())
    assert listed == made
    assert (listed["schema"], listed["state"], listed["used_at"]) == ("awcopy.token/1", "good", None)


def test_the_list_tells_what_counts_and_nothing_secret(ledger, capsys) -> None:
    for name in ("dana", "ci"):
        assert main(["token", "create", name]) == 0
    texts = capsys.readouterr().out.split()
    assert main(["token", "revoke", "ci"]) == 0
    assert main(["token", "list"]) == 0

    shown = capsys.readouterr().out
    lines = {line.split()[0]: line for line in shown.splitlines()}
    assert "revoked" in lines["ci"]
    assert "good" in lines["dana"]
    assert not any(text.rpartition("_")[2] in shown for text in texts)
    assert not any(one.digest in shown for one in ledger.list_tokens())


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["create", "dana", "--role", "root"], "'root' is not one of"),
        (["create", "dana", "--expires", "soon"], "not a length of time"),
        (["create", "dana", "--expires", "0d"], "expires after"),
        (["create", "Dana"], "cannot be the name"),
        (["revoke", "nobody"], "no token 'nobody'"),
    ],
)
def test_what_cannot_be_is_a_usage_error(ledger, capsys, words, says) -> None:
    assert main(["token", *words]) == 2
    assert says in capsys.readouterr().err
    assert ledger.list_tokens() == []
