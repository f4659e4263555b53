"""Which credentials are sealed for a job that goes on, and which keys must be among them."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest

from awcopy.bootstrap import memory_fleet
from awcopy.cli.desk.fleet import FleetDesk
from awcopy.cli.jobs_control import _credentials
from awcopy.cli.main import main
from awcopy.config import Settings, parse_customer_key
from awcopy.errors import CredentialsError
from awcopy.model.job import Job, JobState
from awcopy.vault.credentials import JobCredentials
from awcopy.vault.sealing import create_keys
from tests.unit.factories import make_job, make_spec

KEY = parse_customer_key(b"k" * 32, "the test")
TRIED: list[JobCredentials] = []
NO_KEYS = {"encryption_key": None, "source_encryption_key": None}


@pytest.fixture
def settings(tmp_path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    create_keys(tmp_path / "keys")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT", "account")
    monkeypatch.setenv("AZURE_STORAGE_KEY", "a2V5")
    monkeypatch.setenv("KEY", KEY.value.reveal())
    monkeypatch.setenv("OTHER", base64.b64encode(b"o" * 32).decode())
    monkeypatch.setattr("awcopy.cli.jobs_control.check_given", lambda *given: TRIED.append(given[-1]))
    TRIED.clear()
    return Settings(keys=tmp_path / "keys")


def keyed_job() -> Job:
    spec = make_spec()
    return make_job(spec=replace(spec, sink=replace(spec.sink, key_sha256=KEY.sha256)), sealed="sealed")


@pytest.mark.parametrize("command", ["resume", "retry"])
def test_a_job_that_cannot_go_on_is_told_so_before_its_stores_are_looked_at(
    settings, command: str, monkeypatch, capsys
) -> None:
    fleet = memory_fleet()
    fleet.ledger.add_job(make_job(state=JobState.CANCELLED))
    monkeypatch.setattr("awcopy.cli.jobs_control.begin", lambda: settings)
    monkeypatch.setattr("awcopy.cli.jobs_control.open_desk", lambda _: FleetDesk(settings, fleet))
    assert main(["jobs", command, "@last"]) == 1
    assert "is cancelled" in capsys.readouterr().err
    assert not TRIED


def test_a_key_that_is_given_again_is_sealed_with_the_environments_credentials(settings):
    given = _credentials(settings, keyed_job(), {**NO_KEYS, "encryption_key": "@env:KEY"})
    assert (given.sink_key, given.azure.account_key.reveal()) == (KEY, "a2V5")
    assert [given] == TRIED  # at the stores, before the job is written


def test_new_credentials_without_the_jobs_key_are_refused(settings):
    with pytest.raises(CredentialsError, match="no longer hold that key") as caught:
        _credentials(settings, keyed_job(), NO_KEYS, wanted=True)
    assert "--encryption-key" in caught.value.hint


@pytest.mark.parametrize("option", NO_KEYS)
def test_another_key_than_the_jobs_is_refused(settings, option):
    with pytest.raises(CredentialsError):
        _credentials(settings, keyed_job(), {**NO_KEYS, option: "@env:OTHER"})


def test_a_job_that_still_holds_its_credentials_needs_none(settings):
    given = _credentials(settings, keyed_job(), NO_KEYS)
    assert not given
    assert not TRIED
