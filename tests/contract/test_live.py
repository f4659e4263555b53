"""What every live state does: the suite of the port, run on each adapter."""

from __future__ import annotations

import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Timer

import pytest

from awcopy.config import Secret
from awcopy.live.base import KEPT, Vitals
from awcopy.live.memory import MemoryLive
from awcopy.live.redis import RedisLive
from awcopy.model.job import JobId

JOB = JobId("0abc")
OTHER = JobId("0abd")


@pytest.fixture(params=["memory", "redis"])
def live(request):
    if request.param == "memory":
        yield MemoryLive()
        return
    server = request.getfixturevalue("redis_server")
    url = server.url if isinstance(server.url, Secret) else Secret(server.url)
    redis = RedisLive(url, f"t{secrets.token_hex(8)}")
    yield redis
    redis.close()


def test_ping_returns(live):
    assert live.ping() is None


def test_hints_are_taken_oldest_first(live):
    live.push_ready(JOB, [3, 1])
    live.push_ready(JOB, [2])
    assert [live.pop_ready(JOB) for _ in range(4)] == [3, 1, 2, None]


def test_pushing_nothing_hints_at_nothing(live):
    live.push_ready(JOB, [])
    assert live.pop_ready(JOB) is None


def test_hints_of_other_jobs_are_left_alone(live):
    live.push_ready(OTHER, [1])
    assert live.pop_ready(JOB) is None
    assert live.pop_ready(OTHER) == 1


def test_without_a_timeout_nobody_waits(live):
    started = time.monotonic()
    assert live.pop_ready(JOB) is None
    assert live.pop_ready(JOB, timeout_s=-1.0) is None
    assert time.monotonic() - started < 5


def test_a_wait_ends_in_time(live):
    started = time.monotonic()
    assert live.pop_ready(JOB, timeout_s=0.2) is None
    assert 0.15 < time.monotonic() - started < 5


def test_a_wait_ends_with_a_hint(live):
    timer = Timer(0.2, live.push_ready, (JOB, [7]))
    timer.start()
    started = time.monotonic()
    assert live.pop_ready(JOB, timeout_s=10.0) == 7
    assert time.monotonic() - started < 5
    timer.join()


def test_each_hint_goes_to_one_of_those_who_wait(live):
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(live.pop_ready, JOB, timeout_s=5.0) for _ in range(8)]
        live.push_ready(JOB, range(8))
        assert sorted(popped.result() for popped in waiting) == list(range(8))


def test_of_very_many_hints_the_newest_are_kept(live):
    live.push_ready(JOB, range(9_000))
    live.push_ready(JOB, range(9_000, 20_000))
    assert live.pop_ready(JOB) == 10_000


def test_one_caller_per_interval_is_told_to_act(live):
    with ThreadPoolExecutor(8) as pool:
        allowed = list(pool.map(lambda _: live.once_every("a", 30.0), range(16)))
    assert allowed.count(True) == 1
    assert live.once_every("b", 30.0)


def test_after_the_interval_the_next_is_told_to_act(live):
    assert live.once_every("a", 0.1)
    time.sleep(0.15)
    assert live.once_every("a", 0.1)


def test_a_place_passes_its_turns_one_by_one(live):
    live.begin_generation(JOB, 1, 2)
    assert [live.pass_turn(JOB, 1, 0, turn) for turn in (0, 0, 2, 1, 1, 2)] == [
        True,
        False,
        False,
        True,
        False,
        True,
    ]
    assert live.pass_turn(JOB, 1, 1, 0)


@pytest.mark.parametrize(("generation", "place"), [(0, 0), (2, 0), (1, 2), (1, -1)])
def test_a_place_of_no_such_generation_has_no_turn(live, generation, place):
    live.begin_generation(JOB, 1, 2)
    assert not live.pass_turn(JOB, generation, place, 0)


def test_without_a_generation_there_is_no_turn(live):
    assert not live.pass_turn(JOB, 1, 0, 0)


def test_one_turn_is_passed_once(live):
    live.begin_generation(JOB, 1, 1)
    with ThreadPoolExecutor(16) as pool:
        passed = list(pool.map(lambda _: live.pass_turn(JOB, 1, 0, 0), range(16)))
    assert passed.count(True) == 1


def test_a_new_generation_ends_the_old_one(live):
    live.begin_generation(JOB, 1, 4)
    live.pass_turn(JOB, 1, 0, 0)
    live.begin_generation(JOB, 2, 1)
    assert not live.pass_turn(JOB, 1, 0, 1)
    assert not live.pass_turn(JOB, 2, 3, 0)
    assert live.pass_turn(JOB, 2, 0, 0)


def test_a_generation_that_is_begun_late_does_not_end_the_newer_one(live):
    live.begin_generation(JOB, 2, 1)
    live.begin_generation(JOB, 1, 1)
    assert live.pass_turn(JOB, 2, 0, 0)


def test_a_generation_that_is_begun_again_starts_at_turn_0(live):
    live.begin_generation(JOB, 1, 1)
    live.pass_turn(JOB, 1, 0, 0)
    live.begin_generation(JOB, 1, 1)
    assert live.pass_turn(JOB, 1, 0, 0)


def test_places_are_not_known_before_their_generation_begins(live):
    live.begin_generation(JOB, 2, 1)
    assert live.places(JOB, 1) == live.places(OTHER, 1) == {}


def test_the_last_places_of_a_generation_can_be_kept_until_somebody_takes_them(live):
    live.begin_generation(JOB, 1, 3, kept_for=["7.1", "12.4"])
    places = live.places(JOB, 1)
    assert [places[place].turn for place in range(3)] == [0, KEPT, KEPT]
    assert [places[place].kept_for for place in range(3)] == ["", "7.1", "12.4"]
    assert not live.pass_turn(JOB, 1, 1, 0)
    assert live.pass_turn(JOB, 1, 1, KEPT)
    assert [live.turn_of(JOB, 1, place) for place in range(3)] == [0, 0, KEPT]
    assert [live.places(JOB, 1)[place].kept_for for place in range(3)] == ["", "", "12.4"]
    live.begin_generation(JOB, 2, 3)
    assert {place.kept_for for place in live.places(JOB, 2).values()} == {""}


def test_each_place_has_its_own_age_from_its_last_turn_or_the_beginning(live):
    live.begin_generation(JOB, 1, 2)
    time.sleep(0.2)
    live.pass_turn(JOB, 1, 1, 0)
    places = live.places(JOB, 1)
    assert places[0].seconds_ago > 0.15
    assert places[1].seconds_ago < places[0].seconds_ago - 0.15
    assert (places[0].turn, places[1].turn) == (0, 1)


def test_a_turn_that_was_refused_does_not_count(live):
    live.begin_generation(JOB, 1, 1)
    time.sleep(0.2)
    live.pass_turn(JOB, 1, 0, 5)
    assert live.places(JOB, 1)[0].seconds_ago > 0.15


def test_the_turn_of_a_place_is_known_in_its_generation_alone(live):
    live.begin_generation(JOB, 2, 2)
    live.pass_turn(JOB, 2, 1, 0)
    assert [live.turn_of(JOB, 2, place) for place in range(3)] == [0, 1, None]
    assert live.turn_of(JOB, 1, 0) is None
    assert live.turn_of(OTHER, 2, 0) is None


def test_what_is_remembered_of_a_job_is_the_last_that_was_told(live):
    assert live.recall(JOB) == ""
    live.remember(JOB, "first")
    live.remember(JOB, '{"totals": "ü"}')
    assert live.recall(JOB) == '{"totals": "ü"}'
    assert live.recall(OTHER) == ""
    live.forget_job(JOB)
    assert live.recall(JOB) == ""


def test_no_message_waits_when_none_was_sent(live):
    assert live.waiting_messages() == 0


def test_the_least_limit_told_lately_holds_for_all(live):
    assert live.shared_limit("s3:b") is None
    live.share_limit("s3:b", 12.5)
    live.share_limit("s3:b", 40)
    assert live.shared_limit("s3:b") == 12.5
    assert live.shared_limit("az:a") is None


def test_turns_for_bytes_come_one_after_the_other_at_the_jobs_rate(live):
    assert live.book_bytes(JOB, 4_000_000, 100_000) == 0
    assert live.book_bytes(JOB, 1_000_000, 100_000) == pytest.approx(40, abs=3)
    assert live.book_bytes(JOB, 7, 100_000) == pytest.approx(50, abs=3)
    assert live.book_bytes(OTHER, 7, 100_000) == 0  # another job has a rate of its own


def test_a_turn_that_is_given_back_is_nobodys(live):
    live.book_bytes(JOB, 1_000_000, 10_000)
    live.book_bytes(JOB, 9_000_000, 10_000)
    live.book_bytes(JOB, -9_000_000, 10_000)
    assert live.book_bytes(JOB, 1, 10_000) == pytest.approx(100, abs=3)
    live.book_bytes(JOB, -2_000_000, 10_000)  # more than was ever booked
    assert live.book_bytes(JOB, 1, 10_000) == 0
    live.book_bytes(JOB, 1_000_000, 10_000)
    live.forget_job(JOB)
    assert live.book_bytes(JOB, 1, 10_000) == 0


def test_moved_bytes_add_up(live):
    assert live.moved_bytes(JOB) == 0
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: live.add_moved_bytes(JOB, 2**40), range(64)))
    assert live.moved_bytes(JOB) == 2**46
    assert live.moved_bytes(OTHER) == 0


def test_workers_are_listed_by_name_with_their_slots(live):
    assert live.workers() == []
    live.beat("b@host 2", 8)
    live.beat("a@host", 4)
    assert [(worker.name, worker.slots) for worker in live.workers()] == [("a@host", 4), ("b@host 2", 8)]
    assert all(0 <= worker.seconds_ago < 2 for worker in live.workers())


def test_a_worker_is_listed_once_as_it_was_last(live):
    live.beat("a", 9)
    live.beat("a", 4)
    live.beat("a", 8)
    assert [(worker.name, worker.slots) for worker in live.workers()] == [("a", 8)]


def test_a_job_can_be_forgotten(live):
    live.begin_generation(JOB, 1, 1)
    live.push_ready(JOB, [1])
    live.add_moved_bytes(JOB, 5)
    live.moved_bytes(OTHER)
    live.forget_job(JOB)
    assert live.pop_ready(JOB) is None
    assert not live.pass_turn(JOB, 1, 0, 0)
    assert live.places(JOB, 1) == {}
    assert live.moved_bytes(JOB) == 0
    live.forget_job(JOB)


def test_a_process_without_slots_is_there_and_is_no_worker(live):
    live.beat("beat", 0, "1.2.3")
    live.beat("w1", 8)
    assert [(one.name, one.slots, one.version) for one in live.processes()] == [
        ("beat", 0, "1.2.3"),
        ("w1", 8, ""),
    ]
    assert [worker.name for worker in live.workers()] == ["w1"]


def test_a_process_tells_its_memory_and_retries(live):
    vitals = Vitals(memory_bytes=2**33, retries=7, throttles=2)
    live.beat("w1", 8, "1.2.3", vitals)
    live.beat("w2", 8)
    assert [one.vitals for one in live.processes()] == [vitals, Vitals()]


def test_it_says_what_it_is_and_keeps(live):
    facts = live.describe()
    assert facts.server
    assert not facts.protocol or facts.protocol >= (6, 0)
    assert facts.persistence in {"append-only file", "snapshots", "none"}
