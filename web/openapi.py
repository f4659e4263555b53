"""The description of the JSON API in OpenAPI 3.1; the tests hold every answer against it."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import awcopy
from awcopy.cli.copy import MOST_AGENTS
from awcopy.cli.request import ADDRESSES, LONGEST_SEALED, LONGEST_VALUE, SEALED, request_options
from awcopy.cli.request_schema import describe_request
from awcopy.cli.sync import LAST
from awcopy.jobs.health import State
from awcopy.jobs.queries import Phase
from awcopy.jobs.report import REPORT_COLUMNS
from awcopy.model.items import ItemKind
from awcopy.model.job import JobState
from awcopy.model.outcome import PROOF_NAMES, Proof, Result, Route, RouteCounts
from awcopy.model.schedule import CatchUp, Fate, Overlap
from awcopy.model.token import Role
from web.actions import LARGEST_BANDWIDTH
from web.auth_roles import ANYONE, NEEDED

Schema = dict[str, Any]

_PREFIX = "/api/v1"
_COUNT: Schema = {"type": "integer", "minimum": 0}
_TEXT: Schema = {"type": "string"}
_MOMENT: Schema = {"type": "string", "format": "date-time"}
_JOB_ID: Schema = {"type": "string", "pattern": "^[0-9a-hjkmnp-tv-z]{16}$"}
_TALLIES = ("listed", "copied", "skipped", "failed", "cancelled", "deleted", "excluded")
_REQUIRED = {"JobRequest", "AgentsRequest", "BandwidthRequest", "ScheduleRequest", "RemovalRequest"}
_ID_PREFIX: Schema = {"type": "string", "pattern": "^[0-9a-hjkmnp-tv-z]{1,16}$"}
_SEALED: Schema = {
    "type": "string",
    "pattern": SEALED,
    "maxLength": LONGEST_SEALED,
    "description": "New credentials, sealed to the fleet's public key and the job's id.",
}
_WHEN: Schema = {
    "type": "string",
    "maxLength": LONGEST_VALUE,
    "description": "An age (36h, 90d) or a date or time of ISO 8601.",
}
_RECORD: Schema = {
    "name": "record",
    "in": "query",
    "required": False,
    "schema": {"type": "string", "enum": ["true", "false"], "default": "false"},
    "description": "Whether each job comes with `record`: all of it, as awcopy's own command reads it.",
}
_ID = {"name": "job_id", "in": "path", "required": True, "schema": _JOB_ID, "description": "The job's id."}
_NAME = {
    "name": "name",
    "in": "path",
    "required": True,
    "schema": _TEXT,
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
            "schemas": _schemas(),
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
                    _query("after", _JOB_ID, "The `next` of the page before."),
                    _query("state", _many(JobState), "Only jobs in one of these states."),
                    _query("id", _ID_PREFIX, "Only jobs whose id starts so."),
                    _RECORD,
                    _query(
                        "text",
                        {**_TEXT, "maxLength": 200},
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


def _schedule_request() -> Schema:
    """Return the request of a schedule: that of a sync without credentials, and its own values."""
    job = describe_request()
    text = {**_TEXT, "maxLength": LONGEST_VALUE}
    own = dict.fromkeys(("name", "cron", "zone", "every"), text)
    kept = {
        name: schema
        for name, schema in job["properties"].items()
        if name in request_options("sync") or name in ADDRESSES
    }
    choices = {"catch_up": _enum(CatchUp), "overlap": _enum(Overlap)}
    return {
        **job,
        "properties": {**kept, **own, **choices, "since": {"type": "string", "enum": ["", LAST]}},
        "required": ["name", *job["required"]],
    }


def _schemas() -> dict[str, Schema]:
    return {
        "JobRequest": describe_request(),
        "RetryRequest": _closed(
            {
                "reason": {**_TEXT, "maxLength": 100, "description": "Empty: all that failed."},
                "sealed": _SEALED,
            }
        ),
        "ResumeRequest": _closed({"sealed": _SEALED}),
        "RemovalRequest": {**_closed({"older_than": _WHEN}), "required": ["older_than"]},
        "Removals": _record(
            {
                "schema": _const("awcopy.removals/1"),
                "jobs": {"type": "array", "items": _JOB_ID},
                "more": {"type": "boolean", "description": "true: ask again."},
            }
        ),
        "Since": _record(
            {"schema": _const("awcopy.since/1"), "since": {"oneOf": [_MOMENT, {"type": "null"}]}}
        ),
        "Me": _record(
            {
                "schema": _const("awcopy.me/1"),
                "name": {**_TEXT, "description": "The token's; empty where none is asked for."},
                "role": _enum(Role),
                "expires_at": {"oneOf": [_MOMENT, {"type": "null"}]},
                "now": _MOMENT,
            }
        ),
        "PublicKey": _record({"schema": _const("awcopy.public-key/1"), "public_key": _TEXT}),
        "AgentsRequest": {
            **_closed({"agents": {"type": "integer", "minimum": 1, "maximum": MOST_AGENTS}}),
            "required": ["agents"],
        },
        "BandwidthRequest": {
            **_closed({"bandwidth": {"type": "integer", "minimum": 0, "maximum": LARGEST_BANDWIDTH}}),
            "required": ["bandwidth"],
        },
        "Nothing": _closed({}),
        "Tally": _record({"objects": _COUNT, "bytes": _COUNT}),
        "Job": {
            **_record(_JOB),
            "properties": {**_JOB, "record": {"type": "object", "description": "Only where asked for."}},
        },
        "RetriedJob": _record({**_JOB, "retried_objects": _COUNT}),
        "Jobs": _record(
            {
                "schema": _const("awcopy.jobs/1"),
                "jobs": _array("Job"),
                "next": {"oneOf": [_JOB_ID, {"type": "null"}]},
            }
        ),
        "Spec": _record(
            {
                "schema": _const("awcopy.spec/1"),
                "spec": {"type": "object", "description": "What differs from a default."},
                "command": _TEXT,
            }
        ),
        "Failures": _record(
            {
                "schema": _const("awcopy.failures/1"),
                "complete": {"type": "boolean", "description": "false: counts are those of what was read."},
                "groups": _array("FailureGroup"),
            }
        ),
        "FailureGroup": _record(
            {
                "reason": _TEXT,
                "objects": _COUNT,
                "bytes": _COUNT,
                "hint": _TEXT,
                "example": {
                    "oneOf": [
                        _record({"key": _TEXT, "blob": _TEXT, "detail": _TEXT, "attempts": _COUNT}),
                        {"type": "null"},
                    ]
                },
            }
        ),
        "Agents": _record(
            {"schema": _const("awcopy.agents/1"), "agents": _COUNT, "held": _array("HeldItem")}
        ),
        "HeldItem": _record(
            {
                "agent": {"type": "integer"},
                "item": _COUNT,
                "kind": _enum(ItemKind),
                "does": _TEXT,
                "objects": _COUNT,
                "bytes": _COUNT,
                "attempts": _COUNT,
                "generation": _COUNT,
                "lease_until": {"oneOf": [_MOMENT, {"type": "null"}]},
            }
        ),
        "ReportLine": _record({column: _report_column(column) for column in REPORT_COLUMNS}),
        "Overview": _record(
            {
                "schema": _const("awcopy.overview/1"),
                **dict.fromkeys(("running", "queued", "paused", "failed_lately", "workers", "slots"), _COUNT),
                **dict.fromkeys(("copied_bytes", "bytes_per_s"), _COUNT),
                "jobs": _array("Job"),
                "attention": _array("Attention"),
                "coming": {"type": "array", "items": _record({"schedule": _TEXT, "at": _MOMENT})},
            }
        ),
        "Attention": _record(dict.fromkeys(("kind", "says", "job", "schedule"), _TEXT)),
        "ScheduleRequest": _schedule_request(),
        "Schedule": _record(_SCHEDULE),
        "RunSchedule": _record({**_SCHEDULE, "occurrence": _ref("Occurrence")}),
        "Schedules": _record({"schema": _const("awcopy.schedules/1"), "schedules": _array("Schedule")}),
        "History": _record({"schema": _const("awcopy.history/1"), "occurrences": _array("Occurrence")}),
        "Occurrence": _record(
            {**dict.fromkeys(("planned_at", "job", "job_state", "why"), _TEXT), "what": _enum(Fate)}
        ),
        "Workers": _record(
            {
                "schema": _const("awcopy.workers/1"),
                "waiting_messages": _COUNT,
                "processes": _array("Process"),
            }
        ),
        "Process": _record(
            {
                "name": _TEXT,
                "slots": {**_COUNT, "description": "0 for beat, which runs no tasks."},
                "seconds_ago": {"type": "number"},
                "version": _TEXT,
            }
        ),
        "System": _record({"schema": _const("awcopy.system/1"), "findings": _array("Finding")}),
        "Finding": _record(
            {"part": _TEXT, "state": _enum(State), "says": _TEXT, "advice": _TEXT, "exit_code": _COUNT}
        ),
        "Health": _record(
            {
                "schema": _const("awcopy.health/1"),
                "status": _const("ok"),
                "version": _TEXT,
                "workers": _COUNT,
                "slots": _COUNT,
            }
        ),
        "Description": {"type": "object", "required": ["openapi", "paths"]},
        "Problem": _record(
            {
                "type": _TEXT,
                "title": _TEXT,
                "status": {"type": "integer"},
                "detail": _TEXT,
                "code": _TEXT,
                "hint": _TEXT,
            }
        ),
    }


def _report_column(name: str) -> Schema:
    special: dict[str, Schema] = {
        "outcome": _enum(Result),
        "proof": _enum(Proof),
        "bytes": _COUNT,
        "attempts": _COUNT,
        "crc64": {"oneOf": [{"type": "string", "pattern": "^[0-9a-f]{16}$"}, {"type": "null"}]},
        "notices": {"type": "array", "items": _TEXT},
    }
    return special.get(name, _TEXT)


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
        _query("outcome", _many(Result), "Only these outcomes."),
        _query(
            "after",
            {"type": "string", "pattern": "^[0-9]{1,12}$"},
            "In pages, which can be asked for again: 0 for the first, and then as the Link header says.",
        ),
    ]
    operation["responses"]["200"]["content"] = {
        "application/x-ndjson": {"schema": _ref("ReportLine")},
        "text/csv": {"schema": _TEXT},
    }
    operation["responses"] |= _problems((400, 429))
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
                "content": {"application/json": {"schema": _ref(answer)}},
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
        content = {"application/json": {"schema": _ref(body)}}
        operation["requestBody"] = {
            "required": body
            in {"JobRequest", "AgentsRequest", "BandwidthRequest", "ScheduleRequest", "RemovalRequest"},
            "content": content,
        }
    return operation


def _problems(statuses: tuple[int, ...]) -> Schema:
    content = {"application/problem+json": {"schema": _ref("Problem")}}
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


def _many(kind: type[JobState | Result]) -> Schema:
    return {"type": "array", "items": _enum(kind)}


def _enum(kind: Any) -> Schema:  # noqa: ANN401 - the class of any of our enumerations
    return {"type": "string", "enum": [member.value for member in kind]}


def _const(value: str) -> Schema:
    return {"type": "string", "const": value}


def _array(name: str) -> Schema:
    return {"type": "array", "items": _ref(name)}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _record(properties: Schema) -> Schema:
    """Return an object that has all of these members, and in later versions more."""
    return {"type": "object", "required": list(properties), "properties": properties}


def _closed(properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "additionalProperties": False}


_SCHEDULE: Schema = {
    "schema": _const("awcopy.schedule/1"),
    "state": {"type": "string", "enum": ["active", "paused"]},
    **dict.fromkeys(("name", "when", "next", "source", "sink", "user"), _TEXT),
    "catch_up": _enum(CatchUp),
    "overlap": _enum(Overlap),
    "created_at": _MOMENT,
    **dict.fromkeys(("latest", "latest_job"), _TEXT),
    "notify": {"type": "array", "items": _TEXT},
}
_JOB: Schema = {
    "schema": _const("awcopy.job/1"),
    "id": _JOB_ID,
    "name": _TEXT,
    "user": _TEXT,
    "state": _enum(JobState),
    "phase": _enum(Phase),
    **dict.fromkeys(("source", "sink", "source_profile", "sink_profile"), _TEXT),
    **dict.fromkeys(("agents", "bandwidth", "busy_agents", "generation"), _COUNT),
    **dict.fromkeys(("open_items", "waiting_items"), _COUNT),
    **dict.fromkeys(("created_at", "changed_at"), _MOMENT),
    **dict.fromkeys(("detail", "pause_reason", "streams_because"), _TEXT),
    "totals": _record({name: _ref("Tally") for name in _TALLIES}),
    "route": _enum(Route),
    "routes": _record({count.name: _COUNT for count in fields(RouteCounts)}),
    "proofs": _record(dict.fromkeys(PROOF_NAMES, _COUNT)),
    "incomplete": _COUNT,
    "moved_bytes": _COUNT,
}
