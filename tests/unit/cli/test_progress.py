"""Progress: what is shown while a job runs, and what is not shown yet."""

from __future__ import annotations

import io
import json
import re
import sys
from dataclasses import replace

import pytest

from awcopy.cli.progress import (
    BarDisplay,
    LineDisplay,
    PlainDisplay,
    QuietDisplay,
    RateWindow,
    choose_display,
    describe,
    share_done,
)
from awcopy.jobs.queries import Phase
from awcopy.model.job import JobState
from awcopy.model.outcome import Totals
from tests.unit.cli.snapshots import make_snapshot, tally

COLOUR = re.compile("\x1b\\[[0-9;]*[39][0-9]")
HALF = Totals(listed=tally(10, 1000), copied=tally(3, 300), skipped=tally(1, 100), failed=tally(1, 100))


def test_the_rate_is_that_of_the_last_thirty_seconds() -> None:
    window = RateWindow()
    assert window.add(0.0, 0) == 0.0
    assert window.add(10.0, 1000) == 100.0
    for second in range(20, 101, 10):
        rate = window.add(float(second), 1000)
    assert rate == 0.0


def test_the_rate_survives_a_counter_that_begins_anew() -> None:
    window = RateWindow()
    window.add(0.0, 5000)
    assert window.add(1.0, 10) == 0.0
    assert window.add(2.0, 110) == 100.0


def test_the_rate_stays_as_it_was_while_the_bytes_are_not_known() -> None:
    window = RateWindow()
    assert window.add(0.0, None) == 0.0
    window.add(1.0, 100)
    assert window.add(2.0, 200) == 100.0
    assert window.add(9.0, None) == 100.0


def test_no_percentage_and_no_time_left_while_listing_goes_on() -> None:
    snapshot = make_snapshot(phase=Phase.LISTING, totals=HALF)
    assert share_done(snapshot) is None
    assert describe(snapshot, 50.0)[0] == "listing  500 B of 1000 B  (still listing)  50 B/s"


def test_percentage_and_time_left_once_all_is_listed() -> None:
    assert describe(make_snapshot(totals=HALF), 50.0) == (
        "50.0%  500 B of 1000 B  50 B/s  ETA 10 s",
        "3 copied  1 failed  1 skipped  5 pending  10 listed",
    )


def test_no_time_left_without_a_rate() -> None:
    assert "ETA" not in describe(make_snapshot(totals=HALF), 0.0)[0]


def test_empty_files_are_counted_by_number() -> None:
    totals = Totals(listed=tally(4), copied=tally(1))
    assert share_done(make_snapshot(totals=totals)) == 0.25


def test_a_completed_job_is_all_done() -> None:
    assert describe(make_snapshot(JobState.COMPLETED, totals=HALF), 5.0)[0] == "100.0%  500 B of 1000 B"


def test_of_a_cancelled_job_only_what_was_dealt_with_is_done() -> None:
    totals = replace(HALF, cancelled=tally(5, 500))
    shown = describe(make_snapshot(JobState.CANCELLED, totals=totals), 5.0)
    assert shown[0] == "50.0%  500 B of 1000 B"
    assert "5 cancelled" in shown[1]


def test_without_a_terminal_there_is_one_line_a_minute_and_one_at_the_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    now = [0.0]
    display = PlainDisplay(clock=lambda: now[0])
    for now[0] in range(0, 121, 2):
        display.show(make_snapshot(totals=HALF))
    display.show(make_snapshot(JobState.COMPLETED, totals=HALF))
    assert len(capsys.readouterr().err.splitlines()) == 3


def test_ndjson_prints_each_change_once(capsys: pytest.CaptureFixture[str]) -> None:
    display = LineDisplay()
    for snapshot in (make_snapshot(), make_snapshot(), make_snapshot(JobState.COMPLETED)):
        display.show(snapshot)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["state"] for line in lines] == ["running", "completed"]


@pytest.mark.parametrize(
    ("output", "quiet", "kind"),
    [
        ("ndjson", True, LineDisplay),
        ("json", False, PlainDisplay),
        ("table", False, PlainDisplay),
        ("json", True, QuietDisplay),
    ],
)
def test_the_display_fits_the_output(output: str, quiet: bool, kind: type) -> None:
    assert type(choose_display(output, quiet=quiet)) is kind


class Terminal(io.StringIO):
    """Standard error that is a terminal."""

    def isatty(self) -> bool:
        return True


def choose_on_terminal(monkeypatch: pytest.MonkeyPatch, **variables: str):
    """Return the display for a terminal of 80 columns, and that terminal."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in {"TERM": "xterm", "COLUMNS": "80", **variables}.items():
        monkeypatch.setenv(name, value)
    return choose_display("table", quiet=False), terminal


def draw(monkeypatch: pytest.MonkeyPatch, **variables: str) -> str:
    display, terminal = choose_on_terminal(monkeypatch, **variables)
    assert isinstance(display, BarDisplay)
    with display:
        display.show(make_snapshot(phase=Phase.LISTING, totals=HALF))
        display.note("a note \x1b[2J")
        display.show(make_snapshot(totals=HALF))
    return terminal.getvalue()


def test_a_terminal_gets_a_bar_and_notes_above_it(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = draw(monkeypatch)
    assert "50.0%  500 B of 1000 B" in drawn
    assert "a note \\x1b[2J" in drawn
    assert COLOUR.search(drawn)


def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not COLOUR.search(draw(monkeypatch, NO_COLOR="1"))


def test_a_dumb_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    display, _ = choose_on_terminal(monkeypatch, TERM="dumb")
    assert type(display) is PlainDisplay


def test_quiet_shows_nothing_but_notes(capsys: pytest.CaptureFixture[str]) -> None:
    with QuietDisplay() as display:
        display.show(make_snapshot())
        display.note("only this")
    assert capsys.readouterr().err == "only this\n"
