"""From when on a sync looks at objects: the time at which the last one that completed was submitted."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from awcopy.jobs.search import each_job
from awcopy.model.job import JobState

if TYPE_CHECKING:
    from datetime import datetime

    from awcopy.jobs.fleet import Fleet
    from awcopy.model.job import Job
    from awcopy.model.spec import JobSpec

# What the clocks of the two clouds may differ by, and far more.
OVERLAP = timedelta(minutes=15)


def find_watermark(fleet: Fleet, spec: JobSpec) -> datetime | None:
    """Return the moment since which objects may have changed that no job has seen; None if no job has seen any.

    It is the ledger's time at which the last sync of the same source, sink and selection that completed was
    submitted, less a quarter of an hour. No worker's clock has a part in it, and a job that failed, or that left
    a single object behind, none either.
    """
    for job in each_job(fleet):
        if job.state is JobState.COMPLETED and _is_of(job, spec):
            return job.created_at - OVERLAP
    return None


def resolve_since(fleet: Fleet, spec: JobSpec) -> JobSpec:
    """Return the specification with the date since which it looks at objects, if it asks for the last run's."""
    if not (spec.sync and spec.sync.since_last):
        return spec
    return spec.since(find_watermark(fleet, spec))


def _is_of(job: Job, spec: JobSpec) -> bool:
    theirs = job.spec
    if theirs.sync is None or (theirs.selection.newer_than and not theirs.sync.since_last):
        return False  # it has not seen all
    return _scope(theirs) == _scope(spec)


def _scope(spec: JobSpec) -> tuple[object, ...]:
    source, sink = spec.source, spec.sink
    return (
        (source.endpoint_url, source.bucket, source.prefix),
        (sink.account_url, sink.container, sink.prefix),
        replace(spec.selection, newer_than=None),
    )
