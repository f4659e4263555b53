"""One line of a job's report: its columns, and how an outcome fills them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from awcopy.model.outcome import AtSource, Outcome, Proof, Result, Route

if TYPE_CHECKING:
    from collections.abc import Mapping

REPORT_COLUMNS = (
    "key", "blob", "outcome", "reason", "proof", "bytes", "etag", "crc64", "attempts", "detail", "notices",
    "route", "source", "source_reason", "version",
)  # fmt: skip


def report_record(outcome: Outcome) -> dict[str, str | int | list[str] | None]:
    """Return the outcome as a report holds it; the CRC is 16 hexadecimal digits, as in a blob's stamp."""
    return {
        "key": outcome.key,
        "blob": outcome.blob,
        "outcome": outcome.result.value,
        "reason": outcome.reason,
        "proof": outcome.proof.value,
        "bytes": outcome.size_bytes,
        "etag": outcome.etag,
        "crc64": None if outcome.crc64 is None else f"{outcome.crc64:016x}",
        "attempts": outcome.attempts,
        "detail": outcome.detail,
        "notices": list(outcome.notices),
        "route": outcome.route.value if outcome.route else "",
        "source": outcome.at_source.value,
        "source_reason": outcome.source_reason,
        "version": outcome.version_id,
    }


def read_report_record(record: Mapping[str, Any]) -> Outcome:
    """Return the outcome that ``report_record`` was given. Raises ``KeyError`` or ``ValueError`` if it is none."""
    return Outcome(
        key=record["key"],
        blob=record["blob"],
        result=Result(record["outcome"]),
        reason=record["reason"],
        proof=Proof(record["proof"]),
        size_bytes=record["bytes"],
        etag=record["etag"],
        crc64=None if record["crc64"] is None else int(record["crc64"], 16),
        attempts=record["attempts"],
        detail=record["detail"],
        notices=tuple(record["notices"]),
        route=Route(record["route"]) if record["route"] else None,
        at_source=AtSource(record["source"]),
        source_reason=record["source_reason"],
        version_id=record["version"],
    )


def report_cells(outcome: Outcome) -> tuple[str, ...]:
    """Return the same record as the cells of a table, in the order of the columns."""
    record = {**report_record(outcome), "notices": "; ".join(outcome.notices)}
    return tuple("" if (value := record[column]) is None else str(value) for column in REPORT_COLUMNS)
