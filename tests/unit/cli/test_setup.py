"""Which way to the fleet the settings name, and which commands take only one."""

from __future__ import annotations

import pytest

from awcopy.cli.desk.fleet import FleetDesk
from awcopy.cli.desk.http import HttpDesk
from awcopy.cli.main import main
from awcopy.cli.setup import begin, open_desk
from awcopy.config import load_settings

URL = "https://awcopy.example.com"


def test_an_address_of_the_api_goes_before_redis_and_the_ledger():
    assert isinstance(open_desk(load_settings({"AWCOPY_API_URL": URL, "AWCOPY_NAMESPACE": "n"})), HttpDesk)
    assert isinstance(open_desk(load_settings({})), FleetDesk)


def test_the_token_may_lie_elsewhere(tmp_path):
    path = tmp_path / "token"
    path.write_text("awc_dana_1\n")

    for text in (f"@file:{path}", "@env:ELSEWHERE"):
        settings = load_settings({"AWCOPY_API_TOKEN": text, "ELSEWHERE": "awc_dana_1"})
        assert settings.api_token.reveal() == "awc_dana_1"
        assert "awc_dana_1" not in repr(settings)


def test_a_command_warns_once_of_each_variable_that_is_no_setting(monkeypatch, capsys):
    monkeypatch.setenv("AWCOPY_LEASES", "3")
    monkeypatch.setenv("AWCOPY_XYZZY", "3")

    begin()

    told = capsys.readouterr()
    assert told.out == ""
    first, second = told.err.splitlines()
    assert first.endswith("AWCOPY_LEASES is no setting: did you mean AWCOPY_LEASE_S?")
    assert second.startswith("awcopy: warning: AWCOPY_XYZZY is no setting")
    assert second.endswith("it counts only where an option or a profile names it, as @env:AWCOPY_XYZZY")


@pytest.mark.parametrize(
    "words",
    [
        ["worker"], ["beat"], ["web"], ["flower"], ["keys", "prune"],
        ["token", "list"], ["token", "create", "dana"], ["token", "revoke", "dana"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_what_works_on_redis_and_the_ledger_itself_says_so(monkeypatch, capsys, words):
    monkeypatch.setenv("AWCOPY_API_URL", URL)

    assert main(words) == 2

    told = capsys.readouterr().err
    assert "work on Redis and the ledger themselves" in told.replace("works", "work")
    assert "AWCOPY_API_URL is not" in told
