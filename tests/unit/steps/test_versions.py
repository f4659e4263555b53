"""A job that copies all versions, from the listing to the report."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from awcopy.jobs.queries import read_report
from awcopy.ledger.memory import MemoryLedger
from awcopy.model.job import JobState
from awcopy.model.outcome import Result
from awcopy.model.spec import Overwrite, Pruning, Sync, Versions
from awcopy.planning.metadata import STAMP_KEY, STAMP_VERSION
from awcopy.planning.versions import read_versioned_key
from awcopy.source.memory import START, MemorySource
from awcopy.units import MIB
from tests.unit.factories import make_spec
from tests.unit.world import Crash, World

HELD = {"a.txt": [b"a1", b"a2", b"a3"], "b": [b"b1"], "gone": [b"g1", b"g2"]}


@pytest.fixture
def world(low_limits):
    del low_limits
    return World(source=MemorySource(keeps_versions=True))


@pytest.fixture
def all_versions():
    spec = make_spec()
    return replace(
        spec,
        source=replace(spec.source, prefix=""),
        sink=replace(spec.sink, prefix=""),
        versions=Versions.ALL,
    )


def fill(world):
    at = START
    for key, contents in HELD.items():
        for content in contents:
            world.source.put_object(key, content, modified_at=at)
            at += timedelta(seconds=1)
    world.source.delete_object("gone")


def outcomes(world, job):
    return list(read_report(world.fleet, job.id))


def test_each_version_has_a_blob_and_one_outcome_and_the_sums_add_up(world, all_versions):
    fill(world)
    job = world.submit(spec=all_versions)
    snapshot = world.run(job)
    assert snapshot.job.state is JobState.COMPLETED
    totals = snapshot.totals
    assert (totals.listed.objects, totals.copied.objects, totals.skipped.objects) == (7, 6, 1)
    told = outcomes(world, job)
    assert len({(one.key, one.version_id) for one in told}) == len(told) == 7
    (marker,) = [one for one in told if one.result is Result.SKIPPED]
    assert (marker.key, marker.reason) == ("gone", "delete_marker")
    assert world.sink.blobs["a.txt"].content == b"a3"
    held = {(read_versioned_key(name).key, blob.content) for name, blob in world.sink.blobs.items()}
    assert held == {(key, content) for key, contents in HELD.items() for content in contents}


def test_blobs_say_which_version_they_are_a_copy_of(world, all_versions):
    fill(world)
    job = world.submit(spec=all_versions)
    world.run(job)
    for one in outcomes(world, job):
        if one.result is Result.COPIED:
            stamp = world.sink.blobs[one.blob].head.metadata
            assert stamp[STAMP_VERSION] == one.version_id
            assert stamp.get(STAMP_KEY, one.blob) == one.key


def test_a_second_run_copies_the_new_version_and_the_one_that_it_replaced_and_nothing_else(
    world, all_versions
):
    fill(world)
    world.run(world.submit(spec=all_versions))
    world.source.put_object("a.txt", b"a4", modified_at=START + timedelta(days=1))
    job = world.submit(spec=all_versions, id="zyc0v3b8k2m4n6p9")
    totals = world.run(job).totals
    assert (totals.copied.objects, totals.unchanged.objects) == (2, 5)
    assert world.sink.blobs["a.txt"].content == b"a4"


def test_a_bucket_that_keeps_no_versions_is_copied_all_the_same(all_versions):
    world = World()
    world.put({"k": b"content"})
    job = world.submit(spec=all_versions)
    assert world.run(job).job.state is JobState.COMPLETED
    assert world.sink.blobs["k"].content == b"content"
    assert [one.version_id for one in outcomes(world, job)] == ["null"]


def test_an_older_version_is_read_though_the_key_was_deleted_or_written_since_it_was_listed(
    world, all_versions
):
    world.source.put_object("k", b"old")
    world.source.put_object("k", b"new")
    world.source_calls.do("read_object", lambda: world.source.put_object("k", b"newest"), times=1)
    job = world.submit(spec=replace(all_versions, overwrite=Overwrite.ALWAYS))
    assert world.run(job).totals.copied.objects == 2
    assert {blob.content for blob in world.sink.blobs.values()} == {b"old", b"new"}


def test_versions_of_large_files_are_each_copied_whole(world, all_versions):
    for fill_byte in (b"1", b"2"):
        world.source.put_object("large", fill_byte * (3 * MIB))
    job = world.submit(spec=replace(all_versions, block_size_bytes=MIB))
    assert world.run(job).totals.copied.objects == 2
    assert {blob.content[:1] for blob in world.sink.blobs.values()} == {b"1", b"2"}


@pytest.mark.parametrize("crash_at", range(1, 9))
def test_a_listing_that_is_interrupted_plans_each_version_once(world, all_versions, crash_at, monkeypatch):
    for number in range(9):  # more than one page, and more rows than one batch takes
        world.source.put_object("same", bytes([number]) * 3)
        world.source.put_object(f"k{number}", bytes(3 * MIB))
    fill(world)
    listed = MemorySource.list_versions

    class Paged(MemorySource):
        __slots__ = ()

        def list_versions(self, prefix, *, token="", limit=1000):
            return listed(self, prefix, token=token, limit=min(limit, 7))

    world.source.__class__ = Paged
    calls = Counter()
    extend = MemoryLedger.extend

    def dying(ledger, parent, children, files):
        calls["extend"] += 1
        if calls["extend"] == crash_at:
            raise Crash
        return extend(ledger, parent, children, files)

    monkeypatch.setattr(MemoryLedger, "extend", dying)
    job = world.submit(spec=all_versions)
    with pytest.raises(Crash):
        world.run(job)
    world.recover(job)
    told = Counter((one.key, one.version_id) for one in outcomes(world, job))
    assert set(told.values()) == {1}
    assert len(told) == 18 + 7
    assert world.snapshot(job).job.state is JobState.COMPLETED


def test_a_sync_that_deletes_leaves_older_versions_alone(world, all_versions):
    fill(world)
    world.run(world.submit(spec=all_versions))
    before = set(world.sink.blobs)
    pruning = Sync(pruning=Pruning(most_percent=None))
    job = world.submit(
        spec=replace(all_versions, versions=Versions.LATEST, sync=pruning), id="zyc0v3b8k2m4n6p9"
    )
    assert world.run(job).totals.deleted.objects == 0
    assert set(world.sink.blobs) == before
