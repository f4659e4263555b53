from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from awcopy.errors import AccessDenied, ServiceUnreachable, Throttled
from awcopy.live.memory import MemoryLive
from awcopy.model.objects import ALWAYS, BlobProperties, Span
from awcopy.transfer.limited import LimitedSink, LimitedSource
from awcopy.transfer.limiter import LEAST, Limiter, Limiters
from tests.unit.factories import make_object
from tests.unit.world import Clock, World


@dataclass
class Fleet:
    """Two processes that share a live state and a clock."""

    clock: Clock
    live: MemoryLive

    def limiter(self, most=64, store="s3:bucket"):
        return Limiter(store, most, self.live, self.clock.monotonic)


@pytest.fixture
def fleet():
    clock = Clock()
    return Fleet(clock, MemoryLive(clock.monotonic))


def throttle(limiter):
    with pytest.raises(Throttled), limiter.slot():
        raise Throttled("slow down")


def throttle_at(limiter, under_way, *, times=1):
    """Let some of the requests under way be throttled, and return the limit just after that."""
    slots = [limiter.slot() for _ in range(under_way)]
    for slot in slots:
        slot.__enter__()
    for slot in slots[:times]:
        assert not slot.__exit__(Throttled, Throttled("slow down"), None)
    limit = limiter.limit
    for slot in slots[times:]:
        slot.__exit__(None, None, None)
    return limit


def test_nothing_is_limited_until_a_store_asks_for_it(fleet):
    limiter = fleet.limiter(most=3)
    with limiter.slot(), limiter.slot(), limiter.slot():
        assert limiter.limit == 3


def test_a_throttled_request_lowers_the_limit_below_what_was_under_way(fleet):
    assert throttle_at(fleet.limiter(most=64), 10) == 7


def test_requests_throttled_together_lower_it_once(fleet):
    assert throttle_at(fleet.limiter(), 6, times=3) == 4


def test_requests_throttled_later_lower_it_again(fleet):
    limiter = fleet.limiter()
    throttle_at(limiter, 10)
    fleet.clock.seconds += 2
    assert throttle_at(limiter, 7) == 4


def test_one_request_is_always_allowed(fleet):
    limiter = fleet.limiter()
    for _ in range(20):
        throttle(limiter)
        fleet.clock.seconds += 2
    assert limiter.limit == LEAST


def test_requests_that_go_well_raise_it_slowly_and_never_above_the_most(fleet):
    limiter = fleet.limiter(most=8)
    throttle(limiter)
    fleet.clock.seconds += 20
    limits = []
    for _ in range(60):
        with limiter.slot():
            pass
        limits.append(limiter.limit)
    assert limits == sorted(limits)
    assert (limits[0], limits[5], limits[-1]) == (2, 3, 8)


@pytest.mark.parametrize("error", [AccessDenied("no"), ZeroDivisionError()])
def test_other_errors_change_nothing_and_free_their_slot(fleet, error):
    limiter = fleet.limiter(most=1)
    for _ in range(3):
        with pytest.raises(type(error)), limiter.slot():
            raise error
    assert limiter.limit == 1


def test_another_process_learns_of_it(fleet):
    one, other = fleet.limiter(), fleet.limiter()
    throttle_at(one, 10)
    with other.slot():
        assert other.limit == 7


def test_another_store_is_not_concerned(fleet):
    one, other = fleet.limiter(), fleet.limiter(store="az:account")
    throttle_at(one, 10)
    with other.slot():
        assert other.limit == 64


def test_what_others_learnt_is_forgotten_after_a_while(fleet):
    throttle_at(fleet.limiter(), 10)
    fleet.clock.seconds += 60
    late = fleet.limiter()
    with late.slot():
        assert late.limit == 64


def test_without_the_live_state_each_process_learns_by_itself(fleet):
    def refuse(*_arguments):
        raise ServiceUnreachable("Redis is gone")

    fleet.live.share_limit = fleet.live.shared_limit = refuse
    assert throttle_at(fleet.limiter(), 10) == 7


def test_no_more_requests_than_the_limit_are_under_way(fleet):
    limiter, lock, under_way, most = fleet.limiter(most=3), threading.Lock(), [0], [0]

    def request(_index):
        with limiter.slot():
            with lock:
                under_way[0] += 1
                most[0] = max(most[0], under_way[0])
            with lock:
                under_way[0] -= 1

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(request, range(300)))
    assert most[0] <= 3
    assert limiter._under_way == 0


def test_each_store_has_one_limiter(fleet):
    limiters = Limiters(9, fleet.live)
    assert limiters.of("a") is limiters.of("a")
    assert limiters.of("a") is not limiters.of("b")


# Stores behind a limiter.

SOURCE_CALLS = {
    "probe": lambda source: source.probe(""),
    "list_page": lambda source: source.list_page(""),
    "head": lambda source: source.head("k"),
    "read_object": lambda source: source.read_object(make_object(), memoryview(bytearray(7))),
    "read_range": lambda source: source.read_range(
        make_object(), Span(offset=0, size_bytes=1), memoryview(bytearray(1))
    ),
}
_NAMED = {"properties": BlobProperties(), "condition": ALWAYS}
SINK_CALLS = {
    "probe": lambda sink: sink.probe(),
    "create_container": lambda sink: sink.create_container(),
    "list_page": lambda sink: sink.list_page(""),
    "head": lambda sink: sink.head("k"),
    "put_blob": lambda sink: sink.put_blob("k", memoryview(b""), crc64=0, **_NAMED),
    "stage_block": lambda sink: sink.stage_block("k", "id", memoryview(b"x"), crc64=0),
    "stage_block_from_url": lambda sink: sink.stage_block_from_url(
        "k", "id", "memory://bucket/k", Span(offset=0, size_bytes=1)
    ),
    "staged_blocks": lambda sink: sink.staged_blocks("k"),
    "commit_blocks": lambda sink: sink.commit_blocks("k", [], **_NAMED),
}


@pytest.mark.parametrize("op", SOURCE_CALLS)
def test_every_request_to_a_source_goes_through_its_limiter(fleet, op):
    world, limiter = World(), fleet.limiter()
    world.source_calls.fail(op, Throttled("slow down"))
    with pytest.raises(Throttled):
        SOURCE_CALLS[op](LimitedSource(world.source, limiter))
    assert limiter.limit == LEAST


@pytest.mark.parametrize("op", SINK_CALLS)
def test_every_request_to_a_sink_goes_through_its_limiter(fleet, op):
    world, limiter = World(), fleet.limiter()
    world.sink_calls.fail(op, Throttled("slow down"))
    with pytest.raises(Throttled):
        SINK_CALLS[op](LimitedSink(world.sink, limiter, fleet.limiter(store="s3:other")))
    assert limiter.limit == LEAST


@pytest.mark.parametrize("by_source", [True, False])
def test_a_store_that_a_sink_reads_by_itself_learns_from_its_own_refusals(fleet, by_source):
    world, own, source = World(), fleet.limiter(store="az:account"), fleet.limiter(store="s3:other")
    world.sink_calls.fail("stage_block_from_url", Throttled("slow down", by_source=by_source))
    with pytest.raises(Throttled):
        SINK_CALLS["stage_block_from_url"](LimitedSink(world.sink, own, source))
    lowered, left = (source, own) if by_source else (own, source)
    assert (lowered.limit, left.limit) == (LEAST, 64)


def test_a_store_behind_a_limiter_answers_as_it_would_without(fleet):
    world = World()
    obj = world.source.put_object("k", b"content")
    source = LimitedSource(world.source, fleet.limiter())
    sink = LimitedSink(world.sink, fleet.limiter(), fleet.limiter())
    assert source.list_page("").objects == (obj,)
    assert source.head("k") == world.source.head("k")
    assert sink.is_empty("")
    source.close()
    sink.close()
