"""Running a copy: what is checked before anything is written, and what is said afterwards."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

import workers.publisher
from awcopy import bootstrap
from awcopy.bootstrap import Stores, memory_fleet
from awcopy.cli import launch as module
from awcopy.cli.desk.fleet import FleetDesk
from awcopy.cli.help import Exit
from awcopy.cli.launch import Launch, run_locally, run_on_fleet
from awcopy.cli.setup import begin
from awcopy.config import AwsKeys, AzureKeys, Secret, load_settings
from awcopy.errors import ConnectionLost, CredentialsError, ServiceUnreachable, StoreNotFound, UsageError
from awcopy.model.job import JobState
from awcopy.model.spec import JobSpec, Selection, SinkSpec, SourceSpec
from awcopy.sink.memory import MemorySink
from awcopy.source.memory import MemorySource
from awcopy.vault.credentials import JobCredentials
from awcopy.vault.sealing import create_keys
from tests.unit.cli.snapshots import make_snapshot

AWS = AwsKeys(access_key=Secret("AK"), secret_key=Secret("not-in-base64!"))
AZURE = AzureKeys(account_key=Secret("a2V5"))
BOTH = JobCredentials(aws=AWS, azure=AZURE)


class World:
    """A fleet, two stores and a publisher in memory, and a launch onto them."""

    def __init__(self, keys) -> None:
        self.fleet = memory_fleet()
        self.source, self.sink = MemorySource(), MemorySink()
        self.source.put_object("data/a.csv", b"a,b")
        self.published: list = []
        self.settings = load_settings({"AWCOPY_KEYS": str(keys)})

    def launch(self, **facts) -> Launch:
        spec = JobSpec(
            source=SourceSpec(bucket="bucket", prefix=facts.pop("prefix", "data/")),
            sink=SinkSpec(account="acme", container="backup"),
        )
        return Launch(**{"settings": self.settings, "spec": spec, "name": "n", "credentials": BOTH, **facts})

    def jobs(self):
        return self.fleet.ledger.list_jobs()


@pytest.fixture
def world(tmp_path, monkeypatch: pytest.MonkeyPatch) -> World:
    begin()  # as the command does: only errors are logged
    create_keys(tmp_path)
    world = World(tmp_path)
    monkeypatch.setattr(module, "open_desk", lambda settings: FleetDesk(settings, world.fleet))
    monkeypatch.setattr(bootstrap, "open_stores", lambda *_: Stores(source=world.source, sink=world.sink))
    monkeypatch.setattr(
        workers.publisher, "publish_dispatch", lambda _settings, job_id: world.published.append(job_id)
    )
    return world


def test_a_detached_job_is_written_sealed_published_and_named(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_on_fleet(world.launch(is_detached=True)) is Exit.OK
    (job,) = world.jobs()
    printed = capsys.readouterr()
    assert printed.out == f"{job.id}\n"
    assert f"awcopy jobs watch {job.id}" in printed.err
    assert "no worker is running" in printed.err
    assert world.published == [job.id]
    assert job.sealed
    assert "not-in-base64!" not in job.sealed


def test_a_running_worker_means_no_warning(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.fleet.live.beat("w1", 8)
    run_on_fleet(world.launch(is_detached=True, output="json"))
    printed = capsys.readouterr()
    assert json.loads(printed.out)["state"] == "queued"
    assert "warning" not in printed.err


def test_without_credentials_nothing_is_sealed_and_the_workers_check(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.source.is_missing = True
    run_on_fleet(world.launch(is_detached=True, credentials=JobCredentials(), verbose=True))
    assert world.jobs()[0].sealed == ""
    assert "the workers check" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("credentials", "checked"),
    [
        (BOTH, {"source", "sink"}),
        (JobCredentials(aws=AWS), {"source"}),
        (JobCredentials(azure=AZURE), {"sink"}),
    ],
)
def test_each_side_is_checked_by_whoever_holds_its_credentials(
    world: World, credentials: JobCredentials, checked: set[str]
) -> None:
    seen: set[str] = set()
    world.source.fault = lambda _op, _what: seen.add("source")
    world.sink.fault = lambda _op, _what: seen.add("sink")
    run_on_fleet(world.launch(is_detached=True, credentials=credentials, quiet=True))
    assert seen == checked


def lose_connection(_op: str, _what: str) -> None:
    raise ConnectionLost("refused")


def test_a_bad_source_leaves_no_job_and_no_container(world: World) -> None:
    world.source.fault = lose_connection
    world.sink.has_container = False
    with pytest.raises(ConnectionLost) as caught:
        run_on_fleet(world.launch(create_container=True))
    assert "--endpoint-url" in caught.value.hint
    assert not world.sink.has_container
    assert not world.jobs()


def test_a_prefix_without_a_key_leaves_no_job_and_no_container(world: World) -> None:
    world.sink.has_container = False
    with pytest.raises(UsageError, match="starts with 'no/such'"):
        run_on_fleet(world.launch(prefix="no/such", create_container=True))
    assert not world.sink.has_container
    assert not world.jobs()


def test_redis_away_leaves_no_container(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise ServiceUnreachable("Redis is away")

    monkeypatch.setattr(type(world.fleet.live), "ping", lambda _self: away())
    world.sink.has_container = False
    with pytest.raises(ServiceUnreachable):
        run_on_fleet(world.launch(create_container=True))
    assert not world.sink.has_container


def test_a_missing_container_is_created_only_when_asked_for(world: World) -> None:
    world.sink.has_container = False
    with pytest.raises(StoreNotFound) as caught:
        run_on_fleet(world.launch(is_detached=True))
    assert "--create-container" in caught.value.hint
    run_on_fleet(
        world.launch(is_detached=True, create_container=True, credentials=JobCredentials(azure=AZURE))
    )
    assert world.sink.has_container


def test_creating_a_container_needs_its_credentials(world: World) -> None:
    with pytest.raises(UsageError, match="--create-container"):
        run_on_fleet(world.launch(create_container=True, credentials=JobCredentials(aws=AWS)))


def test_credentials_without_a_public_key_leave_no_job(world: World) -> None:
    world.settings = load_settings({"AWCOPY_KEYS": "/no/such/folder"})
    with pytest.raises(CredentialsError, match="no public key"):
        run_on_fleet(world.launch())
    assert not world.jobs()


def test_a_job_that_could_not_be_published_is_named(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_settings, _job_id) -> None:
        raise ServiceUnreachable("Redis is full")

    monkeypatch.setattr(workers.publisher, "publish_dispatch", refuse)
    with pytest.raises(ServiceUnreachable) as caught:
        run_on_fleet(world.launch())
    assert world.jobs()[0].id in caught.value.message
    assert "awcopy jobs watch" in caught.value.hint


def test_ctrl_c_detaches_and_says_how_to_watch(
    world: World, monkeypatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_args) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "follow_job", interrupt)
    assert run_on_fleet(world.launch()) is Exit.INTERRUPTED
    (job,) = world.jobs()
    assert f"detached; job {job.id} goes on: `awcopy jobs watch {job.id}`" in capsys.readouterr().err


@pytest.mark.parametrize("output", ["table", "json", "ndjson"])
def test_a_followed_job_ends_with_its_exit_code(
    world: World, monkeypatch, output: str, capsys: pytest.CaptureFixture[str]
) -> None:
    snapshot = make_snapshot(JobState.PAUSED, pause_reason="auth", detail="the key has expired")
    monkeypatch.setattr(module, "follow_job", lambda _desk, _id, display: display.show(snapshot) or snapshot)
    assert run_on_fleet(world.launch(output=output)) is Exit.CREDENTIALS
    printed = capsys.readouterr()
    assert "paused for its credentials: the key has expired" in printed.err
    assert snapshot.job.id in printed.out


def test_a_local_copy_copies_and_lists_its_failures(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.source.put_object("data/bad./\x1b.csv", b"x")
    assert run_locally(world.launch(output="json")) is Exit.SOME_FAILED
    printed = capsys.readouterr()
    assert json.loads(printed.out)["totals"]["copied"] == {"objects": 1, "bytes": 3}
    assert "failed: data/bad./\\x1b.csv: name_not_allowed" in printed.err
    assert world.sink.head("a.csv") is not None


def test_a_quiet_local_copy_says_nothing(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_locally(world.launch(quiet=True)) is Exit.OK
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("sibling", ["data-old/k", "data.csv", "data2/k"])
def test_a_prefix_that_takes_keys_beside_the_folder_is_warned_about(
    world: World, capsys: pytest.CaptureFixture[str], sibling: str
) -> None:
    world.source.put_object(sibling, b"")
    run_on_fleet(world.launch(prefix="data", is_detached=True))
    warned = capsys.readouterr().err
    assert f"s3://bucket/data takes keys beside the folder, too, such as {sibling};" in warned
    assert "write s3://bucket/data/" in warned


@pytest.mark.parametrize(
    ("prefix", "others"), [("data", []), ("data/", ["data2/k"]), ("data/a.csv", []), ("", ["x"])]
)
def test_no_other_prefix_is_warned_about(world: World, capsys, prefix: str, others: list[str]) -> None:
    for key in others:
        world.source.put_object(key, b"")
    run_on_fleet(world.launch(prefix=prefix, is_detached=True))
    assert "beside the folder" not in capsys.readouterr().err


def test_a_sibling_that_the_filters_leave_out_is_no_reason_to_warn(world: World, capsys) -> None:
    world.source.put_object("data2/k", b"")
    launch = world.launch(prefix="data", is_detached=True)
    run_on_fleet(replace(launch, spec=replace(launch.spec, selection=Selection(exclude=("data2/*",)))))
    assert "beside the folder" not in capsys.readouterr().err
