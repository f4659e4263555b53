from __future__ import annotations

from awcopy.transfer.breaker import FAILURES_BEFORE_STREAMING, Breaker, Breakers
from tests.unit.factories import JOB_ID


def test_what_is_learnt_stays_learnt():
    said = []
    breaker = Breaker(said.append)
    for _ in range(FAILURES_BEFORE_STREAMING + 2):
        breaker.failed("why")
    breaker.succeeded()
    assert breaker.is_open
    assert said == ["why"]


def test_each_job_has_one_breaker_and_old_ones_are_forgotten():
    breakers = Breakers()
    mine = breakers.of(JOB_ID, print)
    assert breakers.of(JOB_ID, print) is mine
    for number in range(100):
        breakers.of(f"job{number}", print)
    assert breakers.of(JOB_ID, print) is not mine
