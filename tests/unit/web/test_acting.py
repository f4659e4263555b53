"""What the pages let a visitor do, and what they show of it."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape

import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from awcopy.errors import ServiceUnreachable
from awcopy.live.base import Vitals
from awcopy.model.items import Item, ItemKind, ItemState
from awcopy.model.job import JobState
from awcopy.model.outcome import Outcome, Result, Tally, Totals
from tests.unit.hostile import HOSTILE_TEXTS
from web.view import escape_invisible


def forms_of(page: str) -> dict[str, str]:
    """Return the token of each form by the path that it posts to."""
    found = re.findall(
        r'<form method="post" action="([^"]+)">\s*<input type="hidden" name="token" value="(\w+)">', page
    )
    return dict(found)


def verbs_of(page: str) -> set[str]:
    return {path.rpartition("/")[2] for path in forms_of(page)}


def press(client, job, verb, **fields):
    path = f"/jobs/{job.id}/{verb}"
    token = forms_of(client.get(f"/jobs/{job.id}").text)[path]
    return client.post(path, data={"token": token, **fields})


def add_failures(fleet, job, *texts):
    failed = Totals(listed=Tally(objects=len(texts)), failed=Tally(objects=len(texts)))
    kind, done = ItemKind.COPY_FILES, ItemState.DONE
    fleet.ledger.add_item(
        Item(job_id=job.id, number=1, kind=kind, state=done, totals=failed, outcome_fence=1)
    )
    outcomes = [
        Outcome(key=text, blob=text, result=Result.FAILED, reason=f"reason {place}", detail=text)
        for place, text in enumerate(texts)
    ]
    fleet.ledger.write_outcomes(job.id, 1, 1, outcomes)


@pytest.mark.parametrize(
    ("state", "verbs"),
    [
        (JobState.QUEUED, {"pause", "cancel", "agents", "bandwidth"}),
        (JobState.RUNNING, {"pause", "cancel", "agents", "bandwidth"}),
        (JobState.PAUSED, {"resume", "cancel", "agents", "bandwidth"}),
        (JobState.CANCELLING, set()),
        (JobState.COMPLETED, set()),
        (JobState.COMPLETED_WITH_ERRORS, {"retry"}),
        (JobState.FAILED, {"resume", "cancel"}),
        (JobState.CANCELLED, set()),
    ],
)
def test_only_what_the_state_allows_is_offered(client, add_job, state, verbs):
    assert verbs_of(client.get(f"/jobs/{add_job(state=state).id}").text) == verbs


@pytest.mark.parametrize(
    ("verb", "before", "after", "message"),
    [
        ("pause", JobState.RUNNING, JobState.PAUSED, None),
        ("resume", JobState.PAUSED, JobState.QUEUED, "publish_dispatch"),
        ("cancel", JobState.RUNNING, JobState.CANCELLING, "publish_finish"),
    ],
)
def test_a_button_does_it_and_shows_the_job_again(
    client, fleet, add_job, published, verb, before, after, message
):
    job = add_job(state=before)

    response = press(client, job, verb)

    assert (response.status_code, response.headers["Location"]) == (303, f"/jobs/{job.id}")
    assert fleet.ledger.get_job(job.id).state is after
    assert [name for name, _ in published] == ([message] if message else [])


def test_agents_are_changed(client, fleet, add_job, published):
    job = add_job()

    press(client, job, "agents", agents="12")

    assert fleet.ledger.get_job(job.id).spec.agents == 12
    assert [name for name, _ in published] == ["publish_generation"]


@pytest.mark.parametrize(
    ("typed", "bandwidth", "shown"),
    [("200M", 200 << 20, "200M"), (" 1.5KiB/s ", 1536, "1536"), ("", 0, ""), ("0", 0, "")],
)
def test_the_bytes_a_second_are_limited_and_shown_as_they_may_be_typed(
    client, fleet, add_job, typed, bandwidth, shown
):
    job = add_job()

    press(client, job, "bandwidth", bandwidth=typed)

    assert fleet.ledger.get_job(job.id).spec.bandwidth == bandwidth
    assert f'name="bandwidth" size="6" maxlength="20" value="{shown}"' in client.get(f"/jobs/{job.id}").text


@pytest.mark.parametrize("typed", ["fast", "-1", "1", "9" * 20, "9" * 400])
def test_a_rate_that_is_none_is_a_page_that_says_so(client, fleet, add_job, typed):
    job = add_job()

    assert press(client, job, "bandwidth", bandwidth=typed).status_code == 400
    assert fleet.ledger.get_job(job.id).spec.bandwidth == 0


@pytest.mark.parametrize("agents", ["", "0", "1001", "99999", "x", "-1", "\u0663"])
def test_a_number_of_agents_that_no_job_has_is_a_page_that_says_so(client, add_job, published, agents):
    response = press(client, add_job(), "agents", agents=agents)

    assert response.status_code == 400
    assert "1 to 1000 agents" in response.text
    assert published == []


def test_whatever_is_asked_for_leaves_a_line_in_the_log(client, add_job):
    job = add_job()

    with capture_logs() as lines:
        press(client, job, "agents", agents="12")

    [line] = [line for line in lines if line["event"] == "asked_over_http"]
    assert (line["action"], line["job_id"], line["agents"], line["address"]) == (
        "agents",
        job.id,
        12,
        "127.0.0.1",
    )


def test_every_line_of_a_request_says_which_job_it_is_about(client, fleet, add_job, monkeypatch):
    def fail(_job_id):
        raise ServiceUnreachable("the ledger does not answer")

    job = add_job()
    monkeypatch.setattr(fleet.ledger, "get_job", fail)
    with capture_logs(processors=[merge_contextvars]) as lines:
        for path in (f"/jobs/{job.id}", "/jobs/not-an-id", "/"):
            client.get(path)

    assert [(line["event"], line["job_id"]) for line in lines] == [("service_unreachable", job.id)]


def test_one_reason_is_retried(client, fleet, add_job, published):
    job = add_job(state=JobState.COMPLETED_WITH_ERRORS)
    add_failures(fleet, job, "a", "b")

    press(client, job, "retry", reason="reason 1")

    assert fleet.ledger.get_job(job.id).retry_reason == "reason 1"
    assert [name for name, _ in published] == ["publish_dispatch"]


@pytest.mark.parametrize("token", ["", "0" * 64, "\u0663", None])
def test_without_the_token_of_its_form_nothing_is_done(client, fleet, add_job, published, token):
    job = add_job()

    response = client.post(f"/jobs/{job.id}/cancel", data={} if token is None else {"token": token})

    assert response.status_code == 403
    assert fleet.ledger.get_job(job.id).state is JobState.RUNNING
    assert published == []


def test_a_token_is_for_one_action_on_one_job(client, fleet, add_job):
    job, other = add_job(), add_job()
    token = forms_of(client.get(f"/jobs/{job.id}").text)[f"/jobs/{job.id}/pause"]

    for path in (f"/jobs/{job.id}/cancel", f"/jobs/{other.id}/pause"):
        assert client.post(path, data={"token": token}).status_code == 403
    assert fleet.ledger.get_job(other.id).state is JobState.RUNNING


def test_nothing_is_done_by_reading(client, fleet, add_job):
    job = add_job()

    assert client.get(f"/jobs/{job.id}/cancel").status_code == 405
    assert fleet.ledger.get_job(job.id).state is JobState.RUNNING


def test_what_cannot_be_done_any_more_is_a_page_that_says_why(client, fleet, add_job):
    job = add_job()
    token = forms_of(client.get(f"/jobs/{job.id}").text)[f"/jobs/{job.id}/pause"]
    fleet.ledger.update_job(replace(job, state=JobState.COMPLETED))

    response = client.post(f"/jobs/{job.id}/pause", data={"token": token})

    assert response.status_code == 409
    assert "cannot be paused" in unescape(response.text)


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_hostile_keys_are_text_in_the_failures(client, fleet, add_job, text):
    job = add_job(state=JobState.COMPLETED_WITH_ERRORS, name="n")
    add_failures(fleet, job, text)

    page = client.get(f"/jobs/{job.id}").text

    section = page.partition('id="failures"')[2].partition("</section>")[0]
    assert escape_invisible(text) in unescape(section)
    inside = re.search(r"For example <code><bdi>(.*?)</bdi></code>", section, re.DOTALL)[1]
    assert not re.search(r"[<>\"']", inside)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\u200b\u2028]", page)


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_hostile_texts_stay_text_in_the_search(client, text):
    response = client.get("/jobs", query_string={"text": text[:200]})

    value = re.search(r'name="text" value="([^"]*)"', response.text)[1]
    assert unescape(value) == text[:200]
    assert not re.search(r"[<>']", value)


def test_what_agents_do_is_shown(client, fleet, add_job):
    job = add_job()
    held = Item(
        job_id=job.id, number=1, kind=ItemKind.COPY_FILES, state=ItemState.LEASED, agent=3, objects=500
    )
    fleet.ledger.add_item(held)

    section = client.get(f"/jobs/{job.id}").text.partition('<h2 id="agents">')[2]

    assert '<td data-label="Agent">3</td>' in section
    assert "copies files" in section
    assert '<td data-label="Objects">500</td>' in section


def test_the_job_tells_the_command_that_asks_for_it(client, add_job):
    page = client.get(f"/jobs/{add_job().id}").text

    assert "awcopy copy s3://photos/2026/ az://backup/photos/2026/ --name nightly" in page


def test_jobs_are_found_and_the_next_page_keeps_what_was_asked_for(client, add_job):
    add_job(name="other")
    for _ in range(2):
        add_job(name="weekly", state=JobState.PAUSED)

    page = client.get("/jobs?state=paused&text=week&limit=1").text

    assert "other" not in page
    assert re.search(r'href="/jobs\?after=\w+&amp;state=paused&amp;text=week"', page)
    assert '<option value="paused" selected>' in page


def test_a_search_without_a_job_leads_back_to_all(client):
    page = client.get("/jobs?text=nothing").text

    assert "No job is like that" in page
    assert "There is no job yet" not in page


def test_the_workers_page_shows_who_is_there(client, fleet):
    assert "awcopy worker" in client.get("/workers").text

    fleet.live.beat("<b>host</b>", 8, "1.0", Vitals(memory_bytes=3 * 2**20, retries=1_234))

    page = client.get("/workers").text
    assert "&lt;b&gt;host&lt;/b&gt;" in page
    assert '<td data-label="Slots">8</td>' in page
    assert '<td data-label="Memory">3.0 MiB</td>' in page
    assert '<td data-label="Retries">1,234</td>' in page


def test_the_system_page_shows_what_doctor_finds(client):
    page = client.get("/system").text

    assert "none is running" in page
    assert "start one with <code>awcopy worker</code>" in unescape(page)
