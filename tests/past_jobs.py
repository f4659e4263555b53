"""A ledger that has seen much: past jobs, jobs in which very much failed, schedules with a past.

Written as a fleet itself would; for tests of what it costs to look at all that, and for ``bench.dashboard``.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from awcopy.ledger.base import Ledger
from awcopy.model.items import Item, ItemKind, ItemState, ListRange, complete
from awcopy.model.job import Job, JobId, JobState, new_job_id, remember
from awcopy.model.outcome import Outcome, ProofCounts, Result, RouteCounts, Tally, Totals, tally_outcomes
from awcopy.model.schedule import Fate, Occurrence, Schedule
from awcopy.model.spec import JobSpec, SinkSpec, SourceSpec

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
OBJECTS = 12_345  # of each past job
LARGEST_NAME = "nightly 7"
_WRITERS = 8
_ITEMS_OF_FAILED = 8
_PAST = 30  # occurrences of a schedule
# How past jobs ended, again and again.
_ENDS = (
    *[JobState.COMPLETED] * 6,
    JobState.COMPLETED_WITH_ERRORS,
    JobState.FAILED,
    JobState.CANCELLED,
    JobState.COMPLETED,
)
REASONS = {
    "access_denied": "S3 refused to read it: AccessDenied",
    "server_fault": "Azure answered 500 (InternalError) six times",
    "name_not_allowed": "no blob may have a name that ends with a dot",
    "source_unstable": "the object changed three times while it was copied",
}


def add_past_jobs(ledger: Ledger, jobs: int) -> list[JobId]:
    """Add so many jobs that have ended in every way, an hour apart, and return their ids."""
    with ThreadPoolExecutor(_WRITERS) as writers:
        return list(writers.map(lambda number: _add_past_job(ledger, number), range(jobs)))


def add_failures(ledger: Ledger, state: JobState, *, objects: int, per_item: int) -> JobId:
    """Add a job of which every object failed, so many in an item, and return its id."""
    job = _make_job(BEGAN + timedelta(days=300), state, f"{objects:,} failures")
    listed = Totals(listed=Tally(objects=objects, size_bytes=objects * 1000))
    first = Item(
        job_id=job.id, number=1, kind=ItemKind.LIST_OBJECTS, range=ListRange(), fence=1, totals=listed
    )
    ledger.add_item(replace(first, state=ItemState.DONE))

    def add(number: int) -> Totals:
        begin = (number - 2) * per_item
        outcomes = [_fail(key) for key in range(begin, min(objects, begin + per_item))]
        ledger.write_outcomes(job.id, number, 1, outcomes)
        item = Item(job_id=job.id, number=number, kind=ItemKind.COPY_FILES, objects=len(outcomes), fence=1)
        item = complete(item, tally_outcomes(outcomes), has_outcomes=True)
        ledger.add_item(item)
        return item.totals

    with ThreadPoolExecutor(_WRITERS) as writers:
        totals = sum(writers.map(add, range(2, 2 - -objects // per_item)), listed)
    ledger.add_job(replace(job, totals=totals if job.has_ended else Totals()))
    return job.id


def add_schedules(ledger: Ledger, schedules: int, jobs: list[JobId]) -> None:
    """Add schedules, paused so that none comes due, each with a past of these jobs."""
    for number in range(schedules):
        name = f"nightly-{number}"
        ledger.add_schedule(
            Schedule(
                name=name, user="dana", spec=_make_spec(), created_at=BEGAN, fired_to=BEGAN, every_s=3600,
                is_paused=True,
            )
        )  # fmt: skip
        for hour, job in enumerate(jobs[:_PAST]):
            at = BEGAN + timedelta(hours=hour)
            ledger.add_occurrence(Occurrence(schedule=name, planned_at=at, fate=Fate.STARTED, job_id=job))


def _add_past_job(ledger: Ledger, number: int) -> JobId:
    job = _make_job(BEGAN + timedelta(hours=number), _ENDS[number % len(_ENDS)], f"nightly {number}")
    if job.state is not JobState.FAILED:
        return ledger.add_job(replace(job, totals=_make_totals(job.state))).id
    # What failed as a whole has no totals of its own: they are those of its items.
    for place in range(1, _ITEMS_OF_FAILED + 1):
        copied = Totals(listed=Tally(objects=900), copied=Tally(objects=500), proofs=ProofCounts(crc64=500))
        state = ItemState.READY if place == _ITEMS_OF_FAILED else ItemState.DONE
        ledger.add_item(
            Item(job_id=job.id, number=place, kind=ItemKind.COPY_FILES, fence=1, totals=copied, state=state)
        )
    return ledger.add_job(replace(job, detail="the source could not be listed: access denied")).id


def _make_job(at: datetime, state: JobState, name: str) -> Job:
    job = Job(
        id=new_job_id(at), name=name, user="dana", spec=_make_spec(), state=state, generation=1,
        created_at=at, changed_at=at + timedelta(minutes=20),
    )  # fmt: skip
    for what in ("running", state.value):
        job = remember(job, what, at=at)
    return job


def _make_spec() -> JobSpec:
    return JobSpec(
        source=SourceSpec(bucket="photos", prefix="2026/"),
        sink=SinkSpec(account="backup", container="photos", prefix="2026/"),
    )


def _make_totals(state: JobState) -> Totals:
    outcomes = [_fail(number) for number in range(17)] if state is JobState.COMPLETED_WITH_ERRORS else []
    copied = OBJECTS - len(outcomes)
    return tally_outcomes(outcomes) + Totals(
        listed=Tally(objects=OBJECTS, size_bytes=OBJECTS * 1000),
        copied=Tally(objects=copied, size_bytes=copied * 1000),
        proofs=ProofCounts(crc64=copied),
        routes=RouteCounts(stream=copied),
    )


def _fail(number: int) -> Outcome:
    reason = list(REASONS)[number % len(REASONS)]
    key = f"2026/photos/{number // 1000:04}/{number:08}.jpg"
    return Outcome(
        key=key, blob=key, result=Result.FAILED, reason=reason, detail=REASONS[reason], size_bytes=1000,
        etag=f'"{number:032x}"', attempts=6,
    )  # fmt: skip
