"""The service's time is known to a fraction of a second, whatever this machine's clock says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from awcopy.ledger.azure_account import ServiceClock

START = datetime(2026, 1, 2, 3, 4, 5, 700_000, tzinfo=UTC)


class Service:
    """A service whose time is START when the monotonic clock says 1,000."""

    def __init__(self) -> None:
        self.at = 1_000.0
        self.clock = ServiceClock(monotonic=lambda: self.at)

    @property
    def time(self) -> datetime:
        return START + timedelta(seconds=self.at - 1_000.0)

    def answer(self, *, way_s: float = 0.01) -> None:
        sent_at = self.at
        self.at += way_s
        date = format_datetime(self.time.replace(microsecond=0), usegmt=True)
        self.at += way_s
        self.clock.observe(date, sent_at=sent_at, answered_at=self.at)

    def error_s(self) -> float:
        return (self.clock.now() - self.time).total_seconds()


def test_before_the_first_answer_the_time_is_not_known():
    service = Service()
    assert not service.clock.is_set
    with pytest.raises(ValueError, match="not said"):
        service.clock.now()


def test_after_one_answer_the_time_is_known_to_a_second():
    service = Service()
    service.answer()
    assert service.clock.is_set
    assert -1.02 <= service.error_s() <= 0


def test_after_some_answers_the_time_is_known_to_a_tenth_of_a_second():
    service = Service()
    for _ in range(30):
        service.answer()
        service.at += 0.05
    assert -0.1 <= service.error_s() <= 0
    service.at += 3_600
    assert -0.1 <= service.error_s() <= 0


def test_a_slow_answer_makes_it_no_worse():
    service = Service()
    for _ in range(30):
        service.answer()
        service.at += 0.05
    before = service.error_s()
    service.answer(way_s=10)
    assert service.error_s() == pytest.approx(before, abs=0.02)


@pytest.mark.parametrize("jump_s", [-600.0, 600.0])
def test_a_clock_that_was_set_is_followed(jump_s):
    service = Service()
    service.answer()
    service.at += jump_s  # the service's time, and with it the monotonic clock's reading
    jumped = ServiceClock(monotonic=lambda: service.at - jump_s)
    jumped._ahead_s = service.clock._ahead_s
    date = format_datetime(service.time.replace(microsecond=0), usegmt=True)
    jumped.observe(date, sent_at=service.at - jump_s, answered_at=service.at - jump_s)
    assert abs((jumped.now() - service.time).total_seconds()) <= 1.1


def test_the_time_never_goes_back_with_steady_clocks():
    service = Service()
    seen = []
    for step in range(60):
        service.answer(way_s=0.005 * (step % 7))
        service.at += 0.03
        seen.append(service.clock.now())
    assert seen == sorted(seen)
