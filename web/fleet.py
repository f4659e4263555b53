"""The fleet that one Flask app looks at, and what its views read from it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog
from flask import current_app, request

from awcopy.errors import JobNotFound, UsageError
from awcopy.jobs.failures import Examples, Failures, group_failures
from awcopy.jobs.overview import Overview, take_overview
from awcopy.jobs.queries import JobSnapshot, snapshot_of, take_snapshot
from awcopy.jobs.search import JobFilter, find_jobs
from awcopy.model.job import JobId, JobState
from web.watching import Edition, Editions, History

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

    from awcopy.config import Settings
    from awcopy.jobs.fleet import Fleet

DEFAULT_PAGE = 50
LARGEST_PAGE = 200
LONGEST_TEXT = 200

JOBS_SCHEMA = "awcopy.jobs/1"
_EXTENSION = "awcopy.fleet"
_WATCH = "awcopy.watch"
# Ids come from the address bar: what cannot be one never reaches the ledger's query language.
_JOB_ID = re.compile(r"[0-9a-hjkmnp-tv-z]{16}", re.ASCII)


def attach_fleet(app: Flask, fleet: Fleet, settings: Settings) -> None:
    """Make the fleet the one that the app's views look at, and the settings those that they publish with."""
    app.extensions[_EXTENSION] = fleet, settings
    app.before_request(_name_job_in_log)
    app.extensions[_WATCH] = Editions(), History(), Examples()


def _name_job_in_log() -> None:
    """Make every line that the request logs say which job it is about."""
    structlog.contextvars.clear_contextvars()  # threads serve one request after the other
    text = (request.view_args or {}).get("job_id", "")
    if _JOB_ID.fullmatch(text):
        structlog.contextvars.bind_contextvars(job_id=text)


def current_fleet() -> Fleet:
    """Return the fleet of the app that answers the present request."""
    fleet: Fleet = current_app.extensions[_EXTENSION][0]
    return fleet


def current_settings() -> Settings:
    """Return the settings of the app that answers the present request."""
    settings: Settings = current_app.extensions[_EXTENSION][1]
    return settings


def current_history() -> History:
    """Return how far jobs had come whenever the app looked at them."""
    history: History = current_app.extensions[_WATCH][1]
    return history


@dataclass(frozen=True, slots=True, kw_only=True)
class JobQuery:
    """Which page of which jobs is asked for."""

    wanted: JobFilter
    limit: int
    after: JobId | None


def read_job(text: str) -> JobSnapshot:
    """Return the job with this id as it is now.

    Raises:
        JobNotFound: There is none, or the text cannot be an id.
    """
    return _look_at(current_fleet(), current_history(), parse_job_id(text))


def read_jobs() -> tuple[list[JobSnapshot], JobId | None]:
    """Return the page of jobs that the query asks for, newest first, and after which the next one starts.

    ``?limit=&after=`` choose the page, ``state`` (again for several) and ``text`` which jobs.

    Raises:
        UsageError: The limit is not a number from 1 to 200, there is no such state, or the text is too long.
        JobNotFound: ``after`` cannot be a job's id.
    """
    return _look_at_page(current_fleet(), current_history(), parse_query())


def read_failures(snapshot: JobSnapshot) -> Failures:
    """Return what failed of a job that was just read, by reason."""
    examples: Examples = current_app.extensions[_WATCH][2]
    return group_failures(current_fleet(), snapshot.job.id, snapshot.totals, examples)


def jobs_record(snapshots: list[JobSnapshot], following: JobId | None) -> dict[str, Any]:
    """Return a page of jobs as the JSON API has it."""
    return {"schema": JOBS_SCHEMA, "jobs": [snapshot.to_json() for snapshot in snapshots], "next": following}


def read_overview() -> tuple[dict[str, Any], Overview]:
    """Return the overview as the JSON API has it, with the rate of this moment, and as a record."""
    return _look_around(current_fleet(), current_history())


def current_watch() -> Callable[[], Edition]:
    """Return what to call again and again for the latest edition of what the query asks for.

    ``?job=ID`` is one job, ``?view=overview`` the overview, anything else a page of jobs as ``read_jobs``
    reads it. Raises as these do.
    """
    editions: Editions = current_app.extensions[_WATCH][0]
    fleet, history = current_fleet(), current_history()
    if "job" in request.args:
        job_id = parse_job_id(request.args["job"])
        return partial(editions.latest, ("job", job_id), partial(_watch_job, fleet, history, job_id))
    if request.args.get("view") == "overview":
        return partial(editions.latest, "overview", lambda: (_look_around(fleet, history)[0], False))
    query = parse_query()
    return partial(editions.latest, query, partial(_watch_page, fleet, history, query))


def parse_query() -> JobQuery:
    """Return which page of jobs the query asks for. Raises as ``read_jobs`` does."""
    after = request.args.get("after")
    return JobQuery(
        wanted=read_filter(),
        limit=_parse_limit(request.args.get("limit", str(DEFAULT_PAGE))),
        after=parse_job_id(after) if after else None,
    )


def _watch_job(fleet: Fleet, history: History, job_id: JobId) -> tuple[dict[str, Any], bool]:
    snapshot = _look_at(fleet, history, job_id)
    return snapshot.to_json(), snapshot.job.has_ended


def _watch_page(fleet: Fleet, history: History, query: JobQuery) -> tuple[dict[str, Any], bool]:
    return jobs_record(*_look_at_page(fleet, history, query)), False


def _look_around(fleet: Fleet, history: History) -> tuple[dict[str, Any], Overview]:
    overview = take_overview(fleet)
    for snapshot in overview.jobs:
        history.note(snapshot)
    rate = sum(history.rate(snapshot.job.id) for snapshot in overview.jobs)
    return {**overview.to_json(), "bytes_per_s": int(rate)}, overview


def _look_at(fleet: Fleet, history: History, job_id: JobId) -> JobSnapshot:
    snapshot = take_snapshot(fleet, job_id)
    history.note(snapshot)
    return snapshot


def _look_at_page(fleet: Fleet, history: History, query: JobQuery) -> tuple[list[JobSnapshot], JobId | None]:
    page = find_jobs(fleet, query.wanted, limit=query.limit, after=query.after)
    snapshots = [snapshot_of(fleet, job) for job in page.jobs]
    for snapshot in snapshots:
        history.note(snapshot)
    return snapshots, page.following


def read_filter() -> JobFilter:
    """Return which jobs the query asks for. Raises as ``read_jobs`` does."""
    text = request.args.get("text", "")
    if len(text) > LONGEST_TEXT:
        raise UsageError(f"text may have {LONGEST_TEXT} characters")
    states = frozenset(filter(None, request.args.getlist("state")))
    if not states <= set(JobState):
        raise UsageError("there is no such state", hint=f"write one of {', '.join(JobState)}")
    return JobFilter(states=frozenset(map(JobState, states)), text=text)


def parse_job_id(text: str) -> JobId:
    """Return the id that a text is, whether or not there is such a job.

    Raises:
        JobNotFound: It cannot be one.
    """
    if not _JOB_ID.fullmatch(text):
        raise JobNotFound("there is no job with this id", hint="an id has 16 letters and digits")
    return JobId(text)


def _parse_limit(text: str) -> int:
    # Four digits at most: int() of a text of any length takes time that grows with its square.
    if not re.fullmatch(r"[0-9]{1,4}", text) or not 1 <= int(text) <= LARGEST_PAGE:
        raise UsageError(f"limit must be a number from 1 to {LARGEST_PAGE}")
    return int(text)
