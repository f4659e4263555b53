import datetime as dt
from urllib.parse import parse_qsl, urlsplit

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials

from awcopy.http import encode_path
from awcopy.source import sigv4
from awcopy.source.sigv4 import Signer

MOMENT = dt.datetime(2026, 11, 22, 17, 0, 0, tzinfo=dt.UTC)
KEYS = (
    "a",
    "a b",
    "a+b",
    "ü/ö",
    "😀",
    "a//b",
    "x/./y/../z",
    "q?x#y&z=1",
    "50%",
    "%2F",
    "tilde~",
    "\x01\t\n",
    "",
)
SHORT = ReadOnlyCredentials("AKIAAWCOPYTEST000001", "awcopySecretKey0123456789abcdefghijklmn", None)
SESSION = ReadOnlyCredentials("ASIAAWCOPYTEST000001", "another", "token/with+signs==")


@pytest.fixture(autouse=True)
def moment(monkeypatch):
    """botocore's clock stands still, as ours does."""
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda *_, **__: MOMENT.replace(tzinfo=None))


def signer(region: str = "eu-west-1") -> Signer:
    return Signer(host="127.0.0.1:8333", region=region, clock=MOMENT.timestamp)


def signed_by_botocore(method, path, query, headers, credentials, region="eu-west-1") -> dict[str, str]:
    url = f"http://127.0.0.1:8333{path}" + (f"?{query}" if query else "")
    request = AWSRequest(method, url, headers=dict(headers))
    S3SigV4Auth(credentials, "s3", region).add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()}


@pytest.mark.parametrize("credentials", [SHORT, SESSION])
@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    ("method", "query", "headers"),
    [
        ("GET", "", {"if-match": '"0123456789abcdef-12"', "x-amz-checksum-mode": "ENABLED"}),
        ("GET", "versionId=a.b_c~d", {"if-match": '"e"', "range": "bytes=0-4194303"}),
        ("HEAD", "", {}),
        ("GET", "encoding-type=url&list-type=2&max-keys=1000&prefix=%C3%BC%20%2F&start-after=a%2Bb", {}),
    ],
)
def test_signatures_equal_botocores(credentials, key, method, query, headers):
    path = f"/bucket/{encode_path(key)}"
    ours = signer().sign(method, path, query, headers, credentials)
    theirs = signed_by_botocore(method, path, query, headers, credentials)
    assert {name.lower(): value for name, value in ours.items() if name != "Accept-Encoding"} == theirs


def test_the_signing_key_follows_day_secret_and_region(monkeypatch):
    now = [MOMENT.timestamp()]
    ours = Signer(host="127.0.0.1:8333", region="eu-west-1", clock=lambda: now[0])
    for credentials in (SHORT, SESSION, SHORT):
        for _ in range(2):
            now[0] += 86_400
            later = dt.datetime.fromtimestamp(now[0], dt.UTC).replace(tzinfo=None)
            monkeypatch.setattr("botocore.auth.get_current_datetime", lambda *_, later=later, **__: later)
            expected = signed_by_botocore("GET", "/b/k", "", {}, credentials)["authorization"]
            assert ours.sign("GET", "/b/k", "", {}, credentials)["Authorization"] == expected


def test_the_bytes_are_asked_for_as_they_are_stored():
    assert signer().sign("GET", "/b/k", "", {}, SHORT)["Accept-Encoding"] == "identity"


def test_the_hash_of_no_body_is_the_known_one():
    assert sigv4.EMPTY_SHA256.startswith("e3b0c44298fc1c14")


@pytest.mark.parametrize("credentials", [SHORT, SESSION])
@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("query", ["", "versionId=a.b_c~d"])
def test_signed_urls_equal_botocores(credentials, key, query):
    path = f"/bucket/{encode_path(key)}"
    url = f"http://127.0.0.1:8333{path}" + (f"?{query}" if query else "")
    request = AWSRequest("GET", url)
    S3SigV4QueryAuth(credentials, "s3", "eu-west-1", expires=3600).add_auth(request)
    theirs = dict(parse_qsl(urlsplit(request.url).query))
    ours = signer().presign(path, query, credentials, expires_s=3600)
    assert dict(parse_qsl(ours)) == theirs


def test_a_signed_url_is_good_for_the_host_alone_and_for_as_long_as_is_said():
    facts = dict(parse_qsl(signer().presign("/b/k", "", SHORT, expires_s=60)))
    assert (facts["X-Amz-SignedHeaders"], facts["X-Amz-Expires"]) == ("host", "60")
