"""What people see, to the letter: at 80 and 120 columns, without colours, and with names that mean harm."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest

from awcopy import bootstrap
from awcopy.bootstrap import Stores, memory_fleet
from awcopy.cli import jobs as command
from awcopy.cli.desk.fleet import FleetDesk
from awcopy.cli.main import main
from awcopy.model.items import Item, ItemKind, ItemState
from awcopy.model.job import JobState
from awcopy.model.outcome import Outcome, Result, Totals
from awcopy.sink.memory import MemorySink
from awcopy.source.memory import MemorySource
from tests.unit.cli.snapshots import SOME_FAILED, make_job, tally

HOSTILE = "\x1b[2J\x1b]52;c;aGk=\x07a\r\nb\u202egpj\u200b.exe"
SHOWN = "\\x1b[2J\\x1b]52;c;aGk=\\x07a\\x0d\\x0ab\\u202egpj\\u200b.exe"
LONGEST = "k" * 1024
ESCAPE = re.compile("\x1b\\[[0-9;]*m")
AT_80 = r"""
ID                NAME            STATE             COPIED     FAILED  LISTED
zyc0v3b8k2m4n6p8  nightly         completed_with_…  1,239,000  1       1,240,000
zyc0v3b8k2m4n6p9  \x1b[2J\x1b]5…  completed         1          0       1
""".lstrip()
AT_120 = r"""
ID                NAME                   STATE                  COPIED     FAILED  LISTED     SIZE      CREATED (UTC)
zyc0v3b8k2m4n6p8  nightly                completed_with_errors  1,239,000  1       1,240,000  10.0 TiB  2026-03-01 12:00
zyc0v3b8k2m4n6p9  \x1b[2J\x1b]52;c;aGk…  completed              1          0       1          0 B       2026-03-01 12:00
""".lstrip()


class Terminal(io.StringIO):
    """A terminal in memory."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def show(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Run a command on a terminal and return what it shows, lines without spaces at their ends."""

    def run(*words: str, columns: int = 80, **variables: str) -> str:
        monkeypatch.delenv("NO_COLOR", raising=False)
        for name, value in {"TERM": "xterm-256color", "COLUMNS": str(columns), **variables}.items():
            monkeypatch.setenv(name, value)
        terminal = Terminal()
        monkeypatch.setattr(sys, "stdout", terminal)
        main(list(words))
        return re.sub(r" +$", "", terminal.getvalue(), flags=re.MULTILINE)

    return run


@pytest.fixture
def fleet(monkeypatch: pytest.MonkeyPatch):
    fleet = memory_fleet()
    monkeypatch.setattr(command, "begin", lambda: None)
    monkeypatch.setattr(command, "open_desk", lambda settings: FleetDesk(settings, fleet))
    job = make_job(JobState.COMPLETED_WITH_ERRORS, totals=SOME_FAILED)
    fleet.ledger.add_job(job)
    hostile = replace(
        make_job(JobState.COMPLETED, totals=Totals(listed=tally(1), copied=tally(1))),
        id="zyc0v3b8k2m4n6p9",
        name=HOSTILE,
        detail=HOSTILE,
    )
    fleet.ledger.add_job(hostile)
    outcomes = [
        Outcome(key=key, blob=key, result=Result.FAILED, reason="access_denied") for key in (HOSTILE, LONGEST)
    ]
    fleet.ledger.write_outcomes(job.id, 1, 1, outcomes)
    fleet.ledger.add_item(
        Item(
            job_id=job.id, number=1, kind=ItemKind.COPY_FILES, state=ItemState.DONE, outcome_fence=1, fence=1
        )
    )
    return fleet


@pytest.mark.parametrize(("columns", "golden"), [(80, AT_80), (120, AT_120)])
def test_the_list_of_jobs_fits_the_terminal(fleet, show, columns: int, golden: str) -> None:
    shown = ESCAPE.sub("", show("jobs", "list", columns=columns))
    shown = re.sub(r" +$", "", shown, flags=re.MULTILINE)
    assert shown == golden
    assert max(map(len, shown.splitlines())) <= columns


def test_what_does_not_fit_is_named(fleet, show, capsys) -> None:
    show("jobs", "list", columns=80)
    assert capsys.readouterr().err == "a wider terminal also shows SIZE, CREATED (UTC), FROM, TO\n"


@pytest.mark.parametrize("words", [["jobs", "list"], ["jobs", "show", "zyc0v3b8k2m4n6p9"]], ids=" ".join)
def test_colours_are_left_out_when_nobody_wants_them(fleet, show, words: list[str]) -> None:
    colour = re.compile("\x1b\\[[0-9;]*[39][0-9]m")
    assert not colour.search(show(*words, NO_COLOR="1"))
    assert "\x1b" not in show(*words, TERM="dumb")


def test_a_jobs_page_shows_no_control_character_of_anybodys(fleet, show) -> None:
    shown = ESCAPE.sub("", show("jobs", "show", "zyc0v3b8k2m4n6p9"))
    assert f"({SHOWN})" in shown
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e\u200b]", shown)


def test_a_report_keeps_the_longest_key_and_escapes_every_other(fleet, show) -> None:
    header, hostile, longest = show("jobs", "report", "zyc0v3b8k2m4n6p8", "-o", "csv").splitlines()
    assert header.startswith("key,blob,outcome")
    assert hostile.startswith(f"{SHOWN},")
    assert longest.startswith(f"{LONGEST},{LONGEST},failed,access_denied")


def test_a_listing_has_one_line_for_each_key(show, monkeypatch) -> None:
    source = MemorySource()
    for key in (HOSTILE, LONGEST):
        source.put_object(key, b"123")
    monkeypatch.setattr(bootstrap, "open_stores", lambda *_: Stores(source=source, sink=MemorySink()))
    first, second = show("ls", "-r", "s3://bucket").splitlines()
    assert first.endswith(f"  {SHOWN}")
    assert second.endswith(f"  {LONGEST}")
