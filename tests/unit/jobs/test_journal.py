"""The journal follows a job; a disk that is full stops the journal alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from awcopy.errors import UsageError
from awcopy.jobs.journal import Journal
from awcopy.jobs.queries import JobSnapshot, Phase
from awcopy.model.job import JobState
from awcopy.model.outcome import Outcome, Result, Tally, Totals
from tests.unit.factories import make_job


def snapshot(copied: int, state: JobState = JobState.RUNNING, phase: Phase = Phase.COPYING) -> JobSnapshot:
    totals = Totals(listed=Tally(objects=9), copied=Tally(objects=copied))
    return JobSnapshot(job=make_job(state=state), phase=phase, totals=totals)


def open_journal(path: Path) -> tuple[Journal, list[str]]:
    told: list[str] = []
    journal = Journal(path, tell=told.append)
    journal.open()
    return journal, told


def events(path: Path) -> list[str]:
    return [json.loads(line)["event"] for line in path.read_text().splitlines()]


def test_it_writes_what_changed_and_nothing_twice(tmp_path: Path) -> None:
    journal, told = open_journal(tmp_path / "j.log")
    for copied in (0, 0, 5):
        journal.follow(snapshot(copied))
    journal.follow(snapshot(9, JobState.COMPLETED, Phase.ENDED))
    journal.close([Outcome(key="a\nb", blob="a", result=Result.COPIED)])
    assert events(tmp_path / "j.log") == [
        "state_changed", "phase_changed", "progress", "progress",
        "state_changed", "phase_changed", "progress", "object_ended",
    ]  # fmt: skip
    assert told == []


def test_only_the_user_can_read_it(tmp_path: Path) -> None:
    journal, _ = open_journal(tmp_path / "j.log")
    journal.close([])
    assert (tmp_path / "j.log").stat().st_mode & 0o077 == 0


def test_a_full_disk_is_said_once_and_the_copy_goes_on() -> None:
    journal, told = open_journal(Path("/dev/full"))
    journal.follow(snapshot(0))
    journal.follow(snapshot(5))
    journal.close([])
    assert len(told) == 1
    assert "No space left" in told[0]
    assert "the copy goes on" in told[0]


def test_a_journal_that_can_be_written_again_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, told = open_journal(tmp_path / "j.log")

    def full(_file: int, _text: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr("os.write", full)
        journal.follow(snapshot(0))
    journal.follow(snapshot(5))
    journal.close([])
    lines = [json.loads(line) for line in (tmp_path / "j.log").read_text().splitlines()]
    assert lines[0]["event"] == "journal_gap"
    assert lines[0]["lost_lines"] == 3
    assert len(told) == 1


def test_a_journal_that_cannot_be_created_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be created"):
        open_journal(tmp_path / "no-such-folder" / "j.log")
