"""The JSON API: what the pages show and do, for programs. ``web.openapi`` describes it."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, request, url_for

import awcopy
from awcopy.errors import ServiceUnreachable, UsageError
from awcopy.jobs import health
from awcopy.jobs.held import list_held
from awcopy.jobs.queries import snapshot_of
from awcopy.jobs.schedule_control import describe_occurrences, describe_schedule, describe_schedules
from awcopy.ledger.codec import encode_record
from web import actions, schedules
from web.bodies import read_body
from web.fleet import (
    current_fleet,
    current_settings,
    jobs_record,
    parse_job_id,
    read_failures,
    read_job,
    read_jobs,
    read_overview,
)
from web.openapi import describe_api
from web.reports import send_report

if TYPE_CHECKING:
    from awcopy.model.job import Job

SPEC_SCHEMA = "awcopy.spec/1"
AGENTS_SCHEMA = "awcopy.agents/1"
WORKERS_SCHEMA = "awcopy.workers/1"
SCHEDULES_SCHEMA = "awcopy.schedules/1"
HISTORY_SCHEMA = "awcopy.history/1"
HEALTH_SCHEMA = "awcopy.health/1"
SYSTEM_SCHEMA = "awcopy.system/1"

blueprint = Blueprint("api", __name__, url_prefix="/api/v1")


@blueprint.after_request
def answer_shortly(response: Response) -> Response:
    """Return a 304 in place of what the client has already, by its ``If-None-Match``."""
    if request.method == "GET" and response.status_code == HTTPStatus.OK and not response.is_streamed:
        response.add_etag()
        response.make_conditional(request)
    return response


@blueprint.get("/openapi.json")
def show_description() -> dict[str, Any]:
    """Return the description of this API."""
    return describe_api()


@blueprint.get("/jobs")
def list_jobs() -> dict[str, Any]:
    """Return a page of jobs, newest first; ``next`` is the ``after`` of the next page, or null."""
    return jobs_record(*read_jobs())


@blueprint.post("/jobs")
def create_job() -> tuple[dict[str, Any], HTTPStatus, dict[str, str]]:
    """Submit a job; a request that comes again with its ``Idempotency-Key`` finds the job that it made."""
    job, is_new = actions.create_job(read_body(), request.headers.get("Idempotency-Key"), request.get_data())
    where = {"Location": url_for("api.show_job", job_id=job.id)}
    return _snapshot(job), HTTPStatus.CREATED if is_new else HTTPStatus.OK, where


@blueprint.get("/jobs/<job_id>")
def show_job(job_id: str) -> dict[str, Any]:
    """Return one job as it is now, the same as ``awcopy jobs show -o json``."""
    return read_job(job_id).to_json()


@blueprint.get("/jobs/<job_id>/spec")
def show_spec(job_id: str) -> dict[str, Any]:
    """Return what was asked for, without secrets, and the command line that asks for the same."""
    job = current_fleet().ledger.get_job(parse_job_id(job_id))
    return {"schema": SPEC_SCHEMA, "spec": encode_record(job.spec), "command": actions.command_of(job)}


@blueprint.get("/jobs/<job_id>/failures")
def show_failures(job_id: str) -> dict[str, Any]:
    """Return what failed, by reason."""
    return read_failures(read_job(job_id)).to_json()


@blueprint.get("/jobs/<job_id>/agents")
def show_agents(job_id: str) -> dict[str, Any]:
    """Return what the job's agents do at this moment."""
    fleet = current_fleet()
    job = fleet.ledger.get_job(parse_job_id(job_id))
    return {
        "schema": AGENTS_SCHEMA,
        "agents": job.spec.agents,
        "held": [item.to_json() for item in list_held(fleet, job.id)],
    }


@blueprint.get("/jobs/<job_id>/report")
def download_report(job_id: str) -> Response:
    """Return the outcome of every object that has one."""
    return send_report(job_id)


@blueprint.post("/jobs/<job_id>/pause")
def pause_job(job_id: str) -> dict[str, Any]:
    """Pause a job, and return it."""
    read_body(members=())
    return _snapshot(actions.pause_job(parse_job_id(job_id)))


@blueprint.post("/jobs/<job_id>/resume")
def resume_job(job_id: str) -> dict[str, Any]:
    """Go on with a job that is paused or has failed, and return it."""
    read_body(members=())
    return _snapshot(actions.resume_job(parse_job_id(job_id)))


@blueprint.post("/jobs/<job_id>/cancel")
def cancel_job(job_id: str) -> dict[str, Any]:
    """Cancel a job, and return it."""
    read_body(members=())
    return _snapshot(actions.cancel_job(parse_job_id(job_id)))


@blueprint.post("/jobs/<job_id>/retry")
def retry_job(job_id: str) -> dict[str, Any]:
    """Try again what failed, of one reason or all, and return the job."""
    reason = read_body(members=("reason",)).get("reason", "")
    if not isinstance(reason, str):
        raise UsageError("reason is a text")
    return _snapshot(actions.retry_job(parse_job_id(job_id), reason)[0])


@blueprint.post("/jobs/<job_id>/agents")
def change_agents(job_id: str) -> dict[str, Any]:
    """Change how many items of a job run at once, and return it."""
    agents = read_body(members=("agents",)).get("agents")
    if not isinstance(agents, int) or isinstance(agents, bool):
        raise UsageError("agents is a whole number")
    return _snapshot(actions.change_agents(parse_job_id(job_id), agents))


@blueprint.get("/overview")
def show_overview() -> dict[str, Any]:
    """Return how the fleet is as a whole."""
    return read_overview()[0]


@blueprint.get("/schedules")
def list_schedules() -> dict[str, Any]:
    """Return all schedules by name."""
    return {"schema": SCHEDULES_SCHEMA, "schedules": describe_schedules(current_fleet())}


@blueprint.post("/schedules")
def add_schedule() -> tuple[dict[str, Any], HTTPStatus, dict[str, str]]:
    """Add a schedule, and return it."""
    schedule = schedules.create(read_body())
    where = {"Location": url_for("api.show_schedule", name=schedule.name)}
    return describe_schedule(current_fleet(), schedule), HTTPStatus.CREATED, where


@blueprint.get("/schedules/<name>")
def show_schedule(name: str) -> dict[str, Any]:
    """Return one schedule."""
    return describe_schedule(current_fleet(), schedules.find(name))


@blueprint.get("/schedules/<name>/history")
def show_history(name: str) -> dict[str, Any]:
    """Return what became of the latest times at which a schedule was due."""
    fleet, schedule = current_fleet(), schedules.find(name)
    past = fleet.ledger.list_occurrences(schedule.name, limit=schedules.MOST_PAST)
    return {"schema": HISTORY_SCHEMA, "occurrences": describe_occurrences(fleet, past)}


@blueprint.post("/schedules/<name>/run")
def run_schedule(name: str) -> dict[str, Any]:
    """Run a schedule's job now, and return the schedule."""
    read_body(members=())
    return describe_schedule(current_fleet(), schedules.run(name))


@blueprint.post("/schedules/<name>/pause")
def pause_schedule(name: str) -> dict[str, Any]:
    """Let no occurrence run, and return the schedule."""
    read_body(members=())
    return describe_schedule(current_fleet(), schedules.pause(name))


@blueprint.post("/schedules/<name>/resume")
def resume_schedule(name: str) -> dict[str, Any]:
    """Go on from the next occurrence, and return the schedule."""
    read_body(members=())
    return describe_schedule(current_fleet(), schedules.resume(name))


@blueprint.delete("/schedules/<name>")
def remove_schedule(name: str) -> tuple[str, HTTPStatus]:
    """Remove a schedule and its history; its jobs stay."""
    read_body(members=())
    schedules.remove(name)
    return "", HTTPStatus.NO_CONTENT


@blueprint.get("/workers")
def list_workers() -> dict[str, Any]:
    """Return the processes that said lately that they are there; those without slots are beat's."""
    live = current_fleet().live
    return {
        "schema": WORKERS_SCHEMA,
        "waiting_messages": live.waiting_messages(),
        "processes": [
            {"name": one.name, "slots": one.slots, "seconds_ago": one.seconds_ago, "version": one.version}
            for one in live.processes()
        ],
    }


@blueprint.get("/system")
def show_system() -> dict[str, Any]:
    """Return how each part of the fleet is, as ``awcopy doctor`` finds it from here."""
    checks = health.fleet_checks(current_fleet(), awcopy.__version__, current_settings().keys)
    return {"schema": SYSTEM_SCHEMA, "findings": [one.to_json() for one in health.run_checks(checks)]}


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


@blueprint.get("/ready")
def show_readiness() -> dict[str, Any]:
    """Return the same when a job submitted now would begin; a 503 also when no worker is there."""
    found = show_health()
    if not found["workers"]:
        raise ServiceUnreachable("no worker is running", hint="start one with `awcopy worker`")
    return found


def _snapshot(job: Job) -> dict[str, Any]:
    return snapshot_of(current_fleet(), job).to_json()
