"""What ``awcopy schedule`` keeps, shows and runs."""

from __future__ import annotations

import json

import pytest

import workers.publisher
from awcopy.bootstrap import memory_fleet
from awcopy.cli import schedule as module
from awcopy.cli.desk.fleet import FleetDesk
from awcopy.cli.main import main
from awcopy.config import load_settings
from awcopy.jobs.schedules import fire_schedules
from awcopy.model.schedule import CatchUp, Overlap
from awcopy.model.spec import Compare, Overwrite, Sync

LINE = ["schedule", "add", "nightly", "s3://photos/2024/", "az://acme/backup/x"]
CRON = ["--cron", "30 2 * * *", "--zone", "Europe/Berlin"]


@pytest.fixture
def fleet(monkeypatch: pytest.MonkeyPatch):
    made = memory_fleet()
    monkeypatch.setattr(module, "open_desk", lambda settings: FleetDesk(settings, made))
    monkeypatch.setattr(module, "begin", lambda **_: load_settings({}))
    monkeypatch.setattr(workers.publisher, "publish_dispatch", lambda *_: None)
    return made


def test_a_schedule_keeps_what_a_sync_would_be_given(fleet, capsys) -> None:
    options = ["--compare", "checksum", "--since", "last", "--catch-up", "all", "--overlap", "queue"]
    assert main([*LINE, *CRON, *options, "--exclude", "*.tmp", "--source-profile", "photos"]) == 0
    [one] = fleet.ledger.list_schedules()
    assert (one.name, one.cron, one.zone, one.every_s) == ("nightly", "30 2 * * *", "Europe/Berlin", 0)
    assert (one.catch_up, one.overlap) == (CatchUp.ALL, Overlap.QUEUE)
    assert one.spec.sync == Sync(compare=Compare.CHECKSUM, since_last=True)
    assert one.spec.selection.exclude == ("*.tmp",)
    assert one.spec.overwrite is Overwrite.CHANGED
    printed = capsys.readouterr()
    assert printed.out == "nightly\n"
    assert "first due at" in printed.err
    assert "the destination is reached with the workers' own credentials" in printed.err
    assert "the source is" not in printed.err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([], "--cron or --every"),
        ([*CRON, "--every", "6h"], "--cron or --every"),
        (["--every", "often"], "often"),
        (["--every", "10s"], "a minute"),
        (["--cron", "70 * * * *"], "70"),
        (["--cron", "0 0 * * *", "--zone", "Nowhere"], "Nowhere"),
        ([*CRON, "--since", "7d"], "--since"),
        ([*CRON, "--local"], "--local"),
        ([*CRON, "--no-stamp"], "--no-stamp"),
    ],
)
def test_what_cannot_be_kept_is_refused(fleet, options: list[str], says: str, capsys) -> None:
    assert main([*LINE, *options]) == 2
    assert says in capsys.readouterr().err
    assert fleet.ledger.list_schedules() == []


def test_a_key_on_the_command_line_cannot_be_kept(fleet, tmp_path, capsys) -> None:
    key = tmp_path / "key"
    key.write_bytes(b"\1" * 32)
    assert main([*LINE, *CRON, "--encryption-key", f"@file:{key}"]) == 2
    assert "keeps none" in capsys.readouterr().err


def test_a_name_is_given_once_and_has_to_be_one(fleet, capsys) -> None:
    assert main([*LINE, *CRON]) == 0
    assert main([*LINE, *CRON]) == 2
    assert "there is a schedule" in capsys.readouterr().err
    assert main(["schedule", "add", "a b", *LINE[3:], *CRON]) == 2


def test_a_schedule_is_listed_shown_paused_resumed_and_removed(fleet, capsys) -> None:
    assert main([*LINE, "--every", "6h"]) == 0
    assert main(["schedule", "pause", "nightly"]) == 0
    capsys.readouterr()
    assert main(["schedule", "list", "-o", "json"]) == 0
    [shown] = json.loads(capsys.readouterr().out)
    assert (shown["state"], shown["next"], shown["when"]) == ("paused", "", "every 6 h")
    assert main(["schedule", "resume", "nightly"]) == 0
    assert main(["schedule", "list"]) == 0
    assert main(["schedule", "show", "nightly"]) == 0
    printed = capsys.readouterr().out
    assert "active" in printed
    assert "s3://photos/2024/" in printed
    assert main(["schedule", "rm", "nightly"]) == 0
    assert fleet.ledger.list_schedules() == []
    assert main(["schedule", "rm", "nightly"]) == 2


def test_a_run_by_hand_names_its_job_and_the_history_tells_of_it(fleet, capsys) -> None:
    assert main([*LINE, *CRON]) == 0
    capsys.readouterr()
    assert main(["schedule", "run", "nightly"]) == 0
    job_id = capsys.readouterr().out.strip()
    [job] = fleet.ledger.list_jobs()
    assert (job.id, job.name) == (job_id, "nightly")
    assert fire_schedules(fleet) == []
    assert main(["schedule", "history", "nightly", "-o", "json"]) == 0
    [past] = json.loads(capsys.readouterr().out)
    assert (past["what"], past["job"], past["job_state"]) == ("started", job_id, "queued")


def test_a_run_that_was_skipped_has_no_job_whose_state_could_be_told(fleet, capsys) -> None:
    assert main([*LINE, *CRON]) == 0
    assert main(["schedule", "run", "nightly"]) == 0
    main(["schedule", "run", "nightly"])
    capsys.readouterr()
    assert main(["schedule", "history", "nightly", "-o", "json"]) == 0
    told = [(one["what"], one["job_state"]) for one in json.loads(capsys.readouterr().out)]
    assert told == [("skipped", ""), ("started", "queued")]
