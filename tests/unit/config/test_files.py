"""Configuration files: where they are looked for, what they may say, and what goes before what."""

from __future__ import annotations

from pathlib import Path

import pytest

from awcopy.config import Settings, config_files, load_settings, load_settings_with_origins, resolve_secret
from awcopy.errors import CredentialsError, UsageError


class Home:
    """A user's home, and a way to write the user's own file and another one."""

    def __init__(self, folder: Path) -> None:
        self.own = folder / ".config" / "awcopy" / "config.toml"
        self.other = folder / "other.toml"
        self.env = {"HOME": str(folder), "AWCOPY_CONFIG": str(self.other)}

    def write(self, own: str = "", other: str = "") -> None:
        self.own.parent.mkdir(parents=True, exist_ok=True)
        self.own.write_text(own)
        self.other.write_text(other)


@pytest.fixture
def home(tmp_path: Path):
    return Home(tmp_path)


def test_without_files_every_setting_has_its_default(tmp_path):
    assert load_settings({"HOME": str(tmp_path)}) == Settings()


def test_a_file_gives_every_kind_of_setting(home):
    home.write('namespace = "staging"\nkeys = "/keys"\nallow_private_endpoints = true\nlease_s = 60\n')
    settings = load_settings(home.env)
    assert (settings.namespace, settings.keys, settings.lease_s) == ("staging", Path("/keys"), 60)
    assert settings.allow_private_endpoints is True


def test_the_named_file_goes_before_the_users_and_a_variable_before_both(home):
    home.write("lease_s = 1\nreconcile_s = 1\nconnections = 1\n", "reconcile_s = 2\nconnections = 2\n")
    loaded = load_settings_with_origins({**home.env, "AWCOPY_CONNECTIONS": "3"})
    settings = loaded.settings
    assert (settings.lease_s, settings.reconcile_s, settings.connections) == (1, 2, 3)
    assert loaded.origins == {
        "lease_s": home.own,
        "reconcile_s": home.other,
        "connections": "AWCOPY_CONNECTIONS",
    }


def test_the_users_folder_can_be_another(tmp_path):
    env = {"HOME": "/nobody", "XDG_CONFIG_HOME": str(tmp_path), "AWCOPY_CONFIG": "/etc/awcopy.toml"}
    assert config_files(env) == [tmp_path / "awcopy" / "config.toml", Path("/etc/awcopy.toml")]
    assert config_files({}) == []


@pytest.mark.parametrize(
    ("text", "says", "hint"),
    [
        ('ledgr = "x"', "there is no setting 'ledgr'", "did you mean 'ledger'?"),
        ("zzz = 1", "there is no setting 'zzz'", "known are redis_url, ledger"),
        ('lease_s = "30"', "lease_s is not a whole number", "without quotes"),
        ("lease_s = 0", "lease_s is not a whole number of 1 to 3,600", ""),
        ("lease_s = 99999999999999", "lease_s is not a whole number of 1 to 3,600", ""),
        ("lease_s = true", "lease_s is not a whole number", ""),
        ("namespace = 1", "namespace is not a text", "quotes"),
        ("allow_private_endpoints = 1", "allow_private_endpoints is neither true nor false", "true or false"),
        ("namespace = staging", "is not TOML", "quotes"),
        ("[awcopy]\nlease_s = 1", "there is no setting 'awcopy'", ""),
    ],
)
def test_what_is_wrong_is_said_with_file_and_key(home, text, says, hint):
    home.write(other=text)
    with pytest.raises(UsageError) as caught:
        load_settings(home.env)
    assert caught.value.message.startswith(str(home.other))
    assert says in caught.value.message
    assert hint in caught.value.hint


def test_a_file_that_is_named_has_to_be_there(home):
    with pytest.raises(UsageError, match=r"other\.toml cannot be read: No such file"):
        load_settings(home.env)


def test_a_file_that_is_no_text_is_an_error(home):
    home.write()
    home.other.write_bytes(b"\xff")
    with pytest.raises(UsageError, match="it is not UTF-8"):
        load_settings(home.env)


# Secrets that lie elsewhere.


def test_a_secret_setting_can_lie_in_a_variable_or_a_file(home, tmp_path):
    (tmp_path / "url").write_text("redis://h/1\n")
    home.write(f'redis_url = "@file:{tmp_path}/url"\n')
    settings = load_settings({**home.env, "AWCOPY_LEDGER": "@env:OTHER", "OTHER": "https://a.blob.x"})
    assert settings.redis_url.reveal() == "redis://h/1"
    assert settings.ledger.reveal() == "https://a.blob.x"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("@env:NOT_THERE", "x: @env:NOT_THERE is empty"),
        ("@file:/no/such/file", "x: cannot be read from /no/such/file: No such file or directory"),
    ],
)
def test_a_secret_that_is_not_there_is_an_error_that_names_its_place(text, says):
    with pytest.raises(CredentialsError, match=says):
        resolve_secret("x", text, {})


def test_of_a_setting_the_file_and_the_key_are_named(home):
    home.write(other='ledger = "@env:NOT_THERE"')
    with pytest.raises(CredentialsError, match=rf"{home.other}: ledger: @env:NOT_THERE is empty"):
        load_settings(home.env)
