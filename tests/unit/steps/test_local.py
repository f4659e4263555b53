from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from awcopy.errors import AccessDenied, ConnectionLost, CredentialsRefused, LeaseLost
from awcopy.ledger.memory import MemoryLedger
from awcopy.live.memory import MemoryLive
from awcopy.model.job import JobState
from awcopy.model.outcome import Proof, Result, Tally
from awcopy.model.spec import Overwrite, Selection
from awcopy.steps.agent import _STEPS
from awcopy.steps.local import run_job
from tests.unit.factories import make_spec
from tests.unit.world import World, make_paged_source

pytestmark = pytest.mark.usefixtures("low_limits")

SMALL = {f"small/{number:02}": bytes([number]) * number for number in range(23)}
LARGE = {"large/a": bytes(range(250)) * 6, "large/b": bytes(range(240)) * 20, "large/c": bytes(401)}
ODD = {"odd/": b"", "odd/./name": b"x", "odd/archived": b"x"}


@pytest.fixture
def world(monkeypatch):
    monkeypatch.setattr("awcopy.steps.local._LOOK_EVERY_S", 0.005)
    world = World(source=make_paged_source(7))
    world.live = MemoryLive()
    world.use_ledger(MemoryLedger())
    world.context = replace(world.context, wait_for_work_s=0.005, connections=4)
    return world


@pytest.fixture
def spec(spec):
    return replace(spec, agents=3)


def nobody(_what):
    """Hear of something, and do nothing."""


def check_sums(snapshot):
    """Nothing is ever counted twice or too early, and an ended job has an outcome for each object."""
    totals = snapshot.totals
    assert totals.pending.objects >= 0
    assert totals.pending.size_bytes >= 0
    proofs = totals.proofs
    assert totals.copied.objects == proofs.crc64 + proofs.md5 + proofs.crc32 + proofs.blocks + proofs.length
    assert not snapshot.job.has_ended or totals.pending == Tally()


def run(world, job):
    snapshots = []

    def on_progress(snapshot):
        check_sums(snapshot)
        snapshots.append(snapshot)

    ended = run_job(world.context, job.id, on_progress, nobody)
    check_sums(ended)
    counted = [snapshot.totals.ended.objects for snapshot in [*snapshots, ended]]
    assert counted == sorted(counted)
    assert set(world.report(job)) or not ended.totals.ended.objects
    assert len(world.report(job)) == ended.totals.ended.objects
    return ended


@pytest.mark.parametrize("contents", [SMALL, LARGE, SMALL | LARGE], ids=["small", "large", "both"])
def test_a_job_copies_every_object_with_proof(world, spec, contents):
    job = world.submit(spec=spec)
    ended = run(world, job)
    assert ended.totals.listed == Tally()
    world.put(contents)
    job = world.submit(id="another", spec=spec)
    ended = run(world, job)
    world.assert_copied(job, contents)
    assert ended.totals.proofs.crc64 == len(contents)
    assert {outcome.proof for outcome in world.report(job).values()} == {Proof.CRC64}


def test_an_empty_bucket_is_a_job_well_done(world, spec):
    ended = run(world, world.submit(spec=spec))
    assert (ended.job.state, ended.totals.listed) == (JobState.COMPLETED, Tally())


def test_objects_of_every_fate_are_all_reported(world, spec):
    contents = world.put(SMALL | LARGE | ODD)
    world.source.put_object("odd/archived", b"x", storage_class="GLACIER")
    world.source_calls.fail("read_object", AccessDenied("no"), name="small/07")
    world.source_calls.fail("read_range", AccessDenied("no"), name="large/b")
    job = world.submit(spec=spec)
    ended = run(world, job)
    assert ended.job.state is JobState.COMPLETED_WITH_ERRORS
    assert set(world.report(job)) == set(contents)
    reasons = {key: outcome.reason for key, outcome in world.report(job).items() if outcome.reason}
    assert reasons == {
        "small/07": "access_denied",
        "large/b": "access_denied",
        "odd/": "folder_marker",
        "odd/./name": "name_not_allowed",
        "odd/archived": "archived",
    }


def test_a_second_job_skips_what_is_unchanged_and_reads_nothing(world, spec):
    contents = world.put(SMALL | LARGE)
    run(world, world.submit(id="first", spec=spec))
    world.source_calls.calls.clear()
    job = world.submit(spec=spec)
    ended = run(world, job)
    assert (ended.job.state, ended.totals.skipped.objects) == (JobState.COMPLETED, len(contents))
    assert {outcome.reason for outcome in world.report(job).values()} == {"unchanged"}
    assert not {"read_object", "read_range", "head"} & world.source_calls.calls.keys()


def test_a_third_job_copies_what_changed(world, spec):
    world.put(SMALL | LARGE)
    run(world, world.submit(id="first", spec=spec))
    changed = world.put({"small/03": b"new", "large/a": bytes(700)})
    ended = run(world, world.submit(spec=spec))
    assert ended.totals.copied.objects == 2
    assert all(world.sink.blobs[key].content == content for key, content in changed.items())


@pytest.mark.parametrize("overwrite", Overwrite)
def test_blobs_that_are_there_are_treated_as_asked(world, spec, overwrite):
    old = world.put(SMALL | LARGE)
    run(world, world.submit(id="first", spec=spec))
    new = {key: content[::-1] + b"n" for key, content in old.items()}
    for key, content in new.items():
        world.source.put_object(key, content, modified_at=datetime(2026, 2, 1, tzinfo=UTC))
    run(world, world.submit(spec=replace(spec, overwrite=overwrite)))
    # Nobody was asked, so that nothing is approved.
    expected = old if overwrite in {Overwrite.NEVER, Overwrite.PROMPT} else new
    assert {name: blob.content for name, blob in world.sink.blobs.items()} == expected


def test_filters_and_prefixes_are_obeyed(world):
    world.put(SMALL | LARGE | {"smaller": b"x"})
    selection = Selection(exclude=("*1",), max_size_bytes=20)
    ended = run(world, world.submit(spec=make_spec(prefix="small/", to="x/", selection=selection)))
    wanted = [name for name in map("{:02}".format, range(21)) if not name.endswith("1")]
    assert sorted(world.sink.blobs) == [f"x/{name}" for name in wanted]
    assert ended.totals.excluded.objects == 4


def test_objects_that_change_their_length_while_they_are_copied_add_up(world, spec):
    world.put(SMALL | LARGE)
    for key in ("small/05", "large/b"):
        op = "read_object" if key.startswith("small") else "read_range"
        world.source_calls.do(op, lambda key=key: world.source.put_object(key, b"new"), name=key, times=1)
    ended = run(world, world.submit(spec=spec))
    assert ended.job.state is JobState.COMPLETED
    assert ended.totals.copied.size_bytes == sum(len(blob.content) for blob in world.sink.blobs.values())


# Trouble with the whole job.


def test_a_listing_that_is_refused_at_once_pauses_the_job_with_the_reason(world, spec):
    world.source_calls.fail("probe", AccessDenied("s3:ListBucket is not allowed"))
    ended = run(world, world.submit(spec=spec))
    assert (ended.job.state, ended.job.detail) == (JobState.PAUSED, "s3:ListBucket is not allowed")


def test_a_listing_that_is_refused_later_fails_the_job_with_the_reason(world, spec):
    world.source_calls.fail("list_page", AccessDenied("s3:ListBucket is not allowed"))
    ended = run_job(world.context, world.submit(spec=spec).id, nobody, nobody)
    assert ended.job.state is JobState.FAILED
    assert "s3:ListBucket is not allowed" in ended.job.detail


def test_refused_credentials_pause_the_job_and_fail_no_object(world, spec):
    world.put(SMALL)
    world.source_calls.fail("read_object", CredentialsRefused("expired"), name="small/11")
    job = world.submit(spec=spec)
    ended = run(world, job)
    assert (ended.job.state, ended.job.pause_reason) == (JobState.PAUSED, "auth")
    assert Result.FAILED not in {outcome.result for outcome in world.report(job).values()}


def test_a_store_that_loses_every_third_request_costs_time_only(world, spec):
    contents = world.put(SMALL | LARGE)
    calls = iter(range(100_000))

    def lose_some():
        if next(calls) % 3 == 0:
            raise ConnectionLost("lost")

    for op in ("list_page", "head", "read_object", "read_range"):
        world.source_calls.do(op, lose_some)
    for op in ("head", "put_blob", "stage_block", "staged_blocks", "commit_blocks"):
        world.sink_calls.do(op, lose_some)
    job = world.submit(spec=spec)
    run(world, job)
    world.assert_copied(job, contents)


@pytest.mark.parametrize("kind", ["copy_files", "list_objects"])
def test_an_item_whose_lease_was_lost_is_done_again_before_the_job_ends(world, spec, monkeypatch, kind):
    """As when the process is stopped (Ctrl-Z) for longer than a lease, and then goes on."""
    contents = world.put(SMALL)
    world.context = replace(world.context, lease_s=0.2)
    lost = []

    def lose_first(context, job, lease):
        if not lost:
            lost.append(lease)
            raise LeaseLost("the lease could not be renewed in time")
        _STEPS[kind](context, job, lease)

    monkeypatch.setattr("awcopy.steps.agent._STEPS", {**_STEPS, kind: lose_first})
    job = world.submit(spec=spec)
    run(world, job)
    world.assert_copied(job, contents)


def test_a_run_that_is_interrupted_passes_the_interruption_on(world, spec, monkeypatch):
    monkeypatch.setattr("awcopy.steps.local._LOOK_EVERY_S", 0.0)
    world.put(SMALL)

    told = []

    def press_ctrl_c(_snapshot):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_job(world.context, world.submit(spec=spec).id, press_ctrl_c, told.append)
    assert told == ["the command was interrupted"]


def test_a_run_that_breaks_says_so(world, spec):
    def refuse(*_arguments):
        raise ZeroDivisionError

    world.live.pass_turn = refuse
    with pytest.raises(ZeroDivisionError):
        run_job(world.context, world.submit(spec=spec).id, nobody, nobody)
