"""The records of the JSON API, as requests send them and answers hold them, in OpenAPI 3.1."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

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

Schema = dict[str, Any]

COUNT: Schema = {"type": "integer", "minimum": 0}
_COUNT_IF_KNOWN: Schema = {"oneOf": [COUNT, {"type": "null"}]}
TEXT: Schema = {"type": "string"}
MOMENT: Schema = {"type": "string", "format": "date-time"}
JOB_ID: Schema = {"type": "string", "pattern": "^[0-9a-hjkmnp-tv-z]{16}$"}
_TALLIES = ("listed", "copied", "skipped", "failed", "cancelled", "deleted", "excluded")
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


def describe_schemas() -> dict[str, Schema]:
    """Return every record by its name."""
    return {
        "JobRequest": describe_request(),
        "RetryRequest": _closed(
            {
                "reason": {**TEXT, "maxLength": 100, "description": "Empty: all that failed."},
                "sealed": _SEALED,
            }
        ),
        "ResumeRequest": _closed({"sealed": _SEALED}),
        "RemovalRequest": {**_closed({"older_than": _WHEN}), "required": ["older_than"]},
        "Removals": _record(
            {
                "schema": _const("awcopy.removals/1"),
                "jobs": {"type": "array", "items": JOB_ID},
                "more": {"type": "boolean", "description": "true: ask again."},
            }
        ),
        "Since": _record(
            {"schema": _const("awcopy.since/1"), "since": {"oneOf": [MOMENT, {"type": "null"}]}}
        ),
        "Me": _record(
            {
                "schema": _const("awcopy.me/1"),
                "name": {**TEXT, "description": "The token's; empty where none is asked for."},
                "role": enum_of(Role),
                "expires_at": {"oneOf": [MOMENT, {"type": "null"}]},
                "now": MOMENT,
            }
        ),
        "PublicKey": _record({"schema": _const("awcopy.public-key/1"), "public_key": TEXT}),
        "AgentsRequest": {
            **_closed({"agents": {"type": "integer", "minimum": 1, "maximum": MOST_AGENTS}}),
            "required": ["agents"],
        },
        "BandwidthRequest": {
            **_closed({"bandwidth": {"type": "integer", "minimum": 0, "maximum": LARGEST_BANDWIDTH}}),
            "required": ["bandwidth"],
        },
        "Nothing": _closed({}),
        "Tally": _record({"objects": COUNT, "bytes": COUNT}),
        "Job": {
            **_record(_JOB),
            "properties": {**_JOB, "record": {"type": "object", "description": "Only where asked for."}},
        },
        "RetriedJob": _record({**_JOB, "retried_objects": COUNT}),
        "Jobs": _record(
            {
                "schema": _const("awcopy.jobs/1"),
                "jobs": _array("Job"),
                "next": {"oneOf": [JOB_ID, {"type": "null"}]},
            }
        ),
        "Spec": _record(
            {
                "schema": _const("awcopy.spec/1"),
                "spec": {"type": "object", "description": "What differs from a default."},
                "command": TEXT,
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
                "reason": TEXT,
                "objects": COUNT,
                "bytes": COUNT,
                "hint": TEXT,
                "example": {
                    "oneOf": [
                        _record({"key": TEXT, "blob": TEXT, "detail": TEXT, "attempts": COUNT}),
                        {"type": "null"},
                    ]
                },
            }
        ),
        "Agents": _record({"schema": _const("awcopy.agents/1"), "agents": COUNT, "held": _array("HeldItem")}),
        "HeldItem": _record(
            {
                "agent": {"type": "integer"},
                "item": COUNT,
                "kind": enum_of(ItemKind),
                "does": TEXT,
                "objects": COUNT,
                "bytes": COUNT,
                "attempts": COUNT,
                "generation": COUNT,
                "lease_until": {"oneOf": [MOMENT, {"type": "null"}]},
            }
        ),
        "JournalLine": {
            "oneOf": [
                _record(
                    {
                        "time": MOMENT,
                        "event": _const("job_event"),
                        "job": JOB_ID,
                        "what": TEXT,
                        "detail": TEXT,
                    }
                ),
                {
                    "allOf": [
                        _record({"time": MOMENT, "event": _const("object_ended")}),
                        ref_to("ReportLine"),
                    ]
                },
            ]
        },
        "ReportLine": _record({column: _report_column(column) for column in REPORT_COLUMNS}),
        "Overview": _record(
            {
                "schema": _const("awcopy.overview/1"),
                **dict.fromkeys(("running", "queued", "paused", "failed_lately"), COUNT),
                **dict.fromkeys(("workers", "slots"), _COUNT_IF_KNOWN),
                **dict.fromkeys(("copied_bytes", "bytes_per_s"), COUNT),
                "jobs": _array("Job"),
                "attention": _array("Attention"),
                "coming": {"type": "array", "items": _record({"schedule": TEXT, "at": MOMENT})},
            }
        ),
        "Attention": _record(dict.fromkeys(("kind", "says", "job", "schedule"), TEXT)),
        "ScheduleRequest": _schedule_request(),
        "Schedule": _record(_SCHEDULE),
        "RunSchedule": _record({**_SCHEDULE, "occurrence": ref_to("Occurrence")}),
        "Schedules": _record({"schema": _const("awcopy.schedules/1"), "schedules": _array("Schedule")}),
        "History": _record({"schema": _const("awcopy.history/1"), "occurrences": _array("Occurrence")}),
        "Occurrence": _record(
            {**dict.fromkeys(("planned_at", "job", "job_state", "why"), TEXT), "what": enum_of(Fate)}
        ),
        "Workers": _record(
            {
                "schema": _const("awcopy.workers/1"),
                "waiting_messages": COUNT,
                "processes": _array("Process"),
            }
        ),
        "Process": _record(
            {
                "name": TEXT,
                "slots": {**COUNT, "description": "0 for beat, which runs no tasks."},
                "seconds_ago": {"type": "number"},
                "version": TEXT,
            }
        ),
        "System": _record({"schema": _const("awcopy.system/1"), "findings": _array("Finding")}),
        "Finding": _record(
            {"part": TEXT, "state": enum_of(State), "says": TEXT, "advice": TEXT, "exit_code": COUNT}
        ),
        "Health": _record(
            {
                "schema": _const("awcopy.health/1"),
                "status": _const("ok"),
                "version": TEXT,
                "workers": COUNT,
                "slots": COUNT,
            }
        ),
        "Description": {"type": "object", "required": ["openapi", "paths"]},
        "Problem": _record(
            {
                "type": TEXT,
                "title": TEXT,
                "status": {"type": "integer"},
                "detail": TEXT,
                "code": TEXT,
                "hint": TEXT,
            }
        ),
    }


def _schedule_request() -> Schema:
    """Return the request of a schedule: that of a sync without credentials, and its own values."""
    job = describe_request()
    text = {**TEXT, "maxLength": LONGEST_VALUE}
    own = dict.fromkeys(("name", "cron", "zone", "every"), text)
    kept = {
        name: schema
        for name, schema in job["properties"].items()
        if name in request_options("sync") or name in ADDRESSES
    }
    choices = {"catch_up": enum_of(CatchUp), "overlap": enum_of(Overlap)}
    return {
        **job,
        "properties": {**kept, **own, **choices, "since": {"type": "string", "enum": ["", LAST]}},
        "required": ["name", *job["required"]],
    }


def _report_column(name: str) -> Schema:
    special: dict[str, Schema] = {
        "outcome": enum_of(Result),
        "proof": enum_of(Proof),
        "bytes": COUNT,
        "attempts": COUNT,
        "crc64": {"oneOf": [{"type": "string", "pattern": "^[0-9a-f]{16}$"}, {"type": "null"}]},
        "notices": {"type": "array", "items": TEXT},
    }
    return special.get(name, TEXT)


def many_of(kind: type[JobState | Result]) -> Schema:
    """Return a list of an enumeration's values."""
    return {"type": "array", "items": enum_of(kind)}


def enum_of(kind: Any) -> Schema:  # noqa: ANN401 - the class of any of our enumerations
    """Return one of an enumeration's values."""
    return {"type": "string", "enum": [member.value for member in kind]}


def _const(value: str) -> Schema:
    return {"type": "string", "const": value}


def _array(name: str) -> Schema:
    return {"type": "array", "items": ref_to(name)}


def ref_to(name: str) -> Schema:
    """Return the record of that name."""
    return {"$ref": f"#/components/schemas/{name}"}


def _record(properties: Schema) -> Schema:
    """Return an object that has all of these members, and in later versions more."""
    return {"type": "object", "required": list(properties), "properties": properties}


def _closed(properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "additionalProperties": False}


_SCHEDULE: Schema = {
    "schema": _const("awcopy.schedule/1"),
    "state": {"type": "string", "enum": ["active", "paused"]},
    **dict.fromkeys(("name", "when", "next", "source", "sink", "user"), TEXT),
    "catch_up": enum_of(CatchUp),
    "overlap": enum_of(Overlap),
    "created_at": MOMENT,
    **dict.fromkeys(("latest", "latest_job"), TEXT),
    "notify": {"type": "array", "items": TEXT},
}
_JOB: Schema = {
    "schema": _const("awcopy.job/1"),
    "id": JOB_ID,
    "name": TEXT,
    "user": TEXT,
    "state": enum_of(JobState),
    "phase": enum_of(Phase),
    **dict.fromkeys(("source", "sink", "source_profile", "sink_profile"), TEXT),
    **dict.fromkeys(("agents", "bandwidth", "busy_agents", "generation"), COUNT),
    **dict.fromkeys(("open_items", "waiting_items"), COUNT),
    **dict.fromkeys(("created_at", "changed_at"), MOMENT),
    **dict.fromkeys(("detail", "pause_reason", "streams_because"), TEXT),
    "totals": _record({name: ref_to("Tally") for name in _TALLIES}),
    "route": enum_of(Route),
    "routes": _record({count.name: COUNT for count in fields(RouteCounts)}),
    "proofs": _record(dict.fromkeys(PROOF_NAMES, COUNT)),
    "incomplete": COUNT,
    "moved_bytes": _COUNT_IF_KNOWN,
}
