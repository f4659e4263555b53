from __future__ import annotations

import re

import pytest

from awcopy import errors
from awcopy.errors import AwcopyError, StorageError, Throttled, TransientError


def tree(kind=AwcopyError):
    """Return a class and all that derive from it in its module, with the depth of each, as the docstring draws it."""
    found = [(kind.__name__, 0)]
    for child in (child for child in kind.__subclasses__() if child.__module__ == errors.__name__):
        found += [(name, depth + 1) for name, depth in tree(child)]
    return found


CLASSES = [getattr(errors, name) for name, _ in tree()]


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes():
    drawn = re.findall(r"^((?:[│ ]   |[├└]── )*)(\w+)(?=\s{2,}|$)", errors.__doc__, re.MULTILINE)
    shown = [(name, len(branches) // 4) for branches, name in drawn if hasattr(errors, name)]
    assert sorted(shown) == sorted(tree())


def test_every_code_names_one_class():
    codes = [kind.code for kind in CLASSES]
    assert len(codes) == len(set(codes))
    assert all(re.fullmatch(r"[a-z_]+", code) for code in codes)


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_says_what_happened_and_what_to_do(kind):
    error = kind("it broke", hint="mend it")
    assert (str(error), error.message, error.hint) == ("it broke", "it broke", "mend it")


@pytest.mark.parametrize("kind", [kind for kind in CLASSES if issubclass(kind, StorageError)])
def test_an_error_of_a_store_keeps_the_stores_own_words(kind):
    error = kind("no", status=403, service_code="Nope", request_id="r1")
    assert (error.status, error.service_code, error.request_id) == (403, "Nope", "r1")


def test_a_throttled_request_knows_when_to_come_back():
    error = Throttled("slow down", retry_after_s=7.5)
    assert (error.retry_after_s, error.status) == (7.5, 503)


@pytest.mark.parametrize("kind", CLASSES)
def test_exit_codes_are_those_of_the_command_line(kind):
    assert kind.exit_code in {1, 2, 4, 7}


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [
        ("usage", 2),
        ("job_not_found", 2),
        ("store_not_found", 2),
        ("credentials", 4),
        ("access_denied", 4),
        ("credentials_refused", 4),
        ("unreachable", 7),
        ("connection_lost", 7),
        ("error", 1),
    ],
)
def test_an_error_ends_the_command_with_its_code(code, exit_code):
    assert [kind.exit_code for kind in CLASSES if kind.code == code] == [exit_code]


def test_only_what_may_pass_is_transient():
    assert {name for name, _ in tree(TransientError)} == {
        "TransientError",
        "Throttled",
        "ConnectionLost",
        "ServerFault",
    }
