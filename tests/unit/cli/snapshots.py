"""Snapshots of jobs with defaults, for the tests of what is shown of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from awcopy.jobs.queries import JobSnapshot, Phase
from awcopy.model.job import Job, JobId, JobState
from awcopy.model.outcome import ProofCounts, Tally, Totals
from awcopy.model.spec import JobSpec, SinkSpec, SourceSpec

BEGAN = datetime(2026, 3, 1, 12, tzinfo=UTC)
JOB_ID = JobId("zyc0v3b8k2m4n6p8")
SPEC = JobSpec(
    source=SourceSpec(bucket="photos", prefix="2024/"),
    sink=SinkSpec(account="acme", container="backup", prefix="2024/"),
)


def make_job(state: JobState = JobState.RUNNING, **changes) -> Job:
    facts = {
        "id": JOB_ID,
        "name": "nightly",
        "user": "ada",
        "spec": SPEC,
        "state": state,
        "created_at": BEGAN,
        "changed_at": BEGAN + timedelta(minutes=3, seconds=20),
    }
    return Job(**{**facts, **changes})


def make_snapshot(state: JobState = JobState.RUNNING, phase: Phase = Phase.COPYING, **facts) -> JobSnapshot:
    job_facts = {name: facts.pop(name) for name in ("name", "detail", "pause_reason") if name in facts}
    job = make_job(state, **job_facts)
    return JobSnapshot(
        job=job, phase=Phase.ENDED if job.has_ended else phase, **{"totals": Totals(), **facts}
    )


def tally(objects: int, size_bytes: int = 0) -> Tally:
    return Tally(objects=objects, size_bytes=size_bytes)


SOME_FAILED = Totals(
    listed=tally(1_240_000, 10_995_116_277_760),
    copied=tally(1_239_000, 10_995_000_000_000),
    skipped=tally(900, 100_000_000),
    failed=tally(1, 6_277_760),
    cancelled=tally(99, 10_000_000),
    excluded=tally(17, 5),
    proofs=ProofCounts(crc64=1_000_000, md5=200_000, blocks=39_000),
)
