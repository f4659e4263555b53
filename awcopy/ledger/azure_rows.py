"""Records as rows of Azure Tables and back; it talks to no service.

What is filtered, or useful to a person in a table browser, is a column of its own type; the rest of a record
is one JSON text, cut into columns of the size that the service takes. Columns named in ``_SHOWN`` are written
for people only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeAlias, TypeVar, cast

from azure.data.tables import EdmType, EntityProperty

from awcopy.ledger.codec import decode_record, dump_members, encode_record, load_members
from awcopy.model.items import Item, LargeFile
from awcopy.model.job import Job, JobId
from awcopy.model.notification import Notification
from awcopy.model.schedule import Occurrence, Schedule
from awcopy.model.token import Token

Row = dict[str, Any]
_AnyRecord: TypeAlias = Job | Item | LargeFile | Schedule | Occurrence | Notification | Token
_Record = TypeVar("_Record", Job, Item, LargeFile, Schedule, Occurrence, Notification, Token)

JOBS_PARTITION = "jobs"
SCHEDULES_PARTITION = "schedules"
NOTIFICATIONS_PARTITION = "notifications"
TOKENS_PARTITION = "tokens"
# No name of a schedule holds a colon.
_OCCURRENCES_OF = "of:"
_LAST_SECOND = 10**11
# Item numbers have up to 12 digits; padded, they sort as numbers do.
FIRST_ITEM_KEY, AFTER_ITEM_KEYS = "i", "j"
WRITE_ID = "write_id"

# A text column holds 64 KiB of UTF-16, and all the JSON is ASCII.
_JSON_CUT = 32_000
_SHOWN_CUT = 256
# Whole numbers are 32 bits wide in a row unless they say otherwise.
_WIDE = frozenset({"objects", "size_bytes"})
_KEYS = {
    Job: ("id",),
    Item: ("job_id", "number"),
    LargeFile: ("job_id", "number"),
    Schedule: ("name",),
    Occurrence: ("schedule", "planned_at"),
    Notification: ("id",),
    Token: ("name",),
}
_COLUMNS = {
    Job: ("state", "generation", "created_at", "changed_at", "is_untold"),
    Item: ("kind", "state", "agent", "generation", "lease_until", "objects", "size_bytes"),
    LargeFile: ("state",),
    Schedule: ("is_paused",),
    Occurrence: ("fate",),
    Notification: ("event", "due_at"),
    Token: ("role", "expires_at", "is_revoked"),
}


def item_key(number: int) -> str:
    """Return the RowKey of an item."""
    return f"{FIRST_ITEM_KEY}{number:012d}"


def file_key(number: int) -> str:
    """Return the RowKey of a large file."""
    return f"f{number:012d}"


def job_row(job: Job) -> Row:
    """Return a job as a row."""
    shown = {
        "name": _show(job.name),
        "user": _show(job.user),
        "source": _show(str(job.spec.source)),
        "sink": _show(str(job.spec.sink)),
        "objects": _wide(job.totals.listed.objects),
        "size_bytes": _wide(job.totals.listed.size_bytes),
    }
    return {"PartitionKey": JOBS_PARTITION, "RowKey": job.id, **shown, **_columns(job)}


def item_row(item: Item) -> Row:
    """Return an item as a row."""
    keys = {"PartitionKey": item.job_id, "RowKey": item_key(item.number), "number": _wide(item.number)}
    return {**keys, **_columns(item)}


def file_row(file: LargeFile) -> Row:
    """Return a large file as a row."""
    keys = {"PartitionKey": file.job_id, "RowKey": file_key(file.number), "number": _wide(file.number)}
    return {**keys, "size_bytes": _wide(file.object.size_bytes), **_columns(file)}


def read_job(row: Mapping[str, Any], version: str) -> Job:
    """Return the job that a row holds."""
    return _read(Job, row, version, id=JobId(row["RowKey"]))


def read_item(row: Mapping[str, Any], version: str) -> Item:
    """Return the item that a row holds."""
    return _read(Item, row, version, job_id=JobId(row["PartitionKey"]), number=int(row["RowKey"][1:]))


def read_file(row: Mapping[str, Any], version: str) -> LargeFile:
    """Return the large file that a row holds."""
    return _read(LargeFile, row, version, job_id=JobId(row["PartitionKey"]), number=int(row["RowKey"][1:]))


def occurrences_partition(schedule: str) -> str:
    """Return the partition of a schedule's occurrences."""
    return f"{_OCCURRENCES_OF}{schedule}"


def schedule_row(schedule: Schedule) -> Row:
    """Return a schedule as a row."""
    return {"PartitionKey": SCHEDULES_PARTITION, "RowKey": schedule.name, **_columns(schedule)}


def occurrence_row(occurrence: Occurrence) -> Row:
    """Return an occurrence as a row; the latest sorts first."""
    left = _LAST_SECOND - int(occurrence.planned_at.timestamp())
    keys = {"PartitionKey": occurrences_partition(occurrence.schedule), "RowKey": f"{left:011d}"}
    return {**keys, "planned_at": occurrence.planned_at, **_columns(occurrence)}


def read_schedule(row: Mapping[str, Any], version: str) -> Schedule:
    """Return the schedule that a row holds."""
    return _read(Schedule, row, version, name=row["RowKey"])


def read_occurrence(row: Mapping[str, Any], version: str) -> Occurrence:
    """Return the occurrence that a row holds."""
    planned_at = datetime.fromtimestamp(_LAST_SECOND - int(row["RowKey"]), UTC)
    name = row["PartitionKey"].removeprefix(_OCCURRENCES_OF)
    return _read(Occurrence, row, version, schedule=name, planned_at=planned_at.isoformat())


def notification_row(notification: Notification) -> Row:
    """Return a notification as a row."""
    keys = {"PartitionKey": NOTIFICATIONS_PARTITION, "RowKey": notification.id}
    return {**keys, **_columns(notification)}


def read_notification(row: Mapping[str, Any], version: str) -> Notification:
    """Return the notification that a row holds."""
    return _read(Notification, row, version, id=row["RowKey"])


def token_row(token: Token) -> Row:
    """Return a token as a row."""
    return {"PartitionKey": TOKENS_PARTITION, "RowKey": token.name, **_columns(token)}


def read_token(row: Mapping[str, Any], version: str) -> Token:
    """Return the token that a row holds."""
    return _read(Token, row, version, name=row["RowKey"])


def _columns(record: _AnyRecord) -> Row:
    members = encode_record(replace(record, version=""))
    for name in (*_KEYS[type(record)], *_COLUMNS[type(record)]):
        members.pop(name, None)
    columns = {name: _column(name, getattr(record, name)) for name in _COLUMNS[type(record)]}
    text = dump_members(members)
    pieces = [text[start : start + _JSON_CUT] for start in range(0, len(text), _JSON_CUT)]
    return {**columns, **{_json_column(index): piece for index, piece in enumerate(pieces)}}


def _read(kind: type[_Record], row: Mapping[str, Any], version: str, **keys: object) -> _Record:
    columns = {name: _plain(row[name]) for name in _COLUMNS[kind] if row.get(name) is not None}
    return decode_record(kind, {**_read_json(row), **columns, **keys, "version": version})


def _read_json(row: Mapping[str, Any]) -> dict[str, object]:
    pieces: list[str] = []
    while (piece := row.get(_json_column(len(pieces)))) is not None:
        pieces.append(piece)
    return load_members("".join(pieces))


def _json_column(index: int) -> str:
    return f"json_{index}" if index else "json"


def _column(name: str, value: object) -> object:
    return _wide(cast("int", value)) if name in _WIDE else value


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    return value.value if isinstance(value, EntityProperty) else value


def _wide(number: int) -> EntityProperty:
    return EntityProperty(number, EdmType.INT64)


# What a person typed may hold what the service refuses.
def _show(text: str) -> str:
    return "".join(mark if mark.isprintable() else "?" for mark in text[:_SHOWN_CUT])
