from __future__ import annotations

import pytest

from awcopy.errors import CredentialsError, ServiceUnreachable
from awcopy.jobs.fleet import Fleet
from awcopy.ledger.memory import MemoryLedger
from awcopy.live.memory import MemoryLive
from awcopy.model.job import JobId

JOB = JobId("zyc0v3b8k2m4n6p0")


class Silent(MemoryLive):
    """A live state that takes its time to say nothing, and counts how often it was asked."""

    def __init__(self, clock: list[float]) -> None:
        super().__init__()
        self.clock, self.silence_s, self.asked = clock, 5.0, 0

    def moved_bytes(self, job_id: JobId) -> int:
        self.asked += 1
        self.clock[0] += self.silence_s
        if self.silence_s:
            raise ServiceUnreachable("Redis does not answer in time")
        return super().moved_bytes(job_id)


@pytest.fixture
def clock() -> list[float]:
    return [0.0]


@pytest.fixture
def fleet(clock: list[float]) -> Fleet:
    return Fleet(ledger=MemoryLedger(), live=Silent(clock), clock=lambda: clock[0])


def ask(fleet: Fleet) -> int | None:
    return fleet.ask_live(lambda live: live.moved_bytes(JOB))


def test_whoever_can_do_without_the_live_state_waits_once(fleet, clock):
    assert [ask(fleet) for _ in range(50)] == [None] * 50
    assert (fleet.live.asked, clock[0]) == (1, 5.0)


def test_it_is_asked_again_after_a_while(fleet, clock):
    ask(fleet)
    fleet.live.silence_s = 0.0
    clock[0] += 29.9
    assert ask(fleet) is None
    clock[0] += 0.1
    assert (ask(fleet), fleet.live.asked) == (0, 2)


def test_one_that_refuses_at_once_is_asked_again_soon(fleet, clock):
    fleet.live.silence_s = 0.1
    ask(fleet)
    fleet.live.silence_s = 0.0
    clock[0] += 0.7
    assert ask(fleet) == 0


def test_whoever_needs_the_live_state_asks_it_itself(fleet):
    ask(fleet)
    with pytest.raises(ServiceUnreachable):
        fleet.live.moved_bytes(JOB)
    assert fleet.live.asked == 2


def test_an_error_that_no_waiting_helps_is_raised(fleet):
    def refuse(_):
        raise CredentialsError("Redis refused the password")

    with pytest.raises(CredentialsError):
        fleet.ask_live(refuse)
