"""What a notification says: JSON for programs, and a few lines for people."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from awcopy.errors import JobNotFound
from awcopy.jobs.queries import take_snapshot
from awcopy.model.job import JobId, say_state
from awcopy.model.notification import Event, Notification
from awcopy.notify.base import Message
from awcopy.units import format_count, format_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from awcopy.jobs.fleet import Fleet
    from awcopy.jobs.queries import JobSnapshot

SCHEMA = "awcopy.notification/1"
_COUNTED = ("listed", "copied", "skipped", "failed", "deleted", "kept", "extra")


def compose(fleet: Fleet, notification: Notification) -> Message:
    """Return the message of a notification, with the job as it is now."""
    snapshot = _snapshot(fleet, notification.job_id) if notification.job_id else None
    lines = list(_lines(notification, snapshot))
    return Message(
        id=notification.id,
        subject=f"awcopy: {lines[0]}",
        text="\n".join([*lines, ""]),
        body=json.dumps(_json(notification, snapshot)).encode(),
    )


def trial_message(message_id: str) -> Message:
    """Return a message by which a receiver is tried."""
    says = "this is a test; nothing has happened"
    body = {"schema": SCHEMA, "id": message_id, "event": Event.TEST.value, "detail": says}
    return Message(id=message_id, subject=f"awcopy: {says}", text=f"{says}\n", body=json.dumps(body).encode())


def _snapshot(fleet: Fleet, job_id: JobId) -> JobSnapshot | None:
    try:
        return take_snapshot(fleet, job_id)
    except JobNotFound:  # it was removed meanwhile
        return None


def _json(one: Notification, snapshot: JobSnapshot | None) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "id": one.id,
        "event": one.event.value,
        "at": one.created_at.isoformat(),
        "detail": one.detail,
        "job": snapshot.to_json() if snapshot else None,
        "schedule": one.schedule,
        "planned_at": one.planned_at.isoformat() if one.planned_at else "",
    }


def _lines(one: Notification, snapshot: JobSnapshot | None) -> Iterator[str]:
    if one.planned_at:
        yield f"schedule {one.schedule} did not run at {one.planned_at:%Y-%m-%d %H:%M} UTC"
    elif snapshot is None:
        yield f"job {one.job_id} {one.event.value}"
    else:
        yield f"job {snapshot.job.name} ({snapshot.job.id}) {say_state(snapshot.job.state)}"
    if one.detail:
        yield one.detail
    yield ""
    if snapshot:
        yield from _job_lines(snapshot)
    else:
        yield f"See: awcopy schedule history {one.schedule}" if one.schedule else "See: awcopy jobs list"


def _job_lines(snapshot: JobSnapshot) -> Iterator[str]:
    job = snapshot.job
    yield f"from {job.spec.source}"
    yield f"to   {job.spec.sink}"
    yield ""
    for name in _COUNTED:
        tally = getattr(snapshot.totals, name)
        if tally.objects or name in ("listed", "copied", "failed"):
            yield f"{name:<9}{format_count(tally.objects):>15} objects  {format_size(tally.size_bytes)}"
    yield ""
    yield f"See: awcopy jobs show {job.id}"
    if snapshot.totals.failed.objects:
        yield f"     awcopy jobs report {job.id} --failed"
