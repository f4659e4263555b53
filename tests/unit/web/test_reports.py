from __future__ import annotations

import csv
import json
import threading
from dataclasses import replace

import pytest

from awcopy.errors import ServiceUnreachable
from awcopy.model.items import Item, ItemKind, ItemState
from awcopy.model.job import JobEvent, JobState
from awcopy.model.outcome import Outcome, Result
from tests.unit.hostile import HOSTILE_TEXTS
from web import reports


@pytest.fixture(autouse=True)
def _no_other_downloads(monkeypatch):
    monkeypatch.setattr(reports, "_downloads", threading.BoundedSemaphore(reports.MOST_DOWNLOADS))


@pytest.fixture
def job(fleet, add_job):
    job = add_job(state=JobState.COMPLETED_WITH_ERRORS)
    done = ItemState.DONE
    fleet.ledger.add_item(
        Item(job_id=job.id, number=1, kind=ItemKind.COPY_FILES, state=done, outcome_fence=1)
    )
    results = [Result.FAILED, Result.COPIED]
    outcomes = [
        Outcome(key=key, blob=key, result=results[place % 2], reason="refused", detail=key)
        for place, key in enumerate(HOSTILE_TEXTS)
    ]
    fleet.ledger.write_outcomes(job.id, 1, 1, outcomes)
    return job


def test_ndjson_keeps_every_key_exactly_and_shows_no_control_character(client, job):
    response = client.get(f"/api/v1/jobs/{job.id}/report")

    assert [json.loads(line)["key"] for line in response.text.splitlines()] == list(HOSTILE_TEXTS)
    assert response.text.isascii()
    assert response.headers["Content-Disposition"] == f'attachment; filename="awcopy-{job.id}.ndjson"'


def test_no_cell_of_a_csv_is_run_or_breaks_a_line(client, job):
    text = client.get(f"/api/v1/jobs/{job.id}/report?format=csv").text

    rows = list(csv.reader(text.splitlines()))
    assert len(rows) == 1 + len(HOSTILE_TEXTS)
    assert not any(cell.startswith(("=", "+", "-", "@", "\t")) for row in rows for cell in row)
    assert not any(ord(mark) < 32 and mark not in "\r\n" for mark in text)


def test_a_journal_tells_what_happened_and_then_how_each_object_ended(client, fleet, job):
    event = JobEvent(at=job.created_at, what="queued", detail=HOSTILE_TEXTS[0])
    fleet.ledger.update_job(replace(fleet.ledger.get_job(job.id), events=(event,)))

    response = client.get(f"/api/v1/jobs/{job.id}/journal")
    first, *others = [json.loads(line) for line in response.text.splitlines()]

    assert (first["event"], first["what"], first["detail"]) == ("job_event", "queued", HOSTILE_TEXTS[0])
    assert first["time"] == job.created_at.isoformat(timespec="milliseconds")
    assert [line["key"] for line in others] == list(HOSTILE_TEXTS)
    assert {line["event"] for line in others} == {"object_ended"}
    assert response.headers["Content-Disposition"] == f'attachment; filename="awcopy-{job.id}.log"'
    assert client.get("/api/v1/jobs/zybq000000000000/journal").status_code == 404


def test_only_the_outcomes_asked_for_are_sent(client, job):
    text = client.get(f"/api/v1/jobs/{job.id}/report?outcome=failed").text

    assert {json.loads(line)["outcome"] for line in text.splitlines()} == {"failed"}


def test_a_report_that_cannot_be_read_is_a_problem_and_no_empty_file(client, job, fleet, monkeypatch):
    def fail(*_):
        raise ServiceUnreachable("the ledger does not answer")

    monkeypatch.setattr(fleet.ledger, "read_outcomes", fail)

    for _ in range(reports.MOST_DOWNLOADS + 1):  # none of them stays counted
        assert client.get(f"/api/v1/jobs/{job.id}/report").status_code == 503


def test_downloads_are_limited_so_that_pages_still_answer(client, job):
    path = f"/api/v1/jobs/{job.id}/report"
    slow = [client.get(path, buffered=False) for _ in range(reports.MOST_DOWNLOADS)]

    refused = client.get(path)
    for response in slow:
        response.close()

    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "10")
    assert client.get(path).status_code == 200
