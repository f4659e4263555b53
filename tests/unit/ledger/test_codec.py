"""Records are the same after a way through JSON, whatever they hold."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from awcopy.errors import AwcopyError
from awcopy.ledger.codec import (
    decode_record,
    dump_objects,
    dump_outcomes,
    dump_record,
    encode_record,
    load_members,
    load_objects,
    load_outcomes,
    load_record,
)
from awcopy.model.items import BlockRange, FileState, Item, ItemKind, ItemState, LargeFile, ListRange
from awcopy.model.job import Job, JobState
from awcopy.model.objects import SourceObject
from awcopy.model.outcome import AtSource, Outcome, Proof, ProofCounts, Result, Route, Tally, Totals
from awcopy.model.spec import (
    Approval,
    Archived,
    Deletion,
    JobSpec,
    MetadataPolicy,
    NamePolicy,
    Overwrite,
    Restore,
    RestoreTier,
    Selection,
    SinkSpec,
    SourceSpec,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

# Half of a surrogate pair is no character: no store can hold it, and JSON may join it with its neighbour.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
numbers = st.integers(min_value=0, max_value=2**63 - 1)
crcs = st.integers(min_value=0, max_value=2**64 - 1)
moments = st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - aware by the next one


tallies = st.builds(Tally, objects=numbers, size_bytes=numbers)
proofs = st.builds(ProofCounts, crc64=numbers, length=numbers)
totals = st.builds(Totals, listed=tallies, copied=tallies, excluded=tallies, proofs=proofs)
objects = st.builds(
    SourceObject,
    key=texts,
    size_bytes=numbers,
    etag=texts,
    modified_at=moments,
    storage_class=texts,
    version_id=texts,
    is_restored=st.booleans(),
)
outcomes = st.builds(
    Outcome,
    key=texts,
    blob=texts,
    result=st.sampled_from(Result),
    reason=texts,
    proof=st.sampled_from(Proof),
    size_bytes=numbers,
    etag=texts,
    crc64=st.none() | crcs,
    attempts=numbers,
    detail=texts,
    notices=st.lists(texts).map(tuple),
    route=st.none() | st.sampled_from(Route),
    at_source=st.sampled_from(AtSource),
    source_reason=texts,
)
selections = st.builds(
    Selection,
    recursive=st.booleans(),
    include=st.lists(texts).map(tuple),
    newer_than=st.none() | moments,
    min_size_bytes=st.none() | numbers,
)
specs = st.builds(
    JobSpec,
    source=st.builds(
        SourceSpec,
        bucket=texts,
        prefix=texts,
        endpoint_url=texts,
        pays_requests=st.booleans(),
        key_sha256=texts,
    ),
    sink=st.builds(
        SinkSpec, account=texts, container=texts, prefix=texts, encryption_scope=texts, key_sha256=texts
    ),
    selection=selections,
    overwrite=st.sampled_from(Overwrite),
    route=st.sampled_from(Route),
    agents=numbers,
    tier=texts,
    names=st.sampled_from(NamePolicy),
    metadata=st.sampled_from(MetadataPolicy),
    copies_tags=st.booleans(),
    has_stamps=st.booleans(),
    archived=st.sampled_from(Archived),
    restore=st.builds(
        Restore, tier=st.sampled_from(RestoreTier), days=numbers, most_objects=numbers, most_bytes=numbers
    ),
    approval=st.builds(Approval, etags=st.lists(texts).map(tuple), until=st.none() | moments),
    deletion=st.none()
    | st.builds(
        Deletion,
        weakest_proof=st.sampled_from(Proof),
        most=st.none() | numbers,
        despite_failures=st.booleans(),
    ),
)
jobs = st.builds(
    Job,
    id=texts,
    name=texts,
    user=texts,
    spec=specs,
    state=st.sampled_from(JobState),
    created_at=moments,
    changed_at=moments,
    generation=numbers,
    totals=totals,
    sealed=texts,
    sink_was_empty=st.booleans(),
    restoring=tallies,
    streams_because=texts,
    version=texts,
)
ranges = st.builds(ListRange, after=texts, before=texts, token=texts, next_number=numbers)
blocks = st.builds(BlockRange, file=numbers, index=numbers, first=numbers, end=numbers)
items = st.builds(
    Item,
    job_id=texts,
    number=numbers,
    kind=st.sampled_from(ItemKind),
    state=st.sampled_from(ItemState),
    not_before=st.none() | moments,
    restore_until=st.none() | moments,
    range=st.none() | ranges | blocks,
    agent=st.integers(-1, 99),
    lease_until=st.none() | moments,
    totals=totals,
    version=texts,
)
files = st.builds(
    LargeFile,
    job_id=texts,
    number=numbers,
    object=objects,
    blob=texts,
    block_size_bytes=numbers,
    blocks=numbers,
    blocks_per_range=numbers,
    state=st.sampled_from(FileState),
    range_crcs=st.lists(st.none() | crcs).map(tuple),
    outcome_item=numbers,
)
RECORDS = [objects, outcomes, totals, specs, jobs, items, files]


@pytest.mark.parametrize("strategy", RECORDS)
def test_every_record_is_read_as_it_was_written(strategy):
    @given(strategy)
    def check(record):
        text = dump_record(record)
        assert load_record(type(record), text) == record
        assert text.isascii()
        assert "\n" not in text

    check()


@given(st.lists(objects))
def test_objects_are_read_as_they_were_written(listed):
    assert load_objects(dump_objects(listed)) == listed


@given(st.lists(outcomes))
def test_outcomes_are_read_as_they_were_written(ended):
    assert load_outcomes(dump_outcomes(ended)) == ended


@given(objects, outcomes)
def test_lines_written_by_hand_are_those_of_any_record(item, outcome):
    assert json.loads(dump_objects([item])) == encode_record(item)
    assert json.loads(dump_outcomes([outcome])) == encode_record(outcome)


def test_defaults_are_left_out():
    item = Item(job_id="j", number=1, kind=ItemKind.LIST_OBJECTS, range=ListRange())
    assert encode_record(item) == {
        "job_id": "j",
        "number": 1,
        "kind": "list_objects",
        "range": {"is": "ListRange"},
    }


def test_an_object_has_one_plain_line():
    item = SourceObject(key="é\n\x01", size_bytes=5, etag="e", modified_at=NOW)
    assert dump_objects([item]) == (
        '{"key":"\\u00e9\\n\\u0001","size_bytes":5,"etag":"e","modified_at":"2026-01-02T03:04:05+00:00"}\n'
    )


def test_an_outcome_has_one_plain_line():
    outcome = Outcome(key="k", blob="b", result=Result.COPIED, proof=Proof.CRC64, crc64=255)
    line = '{"key":"k","blob":"b","result":"copied","proof":"crc64","crc64":"00000000000000ff"}\n'
    assert dump_outcomes([outcome]) == line


def test_crcs_are_16_hex_digits_and_counts_of_them_are_numbers():
    file = LargeFile(
        job_id="j",
        number=1,
        object=SourceObject(key="k", size_bytes=1, etag="e", modified_at=NOW),
        blob="b",
        block_size_bytes=1,
        blocks=3,
        blocks_per_range=1,
        range_crcs=(None, 0, 2**64 - 1),
    )
    assert encode_record(file)["range_crcs"] == [None, "0" * 16, "f" * 16]
    assert encode_record(Totals(proofs=ProofCounts(crc64=3))) == {"proofs": {"crc64": 3}}


def test_moments_are_written_in_utc():
    there = NOW.astimezone(timezone(timedelta(hours=2)))
    assert encode_record(Selection(newer_than=there)) == {"newer_than": "2026-01-02T03:04:05+00:00"}


def test_a_moment_without_a_time_zone_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        dump_objects([SourceObject(key="k", size_bytes=1, etag="e", modified_at=NOW.replace(tzinfo=None))])


def test_members_of_the_future_are_ignored():
    spec = JobSpec(source=SourceSpec(bucket="b"), sink=SinkSpec(account="a", container="c"))
    members = encode_record(spec)
    assert decode_record(JobSpec, {**members, "mood": 1, "source": {"bucket": "b", "colour": [2]}}) == spec
    line = dump_objects([SourceObject(key="k", size_bytes=1, etag="e", modified_at=NOW)])
    assert load_objects(line.replace("{", '{"mood":{"x":1},')) == load_objects(line)
    line = dump_outcomes([Outcome(key="k", blob="b", result=Result.SKIPPED)])
    assert load_outcomes(line.replace("{", '{"mood":{"x":1},')) == load_outcomes(line)


@pytest.mark.parametrize(
    "read",
    [
        lambda: load_record(Item, "{"),
        lambda: load_record(Item, "[]"),
        lambda: load_record(Item, "{}"),
        lambda: load_record(Item, '{"job_id":"j","number":1,"kind":"dance"}'),
        lambda: load_record(Item, '{"job_id":"j","number":1,"kind":"copy_files","range":{"is":"SongRange"}}'),
        lambda: load_record(Item, '{"job_id":"j","number":1,"kind":"copy_files","lease_until":"soon"}'),
        lambda: load_record(Item, '{"job_id":"j","number":1,"kind":"copy_files","lease_until":5}'),
        lambda: load_members("nothing"),
        lambda: load_objects('{"key":"k"}\n'),
        lambda: load_objects('{"key":"k'),
        lambda: load_outcomes('{"key":"k","blob":"b","result":"danced"}'),
        lambda: load_outcomes("[1,2]"),
    ],
)
def test_what_is_no_such_record_is_named_unreadable(read):
    with pytest.raises(AwcopyError, match="cannot read"):
        read()


def test_of_several_kinds_of_range_the_right_one_is_read():
    for held in (None, ListRange(), BlockRange(file=1, index=0, first=0, end=1)):
        item = Item(job_id="j", number=1, kind=ItemKind.COPY_BLOCKS, state=ItemState.DONE, range=held)
        assert load_record(Item, dump_record(item)) == item


def test_a_type_without_a_json_form_is_named():
    @dataclass
    class Wave:
        phase: complex

    with pytest.raises(TypeError, match="complex"):
        encode_record(Wave(phase=1j))


def test_a_jobs_profiles_are_kept_and_an_old_row_has_none():
    spec = JobSpec(
        source=SourceSpec(bucket="b", profile="photos"), sink=SinkSpec(account="acc", container="c")
    )
    assert load_record(JobSpec, dump_record(spec)) == spec
    old = load_record(JobSpec, '{"source":{"bucket":"b"},"sink":{"account":"acc","container":"c"}}')
    assert (old.source.profile, old.sink.profile) == ("", "")
