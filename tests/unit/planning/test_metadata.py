from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from awcopy.model.objects import ContentHeaders
from awcopy.model.outcome import Proof
from awcopy.planning.metadata import (
    blob_properties,
    decode_name,
    decode_value,
    encode_name,
    encode_value,
    is_stamped_by,
    is_stamped_with,
    read_proof,
)
from tests.unit.factories import JOB_ID, NOW, make_blob, make_head, make_object

# Lower case, as S3 keeps names; the characters that make escapes are drawn often.
names = st.text(alphabet="_x2d0fg-.") | st.text(
    alphabet=st.characters(codec="utf-8", exclude_categories=["Lu", "Lt"])
)
values = st.text(alphabet=st.characters(exclude_categories=["Cs"])) | st.text(alphabet="=?UTF8B é\n")


@given(name=names)
@example(name="_x2d-")
@example(name="-x2d_")
@example(name="1x2d_")
def test_a_metadata_name_can_be_told_from_its_encoded_form(name):
    assert decode_name(encode_name(name)) == name


@given(name=names.filter(bool))
def test_an_encoded_name_is_a_c_sharp_identifier(name):
    assert re.fullmatch(r"[a-z_][a-z0-9_]*", encode_name(name))


@pytest.mark.parametrize(
    ("name", "encoded"),
    [
        ("owner", "owner"),
        ("snake_case", "snake_case"),
        ("content-sha", "content_x2d_sha"),
        ("1st", "_x31_st"),
        ("a.b", "a_x2e_b"),
        ("_x2d_", "_x5f_x2d_"),
        ("é", "_xe9_"),
    ],
)
def test_names_stay_readable(name, encoded):
    assert encode_name(name) == encoded


@given(value=values)
def test_a_metadata_value_can_be_told_from_its_encoded_form(value):
    assert decode_value(encode_value(value)) == value


@given(value=values)
def test_an_encoded_value_is_safe_in_a_header(value):
    encoded = encode_value(value)
    assert encoded.isascii()
    assert encoded == encoded.strip()
    assert encoded == "" or encoded.isprintable()


@pytest.mark.parametrize("value", ["", "plain", "a b", "100%", "=", "?="])
def test_plain_values_are_kept_as_they_are(value):
    assert encode_value(value) == value


@pytest.mark.parametrize(
    "value", [" a", "a ", "a\r\nx-ms-evil: 1", "é", "=?UTF-8?B?YQ==?=", "\x7f", "\udcff"]
)
def test_other_values_are_encoded(value):
    encoded = encode_value(value)
    assert encoded.startswith("=?UTF-8?B?")
    assert decode_value(encoded) == value


def make_properties(*, head=None, obj=None, **changes):
    facts = {"crc64": 0xAB, "proof": Proof.CRC64, **changes}
    return blob_properties(head or make_head(), obj or make_object(), JOB_ID, **facts)


def test_headers_and_metadata_are_kept():
    headers = ContentHeaders(content_type="text/plain", content_encoding="gzip", cache_control="no-cache")
    properties = make_properties(head=make_head(headers=headers, metadata={"x-id": "é"}), tier="Cool")
    assert properties.headers == headers
    assert properties.metadata["x_x2d_id"] == "=?UTF-8?B?w6k=?="
    assert properties.tier == "Cool"


def test_the_stamp_says_what_was_copied_and_by_which_job():
    stamp = make_properties(obj=make_object(size_bytes=9, version_id="v1")).metadata
    assert stamp == {
        "awcopy_etag": "e1",
        "awcopy_modified": NOW.isoformat(),
        "awcopy_size": "9",
        "awcopy_crc64": "00000000000000ab",
        "awcopy_proof": "crc64",
        "awcopy_job": JOB_ID,
        "awcopy_version": "v1",
    }


def test_an_object_cannot_forge_the_stamp():
    metadata = {"awcopy_etag": "forged", "awcopy_job": "forged"}
    assert "forged" not in make_properties(head=make_head(metadata=metadata)).metadata.values()


@pytest.mark.parametrize("etag", ["e1", "d41d8cd98f00b204e9800998ecf8427e-3", "é", " "])
def test_a_blob_is_known_by_its_stamp(etag):
    obj = make_object(etag=etag)
    blob = make_blob(metadata=make_properties(obj=obj).metadata)
    assert is_stamped_with(blob, obj)
    assert is_stamped_by(blob, JOB_ID)
    assert not is_stamped_by(blob, "another")


@pytest.mark.parametrize(
    ("blob_changes", "object_changes"),
    [({"size_bytes": 8}, {}), ({}, {"etag": "e2"}), ({}, {"size_bytes": 8}), ({"metadata": {}}, {})],
)
def test_a_blob_that_differs_is_not_taken_for_a_copy(blob_changes, object_changes):
    blob = make_blob(**{"metadata": make_properties().metadata, **blob_changes})
    assert not is_stamped_with(blob, make_object(**object_changes))


def test_the_proof_is_read_from_the_stamp():
    assert read_proof(make_properties().metadata) == (Proof.CRC64, 0xAB)


@pytest.mark.parametrize("stamp", [{}, {"awcopy_proof": "?"}, {"awcopy_proof": "md5", "awcopy_crc64": "?"}])
def test_a_stamp_that_cannot_be_read_proves_the_length_alone(stamp):
    assert read_proof(stamp) == (Proof.LENGTH, None)
