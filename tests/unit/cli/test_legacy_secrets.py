"""Secrets of the 2015 form: where they may come from, and what is said about them."""

from __future__ import annotations

import io
import sys

import pytest

from awcopy.cli.legacy import read_legacy
from awcopy.cli.legacy_secrets import resolve_credentials
from awcopy.errors import CredentialsError

BASE = ["bucket:photos", "path:*", "container:backup", "storageaccount:acme"]


def resolve(access: str = "AKIA", secret: str = "@env:S", key: str = "@env:K"):
    return resolve_credentials(
        read_legacy([*BASE, f"accesskey:{access}", f"secret:{secret}", f"storagekey:{key}"])
    )


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S", "from the environment")
    monkeypatch.setenv("K", "a2V5")


def test_a_variable_is_read_without_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    found = resolve()
    assert found.aws.secret_key.reveal() == "from the environment"
    assert found.azure.account_key.reveal() == "a2V5"
    assert capsys.readouterr().err == ""


def test_a_file_is_read_without_its_line_end(tmp_path) -> None:
    path = tmp_path / "secret"
    path.write_text("from a file\n")
    assert resolve(secret=f"@file:{path}").aws.secret_key.reveal() == "from a file"


def test_a_dash_reads_a_line_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("first\na2V5\n"))
    found = resolve(secret="-", key="-")
    assert (found.aws.secret_key.reveal(), found.azure.account_key.reveal()) == ("first", "a2V5")


def test_secrets_in_clear_work_with_one_warning_that_does_not_repeat_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = resolve(secret="in:clear", key="a2V5")
    assert found.aws.secret_key.reveal() == "in:clear"
    (line,) = capsys.readouterr().err.splitlines()
    assert "@env:NAME" in line
    assert "in:clear" not in line


@pytest.mark.parametrize("text", ["@env:NO_SUCH_VARIABLE", "@file:/no/such/file", "@env:"])
def test_a_secret_that_is_not_there_is_named(text: str) -> None:
    with pytest.raises(CredentialsError, match="secret:"):
        resolve(secret=text)


def test_a_storage_key_that_is_not_base64_is_refused_unseen() -> None:
    with pytest.raises(CredentialsError, match="not base64") as caught:
        resolve(key="not!base64")
    assert "not!base64" not in str(caught.value) + caught.value.hint


def test_a_list_reads_no_storage_key() -> None:
    call = read_legacy(
        ["bucket:photos", "path:*.*", "accesskey:A", "secret:@env:S", "storagekey:@env:NO", "/L"]
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("S", "hidden")
        found = resolve_credentials(call)
    assert (found.aws.secret_key.reveal(), found.azure) == ("hidden", None)
