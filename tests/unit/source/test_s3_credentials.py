"""The ways to AWS credentials, without a service: who is asked, how often, and with what."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import botocore.exceptions
import botocore.session
import pytest

from awcopy.config import AwsKeys, AwsLogin, Secret
from awcopy.errors import CredentialsError
from awcopy.source.s3_credentials import describe_own_credentials, find_credentials

KEYS = AwsKeys(access_key=Secret("AK"), secret_key=Secret("SK"), session_token=Secret("T"))


class Sts:
    """The token service: hands out numbered keys that hold for a while."""

    def __init__(self, life_s: float):
        self.life_s = life_s
        self.calls = []

    def __call__(self, _session, name, **config):
        assert name == "sts"
        self.config = config
        return self

    def assume_role(self, **asked):
        self.calls.append(asked)
        until = datetime.now(UTC) + timedelta(seconds=self.life_s)
        number = len(self.calls)
        return {
            "Credentials": {
                "AccessKeyId": f"AK{number}",
                "SecretAccessKey": "s",
                "SessionToken": "t",
                "Expiration": until,
            }
        }

    assume_role_with_web_identity = assume_role


@pytest.fixture
def sts(monkeypatch, tmp_path):
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    sts = Sts(life_s=5)  # due for renewal at once

    def create_client(session, name, **config):
        return sts(session, name, **config)

    monkeypatch.setattr(botocore.session.Session, "create_client", create_client)
    return sts


def test_plain_keys_are_used_as_they_are(sts):
    found = find_credentials(KEYS).get_frozen_credentials()
    assert (found.access_key, found.secret_key, found.token) == ("AK", "SK", "T")


def test_without_any_there_is_an_error(sts):
    with pytest.raises(botocore.exceptions.NoCredentialsError):
        find_credentials(None)
    with pytest.raises(CredentialsError, match="no AWS credentials"):
        describe_own_credentials()


def test_what_the_machine_has_is_used_and_named(sts, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "OWN")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "S")
    assert find_credentials(None).get_frozen_credentials().access_key == "OWN"
    assert describe_own_credentials() == "environment variables"


def test_a_role_is_assumed_with_its_external_id_when_it_is_first_needed(sts):
    sts.life_s = 3600
    login = AwsLogin(keys=KEYS, role_arn="arn:r", external_id="x", region="eu-west-1")
    found = find_credentials(login)
    assert sts.calls == []
    assert found.get_frozen_credentials().access_key == "AK1"
    assert found.get_frozen_credentials().access_key == "AK1"
    assert sts.calls == [{"RoleArn": "arn:r", "RoleSessionName": "awcopy", "ExternalId": "x"}]
    assert (sts.config["region_name"], sts.config["aws_access_key_id"]) == ("eu-west-1", "AK")


def test_a_roles_credentials_are_renewed_before_they_end(sts):
    found = find_credentials(AwsLogin(keys=KEYS, role_arn="arn:r"))
    assert [found.get_frozen_credentials().access_key for _ in range(3)] == ["AK1", "AK2", "AK3"]


def test_a_web_identitys_token_is_read_anew_each_time(sts, tmp_path):
    token = tmp_path / "token"
    token.write_text("first")
    found = find_credentials(AwsLogin(role_arn="arn:r", web_identity_token_file=str(token)))
    found.get_frozen_credentials()
    token.write_text("second")
    found.get_frozen_credentials()
    assert [call["WebIdentityToken"] for call in sts.calls] == ["first", "second"]
