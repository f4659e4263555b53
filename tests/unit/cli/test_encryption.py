"""What a command line may say about encryption, and what becomes of it."""

from __future__ import annotations

import base64

import pytest

from awcopy.cli.encryption import read_encryption
from awcopy.config import Secret, Settings
from awcopy.errors import CredentialsError, UsageError
from tests.unit.cli.test_copy import LINE, launch_of, launched  # noqa: F401 - the fixture

KEY_TEXT = base64.b64encode(b"k" * 32).decode()
NOTHING = {
    "encryption_scope": "",
    "encryption_key": None,
    "source_encryption_key": None,
    "encrypt": False,
    "tier": "",
}


@pytest.fixture(autouse=True)
def key_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", KEY_TEXT)


def given(settings: Settings | None = None, **options):
    return read_encryption({**NOTHING, **options}, settings or Settings())


def test_a_scope_reaches_the_job_and_nothing_else(launched) -> None:  # noqa: F811 - the fixture
    launch = launch_of(launched, *LINE, "--local", "--encryption-scope", "projects")
    assert (launch.spec.sink.encryption_scope, launch.spec.sink.key_sha256) == ("projects", "")
    assert launch.credentials.sink_key is None


def test_keys_reach_the_credentials_and_their_fingerprints_the_job(launched) -> None:  # noqa: F811 - the fixture
    words = ("--encryption-key", "@env:KEY", "--source-encryption-key", "@env:KEY")
    launch = launch_of(launched, *LINE, "--local", *words)
    key = launch.credentials.sink_key
    assert key == launch.credentials.source_key
    assert key.value.reveal() == KEY_TEXT
    assert (launch.spec.sink.key_sha256, launch.spec.source.key_sha256) == (key.sha256, key.sha256)
    assert KEY_TEXT not in repr(launch)


def test_a_raw_key_in_a_file_is_read_as_it_is(tmp_path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"\n" + b"k" * 31)
    assert (
        base64.b64decode(given(encryption_key=f"@file:{path}").sink_key.value.reveal()) == path.read_bytes()
    )


@pytest.mark.parametrize("option", ["encryption_key", "source_encryption_key"])
def test_a_key_in_clear_is_refused_and_not_repeated(option) -> None:
    with pytest.raises(UsageError, match="takes no key in clear") as caught:
        given(**{option: KEY_TEXT})
    assert KEY_TEXT not in str(caught.value) + caught.value.hint


@pytest.mark.parametrize("text", ["@env:NO_SUCH", "@file:/no/such/file"])
def test_a_key_that_is_not_there_is_named(text) -> None:
    with pytest.raises(CredentialsError, match="--encryption-key"):
        given(encryption_key=text)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"encryption_scope": "a-scope", "encryption_key": "@env:KEY"}, "not with both"),
        ({"encryption_scope": "a/b"}, "no encryption scope can be called"),
        ({"encryption_scope": "a-scope", "tier": "Cool"}, "takes no access tier"),
        ({"encryption_key": "@env:KEY", "tier": "Cool"}, "takes no access tier"),
        ({"encrypt": True, "encryption_scope": "a-scope"}, "names another"),
        ({"encrypt": True}, "neither is set"),
    ],
)
def test_a_contradiction_is_explained(options, says) -> None:
    with pytest.raises(UsageError, match=says):
        given(**options)


def test_encrypt_takes_the_scope_of_the_settings() -> None:
    assert given(Settings(encryption_scope="projects"), encrypt=True).scope == "projects"


def test_encrypt_takes_the_key_of_the_settings() -> None:
    found = given(Settings(encryption_key=Secret(KEY_TEXT)), encrypt=True, source_encryption_key="@env:KEY")
    assert found.sink_key == found.source_key


def test_encrypt_with_two_settings_is_refused() -> None:
    with pytest.raises(UsageError, match="both are set"):
        given(Settings(encryption_scope="projects", encryption_key=Secret(KEY_TEXT)), encrypt=True)


def test_without_options_there_is_none() -> None:
    found = given(Settings(encryption_scope="projects"))
    assert (found.scope, found.sink_key, found.source_key) == ("", None, None)
