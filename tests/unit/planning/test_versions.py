from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from awcopy.model.objects import SourceObject
from awcopy.model.spec import NamePolicy, Versions
from awcopy.planning.naming import blob_of, decode_blob_name
from awcopy.planning.versions import read_versioned_key, versioned_key
from tests.unit.factories import make_spec

AT = datetime(2024, 5, 1, 9, 30, 0, 125_999, tzinfo=UTC)
SEEN = "-v2024-05-01-093000-125-"
# Parts of which keys are made that look like names of older versions, or nearly so.
KEYS = st.lists(
    st.sampled_from(
        ["a", ".", "/", "-v", "-", "~2D", "-v2024-05-01-093000-125-id", "id", "ü", "\n", ".jpg", ".."]
    )
).map("".join)
IDS = st.text(st.sampled_from("aV-v._~2D0/+"), min_size=1, max_size=12) | st.sampled_from(
    ["null", "-v", "v-"]
)


def version(key: str, version_id: str = "id", *, is_latest: bool = False, **facts) -> SourceObject:
    return SourceObject(
        key=key, size_bytes=1, etag="e", modified_at=AT, version_id=version_id, is_latest=is_latest, **facts
    )


VERSIONS = st.builds(lambda key, one, latest: version(key, one, is_latest=latest), KEYS, IDS, st.booleans())


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("photo.jpg", f"photo{SEEN}id.jpg"),
        ("a.b/photo", f"a.b/photo{SEEN}id"),
        ("a/archive.tar.gz", f"a/archive.tar{SEEN}id.gz"),
        ("a/.profile", f"a/.profile{SEEN}id"),
        ("dir/", f"dir/{SEEN}id"),
    ],
)
def test_an_older_version_stands_beside_the_current_one_with_its_extension(key, name):
    assert versioned_key(version(key)) == name
    assert versioned_key(version(key, is_latest=True)) == key


@pytest.mark.parametrize(
    ("version_id", "written"),
    [
        ("null", "null"),
        ("L4kqtJlcpXro._D", "L4kqtJlcpXro~2E_D"),
        ("e9d0-12", "e9d0-12"),
        ("a-vb-", "a~2Dvb~2D"),
        ("~", "~7E"),
    ],
)
def test_an_id_is_written_so_that_it_can_be_read(version_id, written):
    assert versioned_key(version("k", version_id)) == f"k{SEEN}{written}"


def test_a_current_key_that_looks_like_an_older_version_is_told_apart():
    older = versioned_key(version("photo.jpg"))
    current = versioned_key(version(older, is_latest=True))
    assert current == f"photo{SEEN}id-v.jpg"
    assert versioned_key(version(current, is_latest=True)) == f"photo{SEEN}id-v-v.jpg"
    assert read_versioned_key(current).key == older


def test_a_delete_marker_never_has_the_name_of_the_current_object():
    marker = version("k", is_latest=True, is_delete_marker=True)
    assert versioned_key(marker) == f"k{SEEN}id"


@given(VERSIONS)
def test_the_key_and_the_version_are_told_back(obj):
    found = read_versioned_key(versioned_key(obj))
    assert found.key == obj.key
    assert found.version_id == ("" if obj.is_latest else obj.version_id)


@given(VERSIONS, VERSIONS)
def test_no_two_versions_have_one_name(one, other):
    same = one.key == other.key and (
        one.is_latest is other.is_latest and (one.is_latest or one.version_id == other.version_id)
    )
    assert (versioned_key(one) == versioned_key(other)) is same


def test_blobs_of_versions_follow_the_policy_for_names():
    spec = replace(make_spec(), versions=Versions.ALL, names=NamePolicy.ENCODE)
    blob = blob_of(spec, version(f"{spec.source.prefix}a\\b.txt"))
    assert blob == f"{spec.sink.prefix}a%5Cb{SEEN}id.txt"
    assert decode_blob_name(blob.removeprefix(spec.sink.prefix)) == f"a\\b{SEEN}id.txt"


def test_a_job_that_copies_the_latest_alone_names_by_the_key():
    spec = make_spec()
    key = f"{spec.source.prefix}k{SEEN}id"
    assert blob_of(spec, version(key, is_latest=True)) == f"{spec.sink.prefix}k{SEEN}id"
