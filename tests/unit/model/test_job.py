from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from datetime import datetime, timedelta

import pytest

from awcopy.errors import IllegalMove
from awcopy.model.job import (
    ENDED,
    LONGEST_EVENT,
    MOVES,
    JobEvent,
    JobState,
    active_seconds,
    is_job_id,
    is_job_prefix,
    made_at,
    move,
    new_job_id,
    remember,
)
from awcopy.model.spec import SinkSpec, SourceSpec
from tests.unit.factories import NOW, make_job


def test_a_newer_jobs_id_sorts_before_an_older_ones():
    ids = [new_job_id(NOW + timedelta(milliseconds=number)) for number in (0, 1, 1_000, 10**9, 10**12)]
    assert ids == sorted(ids, reverse=True)


def test_an_id_tells_when_it_was_made():
    assert made_at(new_job_id(NOW)) == NOW
    assert made_at("z" * 16) < NOW < made_at("0" * 16)


@pytest.mark.parametrize(
    ("text", "can_be"),
    [
        ("0", True),
        ("zyc0v3b8k2m4n6p0", True),
        ("zyc0v3b8k2m4n6p00", False),
        ("", False),
        ("Z", False),
        ("i", False),
    ],
)
def test_what_an_id_can_start_with(text, can_be):
    assert is_job_prefix(text) is can_be
    assert is_job_id(text) is (can_be and len(text) == 16)


def test_ids_of_one_moment_differ_and_have_one_length():
    ids = {new_job_id(NOW) for _ in range(200)}
    assert len(ids) == 200
    assert {len(job_id) for job_id in ids} == {16}


def test_ids_have_no_letters_that_are_mistaken_for_digits():
    assert not set("ilou") & set("".join(new_job_id(NOW) for _ in range(200)))


def test_the_table_of_moves_knows_every_state():
    assert set(MOVES) == set(JobState)


@pytest.mark.parametrize("state", JobState)
@pytest.mark.parametrize("to", JobState)
def test_a_job_moves_only_as_the_table_says(state, to):
    job = make_job(state=state)
    if to in MOVES[state]:
        assert move(job, to, at=NOW).state is to
    else:
        with pytest.raises(IllegalMove):
            move(job, to, at=NOW)


@pytest.mark.parametrize("state", sorted(set(JobState) - ENDED))
def test_every_state_that_is_no_end_leads_to_one(state):
    reached, new = set(), {state}
    while new - reached:
        reached |= new
        new = {to for state in reached for to in MOVES[state]}
    assert reached & ENDED


@pytest.mark.parametrize("state", [JobState.COMPLETED, JobState.CANCELLED])
def test_a_job_that_ended_well_or_was_cancelled_is_never_begun_again(state):
    assert not MOVES[state]


def test_a_move_says_when_and_why():
    job = move(make_job(detail="old"), JobState.FAILED, at=NOW + timedelta(days=1), detail="why")
    assert (job.changed_at, job.detail) == (NOW + timedelta(days=1), "why")


def test_a_move_forgets_the_reason_of_the_state_before():
    assert move(make_job(state=JobState.PAUSED, detail="expired"), JobState.QUEUED, at=NOW).detail == ""


@pytest.mark.parametrize("state", JobState)
def test_a_job_has_ended_in_four_states(state):
    assert make_job(state=state).has_ended == (state in ENDED)


def test_sealed_credentials_are_not_shown():
    assert "c2VhbGVk" not in repr(make_job(sealed="c2VhbGVk"))


def test_addresses_are_shown_as_they_are_written():
    assert str(SourceSpec(bucket="b", prefix="p/q")) == "s3://b/p/q"
    assert str(SinkSpec(account="a", container="c", prefix="p")) == "az://a/c/p"


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [("", "https://a.blob.core.windows.net"), ("http://127.0.0.1:1/a/", "http://127.0.0.1:1/a")],
)
def test_an_account_has_a_url(endpoint, url):
    assert SinkSpec(account="a", container="c", endpoint_url=endpoint).account_url == url


def test_records_are_never_changed_in_place():
    job = make_job()
    with pytest.raises(FrozenInstanceError):
        job.state = JobState.FAILED
    assert replace(job, generation=2).generation == 2


# What happened, and how long it took.


def test_a_move_is_remembered_with_its_reason():
    job = move(make_job(state=JobState.QUEUED), JobState.RUNNING, at=NOW, why="generation 1 of 4 agents")
    assert (job.detail, job.events[-1]) == (
        "",
        JobEvent(at=NOW, what="running", detail="generation 1 of 4 agents"),
    )


def test_a_long_reason_is_cut_in_the_events_alone():
    job = move(make_job(), JobState.FAILED, at=NOW, detail="x" * 1000)
    assert (len(job.detail), len(job.events[0].detail)) == (1000, LONGEST_EVENT)


def test_time_that_a_job_was_paused_or_had_ended_does_not_count():
    def at(minutes: int) -> datetime:
        return NOW + timedelta(minutes=minutes)

    job = make_job(state=JobState.QUEUED, created_at=NOW, changed_at=NOW)
    steps = [
        (JobState.RUNNING, 1),
        (JobState.PAUSED, 3),
        (JobState.QUEUED, 60),
        (JobState.RUNNING, 61),
        (JobState.COMPLETED_WITH_ERRORS, 62),
        (JobState.QUEUED, 600),
        (JobState.RUNNING, 601),
    ]
    for state, minutes in steps:
        job = remember(move(job, state, at=at(minutes)), "agents", at=at(minutes))
    assert active_seconds(job, at(605)) == (3 + 2 + 5) * 60
    done = move(job, JobState.COMPLETED, at=at(606))
    assert active_seconds(done, at(10_000)) == (3 + 2 + 6) * 60


def test_a_row_without_events_took_from_its_beginning_to_its_last_change():
    job = make_job(state=JobState.COMPLETED, created_at=NOW, changed_at=NOW + timedelta(minutes=2))
    assert active_seconds(job, NOW + timedelta(days=1)) == 120


@pytest.mark.parametrize(
    ("state", "to", "says"),
    [
        (JobState.COMPLETED, JobState.PAUSED, "is completed and cannot be paused"),
        (
            JobState.COMPLETED_WITH_ERRORS,
            JobState.CANCELLING,
            "is completed with errors and cannot be cancelled",
        ),
        (JobState.CANCELLED, JobState.QUEUED, "is cancelled and cannot be resumed or retried"),
        (JobState.RUNNING, JobState.QUEUED, "is running and cannot be resumed or retried"),
    ],
)
def test_what_cannot_be_is_said_in_the_users_words(state, to, says):
    with pytest.raises(IllegalMove, match=says):
        move(make_job(state=state), to, at=NOW)
