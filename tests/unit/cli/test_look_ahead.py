"""``copy --dry-run`` and ``copy --estimate``: plans and figures in every format, and nothing written."""

from __future__ import annotations

import json

import pytest

from awcopy import bootstrap
from awcopy.bootstrap import Stores
from awcopy.cli.main import main
from awcopy.sink.memory import MemorySink, StoredBlob
from awcopy.source.memory import MemorySource
from awcopy.units import MIB
from tests.unit.factories import make_blob

LINE = ["copy", "s3://bucket/data/", "az://acme/backup/x", "--dry-run"]
READS = {"probe", "list_page", "head", "account", "find_region"}


@pytest.fixture
def stores(monkeypatch: pytest.MonkeyPatch):
    """A source with one object of each fate; whatever is asked of the two stores is noted."""
    source, sink = MemorySource(), MemorySink()
    for key in ("data/a.txt", "data/bad./\x1b[2J", "data/skip.tmp", "other"):
        source.put_object(key, b"123")
    source.put_object("data/cold", b"12345", storage_class="DEEP_ARCHIVE")
    calls: list[str] = []
    source.fault = sink.fault = lambda op, _name: calls.append(op)
    monkeypatch.setattr(bootstrap, "open_stores", lambda *_: Stores(source=source, sink=sink))
    yield source, sink
    assert set(calls) <= READS
    assert not sink.blobs


def test_a_table_says_what_would_be_done_and_why(stores, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*LINE, "--exclude", "*.tmp"]) == 3  # as a copy would end, since one object would fail
    printed = capsys.readouterr()
    plans, _, sums = printed.out.partition("\n\n")
    assert [line.split()[:3] for line in plans.splitlines()] == [
        ["copy", "new", "3"],
        ["fail", "name_not_allowed", "3"],
        ["skip", "archived", "5"],
    ]
    assert "data/a.txt -> x/a.txt" in plans
    assert "\\x1b[2J" in plans
    assert [line.split()[:2] for line in sums.splitlines()] == [
        ["copy", "1"],
        ["overwrite", "0"],
        ["skip", "1"],
        ["fail", "1"],
        ["excluded", "1"],
    ]
    assert printed.err == "awcopy: a dry run; nothing was written\n"


@pytest.mark.parametrize("output", ["json", "ndjson"])
def test_programs_get_each_plan_and_the_sums(output: str, stores, capsys) -> None:
    assert main([*LINE, "--include", "a*", "--estimate", "-q", "-o", output]) == 0
    printed = capsys.readouterr()
    if output == "json":
        document = json.loads(printed.out)
        plans, found = document["objects"], document["estimate"]
    else:
        *plans, document, found = map(json.loads, printed.out.splitlines())
    assert plans == [
        {"key": "data/a.txt", "blob": "x/a.txt", "plan": "copy", "reason": "new", "bytes": 3, "detail": ""}
    ]
    assert document["schema"] == "awcopy.plan/1"
    assert document["totals"]["copy"] == {"objects": 1, "bytes": 3, "reasons": {"new": 1}}
    assert document["excluded"] == 3
    assert found["schema"] == "awcopy.estimate/1"
    assert printed.err == ""


def test_an_estimate_alone_asks_the_source_only(stores, capsys) -> None:
    stores[1].fault = lambda *_: pytest.fail("the sink was asked")
    assert main(["copy", *LINE[1:3], "--estimate", "--tier", "cold", "--block-size", "1", "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["objects"], found["tier"], found["block_size"]) == (4, "Cold", 1)


def test_an_estimate_of_a_dry_run_leaves_out_what_is_skipped(stores, capsys) -> None:
    assert main([*LINE, "--estimate", "--overwrite", "never", "-o", "json"]) == 3
    found = json.loads(capsys.readouterr().out)["estimate"]
    # a.txt and skip.tmp are copied, cold is archived; the name that fails is only looked at.
    assert {each["storage_class"]: each["objects"] for each in found["classes"]} == {
        "STANDARD": 2,
        "DEEP_ARCHIVE": 1,
    }


def test_an_estimate_of_a_dry_run_counts_two_writes_for_what_is_replaced(stores, capsys) -> None:
    writes = []
    old = {"x/a.txt": StoredBlob(content=b"old", head=make_blob(name="x/a.txt", size_bytes=3))}
    for there in ({}, old):
        stores[1].blobs.update(there)
        stores[1]._sorted = None  # it lists anew
        assert main([*LINE, "--include", "a*", "--estimate", "-o", "json"]) == 0
        found = json.loads(capsys.readouterr().out)["estimate"]
        writes += [each["azure_writes"] for each in found["block_sizes"] if each["block_size"] == 8 * MIB]
    assert writes == [1, 2]
    assert {**stores[1].blobs} == old
    stores[1].blobs.clear()


def test_a_missing_container_is_planned_for_only_where_it_would_be_created(stores, capsys) -> None:
    stores[1].has_container = False
    assert main([*LINE, "--include", "a*"]) == 2
    assert "container" in capsys.readouterr().err
    assert main([*LINE, "--include", "a*", "--create-container"]) == 0
    assert "a copy would create it" in capsys.readouterr().err
    assert not stores[1].has_container


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--detach"], "--detach has nothing to do"),
        (["--journal"], "--journal has nothing to do"),
        (["--credentials", "workers"], "from here, not from the workers"),
    ],
)
def test_what_only_a_job_can_do_is_refused(options: list[str], says: str, stores, capsys) -> None:
    assert main([*LINE, *options]) == 2
    assert says in capsys.readouterr().err
