"""What every ledger does: the suite of the port, run on each adapter."""

from __future__ import annotations

import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest

from awcopy.config import Secret
from awcopy.errors import Conflict, JobNotFound
from awcopy.ledger.azure import AzureLedger
from awcopy.ledger.base import EXTEND_LIMIT
from awcopy.ledger.memory import MemoryLedger
from awcopy.model.items import (
    BlockRange,
    FileState,
    Item,
    ItemKind,
    ItemState,
    LargeFile,
    ListRange,
    claim,
    complete,
)
from awcopy.model.job import Job, JobId, JobState, new_job_id
from awcopy.model.notification import Event, Notification
from awcopy.model.objects import SourceObject
from awcopy.model.outcome import FailureCount, FailureCounts, Outcome, Proof, Result, Tally, Totals
from awcopy.model.schedule import Fate, Occurrence, Overlap, Schedule
from awcopy.model.spec import JobSpec, Selection, SinkSpec, SourceSpec
from awcopy.model.token import Role, Token

NOW = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
SPEC = JobSpec(
    source=SourceSpec(bucket="photos", prefix="2026/"), sink=SinkSpec(account="acc", container="c")
)
JOB = JobId("0abc")
HARD_KEY = "a'b\"c\\d/é\u2028😀\n\t\x01\x7f #?%"


@pytest.fixture(params=["memory", "azure", "azure that remembers"])
def ledger(request):
    if request.param == "memory":
        yield MemoryLedger()
        return
    azurite = request.getfixturevalue("azurite")
    account = Secret(azurite.endpoint.connection_string)
    remembers = request.param != "azure"
    with AzureLedger(account, f"t{secrets.token_hex(8)}", remembers=remembers) as azure:
        azure.prepare()
        yield azure


def make_job(job_id: str = JOB, **changes) -> Job:
    facts = {"name": "nightly", "user": "ann", "spec": SPEC, "state": JobState.QUEUED}
    return Job(**{"id": JobId(job_id), "created_at": NOW, "changed_at": NOW, **facts, **changes})


def make_item(number: int = 1, **changes) -> Item:
    return Item(**{"job_id": JOB, "number": number, "kind": ItemKind.COPY_FILES, **changes})


def make_list_item(**changes) -> Item:
    return make_item(1, kind=ItemKind.LIST_OBJECTS, range=ListRange(), **changes)


def make_object(key: str = HARD_KEY, **changes) -> SourceObject:
    return SourceObject(**{"key": key, "size_bytes": 7, "etag": "e", "modified_at": NOW, **changes})


def make_file(number: int = 1, **changes) -> LargeFile:
    facts = {
        "object": make_object(),
        "blob": HARD_KEY,
        "block_size_bytes": 8,
        "blocks": 9,
        "blocks_per_range": 4,
    }
    return LargeFile(**{"job_id": JOB, "number": number, **facts, **changes})


def test_prepare_may_be_called_again_and_costs_no_job(ledger):
    ledger.prepare()
    job = ledger.add_job(make_job())
    ledger.prepare()
    assert ledger.get_job(job.id) == job


def test_now_is_the_present_time_in_utc(ledger):
    assert ledger.now().utcoffset() == timedelta(0)
    assert abs(ledger.now() - datetime.now(UTC)) < timedelta(seconds=3)


def test_now_goes_forward(ledger):
    before = ledger.now()
    time.sleep(0.05)
    assert timedelta(seconds=0.04) < ledger.now() - before < timedelta(seconds=2)


def test_a_job_is_read_as_it_was_added(ledger):
    job = make_job(
        name=HARD_KEY,
        spec=replace(
            SPEC, selection=Selection(include=(HARD_KEY, "*.jpg"), newer_than=NOW, min_size_bytes=0)
        ),
        sealed="c2VhbGVk",
        sink_was_empty=True,
        totals=Totals(
            listed=Tally(objects=2**40, size_bytes=2**60),
            failures=FailureCounts(
                counts=(FailureCount(reason="corrupt", tally=Tally(objects=2**40), item=10**12 - 1, fence=3),)
            ),
        ),
    )
    added = ledger.add_job(job)
    assert added.version
    assert replace(added, version="") == job
    assert ledger.get_job(JOB) == added


def test_several_jobs_are_read_by_their_ids(ledger):
    jobs = {job.id: ledger.add_job(job) for job in (make_job(f"{number:04}") for number in range(30))}
    wanted = [*list(jobs)[3:28], JobId("nothere"), JobId("it's")]
    assert ledger.get_jobs(wanted) == {job_id: jobs[job_id] for job_id in wanted if job_id in jobs}
    changed = ledger.update_job(replace(jobs["0004"], name="other"))
    assert ledger.get_jobs([JobId("0004")]) == {"0004": changed}
    assert ledger.get_jobs([]) == {}


def test_a_job_cannot_be_added_twice(ledger):
    ledger.add_job(make_job())
    with pytest.raises(Conflict):
        ledger.add_job(make_job(name="other"))
    assert ledger.get_job(JOB).name == "nightly"


@pytest.mark.parametrize("job_id", ["nothere", "", "it's", "a/b", "x#?", "\x00", "ü", "a" * 2000])
def test_a_job_that_is_not_there_is_not_found(ledger, job_id):
    with pytest.raises(JobNotFound):
        ledger.get_job(JobId(job_id))


def test_an_update_gives_a_new_version(ledger):
    added = ledger.add_job(make_job())
    updated = ledger.update_job(replace(added, state=JobState.RUNNING, generation=1))
    assert updated.version != added.version
    assert ledger.get_job(JOB) == updated


def test_an_update_with_an_old_version_changes_nothing(ledger):
    added = ledger.add_job(make_job(detail="first"))
    updated = ledger.update_job(replace(added, detail=""))
    with pytest.raises(Conflict):
        ledger.update_job(replace(added, detail="lost"))
    assert ledger.get_job(JOB) == updated


def test_an_update_that_repeats_what_is_there_still_makes_older_versions_stale(ledger):
    added = ledger.add_job(make_job())
    ledger.update_job(added)
    with pytest.raises(Conflict):
        ledger.update_job(added)


@pytest.mark.parametrize("version", ["", None])
def test_a_job_that_is_gone_or_was_never_read_cannot_be_updated(ledger, version):
    added = ledger.add_job(make_job())
    if version is None:
        ledger.delete_job(JOB)
    with pytest.raises(Conflict):
        ledger.update_job(added if version is None else replace(added, version=version))


def test_jobs_are_listed_newest_first(ledger):
    ids = [new_job_id(NOW + timedelta(seconds=second)) for second in range(5)]
    for job_id in ids:
        ledger.add_job(make_job(job_id))
    assert [job.id for job in ledger.list_jobs()] == ids[::-1]
    assert ledger.list_jobs()[0] == ledger.get_job(ids[-1])


def test_jobs_are_listed_in_parts(ledger):
    ids = [f"0{letter}" for letter in "abcde"]
    for job_id in ids:
        ledger.add_job(make_job(job_id))
    assert [job.id for job in ledger.list_jobs(limit=2)] == ["0a", "0b"]
    assert [job.id for job in ledger.list_jobs(limit=2, after=JobId("0b"))] == ["0c", "0d"]
    assert ledger.list_jobs(limit=0) == []


def test_jobs_that_are_open_or_ended_lately_are_told_from_all_others(ledger):
    long_ago = NOW - timedelta(days=1, seconds=1)
    for job_id, state, changed_at in (
        ("0a", JobState.RUNNING, long_ago),
        ("0b", JobState.COMPLETED, long_ago),
        ("0c", JobState.FAILED, NOW - timedelta(days=1)),
        ("0d", JobState.QUEUED, NOW),
        ("0e", JobState.CANCELLED, NOW),
    ):
        ledger.add_job(replace(make_job(job_id), state=state, changed_at=changed_at))
    assert [job.id for job in ledger.open_jobs()] == ["0a", "0d"]
    assert [job.id for job in ledger.open_jobs(ended_since=NOW - timedelta(days=1))] == [
        "0a",
        "0c",
        "0d",
        "0e",
    ]


@pytest.mark.parametrize(
    ("prefix", "found"),
    [("0a", ["0a", "0ab", "0az"]), ("0ab", ["0ab"]), ("0z", []), ("0a'", []), ("/", [])],
)
def test_jobs_are_found_by_the_beginning_of_their_id(ledger, prefix, found):
    for job_id in ["0a", "0ab", "0az", "0b"]:
        ledger.add_job(make_job(job_id))
    assert [job.id for job in ledger.list_jobs(id_prefix=prefix)] == found
    assert [job.id for job in ledger.list_jobs(id_prefix=prefix, after=JobId("0a"))] == found[
        found[:1] == ["0a"] :
    ]


@pytest.mark.parametrize(
    "item",
    [
        make_item(),
        make_item(10**12 - 1, objects=2**40, size_bytes=2**60),
        make_item(kind=ItemKind.COPY_BLOCKS, range=BlockRange(file=3, index=0, first=0, end=64)),
        make_item(kind=ItemKind.LIST_OBJECTS, range=ListRange()),
        make_item(kind=ItemKind.LIST_OBJECTS, range=ListRange(after=HARD_KEY, before=HARD_KEY, token="t==")),
        make_item(state=ItemState.LEASED, agent=3, generation=2, fence=5, attempts=2, lease_until=NOW),
        make_item(
            state=ItemState.DONE, totals=Totals(copied=Tally(objects=1, size_bytes=7)), outcome_fence=5
        ),
    ],
)
def test_an_item_is_read_as_it_was_added(ledger, item):
    added = ledger.add_item(item)
    assert replace(added, version="") == item
    assert ledger.get_item(JOB, item.number) == added
    assert list(ledger.list_items(JOB)) == [added]


def test_items_are_listed_from_after_one_on(ledger):
    ledger.add_job(make_job())
    for number in (1, 2, 9, 10, 100):
        ledger.add_item(Item(job_id=JOB, number=number, kind=ItemKind.COPY_FILES))
    assert [item.number for item in ledger.list_items(JOB, after=2)] == [9, 10, 100]
    assert [item.number for item in ledger.list_items(JOB, after=9, limit=1)] == [10]
    assert list(ledger.list_items(JOB, after=100)) == []


def test_an_item_that_is_not_there_is_none(ledger):
    assert ledger.get_item(JOB, 1) is None
    assert list(ledger.list_items(JOB)) == []


def test_an_item_cannot_be_added_twice(ledger):
    ledger.add_item(make_item())
    with pytest.raises(Conflict):
        ledger.add_item(make_item(objects=9))


def test_a_listed_item_can_be_updated(ledger):
    ledger.add_item(make_item(lease_until=NOW))
    listed = next(ledger.list_items(JOB))
    updated = ledger.update_item(replace(listed, lease_until=None))
    assert ledger.get_item(JOB, 1) == updated
    assert updated.lease_until is None


def test_items_of_other_jobs_are_left_alone(ledger):
    ledger.add_item(make_item(job_id=JobId("0other")))
    assert ledger.get_item(JOB, 1) is None
    assert list(ledger.list_items(JOB)) == []


def test_items_are_listed_by_state(ledger):
    states = (ItemState.READY, ItemState.LEASED, ItemState.DONE, ItemState.WAITING)
    for number, state in enumerate(states, start=1):
        ledger.add_item(make_item(number, state=state))

    def list_numbers(**wanted):
        return [item.number for item in ledger.list_items(JOB, **wanted)]

    assert list_numbers() == [1, 2, 3, 4]
    assert list_numbers(states={ItemState.READY}) == [1]
    assert list_numbers(states={ItemState.WAITING}) == [4]
    assert list_numbers(states=[ItemState.DONE, ItemState.READY]) == [1, 3]
    assert list_numbers(states=[ItemState.DONE, ItemState.READY], limit=1) == [1]
    assert list_numbers(limit=0) == []


def test_sixteen_claims_of_one_item_have_one_winner(ledger):
    ledger.add_item(make_item())
    start = Barrier(16)

    def try_claim(agent: int) -> bool:
        item = ledger.get_item(JOB, 1)
        start.wait()
        try:
            ledger.update_item(claim(item, agent=agent, generation=1, now=NOW, lease_s=60))
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        won = list(pool.map(try_claim, range(16)))
    assert won.count(True) == 1
    item = ledger.get_item(JOB, 1)
    assert (item.agent, item.fence, item.attempts) == (won.index(True), 1, 1)


def test_threads_that_read_again_after_a_conflict_lose_no_update(ledger):
    ledger.add_item(make_item())

    def count_up(_: int) -> None:
        while True:
            item = ledger.get_item(JOB, 1)
            try:
                ledger.update_item(replace(item, objects=item.objects + 1))
            except Conflict:
                continue
            return

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(count_up, range(40)))
    assert ledger.get_item(JOB, 1).objects == 40


def test_extend_updates_the_list_item_and_adds_what_it_found(ledger):
    parent = ledger.add_item(make_list_item())
    grown = replace(parent, range=ListRange(after="m", next_number=4))
    updated = ledger.extend(grown, [make_item(2), make_item(3)], [make_file(1)])
    assert updated == replace(grown, version=updated.version)
    assert updated.version != parent.version
    assert ledger.get_item(JOB, 1) == updated
    assert [item.number for item in ledger.list_items(JOB)] == [1, 2, 3]
    assert replace(ledger.get_file(JOB, 1), version="") == make_file(1)


def test_what_extend_gives_can_be_extended_again(ledger):
    parent = ledger.add_item(make_list_item())
    for number in (2, 3, 4):
        parent = ledger.extend(parent, [make_item(number)], [])
    done = ledger.extend(complete(parent, Totals(), has_outcomes=False), [], [])
    assert ledger.get_item(JOB, 1) == done


def test_extend_with_an_old_version_adds_nothing(ledger):
    parent = ledger.add_item(make_list_item())
    current = ledger.update_item(parent)
    with pytest.raises(Conflict):
        ledger.extend(replace(parent, objects=9), [make_item(2)], [make_file(1)])
    assert list(ledger.list_items(JOB)) == [current]
    with pytest.raises(JobNotFound):
        ledger.get_file(JOB, 1)


@pytest.mark.parametrize("clash", ["item", "file", "missing parent"])
def test_extend_adds_all_or_nothing(ledger, clash):
    parent = ledger.add_item(make_list_item())
    if clash == "missing parent":
        ledger.delete_job(JOB)
    else:
        files = [make_file(7)] if clash == "file" else []
        parent = ledger.extend(parent, [] if files else [make_item(7)], files)
    before = list(ledger.list_items(JOB))
    with pytest.raises(Conflict):
        ledger.extend(parent, [make_item(2), make_item(7)], [make_file(2), make_file(7)])
    assert list(ledger.list_items(JOB)) == before
    with pytest.raises(JobNotFound):
        ledger.get_file(JOB, 2)


def test_extend_takes_up_to_its_limit(ledger):
    parent = ledger.add_item(make_list_item())
    files = [make_file(number, blob="\x01" * 1024) for number in range(1, 11)]
    children = [make_item(number) for number in range(2, EXTEND_LIMIT - 8)]
    updated = ledger.extend(parent, children, files)
    assert len(list(ledger.list_items(JOB))) == EXTEND_LIMIT - 9
    assert ledger.get_file(JOB, 10).blob == "\x01" * 1024
    with pytest.raises(ValueError, match="more than"):
        ledger.extend(updated, [make_item(number) for number in range(500, 501 + EXTEND_LIMIT)], [])


def test_of_threads_that_extend_one_list_item_one_wins(ledger):
    parent = ledger.add_item(make_list_item())

    def try_extend(number: int) -> int:
        try:
            ledger.extend(parent, [make_item(number), make_item(number + 100)], [make_file(number)])
        except Conflict:
            return 0
        return number

    with ThreadPoolExecutor(8) as pool:
        winners = [number for number in pool.map(try_extend, range(2, 10)) if number]
    assert len(winners) == 1
    assert [item.number for item in ledger.list_items(JOB)] == [1, winners[0], winners[0] + 100]


def test_thousands_of_items_are_listed_in_order(ledger):
    parent = ledger.add_item(make_list_item())
    numbers = range(2, 1502)
    for first in numbers[::EXTEND_LIMIT]:
        part = range(first, min(first + EXTEND_LIMIT, 1502))
        children = [make_item(n, state=(ItemState.READY, ItemState.LEASED)[n % 2]) for n in part]
        parent = ledger.extend(parent, children, [])
    assert [item.number for item in ledger.list_items(JOB)] == [1, *numbers]
    assert [item.number for item in ledger.list_items(JOB, limit=1200)] == list(range(1, 1201))
    leased = [item.number for item in ledger.list_items(JOB, states={ItemState.LEASED})]
    assert leased == list(numbers[1::2])
    ledger.delete_job(JOB)
    assert list(ledger.list_items(JOB)) == []


def test_a_large_file_with_many_ranges_is_read_as_it_was_written(ledger):
    parent = ledger.add_item(make_list_item())
    ledger.extend(parent, [], [make_file()])
    crcs = tuple(None if index % 3 == 0 else index * 0x1234_5678_9ABC % 2**64 for index in range(8_000))
    holder = ledger.get_item(JOB, parent.number)
    file = replace(ledger.get_file(JOB, 1), range_crcs=crcs, state=FileState.OPEN)
    holder, updated = ledger.update_file(holder, file)
    assert updated.range_crcs == crcs
    assert ledger.get_file(JOB, 1) == updated
    _, shorter = ledger.update_file(holder, replace(updated, range_crcs=(2**64 - 1, 0, None)))
    assert ledger.get_file(JOB, 1) == shorter


def test_a_large_file_with_an_old_version_is_not_updated(ledger):
    holder = ledger.extend(ledger.add_item(make_list_item()), [], [make_file()])
    file = ledger.get_file(JOB, 1)
    holder, updated = ledger.update_file(replace(holder, size_bytes=5), replace(file, outcome_item=1))
    with pytest.raises(Conflict):
        ledger.update_file(replace(holder, size_bytes=7), replace(file, outcome_item=2))
    assert ledger.get_file(JOB, 1) == updated
    assert ledger.get_item(JOB, holder.number) == holder
    assert (updated.outcome_item, holder.size_bytes) == (1, 5)


def test_a_large_file_is_not_updated_by_one_who_has_lost_its_item(ledger):
    old = ledger.extend(ledger.add_item(make_list_item()), [], [make_file()])
    new = ledger.update_item(replace(old, fence=9))
    file = ledger.get_file(JOB, 1)
    with pytest.raises(Conflict):
        ledger.update_file(old, replace(file, outcome_item=2))
    assert ledger.get_file(JOB, 1) == file
    assert ledger.get_item(JOB, old.number) == new


def test_a_large_job_is_read_as_it_was_written(ledger):
    spec = replace(SPEC, selection=Selection(include=tuple(f"é{index:06d}" for index in range(10_000))))
    added = ledger.add_job(make_job(spec=spec))
    assert ledger.get_job(JOB).spec == spec
    ledger.update_job(replace(added, spec=SPEC))
    assert ledger.get_job(JOB).spec == SPEC


def test_a_manifest_is_read_in_the_order_in_which_it_was_written(ledger):
    objects = [make_object(f"{HARD_KEY}{index}", size_bytes=index) for index in range(1000, 0, -1)]
    objects.append(make_object(storage_class="GLACIER", version_id="null"))
    ledger.write_manifest(JOB, 3, iter(objects))
    assert ledger.read_manifest(JOB, 3) == objects


def test_a_manifest_can_be_replaced(ledger):
    ledger.write_manifest(JOB, 3, [make_object("old")])
    ledger.write_manifest(JOB, 3, [])
    assert ledger.read_manifest(JOB, 3) == []


def test_a_manifest_that_is_not_there_means_that_the_job_is_gone(ledger):
    with pytest.raises(JobNotFound):
        ledger.read_manifest(JOB, 3)


def test_outcomes_are_kept_by_claim(ledger):
    copied = Outcome(key=HARD_KEY, blob="b", result=Result.COPIED, proof=Proof.CRC64, crc64=0, size_bytes=7)
    failed = Outcome(key="k", blob="k", result=Result.FAILED, reason="not_found", attempts=3, detail="é")
    ledger.write_outcomes(JOB, 3, 1, [failed])
    ledger.write_outcomes(JOB, 3, 2, [copied, failed])
    assert ledger.read_outcomes(JOB, 3, 1) == [failed]
    assert ledger.read_outcomes(JOB, 3, 2) == [copied, failed]
    assert ledger.read_outcomes(JOB, 3, 3) == []
    assert ledger.read_outcomes(JOB, 4, 1) == []


def test_a_deleted_job_leaves_nothing(ledger):
    ledger.add_job(make_job())
    ledger.extend(ledger.add_item(make_list_item()), [make_item(2)], [make_file(1)])
    ledger.write_manifest(JOB, 2, [make_object()])
    ledger.write_outcomes(JOB, 2, 1, [])
    ledger.delete_job(JOB)
    assert ledger.list_jobs() == []
    assert list(ledger.list_items(JOB)) == []
    for read in (
        lambda: ledger.get_job(JOB),
        lambda: ledger.get_file(JOB, 1),
        lambda: ledger.read_manifest(JOB, 2),
    ):
        with pytest.raises(JobNotFound):
            read()
    ledger.delete_job(JOB)


def test_deleting_a_job_leaves_others_whole(ledger):
    other = JobId(f"{JOB}1")
    kept = ledger.add_job(make_job(other)), ledger.add_item(make_item(job_id=other))
    ledger.write_manifest(other, 1, [make_object()])
    ledger.add_job(make_job())
    ledger.delete_job(JOB)
    assert (ledger.get_job(other), ledger.get_item(other, 1)) == kept
    assert ledger.read_manifest(other, 1) == [make_object()]


@pytest.mark.parametrize("job_id", ["", "a/b", "it's"])
def test_deleting_what_is_no_job_does_nothing(ledger, job_id):
    ledger.add_job(make_job())
    ledger.write_manifest(JOB, 1, [])
    ledger.delete_job(JobId(job_id))
    assert ledger.read_manifest(JOB, 1) == []


def test_that_it_can_be_written_is_found_out_without_a_trace(ledger):
    ledger.check_writable()
    ledger.check_writable()
    assert ledger.list_jobs() == []
    assert list(ledger.list_items(JOB)) == []


def make_schedule(name="nightly", **changes) -> Schedule:
    at = NOW.replace(microsecond=0)
    facts = {"user": "ann", "spec": SPEC, "created_at": at, "fired_to": at, "cron": "30 2 * * *"}
    return Schedule(**{"name": name, **facts, **changes})


def make_occurrence(minutes=0, **changes) -> Occurrence:
    at = NOW.replace(microsecond=0) + timedelta(minutes=minutes)
    facts = {"schedule": "nightly", "planned_at": at, "fate": Fate.RESERVED, "job_id": JOB}
    return Occurrence(**{**facts, **changes})


def test_a_schedule_is_kept_changed_and_removed(ledger):
    assert ledger.list_schedules() == []
    added = ledger.add_schedule(make_schedule(overlap=Overlap.QUEUE, zone="Europe/Berlin"))
    assert replace(added, version="") == make_schedule(overlap=Overlap.QUEUE, zone="Europe/Berlin")
    with pytest.raises(Conflict):
        ledger.add_schedule(make_schedule())
    changed = ledger.update_schedule(replace(added, is_paused=True))
    with pytest.raises(Conflict):
        ledger.update_schedule(added)
    ledger.add_schedule(make_schedule("a"))
    assert ledger.get_schedule("nightly") == changed
    assert [one.name for one in ledger.list_schedules()] == ["a", "nightly"]
    ledger.add_occurrence(make_occurrence())
    ledger.delete_schedule("nightly")
    ledger.delete_schedule("nightly")
    assert ledger.get_schedule("nightly") is None
    assert list(ledger.list_occurrences("nightly")) == []


@pytest.mark.parametrize("name", ["schedules", "it's", "a/b", ""])
def test_a_name_that_no_schedule_bears_is_not_found(ledger, name):
    assert ledger.get_schedule(name) is None


def test_an_occurrence_is_added_once_and_moves_only_from_where_it_was_read(ledger):
    added = ledger.add_occurrence(make_occurrence())
    with pytest.raises(Conflict):
        ledger.add_occurrence(make_occurrence(fate=Fate.MISSED, job_id=None))
    moved = ledger.update_occurrence(replace(added, fate=Fate.STARTED, detail="why"))
    with pytest.raises(Conflict):
        ledger.update_occurrence(replace(added, fate=Fate.SKIPPED))
    assert list(ledger.list_occurrences("nightly")) == [moved]


def test_occurrences_come_latest_first_by_fate_and_by_schedule(ledger):
    for minutes, fate in (
        (0, Fate.STARTED),
        (90, Fate.MISSED),
        (30, Fate.STARTED),
        (7_000_000, Fate.RESERVED),
    ):
        ledger.add_occurrence(make_occurrence(minutes, fate=fate))
    ledger.add_occurrence(make_occurrence(schedule="other"))

    def minutes_of(**asked):
        found = ledger.list_occurrences("nightly", **asked)
        return [(one.planned_at - NOW.replace(microsecond=0)) // timedelta(minutes=1) for one in found]

    assert minutes_of() == [7_000_000, 90, 30, 0]
    assert minutes_of(limit=2) == [7_000_000, 90]
    assert minutes_of(fates=(Fate.STARTED, Fate.MISSED)) == [90, 30, 0]
    assert minutes_of(fates=(Fate.STARTED,), limit=1) == [30]


def make_token(name="dana", **changes) -> Token:
    facts = {"role": Role.ADMIN, "digest": "0" * 64, "user": "ann", "created_at": NOW}
    return Token(**{"name": name, **facts, "expires_at": NOW + timedelta(days=1), **changes})


def test_a_token_is_kept_and_changed_only_as_it_was_read(ledger):
    assert ledger.list_tokens() == []
    added = ledger.add_token(make_token())
    assert replace(added, version="") == make_token()
    with pytest.raises(Conflict):
        ledger.add_token(make_token())
    changed = ledger.update_token(replace(added, used_at=NOW, is_revoked=True))
    with pytest.raises(Conflict):
        ledger.update_token(added)
    with pytest.raises(Conflict):
        ledger.update_token(make_token("nobody"))
    other = ledger.add_token(make_token("a.b-c", role=Role.VIEWER))
    assert ledger.list_tokens() == [other, changed]


def make_notification(number=0, **changes) -> Notification:
    facts = {"event": Event.FAILED, "receiver": "ops", "created_at": NOW, "due_at": NOW, "job_id": JOB}
    return Notification(**{"id": f"{number:032x}", **facts, **changes})


def test_a_notification_is_there_once_until_it_is_removed(ledger):
    assert ledger.list_notifications() == []
    added = ledger.add_notification(make_notification(2, detail=HARD_KEY))
    assert replace(added, version="") == make_notification(2, detail=HARD_KEY)
    with pytest.raises(Conflict):
        ledger.add_notification(make_notification(2))
    tried = ledger.update_notification(replace(added, attempts=1, due_at=NOW + timedelta(minutes=1)))
    with pytest.raises(Conflict):
        ledger.update_notification(added)
    missed = make_notification(1, event=Event.MISSED, job_id=None, schedule="nightly", planned_at=NOW)
    other = ledger.add_notification(missed)
    assert ledger.list_notifications() == [other, tried]
    ledger.delete_notification(tried.id)
    ledger.delete_notification(tried.id)
    assert ledger.list_notifications() == [other]
    with pytest.raises(Conflict):
        ledger.update_notification(tried)


def test_jobs_of_which_nobody_was_told_are_found(ledger):
    ledger.add_job(make_job("0aaa"))
    job = ledger.add_job(make_job("0bbb", is_untold=True, state=JobState.FAILED))
    assert ledger.untold_jobs() == [job]
    ledger.update_job(replace(job, is_untold=False))
    assert ledger.untold_jobs() == []
