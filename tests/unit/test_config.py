from __future__ import annotations

import base64
import copy
import hashlib
import json
import pickle
from dataclasses import fields
from pathlib import Path

import pytest

from awcopy.config import (
    DEVELOPMENT_STORAGE,
    AwsKeys,
    Secret,
    Settings,
    ca_files,
    load_settings,
    load_store_defaults,
    parse_connection_string,
    parse_customer_key,
    variable_name,
)
from awcopy.errors import CredentialsError, UsageError

# Secrets.


@pytest.mark.parametrize("show", [repr, str, "{}".format, "{!r}".format, "%s".__mod__])
def test_a_secret_never_shows_itself(show):
    assert show(Secret("hunter2")) == "**redacted**"
    assert "hunter2" not in show(AwsKeys(access_key=Secret("AKIAX"), secret_key=Secret("hunter2")))


@pytest.mark.parametrize("store", [pickle.dumps, copy.copy, copy.deepcopy, json.dumps])
def test_a_secret_is_never_serialized(store):
    with pytest.raises(TypeError):
        store(Secret("hunter2"))


def test_a_secret_is_revealed_when_asked():
    assert Secret("hunter2").reveal() == "hunter2"


def test_secrets_compare_by_value():
    assert Secret("a") == Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2
    assert (bool(Secret("a")), bool(Secret(""))) == (True, False)


# Settings.


def test_without_an_environment_every_setting_has_its_default():
    assert load_settings({}) == Settings()


def test_each_setting_comes_from_its_own_variable():
    settings = load_settings(
        {
            "AWCOPY_REDIS_URL": "redis://h/1",
            "AWCOPY_LEDGER": "https://a.blob.core.windows.net",
            "AWCOPY_NAMESPACE": "staging",
            "AWCOPY_KEYS": "/keys",
            "AWCOPY_ALLOW_PRIVATE_ENDPOINTS": "1",
            "AWCOPY_LEASE_S": "90",
            "AWCOPY_CONNECTIONS": "4",
            "AWCOPY_LOG_LEVEL": "DEBUG",
            "HOME": "/root",
        }
    )
    assert settings.redis_url.reveal() == "redis://h/1"
    assert settings.ledger.reveal() == "https://a.blob.core.windows.net"
    assert (settings.namespace, settings.keys) == ("staging", Path("/keys"))
    assert settings.allow_private_endpoints is True
    assert (settings.lease_s, settings.connections, settings.log_level) == (90, 4, "DEBUG")


@pytest.mark.parametrize("name", [f.name for f in fields(Settings)])
def test_every_setting_says_what_it_is_for(name):
    [setting] = [f for f in fields(Settings) if f.name == name]
    assert setting.metadata["help"].endswith(".")
    assert variable_name(name) == f"AWCOPY_{name.upper()}"


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", True), ("true", True), ("YES", True), ("on", True), ("0", False), ("no", False), ("", False)],
)
def test_flags_are_read_as_people_write_them(text, value):
    assert load_settings({"AWCOPY_ALLOW_PRIVATE_ENDPOINTS": text}).allow_private_endpoints is value


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("AWCOPY_ALLOW_PRIVATE_ENDPOINTS", "maybe"),
        ("AWCOPY_LEASE_S", "0"),
        ("AWCOPY_LEASE_S", "-1"),
        ("AWCOPY_LEASE_S", "1.5"),
        ("AWCOPY_LEASE_S", ""),
        ("AWCOPY_CONNECTIONS", "many"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_by_name(variable, text):
    with pytest.raises(UsageError, match=variable):
        load_settings({variable: text})


def test_settings_show_no_secret():
    settings = load_settings(
        {"AWCOPY_REDIS_URL": "redis://:hunter2@h", "AWCOPY_LEDGER": "AccountKey=hunter2"}
    )
    assert "hunter2" not in repr(settings)


# What the ecosystem's own variables say.


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", {}),
        (";;", {}),
        ("AccountName=a;AccountKey=k==", {"accountname": "a", "accountkey": "k=="}),
        (" AccountName =a", {"accountname": "a"}),
        (DEVELOPMENT_STORAGE, {"usedevelopmentstorage": "true"}),
        ("SharedAccessSignature=sv=1&sig=x", {"sharedaccesssignature": "sv=1&sig=x"}),
    ],
)
def test_a_connection_string_is_read_part_by_part(text, parts):
    assert parse_connection_string(text) == parts


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


@pytest.mark.parametrize("given", [{"AWS_ACCESS_KEY_ID": "AKIAX"}, {"AWS_SECRET_ACCESS_KEY": "hunter2"}])
def test_half_a_pair_of_keys_is_none(given):
    assert load_store_defaults(given).aws is None


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


KEY_TEXT = base64.b64encode(bytes(range(32)))


@pytest.mark.parametrize("given", [bytes(range(32)), KEY_TEXT, KEY_TEXT + b"\n"])
def test_a_customers_key_is_32_bytes_or_their_base64(given):
    key = parse_customer_key(given, "the file")
    assert key.value.reveal() == KEY_TEXT.decode()
    assert base64.b64decode(key.sha256) == hashlib.sha256(bytes(range(32))).digest()
    assert base64.b64decode(key.md5) == hashlib.md5(bytes(range(32)), usedforsecurity=False).digest()


@pytest.mark.parametrize("given", [b"", b"short", b"x" * 33, b"!" * 44, base64.b64encode(b"x" * 16)])
def test_another_text_is_no_customers_key_and_is_not_shown(given):
    with pytest.raises(CredentialsError, match="the file holds no key") as caught:
        parse_customer_key(given, "the file")
    assert not given or given.decode() not in str(caught.value) + caught.value.hint


def test_files_of_authorities_add_up():
    env = {"AWS_CA_BUNDLE": "/aws.pem", "REQUESTS_CA_BUNDLE": ""}
    settings = Settings(ca_bundle="~/own.pem")
    found = ca_files(settings, "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", environ=env)
    assert found == [str(Path("~/own.pem").expanduser()), "/aws.pem"]
    assert ca_files(Settings(), "REQUESTS_CA_BUNDLE", environ=env) == []


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("AccountName=acme;AccountKey=a2V5;EndpointSuffix=core.windows.net", ""),
        (
            "DefaultEndpointsProtocol=https;AccountName=acme;EndpointSuffix=core.chinacloudapi.cn",
            "https://acme.blob.core.chinacloudapi.cn",
        ),
        ("AccountName=acme;EndpointSuffix=x.example;BlobEndpoint=https://b.example", "https://b.example"),
    ],
)
def test_a_connection_string_names_its_cloud(text, endpoint):
    found = load_store_defaults({"AZURE_STORAGE_CONNECTION_STRING": text})
    assert found.azure_endpoint_url == endpoint
