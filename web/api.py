"""The JSON API: what the pages show, for programs."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

import awcopy
from web.fleet import current_fleet, read_job, read_jobs

JOBS_SCHEMA = "awcopy.jobs/1"
HEALTH_SCHEMA = "awcopy.health/1"

blueprint = Blueprint("api", __name__, url_prefix="/api/v1")


@blueprint.get("/jobs")
def list_jobs() -> dict[str, Any]:
    """Return a page of jobs, newest first; ``next`` is the ``after`` of the next page, or null."""
    snapshots, following = read_jobs()
    return {"schema": JOBS_SCHEMA, "jobs": [snapshot.to_json() for snapshot in snapshots], "next": following}


@blueprint.get("/jobs/<job_id>")
def show_job(job_id: str) -> dict[str, Any]:
    """Return one job as it is now, the same as ``awcopy jobs show -o json``."""
    return read_job(job_id).to_json()


@blueprint.get("/health")
def show_health() -> dict[str, Any]:
    """Return what answers; the answer is a 503 when the ledger or Redis does not."""
    fleet = current_fleet()
    fleet.ledger.list_jobs(limit=1)
    workers = fleet.live.workers()
    return {
        "schema": HEALTH_SCHEMA,
        "status": "ok",
        "version": awcopy.__version__,
        "workers": len(workers),
        "slots": sum(worker.slots for worker in workers),
    }
