"""``awcopy ls``: entries as they are listed, folders as one."""

from __future__ import annotations

import json

import pytest

from awcopy import bootstrap
from awcopy.bootstrap import Stores
from awcopy.cli.listing import Folder
from awcopy.cli.ls import list_entries
from awcopy.cli.main import main
from awcopy.sink.memory import MemorySink
from awcopy.source.memory import MemorySource

KEYS = ["a.txt", "big/1", "big/2", "big/deep/3", "\x1b[2J", "z.txt"]


def make_source(keys=KEYS) -> MemorySource:
    source = MemorySource()
    for key in keys:
        source.put_object(key, b"123")
    return source


def names(source, prefix: str = "", *, recursive: bool = False, may_jump: bool = True) -> list[str]:
    entries = list_entries(source, prefix, lambda ask: ask(), recursive=recursive, may_jump=may_jump)
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
