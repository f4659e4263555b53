"""Profiles: what their files may hold, and what they may be used for."""

from __future__ import annotations

import stat

import pytest

from awcopy.config import AwsKeys, AzureIdentity, AzureKeys, Secret
from awcopy.errors import CredentialsError, UsageError
from awcopy.model.spec import SinkSpec, SourceSpec
from awcopy.vault.profile_files import (
    list_profiles,
    make_profile,
    read_profile,
    read_receiver_profile,
    read_sink_profile,
    read_source_profile,
    remove_profile,
    write_profile,
)
from awcopy.vault.profiles import EmailProfile, SinkProfile, SourceProfile

SOURCE = {"kind": "source", "buckets": ["photos", "logs-*"], "access_key": "AK", "secret_key": "SK"}
SINK = {"kind": "sink", "account": "acme", "containers": ["backup"], "account_key": "a2V5"}
CONNECTION = "AccountName=acme;AccountKey=a2V5;BlobEndpoint=http://127.0.0.1:10000/acme"


def source(**facts) -> SourceProfile:
    found = make_profile("p", {**SOURCE, **facts})
    assert isinstance(found, SourceProfile)
    return found


def sink(**facts) -> SinkProfile:
    found = make_profile("p", {**SINK, **facts})
    assert isinstance(found, SinkProfile)
    return found


# What a file holds.


def test_a_source_has_keys_and_what_it_allows():
    found = source()
    assert found.login.keys == AwsKeys(access_key=Secret("AK"), secret_key=Secret("SK"))
    assert found.buckets == ("photos", "logs-*")
    assert found.allow_delete is False


def test_without_keys_boto3_finds_them():
    found = make_profile("p", {"kind": "source", "buckets": ["*"], "role_arn": "arn:r", "external_id": "x"})
    assert isinstance(found, SourceProfile)
    login = found.login
    assert (login.keys, login.role_arn, login.external_id, login.session_name) == (
        None,
        "arn:r",
        "x",
        "awcopy",
    )


@pytest.mark.parametrize(
    ("facts", "access"),
    [
        ({"account_key": "a2V5"}, AzureKeys(account_key=Secret("a2V5"))),
        ({"account_key": "", "sas_token": "sig=x"}, AzureKeys(sas_token=Secret("sig=x"))),
        ({"account_key": "", "identity_client_id": "id"}, AzureIdentity(client_id="id")),
        ({"account_key": ""}, AzureIdentity()),
    ],
)
def test_a_sink_has_one_way_to_its_credentials(facts, access):
    assert sink(**facts).access == access


def test_a_connection_string_counts_as_its_parts():
    found = make_profile("p", {"kind": "sink", "containers": ["*"], "connection_string": CONNECTION})
    assert isinstance(found, SinkProfile)
    assert (found.account, found.endpoint_url) == ("acme", "http://127.0.0.1:10000/acme")
    assert found.access == AzureKeys(account_key=Secret("a2V5"))


@pytest.mark.parametrize("text", ["CANARY", "AccountName=CANARY"])
def test_a_connection_string_that_cannot_be_read_is_never_the_machines_identity(text):
    with pytest.raises(CredentialsError, match="profile 'p': connection_string cannot be read") as caught:
        make_profile("p", {"kind": "sink", "containers": ["*"], "connection_string": text})
    assert "CANARY" not in caught.value.message


def test_a_folder_that_cannot_be_looked_into_is_an_error_with_advice(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(CredentialsError, match="cannot be read: Not a directory") as caught:
        read_profile(tmp_path / "file", "p")
    assert "AWCOPY_PROFILES" in caught.value.hint


def test_a_secret_may_lie_elsewhere(tmp_path):
    (tmp_path / "key").write_text("SK2\n")
    assert source(secret_key=f"@file:{tmp_path}/key").login.keys.secret_key == Secret("SK2")


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"kind": "both"}, "kind is none of source, sink, webhook, email"),
        ({"kind": ["webhook"]}, "kind is none of source, sink, webhook, email"),
        ({**SOURCE, "bucket": "x"}, "no key 'bucket'"),
        ({**SOURCE, "buckets": []}, "buckets is not a list"),
        ({**SOURCE, "buckets": "photos"}, "buckets is not a list"),
        ({**SOURCE, "buckets": [1]}, "buckets is not a list"),
        ({**SOURCE, "region": 1}, "region is not a text"),
        ({**SOURCE, "allow_delete": "no"}, "allow_delete is neither true nor false"),
        ({**SOURCE, "secret_key": ""}, "access_key and secret_key go together"),
        ({**SOURCE, "aws_profile": "x"}, "access_key and aws_profile contradict"),
        ({**SOURCE, "external_id": "x"}, "external_id goes with a role_arn"),
        ({**SINK, "sas_token": "x"}, "account_key and sas_token contradict"),
        ({**SINK, "account": ""}, "account is missing"),
    ],
)
def test_what_is_wrong_with_a_profile_is_said_with_its_name(facts, says):
    with pytest.raises(UsageError, match=says) as caught:
        make_profile("photos", facts)
    assert "profile 'photos'" in caught.value.message


# What it may be used for.


@pytest.mark.parametrize("bucket", ["photos", "logs-2024"])
def test_a_listed_bucket_is_opened_at_the_profiles_endpoint(bucket):
    found = source(endpoint_url="https://minio.acme/", region="eu-west-1").admit(SourceSpec(bucket=bucket))
    assert (found.endpoint_url, found.region) == ("https://minio.acme", "eu-west-1")


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (SourceSpec(bucket="photos2"), "does not allow the bucket photos2"),
        (SourceSpec(bucket="Photos"), "does not allow the bucket Photos"),
        (SourceSpec(bucket="photos", endpoint_url="https://evil"), "is for AWS's own, not for https://evil"),
    ],
)
def test_a_source_that_is_not_listed_is_refused(spec, says):
    with pytest.raises(UsageError, match=says):
        source().admit(spec)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (SinkSpec(account="acme", container="other"), "does not allow the container other"),
        (SinkSpec(account="evil", container="backup"), "is for the account acme, not evil"),
        (SinkSpec(account="acme", container="backup", endpoint_url="https://evil"), "not for https://evil"),
    ],
)
def test_a_sink_that_is_not_listed_is_refused(spec, says):
    with pytest.raises(UsageError, match=says):
        sink().admit(spec)


def test_a_job_may_name_the_profiles_own_endpoint():
    spec = SinkSpec(account="acme", container="backup", endpoint_url="https://store/")
    assert sink(endpoint_url="https://store").admit(spec).endpoint_url == "https://store"


# Its file.


def test_a_profile_is_written_for_its_owner_alone_and_read_back(tmp_path):
    folder = tmp_path / "profiles"
    write_profile(folder, "photos", {**SOURCE, "external_id": 'a"b\\c é\t', "role_arn": "arn:r"})
    assert stat.S_IMODE((folder / "photos.toml").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert read_source_profile(folder, "photos").login.external_id == 'a"b\\c é\t'
    assert list_profiles(folder) == ["photos"]


def test_a_profile_is_replaced_only_when_asked(tmp_path):
    write_profile(tmp_path, "p", SOURCE)
    with pytest.raises(UsageError, match="already"):
        write_profile(tmp_path, "p", SINK)
    write_profile(tmp_path, "p", SINK, replace_it=True)
    assert isinstance(read_profile(tmp_path, "p"), SinkProfile)
    assert [path.name for path in tmp_path.iterdir()] == ["p.toml"]


def test_what_makes_no_profile_is_not_written(tmp_path):
    with pytest.raises(UsageError):
        write_profile(tmp_path, "p", {"kind": "source"})
    assert list_profiles(tmp_path) == []


def test_a_file_that_others_may_read_is_refused(tmp_path):
    write_profile(tmp_path, "p", SOURCE)
    (tmp_path / "p.toml").chmod(0o640)
    with pytest.raises(CredentialsError, match=r"can be read by others"):
        read_profile(tmp_path, "p")


def test_a_profile_of_the_other_kind_is_refused(tmp_path):
    write_profile(tmp_path, "p", SOURCE)
    with pytest.raises(UsageError, match="not for a sink"):
        read_sink_profile(tmp_path, "p")


@pytest.mark.parametrize("name", ["../etc/passwd", ".hidden", "", "a/b", "a\n", "a" * 65])
def test_no_name_leads_out_of_the_folder(tmp_path, name):
    with pytest.raises(UsageError, match="no profile can be called"):
        read_profile(tmp_path, name)


def test_a_profile_that_is_not_there_says_how_to_make_it(tmp_path):
    with pytest.raises(CredentialsError, match="no profile 'p'") as caught:
        read_profile(tmp_path / "nowhere", "p")
    assert "awcopy profile add p" in caught.value.hint
    with pytest.raises(CredentialsError):
        remove_profile(tmp_path, "p")
    assert list_profiles(tmp_path / "nowhere") == []


WEBHOOK = {"kind": "webhook", "url": "https://example.org/hook?t=secret", "signing_key": "k"}
EMAIL = {
    "kind": "email", "receivers": ["ops@example.org"], "sender": "awcopy@example.org",
    "smtp_url": "smtps://ann:pw@smtp.example.org",
}  # fmt: skip


def test_a_receiver_is_a_web_hook_or_people_and_shows_no_secret(tmp_path):
    for name, facts in (("hook", WEBHOOK), ("ops", EMAIL)):
        write_profile(tmp_path, name, facts)
        found = read_receiver_profile(tmp_path, name)
        assert "secret" not in repr(found)
        assert "pw" not in repr(found)
    assert isinstance(found, EmailProfile)
    assert found.receivers == ("ops@example.org",)
    with pytest.raises(UsageError, match="not for a source"):
        read_source_profile(tmp_path, "hook")
    write_profile(tmp_path, "photos", SOURCE)
    with pytest.raises(UsageError, match="not for a receiver"):
        read_receiver_profile(tmp_path, "photos")


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({**WEBHOOK, "url": "ftp://x"}, "url is no URL"),
        ({**WEBHOOK, "url": "https://x/ y"}, "url is no URL"),
        ({**WEBHOOK, "buckets": ["b"]}, "no key 'buckets'"),
        ({**EMAIL, "receivers": ["a@b\r\nBcc: c@d"]}, "an address is none"),
        ({**EMAIL, "receivers": ["a@b.org,c@d.org"]}, "an address is none"),
        ({**EMAIL, "receivers": []}, "not a list"),
        ({**EMAIL, "sender": ""}, "an address is none"),
        ({**EMAIL, "smtp_url": "https://x"}, "smtp_url is no URL"),
    ],
)
def test_what_is_wrong_with_a_receiver_is_said(facts, says):
    with pytest.raises(UsageError, match=says):
        make_profile("p", facts)
