from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from awcopy.errors import (
    AccessDenied,
    BlobConflict,
    BlocksMissing,
    ConnectionLost,
    CredentialsRefused,
    IntegrityError,
    JobInterrupted,
    ObjectArchived,
    ObjectNotFound,
    RequestRefused,
    ServerFault,
    SourceChanged,
    StoreNotFound,
    Throttled,
)
from awcopy.transfer.retry import (
    FIRST_DELAY_S,
    MAX_CORRUPT_TRIES,
    MAX_DELAY_S,
    MAX_RETRY_AFTER_S,
    MAX_THROTTLED_TRIES,
    MAX_TRIES,
    Retrier,
    RetryCounts,
    delay_before_retry,
)

PERMANENT = [
    AccessDenied,
    BlobConflict,
    BlocksMissing,
    CredentialsRefused,
    ObjectArchived,
    ObjectNotFound,
    RequestRefused,
    SourceChanged,
    StoreNotFound,
]


@pytest.mark.parametrize("kind", PERMANENT)
def test_what_cannot_succeed_is_not_tried_again(kind):
    assert delay_before_retry(kind("no"), 1, 0.5) is None


@pytest.mark.parametrize(
    ("kind", "most"),
    [
        (ConnectionLost, MAX_TRIES),
        (ServerFault, MAX_TRIES),
        (Throttled, MAX_THROTTLED_TRIES),
        (IntegrityError, MAX_CORRUPT_TRIES),
    ],
)
def test_what_may_succeed_is_tried_so_often(kind, most):
    assert all(delay_before_retry(kind("later"), tries, 0.5) is not None for tries in range(1, most))
    assert delay_before_retry(kind("later"), most, 0.5) is None
    assert delay_before_retry(kind("later"), most + 1, 0.5) is None


@pytest.mark.parametrize(("tries", "ceiling"), [(1, 1.0), (2, 2.0), (3, 4.0), (5, 16.0)])
def test_the_wait_may_double_each_time(tries, ceiling):
    assert delay_before_retry(ConnectionLost("lost"), tries, 0.5) == ceiling / 2


@pytest.mark.parametrize("kind", [ConnectionLost, ServerFault, Throttled, IntegrityError])
@given(tries=st.integers(1, 50), chance=st.floats(0, 1, exclude_max=True))
def test_no_wait_is_negative_or_longer_than_the_longest(kind, tries, chance):
    delay = delay_before_retry(kind("later"), tries, chance)
    assert delay is None or 0 <= delay <= MAX_DELAY_S


def test_full_jitter_may_wait_not_at_all():
    assert delay_before_retry(ConnectionLost("lost"), 3, 0.0) == 0


def test_a_store_that_says_when_to_come_back_is_believed():
    assert delay_before_retry(Throttled("slow", retry_after_s=45.0), 1, 0.0) == 45.0
    assert delay_before_retry(Throttled("slow", retry_after_s=86_400.0), 1, 0.0) == MAX_RETRY_AFTER_S


def test_a_store_that_says_to_come_back_at_once_still_gets_a_pause():
    assert delay_before_retry(Throttled("slow", retry_after_s=0.0), 3, 0.5) == 2.0


def test_corrupt_bytes_are_fetched_again_almost_at_once():
    assert delay_before_retry(IntegrityError("corrupt"), 2, 0.999) < FIRST_DELAY_S


def make_retrier(waits):
    return Retrier(wait=waits.append, chance=lambda: 0.5)


def test_a_call_that_succeeds_is_made_once():
    waits: list[float] = []
    assert make_retrier(waits).call(lambda: 7) == 7
    assert waits == []


def test_a_call_is_made_again_until_it_succeeds():
    waits: list[float] = []
    answers = iter([ConnectionLost("1"), Throttled("2"), 7])

    def attempt():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert make_retrier(waits).call(attempt) == 7
    assert waits == [0.5, 1.0]


def test_retries_are_counted_and_throttles_among_them():
    counts = RetryCounts()
    answers = iter([ConnectionLost("1"), Throttled("2"), Throttled("3"), 7, ObjectNotFound("4")])

    def attempt():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    retrier = Retrier(wait=lambda _: None, chance=lambda: 0.5, note=counts.note)
    retrier.call(attempt)
    with pytest.raises(ObjectNotFound):
        retrier.call(attempt)
    assert (counts.retries, counts.throttles) == (3, 2)


def test_the_last_error_is_the_one_that_is_raised():
    errors = [ConnectionLost(str(number)) for number in range(MAX_TRIES)]
    left = iter(errors)

    def attempt():
        raise next(left)

    with pytest.raises(ConnectionLost) as caught:
        make_retrier([]).call(attempt)
    assert caught.value is errors[-1]


def test_a_wait_that_is_interrupted_ends_the_call():
    calls: list[int] = []

    def attempt():
        calls.append(1)
        raise ConnectionLost("lost")

    def interrupt(_seconds):
        raise JobInterrupted("paused")

    with pytest.raises(JobInterrupted):
        Retrier(wait=interrupt, chance=lambda: 0.5).call(attempt)
    assert calls == [1]


def test_an_error_that_is_no_stores_is_passed_on():
    def attempt():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        make_retrier([]).call(attempt)
