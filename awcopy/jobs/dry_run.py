"""A dry run: what a copy would do with each listed object, decided as the copy decides it, and nothing written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

from awcopy.errors import StorageError, StoreNotFound
from awcopy.model.job import Job, JobState, Overwrite, new_job_id
from awcopy.model.objects import SinkAccount
from awcopy.model.outcome import Result
from awcopy.planning.filters import compile_selection
from awcopy.planning.naming import blob_name
from awcopy.planning.overwrite import Act, decide_overwrite
from awcopy.transfer.engine import ENDS_THE_ITEM, settle_unread

if TYPE_CHECKING:
    from awcopy.jobs.submit import Attempt
    from awcopy.model.job import JobSpec
    from awcopy.model.objects import BlobHead, SourceObject
    from awcopy.sink.base import Sink
    from awcopy.source.base import Source

# From here on the order of UTF-16, in which some servers list, is not that of UTF-8, in which S3 does.
_ORDERED_OTHERWISE = re.compile("[\ud800-\U0010ffff]")
_WHY_OVERWRITTEN = {
    Overwrite.ALWAYS: "always",
    Overwrite.CHANGED: "changed",
    Overwrite.NEWER: "newer",
}


class Intent(StrEnum):
    """What a copy would do with one object."""

    COPY = "copy"  # there is no blob of its name
    OVERWRITE = "overwrite"
    SKIP = "skip"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a copy would do with one object, and why."""

    object: SourceObject
    blob: str
    intent: Intent
    reason: str
    detail: str = ""  # one sentence for a person


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
    blobs = _Blobs(spec, sink, attempt)
    with ThreadPoolExecutor(connections) as threads:
        for page in list_pages(source, spec.source.prefix, attempt):
            chosen = [obj for obj in page if is_selected(obj)]
            found = blobs.find([blob_name(spec, obj.key) for obj in chosen], threads)
            plans = iter([_plan(job, obj, *one) for obj, one in zip(chosen, found, strict=True)])
            for obj in page:
                yield next(plans) if is_selected(obj) else None


def _account(sink: Sink, attempt: Attempt) -> SinkAccount:
    try:
        return attempt(sink.account)
    except StoreNotFound:  # of a container that is yet to be made nothing is known
        return SinkAccount()


def list_pages(source: Source, prefix: str, attempt: Attempt) -> Iterator[tuple[SourceObject, ...]]:
    """Yield the objects under a prefix, a page at a time."""
    token = ""
    while True:
        page = attempt(partial(source.list_page, prefix, token=token))
        yield page.objects
        token = page.token
        if not token:
            return


def _plan(job: Job, obj: SourceObject, blob: str, head: BlobHead | StorageError | None) -> Plan:
    settled = settle_unread(job, obj, blob)
    if settled:
        intent = Intent.FAIL if settled.result is Result.FAILED else Intent.SKIP
        return Plan(object=obj, blob=blob, intent=intent, reason=settled.reason, detail=settled.detail)
    if isinstance(head, StorageError):
        return Plan(object=obj, blob=blob, intent=Intent.FAIL, reason=head.code, detail=head.message)
    decision = decide_overwrite(job, obj, head)
    if decision.act is Act.SKIP:
        return Plan(object=obj, blob=blob, intent=Intent.SKIP, reason=decision.reason)
    if head is None:
        return Plan(object=obj, blob=blob, intent=Intent.COPY, reason="new")
    return Plan(object=obj, blob=blob, intent=Intent.OVERWRITE, reason=_WHY_OVERWRITTEN[job.spec.overwrite])


@dataclass(slots=True)
class _Blobs:
    """The blobs that are there, by names that are mostly asked for in the order in which they are listed.

    One pass over the sink's listing tells all of them, as long as both sides are in one order. A name that
    comes too late is looked at by itself, and so is every name once the sink has shown another order, or where
    its listing is known to be in another one or to hide what the stamp says.
    """

    spec: JobSpec
    sink: Sink
    attempt: Attempt
    _listed: Iterator[BlobHead] = field(init=False)
    _at: BlobHead | None = field(init=False, default=None)
    _last: str = field(init=False, default="")
    _is_relied_on: bool = field(init=False)

    def __post_init__(self) -> None:
        self._listed = self._list()
        self._is_relied_on = not self.spec.sink.has_directories  # which sort by their names alone
        self._at = next(self._listed, None)

    def find(
        self, names: Iterable[str], threads: ThreadPoolExecutor
    ) -> list[tuple[str, BlobHead | StorageError | None]]:
        """Return each name with the blob that bears it, or with why it cannot be looked at."""
        told = [(name, *self._tell(name)) for name in names]
        asked = [name for name, is_known, _ in told if not is_known]
        heads = dict(zip(asked, threads.map(self._look, asked), strict=True))
        return [(name, head if is_known else heads[name]) for name, is_known, head in told]

    def _tell(self, name: str) -> tuple[bool, BlobHead | None]:
        """Return whether the listing tells of the name, and what."""
        if name <= self._last or _ORDERED_OTHERWISE.search(name):
            return False, None
        self._last = name
        while self._at is not None and self._at.name < name:
            self._at = next(self._listed, None)
        found = self._at if self._at is not None and self._at.name == name else None
        # The metadata of a blob under a customer's key is not listed.
        return self._is_relied_on and not (found and found.key_sha256), found

    def _look(self, name: str) -> BlobHead | StorageError | None:
        try:
            return self.attempt(partial(self.sink.head, name))
        except ENDS_THE_ITEM:
            raise
        except StorageError as error:
            return error

    def _list(self) -> Iterator[BlobHead]:
        token = last = ""
        while True:
            try:
                page = self.attempt(partial(self.sink.list_page, self.spec.sink.prefix, token=token))
            except StoreNotFound:
                return  # a container that is yet to be made is empty
            names = [last, *(blob.name for blob in page.blobs)]
            if any(after <= before for before, after in pairwise(names)):
                self._is_relied_on = False
            last = names[-1]
            yield from page.blobs
            token = page.token
            if not token:
                return
