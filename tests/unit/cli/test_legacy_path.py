"""Paths of 2015: what is a key, a prefix, a wildcard or a regular expression, and which keys each takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from awcopy.cli.legacy_path import LegacyPath, is_regex, read_path
from awcopy.errors import UsageError
from awcopy.model.spec import Selection
from awcopy.planning.filters import check_regex, compile_selection
from tests.unit.factories import make_object

KEYS = ("2023/a.csv", "2024/a.csv", "2024/b.pdf", "2024/deep/c.PDF", "top.csv", "a[1].jpg")


@pytest.mark.parametrize(
    ("path", "recursive", "expected"),
    [
        ("2024/", False, ("2024/", "2024/", "")),
        ("2024/may/a.jpg", False, ("2024/may/", "2024/may/a.jpg", "a.jpg")),
        ("2024/may/a.jpg", True, ("2024/may/", "2024/may/a.jpg", "")),
        ("a.jpg", False, ("", "a.jpg", "a.jpg")),
        ("a[1].jpg", False, ("", "a[1].jpg", "a[[]1].jpg")),
        ("report (1).csv", False, ("", "report (1).csv", "report (1).csv")),
        ("*", False, ("", "", "")),
        ("*.*", True, ("", "", "")),
        ("2024/*.*", False, ("2024/", "2024/", "")),
        ("2024/*.p?f", False, ("2024/", "2024/", "*.p?f")),
        ("report.*", False, ("", "", "report.*")),
        ("20*/a.jpg", False, ("", "", "20*/a.jpg")),
        ("x/20?4/*.jpg", False, ("x/", "x/", "20?4/*.jpg")),
    ],
)
def test_a_path_is_a_key_a_folder_or_a_wildcard(path: str, recursive: bool, expected) -> None:
    found = read_path(path, recursive=recursive)
    assert (found.folder, found.prefix, found.pattern) == expected
    assert not found.is_regex


@pytest.mark.parametrize(
    ("path", "folder", "pattern"),
    [
        ("^a+$", "", "a+$"),
        ("2024/.*\\.csv", "2024/", ".*\\.csv"),
        ("^2024/deep/[a-c]+\\.(pdf|PDF)$", "2024/deep/", "[a-c]+\\.(pdf|PDF)$"),
        ("2024/.+", "2024/", ".+"),
        (".*", "", ".*"),
        ("2024/x/y\\d*", "2024/x/", "y\\d*"),
        ("20\\d\\d/a.csv", "", "20\\d\\d/a.csv"),
        ("a/x\\.csv|b/y\\.csv", "", "a/x\\.csv|b/y\\.csv"),  # the folder belongs to one choice only
        ("a/(x|y)[|]\\.csv", "a/", "(x|y)[|]\\.csv"),
        ("(?i)2024/.*pdf", "", "(?i)2024/.*pdf"),
        ("a//?b\\.csv", "a/", "/?b\\.csv"),  # what is repeated is the sign before
    ],
)
def test_what_can_only_be_a_regular_expression_is_one(path: str, folder: str, pattern: str) -> None:
    expected = LegacyPath(folder=folder, prefix=folder, pattern=pattern, is_regex=True)
    assert read_path(path, recursive=False) == expected


@pytest.mark.parametrize(
    ("path", "taken"),
    [
        ("*.*", list(KEYS)),
        ("2024/*.p?f", ["2024/b.pdf"]),
        ("a[1].jpg", ["a[1].jpg"]),
        ("top", ["top.csv"]),
        ("202", ["2023/a.csv", "2024/a.csv", "2024/b.pdf", "2024/deep/c.PDF"]),
        ("2024/.*\\.csv", ["2024/a.csv"]),
        ("20\\d+/[ab]\\.(csv|pdf)", ["2023/a.csv", "2024/a.csv", "2024/b.pdf"]),
        ("(?i)2024/.*pdf", ["2024/b.pdf", "2024/deep/c.PDF"]),
        ("2024/.+", ["2024/a.csv", "2024/b.pdf", "2024/deep/c.PDF"]),
    ],
)
def test_a_path_takes_these_keys_with_what_lies_below(path: str, taken: list[str]) -> None:
    found = read_path(path, recursive=True)
    given = (found.pattern,) if found.pattern else ()
    chosen = Selection(include_regex=given) if found.is_regex else Selection(include=given)
    is_taken = compile_selection(chosen, found.prefix)
    assert [key for key in KEYS if key.startswith(found.prefix) and is_taken(make_object(key))] == taken


@given(st.text(max_size=40))
def test_no_path_breaks_the_reader(path: str) -> None:
    found = read_path(path, recursive=True)
    assert found.prefix.startswith(found.folder)
    if is_regex(path):
        assert f"{found.folder}{found.pattern}" == path.removeprefix("^")
        try:
            check_regex(path)
        except UsageError:
            return
        check_regex(found.pattern)
