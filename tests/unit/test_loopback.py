from __future__ import annotations

import pytest

from awcopy.errors import UsageError
from awcopy.loopback import http_url, is_loopback, is_own_name, require_loopback


@pytest.mark.parametrize("address", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_only_this_machine_reaches_its_loopback(address):
    assert require_loopback(address, what="it") is None


@pytest.mark.parametrize(
    "address", ["", "0.0.0.0", "::", "10.0.0.1", "localhost.example", "127.0.0.1.example"]
)
def test_others_may_reach_anything_else(address):
    assert not is_loopback(address)
    with pytest.raises(UsageError, match="it speaks plain HTTP"):
        require_loopback(address, what="it")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "127.0.0.1:8080", "[::1]", "[::1]:65535"])
def test_the_machine_knows_its_own_names(host):
    assert is_own_name(host)


@pytest.mark.parametrize(
    "host", ["", "example", "localhost.", "localhost:", "localhost:80\n", "x@localhost", "::1"]
)
def test_any_other_name_is_not_its_own(host):
    assert not is_own_name(host)


def test_an_ipv6_address_stands_in_brackets_in_a_url():
    assert http_url("::1", 80) == "http://[::1]:80/"
    assert http_url("127.0.0.1", 80) == "http://127.0.0.1:80/"
