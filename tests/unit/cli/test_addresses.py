"""Addresses of sources and sinks."""

from __future__ import annotations

import pytest

from awcopy.cli.addresses import SinkAddress, SourceAddress, parse_sink, parse_source
from awcopy.errors import UsageError

AZURITE = "http://127.0.0.1:10000/devstoreaccount1"


@pytest.mark.parametrize(
    ("text", "bucket", "prefix"),
    [
        ("s3://photos", "photos", ""),
        ("s3://photos/", "photos", ""),
        ("S3://photos/2024/", "photos", "2024/"),
        ("s3://photos/a b?c#d%20", "photos", "a b?c#d%20"),
        ("s3://photos//odd", "photos", "/odd"),
        ("s3://Old_Bucket.name/k", "Old_Bucket.name", "k"),
    ],
)
def test_a_source_is_a_bucket_and_a_prefix_as_written(text: str, bucket: str, prefix: str) -> None:
    assert parse_source(text) == SourceAddress(bucket=bucket, prefix=prefix)


def test_a_prefix_that_is_not_utf8_is_refused_by_that_name() -> None:
    with pytest.raises(UsageError, match="the prefix is not UTF-8") as caught:
        parse_source("s3://photos/\udcff\udcfe")
    assert "\udcff" not in f"{caught.value.message}{caught.value.hint}"


@pytest.mark.parametrize(
    "text", ["", "photos", "/data", "s3:/photos", "s3://", "s3:///k", "s3://a", "s3://a b/", "az://a/c"]
)
def test_what_is_no_source_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_source(text)


@pytest.mark.parametrize(
    ("text", "account", "container", "prefix", "endpoint"),
    [
        ("az://acme/backup", "acme", "backup", "", ""),
        ("AZ://acme/backup/", "acme", "backup", "", ""),
        ("az://acme/backup/x", "acme", "backup", "x/", ""),
        ("az://acme/backup/x/y/", "acme", "backup", "x/y/", ""),
        ("az://acme/$root", "acme", "$root", "", ""),
        ("https://acme.blob.core.windows.net/backup/x", "acme", "backup", "x/", ""),
        ("https://acme.blob.core.windows.net/backup/a%20b/", "acme", "backup", "a b/", ""),
        (
            "https://acme.blob.core.chinacloudapi.cn/backup",
            "acme", "backup", "", "https://acme.blob.core.chinacloudapi.cn",
        ),
        (f"{AZURITE}/backup/x/", "devstoreaccount1", "backup", "x/", AZURITE),
        ("http://azurite:10000/acme/backup", "acme", "backup", "", "http://azurite:10000/acme"),
    ],
)  # fmt: skip
def test_a_sink_is_an_account_a_container_and_a_folder(
    text: str, account: str, container: str, prefix: str, endpoint: str
) -> None:
    expected = SinkAddress(account=account, container=container, prefix=prefix, endpoint_url=endpoint)
    assert parse_sink(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "backup", "az://", "az://acme", "az://acme/", "az://ACME/backup", "az://acme/Backup", "az://acme/a--b",
        "az://acme/ab", "https://acme.blob.core.windows.net", "https://example.com/acme/backup", "http://[/x",
        "https://acme.blob.core.windows.net:port/backup", "ftp://acme/backup", "az://acme/backup/../x",
        "az://acme/backup/x.", "az://acme/backup/a\\b", "https://acme.blob.core.windows.net/backup/%0a",
    ],
)  # fmt: skip
def test_what_is_no_sink_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_sink(text)


@pytest.mark.parametrize(
    "text",
    [
        "https://acme.blob.core.windows.net/backup?sv=1&sig=CANARY",
        "https://u:CANARY@acme.blob.core.windows.net/b",
        "https://u:CANARY@acme.blob.core.windows.net:port/b",
        "az://acme:CANARY@backup/x",
        "s3://AK:CANARY@bucket/k",
        "S3://AK:CANARY@bucket",
        "AK:CANARY@bucket/k",
        "https://bucket.s3.amazonaws.com/k?X-Amz-Signature=CANARY",
    ],
)
@pytest.mark.parametrize("parse", [parse_source, parse_sink])
def test_credentials_in_an_address_are_refused_unseen(parse, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert "CANARY" not in caught.value.message + caught.value.hint
    assert "holds credentials" in caught.value.message


def test_a_key_may_look_like_an_address() -> None:
    assert parse_source("s3://bucket/http://u:p@host/?x").prefix == "http://u:p@host/?x"
