"""Finding jobs among many, a page at a time, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from awcopy.jobs.fleet import Fleet
    from awcopy.model.job import Job, JobId, JobState

# The ledger cannot search, so rows are read and looked at; so many for one page, and the next goes on there.
MOST_READ = 2_000
# At first no more than are likely to be enough, and then as many as come at once.
_FIRST_BATCH, _BATCH = 200, 1_000
_PAGE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Which jobs are wanted; what is empty takes all."""

    states: frozenset[JobState] = frozenset()
    text: str = ""  # in the name, the source or the sink, in any case
    id_prefix: str = ""  # the beginning of the id, which the ledger can look up

    @property
    def takes_all(self) -> bool:
        """Whether nothing is left out."""
        return not self.states and not self.text

    def takes(self, job: Job) -> bool:
        """Return whether the job is wanted."""
        if self.states and job.state not in self.states:
            return False
        texts = (job.name, str(job.spec.source), str(job.spec.sink))
        return any(self.text.lower() in text.lower() for text in texts)


EVERY_JOB = JobFilter()


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPage:
    """Some jobs, and after which one the next page begins; None when there is none."""

    jobs: tuple[Job, ...]
    following: JobId | None


def find_jobs(fleet: Fleet, wanted: JobFilter, *, limit: int, after: JobId | None = None) -> JobPage:
    """Return the next jobs that are wanted, at most ``limit``.

    Looks at 2,000 rows at most, so a page may hold fewer jobs, or none, and still have a next one.
    """
    found: list[Job] = []
    read = 0
    while read < MOST_READ:
        # One more than is needed tells whether there is a next page.
        size = limit + 1 if wanted.takes_all else min(_BATCH if read else _FIRST_BATCH, MOST_READ - read)
        batch = fleet.ledger.list_jobs(id_prefix=wanted.id_prefix, limit=size, after=after)
        for job in batch:
            if len(found) == limit:
                return JobPage(jobs=tuple(found), following=after)
            after = job.id
            if wanted.takes(job):
                found.append(job)
        read += len(batch)
        if len(batch) < size:
            return JobPage(jobs=tuple(found), following=None)
    return JobPage(jobs=tuple(found), following=after)


def each_job(fleet: Fleet, wanted: JobFilter = EVERY_JOB, *, limit: int | None = None) -> Iterator[Job]:
    """Yield the newest jobs that are wanted, at most so many, or all of them."""
    left, after = limit, None
    while left is None or left > 0:
        page = find_jobs(fleet, wanted, limit=_PAGE if left is None else min(left, _PAGE), after=after)
        yield from page.jobs
        if page.following is None:
            return
        after = page.following
        left = None if left is None else left - len(page.jobs)
