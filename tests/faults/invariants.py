"""What must be true after every fault, read from everything but the copier's own word.

Owns the checks alone; each says what it found. Causes no fault, and waits only for what may rightly take a
moment after a job's end.
"""

from __future__ import annotations

import base64
import json
import re
import urllib.request
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import quote

from awcopy.demo.verify import compare
from awcopy.jobs.queries import read_report
from awcopy.model.items import ItemState
from awcopy.model.job import JobId, JobState
from awcopy.model.outcome import Outcome, Result
from tests.faults.fleet import LEASE_S, STORE_TIMEOUT_S, FaultFleet
from tests.faults.http_proxy import Exchange
from tests.faults.processes import wait_until

_SETTLE_S = LEASE_S + 9.0
_SETTLED = (JobState.COMPLETED, JobState.COMPLETED_WITH_ERRORS, JobState.CANCELLED)
_UNMASKED = re.compile(r"(?i)(?:[?&;\s\"](?:sig|x-amz-signature)=|accountkey=)(?!\*\*\*)[\w%+/-]{6}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """How a job of a whole bucket is to end.

    Attributes:
        only: The keys that the job takes, where it does not take all.
        failed: The keys that fail, exactly these, with their reasons.
        before: Blobs that were at the sink before the job; those of failed keys must still be as they were.
        versions: For keys whose object was replaced meanwhile: the contents that the blob may have.
        lost_messages: How many messages of killed workers Redis may still hold as unacknowledged.
        has_sink: Whether the container is still there to be looked at.
    """

    state: JobState = JobState.COMPLETED
    only: Collection[str] | None = None
    failed: Mapping[str, str] = field(default_factory=dict)
    before: Mapping[str, bytes] = field(default_factory=dict)
    versions: Mapping[str, tuple[bytes, ...]] = field(default_factory=dict)
    lost_messages: int = 0
    has_sink: bool = True


def assert_invariants(
    fleet: FaultFleet, job_id: JobId, bucket: str, expected: Expected | None = None, *, container: str = ""
) -> list[Outcome]:
    """Check everything about a job that has ended; return the lines of its report.

    The container is the bucket's namesake unless it is named.
    """
    container = container or bucket
    expected = expected or Expected()
    job = fleet.job(job_id)
    assert job.state is expected.state, fleet.describe(job_id)
    lines = list(read_report(fleet.fleet, job_id))
    _assert_report(fleet, job_id, bucket, lines, expected)
    if expected.has_sink:
        _assert_bytes(fleet, bucket, container, lines, expected)
        _assert_nothing_staged(fleet, container, lines)
    _assert_nothing_held(fleet, job_id, expected)
    _assert_no_secret(fleet, job_id)
    _assert_same_on_the_web(fleet, job_id)
    assert not fleet.logged(job_id, "item_crashed")
    return lines


def _assert_report(
    fleet: FaultFleet, job_id: JobId, bucket: str, lines: list[Outcome], expected: Expected
) -> None:
    """Every listed key has exactly one line, and the totals are the sums of the lines."""
    totals = fleet.job(job_id).totals
    counted = Counter(line.key for line in lines)
    assert not [key for key, count in counted.items() if count > 1]
    assert {line.key: line.reason for line in lines if line.result is Result.FAILED} == expected.failed
    pages = fleet.client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    keys = {entry["Key"] for page in pages for entry in page.get("Contents", ())}
    keys &= keys if expected.only is None else set(expected.only)
    assert set(counted) <= keys
    if expected.state in _SETTLED:
        assert set(counted) == keys or expected.state is JobState.CANCELLED
        assert totals.pending.objects == totals.pending.size_bytes == 0, totals
        assert totals.listed.objects == len(lines)
        results = Counter(line.result for line in lines)
        assert totals.copied.objects == results[Result.COPIED]
        assert totals.failed.objects == results[Result.FAILED]
        assert totals.cancelled.objects == results[Result.CANCELLED]
        assert totals.copied.size_bytes == sum(one.size_bytes for one in lines if one.result is Result.COPIED)
        assert sum(getattr(totals.proofs, name) for name in totals.proofs.__slots__) == totals.copied.objects


def _assert_bytes(
    fleet: FaultFleet, bucket: str, container: str, lines: list[Outcome], expected: Expected
) -> None:
    """A stranger's reader finds every copied key the same; a failed key's blob is as it was before."""
    by_sign: dict[str, set[str]] = {"=": set(), "*": set(), "+": set(), "-": set(), "!": set()}
    for line in compare(fleet.source, bucket, fleet.sink, container).lines:
        by_sign[line[0]].add(line[2:])
    exempt = set(expected.failed) | set(expected.versions)
    copied = {line.blob for line in lines if line.result is Result.COPIED}
    assert copied - exempt <= by_sign["="], {
        sign: names - exempt for sign, names in by_sign.items() if sign != "="
    }
    assert by_sign["-"] <= set(expected.before), "blobs that nobody asked for"
    if expected.state in _SETTLED:
        written = by_sign["="] | by_sign["*"] | by_sign["!"]
        known = {line.blob for line in lines if line.result in (Result.COPIED, Result.SKIPPED)}
        assert written <= known | set(expected.before), "blobs of which the report says nothing"
    for blob in expected.failed:
        assert fleet.blob(container, blob) == expected.before.get(blob), (
            f"{blob} failed, and its blob was touched"
        )
    for blob, contents in expected.versions.items():
        if blob in copied:
            assert fleet.blob(container, blob) in contents, f"{blob} is a mix of two versions"


def _assert_nothing_staged(fleet: FaultFleet, container: str, lines: list[Outcome]) -> None:
    """No block is left uncommitted, but for what failed or was cancelled: Azure drops those within a week.

    Nor is one that was ever sent by a request whose sender gave up: the store may carry that out after the commit.
    """
    unfinished = {line.blob for line in lines if line.result in (Result.FAILED, Result.CANCELLED)}
    client = fleet.blobs.get_container_client(container)
    committed = {blob.name for blob in client.list_blobs()}
    with_staged = {blob.name for blob in client.list_blobs(include=["uncommittedblobs"])}
    assert with_staged - committed <= unfinished
    sent = fleet.azure.log.staged()
    ours = {one.block_id for one in sent} - {one.block_id for one in sent if not is_heard(one)}
    for name in {one.name for one in sent} & committed - unfinished:
        _, staged = client.get_blob_client(name).get_block_list("uncommitted")
        left = [block for block in staged if base64.b64encode(block.id.encode()).decode() in ours]
        assert not left, f"{len(left)} blocks of {name} are left uncommitted"


def is_heard(sent: Exchange) -> bool:
    """Return whether the store took the block while its sender, by its own clock, surely waited for the answer."""
    took_s = STORE_TIMEOUT_S if sent.seconds is None else sent.seconds
    return sent.status == HTTPStatus.CREATED and took_s < STORE_TIMEOUT_S / 2


def _assert_nothing_held(fleet: FaultFleet, job_id: JobId, expected: Expected) -> None:
    """No item is leased, no message waits, Redis forgets the job by itself."""

    def leased() -> bool:
        return any(item.state is ItemState.LEASED for item in fleet.items(job_id))

    wait_until("no item is leased", lambda: not leased(), within_s=_SETTLE_S)
    wait_until("the queue is empty", lambda: not fleet.redis.llen("awcopy"), within_s=_SETTLE_S)
    wait_until(
        f"at most {expected.lost_messages} messages are unacknowledged",
        lambda: len(_unacknowledged(fleet, job_id)) <= expected.lost_messages,
        within_s=_SETTLE_S,
    )
    kept = [name for name in fleet.redis.scan_iter(f"*{job_id}*", count=1000) if fleet.redis.ttl(name) == -1]
    assert not kept
    assert not fleet.job(job_id).sealed or not fleet.job(job_id).has_ended


def _unacknowledged(fleet: FaultFleet, job_id: JobId) -> list[bytes]:
    return [message for message in fleet.redis.hvals("unacked") if job_id.encode() in message]


def _assert_no_secret(fleet: FaultFleet, job_id: JobId) -> None:
    """No credential is in Redis, in its append-only file, or in a log."""
    held = b"".join(fleet.redis.dump(name) or b"" for name in fleet.redis.scan_iter(count=1000))
    written = b"".join(path.read_bytes() for path in (fleet.redis_folder / "appendonlydir").glob("*"))
    logs = b"".join(path.read_bytes() for path in (fleet.worker.log_path, fleet.web.log_path))
    for where, content in (("Redis", held), ("the append-only file", written), ("a log", logs)):
        for secret in fleet.secrets:
            for form in _forms(secret):
                assert form not in content, f"a credential is in {where}"
    found = _UNMASKED.search(logs.decode("utf-8", "replace"))
    assert found is None, f"a signature is in a log: {found[0]}"


def _forms(secret: str) -> set[bytes]:
    encoded = base64.b64encode(secret.encode()).decode().rstrip("=")
    return {form.encode() for form in (secret, encoded, quote(secret, safe=""), json.dumps(secret)[1:-1])}


def _assert_same_on_the_web(fleet: FaultFleet, job_id: JobId) -> None:
    with urllib.request.urlopen(f"{fleet.web_url}api/v1/jobs/{job_id}", timeout=30) as answer:
        assert json.load(answer) == fleet.snapshot(job_id).to_json()
