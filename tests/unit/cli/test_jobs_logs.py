"""``awcopy jobs logs``: a job's events, once each, harmless on a terminal."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from awcopy.bootstrap import memory_fleet
from awcopy.cli import jobs_logs as command
from awcopy.cli.desk.fleet import FleetDesk
from awcopy.cli.main import main
from awcopy.jobs import control
from awcopy.jobs.submit import JobRequest, submit_job
from awcopy.model.job import MOST_EVENTS, JobState, move, remember
from tests.unit.cli.snapshots import BEGAN, SPEC, make_job


@pytest.fixture
def fleet(monkeypatch: pytest.MonkeyPatch):
    fleet = memory_fleet()
    monkeypatch.setattr(command, "begin", lambda: None)
    monkeypatch.setattr(command, "open_desk", lambda settings: FleetDesk(settings, fleet))
    return fleet


def events(capsys: pytest.CaptureFixture[str]) -> list[tuple[str, str]]:
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [(record["event"], record["detail"]) for record in records]


def test_what_a_user_does_is_in_the_log_with_its_reason(fleet, capsys) -> None:
    job = submit_job(fleet, JobRequest(spec=SPEC, user="ada"))
    control.pause_job(fleet, job.id)
    control.resume_job(fleet, job.id)
    control.change_agents(fleet, job.id, 9)
    control.change_agents(fleet, job.id, 9)
    control.cancel_job(fleet, job.id)
    assert main(["jobs", "logs", "@last", "-o", "ndjson"]) == 0
    assert events(capsys) == [
        ("queued", "submitted by ada"),
        ("paused", "paused by the user"),
        ("queued", "resumed"),
        ("agents", "9 at once, 4 before"),
        ("cancelling", "cancelled by the user"),
    ]


def test_for_people_a_line_has_time_state_and_reason(fleet, capsys) -> None:
    at = BEGAN + timedelta(seconds=5)
    job = move(make_job(), JobState.COMPLETED_WITH_ERRORS, at=at, detail="\x1b[2J")
    fleet.ledger.add_job(job)
    assert main(["jobs", "logs", job.id[:5]]) == 0
    assert capsys.readouterr().out == "2026-03-01 12:00:05  completed with errors  \\x1b[2J\n"


def test_following_prints_each_event_once_until_the_end(fleet, capsys, monkeypatch) -> None:
    job = remember(make_job(), "generation", at=BEGAN, detail="generation 2 of 4 agents")
    fleet.ledger.add_job(job)

    def follow(desk, job_id, display) -> None:
        snapshot = desk.look(job_id)
        display.show(snapshot)
        display.show(replace(snapshot, job=move(job, JobState.COMPLETED, at=BEGAN)))

    monkeypatch.setattr(command, "follow_job", follow)
    assert main(["jobs", "logs", "@last", "-f", "-o", "ndjson"]) == 0
    assert events(capsys) == [("generation", "generation 2 of 4 agents"), ("completed", "")]


def test_ctrl_c_ends_following(fleet, monkeypatch) -> None:
    fleet.ledger.add_job(make_job())

    def interrupt(*_args) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "follow_job", interrupt)
    assert main(["jobs", "logs", "@last", "-f"]) == 130


def test_of_very_many_events_the_oldest_are_forgotten_and_that_is_said(fleet, capsys) -> None:
    job = make_job()
    for number in range(MOST_EVENTS + 10):
        job = remember(job, "generation", at=BEGAN, detail=f"generation {number}")
    fleet.ledger.add_job(job)
    assert main(["jobs", "logs", "@last", "-o", "ndjson"]) == 0
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == MOST_EVENTS
    assert "those before are forgotten" in printed.err
