"""What it costs the ledger to be looked at: with a long past, with very many failures, and by many at once."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace

import pytest

from awcopy.bootstrap import memory_fleet
from awcopy.jobs import sums
from awcopy.jobs.fleet import Fleet
from awcopy.model.job import JobState
from tests.past_jobs import REASONS, add_failures, add_past_jobs, add_schedules
from tests.unit.web.conftest import make_app
from web.fleet import current_watch
from web.watching import Looks

PAST, FAILURES, ITEMS, SCHEDULES, STREAMS = 1_000, 100_000, 200, 20, 50


class CountingLedger:
    """Passes everything on; counts what is asked for, each list of items as one."""

    def __init__(self, ledger) -> None:
        self._ledger = ledger
        self._lock = threading.Lock()
        self.asked = Counter()

    def __getattr__(self, name):
        method = getattr(self._ledger, name)

        def ask(*arguments, **named):
            if name != "now":
                with self._lock:
                    self.asked[name] += 1
            return method(*arguments, **named)

        return ask

    def told(self) -> Counter[str]:
        told, self.asked = self.asked, Counter()
        return told


@pytest.fixture(scope="module")
def past():
    """A fleet with a long past, and the two jobs in which everything failed: one has ended, one is paused."""
    fleet = memory_fleet()
    jobs = add_past_jobs(fleet.ledger, PAST)
    add_schedules(fleet.ledger, SCHEDULES, jobs)
    failed = {
        state: add_failures(fleet.ledger, state, objects=objects, per_item=objects // ITEMS)
        for state, objects in (
            (JobState.COMPLETED_WITH_ERRORS, FAILURES),
            (JobState.PAUSED, FAILURES // 10),
        )
    }
    return fleet, failed


@pytest.fixture
def ledger(past):
    return CountingLedger(past[0].ledger)


@pytest.fixture
def app(past, ledger, monkeypatch):
    """Time stands still: what is shared for a second is asked for once, as by many at once."""
    monkeypatch.setattr(sums, "_SHARED_ABOVE_S", float("inf"))
    app = make_app(Fleet(ledger=ledger, live=past[0].live))
    app.extensions["awcopy.watch"] = replace(app.extensions["awcopy.watch"], looks=Looks(lambda: 0.0))
    return app


@pytest.fixture
def ask(app, ledger):
    """Asks for a page, and returns what that asked of the ledger, beside the tokens, and the page."""
    client = app.test_client()

    def get(path):
        ledger.told()
        response = client.get(path)
        assert response.status_code == 200
        asked = ledger.told()
        del asked["list_tokens"]
        return dict(+asked), response

    return get


# Of 50 jobs a tenth failed as a whole, and each has items that are to be added up.
FAILED = 5
OVERVIEW = {
    "open_jobs": 1,
    "list_items": 1,
    "list_schedules": 1,
    "list_occurrences": SCHEDULES,
}


@pytest.mark.parametrize(
    ("path", "at_first", "again"),
    [
        ("/", OVERVIEW, {}),
        ("/jobs", {"list_jobs": 1, "list_items": FAILED + 1}, {}),
        ("/jobs?text=nightly+999", {"list_jobs": 2}, {}),
        ("/jobs?state=failed", {"list_jobs": 2, "list_items": 50}, {}),
        ("/schedules/", {"list_schedules": 1, "list_occurrences": SCHEDULES}, {}),
        ("/schedules/nightly-1", {"get_schedule": 1, "list_occurrences": 2, "get_jobs": 1}, None),
        # No worker is there: while something is amiss, each asks anew.
        ("/system", {"check_writable": 1, "list_schedules": 1}, None),
        ("/workers", {}, None),
        ("/jobs/new", {}, None),
        ("/api/v1/health", {"list_jobs": 1}, None),
    ],
)  # fmt: skip
def test_a_page_asks_the_ledger_for_little_whatever_its_past(ask, path, at_first, again):
    assert ask(path)[0] == at_first
    assert ask(path)[0] == (at_first if again is None else again)


def test_a_hundred_thousand_failures_are_told_by_reason_without_reading_them(ask, past):
    ended = past[1][JobState.COMPLETED_WITH_ERRORS]
    asked, response = ask(f"/api/v1/jobs/{ended}/failures")
    assert asked == {"get_job": 1, "read_outcomes": len(REASONS)}
    assert response.json["complete"]
    assert {group["reason"]: group["objects"] for group in response.json["groups"]} == dict.fromkeys(
        REASONS, FAILURES // len(REASONS)
    )
    assert all(group["example"]["key"] for group in response.json["groups"])
    assert ask(f"/jobs/{ended}")[0] == {"get_job": 1}


def test_of_a_job_that_goes_on_they_are_told_by_one_look_at_its_items(ask, past):
    paused = past[1][JobState.PAUSED]
    assert ask(f"/jobs/{paused}")[0] == {"get_job": 1, "list_items": 2, "read_outcomes": len(REASONS)}
    assert ask(f"/jobs/{paused}")[0] == {}


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        ("view=overview", OVERVIEW),
        ("limit=50", {"list_jobs": 1, "list_items": FAILED + 1}),
        ("job={paused}", {"get_job": 1, "list_items": 1}),
    ],
)  # fmt: skip
def test_fifty_streams_ask_the_ledger_for_no_more_than_one_does(app, ledger, past, query, asked):
    path = "/events?" + query.format(paused=past[1][JobState.PAUSED])
    with app.test_request_context(path):
        latest = current_watch()
    together = threading.Barrier(STREAMS)

    def tick():
        together.wait()
        latest()

    threads = [threading.Thread(target=tick) for _ in range(STREAMS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert dict(ledger.told()) == asked
