from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from awcopy.planning.naming import blob_name, name_problem
from tests.unit.factories import make_spec


@pytest.mark.parametrize(
    ("prefix", "to", "key", "blob"),
    [
        ("", "", "a/b", "a/b"),
        ("data/", "", "data/a/b", "a/b"),
        ("data/rep", "", "data/report.csv", "report.csv"),
        ("data", "", "data/a", "data/a"),
        ("a/b/c/", "x/", "a/b/c/d", "x/d"),
        ("data/", "x", "data/a", "xa"),
        ("", "", "/a", "/a"),
    ],
)
def test_a_blob_is_named_by_the_sinks_prefix_and_the_key_below_the_sources_folder(prefix, to, key, blob):
    assert blob_name(make_spec(prefix=prefix, to=to), key) == blob


@given(prefix=st.text("a/"), to=st.text("b/"), ends=st.sets(st.text("ab/."), min_size=2))
def test_keys_of_one_job_never_become_the_same_blob(prefix, to, ends):
    spec = make_spec(prefix=prefix, to=to)
    assert len({blob_name(spec, prefix + end) for end in ends}) == len(ends)


@pytest.mark.parametrize(
    "name",
    [
        "a",
        "a/b.txt",
        ".hidden",
        "a/.hidden",
        "..hidden",
        "a//b",
        "/a",
        "a b+c%20?#&='\"",
        "é/日本語/😀",
        "x" * 1024,
        "/" * 253 + "a",
        "a..b",
    ],
)
def test_azure_keeps_these_names(name):
    assert name_problem(name) == ""


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("", "empty"),
        ("x" * 1025, "more than 1024 characters"),
        ("/" * 254 + "a", "more than 254 path segments"),
        ("a\\b", "backslash"),
        ("a\x00b", "control"),
        ("a\nb", "control"),
        ("a\x7f", "control"),
        ("a\x85", "control"),
        ("a\ufffe", "control"),
        ("a\uffff", "control"),
        (".", "ends in a dot"),
        ("..", "ends in a dot"),
        ("./a", "ends in a dot"),
        ("../a", "ends in a dot"),
        ("a/./b", "ends in a dot"),
        ("a/../b", "ends in a dot"),
        ("a./b", "ends in a dot"),
        ("a.", "ends in a dot"),
        ("a/..", "ends in a dot"),
    ],
)
def test_azure_does_not_keep_these_names(name, problem):
    assert problem in name_problem(name)
