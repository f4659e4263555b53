"""A sync that deletes: what goes, what stays and why, and that nothing goes when anything is not well."""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from awcopy.crc64 import crc64
from awcopy.errors import AccessDenied, BlobConflict, ConnectionLost
from awcopy.jobs.dry_run import plan_copy
from awcopy.jobs.queries import read_report
from awcopy.model.job import JobId, JobState
from awcopy.model.objects import ALWAYS, BlobProperties
from awcopy.model.outcome import Tally
from awcopy.model.spec import Pruning, Selection, SourceSpec, Sync
from awcopy.planning.metadata import name_source
from awcopy.sink.memory import MemorySink, StoredBlob
from awcopy.steps.finish import finish
from tests.unit.factories import NOW, make_blob, make_spec
from tests.unit.steps.test_join import SECOND, ShortPages, copied, crash_listing
from tests.unit.world import Crash, World, make_paged_source

# The issue asks for 40 on a machine that does nothing else; one that does may take several times that.
CPU_BOUND_US = 200
ALL = Pruning(most_percent=None)


def pruning(pruning=ALL, **changes):
    return make_spec(sync=Sync(pruning=pruning), **changes)


def run(world, spec):
    """Run a sync and, if the job comes to that, its deletion."""
    job = world.submit(id=SECOND, spec=spec)
    world.run(job)
    return job, world.recover(job)


def report(world, job):
    return {one.blob: (one.result.value, one.reason) for one in read_report(world.fleet, job.id)}


def gone(world, *keys):
    for key in keys:
        world.source.delete_object(key)


def test_blobs_whose_objects_are_gone_are_deleted_after_all_is_copied():
    world = copied({"a": b"1", "b": b"1", "c": b"1"})
    gone(world, "a", "c")
    world.put({"d": b"1"})
    job, snapshot = run(world, pruning())
    assert report(world, job) == {
        "a": ("deleted", ""),
        "b": ("skipped", "unchanged"),
        "c": ("deleted", ""),
        "d": ("copied", ""),
    }
    assert sorted(world.sink.blobs) == ["b", "d"]
    assert (snapshot.job.state, snapshot.job.guard) == (JobState.COMPLETED, "")
    assert (snapshot.totals.deleted.objects, snapshot.totals.extra.objects) == (2, 0)
    assert snapshot.totals.pending.objects == 0


def test_without_being_told_nothing_is_deleted():
    world = copied({"a": b"1", "b": b"1"})
    gone(world, "a")
    job, _ = run(world, make_spec(sync=Sync()))
    assert report(world, job) == {"b": ("skipped", "unchanged")}
    assert sorted(world.sink.blobs) == ["a", "b"]


def test_other_peoples_blobs_stay_unless_told():
    world = copied({"a": b"1"})
    world.sink.put_blob("theirs", memoryview(b""), crc64=0, properties=BlobProperties(), condition=ALWAYS)
    run(world, pruning())
    assert sorted(world.sink.blobs) == ["a", "theirs"]
    job = world.submit(id=JobId("zybq000000000003"), spec=pruning(replace(ALL, takes_unstamped=True)))
    world.run(job)
    world.recover(job)
    assert sorted(world.sink.blobs) == ["a"]


@pytest.mark.parametrize(
    "other",
    [
        SourceSpec(bucket="renamed"),
        SourceSpec(bucket="bucket", endpoint_url="https://minio.example:9000"),
        SourceSpec(bucket="bucket", prefix="x/"),
    ],
    ids=str,
)
def test_copies_from_another_source_stay_unless_told(other):
    world = copied({"a": b"1", "b": b"1"})
    gone(world, "a")
    world.put({"x/b": b"1"})
    run(world, replace(pruning(), source=other))
    assert "a" in world.sink.blobs
    job = world.submit(
        id=JobId("zybq000000000003"), spec=replace(pruning(replace(ALL, takes_unstamped=True)), source=other)
    )
    world.run(job)
    world.recover(job)
    assert "a" not in world.sink.blobs


def test_a_copy_whose_stamp_does_not_tell_its_source_stays():
    world = copied({"a": b"1", "b": b"1"})
    gone(world, "a")
    stored = world.sink.blobs["a"]
    old = {name: value for name, value in stored.head.metadata.items() if name != "awcopy_source"}
    world.sink.blobs["a"] = replace(stored, head=replace(stored.head, metadata=old))
    run(world, pruning())
    assert sorted(world.sink.blobs) == ["a", "b"]


def test_blobs_copied_by_a_job_of_a_wider_prefix_are_of_the_same_source():
    world = copied({"x/a": b"1", "x/b": b"1"})
    gone(world, "x/a")
    run(world, pruning(prefix="x/", to="x/"))
    assert sorted(world.sink.blobs) == ["x/b"]


def test_blobs_outside_the_prefix_or_the_selection_stay():
    world = copied({"x/a": b"1", "x/a.log": b"1", "y/b": b"1", "xx": b"1"})
    gone(world, "x/a.log", "y/b", "xx")
    spec = pruning(prefix="x/", to="x/", selection=Selection(exclude=("*.log",)))
    run(world, spec)
    assert sorted(world.sink.blobs) == ["x/a", "x/a.log", "xx", "y/b"]


def test_blobs_of_objects_that_a_date_or_size_leaves_out_stay():
    world = copied({"a": b"1", "b": b"22", "c": b"1"})
    gone(world, "c")
    run(world, pruning(selection=Selection(min_size_bytes=2)))
    assert sorted(world.sink.blobs) == ["a", "b"]


@pytest.mark.parametrize(
    ("given", "guard"),
    [
        (Pruning(most=1, most_percent=None), "max_delete"),
        (Pruning(most_percent=50.0), "max_delete"),
        (Pruning(most=2, most_percent=None), ""),
        (Pruning(most_percent=67.0), ""),
    ],
)
def test_more_than_was_allowed_means_none(given, guard):
    world = copied({"a": b"1", "b": b"1", "c": b"1"})
    gone(world, "a", "b")
    job, snapshot = run(world, pruning(given))
    assert snapshot.job.guard == guard
    assert sorted(world.sink.blobs) == (["a", "b", "c"] if guard else ["c"])
    if guard:
        assert snapshot.job.state is JobState.COMPLETED_WITH_ERRORS
        assert report(world, job)["a"] == ("extra", "")


def test_an_emptied_source_deletes_nothing():
    world = copied({"a": b"1", "b": b"1"})
    gone(world, "a", "b")
    _, snapshot = run(world, pruning())
    assert (snapshot.job.guard, sorted(world.sink.blobs)) == ("empty_source", ["a", "b"])


def test_a_listing_that_fails_half_way_deletes_nothing():
    world = copied({f"k{number}": b"1" for number in range(9)}, source=make_paged_source(2))
    gone(world, "k0", "k1")
    world.source.after_page = lambda: world.source_calls.fail("list_page", AccessDenied("no"))
    job = world.submit(id=SECOND, spec=pruning())
    world.run(job)
    snapshot = world.snapshot(job)
    finish(world.context, job.id)
    assert snapshot.job.state is JobState.FAILED
    assert len(world.sink.blobs) == 9


def test_a_sink_that_cannot_be_listed_to_its_end_deletes_nothing():
    world = copied({f"k{number}": b"1" for number in range(9)}, sink=ShortPages())
    gone(world, "k0", "k8")
    calls = []

    def fail_later():
        calls.append(1)
        if len(calls) > 3:
            raise AccessDenied("no")

    world.sink_calls.do("list_page", fail_later)
    job = world.submit(id=SECOND, spec=pruning())
    world.run(job)
    assert world.snapshot(job).job.state is JobState.FAILED
    assert len(world.sink.blobs) == 9


def test_an_object_that_failed_keeps_everything():
    world = copied({"a": b"1", "b": b"1"})
    gone(world, "a")
    world.put({"bad./k": b"1"})
    _, snapshot = run(world, pruning())
    assert (snapshot.job.guard, sorted(world.sink.blobs)) == ("failures", ["a", "b"])


def test_an_object_that_came_back_keeps_its_blob():
    world = copied({"a": b"1", "b": b"1"})
    gone(world, "a")
    world.source_calls.do("head", lambda: world.put({"a": b"1"}), name="a", times=1)
    job, snapshot = run(world, pruning())
    assert report(world, job)["a"] == ("kept", "object_exists")
    assert (snapshot.job.state, sorted(world.sink.blobs)) == (JobState.COMPLETED_WITH_ERRORS, ["a", "b"])


def test_a_blob_that_was_written_meanwhile_stays():
    world = copied({"a": b"1", "b": b"1"})
    gone(world, "a")

    def write():
        stored = world.sink.blobs["a"]
        world.sink.blobs["a"] = replace(stored, head=replace(stored.head, etag="0xOTHER"))

    world.sink_calls.do("delete_blob", write, times=1)
    job, _ = run(world, pruning())
    assert report(world, job)["a"] == ("kept", BlobConflict.code)
    assert sorted(world.sink.blobs) == ["a", "b"]


def test_a_deletion_whose_answer_was_lost_counts():
    world = copied({"a": b"1", "b": b"1"})
    gone(world, "a")

    def lose():
        del world.sink.blobs["a"]
        world.sink._sorted = None
        raise ConnectionLost("the answer was lost")

    world.sink_calls.do("delete_blob", lose, times=1)
    job, _ = run(world, pruning())
    assert report(world, job)["a"] == ("deleted", "")


class UnsortedSource(type(make_paged_source(1))):
    """A source that lists the other way round."""

    __slots__ = ()

    def list_page(self, prefix, *, after="", token="", limit=1000):
        del after, token
        page = super().list_page(prefix, limit=limit)
        return replace(page, objects=page.objects[::-1], token="")


def test_a_source_in_an_order_of_its_own_is_asked_before_a_blob_counts_as_extra():
    source = UnsortedSource()
    source.page_length, source.after_page = 1000, None
    there = SourceSpec(bucket="bucket", endpoint_url="https://s3.example.com")
    world = World(source=source)
    world.put({"a": b"1", "b": b"1", "c": b"1"})
    world.run(world.submit(spec=make_spec(source=there)))
    gone(world, "b")
    spec = replace(pruning(Pruning(most=1, most_percent=None)), source=there)
    job, _ = run(world, spec)
    assert report(world, job)["b"] == ("deleted", "")
    assert sorted(world.sink.blobs) == ["a", "c"]


keys = st.dictionaries(st.text("ab./%é", min_size=1, max_size=3), st.binary(max_size=1), max_size=10)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=keys, after=keys, crashes=st.integers(0, 6))
def test_in_the_end_both_sides_hold_the_same_though_it_was_interrupted(before, after, crashes):
    world = World(source=make_paged_source(2), sink=ShortPages())
    world.put(before)
    world.run(world.submit())
    had = set(world.sink.blobs)
    gone(world, *before)
    world.put(after)
    spec = pruning()
    plans = list(plan_copy(spec, world.source, world.sink, lambda call: call(), connections=2, now=NOW))
    job = world.submit(id=SECOND, spec=spec)
    crash_listing(world, job, crashes)
    snapshot = world.recover(job)
    planned = {plan.blob for plan in plans if plan and plan.intent == "delete"}
    assert planned == had - set(after)
    if snapshot.job.guard:
        assert set(world.sink.blobs) >= had
    else:
        found = report(world, job)
        assert set(world.sink.blobs) == {key for key in after if key in had or found[key][0] == "copied"}


def measure_sync(count):
    """Sync so many objects, 0.5 % of them changed and 0.1 % deleted; return the world, the job and its CPU a key."""
    world, stamped = World(), {}
    for number in range(count):
        obj = world.source.put_object(f"data/{number // 1000:03}/k{number:06}", b"x")
        source = name_source(SourceSpec(bucket="bucket"), obj.key)
        metadata = {"awcopy_etag": obj.etag, "awcopy_size": "1", "awcopy_source": source}
        head = make_blob(name=obj.key, size_bytes=1, metadata=metadata)
        stamped[obj.key] = StoredBlob(content=b"x", head=head)
    world.sink.blobs.update(stamped)
    names = list(stamped)
    for key in names[::200]:
        world.source.put_object(key, b"yy")
    gone(world, *names[1::1000])
    begun = time.process_time()
    _, snapshot = run(world, pruning(Pruning(most_percent=1.0)))
    return world, snapshot, (time.process_time() - begun) / count * 1e6


def test_a_large_sync_costs_requests_for_what_changed_alone():
    count = 10_000
    world, snapshot, cpu_us = measure_sync(count)
    totals, changed, deleted = snapshot.totals, count // 200, count // 1000
    assert snapshot.job.state is JobState.COMPLETED
    assert (totals.copied.objects, totals.deleted.objects) == (changed, deleted)
    assert totals.unchanged.objects == count - changed - deleted
    assert world.source_calls.calls == {
        "list_page": count // 1000, "probe": 1, "read_object": changed, "head": deleted,
    }  # fmt: skip
    assert world.sink_calls.calls == {
        "list_page": count // 5000 + 1, "probe": 1, "account": 1,
        "head": changed, "stage_block": changed, "commit_blocks": changed, "delete_blob": deleted,
    }  # fmt: skip
    assert len(world.sink.blobs) == count - deleted
    assert cpu_us < CPU_BOUND_US, f"{cpu_us:.0f} us a key"


def copied_below(contents, **facts):
    """Return a world whose sink has a copy of its source in a folder."""
    world = World(**facts)
    world.put(contents)
    assert world.run(world.submit(spec=make_spec(to="now/"))).job.state is JobState.COMPLETED
    return world


def backing_up(**changes):
    return make_spec(to="now/", sync=Sync(pruning=ALL, backup="old/{date}/"), **changes)


def test_what_is_replaced_or_deleted_is_kept_before():
    world = copied_below({"a": b"1", "b": b"1", "c": b"1"})
    before = {name: stored.content for name, stored in world.sink.blobs.items()}
    gone(world, "a")
    world.put({"b": b"new"})
    world.sink_calls.calls.clear()
    job, snapshot = run(world, backing_up())
    assert snapshot.job.state is JobState.COMPLETED
    contents = {name: stored.content for name, stored in world.sink.blobs.items()}
    assert contents == {
        "now/b": b"new",
        "now/c": b"1",
        "old/2026-01-31/a": before["now/a"],
        "old/2026-01-31/b": before["now/b"],
    }
    lines = {one.key: one for one in read_report(world.fleet, job.id)}
    assert lines["a"].detail == "kept as old/2026-01-31/a"
    assert lines["b"].notices[-1] == "backed_up: old/2026-01-31/b"
    assert world.sink_calls.calls["copy_blob"] == 2


def test_what_cannot_be_kept_stays():
    world = copied_below({"a": b"1", "b": b"1"})
    gone(world, "a")
    world.put({"b": b"new"})
    world.sink_calls.fail("copy_blob", AccessDenied("no"))
    job, snapshot = run(world, backing_up())
    assert snapshot.job.guard == "failures"
    assert report(world, job)["now/b"] == ("failed", "access_denied")
    assert {name: one.content for name, one in world.sink.blobs.items()} == {"now/a": b"1", "now/b": b"1"}


class SpoilingSink(MemorySink):
    """A sink whose own copies are cut short."""

    __slots__ = ()

    def copy_blob(self, name, to, *, etag):
        MemorySink.copy_blob(self, name, to, etag=etag)
        stored = self.blobs[to]
        self.blobs[to] = replace(stored, head=replace(stored.head, size_bytes=0))


def test_a_copy_that_is_not_what_it_should_be_keeps_the_blob():
    world = copied_below({"a": b"1", "b": b"1"}, sink=SpoilingSink())
    gone(world, "a")
    job, _ = run(world, backing_up())
    assert report(world, job)["now/a"][0] == "kept"
    assert "now/a" in world.sink.blobs


@pytest.mark.parametrize("op", ["copy_blob", "delete_blob", "commit_blocks"])
@pytest.mark.parametrize("is_after", [False, True])
def test_a_sync_that_dies_while_it_keeps_and_deletes_is_ended_by_the_next(op, is_after):
    world = copied_below({"a": b"1", "b": b"1", "c": b"1"}, sink=DyingSink())
    gone(world, "a")
    world.put({"b": b"new"})
    job = world.submit(id=SECOND, spec=backing_up())
    world.sink.dies_at, world.sink.is_after = op, is_after
    with contextlib.suppress(Crash):
        world.run(job)
        world.recover(job)
    assert world.sink.dies_at == ""
    snapshot = world.recover(job)
    assert snapshot.job.state is JobState.COMPLETED
    assert {name: stored.content for name, stored in world.sink.blobs.items()} == {
        "now/b": b"new",
        "now/c": b"1",
        "old/2026-01-31/a": b"1",
        "old/2026-01-31/b": b"1",
    }


class DyingSink(MemorySink):
    """A sink whose caller dies at one call, before or after it is done."""

    __slots__ = ("dies_at", "is_after")

    def _at(self, op, call):
        dies, self.dies_at = getattr(self, "dies_at", "") == op, getattr(self, "dies_at", "")
        if dies:
            self.dies_at = ""
            if self.is_after:
                call()
            raise Crash
        return call()

    def copy_blob(self, *given, **facts):
        return self._at("copy_blob", lambda: MemorySink.copy_blob(self, *given, **facts))

    def delete_blob(self, *given, **facts):
        return self._at("delete_blob", lambda: MemorySink.delete_blob(self, *given, **facts))

    def commit_blocks(self, *given, **facts):
        return self._at("commit_blocks", lambda: MemorySink.commit_blocks(self, *given, **facts))


def test_blobs_of_others_are_counted():
    world = copied({"a": b"1", "b": b"1"})
    gone(world, "a")
    for name in ("0", "aa", "zz"):
        world.sink.put_blob(
            name, memoryview(b"12"), crc64=crc64(b"12"), properties=BlobProperties(), condition=ALWAYS
        )
    _, snapshot = run(world, pruning())
    assert snapshot.totals.foreign == Tally(objects=3, size_bytes=6)
    assert snapshot.totals.deleted.objects == 1
    again = world.submit(id=JobId("zybq000000000004"), spec=pruning(replace(ALL, takes_unstamped=True)))
    world.run(again)
    assert world.recover(again).totals.foreign == Tally()


def test_a_dry_run_says_where_what_goes_is_kept():
    world = copied_below({"a": b"1", "b": b"1"})
    gone(world, "a")
    world.put({"b": b"new"})
    plans = plan_copy(backing_up(), world.source, world.sink, lambda call: call(), connections=2, now=NOW)
    assert {plan.object.key: plan.detail for plan in plans if plan} == {
        "a": "the blob that is there is kept as old/2026-01-31/a",
        "b": "the blob that is there is kept as old/2026-01-31/b",
    }
    assert "old/2026-01-31/a" not in world.sink.blobs
