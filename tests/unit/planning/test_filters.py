from __future__ import annotations

import time
from datetime import timedelta

import pytest

from awcopy.errors import UsageError
from awcopy.model.spec import Selection
from awcopy.planning.filters import check_regex, compile_selection
from tests.unit.factories import NOW, make_object

KEYS = ("logs/a.log", "logs/b.txt", "logs/old/c.log", "logs/old/deep/d.txt")


def select(prefix="", keys=KEYS, **changes):
    is_selected = compile_selection(Selection(**changes), prefix)
    return [key for key in keys if is_selected(make_object(key))]


def test_without_filters_everything_is_taken():
    assert select() == list(KEYS)


@pytest.mark.parametrize(
    ("prefix", "changes", "taken"),
    [
        ("", {"include": ("*.log",)}, ["logs/a.log", "logs/old/c.log"]),
        ("", {"include": ("a.*", "d.*")}, ["logs/a.log", "logs/old/deep/d.txt"]),
        ("", {"exclude": ("*.log",)}, ["logs/b.txt", "logs/old/deep/d.txt"]),
        ("", {"include": ("*.log",), "exclude": ("c.*",)}, ["logs/a.log"]),
        ("", {"include": ("logs/*.log",)}, ["logs/a.log", "logs/old/c.log"]),
        ("logs/", {"include": ("old/*",)}, ["logs/old/c.log", "logs/old/deep/d.txt"]),
        ("logs/", {"include": ("logs/*",)}, []),  # a glob looks below the source's folder
        ("logs/o", {"include": ("old/*.txt",)}, ["logs/old/deep/d.txt"]),
        ("", {"include": ("?.log",)}, ["logs/a.log", "logs/old/c.log"]),
        ("", {"include": ("[ab].*",)}, ["logs/a.log", "logs/b.txt"]),
        ("", {"include": ("*.LOG",)}, []),
        ("", {"include": ("log",)}, []),  # a glob is the whole name
    ],
)
def test_globs_take_and_leave_out(prefix, changes, taken):
    assert select(prefix, **changes) == taken


@pytest.mark.parametrize(
    ("prefix", "taken"),
    [
        ("", ["top"]),
        ("logs/", ["logs/a", "logs/old/"]),
        ("logs/a", ["logs/a"]),
        ("logs/o", ["logs/old/"]),
    ],
)
def test_without_recursion_only_the_prefixs_own_level_is_taken(prefix, taken):
    keys = ["top", "logs/a", "logs/old/", "logs/old/c"]
    listed = [key for key in keys if key.startswith(prefix)]
    assert [key for key in select(prefix, listed, recursive=False) if key in listed] == taken


@pytest.mark.parametrize(
    ("changes", "is_taken"),
    [
        ({"newer_than": NOW - timedelta(seconds=1)}, True),
        ({"newer_than": NOW}, False),
        ({"older_than": NOW}, False),
        ({"older_than": NOW + timedelta(seconds=1)}, True),
        ({"min_size_bytes": 7}, True),
        ({"min_size_bytes": 8}, False),
        ({"max_size_bytes": 7}, True),
        ({"max_size_bytes": 6}, False),
        ({"min_size_bytes": 0, "max_size_bytes": 0}, False),
    ],
)
def test_bounds_take_and_leave_out(changes, is_taken):
    assert compile_selection(Selection(**changes), "")(make_object()) == is_taken


def test_every_filter_must_agree():
    assert select(include=("*.log",), max_size_bytes=6) == []


@pytest.mark.parametrize(
    ("prefix", "changes", "taken"),
    [
        ("", {"include_regex": (r"logs/[ab]\..*",)}, ["logs/a.log", "logs/b.txt"]),
        ("logs/", {"include_regex": (r"[a-c]\.log",)}, ["logs/a.log"]),
        ("logs/o", {"include_regex": (r"old/.*",)}, ["logs/old/c.log", "logs/old/deep/d.txt"]),
        ("", {"exclude_regex": (r".*/old/.*",)}, ["logs/a.log", "logs/b.txt"]),
        ("logs/", {"include": ("b.*",), "include_regex": (r"a\.log",)}, ["logs/a.log", "logs/b.txt"]),
        ("", {"include_regex": ("logs",)}, []),
    ],
)  # fmt: skip
def test_a_regular_expression_has_to_match_the_whole_key_below_the_folder(prefix, changes, taken):
    keys = [key for key in KEYS if key.startswith(prefix)]
    assert [key for key in select(prefix, keys, **changes) if key in keys] == taken


@pytest.mark.parametrize("pattern", ["a(b", "[z-a]", r"(a)\1", "(?=a)", "a{2000}"])
def test_what_is_no_regular_expression_or_a_slow_one_is_an_error(pattern):
    with pytest.raises(UsageError, match="is not a regular expression"):
        check_regex(pattern)


def test_no_expression_takes_longer_than_the_key_is_long():
    begun = time.process_time()
    assert select(keys=["a" * 1000 + "!"], include_regex=("(a+)+",)) == []
    assert select(keys=["a" * 1000], include_regex=("(a|a)*(a?){100}a{100}",)) == ["a" * 1000]
    assert time.process_time() - begun < 5
