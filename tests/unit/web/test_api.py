from __future__ import annotations

import pytest

from awcopy.errors import Conflict, ServiceUnreachable
from awcopy.jobs.queries import take_snapshot
from awcopy.model.job import JobState

PROBLEM = {"type", "title", "status", "detail", "code", "hint"}
REQUEST = {"source": "s3://photos/", "sink": "az://backup/photos", "name": "nightly", "agents": 2}


def test_a_job_is_its_snapshot(client, fleet, add_job, totals):
    job = add_job(totals=totals, name="<b>")

    response = client.get(f"/api/v1/jobs/{job.id}")

    assert response.json == take_snapshot(fleet, job.id).to_json()
    assert response.headers["Cache-Control"] == "no-store"


def test_jobs_are_listed_page_by_page_newest_first(client, add_job):
    ids = [add_job(state=JobState.COMPLETED).id for _ in range(3)]

    first = client.get("/api/v1/jobs?limit=2").json
    rest = client.get(f"/api/v1/jobs?limit=2&after={first['next']}").json

    assert [job["id"] for job in first["jobs"]] == [ids[2], ids[1]]
    assert first["next"] == ids[1]
    assert [job["id"] for job in rest["jobs"]] == [ids[0]]
    assert rest["next"] is None


@pytest.mark.parametrize("limit", ["0", "-1", "201", "x", "", "٣", "9" * 5000])
def test_a_limit_out_of_range_is_refused(client, limit):
    response = client.get("/api/v1/jobs", query_string={"limit": limit})

    assert response.status_code == 400
    assert response.json["code"] == "usage"


@pytest.mark.parametrize("path", ["jobs/zybq000000000000", "jobs/x'y", "jobs?after=x'y"])
def test_a_job_that_is_not_there_is_a_404(client, path):
    response = client.get(f"/api/v1/{path}")

    assert response.status_code == 404
    assert response.json["code"] == "job_not_found"
    assert set(response.json) == PROBLEM


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "nothing", 404), ("PUT", "jobs", 405)])
def test_http_errors_are_json_too(client, method, path, status):
    response = client.open(f"/api/v1/{path}", method=method)

    assert response.status_code == status
    assert set(response.json) == PROBLEM
    assert ("Allow" in response.headers) == (status == 405)


def test_an_unexpected_error_of_awcopy_is_a_500_that_tells_its_code_only(client, fleet, monkeypatch):
    def fail(**_):
        raise Conflict("row 7 was changed")

    monkeypatch.setattr(fleet.ledger, "list_jobs", fail)

    response = client.get("/api/v1/jobs")

    assert (response.status_code, response.json["code"]) == (500, "conflict")
    assert "row 7" not in response.text


def test_health_counts_the_workers(client, fleet):
    fleet.live.beat("one", 8)
    fleet.live.beat("two", 4)

    health = client.get("/api/v1/health").json

    assert (health["status"], health["workers"], health["slots"]) == ("ok", 2, 12)


@pytest.mark.parametrize(("part", "method"), [("ledger", "list_jobs"), ("live", "workers")])
def test_health_is_a_503_when_a_part_is_away(client, fleet, monkeypatch, part, method):
    def fail(**_):
        raise ServiceUnreachable(f"the {part} does not answer")

    monkeypatch.setattr(getattr(fleet, part), method, fail)

    response = client.get("/api/v1/health")

    assert response.status_code == 503
    assert (response.json["code"], response.json["detail"]) == ("unreachable", f"the {part} does not answer")


def test_a_submitted_job_is_in_the_ledger_and_published(client, fleet, published):
    response = client.post("/api/v1/jobs", json=REQUEST)

    job = fleet.ledger.get_job(response.json["id"])
    assert (response.status_code, response.headers["Location"]) == (201, f"/api/v1/jobs/{job.id}")
    assert (job.name, job.spec.agents, job.sealed) == ("nightly", 2, "")
    assert published == [("publish_dispatch", job.id)]


def test_a_request_that_comes_twice_makes_one_job(client, fleet, published):
    first, second = (
        client.post("/api/v1/jobs", json=REQUEST, headers={"Idempotency-Key": "a-1"}) for _ in range(2)
    )

    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json["id"] == second.json["id"]
    assert len(published) == len(fleet.ledger.list_jobs()) == 1


def test_a_key_that_was_another_requests_is_refused(client, published):
    headers = {"Idempotency-Key": "a-1"}
    client.post("/api/v1/jobs", json=REQUEST, headers=headers)

    response = client.post("/api/v1/jobs", json={**REQUEST, "agents": 3}, headers=headers)

    assert response.status_code == 409
    assert len(published) == 1


@pytest.mark.parametrize("key", ["", "a b", "x" * 256])
def test_a_key_that_is_none_is_refused(client, published, key):
    response = client.post("/api/v1/jobs", json=REQUEST, headers={"Idempotency-Key": key})

    assert response.status_code == 400
    assert published == []


@pytest.mark.parametrize(
    "body", ["[]", "{", '{"a": NaN}', '{"source": "s3://a", "source": "s3://b"}', "[" * 60_000, b"\xff"]
)
def test_a_body_that_is_no_plain_json_object_is_refused(client, published, body):
    response = client.post("/api/v1/jobs", data=body, content_type="application/json")

    assert (response.status_code, response.json["code"]) == (400, "usage")
    assert published == []


def test_jobs_are_found_by_state_and_text(client, add_job):
    wanted = add_job(name="Weekly Photos", state=JobState.CANCELLED)
    add_job(name="weekly")
    add_job(state=JobState.CANCELLED)

    found = client.get("/api/v1/jobs?state=cancelled&state=failed&text=WEEKLY").json

    assert ([job["id"] for job in found["jobs"]], found["next"]) == ([wanted.id], None)


def test_agents_are_changed_and_started(client, fleet, add_job, published):
    job = add_job()

    assert client.post(f"/api/v1/jobs/{job.id}/agents", json={"agents": 9}).json["agents"] == 9
    assert [name for name, _ in published] == ["publish_generation"]


@pytest.mark.parametrize("agents", [0, 1001, "4", True, None, 1.5])
def test_a_number_of_agents_that_no_job_has_is_refused(client, add_job, agents):
    response = client.post(f"/api/v1/jobs/{add_job().id}/agents", json={"agents": agents})

    assert response.status_code == 400


@pytest.mark.parametrize(
    ("verb", "state"), [("resume", JobState.FAILED), ("retry", JobState.COMPLETED_WITH_ERRORS)]
)
def test_a_job_whose_credentials_are_gone_goes_on_with_no_others(client, add_job, published, verb, state):
    job = add_job(state=state, was_sealed=True)

    response = client.post(f"/api/v1/jobs/{job.id}/{verb}")

    assert response.status_code == 409
    assert "awcopy jobs resume" in response.json["hint"]
    assert published == []


def test_without_workers_the_service_is_healthy_and_not_ready(client):
    assert client.get("/api/v1/health").status_code == 200
    assert client.get("/api/v1/ready").status_code == 503
