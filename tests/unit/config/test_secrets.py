from __future__ import annotations

import copy
import json
import pickle

import pytest

from awcopy.config import AwsKeys, Secret


@pytest.mark.parametrize("show", [repr, str, "{}".format, "{!r}".format, "%s".__mod__])
def test_a_secret_never_shows_itself(show):
    assert show(Secret("hunter2")) == "**redacted**"
    assert "hunter2" not in show(AwsKeys(access_key=Secret("AKIAX"), secret_key=Secret("hunter2")))


@pytest.mark.parametrize("store", [pickle.dumps, copy.copy, copy.deepcopy, json.dumps])
def test_a_secret_is_never_serialized(store):
    with pytest.raises(TypeError):
        store(Secret("hunter2"))


def test_a_secret_is_revealed_when_asked():
    assert Secret("hunter2").reveal() == "hunter2"


def test_secrets_compare_by_value():
    assert Secret("a") == Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2
    assert (bool(Secret("a")), bool(Secret(""))) == (True, False)
