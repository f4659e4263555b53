from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from awcopy.bootstrap import memory_fleet
from awcopy.jobs.watermark import OVERLAP, find_watermark, resolve_since
from awcopy.model.job import JobId, JobState
from awcopy.model.spec import Selection, Sync
from tests.unit.factories import NOW, make_job, make_spec

SPEC = make_spec(sync=Sync(since_last=True))


@pytest.fixture
def fleet():
    return memory_fleet()


def ended(fleet, number, at, *, state=JobState.COMPLETED, spec=SPEC):
    fleet.ledger.add_job(make_job(id=JobId(f"zybq{99 - number:012}"), created_at=at, state=state, spec=spec))


def test_before_any_run_everything_is_looked_at(fleet):
    assert resolve_since(fleet, SPEC) == SPEC


def test_the_start_of_the_last_run_that_completed_decides(fleet):
    ended(fleet, 1, NOW)
    ended(fleet, 2, NOW + timedelta(days=1))
    assert find_watermark(fleet, SPEC) == NOW + timedelta(days=1) - OVERLAP


@pytest.mark.parametrize("state", [state for state in JobState if state is not JobState.COMPLETED])
def test_a_run_that_did_not_complete_does_not_advance_it(fleet, state):
    ended(fleet, 1, NOW)
    ended(fleet, 2, NOW + timedelta(days=1), state=state)
    assert find_watermark(fleet, SPEC) == NOW - OVERLAP


@pytest.mark.parametrize(
    "other",
    [
        make_spec(sync=None),
        make_spec(prefix="elsewhere/", sync=Sync()),
        make_spec(to="elsewhere/", sync=Sync()),
        make_spec(sync=Sync(), selection=Selection(include=("a*",))),
        make_spec(sync=Sync(), selection=Selection(newer_than=NOW)),
    ],
)
def test_a_run_that_saw_less_or_something_else_does_not_count(fleet, other):
    ended(fleet, 1, NOW, spec=other)
    assert find_watermark(fleet, SPEC) is None


def test_runs_since_the_last_are_links_of_a_chain(fleet):
    ended(fleet, 1, NOW, spec=make_spec(sync=Sync()))
    link = resolve_since(fleet, SPEC)
    ended(fleet, 2, NOW + timedelta(days=1), spec=link)
    assert resolve_since(fleet, SPEC) == replace(
        SPEC, selection=Selection(newer_than=NOW + timedelta(days=1) - OVERLAP)
    )
