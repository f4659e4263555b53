"""``awcopy config``: what is set, where it comes from, and no secret shown."""

from __future__ import annotations

import json
import tomllib

import pytest

from awcopy.cli import doctor
from awcopy.cli.main import main
from awcopy.jobs.health import State


@pytest.fixture
def file(monkeypatch: pytest.MonkeyPatch, tmp_path):
    file = tmp_path / "awcopy.toml"
    file.write_text('redis_url = "redis://:CANARY@h/0"\nlease_s = 60\n')
    file.chmod(0o600)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "nowhere"))
    monkeypatch.setenv("AWCOPY_CONFIG", str(file))
    monkeypatch.setenv("AWCOPY_NAMESPACE", "staging")
    return file


def test_what_is_shown_is_a_file_without_secrets(file, capsys) -> None:
    assert main(["config", "show"]) == 0
    shown = tomllib.loads(capsys.readouterr().out)
    assert shown["lease_s"] == 60
    assert shown["redis_url"] == "**redacted**"
    assert shown["ledger"] == "UseDevelopmentStorage=true"


def test_the_origin_of_each_setting_is_told(file, capsys) -> None:
    assert main(["config", "show", "--origin"]) == 0
    lines = capsys.readouterr().out.splitlines()
    origins = {line.split()[0]: line.partition("  # ")[2] for line in lines}
    assert (origins["lease_s"], origins["namespace"]) == (str(file), "AWCOPY_NAMESPACE")
    assert origins["keys"] == "default"
    assert len({line.index("  # ") for line in lines}) == 1


@pytest.mark.parametrize("words", [[], ["--origin"]])
def test_json_holds_the_same_without_secrets(file, capsys, words) -> None:
    assert main(["config", "show", "-o", "json", *words]) == 0
    out = capsys.readouterr().out
    lease = json.loads(out)["lease_s"]
    assert lease == ({"value": 60, "origin": str(file)} if words else 60)
    assert "CANARY" not in out


def test_the_files_are_listed_and_what_is_missing_is_said_aside(file, capsys, tmp_path) -> None:
    assert main(["config", "path"]) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines() == [str(tmp_path / "nowhere" / "awcopy" / "config.toml"), str(file)]
    assert printed.err == f"{tmp_path / 'nowhere' / 'awcopy' / 'config.toml'} is not there\n"


def test_a_mistake_in_a_file_is_one_line_with_its_place(file, capsys) -> None:
    file.write_text("leese_s = 60\n")
    assert main(["config", "show"]) == 2
    assert capsys.readouterr().err == (
        f"awcopy: {file}: there is no setting 'leese_s': did you mean 'lease_s'?\n"
    )


@pytest.mark.parametrize(
    ("text", "words", "says"),
    [
        ('namespace = "A!"', ["jobs", "list"], "namespace='A!' cannot name tables and a container"),
        ('log_level = "LOUD"', ["jobs", "list"], "log_level='LOUD' is no level: write one of DEBUG"),
        ('log_level = "LOUD"', ["worker"], "log_level='LOUD' is no level: write one of DEBUG"),
        ('ledger = "CANARY"', ["jobs", "list"], "ledger names no storage account: it cannot be read"),
        ('redis_url = "CANARY"', ["jobs", "list"], "redis_url is not the URL of a Redis server"),
        ('api_url = "CANARY"', ["jobs", "list"], "api_url is no http:// or https:// URL of a host"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_by_its_file_and_key(
    file, capsys, monkeypatch, text, words, says
) -> None:
    monkeypatch.delenv("AWCOPY_NAMESPACE")
    file.write_text(text)
    assert main(words) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"awcopy: {file}: {says}")
    assert "CANARY" not in told


def test_the_doctor_names_the_file_and_the_key_too(file, capsys) -> None:
    file.write_text('log_level = "LOUD"')
    assert main(["doctor", "-o", "json"]) == 2
    [found] = [one for one in json.loads(capsys.readouterr().out)["findings"] if one["part"] == "settings"]
    assert found["says"] == f"{file}: log_level='LOUD' is no level"


def test_of_a_variables_value_the_variable_is_named(file, capsys, monkeypatch) -> None:
    monkeypatch.setenv("AWCOPY_LOG_LEVEL", "LOUD")
    assert main(["jobs", "list"]) == 2
    assert capsys.readouterr().err.startswith("awcopy: AWCOPY_LOG_LEVEL='LOUD' is no level")


def test_a_variable_that_is_no_setting_is_warned_of_where_settings_are_shown(
    file, capsys, monkeypatch
) -> None:
    monkeypatch.setenv("AWCOPY_LEASES", "3")
    assert main(["config", "show"]) == 0
    assert capsys.readouterr().err == (
        "awcopy: warning: AWCOPY_LEASES is no setting: did you mean AWCOPY_LEASE_S?\n"
    )


def test_the_doctor_warns_of_secrets_that_others_may_read(file) -> None:
    from awcopy.config import load_settings

    assert doctor._check_settings(load_settings()).state is State.OK
    file.chmod(0o640)
    found = doctor._check_settings(load_settings())
    assert (found.state, found.advice) == (State.WARN, f"chmod 600 {file}")
