"""What ``awcopy sync`` makes of its command line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from awcopy.bootstrap import memory_fleet
from awcopy.cli import copy as command
from awcopy.cli import sync as module
from awcopy.cli.desk.fleet import FleetDesk
from awcopy.cli.main import main
from awcopy.config import load_settings
from awcopy.jobs.watermark import OVERLAP
from awcopy.model.job import JobState
from awcopy.model.spec import Compare, Overwrite, Pruning, SinkSpec, SourceSpec, Sync
from tests.unit.factories import NOW, make_job, make_spec

LINE = ["sync", "s3://photos/2024/", "az://acme/backup/x", "--credentials", "workers"]


@pytest.fixture
def fleet():
    return memory_fleet()


@pytest.fixture
def specs(monkeypatch: pytest.MonkeyPatch, fleet):
    found: list = []
    monkeypatch.setattr(command, "run_on_fleet", lambda launch: found.append(launch.spec) or 0)
    monkeypatch.setattr(command, "begin", lambda **_: load_settings({}))
    monkeypatch.setattr(module, "open_desk", lambda settings: FleetDesk(settings, fleet))
    return found


def test_a_sync_is_a_copy_that_is_told_by_the_stamps(specs) -> None:
    assert main([*LINE, "--agents", "7"]) == 0
    [spec] = specs
    assert (spec.sync, spec.overwrite, spec.has_stamps, spec.agents) == (Sync(), Overwrite.CHANGED, True, 7)
    assert spec.selection.newer_than is None


def test_a_comparison_and_a_date_can_be_chosen(specs) -> None:
    assert main([*LINE, "--compare", "size+mtime", "--since", "2026-01-01"]) == 0
    [spec] = specs
    assert spec.sync == Sync(compare=Compare.SIZE_MTIME)
    assert spec.selection.newer_than == datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("since", "moment"),
    [
        ("2026-01-01T12:00:00", datetime(2026, 1, 1, 12, tzinfo=UTC)),
        ("2026-01-01T12:00:00Z", datetime(2026, 1, 1, 12, tzinfo=UTC)),
        ("2026-01-01T12:00:00+05:30", datetime(2026, 1, 1, 6, 30, tzinfo=UTC)),
        ("2026-01-01T00:30-02:00", datetime(2026, 1, 1, 2, 30, tzinfo=UTC)),
    ],
)
def test_a_time_without_an_offset_is_utcs(specs, since, moment) -> None:
    assert main([*LINE, "--since", since]) == 0
    assert specs[0].selection.newer_than == moment


def test_since_the_last_run_where_there_was_none_is_everything_and_says_so(specs, fleet, capsys) -> None:
    assert main([*LINE, "--since", "last"]) == 0
    assert specs[0].selection.newer_than is None
    assert "no such sync has completed yet" in capsys.readouterr().err


def test_a_backup_goes_to_a_folder(specs) -> None:
    assert main([*LINE, "--backup-prefix", "/old/{date}"]) == 0
    assert specs[0].sync.backup == "old/{date}/"


def test_since_the_last_run_is_since_the_start_of_the_one_that_completed(specs, fleet) -> None:
    theirs = make_spec(sync=Sync())
    source, sink = (
        SourceSpec(bucket="photos", prefix="2024/"),
        SinkSpec(account="acme", container="backup", prefix="x/"),
    )
    spec = make_spec(source=source, sink=sink, sync=theirs.sync)
    fleet.ledger.add_job(make_job(spec=spec, state=JobState.COMPLETED, created_at=NOW + timedelta(days=1)))
    assert main([*LINE, "--since", "last"]) == 0
    assert specs[0].selection.newer_than == NOW + timedelta(days=1) - OVERLAP
    assert specs[0].sync.since_last


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--since", "soon"], "--since"),
        (["--since", "2999-01-01"], "still to come"),
        (["--backup-prefix", "x/old"], "overlap"),
        (["--backup-prefix", "/"], "cannot be a folder"),
        (["--backup-prefix", "a/../b"], "cannot be a folder"),
        (["--backup-prefix", "old\\new"], "cannot be a folder"),
        (["--compare", "name"], "--compare"),
        (["--overwrite", "never"], "--overwrite"),
        (["--no-stamp"], "--no-stamp"),
    ],
)
def test_a_wrong_option_is_named(specs, options: list[str], says: str, capsys) -> None:
    assert main([*LINE, *options]) == 2
    assert says in capsys.readouterr().err
    assert not specs


def test_the_last_run_is_the_fleets(specs, capsys) -> None:
    assert main([*LINE[:3], "--local", "--since", "last"]) == 2
    assert "--since last" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "pruning"),
    [
        ([], None),
        (["--delete"], Pruning(most_percent=50.0)),
        (["--delete", "--max-delete", "100"], Pruning(most=100, most_percent=None)),
        (["--delete", "--max-delete", "0.5%"], Pruning(most_percent=0.5)),
        (["--delete", "--delete-unstamped"], Pruning(takes_unstamped=True)),
    ],
)
def test_what_is_deleted_and_how_much_at_most(specs, options, pruning) -> None:
    assert main([*LINE, *options]) == 0
    assert specs[0].sync.pruning == pruning


@pytest.mark.parametrize(
    "options",
    [
        ["--delete", "--max-delete", "many"],
        ["--delete", "--max-delete", "101%"],
        ["--delete", "--max-delete", "-1"],
        ["--delete", "--max-delete", "1.5"],
        ["--delete-unstamped"],
        ["--delete-source"],
    ],
)
def test_a_deletion_that_makes_no_sense_is_refused(specs, options) -> None:
    assert main([*LINE, *options]) == 2
    assert not specs
