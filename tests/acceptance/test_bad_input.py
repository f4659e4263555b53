"""Whatever is wrong with a command line ends in seconds: one line, the right exit code, and nothing changed."""

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
    redis_server: RedisServer, s3_server: S3Server, azurite: AzuriteServer, tmp_path_factory: pytest.TempPathFactory
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
    env: Mapping[str, str] | None = None  # an empty text: the variable is not set


GOOD = "copy s3://bad-input/data/ az://{account}/bad-input"
OLD = "bucket:bad-input path:data/ accesskey:{access_key} secret:@env:AWS_SECRET_ACCESS_KEY region:us-east-1 "
OLD += "container:bad-input storageaccount:{account} storagekey:@env:KEY"
NO_AZURE = {"AZURE_STORAGE_CONNECTION_STRING": ""}
NO_AWS = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
DEAD_AZURE = {"AZURE_STORAGE_SERVICE_ENDPOINT": "{dead_url}/{account}"}
WRONG_AZURE = {"AZURE_STORAGE_KEY": WRONG_KEY}
CASES = [
    Case(name="unknown_command", line="cpoy", code=2, says="copy"),
    Case(name="no_destination", line="copy s3://bad-input", code=2, says="DST"),
    Case(name="no_bucket", line="copy s3:// az://acc/con", code=2, says="bucket"),
    Case(name="no_container", line="copy s3://bad-input az://acc", code=2, says="container"),
    Case(name="no_scheme", line="copy bad-input az://acc/con", code=2, says="s3://"),
    Case(name="unknown_option", line=f"{GOOD} --blocksize 8M", code=2, says="--block-size"),
    Case(name="block_size_too_large", line=f"{GOOD} --block-size 4001M", code=2, says="4,000 MiB"),
    Case(name="block_size_zero", line=f"{GOOD} --block-size 0", code=2, says="1 byte"),
    Case(name="block_size_no_size", line=f"{GOOD} --block-size many", code=2, says="not a size"),
    Case(name="too_many_agents", line=f"{GOOD} --agents 0", code=2, says="--agents"),
    Case(name="unknown_job", line="jobs show 0000", code=2, says="0000"),
    Case(name="bad_setting", line=GOOD, code=2, says="AWCOPY_LEASE_S", env={"AWCOPY_LEASE_S": "soon"}),
    Case(name="bad_log_level", line=GOOD, code=2, says="AWCOPY_LOG_LEVEL", env={"AWCOPY_LOG_LEVEL": "LOUD"}),
    Case(name="bad_endpoint", line=GOOD, code=2, says="AWS_ENDPOINT_URL", env={"AWS_ENDPOINT_URL": "store"}),
    Case(name="sas_in_address", line=f"copy s3://bad-input https://acc.blob.core.windows.net/con?sig={SECRET_MARK}",
         code=2, says="AZURE_STORAGE_SAS_TOKEN"),
    Case(name="private_endpoint", line=GOOD, code=2, says="AWCOPY_ALLOW_PRIVATE_ENDPOINTS",
         env={"AWCOPY_ALLOW_PRIVATE_ENDPOINTS": "0"}),
    Case(name="missing_bucket", line="copy s3://no-such-bucket az://{account}/bad-input", code=2, says="no-such-bucket"),
    Case(name="missing_bucket_locally", line="copy s3://no-such-bucket az://{account}/bad-input --local", code=2,
         says="no-such-bucket"),
    Case(name="missing_bucket_listed", line="ls s3://no-such-bucket", code=2, says="no-such-bucket"),
    Case(name="missing_key", line="copy s3://bad-input/no/such az://{account}/bad-input", code=2, says="no/such"),
    Case(name="missing_key_locally", line="copy s3://bad-input/no/such az://{account}/bad-input --local", code=2,
         says="no/such"),
    Case(name="missing_key_makes_no_container", code=2, says="no/such",
         line="copy s3://bad-input/no/such az://{account}/brand-new --create-container"),
    Case(name="missing_container", line="copy s3://bad-input az://{account}/no-such", code=2, says="no-such"),
    Case(name="missing_container_locally", line="copy s3://bad-input az://{account}/no-such --local", code=2,
         says="no-such"),
    Case(name="no_credentials", line=GOOD, code=4, says="AWS_ACCESS_KEY_ID", env={**NO_AWS, **NO_AZURE}),
    Case(name="no_s3_credentials_locally", line=f"{GOOD} --local", code=4, says="AWS_ACCESS_KEY_ID", env=NO_AWS),
    Case(name="no_public_key", line=GOOD, code=4, says="awcopy keys init", env={"AWCOPY_KEYS": "/no/such/folder"}),
    Case(name="other_account", line="copy s3://bad-input az://otheraccount/con", code=4, says="otheraccount"),
    Case(name="wrong_s3_secret", line=GOOD, code=4, says="bad-input", env={"AWS_SECRET_ACCESS_KEY": SECRET_MARK}),
    Case(name="wrong_s3_secret_locally", line=f"{GOOD} --local", code=4, says="bad-input",
         env={"AWS_SECRET_ACCESS_KEY": SECRET_MARK}),
    Case(name="wrong_azure_key", line=GOOD, code=4, says="bad-input", env=WRONG_AZURE),
    Case(name="wrong_azure_key_locally", line=f"{GOOD} --local", code=4, says="bad-input", env=WRONG_AZURE),
    Case(name="azure_key_no_base64", line=GOOD, code=4, says="base64", env={"AZURE_STORAGE_KEY": f"{SECRET_MARK}!"}),
    Case(name="redis_away", line=GOOD, code=7, says="Redis", env={"AWCOPY_REDIS_URL": "redis{dead_port}/0"}),
    Case(name="ledger_away", line="jobs list", code=7, says="ledger", env={"AWCOPY_LEDGER": "{dead_ledger}"}),
    Case(name="s3_away", line=GOOD, code=7, says="127.0.0.1", env={"AWS_ENDPOINT_URL": "{dead_url}"}),
    Case(name="s3_away_locally", line=f"{GOOD} --local", code=7, says="127.0.0.1",
         env={"AWS_ENDPOINT_URL": "{dead_url}"}),
    Case(name="azure_away", line=GOOD, code=7, says="bad-input", env=DEAD_AZURE),
    Case(name="azure_away_locally", line=f"{GOOD} --local", code=7, says="bad-input", env=DEAD_AZURE),
    Case(name="old_unknown_switch", line=f"{OLD} /Q", code=2, says="/Q"),
    Case(name="old_not_there_yet", line=f"{OLD} /D", code=2, says="/D"),
    Case(name="old_unknown_parameter", line=f"{OLD} buckett:x", code=2, says="did you mean bucket:"),
    Case(name="old_block_size", line=f"{OLD} /B:4001M", code=2, says="/B"),
    Case(name="old_agents", line=f"{OLD} /A many", code=2, says="/A"),
    Case(name="old_two_modes", line=f"{OLD} /C /U", code=2, says="/U"),
    Case(name="old_missing", line="bucket:bad-input /U", code=2, says="path, accesskey, secret, container"),
    Case(name="old_empty_variable", line=OLD.replace("@env:KEY", "@env:NO_SUCH"), code=4, says="@env:NO_SUCH"),
    Case(name="old_key_no_base64", line=OLD, code=4, says="base64", env={"KEY": f"{SECRET_MARK}!"}),
    Case(name="old_wrong_key", line=OLD, code=4, says="bad-input", env={"KEY": WRONG_KEY}),
    Case(name="old_missing_bucket", line=OLD.replace("bucket:bad-input", "bucket:no-such-bucket") + " /C", code=2,
         says="no-such-bucket"),
    Case(name="old_missing_key", line=OLD.replace("path:data/", "path:no/such.csv"), code=2, says="no/such.csv"),
]  # fmt: skip


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
    case = Case(name="json", line="copy s3://no-such-bucket az://{account}/bad-input -o json", code=2, says="")
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
    changes = {name: value.format(**facts) for name, value in (case.env or {}).items()}
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
