from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest

from awcopy.errors import CredentialsError, ServiceUnreachable
from awcopy.jobs import health
from awcopy.jobs.health import Finding, State
from awcopy.jobs.queries import take_snapshot
from awcopy.model.items import ItemKind
from awcopy.model.job import JobState
from awcopy.model.outcome import PROOF_NAMES
from web.watching import FRESH_S, Looks

HOSTILE = "<script>alert(1)</script>\" onload='x' \u202e\u0007{{ 7*7 }}"


def text_of(response) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.text)))


def number_in(response, path: str) -> str:
    return re.search(rf'data-field="{re.escape(path)}"[^>]*>([^<]*)<', response.text)[1]


@pytest.mark.parametrize("path", ["/", "/jobs"])
def test_without_jobs_the_page_says_how_to_start_one(client, path):
    assert "awcopy copy s3://" in text_of(client.get(path))


def test_the_list_shows_the_newest_job_first(client, add_job):
    add_job(name="older")
    add_job(name="newer")

    page = text_of(client.get("/jobs"))

    assert page.index("newer") < page.index("older")


def test_the_list_leads_on_to_older_jobs_and_to_no_more(client, add_job):
    jobs = [add_job(name=f"job {number}") for number in range(3)]

    first = client.get("/jobs?limit=2")
    second = client.get(f"/jobs?limit=2&after={jobs[1].id}")

    assert f"after={jobs[1].id}" in first.text
    assert "job 0" in second.text
    assert "Older jobs" not in second.text


@pytest.mark.parametrize("path", ["/", "/jobs", "/jobs/{id}"])
def test_hostile_names_are_shown_as_text(client, add_job, path):
    job = add_job(name=HOSTILE, user=HOSTILE, detail=HOSTILE, state=JobState.PAUSED)

    page = client.get(path.format(id=job.id)).text

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "\\u202e" in page
    assert not re.search("[\u202e\u0007]", page)
    assert "{{ 7*7 }}" in page


def test_the_totals_of_a_running_job_add_up(client, add_job, totals):
    page = client.get(f"/jobs/{add_job(totals=totals).id}")

    shown = {
        name: int(number_in(page, f"totals.{name}.objects").replace(",", ""))
        for name in ("listed", "copied", "skipped", "failed", "cancelled", "pending")
    }

    assert shown.pop("listed") == sum(shown.values()) == 1_000
    assert shown["pending"] == 340


def test_the_proofs_add_up_to_what_was_copied(client, add_job, totals):
    page = client.get(f"/jobs/{add_job(totals=totals).id}")

    proofs = (number_in(page, f"proofs.{name}") for name in PROOF_NAMES)

    assert sum(map(int, proofs)) == 600


def test_a_job_is_said_to_be_listing_until_it_is_not(client, add_job, totals):
    listing = client.get(f"/jobs/{add_job(totals=totals).id}").text
    copying = client.get(f"/jobs/{add_job(totals=totals, kind=ItemKind.COPY_FILES).id}").text

    assert '<span class="phase" data-phase="listing">still listing</span>' in listing
    assert '<span class="phase" data-phase="listing" hidden>still listing</span>' in copying


def test_bytes_under_way_move_the_bar(client, fleet, add_job, totals):
    job = add_job(totals=totals)
    fleet.live.add_moved_bytes(job.id, 7_000)

    page = client.get(f"/jobs/{job.id}")

    assert 'max="10000" value="7600"' in page.text
    assert number_in(page, "percent") == "76"
    assert number_in(page, "done_bytes") == "7.4 KiB"
    assert number_in(page, "totals.listed.bytes") == "9.8 KiB"


def test_the_time_left_is_said_once_all_is_listed_and_bytes_move(client, fleet, add_job, totals):
    history = client.application.extensions["awcopy.watch"].history
    still, job = (add_job(totals=totals, kind=ItemKind.COPY_FILES) for _ in range(2))
    now = datetime.now(UTC)
    for seconds_ago, moved in ((10, 6_000), (0, 100)):
        fleet.live.add_moved_bytes(job.id, moved)
        history.note(take_snapshot(fleet, job.id), now - timedelta(seconds=seconds_ago))
    left_s, unknown = (number_in(client.get(f"/jobs/{one.id}"), "left_s") for one in (job, still))

    # 6,700 of 10,000 bytes are done, and 10 go a second.
    assert left_s == "5 m 30 s"
    assert not unknown[0].isdigit()


def test_the_bar_is_not_full_before_the_end(client, fleet, add_job, totals):
    job = add_job(totals=totals)
    fleet.live.add_moved_bytes(job.id, 90_000)

    assert number_in(client.get(f"/jobs/{job.id}"), "percent") == "99"


@pytest.mark.parametrize(
    ("state", "percent"), [(JobState.COMPLETED, "100"), (JobState.FAILED, "0"), (JobState.QUEUED, "0")]
)
def test_a_job_that_listed_nothing_is_done_only_when_completed(client, add_job, totals, state, percent):
    job = add_job(state=state, totals=type(totals)())

    assert number_in(client.get(f"/jobs/{job.id}"), "percent") == percent


def test_an_ended_job_shows_its_average_rate_and_time(client, add_job):
    page = client.get(f"/jobs/{add_job(state=JobState.COMPLETED_WITH_ERRORS).id}")

    assert number_in(page, "average") == "60 B/s"
    assert number_in(page, "elapsed_s") == "1 m 40 s"
    assert number_in(page, "state") == "completed with errors"


@pytest.mark.parametrize(
    "path", ["/jobs/zybq000000000000", "/jobs/' or 1 eq 1", "/nowhere", "/jobs/" + "z" * 5000]
)
def test_what_is_not_there_is_a_plain_page(client, path):
    response = client.get(path)

    assert response.status_code == 404
    assert "There is nothing here" in response.text


@pytest.mark.parametrize("error", [ServiceUnreachable, CredentialsError])
def test_an_absent_ledger_is_a_503_page_without_a_traceback(client, fleet, monkeypatch, error):
    def fail(**_):
        raise error("the ledger does not answer", hint="start it")

    monkeypatch.setattr(fleet.ledger, "open_jobs", fail)

    response = client.get("/")

    assert response.status_code == 503
    assert "the ledger does not answer" in response.text
    assert "start it" in response.text
    assert "Traceback" not in response.text


def test_a_fault_of_ours_is_a_500_page_that_tells_nothing(client, fleet, monkeypatch):
    def fail(**_):
        raise RuntimeError("secret=hunter2")

    monkeypatch.setattr(fleet.ledger, "open_jobs", fail)

    response = client.get("/")

    assert response.status_code == 500
    assert "hunter2" not in response.text
    assert "Traceback" not in response.text


def test_the_link_to_flower_is_there_when_it_is_known(client):
    assert 'href="http://127.0.0.1:5555/"' in client.get("/").text


@pytest.fixture
def clock(client):
    """The seconds by which the app tells how old is what it saw, in a list of one."""
    now, watch = [0.0], client.application.extensions["awcopy.watch"]
    client.application.extensions["awcopy.watch"] = replace(watch, looks=Looks(lambda: now[0]))
    return now


def test_a_job_in_the_list_changes_with_its_row(client, clock, fleet, add_job):
    job = add_job(state=JobState.COMPLETED_WITH_ERRORS)
    assert "renamed" not in client.get("/jobs").get_data(as_text=True)
    fleet.ledger.update_job(replace(fleet.ledger.get_job(job.id), name="renamed"))

    clock[0] = 2 * FRESH_S
    assert "renamed" in client.get("/jobs").get_data(as_text=True)


def test_a_command_that_looks_up_a_job_finds_it_as_it_is(client, clock, fleet, add_job):
    """Whoever has seen the end of a job by its id may do next what only an ended job allows."""
    job = add_job(state=JobState.RUNNING)
    path = f"/api/v1/jobs?limit=2&id={job.id}"
    for query in ("", "&record=true"):
        assert client.get(path + query).json["jobs"][0]["state"] == "running"
    fleet.ledger.update_job(replace(fleet.ledger.get_job(job.id), state=JobState.COMPLETED_WITH_ERRORS))

    assert client.get(path).json["jobs"][0]["state"] == "running"
    assert client.get(f"{path}&record=true").json["jobs"][0]["state"] == "completed_with_errors"


def test_whoever_may_do_nothing_has_nothing_looked_at_anew(client, fleet, published, add_job):
    job = add_job(state=JobState.RUNNING)
    looked, list_jobs = [], fleet.ledger.list_jobs
    fleet.ledger.list_jobs = lambda **facts: looked.append(1) or list_jobs(**facts)
    cancel = f"/api/v1/jobs/{job.id}/cancel"
    for seen, path, origin, status in (
        (1, "/nowhere", "", 404),
        (1, cancel, "https://elsewhere.example", 403),
        (2, cancel, "", 200),
    ):
        response = client.post(path, json={}, headers={"Origin": origin} if origin else {})
        assert response.status_code == status, response.text
        client.get("/jobs")
        assert len(looked) == seen, path


@pytest.mark.parametrize(("fails", "looks"), [(True, 3), (False, 2)])
def test_the_system_is_looked_at_again_after_a_while_and_each_time_while_it_fails(
    client, clock, monkeypatch, fails, looks
):
    looked = []

    def run_checks(_checks):
        looked.append(1)
        return [Finding(part="ledger", state=State.FAIL if fails else State.OK, says="so it is")]

    monkeypatch.setattr(health, "run_checks", run_checks)
    for moment in (0.0, 14.9, 15.0):
        clock[0] = moment
        assert "so it is" in client.get("/system").get_data(as_text=True)
    assert len(looked) == looks
