from __future__ import annotations

import pytest

from awcopy.bootstrap import memory_fleet
from awcopy.jobs import search
from awcopy.jobs.search import JobFilter, find_jobs
from awcopy.model.job import JobId, JobState
from tests.unit.factories import make_job

FAILED = JobFilter(states=frozenset({JobState.FAILED}))


@pytest.fixture
def fleet():
    fleet = memory_fleet()
    for number in range(9):
        state = JobState.FAILED if number % 3 == 0 else JobState.RUNNING
        fleet.ledger.add_job(make_job(id=JobId(f"zybq{number:012}"), name=f"job {number}", state=state))
    return fleet


def names(page):
    return [job.name for job in page.jobs]


@pytest.mark.parametrize(("wanted", "count"), [(JobFilter(), 9), (FAILED, 3), (JobFilter(text="JOB 4"), 1)])
@pytest.mark.parametrize("limit", [1, 2, 3, 9, 20])
def test_page_by_page_every_wanted_job_comes_once(fleet, wanted, count, limit):
    seen, after = [], None
    while True:
        page = find_jobs(fleet, wanted, limit=limit, after=after)
        assert len(page.jobs) <= limit
        seen += names(page)
        after = page.following
        if after is None:
            break

    assert len(seen) == len(set(seen)) == count


def test_a_search_that_read_enough_goes_on_with_the_next_page(fleet, monkeypatch):
    monkeypatch.setattr(search, "MOST_READ", 2)
    monkeypatch.setattr(search, "_BATCH", 2)

    page = find_jobs(fleet, JobFilter(text="job 8"), limit=5)

    assert (names(page), page.following) == ([], "zybq000000000001")


def test_the_source_and_the_sink_are_searched_too(fleet):
    assert len(find_jobs(fleet, JobFilter(text="s3://BUCK"), limit=20).jobs) == 9
    assert find_jobs(fleet, JobFilter(text="elsewhere"), limit=20).jobs == ()
