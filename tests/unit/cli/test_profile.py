"""``awcopy profile``: files are made, shown without secrets, tried and removed."""

from __future__ import annotations

import json

import pytest

from awcopy import bootstrap
from awcopy.cli import profile as command
from awcopy.cli.main import main
from awcopy.config import Settings
from awcopy.errors import CredentialsRefused
from awcopy.sink.memory import MemorySink
from awcopy.source.memory import MemorySource
from awcopy.vault.profile_files import read_sink_profile, read_source_profile

ADD_SOURCE = ["profile", "add", "photos", "--bucket", "photos", "--bucket", "logs-*", "--access-key", "AKIAX"]
ADD_SINK = ["profile", "add", "backup", "--account", "acme", "--container", "backup"]


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path):
    monkeypatch.setenv("SECRET", "CANARY")
    monkeypatch.setattr(command, "begin", lambda: Settings(profiles=tmp_path / "profiles"))
    return tmp_path / "profiles"


def add_both() -> None:
    assert main([*ADD_SOURCE, "--secret-key", "@env:SECRET"]) == 0
    assert main([*ADD_SINK, "--account-key", "a2V5", "--allow-delete"]) == 0


@pytest.fixture
def both(folder):
    add_both()
    return folder


def test_a_profile_is_added_with_the_secret_that_the_shell_has(folder, capsys) -> None:
    add_both()
    keys = read_source_profile(folder, "photos").login.keys
    assert keys is not None
    assert keys.secret_key.reveal() == "CANARY"
    assert read_sink_profile(folder, "backup").allow_delete
    printed = capsys.readouterr()
    assert printed.out == "photos\nbackup\n"
    assert "--account-key in clear" in printed.err
    assert "--secret-key" not in printed.err
    assert "CANARY" not in printed.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["profile", "add", "x"], "give one of --bucket"),
        ([*ADD_SINK, "--bucket", "b"], "give one of --bucket"),
        ([*ADD_SINK, "--role-arn", "r"], "no key 'role_arn' in a sink's"),
        (["profile", "add", "../x", "--bucket", "b"], "no profile can be called"),
    ],
)
def test_what_makes_no_profile_is_a_usage_error(folder, capsys, words, says) -> None:
    assert main(words) == 2
    assert says in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_said(folder, capsys, monkeypatch) -> None:
    folder.write_text("a file")
    assert main(ADD_SINK) == 2
    assert "cannot hold profiles" in capsys.readouterr().err


def test_the_list_says_what_each_allows_and_what_is_broken(both, capsys) -> None:
    (both / "open.toml").write_text("kind = 'sink'\n")
    (both / "open.toml").chmod(0o644)
    capsys.readouterr()
    assert main(["profile", "list", "-o", "json"]) == 0
    backup, broken, photos = json.loads(capsys.readouterr().out)
    assert backup == {
        "name": "backup", "for": "sink", "allows": "backup (and to delete)", "at": "acme",
        "credentials": "the account's key",
    }  # fmt: skip
    assert photos["allows"] == "photos, logs-*"
    assert (photos["at"], photos["credentials"]) == ("AWS", "an access key")
    assert "can be read by others" in broken["credentials"]


def test_the_list_is_a_table_for_people(both, capsys) -> None:
    capsys.readouterr()
    assert main(["profile", "list"]) == 0
    assert capsys.readouterr().out.splitlines()[0].split() == ["NAME", "FOR", "ALLOWS", "AT", "CREDENTIALS"]


@pytest.mark.parametrize(
    ("words", "way"),
    [
        (["--bucket", "b", "--aws-profile", "prod"], "AWS profile prod"),
        (["--bucket", "b"], "boto3's own"),
        (["--bucket", "b", "--role-arn", "arn:r"], "arn:r by boto3's own"),
        (["--bucket", "b", "--role-arn", "r", "--web-identity-token-file", "/t"], "r by a web identity"),
        (["--container", "c", "--account", "acme"], "azure-identity"),
        (["--container", "c", "--account", "acme", "--identity-client-id", "id"], "azure-identity id"),
        (["--container", "c", "--account", "acme", "--sas-token", "@env:SECRET"], "a SAS token"),
    ],
)
def test_every_way_to_credentials_has_its_words(folder, capsys, words, way) -> None:
    assert main(["profile", "add", "p", *words]) == 0
    capsys.readouterr()
    assert main(["profile", "list", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["credentials"] == way


@pytest.mark.parametrize("output", ["table", "json"])
def test_a_profile_is_shown_without_its_secret(both, capsys, output) -> None:
    capsys.readouterr()
    assert main(["profile", "show", "photos", "-o", output]) == 0
    shown = capsys.readouterr().out
    assert "logs-*" in shown
    assert "**redacted**" in shown
    assert "CANARY" not in shown


def test_where_a_secret_lies_is_shown(folder, capsys) -> None:
    folder.mkdir()
    path = folder / "p.toml"
    path.write_text(
        'kind = "sink"\naccount = "acme"\ncontainers = ["c"]\naccount_key = "@file:/run/secrets/acme"\n'
    )
    path.chmod(0o600)
    assert main(["profile", "show", "p"]) == 0
    assert "@file:/run/secrets/acme" in capsys.readouterr().out


def test_profiles_are_removed(both, capsys) -> None:
    assert main(["profile", "rm", "photos", "backup"]) == 0
    assert list(both.iterdir()) == []
    assert main(["profile", "rm", "photos"]) == 4


# Trying.


@pytest.fixture
def stores(monkeypatch):
    source, sink = MemorySource(), MemorySink()
    source.put_object("k", b"abc")
    monkeypatch.setattr(bootstrap, "open_source", lambda *_: source)
    monkeypatch.setattr(bootstrap, "open_sink", lambda *_: sink)
    return source, sink


def test_trying_says_what_profiles_can_do_and_leaves_no_blob(both, stores, capsys) -> None:
    capsys.readouterr()
    assert main(["profile", "test", "photos", "backup"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "ok    photos s3://photos/       can list and read",
        "ok    backup az://acme/backup/  can list and write",
    ]
    assert stores[1].list_page("").blobs == ()


def test_an_empty_bucket_can_be_listed(both, stores, capsys, monkeypatch) -> None:
    monkeypatch.setattr(bootstrap, "open_source", lambda *_: MemorySource())
    assert main(["profile", "test", "photos", "--bucket", "logs-1"]) == 0
    assert "s3://logs-1/  can list; it is empty, so" in capsys.readouterr().out


def test_an_object_without_bytes_does_not_stand_for_the_bucket(both, stores, capsys, monkeypatch) -> None:
    source = MemorySource()
    source.put_object("a")
    source.put_object("b", b"x")
    read: list[str] = []
    source.fault = lambda op, name: read.append(name) if op.startswith("read") else None
    monkeypatch.setattr(bootstrap, "open_source", lambda *_: source)
    assert main(["profile", "test", "photos"]) == 0
    assert "can list and read" in capsys.readouterr().out
    assert read == ["b"]


def test_a_refusal_is_the_finding(both, stores, capsys, monkeypatch) -> None:
    def refuse(_sink) -> None:
        raise CredentialsRefused("listing was refused", hint="renew the key")

    monkeypatch.setattr(MemorySink, "probe", refuse)
    capsys.readouterr()
    assert main(["profile", "test", "backup", "-o", "json"]) == 4
    record = json.loads(capsys.readouterr().out)
    assert (record["schema"], record["state"]) == ("awcopy.profile-test/1", "fail")
    assert record["findings"][0]["advice"] == "renew the key"


def test_wildcards_alone_cannot_be_tried(folder, capsys) -> None:
    assert main(["profile", "add", "p", "--bucket", "*"]) == 0
    assert main(["profile", "test", "p"]) == 0
    assert "name one to try with --bucket" in capsys.readouterr().out


def test_a_profile_that_is_not_there_fails(folder, capsys) -> None:
    assert main(["profile", "test", "nope"]) == 4
    assert "there is no profile 'nope'" in capsys.readouterr().out
