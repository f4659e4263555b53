"""The description of the JSON API in OpenAPI 3.1: what can be asked. The tests hold every answer against it."""

from __future__ import annotations

import awcopy
from awcopy.model.job import JobState
from awcopy.model.outcome import Result
from web.auth_roles import ANYONE, NEEDED
from web.openapi_schemas import (
    JOB_ID,
    TEXT,
    Schema,
    describe_schemas,
    many_of,
    ref_to,
)

_PREFIX = "/api/v1"
_REQUIRED = {"JobRequest", "AgentsRequest", "BandwidthRequest", "ScheduleRequest", "RemovalRequest"}
_ID_PREFIX: Schema = {"type": "string", "pattern": "^[0-9a-hjkmnp-tv-z]{1,16}$"}
_RECORD: Schema = {
    "name": "record",
    "in": "query",
    "required": False,
    "schema": {"type": "string", "enum": ["true", "false"], "default": "false"},
    "description": "Whether each job comes with `record`: all of it, as awcopy's own command reads it.",
}
_ID = {"name": "job_id", "in": "path", "required": True, "schema": JOB_ID, "description": "The job's id."}
_NAME = {
    "name": "name",
    "in": "path",
    "required": True,
    "schema": TEXT,
    "description": "The schedule's name.",
}


def describe_api() -> Schema:
    """Return the whole document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "awcopy",
            "version": awcopy.__version__,
            "description": "Jobs that copy objects from Amazon S3 to Azure Blob Storage. Errors are problems "
            "(RFC 9457) with a `code` for programs and a `hint` for people. Bodies have at most 64 KiB. Each request "
            "names the role that its token must have (`x-role`): a viewer looks, an operator creates and controls "
            "jobs, an admin does so with jobs that delete, too.",
        },
        "paths": {f"{_PREFIX}{path}": item for path, item in _paths().items()},
        "components": {
            "schemas": describe_schemas(),
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "Made by `awcopy token create`. While there is none at all, and only whoever is on "
                    "the dashboard's machine can reach it, none is needed.",
                }
            },
        },
    }


def _paths() -> dict[str, Schema]:
    control = "The job as it is then."
    return {
        "/jobs": {
            "get": _operation(
                "list_jobs",
                "List jobs, newest first.",
                "Jobs",
                parameters=[
                    _query(
                        "limit",
                        {"type": "integer", "minimum": 1, "maximum": 200, "default": 50},
                        "Most jobs.",
                    ),
                    _query("after", JOB_ID, "The `next` of the page before."),
                    _query("state", many_of(JobState), "Only jobs in one of these states."),
                    _query("id", _ID_PREFIX, "Only jobs whose id starts so."),
                    _RECORD,
                    _query(
                        "text",
                        {**TEXT, "maxLength": 200},
                        "Only jobs with this in the name, source or sink.",
                    ),
                ],
                errors=(400, 404),
            ),
            "post": _create(),
        },
        "/jobs/{job_id}": {"get": _show_job(), "delete": _remove_job()},
        "/removals": {
            "post": _operation(
                "remove_jobs",
                "Remove jobs that ended before a time, with their reports; 100 at most by one request.",
                "Removals",
                body="RemovalRequest",
                errors=(400, 403, 413, 415),
            )
        },
        "/since": {
            "post": _operation(
                "show_since",
                "Since when a sync with `since: last` would look at objects.",
                "Since",
                body="JobRequest",
                errors=(400, 403, 413, 415),
            )
        },
        "/jobs/{job_id}/spec": {"get": _of_job("show_spec", "Show what was asked for.", "Spec")},
        "/jobs/{job_id}/failures": {
            "get": _of_job("show_failures", "Show what failed, by reason.", "Failures")
        },
        "/jobs/{job_id}/report": {"get": _report()},
        "/jobs/{job_id}/journal": {"get": _journal()},
        "/jobs/{job_id}/agents": {
            "get": _of_job("show_agents", "Show what the job's agents do now.", "Agents"),
            "post": _of_job(
                "change_agents",
                "Change how many items of the job run at once.",
                "Job",
                "AgentsRequest",
                control,
            ),
        },
        "/jobs/{job_id}/bandwidth": {
            "post": _of_job(
                "change_bandwidth",
                "Change how many bytes of the job go a second, over all workers.",
                "Job",
                "BandwidthRequest",
                control,
            )
        },
        "/jobs/{job_id}/pause": {"post": _of_job("pause_job", "Pause a job.", "Job", "Nothing", control)},
        "/jobs/{job_id}/resume": {
            "post": _of_job(
                "resume_job",
                "Go on with a job that is paused or has failed.",
                "Job",
                "ResumeRequest",
                control,
            )
        },
        "/jobs/{job_id}/cancel": {"post": _of_job("cancel_job", "Cancel a job.", "Job", "Nothing", control)},
        "/jobs/{job_id}/retry": {
            "post": _of_job("retry_job", "Try again what failed.", "RetriedJob", "RetryRequest", control)
        },
        "/overview": {"get": _operation("show_overview", "How the fleet is as a whole.", "Overview")},
        **_schedule_paths(),
        "/me": {"get": _operation("show_me", "Who asks, and what time it is for the fleet.", "Me")},
        "/keys/public": {
            "get": _operation("show_public_key", "The key that credentials are sealed with.", "PublicKey")
        },
        "/workers": {"get": _operation("list_workers", "List the processes that are there.", "Workers")},
        "/system": {"get": _operation("show_system", "Look at every part of the fleet.", "System")},
        "/health": {"get": _operation("show_health", "Whether the ledger and Redis answer.", "Health")},
        "/ready": {"get": _operation("show_readiness", "Whether a job submitted now would begin.", "Health")},
        "/openapi.json": {"get": _operation("show_description", "This document.", "Description")},
    }


def _schedule_paths() -> dict[str, Schema]:
    add = _operation(
        "add_schedule",
        "Add a schedule, whose jobs sync with the workers' profiles or their own credentials.",
        "Schedule",
        body="ScheduleRequest",
        errors=(400, 403, 413, 415),
    )
    add["responses"]["201"] = {**add["responses"].pop("200"), "description": "The new schedule."}
    remove = _of_schedule("remove_schedule", "Remove a schedule and its history.", "Nothing", "Nothing")
    remove["responses"]["204"] = {"description": "It is gone; its jobs stay."}
    del remove["responses"]["200"]
    return {
        "/schedules": {"get": _operation("list_schedules", "List schedules.", "Schedules"), "post": add},
        "/schedules/{name}": {
            "get": _of_schedule("show_schedule", "Show one schedule.", "Schedule"),
            "delete": remove,
        },
        "/schedules/{name}/history": {"get": _history()},
        **{
            f"/schedules/{{name}}/{verb}": {"post": _of_schedule(f"{verb}_schedule", says, answer, "Nothing")}
            for verb, says, answer in (
                ("run", "Run its job now.", "RunSchedule"),
                ("pause", "Let no occurrence run.", "Schedule"),
                ("resume", "Go on from the next occurrence.", "Schedule"),
            )
        },
    }


def _of_schedule(name: str, summary: str, answer: str, body: str = "") -> Schema:
    errors = (400, 403, 404, 413, 415) if body else (404,)
    return _operation(name, summary, answer, parameters=[_NAME], body=body, errors=errors)


def _create() -> Schema:
    key = {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
        "description": "A name for this request. Sent again within a day, it finds the job that it made.",
    }
    made = _operation(
        "create_job",
        "Submit a job. Without sealed credentials the workers use profiles, or their own.",
        "Job",
        parameters=[key, _RECORD],
        body="JobRequest",
        errors=(400, 403, 409, 413, 415, 429),
    )
    made["responses"]["201"] = {**made["responses"]["200"], "description": "The new job."}
    made["responses"]["200"]["description"] = "The job that an earlier request with this key made."
    return made


def _show_job() -> Schema:
    operation = _of_job("show_job", "Show one job.", "Job")
    operation["parameters"] += [_RECORD]
    operation["responses"] |= _problems((400,))
    return operation


def _remove_job() -> Schema:
    remove = _of_job(
        "remove_job", "Remove an ended job with its report; no blob is touched.", "Nothing", "Nothing"
    )
    remove["responses"]["204"] = {"description": "It is gone; what it copied stays."}
    del remove["responses"]["200"]
    return remove


def _history() -> Schema:
    operation = _of_schedule("show_history", "Show what became of its latest times.", "History")
    limit = {"type": "integer", "minimum": 1, "maximum": 1000, "default": 30}
    operation["parameters"] = [*operation["parameters"], _query("limit", limit, "Most times.")]
    operation["responses"] |= _problems((400,))
    return operation


def _report() -> Schema:
    operation = _of_job("download_report", "Download the outcome of every object that has one.", "ReportLine")
    operation["parameters"] += [
        _query(
            "format", {"type": "string", "enum": ["ndjson", "csv"], "default": "ndjson"}, "One line each."
        ),
        _query("outcome", many_of(Result), "Only these outcomes."),
        _query(
            "after",
            {"type": "string", "pattern": "^[0-9]{1,12}$"},
            "In pages, which can be asked for again: 0 for the first, and then as the Link header says.",
        ),
    ]
    operation["responses"]["200"]["content"] = {
        "application/x-ndjson": {"schema": ref_to("ReportLine")},
        "text/csv": {"schema": TEXT},
    }
    operation["responses"] |= _problems((400, 429))
    return operation


def _journal() -> Schema:
    operation = _of_job(
        "download_journal",
        "Download what happened to the job, and then how each object ended.",
        "JournalLine",
    )
    operation["responses"]["200"]["content"] = {"application/x-ndjson": {"schema": ref_to("JournalLine")}}
    operation["responses"] |= _problems((429,))
    return operation


def _of_job(name: str, summary: str, answer: str, body: str = "", says: str = "") -> Schema:
    errors = (400, 403, 404, 409, 413, 415) if body else (404,)
    operation = _operation(name, summary, answer, parameters=[_ID], body=body, errors=errors)
    if says:
        operation["responses"]["200"]["description"] = says
    return operation


def _operation(
    name: str,
    summary: str,
    answer: str,
    *,
    parameters: list[Schema] | None = None,
    body: str = "",
    errors: tuple[int, ...] = (),
) -> Schema:
    operation: Schema = {
        "operationId": name,
        "summary": summary,
        "parameters": parameters or [],
        "responses": {
            "200": {
                "description": "The answer.",
                "content": {"application/json": {"schema": ref_to(answer)}},
            },
            **_problems((*errors, 503)),
        },
        "security": [],
    }
    # An operation is called as the function that answers it.
    role = next(needed for (_, endpoint), needed in NEEDED.items() if endpoint == f"api.{name}")
    if role is not ANYONE:
        operation["security"] = [{"token": []}]
        operation["x-role"] = role.value
        operation["responses"] |= _problems((401,))
    if body:
        content = {"application/json": {"schema": ref_to(body)}}
        operation["requestBody"] = {
            "required": body in _REQUIRED,
            "content": content,
        }
    return operation


def _problems(statuses: tuple[int, ...]) -> Schema:
    content = {"application/problem+json": {"schema": ref_to("Problem")}}
    return {str(status): {"description": _MEANINGS[status], "content": content} for status in statuses}


_MEANINGS = {
    400: "The request cannot be done as it is written.",
    401: "There is no token, or none that counts.",
    403: "The token's role does not allow it, or a page of another site sent it.",
    404: "There is no such job or schedule.",
    409: "The job's state does not allow it, or the key was another request's.",
    413: "The body is too large.",
    415: "The body is not application/json.",
    429: "Too many downloads at once, or too many new jobs within a minute; see Retry-After.",
    503: "The ledger, Redis or the workers do not answer.",
}


def _query(name: str, schema: Schema, says: str) -> Schema:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": says}
