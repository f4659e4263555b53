"""The program itself: which form is spoken, and how errors leave it."""

from __future__ import annotations

import json

import click
import pytest

from awcopy.cli import main as program
from awcopy.cli.main import COMMANDS, cli, main


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["cpoy"], "'cpoy': did you mean 'copy'? `awcopy --help` shows"),
        (["copy"], "missing argument 'SRC': `awcopy copy --help`"),
        (
            ["copy", "a", "b", "--blocksize", "8M"],
            "no such option '--blocksize': did you mean '--block-size'?",
        ),
        (["copy", "a", "b", "--inc", "x"], "no such option '--inc': did you mean '--include' or '--"),
        (["copy", "a", "b", "-Z"], "no such option '-Z': `awcopy copy --help`"),
        (["jobs", "lst"], "no such command 'lst': did you mean 'list'? `awcopy jobs --help`"),
        (["copy", "s3://photos", "az://acme/backup", "--agents", "many"], "--agents"),
        (["/Q"], "there is no switch /Q"),
        (["bucket:photos"], "missing parameters"),
    ],
)
def test_a_usage_error_is_one_line_and_exit_2(
    words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    (line,) = lines(capsys)
    assert line.startswith("awcopy: ")
    assert says in line


def test_with_json_an_error_is_a_record(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["copy", "s3://photos", "-o", "json"]) == 2
    (line,) = lines(capsys)
    error = json.loads(line)["error"]
    assert error["code"] == "usage"
    assert set(error) == {"code", "message", "hint"}


def test_without_a_word_the_help_is_shown_and_nothing_done(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "Commands:" in capsys.readouterr().err


def raising(error: BaseException):
    def run(_words):
        raise error

    return run


def test_an_interrupt_is_exit_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(program, "_run", raising(KeyboardInterrupt()))
    assert main(["copy"]) == 130
    assert lines(capsys) == ["awcopy: interrupted"]


def test_what_nobody_foresaw_is_one_line_and_exit_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(program, "_run", raising(ValueError("odd\nsig=CANARY")))
    assert main(["copy"]) == 1
    (line,) = lines(capsys)
    assert line.startswith("awcopy: unexpected ValueError: odd")
    assert "CANARY" not in line


def test_the_traceback_is_shown_at_debug_only_and_masked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWCOPY_LOG_LEVEL", "DEBUG")
    monkeypatch.setattr(program, "_run", raising(ValueError("sig=CANARY")))
    main(["copy"])
    text = capsys.readouterr().err
    assert "Traceback" in text
    assert "CANARY" not in text


@pytest.mark.parametrize("words", [["/H"], ["/?"], ["bucket:photos", "/h"]], ids=" ".join)
def test_the_2015_form_explains_itself(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    assert "storageaccount:" in capsys.readouterr().out


def test_a_command_in_front_means_todays_form(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["copy", "bucket:photos", "/S"]) == 2
    assert "'bucket:photos' is not a source" in lines(capsys)[0]


def test_legacy_explain_prints_todays_line_without_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    words = "bucket:photos path:a/*.p?f accesskey:AK secret:SK container:backup "
    words += "storageaccount:acme storagekey:KK /C /B:4M"
    assert main(["legacy-explain", *words.split()]) == 0
    printed = capsys.readouterr()
    expected = (
        "awcopy copy s3://photos/a/ az://acme/backup/a/ --include '*.p?f' --no-recursive --block-size 4M\n"
    )
    assert printed.out == expected
    assert "@env:NAME" in printed.err
    assert "SK" not in printed.err.split()


def test_the_help_page_lists_every_command_in_order() -> None:
    context = click.Context(cli)
    assert cli.list_commands(context) == list(COMMANDS)
    assert all(cli.get_command(context, name).name == name for name in COMMANDS)
