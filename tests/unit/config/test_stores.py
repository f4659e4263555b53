from __future__ import annotations

import pytest

from awcopy.config import (
    AwsKeys,
    Secret,
    load_source_defaults,
    load_store_defaults,
    parse_connection_string,
)
from awcopy.errors import CredentialsError


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", {}),
        (";;", {}),
        ("AccountName=a;AccountKey=k==", {"accountname": "a", "accountkey": "k=="}),
        (" AccountName =a; AccountKey= k== ", {"accountname": "a", "accountkey": "k=="}),
        ("SharedAccessSignature=sv=1&sig=x", {"sharedaccesssignature": "sv=1&sig=x"}),
    ],
)
def test_a_connection_string_is_read_part_by_part(text, parts):
    assert parse_connection_string("x", text) == parts


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("CANARY", "a part of it is no NAME=VALUE"),
        ("AccountName=CANARY;AccountKey CANARY", "a part of it is no NAME=VALUE"),
        ("AccountKey=CANARY;=CANARY", "a part of it is no NAME=VALUE"),
        ("AccountName=CANARY", "it has neither an AccountKey nor a SharedAccessSignature"),
        ("AccountName=CANARY;AccountKey=", "it has neither an AccountKey nor a SharedAccessSignature"),
        ("AccountName=acme;AcountKey=CANARY", "it has neither an AccountKey nor a SharedAccessSignature"),
    ],
)
def test_a_connection_string_that_cannot_be_read_is_an_error_and_not_shown(text, reason):
    with pytest.raises(CredentialsError) as caught:
        load_store_defaults({"AZURE_STORAGE_CONNECTION_STRING": text})
    assert caught.value.message == f"AZURE_STORAGE_CONNECTION_STRING cannot be read: {reason}"
    assert caught.value.hint
    assert "CANARY" not in caught.value.hint


@pytest.mark.parametrize("variable", ["AZURE_STORAGE_KEY", "AZURE_STORAGE_SAS_TOKEN"])
def test_a_connection_string_needs_no_key_where_another_variable_has_one(variable):
    found = load_store_defaults({"AZURE_STORAGE_CONNECTION_STRING": "AccountName=acme", variable: "x"})
    assert (found.azure_account, found.azure_origin) == ("acme", variable)


def test_what_looks_at_a_source_alone_does_not_read_the_connection_string():
    environ = {"AZURE_STORAGE_CONNECTION_STRING": "rubbish", "AWS_REGION": "eu-west-1"}
    assert load_source_defaults(environ).region == "eu-west-1"


def test_without_variables_nothing_is_known_of_the_stores():
    found = load_store_defaults({})
    assert (found.aws, found.azure, found.region, found.azure_account) == (None, None, "", "")


def test_amazons_variables_are_read():
    found = load_store_defaults(
        {
            "AWS_ACCESS_KEY_ID": "AKIAX",
            "AWS_SECRET_ACCESS_KEY": "hunter2",
            "AWS_SESSION_TOKEN": "token",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_ENDPOINT_URL": "http://s3",
        }
    )
    expected = AwsKeys(
        access_key=Secret("AKIAX"), secret_key=Secret("hunter2"), session_token=Secret("token")
    )
    assert (found.aws, found.region, found.s3_endpoint_url) == (expected, "eu-west-1", "http://s3")


@pytest.mark.parametrize("variable", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"])
def test_half_a_pair_of_keys_is_not_taken_for_none(variable):
    assert load_store_defaults({variable: "x"}).aws is not None


@pytest.mark.parametrize(
    ("general", "particular", "field"),
    [
        ("AWS_DEFAULT_REGION", "AWS_REGION", "region"),
        ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "s3_endpoint_url"),
    ],
)
def test_the_more_particular_variable_decides(general, particular, field):
    assert getattr(load_store_defaults({general: "a", particular: "b"}), field) == "b"


def test_a_connection_string_counts_as_its_parts():
    text = "AccountName=acc;AccountKey=key;BlobEndpoint=http://127.0.0.1:1/acc"
    found = load_store_defaults({"AZURE_STORAGE_CONNECTION_STRING": text})
    assert (found.azure_account, found.azure_endpoint_url) == ("acc", "http://127.0.0.1:1/acc")
    assert found.azure.account_key.reveal() == "key"


def test_a_variable_of_its_own_stands_before_the_connection_string():
    text = "AccountName=acc;AccountKey=key"
    environ = {"AZURE_STORAGE_CONNECTION_STRING": text, "AZURE_STORAGE_KEY": "other"}
    assert load_store_defaults(environ).azure.account_key.reveal() == "other"


def test_of_a_key_and_a_token_the_key_is_used():
    found = load_store_defaults({"AZURE_STORAGE_KEY": "key", "AZURE_STORAGE_SAS_TOKEN": "sig=x"})
    assert (found.azure.account_key.reveal(), bool(found.azure.sas_token)) == ("key", False)


def test_a_token_alone_is_used():
    found = load_store_defaults({"AZURE_STORAGE_SAS_TOKEN": "sig=x"})
    assert (found.azure.sas_token.reveal(), bool(found.azure.account_key)) == ("sig=x", False)


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("AccountName=acme;AccountKey=a2V5;EndpointSuffix=core.windows.net", ""),
        (
            "DefaultEndpointsProtocol=https;AccountName=acme;AccountKey=a2V5;EndpointSuffix=core.chinacloudapi.cn",
            "https://acme.blob.core.chinacloudapi.cn",
        ),
        (
            "AccountName=acme;AccountKey=a2V5;EndpointSuffix=x.example;BlobEndpoint=https://b.example",
            "https://b.example",
        ),
    ],
)
def test_a_connection_string_names_its_cloud(text, endpoint):
    found = load_store_defaults({"AZURE_STORAGE_CONNECTION_STRING": text})
    assert found.azure_endpoint_url == endpoint
