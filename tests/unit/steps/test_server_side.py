"""The server-side route of a whole job: many items, several workers, and what the job's row says of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from awcopy.errors import Conflict, ServiceUnreachable, SourceUnreadable
from awcopy.model.job import JobState
from awcopy.model.outcome import Proof, Route
from awcopy.model.spec import SourceSpec
from awcopy.planning import blocks, route
from awcopy.transfer.breaker import FAILURES_BEFORE_STREAMING
from tests.unit.factories import make_spec

CONTENT = bytes(range(250)) * 6
UNREADABLE = SourceUnreadable("Azure asked the source, which refused it, AccessDenied (status 403)")

pytestmark = pytest.mark.usefixtures("low_limits")


@pytest.fixture(autouse=True)
def readable(world, monkeypatch):
    """A source with URLs, a sink that reaches them, and runs of two blocks."""
    monkeypatch.setattr(blocks, "RUN_BYTES", 200)
    monkeypatch.setattr(route, "SMALLEST_BYTES", 1)
    world.source.has_urls = True
    world.sink.read_url = world.source.read_url


def copied(world, spec, contents):
    job = world.submit(spec=spec)
    world.put(contents)
    snapshot = world.run(job)
    world.assert_copied(job, contents)
    return job, snapshot


def test_small_and_large_files_go_from_store_to_store(world, spec):
    contents = {"large": CONTENT, **{f"k{n}": CONTENT[: 90 * n + 1] for n in range(5)}}
    job, snapshot = copied(world, spec, contents)
    routes = snapshot.totals.routes
    assert (routes.server, routes.stream) == (6, 0)
    assert {outcome.route for outcome in world.report(job).values()} == {Route.SERVER}
    assert snapshot.totals.proofs.crc64 == 6
    assert world.source_calls.calls["read_range"] == world.source_calls.calls["read_object"] == 0


def test_a_job_from_another_endpoint_streams(world, spec):
    elsewhere = replace(spec, source=SourceSpec(bucket="bucket", endpoint_url="https://s3.example.com"))
    _, snapshot = copied(world, elsewhere, {"a": CONTENT})
    assert (snapshot.totals.routes.server, snapshot.totals.routes.stream) == (0, 1)


def test_a_job_that_azure_cannot_read_for_streams_and_its_row_says_why(world, spec):
    world.sink_calls.fail("stage_block_from_url", UNREADABLE)
    contents = {"large": CONTENT, **{f"k{n}": CONTENT[:150] for n in range(20)}}
    _, snapshot = copied(world, spec, contents)
    assert snapshot.job.streams_because == UNREADABLE.message
    assert snapshot.to_json()["streams_because"] == UNREADABLE.message
    assert snapshot.totals.routes.stream == 21
    assert world.sink_calls.calls["stage_block_from_url"] == FAILURES_BEFORE_STREAMING


def test_a_worker_that_comes_later_need_not_find_it_out_again(world, spec):
    world.sink_calls.fail("stage_block_from_url", UNREADABLE)
    job = world.submit(spec=spec, streams_because="another worker found out")
    world.put({"a": CONTENT})
    assert world.run(job).totals.routes.stream == 1
    assert world.sink_calls.calls["stage_block_from_url"] == 0


def test_a_forced_route_fails_each_object_that_azure_cannot_read(world):
    world.sink_calls.fail("stage_block_from_url", UNREADABLE, name="bad")
    job = world.submit(spec=make_spec(block_size_bytes=100, route=Route.SERVER))
    world.put({"bad": CONTENT, "good": CONTENT})
    assert world.run(job).job.state is JobState.COMPLETED_WITH_ERRORS
    report = world.report(job)
    assert report["bad"].reason == "source_unreadable"
    assert (report["good"].route, report["good"].proof) == (Route.SERVER, Proof.CRC64)


def test_the_reason_is_written_once_whoever_else_writes_the_row(world, spec, monkeypatch):
    job = world.submit(spec=spec, state=JobState.RUNNING)
    update, refused = world.ledger.update_job, []

    def refuse_once(row):
        if not refused:
            refused.append(row)
            raise Conflict("someone else was faster")
        return update(row)

    monkeypatch.setattr(world.ledger, "update_job", refuse_once)
    world.context.stream_from_now_on(job.id, "first")
    world.context.stream_from_now_on(job.id, "second")
    assert world.ledger.get_job(job.id).streams_because == "first"


def test_a_ledger_that_does_not_answer_stops_nobody(world, spec, monkeypatch, records):
    job = world.submit(spec=spec, state=JobState.RUNNING)

    def fail(_row):
        raise ServiceUnreachable("down")

    monkeypatch.setattr(world.ledger, "update_job", fail)
    world.context.stream_from_now_on(job.id, "why")
    assert "route_not_recorded" in {record["event"] for record in records}
