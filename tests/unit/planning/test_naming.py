from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from awcopy.model.spec import NamePolicy
from awcopy.planning.naming import (
    blob_name,
    decode_blob_name,
    encode_blob_name,
    is_renamed,
    name_problem,
)
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


# Any text that S3 can hold, and texts of which nearly all is an escape, looks like one, or needs one.
keys = st.text(st.characters(exclude_categories=["Cs"])) | st.text(
    alphabet="%.\\/125CEFB8D\x01\x7f\x85\ufffe\uffff"
)


@pytest.mark.parametrize("policy", NamePolicy)
@given(prefix=st.text("a/"), to=st.text("b/"), ends=st.sets(st.text("ab/.") | keys, min_size=2))
def test_keys_of_one_job_never_become_the_same_blob(policy, prefix, to, ends):
    spec = make_spec(prefix=prefix, to=to, names=policy)
    assert len({blob_name(spec, prefix + end) for end in ends}) == len(ends)


@given(key=keys)
@example(key="%5C")
@example(key="%25%2E")
@example(key="%C2%85")
@example(key="%C2\x85")
@example(key="%EF%BF.")
@example(key="%\\")
def test_a_name_can_be_told_from_its_encoded_form(key):
    assert decode_blob_name(encode_blob_name(key)) == key


@given(key=keys)
def test_of_an_encoded_name_azure_dislikes_its_length_alone(key):
    problem = name_problem(encode_blob_name(key))
    assert problem == "" or "empty" in problem or "more than" in problem


KINDS = pytest.mark.parametrize("has_directories", [False, True], ids=["flat", "directories"])


def as_azure_keeps_it(name: str, *, has_directories: bool) -> str:
    """Return the name under which the service is known to store a blob that is asked for by this one."""
    segments = [segment.rstrip(".") for segment in name.replace("\\", "/").split("/")]
    return "/".join(segment for segment in segments if segment or not has_directories)


@KINDS
@given(ends=st.sets(st.text("ab/.\\%25CEF", min_size=1), min_size=2))
def test_encoded_names_do_not_meet_in_azure_either(has_directories, ends):
    names = {encode_blob_name(end, has_directories=has_directories) for end in ends}
    kept = {as_azure_keeps_it(name, has_directories=has_directories) for name in names}
    assert len(kept) == len(ends)


@given(key=st.text("a/%2F.") | keys)
def test_a_name_for_directories_can_be_told_from_its_encoded_form(key):
    encoded = encode_blob_name(key, has_directories=True)
    assert decode_blob_name(encoded, has_directories=True) == key
    problem = name_problem(encoded, has_directories=True)
    assert problem == "" or ("is empty" in problem and not key) or "more than" in problem


@pytest.mark.parametrize(
    ("name", "encoded"),
    [
        ("a/b", "a/b"),
        ("a//b", "a/%2Fb"),
        ("/a", "%2Fa"),
        ("a/", "a%2F"),
        ("//", "%2F%2F"),
        ("a%2Fb", "a%252Fb"),
    ],
)
def test_directories_have_names(name, encoded):
    assert encode_blob_name(name, has_directories=True) == encoded
    assert bool(name_problem(name, has_directories=True)) is (encoded != name and "%" not in name)
    assert name_problem(encoded, has_directories=True) == ""


@given(key=keys)
def test_only_names_that_azure_would_not_keep_or_that_look_encoded_are_encoded(key):
    is_encoded = encode_blob_name(key) != key
    problem = name_problem(key)
    is_odd = bool(problem) and "empty" not in problem and "more than" not in problem
    assert is_encoded is (is_odd or decode_blob_name(key) != key)


@pytest.mark.parametrize(
    ("name", "encoded"),
    [
        ("a/b c+%20%2F?#&='\"<>", "a/b c+%20%2F?#&='\"<>"),
        ("./k", "%2E/k"),
        ("../k", "%2E%2E/k"),
        ("a/./b", "a/%2E/b"),
        ("a/../b", "a/%2E%2E/b"),
        ("a./b", "a%2E/b"),
        ("a..", "a%2E%2E"),
        ("a..b/.c", "a..b/.c"),
        ("a\\b", "a%5Cb"),
        ("a\nb\x85", "a%0Ab%C2%85"),
        ("a\ufffe", "a%EF%BF%BE"),
        ("100%25", "100%2525"),
        ("%2e%5c", "%2e%5c"),
        ("%C3%A9", "%C3%A9"),
    ],
)
def test_exactly_what_azure_would_not_keep_is_encoded(name, encoded):
    assert encode_blob_name(name) == encoded


def test_the_sinks_prefix_is_never_encoded():
    spec = make_spec(prefix="data/", to="50%25/", names=NamePolicy.ENCODE)
    assert blob_name(spec, "data/a.") == "50%25/a%2E"
    assert is_renamed(spec, "data/a.", "50%25/a%2E")
    assert not is_renamed(spec, "data/a", "50%25/a")


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
        ("a\ufffe", "U+FFFE"),
        ("a\uffff", "U+FFFF"),
        (".", "ends in a dot"),
        ("..", "ends in a dot"),
        ("./a", "ends in a dot"),
        ("../a", "ends in a dot"),
        ("a/./b", "ends in a dot"),
        ("a/../b", "ends in a dot"),
        ("a./b", "ends in a dot"),
        ("a.", "ends in a dot"),
        ("a/..", "ends in a dot"),
        ("a\udcff", "not valid UTF-8"),
    ],
)
def test_azure_does_not_keep_these_names(name, problem):
    assert problem in name_problem(name)
