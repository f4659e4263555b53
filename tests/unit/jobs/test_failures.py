from __future__ import annotations

import re
from pathlib import Path

import pytest

from awcopy.jobs import failures
from awcopy.jobs.failures import HINTS, group_failures
from awcopy.model.items import ItemState
from awcopy.model.outcome import Result, Tally, Totals
from tests.unit.factories import JOB_ID, make_item, make_outcome
from tests.unit.world import World

REASONS = Path(__file__).parents[3] / "docs" / "reference" / "exit-codes.md"


@pytest.fixture
def fleet():
    world = World()
    world.submit()
    return world.fleet


def add_failures(fleet, number, *reasons):
    failed = Totals(failed=Tally(objects=len(reasons)))
    fleet.ledger.add_item(make_item(number, state=ItemState.DONE, outcome_fence=1, totals=failed))
    outcomes = [
        make_outcome(f"{number}-{place}", result=Result.FAILED, reason=reason)
        for place, reason in enumerate(reasons)
    ]
    fleet.ledger.write_outcomes(JOB_ID, number, 1, [make_outcome("good"), *outcomes])


def test_failures_are_grouped_by_reason_the_largest_group_first(fleet):
    add_failures(fleet, 1, "throttled")
    add_failures(fleet, 2, "access_denied", "access_denied")

    found = group_failures(fleet, JOB_ID)

    assert [(group.reason, group.tally.objects) for group in found.groups] == [
        ("access_denied", 2),
        ("throttled", 1),
    ]
    assert found.groups[0].example.key == "2-0"
    assert found.groups[0].tally.size_bytes == 14
    assert found.is_complete


def test_only_so_many_documents_are_read_and_that_is_said(fleet, monkeypatch):
    monkeypatch.setattr(failures, "MOST_DOCUMENTS", 1)
    add_failures(fleet, 1, "throttled")
    add_failures(fleet, 2, "throttled")

    found = group_failures(fleet, JOB_ID)

    assert (found.groups[0].tally.objects, found.is_complete) == (1, False)


def test_every_reason_that_is_documented_has_a_hint():
    rows = re.findall(r"^\| failed \| (.*?) \|", REASONS.read_text(encoding="utf-8"), re.MULTILINE)
    documented = {reason for row in rows for reason in re.findall(r"`(\w+)`", row)}

    assert documented
    assert set(HINTS) == documented
