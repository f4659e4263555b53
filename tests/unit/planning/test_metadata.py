from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from awcopy.errors import MetadataNotAllowed
from awcopy.model.objects import ContentHeaders
from awcopy.model.outcome import Proof, Route
from awcopy.model.spec import MetadataPolicy, NamePolicy, SourceSpec
from awcopy.planning.metadata import (
    blob_properties,
    decode_name,
    decode_value,
    encode_name,
    encode_value,
    is_stamped_by,
    is_stamped_with,
    name_source,
    read_notices,
    read_proof,
    read_route,
)
from tests.unit.factories import JOB_ID, NOW, make_blob, make_head, make_job, make_object, make_spec

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


def make_properties(*, head=None, obj=None, tags=None, **spec):
    job = make_job(spec=make_spec(**spec))
    return blob_properties(
        job, head or make_head(), obj or make_object(), crc64=0xAB, proof=Proof.CRC64, tags=tags
    )


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
        "awcopy_source": name_source(SourceSpec(bucket="bucket"), "k"),
        "awcopy_version": "v1",
    }


def test_the_stamp_names_the_bucket_and_not_what_else_makes_the_source():
    source = SourceSpec(bucket="photos", prefix="in/", endpoint_url="https://inside.example/")
    named = name_source(source, "in/secret plan")
    assert re.fullmatch("photos [0-9a-f]{16}", named)
    assert (
        name_source(replace(source, prefix="", endpoint_url="https://inside.example"), "in/secret plan")
        == named
    )
    assert name_source(source, "secret plan") != named


@given(bucket=st.text(min_size=1, max_size=80), key=st.text(max_size=1024))
def test_a_source_is_named_in_what_a_header_takes(bucket, key):
    assert re.fullmatch("[!-~](?:[ -~]*[!-~])?", name_source(SourceSpec(bucket=bucket), key))


@pytest.mark.parametrize("route", [Route.SERVER, Route.STREAM])
def test_the_stamp_tells_the_route(route):
    properties = blob_properties(
        make_job(), make_head(), make_object(), crc64=0xAB, proof=Proof.CRC64, route=route
    )
    assert read_route(properties.metadata) is route


def test_an_object_cannot_forge_the_stamp_and_keeps_what_it_has():
    metadata = {"awcopy_etag": "forged", "awcopy_job": "forged"}
    properties = make_properties(head=make_head(metadata=metadata))
    assert properties.metadata["awcopy_etag"] == "e1"
    assert properties.metadata["_x61_wcopy_etag"] == "forged"
    assert properties.notices == ("metadata_renamed: 2",)


def test_without_stamps_only_the_users_metadata_is_written():
    properties = make_properties(head=make_head(metadata={"owner": "dana", "a-b": "c"}), has_stamps=False)
    assert properties.metadata == {"owner": "dana", "a_x2d_b": "c"}
    assert properties.notices == ("metadata_renamed: 1",)


ODD_METADATA = {"owner": "dana", "a-b": "1", "a_x2d_b": "2", "1st": "é"}


def kept_by(policy, **head):
    """Return the metadata beside the stamp, and the notices."""
    properties = make_properties(head=make_head(**head), metadata=policy)
    own = {name for name in properties.metadata if name.startswith("awcopy_")}
    return {name: properties.metadata[name] for name in properties.metadata.keys() - own}, properties


def test_names_that_azure_does_not_take_are_rewritten_and_counted():
    metadata, properties = kept_by(MetadataPolicy.RENAME, metadata=ODD_METADATA)
    told = {decode_name(name): decode_value(value) for name, value in metadata.items()}
    assert told == ODD_METADATA
    assert properties.notices == ("metadata_renamed: 3",)


def test_names_that_azure_does_not_take_are_left_out_on_request():
    metadata, properties = kept_by(MetadataPolicy.EXCLUDE, metadata=ODD_METADATA)
    assert metadata == {"owner": "dana", "a_x2d_b": "2"}
    assert properties.notices == ("metadata_excluded: 2",)


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ({"metadata": ODD_METADATA}, "as they are: 2"),
        ({"missing_metadata": 2}, "as they are: 2"),
        ({"extras": {"expires": "never"}}, "headers .*: 1"),
        ({"headers": ContentHeaders(content_disposition="é")}, "headers .*: 1"),
    ],
)
def test_what_azure_does_not_take_fails_the_object_on_request(head, message):
    with pytest.raises(MetadataNotAllowed, match=message):
        kept_by(MetadataPolicy.FAIL, **head)


@pytest.mark.parametrize("policy", [MetadataPolicy.EXCLUDE, MetadataPolicy.FAIL])
def test_names_that_only_look_rewritten_stay_where_nothing_is(policy):
    metadata, properties = kept_by(policy, metadata={"x_x2d_y": "q"})
    assert (metadata, properties.notices) == ({"x_x2d_y": "q"}, ())


def test_plain_metadata_passes_every_policy():
    for policy in MetadataPolicy:
        metadata, properties = kept_by(policy, metadata={"owner": "größe"})
        assert decode_value(metadata["owner"]) == "größe"
        assert properties.notices == ()


def test_headers_that_azure_has_no_place_for_become_metadata():
    _, properties = kept_by(
        MetadataPolicy.RENAME,
        extras={"expires": "Thu, 01 Dec 2026 16:00:00 GMT"},
        headers=ContentHeaders(content_type="text/plain", content_disposition='inline; filename="日"'),
    )
    assert properties.metadata["awcopy_expires"] == "Thu, 01 Dec 2026 16:00:00 GMT"
    assert properties.headers.content_type == "text/plain"
    assert decode_value(properties.headers.content_disposition) == 'inline; filename="日"'
    assert properties.notices == ("headers_renamed: 2",)


def test_headers_that_azure_has_no_place_for_are_left_out_on_request():
    headers = ContentHeaders(content_type="text/plain", content_language="日")
    _, properties = kept_by(MetadataPolicy.EXCLUDE, extras={"expires": "x"}, headers=headers)
    assert "awcopy_expires" not in properties.metadata
    assert properties.headers == ContentHeaders(content_type="text/plain")
    assert properties.notices == ("headers_excluded: 2",)


def test_values_that_the_source_cannot_send_are_told():
    assert kept_by(MetadataPolicy.RENAME, missing_metadata=2)[1].notices == ("metadata_missing: 2",)


@pytest.mark.parametrize("policy", [MetadataPolicy.RENAME, MetadataPolicy.FAIL])
def test_more_metadata_than_azure_keeps_fails_the_object(policy):
    with pytest.raises(MetadataNotAllowed, match="7,936"):
        kept_by(policy, metadata={"large": "x" * 8000})


def test_of_more_metadata_than_azure_keeps_what_fits_is_kept_on_request():
    entries = {"a": "small", "large": "x" * 8000, "z": "small"}
    metadata, properties = kept_by(MetadataPolicy.EXCLUDE, metadata=entries)
    assert metadata == {"a": "small", "z": "small"}
    assert properties.notices == ("metadata_excluded: 1",)


@given(metadata=st.dictionaries(names.filter(bool), values), policy=st.sampled_from(MetadataPolicy))
def test_metadata_is_never_more_than_azure_keeps(metadata, policy):
    try:
        properties = make_properties(head=make_head(metadata=metadata), metadata=policy)
    except MetadataNotAllowed:
        return
    assert sum(len(name) + len(value) for name, value in properties.metadata.items()) <= 8192


def test_a_name_that_was_encoded_is_told_with_its_key():
    properties = make_properties(obj=make_object("a./ü"), names=NamePolicy.ENCODE)
    assert decode_value(properties.metadata["awcopy_key"]) == "a./ü"
    assert properties.notices == ("name_encoded",)


def test_the_notices_are_told_from_the_stamp():
    properties = make_properties(
        head=make_head(metadata={"a-b": "c"}), obj=make_object("a."), names=NamePolicy.ENCODE, tier="auto"
    )
    assert properties.notices == ("name_encoded", "metadata_renamed: 1", "tier: Hot")
    assert read_notices(properties.metadata) == properties.notices
    assert read_notices({}) == ()


def test_tags_are_kept_beside_the_metadata():
    properties = make_properties(tags={"who": "a@b", "plain": "x"})
    assert properties.tags == {"who": "a_x40_b", "plain": "x"}
    assert properties.notices == ("tags_renamed: 1",)


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
