"""``--overwrite prompt``: which blobs are asked about, and what an answer allows."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import timedelta

import pytest

from awcopy.bootstrap import Stores
from awcopy.cli import conflicts as module
from awcopy.cli.conflicts import find_conflicts, read_numbers, settle_conflicts
from awcopy.cli.help import Exit
from awcopy.cli.launch import run_locally, run_on_fleet
from awcopy.cli.legacy import read_legacy
from awcopy.cli.main import main
from awcopy.crc64 import crc64
from awcopy.errors import UsageError
from awcopy.model.objects import ALWAYS, BlobProperties
from awcopy.model.spec import Approval, Overwrite
from awcopy.sink.memory import MemorySink
from awcopy.source.memory import MemorySource
from tests.unit.cli.test_copy import LINE, launched  # noqa: F401 - a fixture
from tests.unit.cli.test_deletion import LEGACY
from tests.unit.cli.test_launch import world  # noqa: F401 - a fixture
from tests.unit.factories import NOW, make_spec

ASKING = make_spec(overwrite=Overwrite.PROMPT)


def put_blob(sink: MemorySink, name: str, content: bytes = b"before", **metadata: str) -> str:
    view, properties = memoryview(content), BlobProperties(metadata=metadata)
    return sink.put_blob(name, view, crc64=crc64(view), properties=properties, condition=ALWAYS)


@pytest.fixture
def stores() -> Stores:
    """Five objects: one is new, three meet other blobs, one is copied already."""
    source, sink = MemorySource(), MemorySink(now=lambda: NOW)
    for key in ("a", "b", "c", "new", "same"):
        source.put_object(key, key.encode())
    for key in ("a", "b", "c", "elsewhere"):
        put_blob(sink, key)
    same = source.list_page("same").objects[0]
    put_blob(sink, "same", b"same", awcopy_etag=same.etag, awcopy_size="4")
    return Stores(source=source, sink=sink)


def answer(monkeypatch: pytest.MonkeyPatch, *texts: str) -> list[str]:
    """Answer the questions, and return them."""
    left, asked = list(texts), []
    monkeypatch.setattr(module.click, "prompt", lambda text, **_: asked.append(text) or left.pop(0))
    return asked


def etag_of(stores: Stores, name: str) -> str:
    return stores.sink.head(name).etag


def settle(stores: Stores | None) -> Approval:
    return settle_conflicts(ASKING, stores, connections=2).approval


def test_only_blobs_that_would_be_replaced_are_asked_about(stores, monkeypatch, capsys) -> None:
    answer(monkeypatch, "none")
    assert settle(stores) == Approval()
    shown = capsys.readouterr().err
    assert "3 blobs are there already" in shown
    assert [line.split()[1] for line in shown.splitlines()[1:]] == ["a", "b", "c"]


def test_all_approves_what_was_seen(stores, monkeypatch) -> None:
    answer(monkeypatch, "all")
    assert settle(stores).etags == tuple(etag_of(stores, name) for name in "abc")


def test_chosen_ones_alone_are_approved(stores, monkeypatch) -> None:
    answer(monkeypatch, "choose", "1, 3")
    assert settle(stores).etags == (etag_of(stores, "a"), etag_of(stores, "c"))


def test_of_very_many_blobs_the_date_of_the_last_approves(stores, monkeypatch) -> None:
    monkeypatch.setattr(module, "MOST_NAMED", 2)
    answer(monkeypatch, "all")
    assert settle(stores) == Approval(until=NOW)


def test_from_very_many_blobs_none_can_be_chosen(stores, monkeypatch) -> None:
    monkeypatch.setattr(module, "MOST_NAMED", 2)
    answer(monkeypatch, "choose")
    with pytest.raises(UsageError, match="nothing was started"):
        settle(stores)


def test_long_lists_are_cut_short_until_one_is_to_be_chosen(stores, monkeypatch, capsys) -> None:
    monkeypatch.setattr(module, "SHOWN", 1)
    answer(monkeypatch, "choose", "2")
    settle(stores)
    shown = capsys.readouterr().err
    assert "and 2 more" in shown
    assert shown.count("     2  b  ") == 1


def test_hostile_names_are_shown_escaped(stores, monkeypatch, capsys) -> None:
    stores.source.put_object("x\u202ey", b"1")
    put_blob(stores.sink, "x\u202ey")
    answer(monkeypatch, "none")
    settle(stores)
    assert "x\\u202ey" in capsys.readouterr().err


def test_where_nothing_would_be_replaced_nothing_is_asked(monkeypatch) -> None:
    asked = answer(monkeypatch)
    source, sink = MemorySource(), MemorySink()
    source.put_object("new", b"1")
    assert settle(Stores(source=source, sink=sink)) == Approval()
    assert asked == []


def test_both_stores_must_be_seen_from_here() -> None:
    with pytest.raises(UsageError, match="credentials for both"):
        settle(None)


@pytest.mark.parametrize(
    ("text", "numbers"), [("1", {1}), ("1,3-5", {1, 3, 4, 5}), (" 2 - 3 ", {2, 3}), ("1-5", {1, 2, 3, 4, 5})]
)
def test_numbers_are_read(text, numbers) -> None:
    assert read_numbers(text, 5) == numbers


@pytest.mark.parametrize("text", ["", "0", "6", "3-1", "4-6", "a", "1,,2", "-1"])
def test_what_is_no_number_of_the_list_starts_nothing(text) -> None:
    with pytest.raises(UsageError, match="nothing was started"):
        read_numbers(text, 5)


def run(world, launcher) -> Exit:  # noqa: F811
    launch = world.launch(quiet=True)
    return launcher(replace(launch, spec=replace(launch.spec, overwrite=Overwrite.PROMPT)))


@pytest.mark.parametrize(("said", "content"), [("all", b"a,b"), ("none", b"before")])
def test_a_local_copy_does_what_was_answered(world, monkeypatch, said, content) -> None:  # noqa: F811
    put_blob(world.sink, "a.csv")
    answer(monkeypatch, said)
    assert run(world, run_locally) is Exit.OK
    assert world.sink.blobs["a.csv"].content == content


def test_a_blob_that_was_written_after_the_question_stays(world, monkeypatch) -> None:  # noqa: F811
    put_blob(world.sink, "a.csv")

    def write_then_say_all(*_, **__) -> str:
        put_blob(world.sink, "a.csv", b"meanwhile")
        return "all"

    monkeypatch.setattr(module.click, "prompt", write_then_say_all)
    run(world, run_locally)
    assert world.sink.blobs["a.csv"].content == b"meanwhile"


def test_the_fleet_is_told_the_answer(world, monkeypatch) -> None:  # noqa: F811
    etag = put_blob(world.sink, "a.csv")
    answer(monkeypatch, "all")
    monkeypatch.setattr("awcopy.cli.launch.follow_job", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    run(world, run_on_fleet)
    assert world.jobs()[0].spec.approval == Approval(etags=(etag,))


def test_without_a_terminal_nobody_can_answer(launched, monkeypatch, capsys) -> None:  # noqa: F811
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False)
    assert main([*LINE, "--local", "--overwrite", "prompt"]) == Exit.USAGE
    assert "--overwrite changed" in capsys.readouterr().err
    assert launched == []


def test_a_dry_run_asks_nothing(launched, capsys) -> None:  # noqa: F811
    assert main([*LINE, "--local", "--dry-run", "--overwrite", "prompt"]) == Exit.USAGE
    assert "nothing to ask" in capsys.readouterr().err


def test_the_form_of_2015_prompts() -> None:
    assert "--overwrite=prompt" in read_legacy([*LEGACY, "/P"]).modern_argv()


def test_the_last_date_is_that_of_all_blobs(stores) -> None:
    stores.sink.now = lambda: NOW + timedelta(hours=1)
    put_blob(stores.sink, "b")
    assert find_conflicts(ASKING, stores, connections=1).last_written == NOW + timedelta(hours=1)
