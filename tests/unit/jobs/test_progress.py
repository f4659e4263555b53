"""How far a job is, and how long it may still take."""

from __future__ import annotations

import pytest

from awcopy.jobs.progress import bytes_done, time_left_s
from awcopy.jobs.queries import Phase
from awcopy.model.job import JobState
from awcopy.model.outcome import Totals
from tests.unit.cli.snapshots import make_snapshot, tally

HALF = Totals(listed=tally(10, 1000), copied=tally(3, 300), skipped=tally(1, 100), failed=tally(1, 100))


@pytest.mark.parametrize(("moved", "done"), [(0, 500), (500, 700), (10_000, 1000)])
def test_bytes_of_files_under_way_count_but_never_past_the_whole(moved, done):
    assert bytes_done(make_snapshot(totals=HALF, moved_bytes=moved)) == done


def test_the_time_left_is_that_of_the_bytes_left_at_this_rate():
    assert time_left_s(make_snapshot(totals=HALF, moved_bytes=500), 50.0) == 6.0


@pytest.mark.parametrize(
    ("facts", "rate"),
    [
        ({"phase": Phase.LISTING}, 50.0),
        ({}, 0.0),
        ({"moved_bytes": 10_000}, 50.0),
        ({"state": JobState.CANCELLED}, 50.0),
    ],
)
def test_no_time_is_said_while_it_cannot_be_known(facts, rate):
    assert time_left_s(make_snapshot(**{"totals": HALF, **facts}), rate) is None
