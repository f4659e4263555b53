from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from awcopy.jobs import failures
from awcopy.jobs.failures import HINTS, Examples, group_failures
from awcopy.model.items import complete
from awcopy.model.outcome import FailureCounts, Result, Tally, Totals, tally_outcomes
from tests.unit.factories import JOB_ID, make_item, make_outcome
from tests.unit.world import World

REASONS = Path(__file__).parents[3] / "docs" / "reference" / "exit-codes.md"


@pytest.fixture
def fleet():
    world = World()
    world.submit()
    return world.fleet


def add_failures(fleet, number, *reasons, is_counted=True):
    """Add an item with a good outcome and so many failures; one that an older awcopy wrote has no counts."""
    failed = [
        make_outcome(f"{number}-{place}", result=Result.FAILED, reason=reason)
        for place, reason in enumerate(reasons)
    ]
    outcomes = [make_outcome("good"), *failed]
    item = complete(make_item(number, fence=1), tally_outcomes(outcomes), has_outcomes=True)
    if not is_counted:
        item = replace(item, totals=replace(item.totals, failures=FailureCounts()))
    fleet.ledger.add_item(item)
    fleet.ledger.write_outcomes(JOB_ID, number, 1, outcomes)


def group(fleet, examples=None):
    totals = sum((item.totals for item in fleet.ledger.list_items(JOB_ID)), Totals())
    return group_failures(fleet, JOB_ID, totals, examples)


@pytest.mark.parametrize("is_counted", [True, False])
def test_failures_are_grouped_by_reason_the_largest_group_first(fleet, is_counted):
    add_failures(fleet, 1, "throttled", is_counted=is_counted)
    add_failures(fleet, 2, "access_denied", "access_denied")

    found = group(fleet)

    assert [(group.reason, group.count.tally) for group in found.groups] == [
        ("access_denied", Tally(objects=2, size_bytes=14)),
        ("throttled", Tally(objects=1, size_bytes=7)),
    ]
    assert [group.example.key for group in found.groups] == ["2-0", "1-0"]
    assert found.is_complete


def test_examples_are_looked_up_once(fleet, monkeypatch):
    add_failures(fleet, 1, "throttled", "corrupt")
    examples = Examples()
    first = group(fleet, examples)

    monkeypatch.setattr(fleet.ledger, "read_outcomes", None)

    assert group(fleet, examples) == first


def test_a_group_without_a_document_has_no_example(fleet):
    add_failures(fleet, 1, "throttled")
    fleet.ledger.write_outcomes(JOB_ID, 1, 1, [])

    [found] = group(fleet).to_json()["groups"]

    assert (found["objects"], found["example"]) == (1, None)


def test_of_an_older_job_only_so_many_documents_are_read_and_that_is_said(fleet, monkeypatch):
    monkeypatch.setattr(failures, "MOST_DOCUMENTS", 1)
    add_failures(fleet, 1, "throttled", is_counted=False)
    add_failures(fleet, 2, "throttled", is_counted=False)

    found = group(fleet)

    assert (found.groups[0].count.tally.objects, found.is_complete) == (1, False)


def test_every_reason_that_is_documented_has_a_hint():
    rows = re.findall(r"^\| failed \| (.*?) \|", REASONS.read_text(encoding="utf-8"), re.MULTILINE)
    documented = {reason for row in rows for reason in re.findall(r"`(\w+)`", row)}

    assert documented
    assert set(HINTS) == documented
