"""A dry run decides as the copy does, whatever order the stores list in, and writes nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from awcopy.crc64 import crc64
from awcopy.errors import AccessDenied, CredentialsRefused
from awcopy.jobs.dry_run import plan_copy
from awcopy.model.objects import ALWAYS, BlobProperties, SinkAccount
from awcopy.model.outcome import Result
from awcopy.model.spec import NamePolicy, Overwrite, Selection
from awcopy.sink.base import BlobPage
from awcopy.sink.memory import MemorySink
from awcopy.source.memory import MemorySource
from awcopy.transfer.engine import copy_objects
from tests.unit.factories import NOW, make_job, make_spec
from tests.unit.world import World, make_paged_source, make_transfer

READS = {"probe", "list_page", "head", "account"}


def put_blob(sink: MemorySink, name: str, content: bytes = b"x", **metadata: str) -> None:
    view = memoryview(content)
    sink.put_blob(
        name, view, crc64=crc64(view), properties=BlobProperties(metadata=metadata), condition=ALWAYS
    )


def transfer_of(source, sink, job=None):
    return replace(make_transfer(World(), job), source=source, sink=sink)


def plans(source, sink, spec=None) -> dict[str, tuple[str, str]]:
    found = plan_copy(spec or make_spec(), source, sink, lambda call: call(), connections=4, now=NOW)
    return {plan.object.key: (plan.intent.value, plan.reason) for plan in found if plan}


def copied_source(*keys: str) -> tuple[MemorySource, MemorySink]:
    """Return a source and a sink to which it has been copied."""
    source, sink = MemorySource(), MemorySink()
    objects = [source.put_object(key, key.encode()) for key in keys]
    copy_objects(transfer_of(source, sink), objects, look_first=False)
    return source, sink


def test_each_object_has_a_plan_and_a_reason() -> None:
    source, sink = copied_source("changed", "same")
    source.put_object("changed", b"other")
    source.put_object("bad./k")
    source.put_object("folder/")
    source.put_object("frozen", b"x", storage_class="GLACIER")
    source.put_object("new")
    put_blob(sink, "zzz only here")
    assert plans(source, sink) == {
        "bad./k": ("fail", "name_not_allowed"),
        "changed": ("overwrite", "changed"),
        "folder/": ("skip", "folder_marker"),
        "frozen": ("skip", "archived"),
        "new": ("copy", "new"),
        "same": ("skip", "unchanged"),
    }


@pytest.mark.parametrize(
    ("overwrite", "expected"),
    [
        (Overwrite.ALWAYS, ("overwrite", "always")),
        (Overwrite.NEVER, ("skip", "exists")),
        (Overwrite.CHANGED, ("skip", "unchanged")),
        (Overwrite.NEWER, ("skip", "not_newer")),
    ],
)
def test_what_is_there_is_treated_as_the_job_says(overwrite: Overwrite, expected: tuple[str, str]) -> None:
    assert plans(*copied_source("k"), make_spec(overwrite=overwrite)) == {"k": expected}


def test_a_directory_of_an_objects_name_is_in_its_way() -> None:
    source, sink = MemorySource(), MemorySink(facts=SinkAccount(is_hierarchical=True))
    put_blob(sink, "a/b")
    for key in ("a", "b"):
        source.put_object(key)
    assert plans(source, sink) == {"a": ("fail", "name_conflict"), "b": ("copy", "new")}


def test_filters_leave_objects_out_in_their_places() -> None:
    source, sink = copied_source()
    for key in ("a.jpg", "b.txt", "c.jpg"):
        source.put_object(key)
    spec = make_spec(selection=Selection(include=("*.jpg",)))
    found = list(plan_copy(spec, source, sink, lambda call: call(), connections=1, now=NOW))
    assert [plan and plan.object.key for plan in found] == ["a.jpg", None, "c.jpg"]


def test_nothing_is_written_and_names_in_order_take_one_pass_over_each_side() -> None:
    source, sink = copied_source(*(f"k{number:05}" for number in range(3000)))
    for number in range(3000, 6000):
        source.put_object(f"k{number:05}")
    calls: list[str] = []
    sink.fault = source.fault = lambda op, _name: calls.append(op)
    assert len(plans(source, sink)) == 6000
    assert set(calls) <= READS
    assert (calls.count("head"), calls.count("list_page")) == (0, 6 + 1)


def test_a_container_that_is_not_there_yet_is_empty() -> None:
    source, sink = copied_source()
    source.put_object("k")
    sink.has_container = False
    assert plans(source, sink) == {"k": ("copy", "new")}
    assert not sink.has_container


def test_a_blob_that_cannot_be_looked_at_would_fail_and_refused_credentials_end_it() -> None:
    source, sink = copied_source("😀")
    faults = {"head": AccessDenied("no")}

    def fault(op: str, _name: str) -> None:
        if op in faults:
            raise faults[op]

    sink.fault = fault
    assert plans(source, sink) == {"😀": ("fail", "access_denied")}
    faults["head"] = CredentialsRefused("no")
    with pytest.raises(CredentialsRefused):
        plans(source, sink)


class OwnOrderSink(MemorySink):
    """A sink that lists in the order of UTF-16, in pages of two, or as folders do."""

    __slots__ = ("kind", "order")

    def account(self) -> SinkAccount:
        return SinkAccount(is_hierarchical=self.kind == "folders")

    def list_page(self, prefix: str, *, token: str = "", limit: int = 5000) -> BlobPage:
        page = MemorySink.list_page(self, prefix)
        blobs = sorted(page.blobs, key=lambda blob: self.order(blob.name))
        at = int(token or 0)
        return BlobPage(blobs=tuple(blobs[at : at + 2]), token=str(at + 2) if at + 2 < len(blobs) else "")


ORDERS = {
    "utf8": lambda name: name.encode(),
    "utf16": lambda name: name.encode("utf-16-be"),
    "folders": lambda name: name.split("/"),
}
NAMES = st.lists(
    st.text(st.sampled_from("a-/.b\uff01😀"), min_size=1, max_size=5).filter(
        lambda key: not key.endswith("/")
    ),
    unique=True,
    max_size=8,
)


@given(NAMES, NAMES, st.sampled_from(sorted(ORDERS)), st.sampled_from(list(NamePolicy)))
def test_the_plan_is_what_the_copy_then_does(there, added, kind: str, names: NamePolicy) -> None:
    spec = make_spec(names=names)
    to = replace(spec.sink, has_directories=kind == "folders")
    spec = replace(spec, sink=to)
    job = make_job(spec=spec)
    source, sink = make_paged_source(3), OwnOrderSink()
    sink.kind, sink.order = kind, ORDERS[kind]
    transfer = transfer_of(source, sink, job)
    copy_objects(transfer, [source.put_object(key, b"old") for key in there], look_first=True)
    for key in added:
        source.put_object(key, b"new")
    objects = (
        source.list_all() if hasattr(source, "list_all") else list(MemorySource.list_page(source, "").objects)
    )
    planned = plans(source, sink, spec)
    later = transfer_of(source, sink, replace(job, id="another"))
    before = set(sink.blobs)
    done = {outcome.key: outcome for outcome in copy_objects(later, objects, look_first=True)}
    expected = {
        key: "fail" if outcome.result is Result.FAILED
        else "skip" if outcome.result is Result.SKIPPED
        else "overwrite" if outcome.blob in before else "copy"
        for key, outcome in done.items()
    }  # fmt: skip
    assert {key: intent for key, (intent, _) in planned.items()} == expected
