"""A Flask test client on a fleet in memory, and jobs to put there."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from jinja2 import BytecodeCache

from awcopy.bootstrap import memory_fleet
from awcopy.config import Settings
from awcopy.model.items import Item, ItemKind, ItemState
from awcopy.model.job import Job, JobId, JobState
from awcopy.model.outcome import ProofCounts, Tally, Totals
from awcopy.model.spec import JobSpec, SinkSpec, SourceSpec
from web.app import create_app
from workers import publisher

CREATED = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


class CompiledPages(BytecodeCache):
    """What the templates compile to: every test has an app of its own, and compiling takes longer than most tests."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def load_bytecode(self, bucket) -> None:
        if bucket.key in self.kept:
            bucket.bytecode_from_string(self.kept[bucket.key])

    def dump_bytecode(self, bucket) -> None:
        self.kept[bucket.key] = bucket.bytecode_to_string()


COMPILED_PAGES = CompiledPages()


def make_totals() -> Totals:
    return Totals(
        listed=Tally(objects=1_000, size_bytes=10_000),
        copied=Tally(objects=600, size_bytes=6_000),
        skipped=Tally(objects=50, size_bytes=500),
        failed=Tally(objects=3, size_bytes=30),
        cancelled=Tally(objects=7, size_bytes=70),
        proofs=ProofCounts(crc64=590, md5=10),
    )


@pytest.fixture
def totals():
    return make_totals()


@pytest.fixture
def fleet():
    return memory_fleet()


@pytest.fixture
def published(monkeypatch):
    """What was handed to the fleet, in place of the broker: what it asks for, and the job."""
    found = []
    for name in ("publish_dispatch", "publish_finish", "publish_generation"):
        monkeypatch.setattr(publisher, name, lambda _settings, what, name=name: found.append((name, what)))
    return found


def make_app(fleet, settings=None, **more):
    app = create_app(settings or Settings(), fleet, flower_url="http://127.0.0.1:5555/", **more)
    app.jinja_env.bytecode_cache = COMPILED_PAGES
    return app


@pytest.fixture
def client(fleet, published):
    return make_app(fleet).test_client()


@pytest.fixture
def add_job(fleet):
    """Adds a job, each newer than the one before; one that runs gets an item with the totals."""
    # Ids count down, so that newer jobs sort first.
    numbers = count(9_999, -1)

    def add(*, totals=None, item_state=ItemState.LEASED, kind=ItemKind.LIST_OBJECTS, **changes):
        number = next(numbers)
        job = Job(
            id=JobId(f"zybq{number:012}"),
            name="nightly",
            user="dana",
            spec=JobSpec(
                source=SourceSpec(bucket="photos", prefix="2026/"),
                sink=SinkSpec(account="backup", container="photos", prefix="2026/"),
            ),
            state=JobState.RUNNING,
            created_at=CREATED,
            changed_at=CREATED + timedelta(seconds=100),
            generation=2,
        )
        job = fleet.ledger.add_job(replace(job, **changes))
        if job.has_ended:
            return fleet.ledger.update_job(replace(job, totals=totals or make_totals()))
        if totals is not None:
            fleet.ledger.add_item(Item(job_id=job.id, number=1, kind=kind, state=item_state, totals=totals))
        return job

    return add
