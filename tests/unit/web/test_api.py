from __future__ import annotations

import pytest

from awcopy.errors import Conflict, ServiceUnreachable
from awcopy.jobs.queries import take_snapshot
from awcopy.model.job import JobState


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
    assert response.json["error"] == "usage"


@pytest.mark.parametrize("path", ["jobs/zybq000000000000", "jobs/x'y", "jobs?after=x'y"])
def test_a_job_that_is_not_there_is_a_404(client, path):
    response = client.get(f"/api/v1/{path}")

    assert response.status_code == 404
    assert response.json["error"] == "job_not_found"
    assert set(response.json) == {"error", "message"}


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "nothing", 404), ("POST", "jobs", 405)])
def test_http_errors_are_json_too(client, method, path, status):
    response = client.open(f"/api/v1/{path}", method=method)

    assert response.status_code == status
    assert set(response.json) == {"error", "message"}
    assert ("Allow" in response.headers) == (status == 405)


def test_an_unexpected_error_of_awcopy_is_a_500_that_tells_its_code_only(client, fleet, monkeypatch):
    def fail(**_):
        raise Conflict("row 7 was changed")

    monkeypatch.setattr(fleet.ledger, "list_jobs", fail)

    response = client.get("/api/v1/jobs")

    assert (response.status_code, response.json["error"]) == (500, "conflict")
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
    assert response.json == {"error": "unreachable", "message": f"the {part} does not answer"}
