"""A schedule: a job that is to run again and again, and what became of each time at which it was due."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from awcopy.model.job import JobId
from awcopy.model.spec import JobSpec


class CatchUp(StrEnum):
    """What happens to occurrences that came while nothing fired schedules."""

    LATEST = "latest"  # the latest of them runs, the others are missed
    ALL = "all"  # all of them run, one after the other
    SKIP = "skip"  # all of them are missed


class Overlap(StrEnum):
    """What happens to an occurrence that comes while the job of an earlier one has not ended."""

    SKIP = "skip"
    QUEUE = "queue"  # it waits for that job's end


class Fate(StrEnum):
    """What became of an occurrence."""

    RESERVED = "reserved"  # written down, and nothing decided
    WAITING = "waiting"  # for the end of an earlier job
    STARTING = "starting"  # its job is to be written, or has been
    STARTED = "started"  # its job is in the ledger
    SKIPPED = "skipped"  # an earlier job had not ended
    MISSED = "missed"  # nothing fired it in time


# What a row's key and a command line take as it is.
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")

OPEN_FATES = frozenset({Fate.RESERVED, Fate.WAITING, Fate.STARTING})


def is_schedule_name(text: str) -> bool:
    """Return whether a schedule may bear this name: lower-case letters, digits, ``.``, ``_`` and ``-``."""
    return bool(_NAME.fullmatch(text))


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """One row of the ledger's table of schedules. Holds no credential: its jobs use profiles or the workers' own."""

    name: str
    user: str
    spec: JobSpec
    created_at: datetime  # whole seconds
    fired_to: datetime  # each occurrence up to and including this moment has a row of its own
    cron: str = ""  # five fields, in the time zone
    zone: str = "UTC"  # IANA's name
    every_s: int = 0  # in place of cron: seconds from one occurrence to the next, counted from ``created_at``
    catch_up: CatchUp = CatchUp.LATEST
    overlap: Overlap = Overlap.SKIP
    is_paused: bool = False
    version: str = ""  # the ledger's ETag of this row


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """One time at which a schedule was due: a row that is there once, and so is its job."""

    schedule: str
    planned_at: datetime  # whole seconds
    fate: Fate
    job_id: JobId | None = (
        None  # chosen with the row, so that whoever goes on writes the same job; None if none runs
    )
    detail: str = ""  # for a person
    is_untold: bool = False  # no job runs for it, and whom to tell of that is not written down yet
    version: str = ""
