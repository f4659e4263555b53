from pathlib import Path

import pytest

from awcopy.config import Settings, ca_files, proxy_for

PROXY = "http://proxy:3128"


@pytest.mark.parametrize(
    ("environ", "url", "proxy"),
    [
        ({}, "https://a", ""),
        ({"HTTPS_PROXY": PROXY}, "https://a", PROXY),
        ({"https_proxy": PROXY, "HTTPS_PROXY": "http://other"}, "https://a", PROXY),
        ({"HTTPS_PROXY": PROXY}, "http://a", ""),
        ({"HTTP_PROXY": PROXY}, "http://a", PROXY),
        ({"ALL_PROXY": PROXY}, "http://a", PROXY),
    ],
)
def test_each_scheme_has_its_proxy(environ, url, proxy):
    assert proxy_for(url, environ) == proxy


@pytest.mark.parametrize(
    ("exempt", "url", "is_direct"),
    [
        ("*", "https://a", True),
        ("", "https://a", False),
        (",", "https://a", False),
        ("a.example", "https://a.example/x", True),
        ("a.example", "https://b.a.example", True),
        (".a.example", "https://a.example", True),
        ("A.Example", "https://a.example", True),
        ("a.example", "https://ba.example", False),
        ("x, a.example:8443", "https://a.example:8443", True),
        ("a.example:8443", "https://a.example", False),
        ("127.0.0.0/8", "https://127.0.0.1:9", True),
        ("10.0.0.0/8", "https://127.0.0.1", False),
        ("10.0.0.0/8", "https://a.example", False),
    ],
)
def test_some_hosts_are_reached_directly(exempt, url, is_direct):
    environ = {"HTTPS_PROXY": PROXY, "NO_PROXY": exempt}
    assert proxy_for(url, environ) == ("" if is_direct else PROXY)


def test_files_of_authorities_add_up():
    env = {"AWS_CA_BUNDLE": "/aws.pem", "REQUESTS_CA_BUNDLE": ""}
    settings = Settings(ca_bundle="~/own.pem")
    found = ca_files(settings, "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", environ=env)
    assert found == [str(Path("~/own.pem").expanduser()), "/aws.pem"]
    assert ca_files(Settings(), "REQUESTS_CA_BUNDLE", environ=env) == []
