"""``awcopy jobs`` on a fleet in memory."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from awcopy.bootstrap import memory_fleet
from awcopy.cli import jobs as command
from awcopy.cli import jobs_control
from awcopy.cli.desk.fleet import FleetDesk
from awcopy.cli.main import main
from awcopy.model.items import Item, ItemKind, ItemState
from awcopy.model.job import JobState
from awcopy.model.outcome import Outcome, Proof, Result, Route, Totals
from tests.unit.cli.snapshots import JOB_ID, make_job, tally

OUTCOMES = [
    Outcome(
        key="a.csv",
        blob="x/a.csv",
        result=Result.COPIED,
        route=Route.SERVER,
        proof=Proof.CRC64,
        size_bytes=5,
        etag="e",
        crc64=0xABC,
    ),
    Outcome(key="=1+1", blob="x/=1+1", result=Result.FAILED, reason="access_denied", detail="@no"),
]
TOTALS = Totals(listed=tally(2, 5), copied=tally(1, 5), failed=tally(1))


@pytest.fixture
def fleet(monkeypatch: pytest.MonkeyPatch):
    fleet = memory_fleet()
    monkeypatch.setattr(command, "begin", lambda: None)
    monkeypatch.setattr(command, "open_desk", lambda settings: FleetDesk(settings, fleet))
    return fleet


@pytest.fixture
def job(fleet):
    job = fleet.ledger.add_job(make_job(JobState.COMPLETED_WITH_ERRORS, totals=TOTALS))
    fleet.ledger.write_outcomes(job.id, 1, 1, OUTCOMES)
    fleet.ledger.add_item(
        Item(
            job_id=job.id, number=1, kind=ItemKind.COPY_FILES, state=ItemState.DONE, outcome_fence=1, fence=1
        )
    )
    return job


def test_list_without_jobs_is_an_empty_list(fleet, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["jobs", "list", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_list_shows_one_line_per_job(job, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["jobs", "list"]) == 0
    header, row = capsys.readouterr().out.splitlines()
    assert header.split()[:3] == ["ID", "NAME", "STATE"]
    assert row.split()[:3] == [JOB_ID, "nightly", "completed_with_errors"]


def test_list_prints_a_record_per_line(job, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["jobs", "list", "-o", "ndjson"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["schema"] == "awcopy.job/1"


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (["--state", "completed_with_errors"], 1),
        (["--state", "running", "--state", "completed_with_errors", "--text", "NIGHT"], 1),
        (["--state", "running"], 0),
        (["--text", "weekly"], 0),
    ],
)
def test_list_finds_jobs_by_state_and_text(job, words, count, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["jobs", "list", "-o", "json", *words]) == 0
    assert len(json.loads(capsys.readouterr().out)) == count


@pytest.mark.parametrize("text", [JOB_ID, "zyc0", "@last"])
def test_show_takes_a_short_id(job, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["jobs", "show", text]) == 0
    assert capsys.readouterr().out.startswith(f"Job {JOB_ID} (nightly) completed with errors")


def test_show_as_json(job, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["jobs", "show", "@last", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["totals"]["failed"] == {"objects": 1, "bytes": 0}


def test_show_of_an_unknown_job_is_an_error(fleet, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["jobs", "show", "nope"]) == 2
    assert "awcopy jobs list" in capsys.readouterr().err


def test_watch_ends_with_the_jobs_exit_code(job, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["jobs", "watch", "@last"]) == 3
    assert "awcopy jobs report" in capsys.readouterr().out


def test_ctrl_c_leaves_a_watched_job_running(
    job, fleet, monkeypatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_args) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "follow_job", interrupt)
    assert main(["jobs", "watch", "@last"]) == 130
    assert "goes on" in capsys.readouterr().err


def test_a_report_is_a_record_per_object(job, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["jobs", "report", "@last"]) == 0
    copied, failed = map(json.loads, capsys.readouterr().out.splitlines())
    assert copied == {
        "key": "a.csv", "blob": "x/a.csv", "outcome": "copied", "reason": "", "proof": "crc64", "bytes": 5,
        "etag": "e", "crc64": "0000000000000abc", "attempts": 1, "detail": "", "notices": [],
        "route": "server", "source": "", "source_reason": "", "version": "",
    }  # fmt: skip
    assert (failed["outcome"], failed["reason"], failed["crc64"]) == ("failed", "access_denied", None)


def test_a_report_can_hold_failures_only(job, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["jobs", "report", "@last", "--failed"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["key"] == "=1+1"


def test_a_csv_report_runs_in_no_spreadsheet(job, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["jobs", "report", "@last", "-o", "csv"]) == 0
    names, copied, failed = csv.reader(io.StringIO(capsys.readouterr().out, newline=""))
    assert copied[:3] == ["a.csv", "x/a.csv", "copied"]
    assert failed[0] == "'=1+1"
    assert failed[names.index("detail")] == "'@no"


def test_a_running_jobs_totals_come_from_its_items(fleet, capsys: pytest.CaptureFixture[str]) -> None:
    job = fleet.ledger.add_job(replace(make_job(JobState.RUNNING), totals=Totals()))
    fleet.ledger.add_item(Item(job_id=job.id, number=1, kind=ItemKind.LIST_OBJECTS, totals=TOTALS))
    assert main(["jobs", "list"]) == 0
    assert " 2+ " in capsys.readouterr().out


@pytest.mark.parametrize("age", ["0s", "0d", "59s"])
def test_jobs_that_have_only_just_ended_are_not_cleaned_away(cleaned, age, capsys) -> None:
    assert main(["jobs", "clean", "--older-than", age, "--yes"]) == 2
    assert "write --older-than 1m or more" in capsys.readouterr().err
    assert len(list(cleaned.ledger.list_jobs())) == 2


def test_jobs_that_ended_longer_ago_are_cleaned_away(cleaned, capsys) -> None:
    assert main(["jobs", "clean", "--older-than", "1m", "--yes"]) == 0
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == (f"{JOB_ID}\n", "1 job removed\n")


@pytest.fixture
def cleaned(fleet, monkeypatch: pytest.MonkeyPatch):
    """One job that ended an hour ago, and one that ends now."""
    monkeypatch.setattr(jobs_control, "begin", lambda: None)
    monkeypatch.setattr(jobs_control, "open_desk", lambda settings: FleetDesk(settings, fleet))
    now = datetime.now(UTC)
    fleet.ledger.add_job(make_job(JobState.COMPLETED, changed_at=now - timedelta(hours=1)))
    fleet.ledger.add_job(make_job(JobState.COMPLETED, changed_at=now, id="zyc0v3b8k2m4n6p9"))
    return fleet


# Many jobs.


@pytest.fixture
def many(fleet):
    for number in range(3):
        fleet.ledger.add_job(make_job(JobState.COMPLETED, id=f"zyc0v3b8k2m4n6p{number}"))
    return fleet


def test_a_list_that_stops_says_so(many, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["jobs", "list", "--limit", "2"]) == 0
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 3
    assert printed.err == "these are the newest 2; there are more: --limit N, or --all\n"


@pytest.mark.parametrize("words", [["--limit", "3"], ["--all"], ["--all", "--limit", "1"]])
def test_a_list_of_all_says_nothing_more(many, words, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["jobs", "list", *words]) == 0
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 4
    assert printed.err == ""


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        (["--copied"], ["a.csv"]),
        (["--skipped"], []),
        (["--failed", "--copied"], ["a.csv", "=1+1"]),
        (["--cancelled"], []),
    ],
)
def test_a_report_holds_the_outcomes_that_are_asked_for(job, words, keys, capsys) -> None:
    assert main(["jobs", "report", "@last", *words]) == 0
    assert [json.loads(line)["key"] for line in capsys.readouterr().out.splitlines()] == keys
