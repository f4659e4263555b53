"""A dry run: what a copy would do with each listed object, decided as the copy decides it, and nothing written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

from awcopy.errors import NameConflict, ObjectNotFound, StorageError, StoreNotFound
from awcopy.model.job import Job, JobState, new_job_id
from awcopy.model.objects import SinkAccount, SourceObject
from awcopy.model.outcome import Result
from awcopy.model.spec import Overwrite, Versions
from awcopy.planning.alongside import Alongside, sink_prefix
from awcopy.planning.backup import backup_name
from awcopy.planning.extras import ExtraFinder, lists_in_order
from awcopy.planning.filters import compile_selection
from awcopy.planning.naming import blob_of
from awcopy.planning.overwrite import Act, decide_overwrite, needs_head
from awcopy.transfer.engine import ENDS_THE_ITEM, settle_unread

if TYPE_CHECKING:
    from collections.abc import Callable

    from awcopy.jobs.submit import Attempt
    from awcopy.model.objects import BlobHead, ObjectHead
    from awcopy.model.outcome import Outcome
    from awcopy.model.spec import JobSpec
    from awcopy.sink.base import Sink
    from awcopy.source.base import Source

_PASSED_AT_ONCE = 1000
_WHY_OVERWRITTEN = {
    Overwrite.ALWAYS: "always",
    Overwrite.CHANGED: "changed",
    Overwrite.NEWER: "newer",
    Overwrite.PROMPT: "approved",
}


class Intent(StrEnum):
    """What a copy would do with one object."""

    COPY = "copy"  # there is no blob of its name
    OVERWRITE = "overwrite"
    SKIP = "skip"
    FAIL = "fail"
    DELETE = "delete"  # no object: a blob that none stands for


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a copy would do with one object, and why."""

    object: SourceObject
    blob: str
    intent: Intent
    reason: str
    detail: str = ""  # one sentence for a person
    replaces: BlobHead | None = None


def plan_copy(
    spec: JobSpec, source: Source, sink: Sink, attempt: Attempt, *, connections: int, now: datetime
) -> Iterator[Plan | None]:
    """Yield the plan of each listed object, in listed order; None for one that the filters leave out.

    Reads both listings side by side, a page of each at a time. What the sink's listing cannot be relied on
    for is looked at one by one, ``connections`` at once.

    Raises:
        StorageError: A store could not be read; what was yielded before is right.
    """
    to = replace(spec.sink, has_directories=_account(sink, attempt).is_hierarchical)
    spec = replace(spec, sink=to)
    # A new job has written nothing yet, so that no blob counts as its own.
    job = Job(
        id=new_job_id(now),
        name="",
        user="",
        spec=spec,
        state=JobState.QUEUED,
        created_at=now,
        changed_at=now,
    )
    is_selected = compile_selection(spec.selection, spec.source.prefix)
    blobs = _Blobs(job, source, sink, attempt)
    with ThreadPoolExecutor(connections) as threads:
        for page in list_pages(source, spec, attempt):
            chosen = [obj for obj in page if is_selected(obj)]
            # Blobs of objects that are left out are no extra ones.
            joined = page if spec.pruning else chosen
            found = blobs.find([blob_of(spec, obj) for obj in joined], threads)
            if spec.pruning:
                found = [one for obj, one in zip(page, found, strict=True) if is_selected(obj)]
            look = partial(_plan, job, partial(_head_of, source, attempt))
            plans = threads.map(look, chosen, found)
            for obj in page:
                yield next(plans) if is_selected(obj) else None
            yield from blobs.take_extras(threads)
        if spec.pruning:
            while blobs.pass_some():
                yield from blobs.take_extras(threads)
            yield from blobs.take_extras(threads)


def _account(sink: Sink, attempt: Attempt) -> SinkAccount:
    try:
        return attempt(sink.account)
    except StoreNotFound:  # of a container that is yet to be made nothing is known
        return SinkAccount()


def list_pages(source: Source, spec: JobSpec, attempt: Attempt) -> Iterator[tuple[SourceObject, ...]]:
    """Yield the objects that a job lists, a page at a time; versions of them where it copies all."""
    fetch = source.list_versions if spec.versions is Versions.ALL else source.list_page
    token = ""
    while True:
        page = attempt(partial(fetch, spec.source.prefix, token=token))
        yield page.objects
        token = page.token
        if not token:
            return


def _head_of(source: Source, attempt: Attempt, obj: SourceObject) -> ObjectHead:
    return attempt(partial(source.head, obj.key, version_id=obj.version_id))


def _plan(
    job: Job,
    head_of: Callable[[SourceObject], ObjectHead],
    obj: SourceObject,
    found: tuple[str, BlobHead | StorageError | None],
) -> Plan:
    blob, head = found
    settled = settle_unread(job, obj, blob)
    if settled:
        intent = Intent.FAIL if settled.result is Result.FAILED else Intent.SKIP
        return Plan(object=obj, blob=blob, intent=intent, reason=settled.reason, detail=settled.detail)
    if job.spec.sink.has_directories and not isinstance(head, StorageError) and head and head.is_directory:
        head = NameConflict("the account has a directory of that name")
    if isinstance(head, StorageError):
        return Plan(object=obj, blob=blob, intent=Intent.FAIL, reason=head.code, detail=head.message)
    try:
        seen = head_of(obj) if needs_head(job, obj, head) else None
    except ENDS_THE_ITEM:
        raise
    except StorageError as error:
        return Plan(object=obj, blob=blob, intent=Intent.FAIL, reason=error.code, detail=error.message)
    decision = decide_overwrite(job, obj, head, seen)
    if decision.act is Act.SKIP:
        return Plan(object=obj, blob=blob, intent=Intent.SKIP, reason=decision.reason)
    if head is None:
        return Plan(object=obj, blob=blob, intent=Intent.COPY, reason="new")
    why = _WHY_OVERWRITTEN[job.spec.overwrite]
    detail = _say_backup(job, blob)
    return Plan(object=obj, blob=blob, intent=Intent.OVERWRITE, reason=why, detail=detail, replaces=head)


def _say_backup(job: Job, blob: str) -> str:
    kept_as = backup_name(job, blob)
    return f"the blob that is there is kept as {kept_as}" if kept_as else ""


class _Blobs:
    """The blobs that are there: from one pass over the sink's listing, as far as that tells.

    A name that comes too late is looked at by itself, and so is every name once the sink has shown another
    order, or where its listing is known to be in another one or to hide what the stamp says.
    """

    def __init__(self, job: Job, source: Source, sink: Sink, attempt: Attempt) -> None:
        spec = job.spec
        self._job = job
        self._spec = spec
        self._source = source
        self._sink = sink
        self._finder = ExtraFinder(job)
        self._extras: list[Outcome] = []
        self._now = job.created_at
        self._attempt = attempt
        self._prefix = sink_prefix(spec)
        # Accounts with directories list folder by folder.
        self._listed = Alongside(
            self._fetch,
            is_ordered=not spec.sink.has_directories,
            on_passed=self._note if spec.pruning else None,
        )

    def find(
        self, names: Iterable[str], threads: ThreadPoolExecutor
    ) -> list[tuple[str, BlobHead | StorageError | None]]:
        """Return each name with the blob that bears it, or with why it cannot be looked at."""
        told = [(name, *self._tell(name)) for name in names]
        asked = [name for name, is_known, _ in told if not is_known]
        heads = dict(zip(asked, threads.map(self._look, asked), strict=True))
        return [(name, head if is_known else heads[name]) for name, is_known, head in told]

    def pass_some(self) -> bool:
        """Go on in the sink's listing though no name asks for it; return whether there may be more."""
        return self._listed.pass_some(_PASSED_AT_ONCE)

    def take_extras(self, threads: ThreadPoolExecutor) -> Iterator[Plan]:
        """Yield a plan for each extra blob that was met since the last call."""
        extras, self._extras = self._extras, []
        known = lists_in_order(self._spec)
        is_there = [False] * len(extras) if known else list(threads.map(self._has_object, extras))
        for extra, there in zip(extras, is_there, strict=True):
            if not there:
                listed = SourceObject(
                    key=extra.key, size_bytes=extra.size_bytes, etag="", modified_at=self._now
                )
                detail = _say_backup(self._job, extra.blob)
                yield Plan(
                    object=listed, blob=extra.blob, intent=Intent.DELETE, reason="extra", detail=detail
                )

    def _note(self, blob: BlobHead) -> None:
        if extra := self._finder.find(blob):
            self._extras.append(extra)

    def _has_object(self, extra: Outcome) -> bool:
        try:
            self._attempt(partial(self._source.head, extra.key))
        except ObjectNotFound:
            return False
        return True

    def _tell(self, name: str) -> tuple[bool, BlobHead | None]:
        found = self._listed.find(name)
        return self._listed.tells(name, found), found

    def _look(self, name: str) -> BlobHead | StorageError | None:
        try:
            return self._attempt(partial(self._sink.head, name))
        except ENDS_THE_ITEM:
            raise
        except StorageError as error:
            return error

    def _fetch(self, token: str) -> tuple[Sequence[BlobHead], str]:
        try:
            page = self._attempt(partial(self._sink.list_page, self._prefix, token=token))
        except StoreNotFound:
            return (), ""  # a container that is yet to be made is empty
        return page.blobs, page.token
