"""Every path of the API, and every answer, is as its description says."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import jsonschema
import pytest
from openapi_spec_validator import validate

from awcopy.config import Settings
from awcopy.errors import ServiceUnreachable
from awcopy.model.items import Item, ItemKind, ItemState
from awcopy.model.job import JobState, remember
from awcopy.model.outcome import Outcome, Proof, Result, Tally, Totals
from awcopy.model.schedule import Fate, Occurrence, Schedule
from awcopy.vault.sealing import create_keys

NO_JOB = "zybq000000000000"
REQUEST = {"source": "s3://photos/", "sink": "az://backup/photos"}
REQUESTS = {
    "create_job": REQUEST,
    "retry_job": {"reason": "access_denied"},
    "change_agents": {"agents": 7},
    "change_bandwidth": {"bandwidth": 1_000_000},
    "add_schedule": {**REQUEST, "name": "weekly", "every": "7d"},
    "remove_jobs": {"older_than": "90d"},
    "show_since": {**REQUEST, "command": "sync", "since": "last"},
}
SUCCESSES = {"create_job": 201, "add_schedule": 201, "remove_schedule": 204, "remove_job": 204}
STATES = {
    "resume_job": JobState.PAUSED,
    "retry_job": JobState.COMPLETED_WITH_ERRORS,
    "remove_job": JobState.COMPLETED,
}


@pytest.fixture
def document(client):
    return client.get("/api/v1/openapi.json").json


@pytest.fixture
def operations(document):
    """By their ids: the path, the method and the description."""
    return {
        operation["operationId"]: (path, method, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }


def check(document, operation, response):
    """Fail unless the answer is one that the description has."""
    described = operation["responses"][str(response.status_code)]["content"]
    schema = described[response.mimetype]["schema"]
    lines = response.text.splitlines() if response.mimetype.endswith("ndjson") else [response.text]
    for line in lines if response.mimetype != "text/csv" else ():
        validator = jsonschema.Draft202012Validator({**schema, "components": document["components"]})
        validator.validate(json.loads(line))


def fill(fleet, job):
    """Give a job an event, an item that is done, with an outcome of each kind, and one that is held."""
    fleet.ledger.update_job(remember(job, "running", at=job.created_at))
    outcomes = [
        Outcome(key="a", blob="a", result=Result.COPIED, proof=Proof.CRC64, size_bytes=1, crc64=7),
        Outcome(key="b", blob="b", result=Result.FAILED, reason="access_denied", detail="no", size_bytes=2),
        Outcome(key="c", blob="c", result=Result.SKIPPED, reason="exists"),
    ]
    failed = Totals(failed=Tally(objects=1, size_bytes=2))
    done = Item(
        job_id=job.id,
        number=2,
        kind=ItemKind.COPY_FILES,
        state=ItemState.DONE,
        outcome_fence=1,
        totals=failed,
    )
    fleet.ledger.add_item(done)
    fleet.ledger.write_outcomes(job.id, 2, 1, outcomes)
    fleet.ledger.add_item(
        Item(job_id=job.id, number=3, kind=ItemKind.LIST_OBJECTS, state=ItemState.LEASED, agent=0)
    )


def add_schedule(fleet, job):
    """Add a schedule that was due once, and missed."""
    now = fleet.ledger.now().replace(microsecond=0)
    schedule = Schedule(
        name="nightly", user="dana", spec=job.spec, created_at=now, fired_to=now, cron="30 2 * * *"
    )
    fleet.ledger.add_schedule(schedule)
    fleet.ledger.add_occurrence(
        Occurrence(schedule="nightly", planned_at=now - timedelta(hours=3), fate=Fate.MISSED, detail="late")
    )


def call(client, path, method, name, job_id):
    path = path.replace("{job_id}", job_id).replace("{name}", "nightly")
    return client.open(path, method=method.upper(), json=REQUESTS.get(name))


NAMES = [
    "list_jobs", "create_job", "show_job", "show_spec", "show_failures", "download_report", "show_agents",
    "download_journal",
    "change_agents", "pause_job", "resume_job", "cancel_job", "retry_job", "list_workers", "show_system",
    "show_health", "show_readiness", "show_description", "show_overview", "list_schedules", "add_schedule",
    "show_schedule", "show_history", "run_schedule", "pause_schedule", "resume_schedule", "remove_schedule",
    "change_bandwidth", "remove_job", "remove_jobs", "show_since", "show_me", "show_public_key",
]  # fmt: skip


def test_the_description_is_openapi_and_has_every_route_of_the_api(client, document, operations):
    validate(document)
    rules = {
        (re.sub(r"<(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in client.application.url_map.iter_rules()
        if rule.endpoint.startswith("api.")
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }

    assert {(path, method) for path, method, _ in operations.values()} == rules
    assert set(operations) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_what_goes_well_is_as_described(
    client, document, operations, fleet, add_job, monkeypatch, tmp_path, name
):
    create_keys(tmp_path / "keys")
    monkeypatch.setattr("web.api.current_settings", lambda: Settings(keys=tmp_path / "keys"))
    fleet.live.beat("worker@host", 4, "1.0")
    job = add_job(state=STATES.get(name, JobState.RUNNING))
    fill(fleet, job)
    add_schedule(fleet, job)
    path, method, operation = operations[name]

    response = call(client, path, method, name, job.id)

    assert response.status_code == SUCCESSES.get(name, 200), response.text
    if SUCCESSES.get(name) == 204:
        return
    check(document, operation, response)
    if name == "download_report":
        assert len(response.text.splitlines()) == 3
    if name == "download_journal":
        assert [json.loads(line)["event"] for line in response.text.splitlines()] == [
            "job_event", "object_ended", "object_ended", "object_ended",
        ]  # fmt: skip


@pytest.mark.parametrize("name", [name for name in NAMES if name not in {"show_description", "show_system"}])
def test_problems_are_as_described(client, document, operations, fleet, monkeypatch, name):
    path, method, operation = operations[name]

    def fail(*_, **__):
        raise ServiceUnreachable("the ledger does not answer")

    if "{job_id}" in path:
        check(document, operation, response := call(client, path, method, name, NO_JOB))
        assert response.status_code == 404
        client.application.extensions["awcopy.watch"].looks.forget()
    if "{name}" in path:
        check(document, operation, response := call(client, path, method, name, NO_JOB))
        assert (response.status_code, response.json["code"]) == (404, "schedule_not_found")
    for part in ("list_jobs", "get_job", "prepare", "list_schedules", "get_schedule", "open_jobs", "now"):
        monkeypatch.setattr(fleet.ledger, part, fail)
    monkeypatch.setattr(fleet.live, "processes", fail)
    response = call(client, path, method, name, NO_JOB)
    assert response.status_code == 503
    check(document, operation, response)


@pytest.mark.parametrize(
    ("name", "sent", "status"),
    [
        ("create_job", {"json": {**REQUEST, "agents": 0}}, 400),
        ("create_job", {"data": "x" * 70_000, "content_type": "application/json"}, 413),
        ("create_job", {"data": "{}", "content_type": "text/plain"}, 415),
        ("create_job", {"json": REQUEST, "headers": {"Origin": "https://evil.example"}}, 403),
        ("pause_job", {"json": {"x": 1}}, 400),
        ("list_jobs", {"query_string": "state=sleeping"}, 400),
        ("download_report", {"query_string": "format=xml"}, 400),
        ("download_report", {"query_string": "outcome=lost"}, 400),
        ("cancel_job", {}, 409),
        ("retry_job", {}, 409),
        ("resume_job", {"json": {"sealed": "no base64!"}}, 400),
        ("remove_jobs", {"json": {"older_than": "2999-01-01"}}, 400),
        ("remove_jobs", {"json": {}}, 400),
        ("list_jobs", {"query_string": "id=../etc"}, 400),
        ("list_jobs", {"query_string": "record=maybe"}, 400),
        ("download_report", {"query_string": "after=first"}, 400),
        ("show_since", {"json": {**REQUEST, "overwrite": "always"}}, 400),
    ],
)
def test_refusals_are_as_described(client, document, operations, add_job, name, sent, status):
    job = add_job(state=JobState.COMPLETED)
    path, method, operation = operations[name]

    response = client.open(path.replace("{job_id}", job.id), method=method.upper(), **sent)

    assert response.status_code == status, response.text
    check(document, operation, response)
