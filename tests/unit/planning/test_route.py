from __future__ import annotations

import pytest

from awcopy.model.outcome import Route
from awcopy.model.spec import SourceSpec
from awcopy.planning.route import LONGEST_URL, SMALLEST_BYTES, may_copy_server_side, why_streamed
from tests.unit.factories import make_object, make_spec

AMAZON = ["", "https://s3.eu-west-1.amazonaws.com", "https://s3.cn-north-1.amazonaws.com.cn"]
OTHERS = [
    "http://127.0.0.1:8333",
    "https://minio.example.com",
    "https://amazonaws.com.example.com",
    "https://bucket.vpce-1a2b3c-4d.s3.us-east-1.vpce.amazonaws.com",
]


def made_for(endpoint_url: str, route: Route):
    return make_spec(source=SourceSpec(bucket="b", endpoint_url=endpoint_url), route=route)


@pytest.mark.parametrize("endpoint_url", AMAZON)
def test_a_job_from_amazon_copies_server_side_by_itself(endpoint_url):
    assert may_copy_server_side(made_for(endpoint_url, Route.AUTO))


@pytest.mark.parametrize("endpoint_url", OTHERS)
def test_a_job_from_elsewhere_does_so_only_if_it_is_told_to(endpoint_url):
    assert not may_copy_server_side(made_for(endpoint_url, Route.AUTO))
    assert may_copy_server_side(made_for(endpoint_url, Route.SERVER))


@pytest.mark.parametrize("endpoint_url", [*AMAZON, *OTHERS])
def test_a_job_that_is_to_stream_streams(endpoint_url):
    assert not may_copy_server_side(made_for(endpoint_url, Route.STREAM))


def why(route: Route = Route.AUTO, url: str = "https://h/k", **facts) -> str:
    return why_streamed(route, make_object(**{"size_bytes": SMALLEST_BYTES, **facts}), lambda _: url)


def test_a_large_object_with_a_short_url_goes_from_store_to_store():
    assert why() == ""


def test_a_small_object_is_streamed_unless_the_route_is_forced():
    assert why(size_bytes=SMALLEST_BYTES - 1)
    assert not why(Route.SERVER, size_bytes=1)


@pytest.mark.parametrize("route", [Route.AUTO, Route.SERVER])
def test_a_url_is_needed_and_has_a_longest_length(route):
    assert "no signed URL" in why(route, "")
    assert not why(route, "x" * LONGEST_URL)
    assert str(LONGEST_URL) in why(route, "x" * (LONGEST_URL + 1))


@pytest.mark.parametrize("key", ["./a", "a/../b", "a/.", "..", "a./b", "name."])
def test_a_key_that_would_be_rewritten_on_the_way_is_streamed(key):
    assert "dot" in why(Route.SERVER, key=key)


@pytest.mark.parametrize("key", ["a", "a//b", "/a", "a/", ".hidden", "a.b/c..d", "ü/%2F"])
def test_other_keys_are_asked_for_as_they_are(key):
    assert why(key=key) == ""
