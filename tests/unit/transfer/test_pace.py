"""How fast a job's bytes go: on a clock that goes forward only when somebody waits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from awcopy.errors import JobInterrupted, ServiceUnreachable
from awcopy.live.memory import MemoryLive
from awcopy.model.job import JobId
from awcopy.transfer.pace import Pace

JOB = JobId("0" * 16)
MB = 1_000_000


class Clock:
    """Time, a live state that runs on it, and paces of one job."""

    def __init__(self) -> None:
        self.now = 0.0
        self.rate = 10 * MB
        self.live = MemoryLive(lambda: self.now)
        self.own = MemoryLive(lambda: self.now)
        self.checks = 0
        self.stop_after: int | None = None

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def check(self) -> None:
        self.checks += 1
        if self.stop_after is not None and self.checks > self.stop_after:
            raise JobInterrupted("the job is paused")

    def pace(self) -> Pace:
        return Pace(
            job_id=JOB,
            rate=lambda: self.rate,
            live=self.live,
            own=self.own,
            check=self.check,
            sleep=self.sleep,
        )


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_bytes_go_at_the_jobs_rate_whoever_sends_them(clock: Clock) -> None:
    paces = [clock.pace() for _ in range(3)]
    for number in range(30):
        paces[number % 3].wait(5 * MB)
    # The first begins at once, and each of the others when those before have gone.
    assert clock.now == pytest.approx(29 * 0.5)


def test_without_a_limit_nobody_waits_and_nobody_is_asked(clock: Clock) -> None:
    clock.rate = 0
    clock.live = None  # type: ignore[assignment]
    for _ in range(100):
        clock.pace().wait(1000 * MB)
    assert clock.now == 0


def test_a_job_that_was_idle_has_saved_nothing_up(clock: Clock) -> None:
    clock.pace().wait(10 * MB)
    clock.sleep(1000)
    clock.pace().wait(10 * MB)
    clock.pace().wait(10 * MB)
    assert clock.now == pytest.approx(1001)


def test_who_is_told_to_stop_gives_the_turn_back(clock: Clock) -> None:
    clock.pace().wait(100 * MB)
    clock.stop_after = 3
    with pytest.raises(JobInterrupted):
        clock.pace().wait(100 * MB)
    assert clock.now == pytest.approx(1.5)  # noticed within half a second, and not after ten
    clock.stop_after = None
    clock.pace().wait(1)
    assert clock.now == pytest.approx(10)


@pytest.mark.parametrize(
    ("rate", "ends"),
    [
        (100 * MB, 12.1),  # the turns that were taken stand; ten more MB take 0.1 s
        (5 * MB, 14.0),  # and here 2 s
        (0, 2.0),
    ],
)
def test_another_rate_counts_for_those_who_wait_already(clock: Clock, rate: int, ends: float) -> None:
    def sleep(seconds: float) -> None:
        clock.now += seconds
        if clock.now >= 2:
            clock.rate = rate

    clock.pace().wait(120 * MB)  # twelve seconds' worth
    pace = replace(clock.pace(), sleep=sleep)
    pace.wait(10 * MB)
    pace.wait(1)
    assert clock.now == pytest.approx(ends)


def test_while_the_live_state_is_away_each_process_keeps_to_the_rate(clock: Clock) -> None:
    def refuse(*_: object) -> float:
        raise ServiceUnreachable("Redis is away")

    clock.live.book_bytes = refuse  # type: ignore[method-assign]
    for _ in range(11):
        clock.pace().wait(10 * MB)
    assert clock.now == pytest.approx(10)
