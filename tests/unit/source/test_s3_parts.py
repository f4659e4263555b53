"""What S3's answers mean: errors, headers, listings, and where a bucket is; no request is sent."""

from __future__ import annotations

import base64
import hashlib
import re
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import botocore.exceptions as boto
import pytest

from awcopy import errors
from awcopy.config import AwsKeys, Secret, parse_customer_key
from awcopy.http import Answer, Pool, parse_origin
from awcopy.model.objects import SourceObject, Span
from awcopy.model.spec import Addressing, SourceSpec
from awcopy.source.s3 import S3Source
from awcopy.source.s3_address import find_address, find_region
from awcopy.source.s3_errors import error_from_answer, error_from_botocore, translating_botocore
from awcopy.source.s3_headers import head_from_headers
from awcopy.source.s3_listing import parse_list_page, parse_tags
from tests.unit.factories import make_object

HEADERS = {"last-modified": "Sun, 06 Nov 1994 08:49:37 GMT", "content-length": "5", "etag": '"e-2"'}
KEYS = AwsKeys(access_key=Secret("AKIDEXAMPLE"), secret_key=Secret("secret"))
OBJ = SourceObject(key="k", size_bytes=10, etag="e", modified_at=datetime(2026, 1, 1, tzinfo=UTC))


def refusal(status: int, code: str = "", message: str = "", extra: str = "", **headers: str) -> Answer:
    body = f"<Error><Code>{code}</Code><Message>{message}</Message>{extra}</Error>" if code else ""
    return Answer(status, {k.replace("_", "-"): v for k, v in headers.items()}, body.encode(), len(body))


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (404, "NoSuchBucket", errors.StoreNotFound),
        (404, "NoSuchKey", errors.ObjectNotFound),
        (404, "", errors.ObjectNotFound),
        (403, "AccessDenied", errors.AccessDenied),
        (403, "", errors.AccessDenied),
        (403, "InvalidAccessKeyId", errors.CredentialsRefused),
        (403, "SignatureDoesNotMatch", errors.CredentialsRefused),
        (400, "ExpiredToken", errors.CredentialsRefused),
        (412, "PreconditionFailed", errors.SourceChanged),
        (412, "", errors.SourceChanged),
        (416, "InvalidRange", errors.SourceChanged),
        (403, "InvalidObjectState", errors.ObjectArchived),
        (503, "SlowDown", errors.Throttled),
        (503, "", errors.Throttled),
        (429, "", errors.Throttled),
        (500, "InternalError", errors.ServerFault),
        (502, "", errors.ServerFault),
        (501, "NotImplemented", errors.RequestRefused),
        (400, "RequestTimeout", errors.ConnectionLost),
        (403, "RequestTimeTooSkewed", errors.CredentialsRefused),
        (400, "InvalidArgument", errors.RequestRefused),
        (405, "", errors.RequestRefused),
    ],
)
def test_a_refusal_means_one_error(status, code, kind):
    error = error_from_answer(refusal(status, code, "Because."), op="reading", bucket="b")
    assert type(error) is kind
    assert (error.status, error.service_code) == (status, code)
    assert "s3://b" in str(error)


def test_a_bare_404_of_a_bucket_means_the_bucket():
    error = error_from_answer(refusal(404), op="listing", bucket="b", is_object=False)
    assert type(error) is errors.StoreNotFound


@pytest.mark.parametrize(
    "answer",
    [
        refusal(301, "PermanentRedirect", x_amz_bucket_region="eu-west-1"),
        refusal(400, "AuthorizationHeaderMalformed", extra="<Region>eu-west-1</Region>"),
        refusal(307, x_amz_bucket_region="eu-west-1"),
    ],
)
def test_a_wrong_region_is_told_with_the_right_one(answer):
    error = error_from_answer(answer, op="listing", bucket="b")
    assert type(error) is errors.RequestRefused
    assert "eu-west-1" in error.hint


def test_a_wrong_region_is_told_also_when_the_right_one_is_not_known():
    assert "another region" in error_from_answer(refusal(301), op="listing", bucket="b").hint


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [({"retry_after": "7"}, 7.0), ({"x_amz_retry_after": "1500"}, 1.5), ({"retry_after": "x"}, 0)],
)
def test_throttling_says_how_long_to_wait(headers, wait_s):
    error = error_from_answer(refusal(503, "SlowDown", **headers), op="reading", bucket="b")
    assert error.retry_after_s == wait_s


def test_messages_name_no_key_and_no_address():
    reason = 'User: arn:aws:iam::1:user/me is not allowed on resource: "arn:aws:s3:::b/secret.txt" at https://x/y?z'
    said = str(error_from_answer(refusal(403, "AccessDenied", reason), op="reading", bucket="b"))
    assert "secret.txt" not in said
    assert "https" not in said
    assert "user/me" not in said


@pytest.mark.parametrize(
    ("exc", "kind"),
    [
        (boto.NoCredentialsError(), errors.CredentialsError),
        (boto.ProfileNotFound(profile="p"), errors.CredentialsError),
        (boto.CredentialRetrievalError(provider="p", error_msg="m"), errors.CredentialsError),
        (boto.UnauthorizedSSOTokenError(), errors.CredentialsRefused),
        (boto.EndpointConnectionError(endpoint_url="https://secret"), errors.ConnectionLost),
        (boto.ConnectTimeoutError(endpoint_url="https://secret"), errors.ConnectionLost),
        (boto.ParamValidationError(report="bad bucket"), errors.RequestRefused),
        (
            boto.ClientError(
                {
                    "Error": {"Code": "ExpiredToken", "Message": "m"},
                    "ResponseMetadata": {"HTTPStatusCode": 400, "HTTPHeaders": {}},
                },
                "AssumeRole",
            ),
            errors.CredentialsRefused,
        ),
        (
            boto.ClientError({"Error": {"Code": "403"}, "ResponseMetadata": {"HTTPStatusCode": 403}}, "x"),
            errors.AccessDenied,
        ),
        (
            boto.ClientError({"Error": {"Code": "AccessDenied", "Message": "arn:secret"}}, "AssumeRole"),
            errors.CredentialsRefused,
        ),
        (boto.ClientError({"Error": {"Code": "Throttling"}}, "AssumeRole"), errors.Throttled),
    ],
)
def test_an_exception_of_botocore_means_one_error(exc, kind):
    with (
        pytest.raises(errors.AwcopyError) as caught,
        translating_botocore(op="finding the bucket", bucket="b"),
    ):
        raise exc
    assert type(caught.value) is kind
    assert caught.value.__cause__ is exc
    assert "secret" not in str(caught.value)


def test_headers_become_a_head():
    more = {
        "content-type": "text/plain",
        "content-encoding": "gzip",
        "x-amz-meta-one": "1",
        "x-amz-version-id": "v",
        "x-amz-tagging-count": "3",
        "x-amz-missing-meta": "2",
        "x-amz-website-redirect-location": "/elsewhere",
        "expires": "never",
        "x-amz-checksum-crc64nvme": "rosUhgp5mIg=",
        "x-amz-checksum-type": "FULL_OBJECT",
    }
    head = head_from_headers(HEADERS | more)
    assert (head.etag, head.size_bytes, head.version_id, head.tag_count) == ("e-2", 5, "v", 3)
    assert head.modified_at == datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)
    assert (head.headers.content_type, head.headers.content_encoding) == ("text/plain", "gzip")
    assert (head.metadata, head.crc64) == ({"one": "1"}, 0xAE8B14860A799888)
    assert head.extras == {"expires": "never", "website_redirect": "/elsewhere"}
    assert head.missing_metadata == 2


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("aws-chunked", ""),
        ("gzip,aws-chunked", "gzip"),
        ("aws-chunked, gzip, br", "gzip, br"),
        ("gzip", "gzip"),
    ],
)
def test_the_encoding_of_the_upload_is_taken_off(sent, kept):
    assert head_from_headers({**HEADERS, "content-encoding": sent}).headers.content_encoding == kept


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("plain", "plain"),
        ("größe".encode().decode("latin-1"), "größe"),
        ("gr\xf6\xdfe", "größe"),
        (f"=?UTF-8?B?{base64.b64encode('größe'.encode()).decode()}?=", "größe"),
        ("=?UTF-8?Q?gr=C3=B6=C3=9Fe?=", "größe"),
        ("=?UTF-8?B?Z3LD?= =?UTF-8?B?tg==?=", "grö"),
        ("=?no-such?B?Zg==?=", "=?no-such?B?Zg==?="),
        ("=?half", "=?half"),
        ("see =?UTF-8?B?Zg==?=", "see =?UTF-8?B?Zg==?="),
    ],
)
def test_metadata_is_read_as_it_was_meant(sent, meant):
    assert head_from_headers({**HEADERS, "x-amz-meta-a": sent}).metadata == {"a": meant}


@pytest.mark.parametrize(
    ("value", "kind"), [("rosUhgp5mIg=", "COMPOSITE"), ("rosUhgp5mIg=-3", ""), ("short", "FULL_OBJECT")]
)
def test_a_checksum_that_is_not_of_the_whole_object_is_none(value, kind):
    headers = {**HEADERS, "x-amz-checksum-crc64nvme": value, "x-amz-checksum-type": kind}
    assert head_from_headers(headers).crc64 is None


SHA1 = b64encode(bytes(range(20))).decode()
CRC32 = b64encode(b"1234").decode()


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ({"x-amz-checksum-crc32": CRC32, "x-amz-checksum-type": "FULL_OBJECT"}, [("crc32", b"1234", 0)]),
        ({"x-amz-checksum-crc32c": CRC32}, [("crc32c", b"1234", 0)]),
        (
            {"x-amz-checksum-sha1": f"{SHA1}-12", "x-amz-checksum-type": "COMPOSITE"},
            [("sha1", bytes(range(20)), 12)],
        ),
        ({"x-amz-checksum-sha1": f"{SHA1}-1"}, [("sha1", bytes(range(20)), 1)]),
        (
            {"etag": f'"{"00" * 16}"', "x-amz-checksum-crc32": CRC32, "x-amz-checksum-sha1": SHA1},
            [("sha1", bytes(range(20)), 0), ("md5", bytes(16), 0), ("crc32", b"1234", 0)],
        ),
        ({"etag": f'"{"00" * 16}-2"'}, []),
        ({"etag": f'"{"00" * 16}"', "x-amz-server-side-encryption": "aws:kms"}, []),
        ({"x-amz-checksum-sha1": SHA1, "x-amz-checksum-type": "COMPOSITE"}, []),
        ({"x-amz-checksum-sha1": f"{SHA1}-3", "x-amz-checksum-type": "FULL_OBJECT"}, []),
        ({"x-amz-checksum-sha1": f"{SHA1}-x"}, []),
        ({"x-amz-checksum-sha1": SHA1, "etag": f'"{"00" * 16}-3"'}, []),  # as moto answers
        ({"x-amz-checksum-sha1": CRC32}, []),  # too short
        ({"x-amz-checksum-crc32": "?"}, []),
    ],
)
def test_the_checksums_that_can_be_computed_are_told_from_others(sent, kept):
    plain = {name: value for name, value in HEADERS.items() if "checksum" not in name}
    head = head_from_headers({**plain, "etag": '"opaque"', **sent})
    assert [(one.algorithm, one.value, one.parts) for one in head.checksums] == kept


@pytest.mark.parametrize(
    "broken", [{"last-modified": "never"}, {"content-length": "?"}, {"x-amz-tagging-count": "?"}]
)
def test_headers_that_cannot_be_read_are_the_servers_fault(broken):
    with pytest.raises(errors.ServerFault):
        head_from_headers(HEADERS | broken)


ENTRY = (
    "<Contents><Key>a%2Bb+c</Key><LastModified>2026-11-22T17:00:00.000Z</LastModified>"
    "<ETag>&quot;e&quot;</ETag><Size>5</Size><New><Deep>1</Deep></New></Contents>"
)
SPACE = ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


def listing(inner: str, space: str = SPACE, name: str = "ListBucketResult") -> bytes:
    return f'<?xml version="1.0"?><{name}{space}>{inner}</{name}>'.encode()


@pytest.mark.parametrize("space", [SPACE, ""])
def test_a_page_is_read_and_what_is_new_in_it_passed_over(space):
    page = parse_list_page(listing(f"<EncodingType>url</EncodingType><Later/>{ENTRY}", space), token="")
    expected = SourceObject(
        key="a+b c", size_bytes=5, etag="e", modified_at=datetime(2026, 11, 22, 17, tzinfo=UTC)
    )
    assert (page.objects, page.token) == ((expected,), "")


def test_keys_stay_as_they_are_when_the_server_did_not_encode_them():
    assert parse_list_page(listing(ENTRY), token="").objects[0].key == "a%2Bb+c"


def test_keys_that_are_no_utf8_stay_apart():
    entries = "".join(ENTRY.replace("a%2Bb+c", key) for key in ("%FE", "%FF", "%EF%BF%BD"))
    page = parse_list_page(listing(f"<EncodingType>url</EncodingType>{entries}"), token="")
    assert [obj.key for obj in page.objects] == ["\udcfe", "\udcff", "\ufffd"]


@pytest.mark.parametrize("space", ["", ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'])
def test_tags_are_read(space):
    tags = "<Tag><Key>who</Key><Value>a&amp;b</Value></Tag><Tag><Key>empty</Key><Value/></Tag>"
    body = f"<Tagging{space}><TagSet>{tags}</TagSet></Tagging>".encode()
    assert parse_tags(body) == {"who": "a&b", "empty": ""}


@pytest.mark.parametrize(
    "body",
    [
        b"<Tagging>",
        b"<Other/>",
        b"<!DOCTYPE x><Tagging/>",
        b"<!--" + b" " * 2000 + b"--><!DOCTYPE x><Tagging/>",
        "<!DOCTYPE x><Tagging/>".encode("utf-16"),
    ],
)
def test_tags_that_cannot_be_read_are_not_taken_for_none(body):
    with pytest.raises(errors.ServerFault):
        parse_tags(body)


def test_dates_of_other_places_become_utc():
    body = listing(ENTRY.replace("17:00:00.000Z", "18:00:00+01:00"))
    assert parse_list_page(body, token="").objects[0].modified_at == datetime(2026, 11, 22, 17, tzinfo=UTC)


@pytest.mark.parametrize(
    "body",
    [
        listing(ENTRY)[:-10],
        b"",
        b"<!DOCTYPE x><ListBucketResult/>",
        listing("", name="Error"),
        listing(ENTRY.replace("<Size>5</Size>", "")),
        listing(ENTRY.replace("5</Size>", "x</Size>")),
        listing("<IsTruncated>true</IsTruncated>"),
        listing("<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>"),
        listing("<IsTruncated>yes</IsTruncated>"),
    ],
)
def test_a_page_that_would_lose_objects_is_refused(body):
    with pytest.raises(errors.ServerFault):
        parse_list_page(body, token="t")


@pytest.mark.parametrize(
    ("said", "token"),
    [
        ("", ""),
        ("<IsTruncated/>", ""),
        ("<IsTruncated>False</IsTruncated>", ""),
        ("<IsTruncated>TRUE</IsTruncated><NextContinuationToken>t</NextContinuationToken>", "t"),
        ("<NextContinuationToken>t</NextContinuationToken>", "t"),
    ],
)
def test_a_server_may_say_in_its_own_way_that_more_follows(said, token):
    assert parse_list_page(listing(said), token="").token == token


@pytest.mark.parametrize(
    ("spec", "origin", "key_path", "bucket_path"),
    [
        (SourceSpec(bucket="data", region="eu-west-1"), "data.s3.eu-west-1.amazonaws.com", "/", "/"),
        (SourceSpec(bucket="a.b", region="eu-west-1"), "s3.eu-west-1.amazonaws.com", "/a.b/", "/a.b"),
        (SourceSpec(bucket="data", region="cn-north-1"), "data.s3.cn-north-1.amazonaws.com.cn", "/", "/"),
        (SourceSpec(bucket="b", endpoint_url="http://h:8333"), "h:8333", "/b/", "/b"),
        (SourceSpec(bucket="b", endpoint_url="https://h/base"), "h", "/base/b/", "/base/b"),
    ],
)
def test_each_kind_of_bucket_has_its_address(spec, origin, key_path, bucket_path):
    address = S3Source(spec, KEYS, connections=1)._locate()
    assert (address.pool.origin.netloc, address.key_path, address.bucket_path) == (
        origin,
        key_path,
        bucket_path,
    )


def test_the_region_of_an_access_point_is_its_own():
    bucket = "arn:aws:s3:eu-west-2:123456789012:accesspoint/data"
    source = S3Source(SourceSpec(bucket=bucket), KEYS, connections=1)
    assert source.find_region() == "eu-west-2"
    assert source._locate().pool.origin.host == "data-123456789012.s3-accesspoint.eu-west-2.amazonaws.com"


def test_no_credentials_at_all_are_said_to_be_missing(monkeypatch):
    monkeypatch.setattr("botocore.session.Session.get_credentials", lambda _: None)
    with pytest.raises(errors.CredentialsError) as caught:
        S3Source(SourceSpec(bucket="b", region="eu-west-1"), None, connections=1).probe("")
    assert caught.value.hint


def test_credentials_that_cannot_be_renewed_are_said_so():
    def fail() -> None:
        raise boto.CredentialRetrievalError(provider="p", error_msg="m")

    source, _ = source_with()
    source._address = replace(source._address, credentials=SimpleNamespace(get_frozen_credentials=fail))
    with pytest.raises(errors.CredentialsError):
        source.probe("")


class FakePool(Pool):
    """Answers by script, in place of a connection."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.targets: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.bodies: list[bytes | None] = []

    def request(self, method, target, headers, body=None, into=None, *, check=None, is_repeatable=True):
        self.targets.append(f"{method} {target}")
        self.headers.append(dict(headers))
        self.bodies.append(body)
        answer = self.answers.pop(0)
        if check and answer.status < 300:
            check(answer.status, answer.headers)
        return answer

    def close(self) -> None:
        pass


def source_with(*answers: Answer) -> tuple[S3Source, FakePool]:
    source = S3Source(SourceSpec(bucket="b", endpoint_url="http://h"), KEYS, connections=1)
    pool = FakePool(*answers)
    source._address = replace(source._locate(), pool=pool)
    return source, pool


@pytest.mark.parametrize(("version_id", "expected"), [("", []), ("a.b", ["a.b"])])
def test_a_signed_url_names_the_version_where_it_is_known(version_id, expected):
    source = S3Source(SourceSpec(bucket="b", endpoint_url="http://h"), KEYS, connections=1)
    parts = urlsplit(source.presign(replace(OBJ, key="a b/ü", version_id=version_id)))
    facts = parse_qs(parts.query)
    assert (parts.netloc, parts.path) == ("h", "/b/a%20b/%C3%BC")
    assert facts.get("versionId", []) == expected
    assert int(facts["X-Amz-Expires"][0]) <= 3600


def test_signed_urls_of_amazon_name_the_region_so_that_nothing_redirects():
    source = S3Source(SourceSpec(bucket="data", region="us-east-1"), KEYS, connections=1)
    assert source.presign(OBJ).startswith("https://data.s3.us-east-1.amazonaws.com/k?X-Amz-")


@pytest.mark.parametrize("status", [200, 301, 403])
def test_the_region_is_told_by_any_answer(status):
    pool = FakePool(Answer(status, {"x-amz-bucket-region": "eu-west-3"}, b"", 0))
    assert find_region(pool, "b") == "eu-west-3"


def test_a_bucket_that_nobody_knows_has_no_region():
    with pytest.raises(errors.StoreNotFound):
        find_region(FakePool(refusal(404)), "b")


def test_a_checksum_that_may_not_be_read_is_done_without():
    source, pool = source_with(refusal(403), Answer(200, HEADERS, b"", 0))
    assert source.head("k").crc64 is None
    assert pool.targets == ["HEAD /b/k"] * 2


def test_a_head_that_is_refused_without_a_reason_is_explained():
    source, _ = source_with(refusal(400), refusal(400), refusal(400, "ExpiredToken"))
    with pytest.raises(errors.CredentialsRefused):
        source.head("k")
    source, _ = source_with(refusal(403), refusal(403), refusal(403, "AccessDenied"))
    with pytest.raises(errors.AccessDenied):
        source.head("k")


def test_amazon_is_asked_for_the_region_of_a_bucket():
    asked = FakePool(Answer(403, {"x-amz-bucket-region": "eu-west-3"}, b"", 0))
    asked.origin = parse_origin("https://data.s3.eu-west-3.amazonaws.com")
    address = find_address(SourceSpec(bucket="data"), KEYS, lambda _: asked)
    assert address.signer.region == "eu-west-3"
    assert asked.targets == ["HEAD /data"]


def test_a_version_is_pinned_in_the_query():
    source, pool = source_with(Answer(200, HEADERS, b"", 0))
    obj = SourceObject(key="k", size_bytes=5, etag="", version_id="v/1", modified_at=OBJ.modified_at)
    source.read_object(obj, memoryview(bytearray(5)))
    assert pool.targets == ["GET /b/k?versionId=v%2F1"]


def test_a_directory_bucket_is_refused():
    with pytest.raises(errors.RequestRefused):
        S3Source(SourceSpec(bucket="data--use1-az4--x-s3", region="us-east-1"), KEYS, connections=1).probe("")


@pytest.mark.parametrize(
    ("status", "content_range", "span", "error"),
    [
        (206, "bytes 2-5/10", Span(offset=2, size_bytes=4), None),
        (206, "bytes 2-5/*", Span(offset=2, size_bytes=4), None),
        (200, "bytes 2-5/10", Span(offset=2, size_bytes=4), None),
        (200, "", Span(offset=0, size_bytes=10), None),
        (206, "", Span(offset=0, size_bytes=10), errors.IntegrityError),
        (200, "", Span(offset=2, size_bytes=4), errors.IntegrityError),
        (206, "bytes 1-4/10", Span(offset=2, size_bytes=4), errors.IntegrityError),
        (206, "bytes 2-5/11", Span(offset=2, size_bytes=4), errors.IntegrityError),
    ],
)
def test_only_the_range_that_was_asked_for_is_taken(status, content_range, span, error):
    headers = {"etag": '"e"'} | ({"content-range": content_range} if content_range else {})
    source, _ = source_with(Answer(status, headers, b"", span.size_bytes))
    if error is None:
        source.read_range(OBJ, span, memoryview(bytearray(span.size_bytes)))
    else:
        with pytest.raises(error):
            source.read_range(OBJ, span, memoryview(bytearray(span.size_bytes)))


@pytest.mark.parametrize("etag", ['"other"', ""])
def test_an_answer_with_another_etag_is_a_changed_object(etag):
    source, _ = source_with(Answer(200, {"etag": etag}, b"", 10))
    with pytest.raises(errors.SourceChanged):
        source.read_object(OBJ, memoryview(bytearray(10)))


CUSTOMER_KEY = parse_customer_key(b"k" * 32, "the test")
FACTS = {"content-length": "1", "last-modified": "Sun, 06 Nov 1994 08:49:37 GMT", "etag": '"e"'}


def source_of(spec: SourceSpec, *answers: Answer, key=None) -> tuple[S3Source, FakePool]:
    source, pool = source_with(*answers)
    keyed = S3Source(spec, KEYS, connections=1, customer_key=key)
    keyed._address = source._address
    return keyed, pool


def test_requests_to_a_bucket_whose_readers_pay_say_who_pays():
    spec = SourceSpec(bucket="b", endpoint_url="http://h", pays_requests=True)
    page = b"<ListBucketResult></ListBucketResult>"
    source, pool = source_of(spec, Answer(200, {}, page, 0), Answer(200, FACTS, b"", 0))
    source.list_page("")
    source.head("k")
    for headers in pool.headers:
        assert headers["x-amz-request-payer"] == "requester"
        assert "x-amz-request-payer" in headers["Authorization"]


def test_objects_are_read_with_the_key_of_their_owner_and_listed_without():
    spec = SourceSpec(bucket="b", endpoint_url="http://h", key_sha256=CUSTOMER_KEY.sha256)
    page = b"<ListBucketResult></ListBucketResult>"
    answers = (Answer(200, {}, page, 0), Answer(200, FACTS, b"", 0), Answer(206, FACTS, b"", 0))
    source, pool = source_of(spec, *answers, key=CUSTOMER_KEY)
    source.list_page("")
    source.head("k")
    source.read_object(make_object(etag="e"), memoryview(bytearray(1)))
    name = "x-amz-server-side-encryption-customer-key"
    assert [headers.get(name, "") for headers in pool.headers] == ["", *[CUSTOMER_KEY.value.reveal()] * 2]
    assert pool.headers[1][f"{name}-md5"] == CUSTOMER_KEY.md5


@pytest.mark.parametrize("pays", [True, False])
def test_what_needs_headers_of_its_own_cannot_be_read_from_a_url(pays):
    spec = SourceSpec(bucket="b", endpoint_url="http://h", pays_requests=pays)
    source, _ = source_of(spec, key=None if pays else CUSTOMER_KEY)
    assert source.presign(make_object()) == ""


def test_an_object_that_the_key_is_not_for_is_read_without_it():
    spec = SourceSpec(bucket="b", endpoint_url="http://h", key_sha256=CUSTOMER_KEY.sha256)
    source, pool = source_of(
        spec, refusal(400, "InvalidRequest"), Answer(200, FACTS, b"", 0), key=CUSTOMER_KEY
    )
    source.read_object(make_object(etag="e"), memoryview(bytearray(1)))
    assert "x-amz-server-side-encryption-customer-key" not in pool.headers[1]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("InvalidRequest", "The object was stored using a form of Server Side Encryption. The correct ..."),
        ("InvalidArgument", "Requests specifying ... must provide the customer key"),
    ],
)
def test_an_object_whose_key_is_missing_says_which_option_gives_it(code, message):
    source, _ = source_with(refusal(400, code, message))
    with pytest.raises(errors.KeyMismatch, match="--source-encryption-key"):
        source.read_object(make_object(etag="e"), memoryview(bytearray(1)))


@pytest.mark.parametrize(
    ("addressing", "host", "key_path"),
    [("auto", "s.example", "/buck/"), ("path", "s.example", "/buck/"), ("virtual", "buck.s.example", "/")],
)
def test_the_bucket_is_named_where_the_server_looks_for_it(addressing, host, key_path):
    spec = SourceSpec(bucket="buck", endpoint_url="https://s.example", addressing=Addressing(addressing))
    address = S3Source(spec, KEYS, connections=1)._locate()
    assert (address.pool.origin.host, address.key_path) == (host, key_path)


def test_a_bucket_at_amazon_may_be_named_in_the_path():
    spec = SourceSpec(bucket="buck", region="eu-west-1", addressing=Addressing.PATH)
    address = S3Source(spec, KEYS, connections=1)._locate()
    assert (address.pool.origin.host, address.key_path) == ("s3.eu-west-1.amazonaws.com", "/buck/")


KEPT_UNTIL = "<RestoreExpiryDate>2026-02-01T00:00:00Z</RestoreExpiryDate>"


def listed_with(status: str) -> bool:
    entry = "<Key>k</Key><Size>1</Size><LastModified>2026-01-01T00:00:00Z</LastModified>"
    archived = f"<StorageClass>GLACIER</StorageClass>{status}"
    page = f"<ListBucketResult><Contents>{entry}{archived}</Contents></ListBucketResult>"
    return not parse_list_page(page.encode(), token="").objects[0].is_archived


@pytest.mark.parametrize(
    ("status", "can_be_read"),
    [
        ("", False),
        ("<RestoreStatus><IsRestoreInProgress>true</IsRestoreInProgress></RestoreStatus>", False),
        ("<RestoreStatus><IsRestoreInProgress>false</IsRestoreInProgress></RestoreStatus>", False),
        (
            f"<RestoreStatus><IsRestoreInProgress>false</IsRestoreInProgress>{KEPT_UNTIL}</RestoreStatus>",
            True,
        ),
    ],
)
def test_a_listing_tells_which_archived_objects_can_be_read(status, can_be_read):
    assert listed_with(status) is can_be_read


@pytest.mark.parametrize(("storage_class", "days"), [("GLACIER", True), ("INTELLIGENT_TIERING", False)])
def test_a_restore_is_asked_for_with_days_where_they_mean_something(storage_class, days):
    source, pool = source_with(Answer(202, {}, b"", 0))
    obj = make_object("a b", storage_class=storage_class, version_id="v")
    source.request_restore(obj, tier="Bulk", days=3)
    assert pool.targets == ["POST /b/a%20b?restore=&versionId=v"]
    body = pool.bodies[0]
    assert b"<Tier>Bulk</Tier>" in body
    assert (b"<Days>3</Days>" in body) is days
    assert pool.headers[0]["x-amz-content-sha256"] == hashlib.sha256(body).hexdigest()


def test_a_restore_that_is_under_way_is_not_asked_for_twice():
    source, _ = source_with(refusal(409, "RestoreAlreadyInProgress"), refusal(403, "AccessDenied"))
    source.request_restore(make_object(), tier="Bulk", days=3)
    with pytest.raises(errors.AccessDenied):
        source.request_restore(make_object(), tier="Bulk", days=3)


EXCEPTIONS = [
    kind for kind in vars(boto).values() if isinstance(kind, type) and issubclass(kind, boto.BotoCoreError)
]


@pytest.mark.parametrize("kind", EXCEPTIONS, ids=lambda kind: kind.__name__)
def test_whatever_botocore_raises_is_said_in_words(kind: type[Exception]) -> None:
    error = error_from_botocore(kind.__new__(kind), op="listing", bucket="b")
    assert error.message.startswith("listing in s3://b failed: ")
    assert kind.__name__ not in error.message
    assert not re.search("[a-z][A-Z]", error.message)
    assert error.hint
