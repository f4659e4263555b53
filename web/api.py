"""The JSON API: what the pages show and do, for programs. ``web.openapi`` describes it."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, request, url_for

import awcopy
from awcopy.cli.request import read_request, read_whole
from awcopy.errors import CredentialsError, ServiceUnreachable, UsageError
from awcopy.jobs import health
from awcopy.jobs.held import list_held
from awcopy.jobs.queries import JobSnapshot, snapshot_of, snapshot_record
from awcopy.jobs.schedule_control import describe_occurrences, describe_schedule, describe_schedules
from awcopy.jobs.watermark import resolve_since
from awcopy.ledger.codec import encode_record
from awcopy.units import parse_when
from awcopy.vault.sealing import encode_public_key, read_public_key
from web import actions, schedules
from web.auth import current_visitor
from web.bodies import read_body
from web.fleet import (
    current_fleet,
    current_settings,
    jobs_record,
    parse_job_id,
    parse_limit,
    read_failures,
    read_job,
    read_jobs,
    read_overview,
)
from web.openapi import describe_api
from web.reports import send_journal, send_report

if TYPE_CHECKING:
    from awcopy.model.job import Job

SPEC_SCHEMA = "awcopy.spec/1"
AGENTS_SCHEMA = "awcopy.agents/1"
WORKERS_SCHEMA = "awcopy.workers/1"
SCHEDULES_SCHEMA = "awcopy.schedules/1"
HISTORY_SCHEMA = "awcopy.history/1"
ME_SCHEMA = "awcopy.me/1"
KEY_SCHEMA = "awcopy.public-key/1"
REMOVALS_SCHEMA = "awcopy.removals/1"
SINCE_SCHEMA = "awcopy.since/1"
HEALTH_SCHEMA = "awcopy.health/1"
SYSTEM_SCHEMA = "awcopy.system/1"

LARGEST_HISTORY = 1_000

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
    wants_record = reads_record()
    # Whoever asks for the records acts on them: a command looks up which job is meant.
    snapshots, following = read_jobs(as_they_are=wants_record)
    shown = [show_snapshot(one, wants_record=wants_record) for one in snapshots]
    return {**jobs_record([], following), "jobs": shown}


@blueprint.post("/jobs")
def create_job() -> tuple[dict[str, Any], HTTPStatus, dict[str, str]]:
    """Submit a job; a request that comes again with its ``Idempotency-Key`` finds the job that it made."""
    wants_record = reads_record()
    job, is_new = actions.create_job(read_body(), request.headers.get("Idempotency-Key"), request.get_data())
    where = {"Location": url_for("api.show_job", job_id=job.id)}
    shown = show_snapshot(snapshot_of(current_fleet(), job), wants_record=wants_record)
    return shown, HTTPStatus.CREATED if is_new else HTTPStatus.OK, where


@blueprint.get("/jobs/<job_id>")
def show_job(job_id: str) -> dict[str, Any]:
    """Return one job as it was within the last second, the same as ``awcopy jobs show -o json``."""
    wants_record = reads_record()
    return show_snapshot(read_job(job_id), wants_record=wants_record)


@blueprint.delete("/jobs/<job_id>")
def remove_job(job_id: str) -> tuple[str, HTTPStatus]:
    """Remove an ended job with its report; no blob that it copied is touched."""
    read_body(members=())
    actions.remove_job(parse_job_id(job_id))
    return "", HTTPStatus.NO_CONTENT


@blueprint.post("/removals")
def remove_jobs() -> dict[str, Any]:
    """Remove jobs that ended before a moment, some of them if there are many, and return which."""
    given = read_body(members=("older_than",)).get("older_than")
    if not isinstance(given, str):
        raise UsageError("older_than is a date or a time")
    removed, has_more = actions.clean_jobs(parse_when(given, now=datetime.now(UTC)))
    return {"schema": REMOVALS_SCHEMA, "jobs": removed, "more": has_more}


@blueprint.post("/since")
def show_since() -> dict[str, Any]:
    """Return since when the sync that is described would look at objects; null for all of them."""
    spec = read_request(read_body(), command="sync").spec
    since = resolve_since(current_fleet(), spec).selection.newer_than
    return {"schema": SINCE_SCHEMA, "since": since.isoformat() if since else None}


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


@blueprint.get("/jobs/<job_id>/journal")
def download_journal(job_id: str) -> Response:
    """Return what happened to the job, and then how each object ended."""
    return send_journal(job_id)


@blueprint.post("/jobs/<job_id>/pause")
def pause_job(job_id: str) -> dict[str, Any]:
    """Pause a job, and return it."""
    read_body(members=())
    return _snapshot(actions.pause_job(parse_job_id(job_id)))


@blueprint.post("/jobs/<job_id>/resume")
def resume_job(job_id: str) -> dict[str, Any]:
    """Go on with a job that is paused or has failed, and return it."""
    sealed = _read_text(read_body(members=("sealed",)), "sealed")
    return _snapshot(actions.resume_job(parse_job_id(job_id), sealed))


@blueprint.post("/jobs/<job_id>/cancel")
def cancel_job(job_id: str) -> dict[str, Any]:
    """Cancel a job, and return it."""
    read_body(members=())
    return _snapshot(actions.cancel_job(parse_job_id(job_id)))


@blueprint.post("/jobs/<job_id>/retry")
def retry_job(job_id: str) -> dict[str, Any]:
    """Try again what failed, of one reason or all, and return the job."""
    body = read_body(members=("reason", "sealed"))
    job, objects = actions.retry_job(
        parse_job_id(job_id), _read_text(body, "reason"), _read_text(body, "sealed")
    )
    return {**_snapshot(job), "retried_objects": objects}


@blueprint.post("/jobs/<job_id>/agents")
def change_agents(job_id: str) -> dict[str, Any]:
    """Change how many items of a job run at once, and return it."""
    agents = read_whole(read_body(members=("agents",)).get("agents"), "agents")
    return _snapshot(actions.change_agents(parse_job_id(job_id), agents))


@blueprint.post("/jobs/<job_id>/bandwidth")
def change_bandwidth(job_id: str) -> dict[str, Any]:
    """Change how many bytes of a job go a second, and return it."""
    bandwidth = read_whole(read_body(members=("bandwidth",)).get("bandwidth"), "bandwidth")
    return _snapshot(actions.change_bandwidth(parse_job_id(job_id), bandwidth))


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
    limit = parse_limit(schedules.MOST_PAST, LARGEST_HISTORY)
    fleet, schedule = current_fleet(), schedules.find(name)
    past = fleet.ledger.list_occurrences(schedule.name, limit=limit)
    return {"schema": HISTORY_SCHEMA, "occurrences": describe_occurrences(fleet, past)}


@blueprint.post("/schedules/<name>/run")
def run_schedule(name: str) -> dict[str, Any]:
    """Run a schedule's job now, and return the schedule with what became of that."""
    read_body(members=())
    fleet, occurrence = current_fleet(), schedules.run(name)
    shown = describe_schedule(fleet, schedules.find(name))
    return {**shown, "occurrence": describe_occurrences(fleet, [occurrence])[0]}


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


@blueprint.get("/me")
def show_me() -> dict[str, Any]:
    """Return who asks, by the token, and what time it is for the fleet."""
    visitor = current_visitor()
    ends_at = visitor.expires_at
    return {
        "schema": ME_SCHEMA,
        "name": visitor.name,
        "role": visitor.role.value,
        "expires_at": ends_at.isoformat() if ends_at else None,
        "now": current_fleet().ledger.now().isoformat(),
    }


@blueprint.get("/keys/public")
def show_public_key() -> dict[str, Any]:
    """Return the key that credentials are sealed with; a 503 where the dashboard has none."""
    try:
        key = read_public_key(current_settings().keys)
    except CredentialsError as error:
        hint = (
            "whoever runs the dashboard copies fleet.pub into its AWCOPY_KEYS; or use profiles, or "
            "--credentials workers"
        )
        raise CredentialsError(
            "the dashboard has no public key to seal credentials with", hint=hint
        ) from error
    return {"schema": KEY_SCHEMA, "public_key": encode_public_key(key)}


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


def reads_record() -> bool:
    """Return whether the query asks for jobs with all that the ledger has of them, but for credentials."""
    asked = request.args.get("record", "false")
    if asked not in {"true", "false"}:
        raise UsageError("record is true or false")
    return asked == "true"


def show_snapshot(snapshot: JobSnapshot, *, wants_record: bool) -> dict[str, Any]:
    """Return a job as the API has it."""
    shown = snapshot.to_json()
    return {**shown, "record": snapshot_record(snapshot)} if wants_record else shown


def _snapshot(job: Job) -> dict[str, Any]:
    return snapshot_of(current_fleet(), job).to_json()


def _read_text(body: dict[str, Any], name: str) -> str:
    value = body.get(name, "")
    if not isinstance(value, str):
        raise UsageError(f"{name} is a text")
    return value
