"""Following a job: until when, how often, and through which outages."""

from __future__ import annotations

import pytest

from awcopy.cli.follow import PATIENCE_S, follow_job
from awcopy.errors import ServiceUnreachable
from awcopy.model.job import JobState
from tests.unit.cli.snapshots import JOB_ID, make_snapshot


class Recorder:
    """A display that remembers."""

    def __init__(self) -> None:
        self.states: list[JobState] = []
        self.notes: list[str] = []

    def __enter__(self):
        return self

    def __exit__(self, *_args) -> None:
        pass

    def show(self, snapshot) -> None:
        self.states.append(snapshot.job.state)

    def note(self, text: str) -> None:
        self.notes.append(text)


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now, self.naps = 0.0, []

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds


def play(answers):
    """Follow a job of which the ledger gives these answers, the last one for ever."""
    left, display, clock = list(answers), Recorder(), Clock()

    class Answers:
        def look(self, _job_id):
            following = left.pop(0) if len(left) > 1 else left[0]
            if isinstance(following, Exception):
                raise following
            return following

    def follow_it():
        return follow_job(Answers(), JOB_ID, display, sleep=clock.sleep, clock=lambda: clock.now)

    return follow_it, display, clock


def test_a_job_is_followed_until_it_has_ended() -> None:
    states = [JobState.QUEUED, JobState.RUNNING, JobState.RUNNING, JobState.COMPLETED]
    follow_it, display, clock = play(map(make_snapshot, states))
    assert follow_it().job.state is JobState.COMPLETED
    assert display.states == states
    assert len(clock.naps) == 3


def test_why_a_job_waits_is_said_once() -> None:
    waiting = make_snapshot(JobState.QUEUED, detail="waits for a store that does not answer: no such host")
    answers = [make_snapshot(JobState.QUEUED), waiting, waiting, make_snapshot(JobState.COMPLETED)]
    follow_it, display, _ = play(answers)
    follow_it()
    assert display.notes == ["awcopy: the job waits for a store that does not answer: no such host"]


def test_the_waits_grow_from_half_a_second_to_two() -> None:
    answers = [*[make_snapshot() for _ in range(20)], make_snapshot(JobState.COMPLETED)]
    follow_it, _, clock = play(answers)
    follow_it()
    assert clock.naps[0] == 0.5
    assert clock.naps == sorted(clock.naps)
    assert clock.naps[-1] == 2.0


def test_a_job_paused_for_credentials_is_not_waited_for() -> None:
    follow_it, _, _ = play([make_snapshot(JobState.PAUSED, pause_reason="auth")])
    assert follow_it().job.pause_reason == "auth"


def test_a_job_paused_by_a_person_is_waited_for() -> None:
    paused = make_snapshot(JobState.PAUSED, pause_reason="user")
    follow_it, display, _ = play([paused, make_snapshot(JobState.CANCELLED)])
    follow_it()
    assert display.states == [JobState.PAUSED, JobState.CANCELLED]


def test_a_short_outage_is_noted_once_and_survived() -> None:
    away = ServiceUnreachable("the ledger does not answer")
    follow_it, display, _ = play([make_snapshot(), away, away, make_snapshot(JobState.COMPLETED)])
    assert follow_it().job.state is JobState.COMPLETED
    assert display.notes == ["awcopy: the ledger does not answer; the job goes on, asking again"]


def test_a_long_outage_ends_with_how_to_follow_again() -> None:
    follow_it, _, clock = play([make_snapshot(), ServiceUnreachable("away")])
    with pytest.raises(ServiceUnreachable) as caught:
        follow_it()
    assert f"awcopy jobs watch {JOB_ID}" in caught.value.hint
    assert clock.now > PATIENCE_S
