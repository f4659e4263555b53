"""``awcopy ls``: entries as they are listed, folders as one."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from awcopy import bootstrap
from awcopy.bootstrap import Stores
from awcopy.cli.listing import Folder
from awcopy.cli.ls import fetch_keys, list_entries
from awcopy.cli.main import main
from awcopy.cost.prices import Kind, Price, format_prices, shipped_prices
from awcopy.sink.memory import MemorySink
from awcopy.source.base import ListPage
from awcopy.source.memory import MemorySource
from tests.unit.factories import make_object

KEYS = ["a.txt", "big/1", "big/2", "big/deep/3", "\x1b[2J", "z.txt"]


def make_source(keys=KEYS) -> MemorySource:
    source = MemorySource()
    for key in keys:
        source.put_object(key, b"123")
    return source


def names(source, prefix: str = "", *, recursive: bool = False, may_jump: bool = True) -> list[str]:
    entries = list_entries(
        fetch_keys(source), prefix, lambda ask: ask(), recursive=recursive, may_jump=may_jump
    )
    return [entry.prefix if isinstance(entry, Folder) else entry.key for entry in entries]


@pytest.mark.parametrize(
    ("prefix", "recursive", "expected"),
    [
        ("", True, sorted(KEYS)),
        ("", False, ["\x1b[2J", "a.txt", "big/", "z.txt"]),
        ("big/", False, ["big/1", "big/2", "big/deep/"]),
        ("big", False, ["big/"]),
        ("none", False, []),
    ],
)
def test_a_folder_is_one_entry_unless_recursive(prefix: str, recursive: bool, expected: list[str]) -> None:
    assert names(make_source(), prefix, recursive=recursive) == expected


def test_a_large_folder_is_jumped_over_where_the_order_allows() -> None:
    source = make_source([*(f"big/{number:05}" for number in range(5000)), "z.txt"])
    pages = {}
    for may_jump in (True, False):
        calls: list[str] = []
        source.fault = lambda op, _what, calls=calls: calls.append(op)
        assert names(source, may_jump=may_jump) == ["big/", "z.txt"]
        pages[may_jump] = len(calls)
    assert pages[True] == 2
    assert pages[False] == 6


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> MemorySource:
    source = make_source()
    monkeypatch.setattr(bootstrap, "open_stores", lambda *_: Stores(source=source, sink=MemorySink()))
    return source


def test_ls_asks_for_a_pair_of_keys_and_does_not_look_at_azures(
    listed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", "rubbish")
    assert main(["ls", "s3://bucket"]) == 0
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "SK")
    assert main(["ls", "s3://bucket"]) == 4
    assert "AWS_SECRET_ACCESS_KEY is set without AWS_ACCESS_KEY_ID" in capsys.readouterr().err
    assert main(["ls", "s3://bucket", "--source-profile", "photos"]) == 0


def test_keys_are_escaped_and_totals_go_to_standard_error(listed, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ls", "-r", "s3://bucket"]) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines()[0].endswith("  \\x1b[2J")
    assert printed.err == "6 keys, 18 B\n"


def test_json_is_one_list(listed, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ls", "s3://bucket", "-o", "json"]) == 0
    records = json.loads(capsys.readouterr().out)
    assert records[2] == {"folder": "big/"}
    assert (records[1]["key"], records[1]["bytes"]) == ("a.txt", 3)


def test_versions_are_listed_with_their_ids_and_delete_markers(monkeypatch, capsys) -> None:
    source = MemorySource(keeps_versions=True)
    for key, content in (("a", b"1"), ("a", b"22"), ("f/b", b"333")):
        source.put_object(key, content)
    source.delete_object("f/b")
    monkeypatch.setattr(bootstrap, "open_stores", lambda *_: Stores(source=source, sink=MemorySink()))
    assert main(["ls", "-r", "--versions", "all", "s3://bucket", "-o", "json"]) == 0
    printed = capsys.readouterr()
    records = json.loads(printed.out)
    assert [(one["key"], one["bytes"], one["is_latest"], one["is_delete_marker"]) for one in records] == [
        ("a", 2, True, False),
        ("a", 1, False, False),
        ("f/b", 0, True, True),
        ("f/b", 3, False, False),
    ]
    assert len({one["version"] for one in records}) == 4
    assert printed.err == "3 versions, 6 B, and 1 delete marker\n"
    assert main(["ls", "--versions", "all", "s3://bucket"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-2:] for line in lines] == [
        ["a", records[0]["version"]],
        ["a", records[1]["version"]],
        ["folder", "f/"],
    ]
    assert main(["ls", "--versions", "all", "--totals", "s3://bucket", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["objects"] == 3


def test_an_empty_bucket_is_an_empty_list(monkeypatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(bootstrap, "open_stores", lambda *_: Stores(source=MemorySource(), sink=MemorySink()))
    assert main(["ls", "s3://bucket", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_ndjson_is_a_record_per_line(listed, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ls", "-r", "s3://bucket/big/", "-o", "ndjson"]) == 0
    assert [json.loads(line)["key"] for line in capsys.readouterr().out.splitlines()] == KEYS[1:4]


def test_a_prefix_without_a_key_is_an_error(listed, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ls", "s3://bucket/none"]) == 2
    assert "no key of bucket bucket starts with 'none'" in capsys.readouterr().err


def test_a_line_shows_size_date_and_class(listed, capsys: pytest.CaptureFixture[str]) -> None:
    listed.put_object("a.txt", b"123", storage_class="GLACIER")
    assert main(["ls", "s3://bucket/a"]) == 0
    assert capsys.readouterr().out == f"{3:>19}  2026-01-01 00:00:00  {'GLACIER':<19}  a.txt\n"


def test_filters_choose_keys(listed, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ls", "-r", "s3://bucket", "--include", "*.txt", "--exclude", "z*", "-o", "json"]) == 0
    assert [entry["key"] for entry in json.loads(capsys.readouterr().out)] == ["a.txt"]


def test_totals_print_no_keys(listed, capsys: pytest.CaptureFixture[str]) -> None:
    listed.put_object("big/", b"")
    assert main(["ls", "--totals", "s3://bucket", "-o", "json"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out) == {
        "schema": "awcopy.totals/1",
        "objects": 7,
        "bytes": 18,
        "folder_markers": 1,
        "classes": [{"storage_class": "STANDARD", "objects": 6, "bytes": 18, "is_archived": False}],
    }
    assert printed.err == "7 keys, 18 B\n"


def test_an_estimate_follows_the_keys_with_the_word_beside_each_figure(
    listed, capsys: pytest.CaptureFixture[str]
) -> None:
    listed.put_object("cold", b"x", storage_class="DEEP_ARCHIVE")
    assert main(["ls", "--estimate", "s3://bucket"]) == 0
    keys, _, rest = capsys.readouterr().out.partition("\n\n")
    assert len(keys.splitlines()) == 7
    figures = [line for line in rest.splitlines() if line.startswith("  ") and "  estimate" in line]
    assert len(figures) == 15  # six charges, two totals, two beside, five block sizes
    assert "archived: skipped until restored" in rest
    assert "EU Data Act" in rest
    assert "the account is in eastus" in rest


@pytest.mark.parametrize("output", ["json", "ndjson"])
def test_programs_get_keys_and_numbers(output: str, listed, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ls", "--estimate", "--sent-this-month", "200G", "s3://bucket", "-o", output]) == 0
    out = capsys.readouterr().out
    if output == "json":
        document = json.loads(out)
        assert document["schema"] == "awcopy.listing/1"
        entries, found = document["entries"], document["estimate"]
    else:
        *entries, found = map(json.loads, out.splitlines())
    assert len(entries) == 6
    assert (found["schema"], found["is_estimate"], found["region"]) == (
        "awcopy.estimate/1",
        True,
        "us-east-1",
    )
    charges = {charge["charge"]: charge for charge in found["charges"]}
    assert charges["azure_writes"]["parts"] == [
        {"name": "Hot", "quantity": 6, "unit": "operations", "price": 0.05, "per": 10000, "usd": 0.00003}
    ]
    assert found["total_usd"] == pytest.approx(sum(charge["usd"] for charge in charges.values()), abs=1e-5)


def test_an_estimate_alone_is_one_record(listed, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ls", "--estimate", "--totals", "s3://bucket", "-o", "ndjson"]) == 0
    assert json.loads(capsys.readouterr().out)["schema"] == "awcopy.estimate/1"


def test_a_price_table_of_ones_own_is_used_and_named(listed, tmp_path, monkeypatch, capsys) -> None:
    table = tmp_path / "mine.csv"
    row = Price(kind=Kind.S3_LIST, place="us-east-1", value=Decimal(1000), seen="2026-11", source="mine")
    table.write_text(format_prices(shipped_prices().updated([row], "")))
    line = ["ls", "--estimate", "--totals", "s3://bucket", "-o", "json"]
    assert main([*line, "--price-table", str(table)]) == 0
    named = json.loads(capsys.readouterr().out)
    monkeypatch.setenv("AWCOPY_PRICES", str(table))
    assert main(line) == 0
    assert json.loads(capsys.readouterr().out) == named
    assert named["price_table"]["origin"] == str(table)
    assert named["total_usd"] == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "cannot be read: No such file"), (b"a,b", "is no price table"), (b"\xff", "is not text")],
)
def test_a_price_table_that_cannot_be_used_is_named(content, says, listed, tmp_path, capsys) -> None:
    table = tmp_path / "mine.csv"
    if content is not None:
        table.write_bytes(content)
    assert main(["ls", "--estimate", "s3://bucket", "--price-table", str(table)]) == 2
    printed = capsys.readouterr()
    assert (printed.out, says in printed.err) == ("", True)


class LongSource(MemorySource):
    """A bucket of 40,000 keys that are made as they are listed; notes how much memory is in use at each page."""

    __slots__ = ("in_use",)

    def list_page(self, prefix: str, *, after: str = "", token: str = "", limit: int = 1000) -> ListPage:
        self.in_use.append(sys.getallocatedblocks())
        first = int(token or 0)
        keys = range(first, min(first + limit, 40_000))
        objects = tuple(make_object(f"{key:09}", size_bytes=key << 10) for key in keys)
        return ListPage(objects=objects, token=str(keys.stop) if keys.stop < 40_000 else "")


def test_40_000_keys_are_estimated_in_flat_memory(monkeypatch) -> None:
    source = LongSource()
    source.in_use = []
    monkeypatch.setattr(bootstrap, "open_stores", lambda *_: Stores(source=source, sink=MemorySink()))
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        assert main(["ls", "--estimate", "s3://bucket"]) == 0
    assert len(source.in_use) == 41
    # Blocks of memory; a page of keys takes some thousand, and the second half would take fifty thousand.
    assert max(source.in_use[20:]) < max(source.in_use[:20]) + 5_000
