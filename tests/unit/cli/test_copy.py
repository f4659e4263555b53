"""What ``awcopy copy`` makes of its command line: the job, and whose credentials go with it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from awcopy.cli import copy as command
from awcopy.cli.main import main
from awcopy.cli.setup import begin
from awcopy.config import Secret
from awcopy.model.spec import MetadataPolicy, NamePolicy, Overwrite, Selection, SinkSpec, SourceSpec
from awcopy.units import MIB

AWS = {"AWS_ACCESS_KEY_ID": "AK", "AWS_SECRET_ACCESS_KEY": "SK"}
AZURE = {"AZURE_STORAGE_ACCOUNT": "acme", "AZURE_STORAGE_KEY": "a2V5"}
CONNECTION = "AccountName=acme;AccountKey=a2V5;BlobEndpoint=http://127.0.0.1:10000/acme"
LINE = ["copy", "s3://photos/2024/", "az://acme/backup/x"]


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch):
    """Collect what would be run, in an environment without any store."""
    for prefix in ("AWS_", "AZURE_", "AWCOPY_"):
        for name in list(_environ()):
            if name.startswith(prefix):
                monkeypatch.delenv(name)
    found: list = []
    for name in ("run_locally", "run_on_fleet"):
        monkeypatch.setattr(command, name, lambda launch, name=name: found.append((name, launch)) or 0)
    monkeypatch.setattr(command, "begin", lambda **_: begin_settings())
    return found


def _environ():
    import os

    return os.environ  # noqa: TID251 - to be emptied


def begin_settings():
    from awcopy.config import load_settings

    return load_settings({})


def launch_of(launched, *words: str):
    assert main(list(words)) == 0
    return launched[-1][1]


def test_the_defaults_of_a_copy(launched) -> None:
    spec = launch_of(launched, *LINE, "--local").spec
    assert spec.source == SourceSpec(bucket="photos", prefix="2024/")
    assert spec.sink == SinkSpec(account="acme", container="backup", prefix="x/")
    assert spec.selection == Selection()
    assert (spec.agents, spec.block_size_bytes, spec.files_per_task, spec.tier) == (4, 8 * MIB, 500, "")
    assert spec.overwrite is Overwrite.CHANGED
    assert (spec.names, spec.metadata) == (NamePolicy.FAIL, MetadataPolicy.RENAME)
    assert (spec.copies_tags, spec.has_stamps) == (False, True)


def test_every_option_reaches_the_specification(launched) -> None:
    options = (
        "--no-recursive --include *.jpg --include *.png --exclude a* --newer-than 2026-01-01 "
        "--older-than 2026-02-01 "
        "--min-size 1K --max-size 1G --endpoint-url https://s3.example.com --region eu-west-1 "
        "--azure-endpoint https://blob.example.com --agents 1000 --block-size 4000M --files-per-task 7 "
        "--overwrite newer --tier cold --names encode --metadata exclude --tags --no-stamp "
        "--name nightly --create-container --local -q -v -o json"
    )
    launch = launch_of(launched, *LINE, *options.split())
    spec = launch.spec
    assert spec.selection == Selection(
        recursive=False,
        include=("*.jpg", "*.png"),
        exclude=("a*",),
        newer_than=datetime(2026, 1, 1, tzinfo=UTC),
        older_than=datetime(2026, 2, 1, tzinfo=UTC),
        min_size_bytes=1024,
        max_size_bytes=1024**3,
    )
    assert (spec.source.endpoint_url, spec.source.region) == ("https://s3.example.com", "eu-west-1")
    assert spec.sink.endpoint_url == "https://blob.example.com"
    assert (spec.agents, spec.block_size_bytes, spec.files_per_task) == (1000, 4000 * MIB, 7)
    assert (spec.overwrite, spec.tier) == (Overwrite.NEWER, "Cold")
    assert (spec.names, spec.metadata) == (NamePolicy.ENCODE, MetadataPolicy.EXCLUDE)
    assert (spec.copies_tags, spec.has_stamps) == (True, False)
    assert (launch.name, launch.output, launch.quiet, launch.verbose) == ("nightly", "json", True, True)
    assert launch.create_container


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--block-size", "0"], "--block-size"),
        (["--block-size", "4001M"], "--block-size"),
        (["--agents", "0"], "--agents"),
        (["--agents", "1001"], "--agents"),
        (["--newer-than", "soon"], "--newer-than"),
        (["--newer-than", "2026-02-01", "--older-than", "2026-01-01"], "newer"),
        (["--min-size", "2", "--max-size", "1"], "--min-size"),
        (["--endpoint-url", "s3.example.com"], "--endpoint-url"),
        (["--endpoint-url", "https://user:pw@host"], "--endpoint-url"),
        (["--tier", "Frozen"], "--tier"),
        (["--overwrite", "prompt"], "--overwrite"),
        (["--name", "a\x1bb"], "--name"),
        (["--local", "--detach"], "--local"),
        (["--local", "--credentials", "workers"], "--local"),
        (["--route", "ferry"], "--route"),
    ],
)
def test_a_wrong_option_is_named(
    launched, options: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*LINE, *options]) == 2
    assert says in capsys.readouterr().err
    assert not launched


def test_the_fleet_gets_what_the_environment_gives(launched, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**AWS, **AZURE}.items():
        monkeypatch.setenv(name, value)
    launch = launch_of(launched, *LINE)
    assert launched[-1][0] == "run_on_fleet"
    assert launch.credentials.aws.access_key == Secret("AK")
    assert launch.credentials.azure.account_key == Secret("a2V5")


def test_one_side_alone_is_sent_alone(launched, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in AWS.items():
        monkeypatch.setenv(name, value)
    credentials = launch_of(launched, *LINE).credentials
    assert credentials.aws is not None
    assert credentials.azure is None


def test_credentials_workers_sends_none(launched, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in AWS.items():
        monkeypatch.setenv(name, value)
    assert not launch_of(launched, *LINE, "--credentials", "workers").credentials


def test_no_credentials_at_all_is_an_error_on_the_fleet_only(
    launched, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(LINE) == 4
    assert "--credentials workers" in capsys.readouterr().err
    assert not launch_of(launched, *LINE, "--local").credentials


@pytest.mark.parametrize(
    ("sink", "endpoint"),
    [
        ("az://acme/backup", "http://127.0.0.1:10000/acme"),
        ("https://acme.blob.core.windows.net/backup", ""),
        ("http://127.0.0.1:1/acme/backup", "http://127.0.0.1:1/acme"),
    ],
)
def test_the_environments_endpoint_stands_for_az_addresses_only(
    launched, monkeypatch: pytest.MonkeyPatch, sink: str, endpoint: str
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", CONNECTION)
    assert launch_of(launched, "copy", "s3://photos", sink, "--local").spec.sink.endpoint_url == endpoint


def test_another_accounts_credentials_are_never_sent(
    launched, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", CONNECTION)
    assert main(["copy", "s3://photos", "az://other/backup"]) == 4
    assert "acme" in capsys.readouterr().err
    assert not launched


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (("AWS_SECRET_ACCESS_KEY",), "AWS_SECRET_ACCESS_KEY is set without AWS_ACCESS_KEY_ID"),
        (("AWS_ACCESS_KEY_ID",), "AWS_ACCESS_KEY_ID is set without AWS_SECRET_ACCESS_KEY"),
        (("AWS_SESSION_TOKEN",), "AWS_SESSION_TOKEN is set without AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
        (("AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN"), "AWS_SESSION_TOKEN is set without AWS_SECRET_ACCESS_KEY"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("more", [(), ("--local",), ("--dry-run",)], ids=" ".join)
def test_half_a_pair_of_keys_never_becomes_the_workers_own_identity(
    launched, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], given, says, more
) -> None:
    for name in given:
        monkeypatch.setenv(name, "CANARY")
    assert main([*LINE, *more]) == 4
    told = capsys.readouterr().err
    assert says in told
    assert "CANARY" not in told
    assert not launched


def test_half_a_pair_of_keys_is_no_matter_where_the_environment_gives_none(
    launched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "SK")
    assert not launch_of(launched, *LINE, "--credentials", "workers").credentials
    assert not launch_of(launched, *LINE, "--source-profile", "photos").credentials


@pytest.mark.parametrize("text", ["CANARY", "AccountName=CANARY"])
@pytest.mark.parametrize("more", [(), ("--local",)], ids=" ".join)
def test_a_connection_string_that_cannot_be_read_is_an_error_at_once(
    launched, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text, more
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", text)
    assert main([*LINE, *more]) == 4
    told = capsys.readouterr().err
    assert "AZURE_STORAGE_CONNECTION_STRING cannot be read: " in told
    assert "CANARY" not in told
    assert not launched


def test_the_2015_form_brings_its_own_credentials_and_the_endpoint_of_its_account(
    launched, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", CONNECTION)
    monkeypatch.setenv("SK", "secret")
    words = "bucket:photos path:2024/ accesskey:AK secret:@env:SK container:backup "
    words += "storageaccount:acme storagekey:b2xk /C"
    launch = launch_of(launched, *words.split())
    assert launch.credentials.azure.account_key == Secret("b2xk")
    assert launch.spec.sink == SinkSpec(
        account="acme", container="backup", prefix="2024/", endpoint_url="http://127.0.0.1:10000/acme"
    )
    assert not launch.spec.selection.recursive
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_the_2015_form_ignores_another_accounts_endpoint(launched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", CONNECTION)
    words = (
        "bucket:photos path:* accesskey:AK secret:SK container:backup storageaccount:other storagekey:b2xk"
    )
    launch = launch_of(launched, *words.split())
    assert launch.spec.sink.endpoint_url == ""
    assert launched[-1][0] == "run_locally"


def test_only_errors_are_logged_unless_more_is_asked_for() -> None:
    import logging

    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        begin()
        assert root.level == logging.ERROR
        assert {handler.level for handler in root.handlers} == {logging.ERROR}
        begin(verbose=True)
        assert root.level == logging.INFO
    finally:
        root.handlers[:], root.level = before


def test_profiles_stand_in_the_job_and_no_credentials_beside_them(launched, monkeypatch) -> None:
    for name, value in {**AWS, **AZURE, "AWS_ENDPOINT_URL": "https://minio", "AWS_REGION": "r"}.items():
        monkeypatch.setenv(name, value)
    launch = launch_of(launched, *LINE, "--source-profile", "photos", "--sink-profile", "backup")
    assert launch.spec.source == SourceSpec(bucket="photos", prefix="2024/", profile="photos")
    assert launch.spec.sink.profile == "backup"
    assert not launch.credentials


def test_a_side_without_a_profile_keeps_the_environments_credentials(launched, monkeypatch) -> None:
    for name, value in {**AWS, "AZURE_STORAGE_ACCOUNT": "other", "AZURE_STORAGE_KEY": "a2V5"}.items():
        monkeypatch.setenv(name, value)
    credentials = launch_of(launched, *LINE, "--sink-profile", "backup").credentials
    assert credentials.aws is not None
    assert credentials.azure is None


def test_a_profiles_name_is_checked(launched, capsys) -> None:
    assert main([*LINE, "--source-profile", "../x"]) == 2
    assert "no profile can be called '../x'" in capsys.readouterr().err


def test_small_blocks_are_said_to_become_larger_in_large_files(launched, capsys) -> None:
    launch = launch_of(launched, *LINE, "--local", "--block-size", "1K")
    assert launch.spec.block_size_bytes == 1024
    assert "files above 48.8 MiB get larger blocks than 1.0 KiB" in capsys.readouterr().err
    launch_of(launched, *LINE, "--local", "--block-size", "1K", "-q")
    launch_of(launched, *LINE, "--local", "--block-size", "4M")
    assert capsys.readouterr().err == ""
