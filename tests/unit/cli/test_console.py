"""Printing: untrusted text is harmless on a terminal, in a spreadsheet and in JSON."""

from __future__ import annotations

import csv
import io
import json
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from awcopy.cli.console import (
    outputs_json,
    print_csv,
    print_error,
    print_json,
    print_table,
    safe_cell,
    safe_text,
)
from awcopy.errors import AccessDenied, UsageError

BIDI = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@given(st.text())
def test_safe_text_holds_nothing_that_acts_on_a_terminal(text: str) -> None:
    shown = safe_text(text)
    assert not any(unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} or char in BIDI for char in shown)
    shown.encode("utf-8")


@given(st.text(alphabet=st.characters(min_codepoint=0x20, max_codepoint=0x7E)))
def test_safe_text_leaves_plain_text_as_it_is(text: str) -> None:
    assert safe_text(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[2Jb", "a\\x1b[2Jb"),
        ("\x9b31m", "\\x9b31m"),
        ("a\u202egpj.exe", "a\\u202egpj.exe"),
        ("a\r\nb\tc\x7f", "a\\x0d\\x0ab\\x09c\\x7f"),
        ("a\u200bb\u200d\u2060c\xad", "a\\u200bb\\u200d\\u2060c\\xad"),
        ("a\U000e0041", "a\\U000e0041"),
        ("\ufffe\uffff\ufdd0\U0001fffe", "\\ufffe\\uffff\\ufdd0\\U0001fffe"),
        ("größe 日本 😀 [red]x[/red]", "größe 日本 😀 [red]x[/red]"),
    ],
)
def test_safe_text_shows_what_it_escapes(text: str, shown: str) -> None:
    assert safe_text(text) == shown


@pytest.mark.parametrize("cell", ["=cmd|'/c calc'!A1", "+1", "-1", "@x", "\t=1", "\r=1", "\0x"])
def test_a_cell_that_a_spreadsheet_would_run_is_quoted(cell: str) -> None:
    assert safe_cell(cell) == f"'{cell}"


@given(
    st.lists(st.text(alphabet=st.characters(exclude_characters="\0", codec="utf-8")), min_size=2, max_size=2)
)
def test_csv_cells_survive_a_reader(cells: list[str]) -> None:
    out, sys.stdout = sys.stdout, io.StringIO(newline="")
    try:
        print_csv(("a", "b"), [cells])
        written = sys.stdout.getvalue()
    finally:
        sys.stdout = out
    header, row = csv.reader(io.StringIO(written, newline=""))
    assert header == ["a", "b"]
    assert row == [safe_cell(safe_text(cell)) for cell in cells]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row)


def test_json_escapes_what_a_terminal_would_act_on(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"key": "\x9b\u202e\x1b"}, is_line=True)
    printed = capsys.readouterr().out
    assert printed.isascii()
    assert json.loads(printed) == {"key": "\x9b\u202e\x1b"}


def test_tables_take_no_markup_and_are_not_cut_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("ID", "NAME"), [("1", "[red]x[/red]\x1b[0m" + "y" * 200)])
    assert "[red]x[/red]\\x1b[0m" + "y" * 200 in capsys.readouterr().out


def test_on_a_terminal_too_narrow_for_a_table_each_row_is_a_few_lines(monkeypatch) -> None:
    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]  # a terminal in memory
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", terminal)
    print_table(("ID", "NAME", "NOTE"), [("1", "one\u200b", ""), ("2", "two", "x" * 60)])
    expected = ["ID    1", "NAME  one\\u200b", "NOTE", "", "ID    2", "NAME  two", f"NOTE  {'x' * 60}"]
    assert terminal.getvalue().splitlines() == expected


def test_a_csv_row_is_one_line_whatever_a_key_holds(capsys: pytest.CaptureFixture[str]) -> None:
    print_csv(("key", "blob"), [("a\nb", "\x1b[2J")])
    assert capsys.readouterr().out.splitlines() == ["key,blob", "a\\x0ab,\\x1b[2J"]


def test_an_error_is_one_line_with_what_why_and_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(UsageError("two\nlines \x1b[31m", hint="do this"), as_json=False)
    assert capsys.readouterr().err == "awcopy: two lines \\x1b[31m: do this\n"


def test_an_error_masks_what_looks_like_a_credential(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(UsageError("https://x/?sig=CANARY&x=1", hint="AKIACANARYCANARY1234"), as_json=False)
    assert "CANARY" not in capsys.readouterr().err


def test_an_error_can_be_json(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(AccessDenied("no", hint="ask"), as_json=True)
    record = json.loads(capsys.readouterr().err)
    assert record == {"error": {"code": "access_denied", "message": "no", "hint": "ask"}}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["copy", "-o", "json"], True),
        (["copy", "--output", "ndjson", "x"], True),
        (["copy", "--output=json"], True),
        (["copy", "-ojson"], True),
        (["copy", "-o", "table"], False),
        (["copy", "json"], False),
    ],
)
def test_a_command_line_that_asks_for_json_is_recognised(words: list[str], expected: bool) -> None:
    assert outputs_json(words) is expected
