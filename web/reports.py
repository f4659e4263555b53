"""A job's report as a download, sent line by line as it is read."""

from __future__ import annotations

import csv
import io
import json
import re
import threading
from itertools import chain
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from flask import Response, request
from werkzeug.exceptions import TooManyRequests

from awcopy.cli.console import safe_cell, safe_text
from awcopy.errors import UsageError
from awcopy.jobs.journal import retell
from awcopy.jobs.queries import read_report, read_report_page
from awcopy.jobs.report import REPORT_COLUMNS, report_cells, report_record
from awcopy.model.outcome import Result
from web.fleet import current_fleet, parse_job_id

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from awcopy.model.job import JobId
    from awcopy.model.outcome import Outcome

TYPES = {"ndjson": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}
# Each download holds one of the server's threads for as long as its reader takes.
MOST_DOWNLOADS = 4
_BUSY_S = 10
PAGE_LINES = 5_000  # or more, as items are taken whole

_downloads = threading.BoundedSemaphore(MOST_DOWNLOADS)


def send_report(text: str) -> Response:
    """Return the report of the job with this id; ``?format=`` ndjson or csv, ``outcome`` (again for several).

    With ``after``, the number of an item or 0, it comes in pages: the ``Link`` header names the next one.

    Raises:
        JobNotFound: There is no such job.
        UsageError: There is no such format or outcome, or ``after`` is no number.
        TooManyRequests: Four others are being downloaded.
    """
    kind = request.args.get("format", "ndjson")
    names = set(request.args.getlist("outcome")) or set(Result)
    if kind not in TYPES:
        raise UsageError("there is no such format", hint=f"write {' or '.join(TYPES)}")
    if not names <= set(Result):
        raise UsageError("there is no such outcome", hint=f"write one of {', '.join(Result)}")
    after = request.args.get("after")
    if after is not None and not re.fullmatch(r"[0-9]{1,12}", after):
        raise UsageError("after is the number of an item")
    fleet = current_fleet()
    job = fleet.ledger.get_job(parse_job_id(text))
    if not _downloads.acquire(blocking=False):
        raise TooManyRequests(f"{MOST_DOWNLOADS} reports are being downloaded", retry_after=_BUSY_S)
    try:
        response = _send_page(job.id, int(after), names, kind) if after else _send_all(job.id, names, kind)
    except BaseException:
        _downloads.release()
        raise
    response.call_on_close(_downloads.release)
    response.headers["Content-Disposition"] = f'attachment; filename="awcopy-{job.id}.{kind}"'
    return response


def _send_all(job_id: JobId, names: Collection[str], kind: str) -> Response:
    outcomes = (one for one in read_report(current_fleet(), job_id) if one.result in names)
    # The first is read here, so that a ledger that is away gives an error and no empty report.
    first = next(outcomes, None)
    answered = iter(()) if first is None else chain((first,), outcomes)
    return Response(_lines(answered, kind), content_type=TYPES[kind])


def _send_page(job_id: JobId, after: int, names: Collection[str], kind: str) -> Response:
    """Return a part of the report whole, so that whoever loses its answer can ask for it again."""
    page, following = read_report_page(current_fleet(), job_id, after, PAGE_LINES)
    lines = _lines((one for one in page if one.result in names), kind)
    response = Response("".join(lines), content_type=TYPES[kind])
    if following:
        query = {**request.args.to_dict(flat=False), "after": [str(following)]}
        response.headers["Link"] = f'<{request.path}?{urlencode(query, doseq=True)}>; rel="next"'
    return response


def _lines(outcomes: Iterator[Outcome], kind: str) -> Iterator[str]:
    return _csv_lines(outcomes) if kind == "csv" else _json_lines(outcomes)


def _json_lines(outcomes: Iterator[Outcome]) -> Iterator[str]:
    for outcome in outcomes:
        yield json.dumps(report_record(outcome)) + "\n"


def _csv_lines(outcomes: Iterator[Outcome]) -> Iterator[str]:
    yield _csv_line(REPORT_COLUMNS)
    for outcome in outcomes:
        yield _csv_line(safe_cell(safe_text(cell)) for cell in report_cells(outcome))


def _csv_line(cells: Iterator[str] | tuple[str, ...]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue()


def send_journal(text: str) -> Response:
    """Return the journal of the job with this id: what happened to it, and how each object ended.

    Raises:
        JobNotFound: There is no such job.
        TooManyRequests: Four others are being downloaded.
    """
    fleet = current_fleet()
    job = fleet.ledger.get_job(parse_job_id(text))
    if not _downloads.acquire(blocking=False):
        raise TooManyRequests(f"{MOST_DOWNLOADS} reports are being downloaded", retry_after=_BUSY_S)
    response = Response(retell(job, read_report(fleet, job.id)), content_type=TYPES["ndjson"])
    response.call_on_close(_downloads.release)
    response.headers["Content-Disposition"] = f'attachment; filename="awcopy-{job.id}.log"'
    return response
