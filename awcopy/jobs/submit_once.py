"""Submitting a job whose request may arrive twice, because its sender did not hear the answer.

The sender names the request by a key of its own. The job's row remembers it, so that the same request finds its
job for a day, whatever became of Redis meanwhile.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from awcopy.errors import IllegalMove, StillSubmitting
from awcopy.jobs.search import each_job
from awcopy.jobs.submit import submit_job

if TYPE_CHECKING:
    from awcopy.jobs.fleet import Fleet
    from awcopy.jobs.submit import JobRequest
    from awcopy.model.job import Job

REMEMBERED_FOR = timedelta(hours=24)
# While one process submits the job of a key, no other does; longer than any ledger takes to answer.
_TURN_S = 60.0
_DIGITS = 32


def submit_once(fleet: Fleet, request: JobRequest, key: str, body: bytes) -> tuple[Job, bool]:
    """Return the job of this request, and whether it is new; the caller publishes the dispatch of a new one.

    Args:
        fleet: Where to submit it.
        request: The job; if it holds credentials, sealed ones.
        key: What its sender calls the request.
        body: The request as it was sent: the same key with another body is a mistake.

    Raises:
        IllegalMove: The key was another request's.
        StillSubmitting: Its job is being submitted at this moment.
        ServiceUnreachable: Redis or the ledger does not answer.
    """
    of_key, of_body = _digest(key.encode()), _digest(body)
    fleet.ledger.prepare()
    if found := _find(fleet, of_key, of_body):
        return found, False
    if not fleet.live.once_every(f"submit:{of_key}", _TURN_S):
        if found := _find(fleet, of_key, of_body):
            return found, False
        hint = f"ask again with the same key; it is free {_TURN_S:.0f} s after an attempt that failed"
        raise StillSubmitting("the job of this key is being submitted", hint=hint)
    return submit_job(fleet, replace(request, request_id=f"{of_key}.{of_body}")), True


def _find(fleet: Fleet, of_key: str, of_body: str) -> Job | None:
    since = fleet.ledger.now() - REMEMBERED_FOR
    for job in each_job(fleet):
        if job.created_at < since:
            return None
        key, _, body = job.request_id.partition(".")
        if key == of_key:
            if body != of_body:
                raise IllegalMove(
                    f"this key was used for job {job.id}, which is another", hint="use a new key"
                )
            return job
    return None


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:_DIGITS]
