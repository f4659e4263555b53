"""Listing, price and dry run by the real command, through proxies that log every request to the real stores."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from urllib.parse import urlsplit

import boto3
import pytest
from azure.storage.blob import BlobServiceClient
from botocore.config import Config

from awcopy.demo.fleet import awcopy_command
from awcopy.demo.servers import AzuriteServer, S3Server
from tests.faults.http_proxy import HttpProxy

BUCKET, CONTAINER = "look-ahead", "look-ahead"
LIMIT_S = 60  # for hangs, not a measurement


@dataclass(frozen=True, kw_only=True)
class Place:
    """Real stores behind proxies, and the command on them."""

    env: Mapping[str, str]
    account: str
    s3: HttpProxy
    azure: HttpProxy

    def awcopy(self, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run the real command, and fail unless it ends with the code and has written nothing."""
        self.s3.log.clear()
        self.azure.log.clear()
        done = subprocess.run(
            awcopy_command(*words),
            env=dict(self.env),
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        assert done.returncode == code, done.stderr
        asked = {exchange.method for proxy in (self.s3, self.azure) for exchange in proxy.log.all()}
        assert asked <= {"GET", "HEAD"}
        return done


@pytest.fixture(scope="module")
def place(s3_server: S3Server, azurite: AzuriteServer) -> Iterator[Place]:
    source, sink = s3_server.endpoint, azurite.endpoint
    client = boto3.client(
        "s3",
        endpoint_url=source.endpoint_url,
        aws_access_key_id=source.access_key,
        aws_secret_access_key=source.secret_key,
        region_name=source.region,
        config=Config(s3={"addressing_style": "path"}),
    )
    client.create_bucket(Bucket=BUCKET)
    for key in ("data/a.csv", "data/b.csv", "data/é \U0001f600.csv", "data/\uff01.csv", "data/sub/c.csv"):
        client.put_object(Bucket=BUCKET, Key=key, Body=key.encode())
    with ExitStack() as stack:
        blobs = stack.enter_context(BlobServiceClient(sink.blob_url, credential=sink.key))
        blobs.create_container(CONTAINER)
        s3 = stack.enter_context(HttpProxy(urlsplit(source.endpoint_url).port, "s3"))
        azure = stack.enter_context(HttpProxy(urlsplit(sink.blob_url).port, "azure"))
        env = {
            "PATH": os.environ["PATH"],  # noqa: TID251 - no setting of awcopy
            "HOME": "/nonexistent",
            "AWCOPY_ALLOW_PRIVATE_ENDPOINTS": "1",
            "AWS_ENDPOINT_URL": s3.url,
            "AWS_ACCESS_KEY_ID": source.access_key,
            "AWS_SECRET_ACCESS_KEY": source.secret_key,
            "AWS_REGION": "eu-west-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AZURE_STORAGE_ACCOUNT": sink.account,
            "AZURE_STORAGE_KEY": sink.key,
            "AZURE_STORAGE_SERVICE_ENDPOINT": f"{azure.url}/{sink.account}",
        }
        yield Place(env=env, account=sink.account, s3=s3, azure=azure)


def test_a_list_with_its_estimate_asks_s3_alone(place: Place) -> None:
    done = place.awcopy("ls", "--estimate", f"s3://{BUCKET}/data/", "-o", "ndjson")
    *keys, found = map(json.loads, done.stdout.splitlines())
    assert len(keys) == 5
    assert (found["schema"], found["region"], found["objects"]) == ("awcopy.estimate/1", "eu-west-1", 5)
    assert not place.azure.log.all()


def test_the_list_of_2015_estimates_the_egress(place: Place) -> None:
    words = (
        f"bucket:{BUCKET} path:data/*.* accesskey:@env:AWS_ACCESS_KEY_ID secret:@env:AWS_SECRET_ACCESS_KEY"
    )
    done = place.awcopy(*words.split(), "region:eu-west-1", "/L")
    assert "data/sub/c.csv" in done.stdout
    assert "egress from eu-west-1" in done.stdout


def test_a_dry_run_is_what_the_copy_then_does_and_writes_nothing(place: Place) -> None:
    line = ["copy", f"s3://{BUCKET}/data/", f"az://{place.account}/{CONTAINER}/to", "-o", "ndjson"]

    def planned() -> dict[str, str]:
        *plans, _ = map(json.loads, place.awcopy(*line, "--dry-run").stdout.splitlines())
        return {plan["key"]: f"{plan['plan']} {plan['reason']}" for plan in plans}

    assert set(planned().values()) == {"copy new"}
    half = ["--local", "--include", "*a*", "--include", "\uff01*", "--include", "é*", "-q"]
    subprocess.run(awcopy_command(*line, *half), env=dict(place.env), timeout=LIMIT_S, check=True)
    assert planned() == {
        "data/a.csv": "skip unchanged",
        "data/b.csv": "copy new",
        "data/sub/c.csv": "copy new",
        "data/é \U0001f600.csv": "skip unchanged",
        "data/\uff01.csv": "skip unchanged",
    }
