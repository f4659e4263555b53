"""The pages: all jobs, and one job."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Blueprint, render_template, request

from web.fleet import read_job, read_jobs
from web.view import JobView

blueprint = Blueprint("pages", __name__)


@blueprint.get("/")
def list_jobs() -> str:
    """Return the page of all jobs, newest first."""
    snapshots, following = read_jobs()
    now = datetime.now(UTC)
    return render_template(
        "jobs.html",
        jobs=[JobView(snapshot=snapshot, now=now) for snapshot in snapshots],
        following=following,
        is_first_page="after" not in request.args,
        query=request.query_string.decode("ascii", "replace"),
    )


@blueprint.get("/jobs/<job_id>")
def show_job(job_id: str) -> str:
    """Return the page of one job."""
    return render_template("job.html", job=JobView(snapshot=read_job(job_id), now=datetime.now(UTC)))
