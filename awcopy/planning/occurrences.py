"""When a schedule is due, by its cron line and time zone or its interval, and what becomes of what is late.

Cron is read by cronsim, as Debian's: where clocks are set forward, a job at a fixed time that does not exist runs
right after; where they are set back, it runs once; jobs that run every hour or minute go on as time does.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count, takewhile
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from awcopy.errors import UsageError
from awcopy.model.schedule import CatchUp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from awcopy.model.schedule import Schedule

# An occurrence is late, and a matter of catching up, when it is found so much later than it was planned.
GRACE = timedelta(minutes=5)
# Of more occurrences that nobody fired only the latest are remembered, each as missed.
MOST_LATE = 200
SHORTEST_INTERVAL_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """Which occurrences are to be written down, in order of their times."""

    to_run: tuple[datetime, ...] = ()
    missed: tuple[datetime, ...] = ()
    up_to: datetime | None = None  # the last of all; None when nothing is due


def check_times(*, cron: str, zone: str, every_s: int) -> None:
    """Return when these say when a schedule is due.

    Raises:
        UsageError: Neither or both of a cron line and an interval are given, or one of them is wrong.
    """
    from cronsim import CronSim, CronSimError  # noqa: PLC0415 - most commands have no schedule

    if bool(cron) == bool(every_s):
        raise UsageError("a schedule has either a cron line or an interval", hint="give --cron or --every")
    if every_s and every_s < SHORTEST_INTERVAL_S:
        raise UsageError("an interval is a minute or more", hint="write it like 30m, 6h or 1d")
    try:
        at = datetime.now(_zone(zone))
        if cron:
            next(CronSim(cron, at))
    except (CronSimError, StopIteration) as error:
        hint = 'write five fields, minute hour day month weekday: "30 2 * * *" is every day at 02:30'
        raise UsageError(f"the cron line {cron!r} never comes: {error}", hint=hint) from None


def next_times(schedule: Schedule, after: datetime) -> Iterator[datetime]:
    """Yield the moments (UTC, whole seconds) at which the schedule is due, from the first one after this."""
    if schedule.every_s:
        every = timedelta(seconds=schedule.every_s)
        first = max(0, (after - schedule.created_at) // every) + 1
        return (schedule.created_at + number * every for number in count(first))
    return _cron_times(schedule, after)


def find_due(schedule: Schedule, now: datetime) -> Due:
    """Return what is due and not yet written down, and which of it is to run."""
    times = deque(
        takewhile(lambda moment: moment <= now, next_times(schedule, schedule.fired_to)), maxlen=MOST_LATE
    )
    if not times:
        return Due()
    late = [moment for moment in times if now - moment > GRACE]
    in_time = [moment for moment in times if now - moment <= GRACE]
    match schedule.catch_up:
        case CatchUp.ALL:
            to_run, missed = [*late, *in_time], []
        case CatchUp.LATEST:
            to_run = in_time or late[-1:]
            missed = late if in_time else late[:-1]
        case CatchUp.SKIP:
            to_run, missed = in_time, late
    return Due(to_run=tuple(to_run), missed=tuple(missed), up_to=times[-1])


def is_late(planned_at: datetime, now: datetime) -> bool:
    """Return whether an occurrence is found so late that it is a matter of catching up."""
    return now - planned_at > GRACE


def _cron_times(schedule: Schedule, after: datetime) -> Iterator[datetime]:
    from cronsim import CronSim  # noqa: PLC0415 - see above

    for moment in CronSim(schedule.cron, after.astimezone(_zone(schedule.zone))):
        yield moment.astimezone(UTC)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        hint = "use a name of IANA's: Europe/Berlin, America/New_York, UTC"
        raise UsageError(f"there is no time zone {name!r}", hint=hint) from None
