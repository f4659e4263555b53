"""``awcopy check``: what is printed, where, and the exit codes."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from awcopy import bootstrap
from awcopy.bootstrap import Stores
from awcopy.cli.main import main
from awcopy.errors import CredentialsRefused
from awcopy.sink.memory import MemorySink, StoredBlob
from awcopy.source.base import ListPage
from awcopy.source.memory import MemorySource
from awcopy.transfer.engine import copy_object
from tests.unit.factories import make_blob
from tests.unit.world import World, make_transfer

LINE = ["check", "s3://bucket", "az://account/container"]
HOSTILE = "a\nb\x1b[2J\u202e"


@pytest.fixture
def stores(monkeypatch: pytest.MonkeyPatch) -> Stores:
    """Two sides with one name that is the same, and the command made to open them."""
    world = World()
    copy_object(make_transfer(world), world.source.put_object("same", b"12"), look_first=False)
    world.source.fault = world.sink.fault = None
    stores = Stores(source=world.source, sink=world.sink)
    monkeypatch.setattr(bootstrap, "open_stores", lambda *_: stores)
    return stores


@pytest.fixture
def differing(stores: Stores) -> Stores:
    source, sink = stores.source, stores.sink
    assert isinstance(source, MemorySource)
    assert isinstance(sink, MemorySink)
    source.put_object(HOSTILE, b"123")
    sink.blobs["extra"] = StoredBlob(content=b"1", head=make_blob(name="extra", size_bytes=1))
    sink._sorted = None
    return stores


def test_two_sides_that_are_the_same_print_nothing_but_totals(stores, capsys):
    assert main(LINE) == 0
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == [
        "1 name: 1 the same, 0 different, 0 missing at the destination, 0 only at the destination, 0 not compared",
        "compared by the listings and the blobs' stamps; --download reads both sides (the same by: stamp 1)",
    ]


def test_differences_are_printed_with_their_letters_and_escaped(differing, capsys):
    assert main(LINE) == 8
    out = capsys.readouterr().out
    assert out.splitlines() == [
        "- a\\x0ab\\x1b[2J\\u202e  (3 B, the name has a control character)",
        "+ extra  (1 B)",
    ]


def test_all_prints_what_is_the_same_too(differing, capsys):
    assert main([*LINE, "--all"]) == 8
    assert "= same  (stamp)" in capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("target", ["-", "file"])
def test_combined_has_every_name_as_rclone_writes_it(differing, capsys, tmp_path, target):
    path = tmp_path / "combined"
    main([*LINE, "--combined", "-" if target == "-" else str(path)])
    out = capsys.readouterr().out
    combined = out if target == "-" else path.read_text(encoding="utf-8")
    assert combined.splitlines() == ["- a\\x0ab\\x1b[2J\\u202e", "+ extra", "= same"]
    assert ("(1 B)" in out) is (target == "file")


@pytest.mark.parametrize("more", [[], ["--all"]])
def test_json_is_one_document(differing, capsys, more):
    assert main([*LINE, "-o", "json", *more]) == 8
    told = json.loads(capsys.readouterr().out)
    assert told["schema"] == "awcopy.check/1"
    assert told["totals"] == {"same": 1, "different": 0, "missing": 1, "extra": 1, "failed": 0}
    assert [one["key"] for one in told["findings"]] == [HOSTILE, "extra", *(["same"] if more else [])]


def test_json_of_no_finding_is_an_empty_list(stores, capsys):
    assert main([*LINE, "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["findings"] == []


def test_ndjson_is_a_record_a_line(differing, capsys):
    assert main([*LINE, "-o", "ndjson"]) == 8
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert records[1] == {
        "verdict": "+", "key": "extra", "blob": "extra", "version": "", "bytes": 1, "reason": "extra", "by": "",
        "detail": "",
    }  # fmt: skip


def test_versions_are_named_by_their_blobs(monkeypatch, capsys):
    source = MemorySource(keeps_versions=True)
    for content in (b"1", b"22"):
        source.put_object("k", content)
    source.delete_object("k")
    monkeypatch.setattr(bootstrap, "open_stores", lambda *_: Stores(source=source, sink=MemorySink()))
    assert main([*LINE, "--versions", "all", "-o", "ndjson"]) == 8
    printed = capsys.readouterr()
    records = [json.loads(line) for line in printed.out.splitlines()]
    assert {(one["verdict"], one["key"], one["bytes"]) for one in records} == {("-", "k", 1), ("-", "k", 2)}
    assert all(one["blob"].startswith("k-v2026-") and one["version"] for one in records)
    assert "left out as delete markers, which are not copied: 1" in printed.err
    assert main([*LINE, "--versions", "all"]) == 8
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()] == [
        one["blob"] for one in records
    ]


def test_delete_markers_alone_are_nothing_to_compare(monkeypatch, capsys):
    source = MemorySource(keeps_versions=True)
    source.put_object("k", b"1")
    source.delete_object("k")
    source._older["k"] = [one for one in source._older["k"] if one.listed.is_delete_marker]
    monkeypatch.setattr(bootstrap, "open_stores", lambda *_: Stores(source=source, sink=MemorySink()))
    assert main([*LINE, "--versions", "all"]) == 0
    assert capsys.readouterr().err.endswith("nothing was compared: there are only delete markers\n")


def test_what_could_not_be_compared_is_an_error_unless_something_differs(stores, capsys):
    stamped = stores.sink.blobs["same"]
    stores.sink.blobs["same"] = replace(stamped, head=replace(stamped.head, metadata={}, content_md5=b""))
    assert main(LINE) == 1
    assert "! same  (the lengths agree" in capsys.readouterr().out
    stores.source.put_object("missing", b"")
    assert main(LINE) == 8


def test_left_out_names_are_told(differing, capsys):
    differing.source.put_object("folder/", b"")
    assert main([*LINE, "--exclude", "a*", "--exclude", "extra"]) == 0
    assert capsys.readouterr().err.splitlines()[2:] == [
        "left out by the filters: 2",
        "left out as markers of folders, which are not copied: 1",
    ]


def test_filters_that_leave_nothing_to_compare_are_a_mistake(stores, capsys):
    assert main([*LINE, "--include", "smae"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "0 names: 0 the same, 0 different, 0 missing at the destination, 0 only at the destination, 0 not compared",
        "compared by the listings and the blobs' stamps; --download reads both sides",
        "left out by the filters: 1",
        "nothing was compared: the filters leave out all that there is",
    ]


@pytest.mark.parametrize(
    ("options", "marker", "why"),
    [
        ([], "", "both sides are empty"),
        (["--include", "k"], "", "both sides are empty"),
        ([], "folder/", "there are only markers of folders"),
    ],
)
def test_two_empty_sides_are_the_same_and_said_to_be_empty(stores, capsys, options, marker, why):
    stores.source.delete_object("same")
    stores.sink.delete_blob("same", etag=stores.sink.blobs["same"].head.etag)
    if marker:
        stores.source.put_object(marker, b"")
    assert main([*LINE, *options]) == 0
    assert capsys.readouterr().err.splitlines()[-1] == f"nothing was compared: {why}"


@pytest.mark.parametrize(
    "options",
    [
        ["--checksum", "--download"],
        ["--combined", "-", "-o", "json"],
        ["--combined", "/no/such/folder/file"],
        ["--min-size", "2", "--max-size", "1"],
    ],
)
def test_options_that_cannot_be_are_refused(stores, capsys, options):
    assert main([*LINE, *options]) == 2
    assert capsys.readouterr().out == ""


def test_refused_credentials_end_the_check_with_their_code(stores, capsys):
    def refuse(op: str, _name: str) -> None:
        if op == "head":
            raise CredentialsRefused("expired")

    stores.source.fault = refuse
    assert main([*LINE, "--checksum"]) == 4
    assert "expired" in capsys.readouterr().err


def test_a_store_that_lists_out_of_order_is_named_with_a_way_out(stores, capsys, monkeypatch):
    stores.source.put_object("zzz", b"")
    listed = MemorySource.list_page

    def list_page(source: MemorySource, prefix: str, **facts: str) -> ListPage:
        page = listed(source, prefix, **facts)
        return replace(page, objects=page.objects[::-1])

    monkeypatch.setattr(MemorySource, "list_page", list_page)
    assert main(LINE) == 1
    assert "the source does not list its names in order" in (err := capsys.readouterr().err)
    assert "--endpoint-url" in err
