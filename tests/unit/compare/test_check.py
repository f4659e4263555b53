"""Comparing two sides on the twins in memory, at each level."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from dataclasses import replace

import pytest

from awcopy.compare import contents
from awcopy.compare.check import compare_sides
from awcopy.compare.sides import Check, LeftOut
from awcopy.errors import AccessDenied, ConnectionLost, CredentialsRefused, OutOfOrder, StoreNotFound
from awcopy.model.objects import SinkAccount
from awcopy.model.spec import NamePolicy, Selection, SinkSpec, SourceSpec, Versions
from awcopy.planning.compare import Level, Verdict
from awcopy.sink.memory import StoredBlob
from awcopy.source.memory import MemorySource
from awcopy.transfer.engine import copy_object
from awcopy.transfer.retry import Retrier
from tests.unit.factories import make_blob, make_job, make_spec
from tests.unit.world import World, make_transfer

BYTES = Level.DOWNLOAD


@pytest.fixture
def world():
    return World()


def copy_all(world, contents_by_key, spec=None):
    """Put objects into the source and copy them."""
    transfer = make_transfer(world, make_job(spec=spec or make_spec()))
    for key, content in contents_by_key.items():
        copy_object(transfer, world.source.put_object(key, content), look_first=False)
    world.source_calls.calls.clear()
    world.sink_calls.calls.clear()


def damage(world, name, content):
    """Change a blob's bytes behind its stamp."""
    world.sink.blobs[name] = replace(world.sink.blobs[name], content=content)


def make_check(world, level=Level.LISTING, spec=None, **changes):
    return Check(
        spec=spec or make_spec(),
        source=world.source,
        sink=world.sink,
        retrier=Retrier(wait=lambda _seconds: None, chance=lambda: 0.0),
        level=level,
        **{"at_once": 3, **changes},
    )


def findings(world, level=Level.LISTING, spec=None, left_out=None, **changes):
    return list(compare_sides(make_check(world, level, spec, **changes), left_out or LeftOut()))


def letters(world, level=Level.LISTING, spec=None):
    return [f"{one.verdict} {one.key}" for one in findings(world, level, spec)]


def make_one_of_each(world):
    copy_all(world, {"changed": b"old", "same": b"same", "shorter": b"1234"})
    world.source.put_object("changed", b"new")
    world.source.put_object("missing", b"x")
    world.source.put_object("shorter", b"123")
    world.source.put_object("unknown", b"abc", etag="opaque")
    world.sink.blobs["unknown"] = StoredBlob(content=b"abc", head=make_blob(name="unknown", size_bytes=3))
    world.sink.blobs["extra"] = StoredBlob(content=b"abc", head=make_blob(name="extra", size_bytes=3))
    world.sink._sorted = None


@pytest.mark.parametrize(
    ("level", "unknown"), [(Level.LISTING, "!"), (Level.CHECKSUM, "!"), (Level.DOWNLOAD, "=")]
)
def test_each_name_of_either_side_has_its_letter(world, level, unknown):
    make_one_of_each(world)
    expected = ["* changed", "+ extra", "- missing", "= same", "* shorter", f"{unknown} unknown"]
    assert letters(world, level) == expected


@pytest.mark.parametrize(
    ("level", "source_calls", "sink_calls"),
    [
        (Level.LISTING, {"list_page": 1}, {"account": 1, "list_page": 1}),
        (Level.CHECKSUM, {"list_page": 1, "head": 4}, {"account": 1, "list_page": 1}),
        (
            Level.DOWNLOAD,
            {"list_page": 1, "read_range": 3},
            {"account": 1, "list_page": 1, "read_range": 3},
        ),
    ],
)
def test_each_level_asks_for_no_more_than_it_says(world, level, source_calls, sink_calls):
    make_one_of_each(world)
    findings(world, level)
    # Four names are on both sides, one of them with another length.
    assert dict(world.source_calls.calls) == source_calls
    assert dict(world.sink_calls.calls) == sink_calls


@pytest.mark.parametrize(("level", "verdict"), [(Level.LISTING, "="), (Level.CHECKSUM, "="), (BYTES, "*")])
def test_only_reading_finds_a_damaged_blob_that_its_stamp_hides(world, level, verdict):
    copy_all(world, {"k": b"right"})
    damage(world, "k", b"wrong")
    assert letters(world, level) == [f"{verdict} k"]


@pytest.mark.parametrize(("level", "verdict"), [(Level.LISTING, "*"), (Level.CHECKSUM, "="), (BYTES, "=")])
def test_an_object_that_was_written_again_with_the_same_bytes(world, level, verdict):
    copy_all(world, {"k": b"bytes"})
    world.source.put_object("k", b"bytes", etag="another")
    assert letters(world, level) == [f"{verdict} k"]


@pytest.mark.parametrize("flipped", [0, 9, 10, 24])
def test_every_byte_of_a_large_pair_is_compared(world, monkeypatch, flipped):
    monkeypatch.setattr(contents, "SPAN_BYTES", 10)
    content = bytes(range(25))
    copy_all(world, {"a": content, "k": content, "z": content})
    assert letters(world, BYTES) == ["= a", "= k", "= z"]
    damage(world, "k", content[:flipped] + b"!" + content[flipped + 1 :])
    assert letters(world, BYTES) == ["= a", "* k", "= z"]


def test_the_keys_are_mapped_as_a_copy_maps_them(world):
    spec = make_spec(prefix="data/2024/re", to="x/", names=NamePolicy.ENCODE)
    copy_all(world, {"data/2024/report.": b"1", "data/2024/re\\b": b"2"}, spec)
    world.source.put_object("data/2024/other", b"3")
    world.sink.blobs["x/other"] = StoredBlob(content=b"", head=make_blob(name="x/other"))
    world.sink.blobs["x/re%2E"] = StoredBlob(content=b"", head=make_blob(name="x/re%2E"))
    world.sink.blobs["y"] = StoredBlob(content=b"", head=make_blob(name="y"))
    world.sink._sorted = None
    assert letters(world, spec=spec) == ["+ data/2024/re.", "= data/2024/re\\b", "= data/2024/report."]


def test_what_the_selection_leaves_out_is_left_out_on_both_sides(world):
    copy_all(world, {"a.txt": b"1", "b.log": b"2"})
    world.source.put_object("c.log", b"3")
    world.sink.blobs["d.log"] = StoredBlob(content=b"", head=make_blob(name="d.log"))
    world.sink._sorted = None
    left_out = LeftOut()
    spec = make_spec(selection=Selection(include=("*.txt",)))
    assert [one.key for one in findings(world, spec=spec, left_out=left_out)] == ["a.txt"]
    assert left_out.excluded == 3


def test_markers_of_folders_are_counted_and_are_no_difference(world):
    world.source.put_object("folder/")
    stub = make_blob(name="dir", size_bytes=0, metadata={"hdi_isfolder": "true"})
    world.sink.blobs["dir"] = StoredBlob(content=b"", head=stub)
    left_out = LeftOut()
    assert findings(world, left_out=left_out) == []
    assert left_out.folders == 2


def test_a_name_that_azure_would_change_is_missing_and_says_why(world):
    world.source.put_object("ends.", b"1")
    [found] = findings(world)
    assert (found.verdict, "dot" in found.detail) == (Verdict.MISSING, True)


@pytest.mark.parametrize("side", ["source", "sink"])
def test_an_object_that_cannot_be_read_is_a_finding_and_the_others_are_compared(world, side):
    copy_all(world, {"a": b"1", "b": b"2", "c": b"3"})
    calls = world.source_calls if side == "source" else world.sink_calls
    calls.fail("read_range", AccessDenied("not this one"), name="b")
    found = findings(world, BYTES)
    assert [one.verdict for one in found] == [Verdict.SAME, Verdict.FAILED, Verdict.SAME]
    assert (found[1].reason, found[1].detail) == ("access_denied", "not this one")


@pytest.mark.parametrize("level", [Level.CHECKSUM, BYTES])
def test_an_object_that_changes_while_it_is_compared_is_a_finding(world, level):
    copy_all(world, {"k": b"before"})
    act = lambda: world.source.put_object("k", b"behind")  # noqa: E731
    world.source_calls.do("read_range" if level is BYTES else "head", act, times=1)
    [found] = findings(world, level)
    assert (found.verdict, found.reason) == (Verdict.FAILED, "source_changed")


@pytest.mark.parametrize("level", [Level.CHECKSUM, BYTES])
@pytest.mark.parametrize("error", [CredentialsRefused("expired"), StoreNotFound("gone")])
def test_what_is_wrong_with_a_whole_side_ends_the_check(world, level, error):
    copy_all(world, {f"{number}": b"1" for number in range(20)})
    world.source_calls.fail("read_range" if level is BYTES else "head", error)
    with pytest.raises(type(error)):
        findings(world, level)


def test_a_listing_is_tried_again_and_its_failure_ends_the_check(world):
    copy_all(world, {"k": b"1"})
    world.source_calls.fail("list_page", ConnectionLost("broken"), times=2)
    assert letters(world) == ["= k"]
    world.sink_calls.fail("list_page", ConnectionLost("broken"))
    with pytest.raises(ConnectionLost):
        findings(world)


@pytest.fixture
def unordered(world, monkeypatch):
    listed = type(world.source).list_page

    def list_page(source, prefix, **facts):
        page = listed(source, prefix, **facts)
        return replace(page, objects=tuple(sorted(page.objects, key=lambda obj: obj.key.split("/"))))

    copy_all(world, {"a-b": b"1", "a/b": b"2"})
    monkeypatch.setattr(type(world.source), "list_page", list_page)
    return world


@pytest.mark.parametrize("level", list(Level))
def test_every_version_is_compared_with_its_own_blob(level):
    world = World(source=MemorySource(keeps_versions=True))
    for content in (b"1", b"22", b"333"):
        world.source.put_object("k", content)
    world.source.put_object("gone", b"x")
    world.source.delete_object("gone")
    spec = replace(make_spec(), versions=Versions.ALL)
    transfer = make_transfer(world, make_job(spec=spec))
    for obj in world.source.list_versions("").objects:
        copy_object(transfer, obj, look_first=False)
    left_out = LeftOut()
    found = findings(world, level, spec, left_out)
    assert Counter((one.verdict, one.key) for one in found) == {("=", "k"): 3, ("=", "gone"): 1}
    assert len({one.version_id for one in found}) == 4
    assert left_out.delete_markers == 1
    older = next(name for name in world.sink.blobs if name.startswith("k-v"))
    damage(world, older, b"?" * len(world.sink.blobs[older].content))
    del world.sink.blobs["k"]
    world.sink._sorted = None
    letters = {f"{one.verdict} {one.blob}" for one in findings(world, level, spec)}
    assert {"- k"} | ({f"* {older}"} if level is BYTES else {f"= {older}"}) <= letters
    # Of a check of the current versions, the others' blobs are nobody's.
    assert {str(one.verdict) for one in findings(world, level)} == {"+", "-"}


def test_the_names_in_an_account_with_directories_are_those_of_the_copy(world):
    world.sink.facts = SinkAccount(is_hierarchical=True)
    spec = make_spec(names=NamePolicy.ENCODE)
    job_spec = replace(spec, sink=replace(spec.sink, has_directories=True))  # as dispatch has found
    copy_all(world, {"a//b": b"1", "c": b"2"}, job_spec)
    assert [f"{one.verdict} {one.blob}" for one in findings(world, spec=spec) if one.verdict != "+"] == [
        "= a/%2Fb", "= c"
    ]  # fmt: skip
    world.source.delete_object("a//b")
    assert {one.key for one in findings(world, spec=spec) if one.verdict == "+"} == {"a//b"}


def test_a_compatible_server_that_lists_in_another_order_is_sorted_first(unordered):
    spec = make_spec(source=SourceSpec(bucket="bucket", endpoint_url="http://store.example"))
    assert letters(unordered, spec=spec) == ["= a-b", "= a/b"]


def test_an_account_with_directories_is_sorted_first(world, monkeypatch):
    copy_all(world, {"a-b": b"1", "a/b": b"2"})
    world.sink.facts = SinkAccount(is_hierarchical=True)
    listed = type(world.sink).list_page

    def list_page(sink, prefix, **facts):
        page = listed(sink, prefix, **facts)
        return replace(page, blobs=tuple(sorted(page.blobs, key=lambda blob: blob.name.split("/"))))

    monkeypatch.setattr(type(world.sink), "list_page", list_page)
    assert letters(world) == ["= a-b", "= a/b"]
    world.sink.facts = SinkAccount()
    with pytest.raises(OutOfOrder, match="the destination"):
        findings(world)


def test_amazon_listing_in_another_order_is_an_error(unordered):
    with pytest.raises(OutOfOrder, match="the source"):
        findings(unordered)


def test_twenty_thousand_names_take_no_more_memory_than_a_page(world):
    private = SinkSpec(account="account", container="container", endpoint_url="http://store.example/account")
    for number in range(20_000):
        world.source.put_object(f"{number:06}", b"")
    # The same record for every blob: only what the comparison itself holds is measured.
    world.sink.blobs = {
        f"{number:06}": StoredBlob(content=b"", head=make_blob(name=f"{number:06}", size_bytes=0))
        for number in range(10_000, 30_000)
    }
    world.source.list_page("", limit=1)
    world.sink.list_page("", limit=1)
    for spec in (make_spec(), make_spec(sink=private)):
        counts: Counter[Verdict] = Counter()
        tracemalloc.start()
        try:
            for found in compare_sides(make_check(world, spec=spec), LeftOut()):
                counts[found.verdict] += 1
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert counts == {Verdict.SAME: 10_000, Verdict.MISSING: 10_000, Verdict.EXTRA: 10_000}
        assert peak < 15_000_000
