from __future__ import annotations

import pytest
from werkzeug.exceptions import TooManyRequests

from web import rates
from web.rates import Rate


@pytest.fixture
def now():
    return [100.0]


@pytest.fixture
def rate(now):
    return Rate(2, "tries", lambda: now[0])


def test_so_many_a_minute_and_again_when_the_first_is_a_minute_old(rate, now):
    rate.take("a")
    now[0] = 130.5
    rate.take("a")
    with pytest.raises(TooManyRequests, match="at most 2 a minute") as refused:
        rate.take("a")
    assert refused.value.retry_after == 30

    now[0] = 159.9
    with pytest.raises(TooManyRequests):
        rate.take("a")
    now[0] = 160.0
    rate.take("a")


def test_each_asker_is_counted_alone(rate):
    for asker in ("a", "a", "b", "b"):
        rate.take(asker)
    with pytest.raises(TooManyRequests):
        rate.take("b")


def test_of_very_many_the_quietest_is_forgotten(rate, monkeypatch):
    monkeypatch.setattr(rates, "_MOST_KEPT", 2)
    for asker in ("a", "a", "b", "c"):
        rate.take(asker)

    rate.take("a")
    assert len(rate._taken) == 2
