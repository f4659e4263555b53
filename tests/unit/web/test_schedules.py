from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest

from awcopy.model.schedule import Fate, Occurrence, Schedule
from awcopy.model.spec import Compare, Sync

VALUES = {"name": "weekly", "source": "s3://photos/", "sink": "az://backup/photos", "every": "7d"}


@pytest.fixture
def schedule(fleet, add_job):
    now = fleet.ledger.now().replace(microsecond=0)
    added = Schedule(
        name="nightly", user="dana", spec=add_job().spec, created_at=now, fired_to=now, cron="30 2 * * *"
    )
    fleet.ledger.add_occurrence(
        Occurrence(
            schedule="nightly", planned_at=now - timedelta(hours=3), fate=Fate.MISSED, detail="<b>late</b>"
        )
    )
    return fleet.ledger.add_schedule(added)


def post(client, page, action, **fields):
    """Send the form of a page that posts to this path, as a browser would."""
    form = re.search(rf'<form[^>]*action="{re.escape(action)}".*?</form>', client.get(page).text, re.DOTALL)[
        0
    ]
    token = re.search(r'name="token" value="(\w+)"', form)[1]
    return client.post(action, data={"token": token, **fields})


def hidden_fields(review):
    """Return what the form sends that starts a job which was looked at."""
    found = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', review.partition("Start the job")[0])
    return {name: unescape(value) for name, value in found}


def test_the_page_of_a_schedule_shows_when_it_is_due_and_what_became_of_it(client, schedule):
    page = client.get("/schedules/nightly").text

    assert page.count("02:30:00 UTC") == 5
    assert "missed" in page
    assert "&lt;b&gt;late&lt;/b&gt;" in page
    assert "nightly" in client.get("/schedules/").text


def test_a_schedule_is_paused_and_resumed_by_its_buttons(client, fleet, schedule):
    assert post(client, "/schedules/nightly", "/schedules/nightly/pause").status_code == 303
    assert fleet.ledger.get_schedule("nightly").is_paused
    assert "It is paused, and never due" in client.get("/schedules/nightly").text
    post(client, "/schedules/nightly", "/schedules/nightly/resume")
    assert not fleet.ledger.get_schedule("nightly").is_paused


def test_run_now_submits_the_job_and_says_so_in_the_history(client, fleet, schedule, published):
    post(client, "/schedules/nightly", "/schedules/nightly/run")

    latest = next(fleet.ledger.list_occurrences("nightly"))
    # The job of the schedule's spec that the fixture added is another one, of no occurrence.
    assert (latest.fate, published) == (Fate.STARTED, [("publish_dispatch", latest.job_id)])


def test_a_schedule_is_removed_and_its_jobs_stay(client, fleet, schedule):
    jobs = fleet.ledger.list_jobs()

    assert post(client, "/schedules/nightly", "/schedules/nightly/remove").location == "/schedules/"
    assert fleet.ledger.get_schedule("nightly") is None
    assert fleet.ledger.list_jobs() == jobs


def test_a_schedule_is_added_by_the_form(client, fleet):
    response = post(client, "/schedules/", "/schedules/", **VALUES, zone="UTC", cron="")

    assert response.location == "/schedules/weekly"
    added = fleet.ledger.get_schedule("weekly")
    assert (added.every_s, str(added.spec.source)) == (7 * 86_400, "s3://photos/")
    assert added.spec.sync.compare is Compare.STAMP


@pytest.mark.parametrize("verb", ["run", "pause", "resume", "remove"])
def test_without_the_pages_token_nothing_happens_to_a_schedule(client, fleet, schedule, verb):
    assert client.post(f"/schedules/nightly/{verb}").status_code == 403
    assert fleet.ledger.get_schedule("nightly") == schedule


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"name": "No Name"}, "cannot be the name"),
        ({"cron": "x"}, "either a cron line or an interval"),
        ({"every": "", "cron": "61 * * * *"}, "never comes"),
        ({"every": "", "cron": "0 2 * * *", "zone": "Mars/Base"}, "no time zone"),
        ({"every": "1s"}, "a minute or more"),
        ({"overwrite": "always"}, "in a sync"),
        ({"sealed": "c2VhbGVk"}, "keeps no credentials"),
        ({"since": "2026-01-01"}, "since is"),
        ({"compare": "luck"}, "is not one of"),
        ({"catch_up": 7}, "catch_up is a text"),
        ({"name": "nightly"}, "already"),
        ({"source": ""}, "s3://"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(client, fleet, schedule, changes, says):
    response = client.post("/api/v1/schedules", json={**VALUES, **changes})

    assert response.status_code == 400, response.text
    problem = response.json
    assert says in f"{problem['detail']} {problem['hint']}"
    assert [one.name for one in fleet.ledger.list_schedules()] == ["nightly"]


@pytest.mark.parametrize("name", ["weekly", "' or 1 eq 1", "..%2f"])
def test_a_schedule_that_is_not_there_is_a_404(client, name):
    assert client.get(f"/schedules/{name}").status_code == 404
    assert client.get(f"/api/v1/schedules/{name}").status_code == 404


JOB = {"source": "s3://photos/2026/", "sink": "az://backup/photos", "agents": "8", "recursive": "on"}


def test_a_new_job_is_looked_at_before_it_is_submitted(client, fleet, published):
    review = post(client, "/jobs/new", "/jobs/new", **JOB, include="*.jpg *.png")

    assert "awcopy copy s3://photos/2026/ az://backup/photos" in unescape(review.text)
    assert "--include '*.jpg'" in unescape(review.text)
    assert fleet.ledger.list_jobs() == []
    submitted = client.post("/jobs/new", data=hidden_fields(review.text))
    [job] = fleet.ledger.list_jobs()
    assert submitted.location == f"/jobs/{job.id}"
    assert (job.spec.agents, job.spec.selection.include) == (8, ("*.jpg", "*.png"))
    assert published == [("publish_dispatch", job.id)]


SYNC = {
    **JOB,
    "sink": "az://backup/photos/now",
    "command": "sync",
    "overwrite": "changed",
    "backup_prefix": "old/{date}",
}


def test_a_new_job_may_be_a_sync_that_keeps_what_it_replaces(client, fleet):
    review = post(client, "/jobs/new", "/jobs/new", **SYNC)

    assert "awcopy sync s3://photos/2026/ az://backup/photos/now" in unescape(review.text)
    assert "--backup-prefix 'old/{date}/'" in unescape(review.text)
    client.post("/jobs/new", data=hidden_fields(review.text))
    [job] = fleet.ledger.list_jobs()
    assert job.spec.sync == Sync(backup="old/{date}/")


def test_a_schedule_is_added_that_keeps_what_it_replaces(client, fleet):
    values = {**VALUES, "sink": "az://backup/photos/now", "backup_prefix": "old"}
    post(client, "/schedules/", "/schedules/", **values)

    [added] = fleet.ledger.list_schedules()
    assert added.spec.sync.backup == "old/"


def test_the_api_takes_a_folder_for_what_is_replaced(client, fleet):
    asked = {
        "command": "sync",
        "source": "s3://photos/",
        "sink": "az://backup/photos/now",
        "backup_prefix": "old",
    }
    assert client.post("/api/v1/jobs", json=asked).status_code == 201
    assert client.post("/api/v1/jobs", json={**asked, "backup_prefix": "now/old"}).status_code == 400
    assert client.post("/api/v1/jobs", json={**asked, "command": "copy"}).status_code == 400

    [job] = fleet.ledger.list_jobs()
    assert job.spec.sync.backup == "old/"
    schedule = {**VALUES, "sink": "az://backup/photos/now", "backup_prefix": "old"}
    assert client.post("/api/v1/schedules", json=schedule).status_code == 201
    [added] = fleet.ledger.list_schedules()
    assert added.spec.sync.backup == "old/"


def test_a_new_job_that_is_sent_twice_is_one_job(client, fleet):
    review = post(client, "/jobs/new", "/jobs/new", **JOB).text

    for _ in range(2):
        client.post("/jobs/new", data=hidden_fields(review))

    assert len(fleet.ledger.list_jobs()) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"sink": "az://x"},
        {"agents": "0"},
        {"agents": "many"},
        {"source": ""},
        {"command": "move"},
        {"backup_prefix": "old"},  # of a copy
        {**SYNC, "overwrite": "never"},
        {**SYNC, "backup_prefix": "photos/a/../b"},
    ],
)
def test_a_new_job_that_cannot_be_is_refused(client, fleet, changes):
    assert post(client, "/jobs/new", "/jobs/new", **{**JOB, **changes}).status_code == 400
    assert fleet.ledger.list_jobs() == []
