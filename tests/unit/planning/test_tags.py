from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from awcopy.errors import TagsNotAllowed
from awcopy.model.spec import MetadataPolicy
from awcopy.planning.tags import decode_tag, encode_tag, fit_tags, write_tags

texts = st.text(st.characters(exclude_categories=["Cs"])) | st.text(alphabet="_x40@ é.")
ODD = {"who": "dana@example.com", "größe": "1", "plain key": "a/b:c=d_e+f-g."}
LONG = {f"k{number}": "=" * 256 for number in range(10)}


@given(text=texts)
@example(text="_x40@")
@example(text="_x40_")
def test_a_tag_can_be_told_from_its_encoded_form(text):
    encoded = encode_tag(text)
    assert decode_tag(encoded) == text
    assert re.fullmatch(r"[A-Za-z0-9 +\-./:=_]*", encoded)


def test_tags_that_azure_takes_stay_as_they_are():
    for policy in MetadataPolicy:
        assert fit_tags({"plain key": "a/b:c=d_e+f-g."}, policy) == ({"plain key": "a/b:c=d_e+f-g."}, [])


def test_other_characters_are_rewritten_and_counted():
    tags, notices = fit_tags(ODD, MetadataPolicy.RENAME)
    assert {decode_tag(name): decode_tag(value) for name, value in tags.items()} == ODD
    assert tags["who"] == "dana_x40_example.com"
    assert notices == ["tags_renamed: 2"]


def test_tags_with_other_characters_are_left_out_on_request():
    assert fit_tags(ODD, MetadataPolicy.EXCLUDE) == ({"plain key": ODD["plain key"]}, ["tags_excluded: 2"])


def test_tags_with_other_characters_fail_the_object_on_request():
    with pytest.raises(TagsNotAllowed, match="take: 2"):
        fit_tags(ODD, MetadataPolicy.FAIL)


@pytest.mark.parametrize(
    "tags",
    [
        {f"k{number}": "v" for number in range(11)},
        {"k": "v" * 257},
        {"k" * 129: "v"},
        {"k": "é" * 100},
        LONG,
    ],
)
def test_more_than_azure_takes_fails_the_object(tags):
    with pytest.raises(TagsNotAllowed, match="more or longer"):
        fit_tags(tags, MetadataPolicy.RENAME)


def test_of_more_than_azure_takes_what_fits_is_kept_on_request():
    tags, notices = fit_tags(LONG, MetadataPolicy.EXCLUDE)
    assert set(tags) == {"k0", "k1"}
    assert len(write_tags(tags)) <= 2000
    assert notices == ["tags_excluded: 8"]


def test_a_header_carries_tags_percent_encoded():
    assert write_tags({"a b": "c+d/e", "f": ""}) == "a%20b=c%2Bd%2Fe&f="


@pytest.mark.parametrize("policy", [MetadataPolicy.EXCLUDE, MetadataPolicy.FAIL])
def test_tags_that_only_look_rewritten_stay_where_nothing_is(policy):
    assert fit_tags({"k_x40_z": "v_x40_"}, policy) == ({"k_x40_z": "v_x40_"}, [])
