from __future__ import annotations

from dataclasses import replace

import pytest

from awcopy.errors import JobInterrupted, ServiceUnreachable, Throttled
from awcopy.source.memory import MemorySource
from awcopy.steps.context import StoreCache
from tests.unit.factories import make_job, make_spec


class _Closable(MemorySource):
    """Counts how often it was closed."""

    __slots__ = ("closed",)

    def close(self):
        self.closed = getattr(self, "closed", 0) + 1


@pytest.fixture
def opened():
    return []


@pytest.fixture
def open_stores(opened):
    def open_them(job):
        opened.append((job.id, job.generation))
        return _Closable(), _Closable()

    return open_them


def test_stores_are_opened_once_for_a_generation(opened, open_stores):
    cache, job = StoreCache(), make_job()
    assert cache.get(job, open_stores) == cache.get(replace(job, name="renamed"), open_stores)
    assert len(opened) == 1


def test_the_next_generation_opens_its_own_since_credentials_may_have_changed(opened, open_stores):
    cache, job = StoreCache(), make_job()
    cache.get(job, open_stores)
    cache.get(replace(job, generation=1), open_stores)
    assert opened == [(job.id, 0), (job.id, 1)]


def test_the_stores_that_were_not_used_for_longest_are_closed(opened, open_stores):
    cache = StoreCache()
    first = cache.get(make_job(id="first"), open_stores)
    for number in range(15):
        cache.get(make_job(id=f"job{number}"), open_stores)
        assert cache.get(make_job(id="first"), open_stores) is first
    second = cache.get(make_job(id="job0"), open_stores)
    for number in range(15, 30):
        cache.get(make_job(id=f"job{number}"), open_stores)
    assert [store.closed for store in first] == [1, 1]
    assert not hasattr(second[0], "closed")


def test_stores_that_cannot_be_opened_are_tried_again_next_time(opened, open_stores):
    def refuse(_job):
        raise ServiceUnreachable("no")

    cache = StoreCache()
    with pytest.raises(ServiceUnreachable):
        cache.get(make_job(), refuse)
    cache.get(make_job(), open_stores)
    assert len(opened) == 1


def test_a_wait_ends_as_soon_as_the_work_is_not_wanted(world):
    naps = []

    def check():
        if len(naps) == 3:
            raise JobInterrupted("paused")

    retrier = replace(world.context, sleep=naps.append).retrier(check)
    with pytest.raises(JobInterrupted):
        retrier.wait(60.0)
    assert sum(naps) <= 2.0


def test_a_wait_is_as_long_as_asked(world):
    naps: list[float] = []
    replace(world.context, sleep=naps.append).retrier(lambda: None).wait(1.25)
    assert sum(naps) == 1.25


@pytest.mark.parametrize(
    "tell",
    [lambda context, job: context.hint(job.id, [1]), lambda context, job: context.count_moved(job.id, 1)],
)
def test_a_live_state_that_does_not_answer_stops_no_work(world, tell):
    def refuse(*_arguments):
        raise ServiceUnreachable("Redis is gone")

    world.live.push_ready = world.live.add_moved_bytes = refuse
    assert tell(world.context, make_job()) is None


def test_jobs_that_share_a_store_share_its_limit(world):
    one, other = make_job(id="one"), make_job(id="other", spec=make_spec(prefix="p/", to="q/"))
    world.source_calls.fail("head", Throttled("slow down"))
    source, _ = world.context.stores_of(one)
    with pytest.raises(Throttled):
        source.head("k")
    limited, _ = world.context.stores_of(other)
    assert limited.limiter.limit == source.limiter.limit == 1


def test_a_silent_agent_is_one_that_missed_several_turns(world):
    assert replace(world.context, lease_s=60.0, wait_for_work_s=2.0).silent_s == 20.0
    assert replace(world.context, lease_s=3.0, wait_for_work_s=2.0).silent_s == 6.0


def test_stores_that_are_forgotten_are_closed_and_opened_anew(opened, open_stores):
    cache, job = StoreCache(), make_job()
    first = cache.get(job, open_stores)
    cache.forget(job)
    cache.forget(job)
    cache.get(job, open_stores)
    assert [store.closed for store in first] == [1, 1]
    assert opened == [(job.id, 0)] * 2
