"""Submitting a job: everything that can be known to be wrong is said before anything is written."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol, TypeVar

from awcopy.errors import (
    Conflict,
    CredentialsError,
    IllegalMove,
    ServerFault,
    StoreNotFound,
    Throttled,
    UsageError,
)
from awcopy.model.job import Job, JobEvent, JobState, made_at, new_job_id
from awcopy.model.spec import JobSpec
from awcopy.vault.credentials import JobCredentials
from awcopy.vault.sealing import seal

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

    from awcopy.jobs.fleet import Fleet
    from awcopy.model.job import JobId
    from awcopy.model.objects import SinkAccount
    from awcopy.sink.base import Sink
    from awcopy.source.base import Source


T = TypeVar("T")


class Attempt(Protocol):
    """Something that tries a call, again if it may help, and returns what it returns."""

    def __call__(self, call: Callable[[], T], /) -> T:
        """Return the call's result."""


# Between choosing an id and writing its job lies the way of a request, sent again perhaps.
ID_TOLERANCE = timedelta(minutes=15)
BUSY_TRIES = 4
BUSY_WAIT_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """A job as it is asked for."""

    spec: JobSpec
    name: str = "default"
    user: str = ""
    request_id: str = ""  # as ``submit_once`` remembers it
    credentials: JobCredentials = field(default_factory=JobCredentials)
    job_id: JobId | None = None  # chosen by who asks, where what is sealed is sealed to it
    sealed: str = ""  # in place of credentials


def check_stores(spec: JobSpec, source: Source, sink: Sink, *, create_container: bool = False) -> None:
    """Return when the source can be listed and the container answers; raise the reason when not.

    With ``create_container`` a missing container is created, after the source has been checked.
    """
    look(lambda: source.probe(spec.source.prefix))
    require_container(sink, create_container=create_container)
    check_abilities(spec, source, sink, look)


def require_container(sink: Sink, *, create_container: bool) -> None:
    """Return when the container answers, created if it was missing and that was asked for."""
    try:
        look(sink.probe)
    except StoreNotFound:
        if not create_container:
            raise
        look(sink.create_container)
        look(sink.probe)


def check_abilities(spec: JobSpec, source: Source, sink: Sink, attempt: Attempt) -> SinkAccount:
    """Return what the sink's account can do, when both stores can do what the job asks beyond copying.

    That tags may be read is tried on one object: where they may not, S3 tells nobody that there are any.

    Raises:
        UsageError: The sink's account has no access tiers, or no tags.
        TagsDenied: The source's credentials do not allow reading tags.
    """
    if spec.deletion and not spec.has_stamps:
        message = "what is deleted at the source must be told by the blobs' stamps"
        raise UsageError(message, hint="leave out --no-stamp")
    account = attempt(sink.account)
    if spec.tier and not account.has_tiers:
        message = f"the account {spec.sink.account} is of the kind {account.kind}, which has no access tiers"
        raise UsageError(message, hint="leave out --tier")
    if spec.copies_tags and account.is_hierarchical:
        message = f"the account {spec.sink.account} has a hierarchical namespace, whose blobs have no tags"
        raise UsageError(message, hint="leave out --tags, or copy to an account without one")
    if spec.copies_tags:
        for obj in attempt(lambda: source.list_page(spec.source.prefix, limit=1)).objects:
            attempt(lambda obj=obj: source.read_tags(obj))  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
    return account


def look(attempt: Callable[[], T]) -> T:
    """Return what a look at a store returns; a store that is busy is asked again, one that is away is not.

    A person waits for the answer, so this takes seconds at most.
    """
    for tries in range(1, BUSY_TRIES):
        try:
            return attempt()
        except (Throttled, ServerFault):
            time.sleep(tries * BUSY_WAIT_S)
    return attempt()


def _said_by(user: str) -> str:
    return f"submitted by {user}" if user else "submitted"


def submit_job(fleet: Fleet, request: JobRequest, public_key: X25519PublicKey | None = None) -> Job:
    """Write the job to the ledger as queued, its credentials sealed, and return it.

    The caller then publishes the dispatch; if it dies before that, ``reconcile`` does it.

    Raises:
        CredentialsError: The request holds credentials, and there is no key to seal them with.
        UsageError: It comes with an id that is not of this time.
        IllegalMove: There is a job of that id.
        ServiceUnreachable: Redis or the ledger does not answer.
    """
    fleet.live.ping()
    fleet.ledger.prepare()
    now = fleet.ledger.now()  # this host's clock may be wrong
    if request.job_id and abs(made_at(request.job_id) - now) > ID_TOLERANCE:  # jobs are listed by their ids
        raise UsageError("the job's id is not of this time", hint="leave it out, or make it when it is sent")
    job_id, sealed = request.job_id or next_job_id(fleet, now), request.sealed
    if request.credentials:
        if public_key is None:
            raise CredentialsError("credentials were given, but no public key to seal them with")
        sealed = seal(request.credentials, job_id, public_key)
    job = make_job(request, job_id, now, sealed=sealed, why=_said_by(request.user))
    try:
        return fleet.ledger.add_job(job)
    except Conflict as error:
        raise IllegalMove(f"there is a job {job_id} already", hint="make a new id for each job") from error


def next_job_id(fleet: Fleet, now: datetime) -> JobId:
    """Return an id that sorts before those of all jobs that are there.

    The ledger says its time in whole seconds, so a process that has just started may take it for up to a second
    earlier than it is; its job is the newest nevertheless, and not the one submitted half a second before.
    """
    for newest in fleet.ledger.list_jobs(limit=1):
        if now <= made_at(newest.id) <= now + ID_TOLERANCE:
            now = made_at(newest.id) + timedelta(milliseconds=1)
    return new_job_id(now)


def make_job(request: JobRequest, job_id: JobId, now: datetime, *, sealed: str = "", why: str) -> Job:
    """Return the job that a request asks for, queued; ``why`` says how it came to be, for its first event."""
    return Job(
        id=job_id,
        name=request.name,
        user=request.user,
        spec=request.spec,
        state=JobState.QUEUED,
        created_at=now,
        changed_at=now,
        sealed=sealed,
        was_sealed=bool(sealed),
        request_id=request.request_id,
        events=(JobEvent(at=now, what=JobState.QUEUED.value, detail=why),),
    )
