"""``awcopy doctor`` on a fleet in memory: one line per part, and the exit code of the first that fails."""

from __future__ import annotations

import json

import pytest

from awcopy import __version__, bootstrap
from awcopy.bootstrap import memory_fleet
from awcopy.cli import doctor as command
from awcopy.cli.desk.fleet import FleetDesk
from awcopy.cli.main import main
from awcopy.config import Settings
from awcopy.errors import CredentialsError, UsageError
from awcopy.vault.sealing import create_keys

PARTS = [
    "settings",
    "redis",
    "ledger",
    "clock",
    "workers",
    "version",
    "beat",
    "schedules",
    "keys",
    "aws",
    "azure",
    "disk",
]
VARIABLES = ("KEY", "SAS_TOKEN", "CONNECTION_STRING", "ACCOUNT")


@pytest.fixture
def fleet(monkeypatch: pytest.MonkeyPatch, tmp_path):
    fleet = memory_fleet()
    create_keys(tmp_path)
    for name in VARIABLES:
        monkeypatch.delenv(f"AZURE_STORAGE_{name}", raising=False)
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    monkeypatch.setattr(command, "begin", lambda **_: Settings(keys=tmp_path))
    monkeypatch.setattr(command, "open_desk", lambda settings: FleetDesk(settings, fleet))
    monkeypatch.setattr(bootstrap, "describe_own_aws", lambda: "environment variables")
    monkeypatch.setattr(bootstrap, "describe_own_azure", lambda: "azure-identity")
    fleet.live.beat("w1", 8, __version__)
    fleet.live.beat("beat", 0, __version__)
    return fleet


def findings(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, str]]:
    return {one["part"]: one for one in json.loads(capsys.readouterr().out)["findings"]}


def test_a_fleet_in_order_is_one_line_per_part_and_exit_0(fleet, capsys) -> None:
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [["ok", part] for part in PARTS]


def test_without_workers_the_exit_code_is_7(fleet, capsys, monkeypatch) -> None:
    monkeypatch.setattr(command, "open_desk", lambda settings: FleetDesk(settings, memory_fleet()))
    assert main(["doctor", "-o", "json"]) == 7
    found = findings(capsys)
    assert (found["workers"]["state"], found["beat"]["state"]) == ("fail", "warn")
    assert "awcopy worker" in found["workers"]["advice"]


def test_settings_that_cannot_be_read_fail_and_the_rest_is_still_looked_at(
    fleet, capsys, monkeypatch
) -> None:
    def refuse(**_: bool) -> Settings:
        raise UsageError("AWCOPY_LEASE_S='x' is no number")

    monkeypatch.setattr(command, "begin", refuse)
    assert main(["doctor", "-o", "json"]) == 2
    found = findings(capsys)
    assert list(found) == ["settings", "aws", "azure", "disk"]
    assert found["settings"]["says"] == "AWCOPY_LEASE_S='x' is no number"


def test_a_variable_that_is_no_setting_is_a_warning(fleet, capsys, monkeypatch) -> None:
    monkeypatch.setenv("AWCOPY_LEASES", "3")
    assert main(["doctor", "-o", "json"]) == 0
    printed = capsys.readouterr()
    found = json.loads(printed.out)["findings"][0]
    assert (found["part"], found["state"]) == ("settings", "warn")
    assert "AWCOPY_LEASES" in found["says"]
    assert found["advice"] == "did you mean AWCOPY_LEASE_S?"
    assert printed.err == ""


def test_credentials_that_are_missing_here_are_a_warning(fleet, capsys, monkeypatch) -> None:
    def refuse() -> str:
        raise CredentialsError("this machine has no AWS credentials")

    monkeypatch.setattr(bootstrap, "describe_own_aws", refuse)
    assert main(["doctor", "-o", "json"]) == 0
    assert findings(capsys)["aws"]["state"] == "warn"


@pytest.mark.parametrize(
    ("variables", "origin"),
    [
        ({"KEY": "a2V5"}, "AZURE_STORAGE_KEY"),
        ({"SAS_TOKEN": "sig=CANARY"}, "AZURE_STORAGE_SAS_TOKEN"),
        ({"CONNECTION_STRING": "AccountName=acme;AccountKey=a2V5"}, "of acme from AZURE_STORAGE_CONNECTION_STRING"),
        ({"CONNECTION_STRING": "AccountName=acme;AccountKey=a2V5", "SAS_TOKEN": "s"}, "CONNECTION_STRING"),
        ({"CONNECTION_STRING": "SharedAccessSignature=sig=CANARY"}, "CONNECTION_STRING"),
    ],
)  # fmt: skip
def test_azures_credentials_are_named_by_their_variable_and_not_shown(
    fleet, capsys, monkeypatch, variables, origin
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"AZURE_STORAGE_{name}", value)
    assert main(["doctor"]) == 0
    shown = capsys.readouterr().out
    assert origin in shown
    assert "CANARY" not in shown
    assert "a2V5" not in shown


def test_a_storage_key_that_cannot_be_one_is_a_warning(fleet, capsys, monkeypatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_KEY", "not base64!")
    assert main(["doctor", "-o", "json"]) == 0
    assert "AZURE_STORAGE_KEY is not a storage account's key" in findings(capsys)["azure"]["says"]


@pytest.mark.parametrize(
    ("variable", "value", "part", "says"),
    [
        ("AZURE_STORAGE_CONNECTION_STRING", "rubbish", "azure", "CONNECTION_STRING cannot be read"),
        ("AWS_SECRET_ACCESS_KEY", "rubbish", "aws", "is set without AWS_ACCESS_KEY_ID"),
    ],
)
def test_credentials_that_cannot_be_read_are_not_called_missing(
    fleet, capsys, monkeypatch, variable, value, part, says
) -> None:
    monkeypatch.setenv(variable, value)
    assert main(["doctor", "-o", "json"]) == 0
    found = findings(capsys)[part]
    assert found["state"] == "warn"
    assert says in found["says"]
    assert value not in found["says"]


@pytest.mark.parametrize(("free", "writable"), [(1, True), (2**40, False)])
def test_a_disk_that_holds_no_journal_is_a_warning(fleet, capsys, monkeypatch, free, writable) -> None:
    monkeypatch.setattr(command.shutil, "disk_usage", lambda _path: type("Usage", (), {"free": free}))
    monkeypatch.setattr(command.os, "access", lambda *_: writable)
    assert main(["doctor", "-o", "json"]) == 0
    assert findings(capsys)["disk"]["state"] == "warn"
