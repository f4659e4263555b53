"""A sync asks nothing of what is unchanged, and comes to what a copy comes to, whatever interrupts it."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from awcopy.errors import RequestRefused
from awcopy.model.items import ItemState
from awcopy.model.job import JobId, JobState
from awcopy.model.outcome import Result
from awcopy.model.spec import Compare, NamePolicy, Selection, Sync
from awcopy.sink.base import BlobPage
from awcopy.sink.memory import MemorySink
from tests.unit.factories import make_spec
from tests.unit.world import Crash, World, make_paged_source

SECOND = JobId("zybq000000000002")
SYNC = make_spec(sync=Sync())


def copied(contents, *, source=None, **world):
    """Return a world whose sink is a copy of its source, its calls not yet counted."""
    made = World(**({"source": source} if source else {}), **world)
    made.put(contents)
    assert made.run(made.submit()).job.state is JobState.COMPLETED
    made.source_calls.calls.clear()
    made.sink_calls.calls.clear()
    return made


def sync(world, spec=SYNC):
    job = world.submit(id=SECOND, spec=spec)
    return job, world.run(job)


def results(world, job):
    return {key: (one.result.value, one.reason) for key, one in world.report(job).items()}


def test_what_is_unchanged_costs_no_request_of_its_own():
    world = copied({f"k{number:04}": b"x" for number in range(2_500)})
    job, snapshot = sync(world)
    assert set(results(world, job).values()) == {("skipped", "unchanged")}
    assert snapshot.job.state is JobState.COMPLETED
    assert (world.source_calls.calls["list_page"], world.sink_calls.calls["list_page"]) == (3, 2)
    assert not {"head", "read_object", "read_range"} & {*world.source_calls.calls, *world.sink_calls.calls}


def test_what_is_new_or_changed_is_copied():
    world = copied({"a": b"1", "b": b"1", "c": b"1"})
    world.put({"b": b"2", "d": b"1"})
    job, snapshot = sync(world)
    assert results(world, job) == {
        "a": ("skipped", "unchanged"),
        "b": ("copied", ""),
        "c": ("skipped", "unchanged"),
        "d": ("copied", ""),
    }
    assert snapshot.totals.pending.objects == 0
    assert world.sink.blobs["b"].content == b"2"
    assert world.source_calls.calls["read_object"] == 2


def test_a_blob_that_changed_after_it_was_listed_is_looked_at_again():
    world = copied({"a": b"1"})
    world.put({"a": b"2"})
    other = World()
    other.put({"a": b"2"})
    assert other.run(other.submit(id=JobId("zybq000000000009")))

    def write_meanwhile():
        world.sink.blobs["a"] = other.sink.blobs["a"]

    world.sink_calls.do("commit_blocks", write_meanwhile, times=1)
    world.sink.blobs["a"] = replace(
        world.sink.blobs["a"], head=replace(world.sink.blobs["a"].head, etag="0xSEEN")
    )
    job, _ = sync(world)
    assert results(world, job) == {"a": ("skipped", "unchanged")}


@pytest.mark.parametrize("compare", list(Compare))
def test_the_comparison_finds_what_changed_and_leaves_the_rest(compare):
    world = copied({"same": b"1", "other": b"1"})
    world.put({"other": b"22"})
    job, _ = sync(world, make_spec(sync=Sync(compare=compare)))
    assert results(world, job) == {"same": ("skipped", "unchanged"), "other": ("copied", "")}


def test_a_checksum_tells_an_object_that_was_only_written_anew():
    world = copied({"k": b"1"})
    world.source.put_object("k", b"1", etag="another")
    job, _ = sync(world, make_spec(sync=Sync(compare=Compare.CHECKSUM)))
    assert results(world, job) == {"k": ("skipped", "unchanged")}
    assert world.source_calls.calls["read_object"] == 0


def test_a_checksum_finds_what_size_and_etag_hide():
    world = copied({"k": b"1"})
    etag = world.source.list_page("").objects[0].etag
    world.source.put_object("k", b"2", etag=etag)
    job, _ = sync(world, make_spec(sync=Sync(compare=Compare.CHECKSUM)))
    assert results(world, job) == {"k": ("copied", "")}


def test_what_the_filters_leave_out_is_joined_and_counted():
    world = copied({"a.log": b"1", "b.txt": b"1"})
    job, snapshot = sync(world, replace(SYNC, selection=Selection(exclude=("*.log",))))
    assert results(world, job) == {"b.txt": ("skipped", "unchanged")}
    assert snapshot.totals.excluded.objects == 1


keys = st.dictionaries(
    st.text("ab./%é\ud7ff\U00010000", min_size=1, max_size=4), st.binary(max_size=2), max_size=12
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=keys, after=keys, names=st.sampled_from(list(NamePolicy)), crashes=st.integers(0, 6))
def test_a_sync_ends_as_a_copy_does_though_it_is_interrupted(before, after, names, crashes):
    spec = make_spec(names=names)
    outcomes = []
    for with_sync in (None, Sync()):
        world = World(source=make_paged_source(2), sink=ShortPages())
        world.put(before)
        world.run(world.submit(spec=spec))
        world.put(after)
        job = world.submit(id=SECOND, spec=replace(spec, sync=with_sync))
        if with_sync:
            crash_listing(world, job, crashes)
        snapshot = world.recover(job)
        assert snapshot.totals.pending.objects == 0
        outcomes.append(
            (results(world, job), {name: blob.content for name, blob in world.sink.blobs.items()})
        )
    assert outcomes[0] == outcomes[1]


def crash_listing(world, job, at_write):
    """Let the process that runs the job die before one of its writes to the ledger."""
    ledger, left = world.ledger, [at_write]
    extend = ledger.extend

    def dying(*given):
        left[0] -= 1
        if left[0] == 0:
            raise Crash
        return extend(*given)

    ledger.extend = dying
    with contextlib.suppress(Crash):
        world.take_turns(world.start(job))


class ShortPages(MemorySink):
    """A sink whose pages are short."""

    __slots__ = ()

    def list_page(self, prefix: str, *, token: str = "", limit: int = 5000) -> BlobPage:
        return MemorySink.list_page(self, prefix, token=token, limit=min(limit, 3))


class ForgetfulSink(ShortPages):
    """A sink that takes no marker that another process got, as its place in the listing is gone."""

    __slots__ = ("known",)

    def list_page(self, prefix: str, *, token: str = "", limit: int = 5000) -> BlobPage:
        if token and token not in self.known:
            raise RequestRefused("the marker is not known any more", status=400)
        page = ShortPages.list_page(self, prefix, token=token, limit=limit)
        self.known.add(page.token)
        return page


def test_a_marker_that_is_no_longer_taken_means_reading_from_the_start():
    sink = ForgetfulSink()
    sink.known = set()
    world = copied({f"k{number:02}": b"x" for number in range(20)}, source=make_paged_source(2), sink=sink)
    job = world.submit(id=SECOND, spec=SYNC)
    crash_listing(world, job, 6)
    sink.known.clear()
    snapshot = world.recover(job)
    assert set(results(world, job).values()) == {("skipped", "unchanged")}
    assert len(results(world, job)) == snapshot.totals.skipped.objects == 20


def test_items_of_unchanged_objects_are_done_from_the_start():
    world = copied({"a": b"1"})
    job, _ = sync(world)
    items = list(world.ledger.list_items(job.id))
    assert [(item.state, item.objects) for item in items] == [(ItemState.DONE, 0), (ItemState.DONE, 1)]
    assert world.report(job)["a"].result is Result.SKIPPED
