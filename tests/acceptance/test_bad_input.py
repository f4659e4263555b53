"""Whatever is wrong with a command line ends in seconds: one line, the right code, nothing changed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest
from azure.data.tables import TableServiceClient
from azure.storage.blob import BlobServiceClient
from botocore.config import Config

from awcopy.demo.ports import pick_ports
from awcopy.demo.servers import AzuriteServer, RedisServer, S3Server
from awcopy.vault.sealing import create_keys

IN_SECONDS = 60  # a limit for hangs on a busy machine, not a measurement
BUCKET, CONTAINER = "bad-input", "bad-input"
WRONG_KEY = "d3Jvbmcgd3Jvbmcgd3Jvbmcgd3Jvbmcgd3Jvbmcgd3Jvbmcgd3Jvbmcgd3Jvbmcgd3Jvbmcgd3Jvbmcgd3Jvbg=="
SECRET_MARK = "SECRETMARK"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Real stores with one object and one container, an environment that reaches them, and a dead port."""

    env: Mapping[str, str]
    account: str
    key: str
    access_key: str
    secret_key: str
    dead_url: str
    tables: TableServiceClient
    blobs: BlobServiceClient

    def contents(self) -> tuple[list[str], list[str], list[str]]:
        """Return everything that a command could have left behind."""
        tables = [table.name for table in self.tables.list_tables()]
        containers = [each.name for each in self.blobs.list_containers()]
        blobs = [each.name for each in self.blobs.get_container_client(CONTAINER).list_blobs()]
        return tables, containers, blobs


@pytest.fixture(scope="module")
def place(
    redis_server: RedisServer,
    s3_server: S3Server,
    azurite: AzuriteServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Place]:
    s3, azure = s3_server.endpoint, azurite.endpoint
    client = boto3.client(
        "s3",
        endpoint_url=s3.endpoint_url,
        aws_access_key_id=s3.access_key,
        aws_secret_access_key=s3.secret_key,
        region_name=s3.region,
        config=Config(s3={"addressing_style": "path"}),
    )
    client.create_bucket(Bucket=BUCKET)
    client.put_object(Bucket=BUCKET, Key="data/report.csv", Body=b"a,b\n")
    keys = tmp_path_factory.mktemp("keys")
    create_keys(keys)
    dead_url = f"http://127.0.0.1:{pick_ports(1)[0]}"
    with (
        BlobServiceClient(azure.blob_url, credential=azure.key) as blobs,
        TableServiceClient.from_connection_string(azure.connection_string) as tables,
    ):
        blobs.create_container(CONTAINER)
        yield Place(
            env={
                "PATH": os.environ["PATH"],  # noqa: TID251 - no setting of awcopy
                "AWCOPY_REDIS_URL": redis_server.url,
                "AWCOPY_LEDGER": azure.connection_string,
                "AWCOPY_NAMESPACE": "badinput",
                "AWCOPY_KEYS": str(keys),
                "AWCOPY_ALLOW_PRIVATE_ENDPOINTS": "1",
                "AWS_ENDPOINT_URL": s3.endpoint_url,
                "AWS_ACCESS_KEY_ID": s3.access_key,
                "AWS_SECRET_ACCESS_KEY": s3.secret_key,
                "AWS_REGION": s3.region,
                "AWS_EC2_METADATA_DISABLED": "true",
                "AZURE_STORAGE_CONNECTION_STRING": azure.connection_string,
            },
            account=azure.account,
            key=azure.key,
            access_key=s3.access_key,
            secret_key=s3.secret_key,
            dead_url=dead_url,
            tables=tables,
            blobs=blobs,
        )


@dataclass(frozen=True, kw_only=True)
class Case:
    """A command line, what is wrong with the environment, and what must come of it."""

    name: str
    line: str
    code: int
    says: str
    env: Mapping[str, str]  # an empty text: the variable is not set


def bad(name: str, code: int, line: str, says: str, env: Mapping[str, str] | None = None) -> Case:
    return Case(name=name, line=line, code=code, says=says, env=env or {})


GOOD = "copy s3://bad-input/data/ az://{account}/bad-input"
OLD = "bucket:bad-input path:data/ accesskey:{access_key} secret:@env:AWS_SECRET_ACCESS_KEY region:us-east-1 "
OLD += "container:bad-input storageaccount:{account} storagekey:@env:KEY"
NO_AZURE = {"AZURE_STORAGE_CONNECTION_STRING": ""}
NO_AWS = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
DEAD_AZURE = {"AZURE_STORAGE_SERVICE_ENDPOINT": "{dead_url}/{account}"}
WRONG_AZURE = {"AZURE_STORAGE_KEY": WRONG_KEY}
CASES = [
    bad("unknown_command", 2, "cpoy", "copy"),
    bad("no_destination", 2, "copy s3://bad-input", "DST"),
    bad("no_bucket", 2, "copy s3:// az://acc/con", "bucket"),
    bad("no_container", 2, "copy s3://bad-input az://acc", "container"),
    bad("no_scheme", 2, "copy bad-input az://acc/con", "s3://"),
    bad("unknown_option", 2, f"{GOOD} --blocksize 8M", "--block-size"),
    bad("block_size_too_large", 2, f"{GOOD} --block-size 4001M", "4,000 MiB"),
    bad("block_size_zero", 2, f"{GOOD} --block-size 0", "1 byte"),
    bad("block_size_no_size", 2, f"{GOOD} --block-size many", "not a size"),
    bad("too_many_agents", 2, f"{GOOD} --agents 0", "--agents"),
    bad("unknown_job", 2, "jobs show 0000", "0000"),
    bad("bad_setting", 2, GOOD, "AWCOPY_LEASE_S", {"AWCOPY_LEASE_S": "soon"}),
    bad("bad_log_level", 2, GOOD, "AWCOPY_LOG_LEVEL", {"AWCOPY_LOG_LEVEL": "LOUD"}),
    bad("bad_endpoint", 2, GOOD, "AWS_ENDPOINT_URL", {"AWS_ENDPOINT_URL": "store"}),
    bad(
        "sas_in_address",
        2,
        f"copy s3://bad-input https://acc.blob.core.windows.net/con?sig={SECRET_MARK}",
        "AZURE_STORAGE_SAS_TOKEN",
    ),
    bad(
        "private_endpoint", 2, GOOD, "AWCOPY_ALLOW_PRIVATE_ENDPOINTS", {"AWCOPY_ALLOW_PRIVATE_ENDPOINTS": "0"}
    ),
    bad("missing_bucket", 2, "copy s3://no-such-bucket az://{account}/bad-input", "no-such-bucket"),
    bad(
        "missing_bucket_locally",
        2,
        "copy s3://no-such-bucket az://{account}/bad-input --local",
        "no-such-bucket",
    ),
    bad("missing_bucket_listed", 2, "ls s3://no-such-bucket", "no-such-bucket"),
    bad("missing_key", 2, "copy s3://bad-input/no/such az://{account}/bad-input", "no/such"),
    bad("missing_key_locally", 2, "copy s3://bad-input/no/such az://{account}/bad-input --local", "no/such"),
    bad(
        "missing_key_makes_no_container",
        2,
        "copy s3://bad-input/no/such az://{account}/brand-new --create-container",
        "no/such",
    ),
    bad("missing_container", 2, "copy s3://bad-input az://{account}/no-such", "no-such"),
    bad("missing_container_locally", 2, "copy s3://bad-input az://{account}/no-such --local", "no-such"),
    bad("no_credentials", 4, GOOD, "AWS_ACCESS_KEY_ID", {**NO_AWS, **NO_AZURE}),
    bad("no_s3_credentials_locally", 4, f"{GOOD} --local", "AWS_ACCESS_KEY_ID", NO_AWS),
    bad(
        "no_azure_credentials_locally",
        4,
        "copy s3://bad-input https://{account}.blob.core.windows.net/bad-input --local",
        "AZURE_STORAGE_KEY",
        NO_AZURE,
    ),
    bad("no_public_key", 4, GOOD, "awcopy keys init", {"AWCOPY_KEYS": "/no/such/folder"}),
    bad("other_account", 4, "copy s3://bad-input az://otheraccount/con", "otheraccount"),
    bad("wrong_s3_secret", 4, GOOD, "bad-input", {"AWS_SECRET_ACCESS_KEY": SECRET_MARK}),
    bad("wrong_s3_secret_locally", 4, f"{GOOD} --local", "bad-input", {"AWS_SECRET_ACCESS_KEY": SECRET_MARK}),
    bad("wrong_azure_key", 4, GOOD, "bad-input", WRONG_AZURE),
    bad("wrong_azure_key_locally", 4, f"{GOOD} --local", "bad-input", WRONG_AZURE),
    bad("azure_key_no_base64", 4, GOOD, "base64", {"AZURE_STORAGE_KEY": f"{SECRET_MARK}!"}),
    bad(
        "connection_string_cut",
        4,
        GOOD,
        "CONNECTION_STRING cannot be read",
        {"AZURE_STORAGE_CONNECTION_STRING": f"AccountName=acme;AccountKey {SECRET_MARK}"},
    ),
    bad("half_a_pair", 4, GOOD, "set without AWS_ACCESS_KEY_ID", {"AWS_ACCESS_KEY_ID": ""}),
    bad("redis_away", 7, GOOD, "Redis", {"AWCOPY_REDIS_URL": "redis{dead_port}/0"}),
    bad("ledger_away", 7, "jobs list", "ledger", {"AWCOPY_LEDGER": "{dead_ledger}"}),
    bad("s3_away", 7, GOOD, "--endpoint-url", {"AWS_ENDPOINT_URL": "{dead_url}"}),
    bad("s3_away_locally", 7, f"{GOOD} --local", "--endpoint-url", {"AWS_ENDPOINT_URL": "{dead_url}"}),
    bad("azure_away", 7, GOOD, "--azure-endpoint", DEAD_AZURE),
    bad("azure_away_locally", 7, f"{GOOD} --local", "--azure-endpoint", DEAD_AZURE),
    bad("old_unknown_switch", 2, f"{OLD} /Q", "/Q"),
    bad("old_delete_unconfirmed", 2, f"{OLD} /D", "add --yes"),
    bad("old_unknown_parameter", 2, f"{OLD} buckett:x", "did you mean bucket:"),
    bad("old_block_size", 2, f"{OLD} /B:4001M", "/B"),
    bad("old_agents", 2, f"{OLD} /A many", "/A"),
    bad("old_two_modes", 2, f"{OLD} /C /U", "/U"),
    bad("old_missing", 2, "bucket:bad-input /U", "path, accesskey, secret, container"),
    bad("old_empty_variable", 4, OLD.replace("@env:KEY", "@env:NO_SUCH"), "@env:NO_SUCH"),
    bad("old_key_no_base64", 4, OLD, "base64", {"KEY": f"{SECRET_MARK}!"}),
    bad("old_wrong_key", 4, OLD, "bad-input", {"KEY": WRONG_KEY}),
    bad(
        "old_missing_bucket",
        2,
        OLD.replace("bucket:bad-input", "bucket:no-such-bucket") + " /C",
        "no-such-bucket",
    ),
    bad("old_missing_key", 2, OLD.replace("path:data/", "path:no/such.csv"), "no/such.csv"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bad_input_ends_in_one_line_and_changes_nothing(case: Case, place: Place) -> None:
    before = place.contents()
    done = run(case, place)
    assert done.returncode == case.code, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("awcopy: ")
    assert case.says in line
    assert "Traceback" not in line
    assert not any(secret in line for secret in (SECRET_MARK, place.key, place.secret_key))
    assert place.contents() == before


def test_a_bad_command_line_with_json_ends_in_one_json_record(place: Place) -> None:
    case = bad("json", 2, "copy s3://no-such-bucket az://{account}/bad-input -o json", "")
    done = run(case, place)
    assert done.returncode == 2
    assert done.stdout == ""
    assert '"code": "store_not_found"' in done.stderr


def run(case: Case, place: Place) -> subprocess.CompletedProcess[str]:
    """Run the real program as a person would."""
    facts = {
        "account": place.account,
        "access_key": place.access_key,
        "dead_url": place.dead_url,
        "dead_port": place.dead_url.removeprefix("http"),
        "dead_ledger": (
            f"DefaultEndpointsProtocol=http;AccountName={place.account};AccountKey={place.key};"
            f"BlobEndpoint={place.dead_url}/{place.account};TableEndpoint={place.dead_url}/{place.account};"
        ),
    }
    changes = {name: value.format(**facts) for name, value in case.env.items()}
    env = {**place.env, "KEY": place.key, **changes}
    return subprocess.run(
        [sys.executable, "-m", "awcopy.cli.main", *case.line.format(**facts).split()],
        cwd=Path(__file__).parents[2],
        env={name: value for name, value in env.items() if value},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=IN_SECONDS,
        check=False,
    )
