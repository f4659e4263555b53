"""The fleet that one Flask app looks at, and what its views read from it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from flask import current_app, request

from awcopy.errors import JobNotFound, UsageError
from awcopy.jobs.queries import JobSnapshot, snapshot_of, take_snapshot
from awcopy.model.job import JobId

if TYPE_CHECKING:
    from flask import Flask

    from awcopy.jobs.fleet import Fleet

DEFAULT_PAGE = 50
LARGEST_PAGE = 200

_EXTENSION = "awcopy.fleet"
# Ids come from the address bar: what cannot be one never reaches the ledger's query language.
_JOB_ID = re.compile(r"[0-9a-hjkmnp-tv-z]{16}", re.ASCII)


def attach_fleet(app: Flask, fleet: Fleet) -> None:
    """Make the fleet the one that the app's views look at."""
    app.extensions[_EXTENSION] = fleet


def current_fleet() -> Fleet:
    """Return the fleet of the app that answers the present request."""
    fleet: Fleet = current_app.extensions[_EXTENSION]
    return fleet


def read_job(text: str) -> JobSnapshot:
    """Return the job with this id as it is now.

    Raises:
        JobNotFound: There is none, or the text cannot be an id.
    """
    return take_snapshot(current_fleet(), _parse_job_id(text))


def read_jobs() -> tuple[list[JobSnapshot], JobId | None]:
    """Return the page of jobs that ``?limit=&after=`` asks for, newest first, and where the next one starts.

    Raises:
        UsageError: The limit is not a number from 1 to 200.
        JobNotFound: ``after`` cannot be a job's id.
    """
    fleet = current_fleet()
    limit = _parse_limit(request.args.get("limit", str(DEFAULT_PAGE)))
    after = request.args.get("after")
    # One more than asked for tells whether there is a next page.
    jobs = fleet.ledger.list_jobs(limit=limit + 1, after=_parse_job_id(after) if after else None)
    shown = jobs[:limit]
    return [snapshot_of(fleet, job) for job in shown], shown[-1].id if len(jobs) > limit else None


def _parse_job_id(text: str) -> JobId:
    if not _JOB_ID.fullmatch(text):
        raise JobNotFound("there is no job with this id", hint="an id has 16 letters and digits")
    return JobId(text)


def _parse_limit(text: str) -> int:
    # Four digits at most: int() of a text of any length takes time that grows with its square.
    if not re.fullmatch(r"[0-9]{1,4}", text) or not 1 <= int(text) <= LARGEST_PAGE:
        raise UsageError(f"limit must be a number from 1 to {LARGEST_PAGE}")
    return int(text)
