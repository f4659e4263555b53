from __future__ import annotations

import pytest

from awcopy.errors import JobNotFound, ServiceUnreachable
from awcopy.jobs.queries import JOB_SCHEMA, Phase, find_job, read_report, take_snapshot
from awcopy.model.items import ItemKind, ItemState, ListRange
from awcopy.model.job import JobId, JobState
from awcopy.model.outcome import ProofCounts, Tally, Totals
from tests.unit.factories import JOB_ID, NOW, make_item, make_outcome
from tests.unit.world import World

LISTED = Totals(listed=Tally(objects=3, size_bytes=30))
COPIED = Totals(copied=Tally(objects=2, size_bytes=20), proofs=ProofCounts(crc64=2))


@pytest.fixture
def world():
    return World()


def add_job(world, state=JobState.RUNNING, **changes):
    return world.submit(state=state, **changes)


def add_items(world, *items):
    for number, (kind, state, totals) in enumerate(items, start=1):
        at = ListRange() if kind is ItemKind.LIST_OBJECTS else None
        world.ledger.add_item(make_item(number, kind=kind, state=state, totals=totals, range=at))


def snapshot(world):
    return take_snapshot(world.fleet, JOB_ID)


def test_totals_are_the_sums_of_the_items(world):
    add_job(world)
    add_items(
        world,
        (ItemKind.LIST_OBJECTS, ItemState.LEASED, LISTED),
        (ItemKind.COPY_FILES, ItemState.DONE, COPIED),
        (ItemKind.COPY_FILES, ItemState.READY, Totals()),
    )
    found = snapshot(world)
    assert found.totals == LISTED + COPIED
    assert (found.open_items, found.busy_agents) == (2, 1)
    assert found.totals.pending == Tally(objects=1, size_bytes=10)


@pytest.mark.parametrize(
    ("state", "listing", "phase"),
    [
        (JobState.QUEUED, ItemState.READY, Phase.QUEUED),
        (JobState.RUNNING, ItemState.READY, Phase.LISTING),
        (JobState.RUNNING, ItemState.LEASED, Phase.LISTING),
        (JobState.RUNNING, ItemState.DONE, Phase.COPYING),
        (JobState.PAUSED, ItemState.READY, Phase.PAUSED),
        (JobState.CANCELLING, ItemState.READY, Phase.CANCELLING),
        (JobState.COMPLETED, ItemState.DONE, Phase.ENDED),
        (JobState.COMPLETED_WITH_ERRORS, ItemState.DONE, Phase.ENDED),
        (JobState.FAILED, ItemState.READY, Phase.ENDED),
        (JobState.CANCELLED, ItemState.DONE, Phase.ENDED),
    ],
)
def test_a_job_has_a_phase(world, state, listing, phase):
    add_job(world, state)
    add_items(world, (ItemKind.LIST_OBJECTS, listing, LISTED))
    assert snapshot(world).phase is phase
    assert snapshot(world).is_listing == (phase in {Phase.QUEUED, Phase.LISTING})


def test_an_ended_job_keeps_its_own_totals(world):
    add_job(world, JobState.COMPLETED, totals=LISTED + COPIED)
    add_items(world, (ItemKind.COPY_FILES, ItemState.DONE, COPIED))
    found = snapshot(world)
    assert (found.totals, found.moved_bytes) == (LISTED + COPIED, 20)


def test_a_failed_job_still_says_how_far_it_came(world):
    add_job(world, JobState.FAILED)
    add_items(
        world,
        (ItemKind.LIST_OBJECTS, ItemState.READY, LISTED),
        (ItemKind.COPY_FILES, ItemState.DONE, COPIED),
    )
    assert snapshot(world).totals == LISTED + COPIED


def test_bytes_under_way_are_shown_while_the_job_runs(world):
    add_job(world)
    world.live.add_moved_bytes(JOB_ID, 7)
    assert snapshot(world).moved_bytes == 7


def test_a_live_state_that_does_not_answer_hides_no_job(world):
    def refuse(_job_id):
        raise ServiceUnreachable("Redis is gone")

    add_job(world)
    world.live.moved_bytes = refuse
    assert snapshot(world).moved_bytes is None


def test_a_job_that_is_not_there_is_said_to_be_so(world):
    with pytest.raises(JobNotFound):
        snapshot(world)


def test_json_says_everything_but_credentials(world):
    add_job(world, detail="why", pause_reason="auth")
    shown = snapshot(world).to_json()
    assert (shown["schema"], shown["id"], shown["state"]) == (JOB_SCHEMA, JOB_ID, "running")
    assert (shown["detail"], shown["pause_reason"]) == ("why", "auth")
    assert (shown["source"], shown["sink"]) == ("s3://bucket/", "az://account/container/")
    assert shown["created_at"] == NOW.isoformat()
    assert "sealed" not in str(shown)


def test_json_has_every_tally_and_proof(world):
    add_job(world)
    add_items(world, (ItemKind.COPY_FILES, ItemState.DONE, LISTED + COPIED))
    shown = snapshot(world).to_json()
    assert shown["totals"]["copied"] == {"objects": 2, "bytes": 20}
    assert list(shown["totals"]) == [
        "listed", "copied", "skipped", "failed", "cancelled", "unchanged", "deleted", "kept", "extra", "foreign",
        "excluded",
    ]  # fmt: skip
    assert shown["proofs"] == {"crc64": 2, "sha": 0, "md5": 0, "crc32": 0, "blocks": 0, "length": 0}


@pytest.mark.parametrize(
    ("text", "found"), [("a1", "a1"), ("a2", "a2"), ("b", "b1"), ("B1", "b1"), ("@last", "a1")]
)
def test_a_job_is_found_by_the_beginning_of_its_id(world, text, found):
    for job_id in ("a1", "a2", "b1"):
        add_job(world, id=JobId(job_id))
    assert find_job(world.fleet, text).id == found


@pytest.mark.parametrize(("text", "why"), [("a", "more than one"), ("c", "no job"), ("", "more than one")])
def test_an_id_that_names_no_job_or_several_is_refused(world, text, why):
    for job_id in ("a1", "a2"):
        add_job(world, id=JobId(job_id))
    with pytest.raises(JobNotFound, match=why):
        find_job(world.fleet, text)


def test_without_jobs_there_is_no_last_one(world):
    with pytest.raises(JobNotFound, match="no job yet"):
        find_job(world.fleet, "@last")


def test_the_report_holds_the_outcomes_that_count(world):
    add_job(world)
    world.ledger.write_outcomes(JOB_ID, 1, 1, [make_outcome("stale")])
    world.ledger.write_outcomes(JOB_ID, 1, 2, [make_outcome("a"), make_outcome("b")])
    world.ledger.write_outcomes(JOB_ID, 2, 1, [make_outcome("open")])
    world.ledger.add_item(make_item(1, state=ItemState.DONE, fence=2, outcome_fence=2))
    world.ledger.add_item(make_item(2, state=ItemState.LEASED, fence=1))
    world.ledger.add_item(make_item(3, state=ItemState.DONE, fence=1))
    assert [outcome.key for outcome in read_report(world.fleet, JOB_ID)] == ["a", "b"]


def test_a_snapshot_changes_nothing(world):
    job = add_job(world)
    add_items(world, (ItemKind.COPY_FILES, ItemState.LEASED, Totals()))
    before = world.ledger.get_item(JOB_ID, 1)
    snapshot(world)
    assert (world.ledger.get_job(JOB_ID), world.ledger.get_item(JOB_ID, 1)) == (job, before)
