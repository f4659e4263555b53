"""Records with defaults, for tests that are about one or two of their fields."""

from __future__ import annotations

from datetime import UTC, datetime

from awcopy.model.items import Item, ItemKind, LargeFile
from awcopy.model.job import Job, JobId, JobState
from awcopy.model.objects import BlobHead, ContentHeaders, ObjectHead, SourceObject
from awcopy.model.outcome import Outcome, Result
from awcopy.model.schedule import Schedule
from awcopy.model.spec import JobSpec, SinkSpec, SourceSpec

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
JOB_ID = JobId("zybq000000000001")


def make_spec(*, prefix: str = "", to: str = "", **changes) -> JobSpec:
    facts = {
        "source": SourceSpec(bucket="bucket", prefix=prefix),
        "sink": SinkSpec(account="account", container="container", prefix=to),
    }
    return JobSpec(**{**facts, **changes})


def make_job(**changes) -> Job:
    facts = {"name": "nightly", "user": "dana", "state": JobState.RUNNING}
    moments = {"created_at": NOW, "changed_at": NOW}
    return Job(**{"id": JOB_ID, "spec": make_spec(), **facts, **moments, **changes})


def make_item(number: int = 1, **changes) -> Item:
    return Item(**{"job_id": JOB_ID, "number": number, "kind": ItemKind.COPY_FILES, **changes})


def make_object(key: str = "k", **changes) -> SourceObject:
    return SourceObject(**{"key": key, "size_bytes": 7, "etag": "e1", "modified_at": NOW, **changes})


def make_head(**changes) -> ObjectHead:
    facts = {"etag": "e1", "size_bytes": 7, "modified_at": NOW, "headers": ContentHeaders()}
    return ObjectHead(**{**facts, **changes})


def make_blob(**changes) -> BlobHead:
    return BlobHead(**{"name": "k", "etag": "0x1", "size_bytes": 7, "modified_at": NOW, **changes})


def make_file(number: int = 2, **changes) -> LargeFile:
    facts = {"blob": "k", "block_size_bytes": 4, "blocks": 2, "blocks_per_range": 1}
    return LargeFile(
        **{"job_id": JOB_ID, "number": number, "object": make_object(), **facts, "range_crcs": (None, None)}
        | changes
    )


def make_outcome(key: str = "k", **changes) -> Outcome:
    return Outcome(**{"key": key, "blob": key, "result": Result.COPIED, "size_bytes": 7, **changes})


def make_schedule(name: str = "nightly", **changes) -> Schedule:
    facts = {"user": "dana", "spec": make_spec(), "created_at": NOW, "fired_to": NOW}
    return Schedule(**{"name": name, **facts, **changes})
