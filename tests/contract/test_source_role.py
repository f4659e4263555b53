"""A source that is read under a role, with a token service that hands out its credentials."""

from __future__ import annotations

import boto3
import pytest

from awcopy.config import AwsKeys, AwsLogin, Secret
from awcopy.model.spec import SourceSpec
from awcopy.source.s3 import S3Source

ROLE = "arn:aws:iam::123456789012:role/reader"


@pytest.mark.parametrize("way", ["keys", "web_identity"])
def test_a_bucket_is_read_under_a_role(moto_server, monkeypatch, tmp_path, way):
    endpoint = moto_server.endpoint
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", endpoint.endpoint_url)
    token = tmp_path / "token"
    token.write_text("a.b.c")
    keys = AwsKeys(access_key=Secret(endpoint.access_key), secret_key=Secret(endpoint.secret_key))
    by_keys = AwsLogin(keys=keys, role_arn=ROLE, external_id="acme")
    by_token = AwsLogin(role_arn=ROLE, web_identity_token_file=str(token))
    spec = SourceSpec(bucket=f"role-{way.replace('_', '-')}", endpoint_url=endpoint.endpoint_url)
    client = boto3.client(
        "s3",
        endpoint_url=endpoint.endpoint_url,
        aws_access_key_id=endpoint.access_key,
        aws_secret_access_key=endpoint.secret_key,
        region_name="us-east-1",
    )
    client.create_bucket(Bucket=spec.bucket)
    client.close()
    source = S3Source(spec, by_keys if way == "keys" else by_token, connections=1)
    assert source.list_page("").objects == ()
    # Not the keys that were given: those of the role, with a session's token.
    used = source._locate().credentials.get_frozen_credentials()
    assert used.token
    assert used.access_key != endpoint.access_key
    source.close()
