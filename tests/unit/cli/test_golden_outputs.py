"""Whole outputs, to the letter, in files beside: each command on terminals of 80 and 120 columns, without colours, in a
pipe; with a key of 1,024 bytes, and keys of escape sequences, line breaks and markup.

After a change that is meant, ``AWCOPY_GOLDEN=write pytest`` writes the files anew: read their difference.
"""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from awcopy import bootstrap
from awcopy.bootstrap import Stores, memory_fleet
from awcopy.cli import jobs as jobs_command
from awcopy.cli.desk.fleet import FleetDesk
from awcopy.cli.main import main
from awcopy.model.items import Item, ItemKind, ItemState
from awcopy.model.job import JobState
from awcopy.model.outcome import Outcome, Proof, Result, Totals
from awcopy.sink.memory import MemorySink, StoredBlob
from awcopy.source.memory import START, MemorySource
from tests.unit.cli.snapshots import SOME_FAILED, make_job, tally
from tests.unit.factories import make_blob

GOLDEN = Path(__file__).parent / "golden"
IS_WRITING = os.environ.get("AWCOPY_GOLDEN") == "write"  # noqa: TID251 - no setting of awcopy

ESCAPES = "data/\x1b[2J\x1b]52;c;aGk=\x07.txt"  # clears the screen, writes the clipboard
BREAKS = "data/two\r\nlines\t\u2028.csv"
TRICKS = "data/\u202egpj\u200b[red]x[/red]=1+1.exe"  # turned round, invisible, markup, a formula
LONGEST = "data/" + "k" * 1019
KEYS = (ESCAPES, BREAKS, TRICKS, LONGEST)
HOSTILE_NAME = f"{ESCAPES}{BREAKS}"
BOTH = ["s3://bucket/data/", "az://acme/backup/x"]
COMMANDS = {
    "ls": ["ls", "-r", "s3://bucket/data/"],
    "ls_folders": ["ls", "s3://bucket/"],
    "ls_estimate": [
        "ls",
        "--estimate",
        "s3://bucket/data/",
        "--region",
        "eu-west-1",
        "--azure-region",
        "eastus",
    ],
    "dry_run": ["copy", *BOTH, "--dry-run"],
    "dry_run_estimate": [
        "copy",
        *BOTH,
        "--dry-run",
        "--estimate",
        "--region",
        "eu-west-1",
        "--azure-region",
        "eastus",
    ],
    "check": ["check", *BOTH, "--all"],
    "copy": ["copy", *BOTH, "--local", "--route", "stream"],
    "jobs_list": ["jobs", "list"],
    "jobs_show": ["jobs", "show", "zyc0v3b8k2m4n6p8"],
    "jobs_show_hostile": ["jobs", "show", "zyc0v3b8k2m4n6p9"],
    "jobs_report": ["jobs", "report", "zyc0v3b8k2m4n6p8"],
    "jobs_report_csv": ["jobs", "report", "zyc0v3b8k2m4n6p8", "-o", "csv"],
}


@dataclass(frozen=True, kw_only=True)
class Mode:
    """Where the output goes."""

    columns: int = 80
    is_terminal: bool = True
    has_colours: bool = True


MODES = {
    "80": Mode(),
    "120": Mode(columns=120),
    "no_color": Mode(has_colours=False),
    "pipe": Mode(is_terminal=False),
}
CHANGES = (  # what differs from run to run
    (re.compile(r"^ *[\d.]+%  .*\n", re.MULTILINE), ""),
    (re.compile(r"Job [0-9a-z]{16} \(default\)"), "Job ID (default)"),
    (re.compile(r"(completed(?: with errors)?(?:\x1b\[0m)?) in .*"), r"\1 in TIME"),
)


class Screen(io.StringIO):
    """A terminal or a pipe in memory."""

    is_terminal = True

    def isatty(self) -> bool:
        return self.is_terminal


@pytest.fixture
def stores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two sides: keys that mean harm, one that is archived, one in a folder, and a blob that no object stands for."""

    def open_them(*_: object) -> Stores:
        source, sink = MemorySource(), MemorySink(now=lambda: START)
        for key in KEYS:
            source.put_object(key, b"123")
        source.put_object("data/cold", b"12345", storage_class="DEEP_ARCHIVE")
        source.put_object("data/sub/plain.txt", b"x" * 1234)
        source.put_object("other", b"1")
        sink.blobs["x/extra"] = StoredBlob(content=b"1", head=make_blob(name="x/extra", size_bytes=1))
        return Stores(source=source, sink=sink)

    monkeypatch.setattr(bootstrap, "open_stores", open_them)


@pytest.fixture
def fleet(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = memory_fleet()
    monkeypatch.setattr(jobs_command, "open_desk", lambda settings: FleetDesk(settings, fleet))
    job = make_job(JobState.COMPLETED_WITH_ERRORS, totals=SOME_FAILED)
    hostile = replace(
        make_job(JobState.COMPLETED, totals=Totals(listed=tally(1), copied=tally(1))),
        id="zyc0v3b8k2m4n6p9",
        name=HOSTILE_NAME,
        detail=HOSTILE_NAME,
    )
    for one in (job, hostile):
        fleet.ledger.add_job(one)
    outcomes = [
        *(
            Outcome(key=key, blob=key, result=Result.FAILED, reason="name_not_allowed", detail=key)
            for key in KEYS
        ),
        Outcome(
            key="data/a", blob="x/a", result=Result.COPIED, size_bytes=3, etag="e", proof=Proof.MD5, crc64=7
        ),
    ]
    fleet.ledger.write_outcomes(job.id, 1, 1, outcomes)
    done = Item(
        job_id=job.id, number=1, kind=ItemKind.COPY_FILES, state=ItemState.DONE, outcome_fence=1, fence=1
    )
    fleet.ledger.add_item(done)


@pytest.fixture
def show(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[str], Mode], str]:
    """Run a command and return all that it prints: standard output, then what goes beside it."""

    def run(words: list[str], mode: Mode) -> str:
        monkeypatch.setenv("TERM", "xterm-256color")
        monkeypatch.setenv("COLUMNS", str(mode.columns))
        monkeypatch.delenv("NO_COLOR", raising=False)
        if not mode.has_colours:
            monkeypatch.setenv("NO_COLOR", "1")
        out, err = Screen(), Screen()
        out.is_terminal, err.is_terminal = mode.is_terminal, False
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", err)
        code = main(words)
        text = f"{out.getvalue()}--- beside it ---\n{err.getvalue()}--- exit code {int(code)}\n"
        for pattern, stands_for in CHANGES:
            text = pattern.sub(stands_for, text)
        # Escape characters and carriage returns as pictures of them, so that the files can be read.
        return text.replace("\x1b", "␛").replace("\r", "␍")

    return run


@pytest.mark.usefixtures("stores", "fleet")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("command", COMMANDS)
def test_the_output_is_as_it_was_agreed(command: str, mode: str, show) -> None:
    shown = show(COMMANDS[command], MODES[mode])
    path = GOLDEN / command / f"{mode}.txt"
    if IS_WRITING:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(shown, encoding="utf-8")
    assert shown == path.read_text(encoding="utf-8")


def golden(mode: str = "*") -> list[Path]:
    return sorted(GOLDEN.glob(f"*/{mode}.txt"))


@pytest.mark.parametrize("path", golden(), ids=lambda path: f"{path.parent.name} {path.stem}")
def test_what_was_agreed_harms_no_terminal(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    # Colours and weights on a terminal, and no other control character but the line's end.
    styles = re.findall("␛\\[[0-9;]*m", text)
    assert text.count("␛") == len(styles)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e\u200b]", text)
    assert not styles or path.stem in {"80", "120", "no_color"}
    if path.stem == "no_color":
        assert not re.search("␛\\[[0-9;]*[349][0-9]m", text)


@pytest.mark.parametrize("path", golden("pipe"), ids=lambda path: path.parent.name)
def test_nothing_is_cut_off_in_a_pipe(path: Path) -> None:
    shows_keys = {
        "ls",
        "ls_estimate",
        "dry_run",
        "dry_run_estimate",
        "check",
        "jobs_report",
        "jobs_report_csv",
    }
    assert (LONGEST.removeprefix("data/") in path.read_text(encoding="utf-8")) is (
        path.parent.name in shows_keys
    )


def test_every_command_has_its_files_and_no_file_is_left_over() -> None:
    wanted = {(command, mode) for command in COMMANDS for mode in MODES}
    assert {(path.parent.name, path.stem) for path in golden()} == wanted


def test_tables_fit_the_terminal() -> None:
    for mode in ("80", "120", "no_color"):
        text = re.sub("␛\\[[0-9;]*m", "", (GOLDEN / "jobs_list" / f"{mode}.txt").read_text(encoding="utf-8"))
        table = text.partition("--- beside it ---")[0]
        assert max(len(line.rstrip()) for line in table.splitlines()) <= MODES[mode].columns
