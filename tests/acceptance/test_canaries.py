"""No secret is ever said: secrets that can be recognised, each kind of them, over each kind of error, at full noise."""

from __future__ import annotations

import base64
import shlex
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import pytest

from awcopy.cli.help import Exit
from awcopy.demo.fleet import awcopy_command
from awcopy.demo.ports import pick_ports
from tests.acceptance.conftest import LIMIT_S, Place

pytestmark = pytest.mark.timeout(2 * LIMIT_S)


def in_base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


# What nobody may ever read again; keys for Azure and AES are base64, of 32 bytes and more.
SECRETS = {
    "aws_secret": "CanaryAwsSecretKeyOf40CharactersAaBbCcDd",
    "aws_token": "CanarySessionTokenAaBbCcDd",
    "azure_key": in_base64("canary: the key of the account, wrong but whole"),
    "sas": "CanarySasSignatureAaBb%2FCcDd%3D",
    "aes": in_base64("canary: a key of 32 bytes, whole"),
    "redis": "CanaryRedisPassword",
    "ledger_key": in_base64("canary: the key of the ledger, wrong but whole"),
    "api_token": f"awc_ci_{'c0ffee' * 8}",
    "web_key": "CanaryWebKeyCanaryWebKeyCanaryWebKey1234",
}
NOISE = {
    "AWCOPY_LOG_LEVEL": "DEBUG",
    "AWCOPY_WEB_KEY": SECRETS["web_key"],
    "AWCOPY_API_TOKEN": SECRETS["api_token"],
}
AWS = {"AWS_SECRET_ACCESS_KEY": SECRETS["aws_secret"]}
TOKEN = {**AWS, "AWS_SESSION_TOKEN": SECRETS["aws_token"]}
NO_STRING = {"AZURE_STORAGE_CONNECTION_STRING": ""}
AZURE = {**NO_STRING, "AZURE_STORAGE_SERVICE_ENDPOINT": "{azure}", "AZURE_STORAGE_KEY": SECRETS["azure_key"]}
SAS = {
    **NO_STRING, "AZURE_STORAGE_SERVICE_ENDPOINT": "{azure}",
    "AZURE_STORAGE_SAS_TOKEN": f"sv=2024-11-04&sp=rwl&se=2030-01-01&sr=c&sig={SECRETS['sas']}",
}  # fmt: skip
CUT_STRING = {"AZURE_STORAGE_CONNECTION_STRING": f"AccountName=acme;AccountKey {SECRETS['azure_key']}"}
AES = {"KEY": SECRETS["aes"]}
DEAD_LEDGER = {
    "AWCOPY_LEDGER": f"DefaultEndpointsProtocol=http;AccountName=a;AccountKey={SECRETS['ledger_key']};"
    "TableEndpoint=http://127.0.0.1:{port}/a;BlobEndpoint=http://127.0.0.1:{port}/a"
}
WRONG_LEDGER = {"AWCOPY_LEDGER": "{ledger}"}
DEAD_REDIS = {"AWCOPY_REDIS_URL": f"redis://:{SECRETS['redis']}@127.0.0.1:{{port}}/0"}
WRONG_REDIS = {"AWCOPY_REDIS_URL": f"redis://nobody:{SECRETS['redis']}@{{redis}}"}
COPY = "copy s3://canary/ {sink} -v"
LOCAL = f"{COPY} --local --journal={{tmp}}/journal"
OLD = "bucket:canary 'path:*.*' accesskey:A region:us-east-1 container:canary storageaccount:acme /U /V"

LINES = [
    # command line, how it ends, and what it is told in the environment
    (f"{LOCAL}", Exit.CREDENTIALS, AWS),  # the signature does not match
    (f"{LOCAL}", Exit.CREDENTIALS, TOKEN),
    (f"{LOCAL}", Exit.CREDENTIALS, AZURE),
    (f"{LOCAL}", Exit.CREDENTIALS, SAS),
    (f"{LOCAL} --endpoint-url http://127.0.0.1:{{port}}", Exit.UNREACHABLE, TOKEN),
    (f"{LOCAL} --azure-endpoint http://127.0.0.1:{{port}}", Exit.UNREACHABLE, AZURE),
    (f"{LOCAL} --source-encryption-key @env:KEY --endpoint-url http://example.com", Exit.USAGE, AES),
    (f"{LOCAL} --encryption-key @env:KEY", Exit.ERROR, AES),  # Azurite knows no such keys
    (f"{LOCAL} --encryption-key {SECRETS['aes']}", Exit.USAGE, {}),
    ("copy s3://key:{aws_secret}@canary/ {sink} --local", Exit.USAGE, {}),
    ("copy s3://canary/ 'https://acme.blob.core.windows.net/canary?sv=1&sig={sas}' --local", Exit.USAGE, {}),
    (f"{LOCAL} --endpoint-url https://key:{{aws_secret}}@example.com", Exit.USAGE, {}),
    (LOCAL, Exit.CREDENTIALS, CUT_STRING),
    ("ls s3://canary/", Exit.CREDENTIALS, TOKEN),
    ("ls s3://canary/ --source-profile role", Exit.CREDENTIALS, {}),
    ("check s3://canary/ {sink} --download", Exit.CREDENTIALS, {**TOKEN, **AZURE}),
    (COPY, Exit.CREDENTIALS, TOKEN),
    (COPY, Exit.CREDENTIALS, AZURE),
    (COPY, Exit.UNREACHABLE, DEAD_REDIS),
    (COPY, Exit.CREDENTIALS, WRONG_REDIS),
    (COPY, Exit.UNREACHABLE, DEAD_LEDGER),
    (COPY, Exit.CREDENTIALS, WRONG_LEDGER),
    ("jobs list", Exit.CREDENTIALS, WRONG_LEDGER),
    ("jobs list", Exit.USAGE, {"AWCOPY_LEDGER": f"AccountName=a;AccountKey {SECRETS['ledger_key']}"}),
    ("jobs list", Exit.USAGE, {"AWCOPY_REDIS_URL": f"redis://:{SECRETS['redis']}@host:port/0"}),
    ("worker --check", Exit.CREDENTIALS, WRONG_REDIS),
    ("config show --origin", Exit.OK, {**TOKEN, **AZURE, **DEAD_REDIS, **DEAD_LEDGER}),
    ("doctor", None, {**TOKEN, **SAS, **WRONG_REDIS, **WRONG_LEDGER}),
    ("profile show role", Exit.OK, {}),
    ("profile test role --bucket canary", None, {}),
    ("profile add bad --bucket b --access-key A --secret-key @env:KEY --sas-token @env:KEY", Exit.USAGE, AES),
    (f"{OLD} secret:{{aws_secret}} storagekey:{{azure_key}} /Q", Exit.USAGE, {}),
    (f"{OLD} secret:{{aws_secret}} storagekey:{{azure_key}}", Exit.CREDENTIALS, {}),
    (f"legacy-explain {OLD} secret:{{aws_secret}} storagekey:{{azure_key}}", Exit.OK, {}),
]  # fmt: skip


@pytest.fixture(scope="module")
def stores(place: Place) -> Place:
    place.make_bucket("canary", {"k": b"1"})
    place.blobs.create_container("canary")
    return place


@pytest.fixture
def facts(stores: Place, tmp_path: Path) -> dict[str, str]:
    servers = stores.servers
    wrong = servers.ledger.connection_string.replace(servers.ledger.key, SECRETS["ledger_key"])
    assert wrong != servers.ledger.connection_string
    return {
        **SECRETS, "sink": f"az://{servers.sink.account}/canary/x", "tmp": str(tmp_path), "port": str(pick_ports(1)[0]),
        "azure": servers.sink.blob_url, "redis": servers.redis.url.partition("://")[2], "ledger": wrong,
    }  # fmt: skip


def forms(secret: str) -> set[str]:
    """Return a secret in every form in which it could come out, and its half, in case it is cut."""
    found = {
        secret,
        quote(secret, safe=""),
        in_base64(secret),
        secret[: len(secret) // 2],
        secret[len(secret) // 2 :],
    }
    with suppress(ValueError):
        found.add(base64.b64decode(secret, validate=True).decode())
    return found


def assert_silent(*said: str) -> None:
    for name, secret in SECRETS.items():
        for form in forms(secret):
            for text in said:
                assert form not in text, (name, text)


def run(
    place: Place, words: str, facts: Mapping[str, str], env: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    told = {name: value.format(**facts) for name, value in env.items()}
    profiles = {"AWCOPY_PROFILES": facts["tmp"] + "/profiles"}
    return subprocess.run(
        awcopy_command(*shlex.split(words.format(**facts))),
        env={**place.env, **NOISE, **profiles, **told}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("words", "code", "env"), LINES, ids=[f"{at} {line[0][:30]}" for at, line in enumerate(LINES)]
)
def test_no_error_says_a_secret(
    stores: Place, facts: dict[str, str], words: str, code: Exit | None, env
) -> None:
    added = run(
        stores,
        "profile add role --bucket canary --access-key AKIA --secret-key @env:SECRET --session-token @env:TOKEN "
        f"--endpoint-url {stores.servers.source.endpoint_url}",
        facts,
        {"SECRET": SECRETS["aws_secret"], "TOKEN": SECRETS["aws_token"]},
    )
    assert added.returncode == Exit.OK, added.stderr
    done = run(stores, words, facts, env)
    assert done.stdout + done.stderr
    if code is not None:
        assert done.returncode == code, done.stderr
    journal = Path(facts["tmp"], "journal")
    noted = journal.read_text() if journal.exists() else ""
    assert_silent(done.stdout, done.stderr, noted, added.stdout, added.stderr)


def test_what_a_fleet_keeps_of_a_job_that_failed_says_no_secret(stores: Place, facts: dict[str, str]) -> None:
    """Sealed with the job, refused at the stores: nothing of it is in logs, rows, reports, Redis or the dashboard."""
    resumed = run(stores, "copy s3://canary/ {sink} --detach", facts, {})
    job_id = resumed.stdout.strip()
    assert stores.awcopy("jobs", "watch", job_id, "-q").returncode == Exit.OK
    wrong = {**TOKEN, **NO_STRING, "AZURE_STORAGE_KEY": SECRETS["azure_key"]}
    said = [resumed.stdout, resumed.stderr]
    for words in (
        "jobs resume {job} --credentials",
        "jobs show {job}",
        "jobs logs {job}",
        "jobs report {job}",
    ):
        done = run(stores, words, {**facts, "job": job_id}, wrong)
        said += [done.stdout, done.stderr]
    processes = stores.processes
    said += [child.log_path.read_text() for child in (processes.worker, processes.web, processes.flower)]
    _, held = stores.redis_dump()
    assert_silent(*said, held.decode("latin-1"))


def test_the_search_would_find_them() -> None:
    for name, secret in SECRETS.items():
        with pytest.raises(AssertionError, match=name):
            assert_silent(f"url?sig={quote(secret, safe='')}&x")
        with pytest.raises(AssertionError, match=name):
            assert_silent(f"cut off: {secret[: len(secret) // 2 + 3]}")
