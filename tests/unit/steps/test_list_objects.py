from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from awcopy.errors import AccessDenied, ConnectionLost, LeaseLost, RequestRefused
from awcopy.model.items import BlockRange, ItemKind, ItemState, ListRange, claim
from awcopy.model.job import JobState
from awcopy.model.outcome import Tally
from awcopy.model.spec import Selection, SourceSpec, Sync, Versions
from awcopy.planning.splitting import LAST_CHARACTER
from awcopy.steps.lease import Lease
from awcopy.steps.list_objects import LEAST_NUMBERS, PAGES_AT_ONCE, PAGES_PER_TURN, list_objects
from tests.unit.factories import make_item, make_spec
from tests.unit.world import LEASE_S, World, make_paged_source


@pytest.fixture
def world(low_limits):
    return World(source=make_paged_source(4))


def begin(world, job, **range_):
    """Give the job a list item, and a lease of it."""
    ledger = world.ledger
    item = ledger.get_item(job.id, 1) or ledger.add_item(
        make_item(1, kind=ItemKind.LIST_OBJECTS, range=ListRange(**range_))
    )
    leased = ledger.update_item(claim(item, agent=0, generation=1, now=ledger.now(), lease_s=LEASE_S))
    return Lease(ledger, leased, lease_s=LEASE_S, monotonic=world.clock.monotonic)


def list_all(world, job, **range_):
    lease = begin(world, job, **range_)
    list_objects(world.context, job, lease)
    return lease.item


def children(world, job, kind=None):
    items = list(world.ledger.list_items(job.id))[1:]
    return [item for item in items if kind is None or item.kind is kind]


def planned_keys(world, job):
    small = [
        obj.key
        for item in children(world, job, ItemKind.COPY_FILES)
        for obj in world.ledger.read_manifest(job.id, item.number, fence=item.manifest_fence)
    ]
    ranges = [item.range for item in children(world, job, ItemKind.COPY_BLOCKS)]
    return sorted(small + [world.ledger.get_file(job.id, at.file).object.key for at in ranges])


@pytest.mark.parametrize("objects", [0, 1, 3, 4, 5, 8, 30])
def test_every_listed_key_is_planned_once(world, spec, objects):
    keys = list(world.put({f"k{number:02}": b"x" * (number % 3) for number in range(objects)}))
    job = world.submit(spec=spec)
    item = list_all(world, job)
    assert item.state is ItemState.DONE
    assert planned_keys(world, job) == keys
    assert item.totals.listed == Tally(objects=objects, size_bytes=sum(n % 3 for n in range(objects)))


def test_small_files_are_packed_and_items_know_their_sums(world, spec):
    world.put({f"k{number}": b"xy" for number in range(4)})
    job = world.submit(spec=spec)
    list_all(world, job)
    assert [(item.objects, item.size_bytes) for item in children(world, job)] == [(3, 6), (1, 2)]


def test_a_large_file_becomes_a_row_and_the_item_of_its_first_range(world, spec):
    world.put({"big": bytes(1_050)})
    job = world.submit(spec=spec)
    list_all(world, job)
    [item] = children(world, job)
    file = world.ledger.get_file(job.id, item.range.file)
    assert (item.kind, item.range.index, item.size_bytes) == (ItemKind.COPY_BLOCKS, 0, 400)
    assert (file.object.key, file.blob, file.blocks, len(file.range_crcs)) == ("big", "big", 11, 3)


def test_numbers_are_kept_free_for_a_files_other_ranges(world, spec):
    world.put({"a": bytes(1_050), "b": bytes(401), "c": b"x"})
    job = world.submit(spec=spec)
    list_all(world, job)
    taken = sorted(
        (item.range.file, item.range.file + len(world.ledger.get_file(job.id, item.range.file).range_crcs))
        if isinstance(item.range, BlockRange)
        else (item.number, item.number)
        for item in children(world, job)
    )
    assert all(before[1] < after[0] for before, after in pairwise(taken))


@pytest.mark.parametrize("key", ["a/./b", "x\\y"])
def test_a_large_file_that_is_not_copied_anyway_takes_no_ranges(world, spec, key):
    world.put({key: bytes(1_000)})
    job = world.submit(spec=spec)
    list_all(world, job)
    assert [item.kind for item in children(world, job)] == [ItemKind.COPY_FILES]


def test_what_the_filters_leave_out_is_counted_beside_the_sum(world, spec):
    world.put({"a.txt": b"xx", "b.log": b"x", "c.log": b"x"})
    job = world.submit(spec=replace(spec, selection=Selection(exclude=("*.log",))))
    item = list_all(world, job)
    assert item.totals.listed == Tally(objects=1, size_bytes=2)
    assert item.totals.excluded == Tally(objects=2, size_bytes=2)


def test_only_keys_under_the_prefix_are_listed(world):
    world.put({"a/1": b"", "b/1": b"", "b/2": b"", "c": b""})
    job = world.submit(spec=make_spec(prefix="b/"))
    list_all(world, job)
    assert planned_keys(world, job) == ["b/1", "b/2"]


@pytest.mark.parametrize("range_", [{"after": "k2"}, {"before": "k5"}, {"after": "k1", "before": "k7"}])
def test_a_range_holds_the_keys_between_its_ends(world, spec, range_):
    keys = world.put({f"k{number}": b"" for number in range(9)})
    job = world.submit(spec=spec)
    list_all(world, job, **range_)
    low, high = range_.get("after", ""), range_.get("before", "~")
    assert planned_keys(world, job) == [key for key in keys if low < key < high]


@pytest.mark.parametrize("sync", [None, Sync()])
def test_a_long_listing_is_given_back_in_good_order_and_goes_on_where_it_was(world, spec, sync):
    pages = PAGES_PER_TURN + 1
    keys = list(world.put({f"k{number:04}": b"" for number in range(4 * pages)}))
    job = world.submit(spec=replace(spec, sync=sync))
    item = list_all(world, job)
    assert (item.state, item.attempts) == (ItemState.READY, 0)
    assert list_all(world, job).state is ItemState.DONE
    assert planned_keys(world, job) == keys


def list_ready(world, job):
    """List every range that is ready, and those that are split off then, the last first; return how many they were."""
    listed = set()
    while ranges := [
        item for item in children(world, job, ItemKind.LIST_OBJECTS) if item.state is ItemState.READY
    ]:
        ledger = world.ledger
        held = claim(ranges[-1], agent=0, generation=1, now=ledger.now(), lease_s=LEASE_S)
        lease = Lease(ledger, ledger.update_item(held), lease_s=LEASE_S, monotonic=world.clock.monotonic)
        list_objects(world.context, job, lease)
        listed.add(lease.item.number)
    return len(listed)


@pytest.mark.parametrize("names", ["{:04}", "{:x}", "a/{:03}/b", "2024/{:02}/{:02}"])
def test_agents_without_work_list_a_part_each_and_every_key_is_planned_once(world, spec, names, monkeypatch):
    monkeypatch.setattr("awcopy.steps.list_objects.PAGES_PER_SPLIT", 1)
    keys = sorted(world.put({names.format(number, number % 7): b"" for number in range(300)}))
    job = world.submit(spec=replace(spec, agents=1_000))
    list_all(world, job)
    assert list_ready(world, job) > 3
    assert planned_keys(world, job) == keys
    items = list(world.ledger.list_items(job.id))
    assert sum(item.totals.listed.objects for item in items) == len(keys)
    assert all(item.state is ItemState.DONE for item in items if item.kind is ItemKind.LIST_OBJECTS)
    # The report is in the order of the keys all the same.
    objects = [
        obj.key
        for item in children(world, job, ItemKind.COPY_FILES)
        for obj in world.ledger.read_manifest(job.id, item.number, fence=item.manifest_fence)
    ]
    assert objects == keys


@pytest.mark.parametrize(
    "change",
    [
        {"agents": 1},  # which has work
        {"versions": Versions.ALL},
        {"source": SourceSpec(bucket="bucket", endpoint_url="https://store.example")},
    ],
)
def test_a_range_is_not_split_without_need_or_where_the_order_is_not_known(world, spec, change, monkeypatch):
    monkeypatch.setattr("awcopy.steps.list_objects.PAGES_PER_SPLIT", 1)
    world.source.keeps_versions = True
    world.put({f"{number:03}": b"" for number in range(30)})
    job = world.submit(spec=replace(spec, **({"agents": 100} | change)))
    list_all(world, job)
    assert not children(world, job, ItemKind.LIST_OBJECTS)


def test_a_source_that_takes_no_look_for_a_split_is_listed_by_one(world, spec, monkeypatch):
    monkeypatch.setattr("awcopy.steps.list_objects.PAGES_PER_SPLIT", 1)
    keys = sorted(world.put({f"{number:03}": b"" for number in range(30)}))
    job = world.submit(spec=replace(spec, agents=100))
    list_page = world.source.list_page

    def refuse(prefix, *, after="", token="", limit=1000):
        if after.endswith(LAST_CHARACTER):
            raise RequestRefused("no such character")
        return list_page(prefix, after=after, token=token, limit=limit)

    monkeypatch.setattr(
        type(world.source), "list_page", lambda _source, *args, **named: refuse(*args, **named)
    )
    assert list_all(world, job).state is ItemState.DONE
    assert planned_keys(world, job) == keys


def test_numbers_of_items_decide_how_often_a_range_is_split(world, spec, monkeypatch):
    monkeypatch.setattr("awcopy.steps.list_objects.PAGES_PER_SPLIT", 1)
    world.put({f"{number:03}": b"" for number in range(300)})
    job = world.submit(spec=replace(spec, agents=1_000))
    list_all(world, job, next_number=2, last_number=3 * LEAST_NUMBERS)
    (upper,) = children(world, job, ItemKind.LIST_OBJECTS)
    assert upper.range.last_number - upper.range.next_number >= LEAST_NUMBERS - 1


def test_a_lister_that_was_frozen_splits_nothing_off(world, spec, monkeypatch):
    monkeypatch.setattr("awcopy.steps.list_objects.PAGES_PER_SPLIT", 1)
    keys = sorted(world.put({f"{number:03}": b"" for number in range(60)}))
    job = world.submit(spec=replace(spec, agents=1_000))
    lease = begin(world, job)
    held = lease.item
    list_objects(world.context, job, lease)
    parts = children(world, job, ItemKind.LIST_OBJECTS)
    assert parts
    stale = Lease(world.ledger, held, lease_s=LEASE_S, monotonic=world.clock.monotonic)
    with pytest.raises(LeaseLost):
        list_objects(world.context, job, stale)
    assert children(world, job, ItemKind.LIST_OBJECTS) == parts
    list_ready(world, job)
    assert planned_keys(world, job) == keys


def test_a_token_that_the_source_has_forgotten_is_not_needed(world, spec):
    keys = list(world.put({f"k{number:02}": b"" for number in range(12)}))
    job = world.submit(spec=spec)
    list_page = world.source.list_page

    class ForgetfulSource:
        def list_page(self, prefix, *, after="", token="", limit=1000):
            if token:
                raise RequestRefused("the token is too old")
            return list_page(prefix, after=after, limit=limit)

    world.context = replace(world.context, open_stores=lambda _job: (ForgetfulSource(), world.sink))
    list_all(world, job)
    assert planned_keys(world, job) == keys


def test_what_was_planned_before_an_error_stays_planned_once(world, spec):
    keys = list(world.put({f"k{number:02}": b"" for number in range(12)}))
    job = world.submit(spec=spec)
    world.source.after_page = lambda: world.source_calls.fail("list_page", AccessDenied("no"))
    with pytest.raises(AccessDenied):
        list_all(world, job)
    assert planned_keys(world, job) == keys[:4]
    world.source_calls.plans.clear()
    lease = Lease(world.ledger, world.ledger.get_item(job.id, 1), lease_s=LEASE_S)
    list_objects(world.context, job, lease)
    assert planned_keys(world, job) == keys


def test_pages_of_a_sync_are_planned_together_but_for_the_first(world, spec):
    world.put({f"k{number:02}": b"" for number in range(4 * (PAGES_AT_ONCE + 2))})
    job = world.submit(spec=replace(spec, sync=Sync()))
    planned = []
    world.source_calls.do("list_page", lambda: planned.append(len(planned_keys(world, job))))
    list_all(world, job)
    assert planned == [0, *[4] * PAGES_AT_ONCE, 4 * (PAGES_AT_ONCE + 1)]


def test_a_page_that_fails_leaves_those_before_it_planned(world, spec):
    keys = list(world.put({f"k{number:02}": b"" for number in range(20)}))
    job = world.submit(spec=replace(spec, sync=Sync()))

    def fail_at_the_fourth():
        if world.source_calls.calls["list_page"] > before + 3:
            raise AccessDenied("no")

    before = world.source_calls.calls["list_page"]
    world.source_calls.do("list_page", fail_at_the_fourth)
    with pytest.raises(AccessDenied):
        list_all(world, job)
    assert planned_keys(world, job) == keys[:12]


def test_attempts_that_brought_a_listing_further_are_forgotten(world, spec):
    world.put({f"k{number:02}": b"" for number in range(12)})
    job = world.submit(spec=spec)
    lease = begin(world, job)
    lease.save(lambda item: replace(item, attempts=8))
    world.source.after_page = lambda: world.source_calls.fail("list_page", AccessDenied("no"))
    with pytest.raises(AccessDenied):
        list_objects(world.context, job, lease)
    assert world.ledger.get_item(job.id, 1).attempts == 1


def test_keys_that_appear_or_vanish_between_pages_disturb_no_others(world, spec):
    keys = world.put({f"k{number}": b"" for number in range(8)})
    job = world.submit(spec=spec)

    def change():
        world.source.put_object("k0-late", b"")
        world.source.delete_object("k1")
        world.source.put_object("k5-new", b"")

    world.source.after_page = change
    list_all(world, job)
    assert planned_keys(world, job) == sorted([*keys, "k5-new"])


def test_a_lister_that_lost_its_item_writes_nothing(world, spec):
    world.put({"a": b"", "b": b""})
    job = world.submit(spec=spec)
    lease = begin(world, job)
    world.ledger.update_item(world.ledger.get_item(job.id, 1))
    with pytest.raises(LeaseLost):
        list_objects(world.context, job, lease)
    assert children(world, job) == []


def test_a_lister_that_was_frozen_replaces_no_manifest_of_the_one_that_took_its_place(world, spec):
    world.put({"a": b"", "b": b""})
    job = world.submit(spec=spec, state=JobState.RUNNING)
    lease = begin(world, job)

    def sleep_while_another_lists():
        world.clock.seconds += 2 * LEASE_S
        world.source.delete_object("a")
        row = world.ledger.get_item(job.id, 1)
        world.ledger.update_item(replace(row, state=ItemState.READY))
        list_all(world, job)

    world.source.after_page = sleep_while_another_lists
    with pytest.raises(LeaseLost):
        list_objects(world.context, job, lease)
    assert planned_keys(world, job) == ["b"]


# The whole job.


def test_a_listing_that_is_refused_fails_the_job_with_the_reason(world, spec):
    world.put({f"k{number}": b"x" for number in range(9)})
    job = world.submit(spec=spec)
    world.source.after_page = None
    generation = world.start(job)
    world.source_calls.fail("list_page", AccessDenied("s3:ListBucket is not allowed"))
    world.take_turns(generation)
    ended = world.ledger.get_job(job.id)
    assert ended.state is JobState.FAILED
    assert "could not be listed: s3:ListBucket is not allowed" in ended.detail
    assert ended.sealed == ""


def test_a_listing_that_meets_an_outage_goes_on_when_it_is_over(world, spec):
    contents = world.put({f"k{number}": b"x" for number in range(9)})
    job = world.submit(spec=spec)
    generation = world.start(job)
    world.source_calls.fail("list_page", ConnectionLost("no route"), times=15)
    world.take_turns(generation)
    world.recover(job)
    world.assert_copied(job, contents)
