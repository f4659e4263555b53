from __future__ import annotations

import itertools
import math
import threading
import traceback
from contextlib import nullcontext, suppress
from dataclasses import replace
from datetime import timedelta

import pytest

from awcopy.errors import ServiceUnreachable
from awcopy.jobs.queries import take_snapshot
from awcopy.model.job import JobState
from awcopy.model.outcome import Totals
from tests.unit.web.conftest import CREATED
from web.watching import FRESH_S, MOST_SAMPLES, Editions, History, Looks


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def editions():
    return Editions(lambda: 5.0)


def tell(seen):
    return seen, False


def test_what_has_not_changed_keeps_its_revision_and_what_has_gets_a_larger_one(editions):
    first = editions.latest("job", lambda: {"n": 1}, tell)
    same = editions.latest("job", lambda: {"n": 1}, tell)
    other = editions.latest("job", lambda: {"n": 2}, lambda seen: (seen, True))

    assert (same.revision, same.content) == (first.revision, '{"n":1}')
    assert other.revision > first.revision == 5_000
    assert other.is_last


def test_what_is_the_same_to_all_is_written_out_once(editions):
    seen, told = {"n": 1}, []

    def tell_once(found):
        told.append(found)
        return found, False

    assert len({editions.latest("job", lambda: seen, tell_once).content for _ in range(50)}) == 1
    assert len(told) == 1


def test_what_had_ended_and_begins_again_is_seen_at_once(editions):
    assert editions.latest(
        "job", lambda: {"state": "completed_with_errors"}, lambda seen: (seen, True)
    ).is_last
    again = editions.latest("job", lambda: {"state": "running"}, tell)

    assert (again.content, again.is_last) == ('{"state":"running"}', False)


def test_what_cannot_be_seen_is_an_error_and_the_edition_before_stays(editions):
    def fail():
        raise ServiceUnreachable("away")

    first = editions.latest("job", lambda: {"n": 1}, tell)
    with pytest.raises(ServiceUnreachable):
        editions.latest("job", fail, tell)
    assert editions.latest("job", lambda: {"n": 1}, tell) == first


@pytest.fixture
def snapshot(fleet, add_job):
    return take_snapshot(fleet, add_job(totals=Totals()).id)


def note(history, fleet, snapshot, seconds, moved):
    fleet.live.add_moved_bytes(snapshot.job.id, moved - fleet.live.moved_bytes(snapshot.job.id))
    history.note(take_snapshot(fleet, snapshot.job.id), CREATED + timedelta(seconds=seconds))


def test_the_pace_is_that_between_two_looks(fleet, snapshot):
    history = History()
    for seconds, moved in ((0, 0), (1, 50), (10, 1_000), (20, 3_000)):
        note(history, fleet, snapshot, seconds, moved)

    assert [pace.bytes_per_s for pace in history.paces(snapshot.job.id)] == [100.0, 200.0]
    assert history.rate(snapshot.job.id, CREATED + timedelta(seconds=21)) == 200.0
    assert history.rate(snapshot.job.id, CREATED + timedelta(hours=1)) == 0.0


def test_a_long_job_keeps_its_beginning_in_few_samples(fleet, snapshot):
    history = History()
    for number in range(MOST_SAMPLES * 5):
        note(history, fleet, snapshot, number * 2, number * 2)

    paces = history.paces(snapshot.job.id)

    assert MOST_SAMPLES / 3 < len(paces) <= MOST_SAMPLES
    assert (paces[0].at - CREATED).total_seconds() <= 16
    assert {round(pace.bytes_per_s, 6) for pace in paces} == {1.0}


def test_a_new_run_begins_a_new_history(fleet, snapshot):
    history = History()
    note(history, fleet, snapshot, 0, 500)
    fleet.live.forget_job(snapshot.job.id)
    note(history, fleet, snapshot, 5, 0)

    assert history.paces(snapshot.job.id) == []


def test_a_look_without_redis_leaves_the_history_as_it_was(fleet, snapshot):
    history = History()
    note(history, fleet, snapshot, 0, 1_000)
    note(history, fleet, snapshot, 10, 2_000)
    history.note(replace(snapshot, moved_bytes=None), CREATED + timedelta(seconds=20))
    note(history, fleet, snapshot, 30, 4_000)

    assert [pace.bytes_per_s for pace in history.paces(snapshot.job.id)] == [100.0, 100.0]


def test_looking_at_a_job_that_has_ended_draws_no_line_at_zero(fleet, add_job):
    history = History()
    running = take_snapshot(fleet, add_job(totals=Totals()).id)
    note(history, fleet, running, 0, 0)
    note(history, fleet, running, 10, 1_000)
    ended_at = CREATED + timedelta(seconds=12)
    ended = replace(
        running, moved_bytes=1_200, job=replace(running.job, state=JobState.COMPLETED, changed_at=ended_at)
    )

    for _ in range(3):
        history.note(ended, CREATED + timedelta(hours=1))

    assert [pace.bytes_per_s for pace in history.paces(running.job.id)] == [100.0, 100.0]


@pytest.fixture
def looks(clock):
    return Looks(clock)


def test_what_was_seen_is_shared_for_as_long_as_it_may_be_shown(looks, clock):
    seen = iter(range(9))
    shared = [looks.share("job", lambda: (next(seen), 5.0)) for _ in range(3)]
    clock.now = 5.0
    shared.append(looks.share("job", lambda: (next(seen), 5.0)))
    assert shared == [0, 0, 0, 1]
    assert looks.share("another", lambda: (next(seen), 5.0)) == 2


def test_fifty_who_look_at_the_same_cost_one_look(looks):
    looked, together = [], threading.Barrier(50)

    def look():
        looked.append(1)
        return len(looked), FRESH_S

    def ask():
        together.wait()
        looks.share("job", look)

    threads = [threading.Thread(target=ask) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(looked) == 1


def test_a_look_that_takes_long_is_repeated_the_more_rarely(looks, clock):
    looked = []

    def look():
        looked.append(1)
        clock.now += 1.0
        return len(looked), FRESH_S

    for moment in (0.0, 2.0, 9.0):
        clock.now = moment
        assert looks.share("job", look) == 1
    clock.now = 10.0
    assert looks.share("job", look) == 2


@pytest.mark.parametrize(("is_away", "shown_s"), [(True, 30.0 + FRESH_S), (False, 45.0)])
def test_what_a_ledger_that_stood_still_has_said_is_not_shown_for_minutes(looks, clock, is_away, shown_s):
    def look():
        clock.now += 30.0
        if is_away:
            raise ServiceUnreachable("away")
        return "old", FRESH_S

    with pytest.raises(ServiceUnreachable) if is_away else nullcontext():
        looks.share("job", look)
    # Whoever comes next need not look, or fifty would look one after the other, for as long each.
    with pytest.raises(ServiceUnreachable) if is_away else nullcontext():
        assert looks.share("job", lambda: ("new", FRESH_S)) == "old"
    clock.now = shown_s
    assert looks.share("job", lambda: ("new", FRESH_S)) == "new"


@pytest.mark.parametrize("breaks", [False, True])
def test_whoever_waited_for_one_look_shares_the_next(breaks):
    """What may not be shown later is old for who came while it was looked at, and not for who came before.

    A look that broke by a fault of ours is nobody's: each who waited looks.
    """
    moments, told = itertools.count(), threading.Semaphore(0)
    may_end, looked, found = threading.Event(), [], []

    def clock():
        told.release()
        return float(next(moments))

    looks = Looks(clock)

    def look():
        looked.append(1)
        number = len(looked)
        may_end.wait()
        if breaks and number == 2:
            raise ZeroDivisionError
        return number, 0.0

    def ask():
        with suppress(ZeroDivisionError):
            found.append(looks.share("job", look))

    def start(asked_for_the_time):
        thread = threading.Thread(target=ask)
        thread.start()
        for _ in range(asked_for_the_time):
            told.acquire()
        return thread

    threads = [start(3), start(1), start(1)]  # the first looks; the others have come
    may_end.set()
    for thread in threads:
        thread.join()

    assert sorted(found) == ([1, 3] if breaks else [1, 2, 2])


def test_after_a_change_everything_is_looked_at_anew(looks):
    looks.share("job", lambda: (1, 5.0))
    looks.forget()
    assert looks.share("job", lambda: (2, 5.0)) == 2


def test_what_never_changes_is_not_forgotten(looks):
    looks.share("ended", lambda: (1, math.inf))
    looks.forget()
    assert looks.share("ended", lambda: (2, math.inf)) == 1


def test_what_was_being_looked_at_during_a_change_is_shown_to_nobody_who_comes_after_it(looks):
    def look():
        looks.forget()
        return "before", math.inf

    assert looks.share("job", look) == "before"
    assert looks.share("job", lambda: ("after", 5.0)) == "after"


def test_an_error_told_to_many_remembers_none_of_them(looks, clock):
    def look():
        raise ServiceUnreachable("away", hint="wait") from OSError("refused")

    told = []
    for _ in range(3):
        with pytest.raises(ServiceUnreachable, match="away") as caught:
            looks.share("job", look)
        told.append(caught.value)

    assert len({id(error) for error in told}) == 3
    assert {(error.hint, len(traceback.extract_tb(error.__traceback__))) for error in told} == {("wait", 2)}
    assert {error.__cause__ for error in told} == {None}


def test_without_a_thread_to_look_what_is_there_is_shown_and_the_next_one_looks(looks, clock, monkeypatch):
    def refuse(_thread):
        raise RuntimeError("can't start new thread")

    looks.share("ahead", lambda: ("old", 5.0), late_s=2.0)
    clock.now = 6.0
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        assert looks.share("ahead", lambda: ("new", 5.0), late_s=2.0) == "old"
    clock.now = 8.0
    assert looks.share("ahead", lambda: ("new", 5.0), late_s=2.0) == "new"


def test_nobody_waits_for_what_may_be_shown_a_little_longer(looks, clock):
    looked, may_end = threading.Event(), threading.Event()

    def look_again():
        looked.set()
        may_end.wait()
        return "new", 5.0

    assert looks.share("ahead", lambda: ("old", 5.0), late_s=2.0) == "old"
    clock.now = 6.0
    assert looks.share("ahead", look_again, late_s=2.0) == "old"
    looked.wait()
    assert looks.share("ahead", look_again, late_s=2.0) == "old"  # and nobody else looks
    may_end.set()
    clock.now = 7.5  # too late for the old one: whoever asks waits for the new one
    assert looks.share("ahead", lambda: ("newer", 5.0), late_s=2.0) == "new"


def test_a_ledger_that_is_away_is_asked_once_a_second(looks, clock):
    asked = []

    def look():
        asked.append(1)
        raise ServiceUnreachable("away")

    for _ in range(3):
        with pytest.raises(ServiceUnreachable):
            looks.share("job", look)
    assert len(asked) == 1
    clock.now = FRESH_S
    assert looks.share("job", lambda: ("there", 1.0)) == "there"
