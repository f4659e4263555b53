from __future__ import annotations

import json

import pytest

from awcopy.config import Settings
from awcopy.errors import JobNotFound, ServiceUnreachable
from awcopy.model.job import JobState
from web.app import create_app
from web.events import HEARTBEAT_S, LONGEST_S, allow_streams, end_streams_when, tell_changes
from web.watching import Edition


def edition(revision, *, is_last=False):
    return Edition(revision=revision, content=f'{{"n":{revision}}}', is_last=is_last)


class Wire:
    """Plays a stream second by second; each second one thing is seen, the last for ever."""

    def __init__(self, *seen):
        self._seen = list(seen)
        self.now = 0.0

    def latest(self):
        found = self._seen.pop(0) if len(self._seen) > 1 else self._seen[0]
        if isinstance(found, Exception):
            raise found
        return found

    def sleep(self, seconds):
        self.now += seconds

    def play(self, seen="", **options):
        return list(tell_changes(self.latest, seen, clock=lambda: self.now, sleep=self.sleep, **options))


def names(lines):
    return [line.partition("event: ")[2].partition("\n")[0] for line in lines]


def test_what_changes_is_told_once_and_the_end_ends_the_stream():
    told = Wire(edition(7), edition(7), edition(8), edition(9, is_last=True)).play()

    assert names(told) == ["hello", "snapshot", "snapshot", "snapshot", "end"]
    assert told[1] == 'id: 7\nevent: snapshot\ndata: {"n":7}\n\n'


def test_a_page_that_comes_back_is_not_told_again_what_it_has():
    assert names(Wire(edition(7), edition(8, is_last=True)).play("7")) == ["hello", "snapshot", "end"]


def test_a_silent_stream_says_that_it_is_there_and_ends_after_ten_minutes():
    wire = Wire(edition(7))

    told = wire.play()

    assert wire.now == LONGEST_S
    assert names(told).count("beat") == LONGEST_S // HEARTBEAT_S - 1
    assert told[-1].startswith(": heartbeat\n")


def test_a_ledger_that_is_away_is_told_once_and_what_comes_back_is_told_anew():
    away = ServiceUnreachable("away")

    told = Wire(edition(7), away, away, edition(7), edition(8, is_last=True)).play()

    assert names(told) == ["hello", "snapshot", "away", "snapshot", "snapshot", "end"]


def test_a_job_that_is_removed_ends_the_stream():
    assert names(Wire(edition(7), JobNotFound("gone")).play()) == ["hello", "snapshot", "end"]


def test_a_server_that_stops_ends_its_streams():
    assert names(Wire(edition(7)).play(is_stopping=lambda: True)) == ["hello"]


def events_of(response):
    return [
        (lines[-2].removeprefix("event: "), json.loads(lines[-1].removeprefix("data: ")))
        for lines in (block.splitlines() for block in response.text.split("\n\n") if block)
    ]


def test_the_stream_of_a_job_brings_what_the_api_answers(client, add_job):
    job = add_job(state=JobState.COMPLETED)

    response = client.get(f"/events?job={job.id}")

    assert dict(events_of(response))["snapshot"] == client.get(f"/api/v1/jobs/{job.id}").json
    assert response.mimetype == "text/event-stream"
    assert response.headers["X-Accel-Buffering"] == "no"
    assert response.headers["Cache-Control"] == "no-store"


def test_the_stream_of_a_page_of_jobs_brings_that_page(client, add_job):
    add_job(name="older")
    add_job(name="newer")
    response = client.get("/events?limit=1", buffered=False)

    lines = iter(response.response)
    next(lines)
    told = next(lines).decode()
    response.close()

    assert json.loads(told.partition("data: ")[2]) == client.get("/api/v1/jobs?limit=1").json


@pytest.mark.parametrize(
    ("query", "status"), [("job=zybq000000000000", 404), ("job=x", 404), ("limit=0", 400)]
)
def test_what_cannot_be_watched_is_a_problem_and_no_stream(client, query, status):
    assert client.get(f"/events?{query}").status_code == status


def test_a_stream_too_many_is_refused_and_one_that_ended_makes_room(fleet, add_job, published):
    app = create_app(Settings(), fleet)
    allow_streams(app, most=1)
    end_streams_when(app, lambda: True)
    client, job = app.test_client(), add_job()

    first = client.get(f"/events?job={job.id}", buffered=False)
    refused = client.get(f"/events?job={job.id}")
    first.close()

    assert (first.status_code, refused.status_code) == (200, 503)
    assert refused.headers["Retry-After"] == "10"
    with client.get(f"/events?job={job.id}") as after:
        assert after.status_code == 200


@pytest.mark.parametrize("path", ["/api/v1/jobs", "/api/v1/jobs/{id}"])
def test_the_api_answers_304_to_who_has_it_already(client, add_job, path):
    job = add_job(name="nightly", state=JobState.COMPLETED)
    path = path.format(id=job.id)
    tag = client.get(path).headers["ETag"]

    assert client.get(path, headers={"If-None-Match": tag}).status_code == 304
    add_job(name="another")
    client.application.extensions["awcopy.watch"].looks.forget()
    later = client.get("/api/v1/jobs", headers={"If-None-Match": tag})
    assert later.status_code == 200
