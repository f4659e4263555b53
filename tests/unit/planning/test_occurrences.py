"""When schedules are due: over both changes of the clocks, by interval, and after nobody looked for a while."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest

from awcopy.errors import UsageError
from awcopy.model.schedule import CatchUp
from awcopy.planning.occurrences import MOST_LATE, Due, check_times, find_due, next_times
from tests.unit.factories import NOW, make_schedule

HOUR = timedelta(hours=1)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def times(count, after, **facts):
    return [f"{at:%m-%d %H:%M}" for at in islice(next_times(make_schedule(**facts), after), count)]


@pytest.mark.parametrize(
    ("cron", "after", "expected"),
    [
        # Berlin goes to summer time on 2026-03-29: 02:30 does not exist, and 03:00 takes its place.
        ("30 2 * * *", "2026-03-28T00:00", ["03-28 01:30", "03-29 01:00", "03-30 00:30"]),
        # It goes back on 2026-10-25: 02:30 comes twice, and the job runs at the first.
        ("30 2 * * *", "2026-10-24T00:00", ["10-24 00:30", "10-25 00:30", "10-26 01:30"]),
        # What runs every hour does so, whatever the clocks say.
        ("0 * * * *", "2026-10-24T23:30", ["10-25 00:00", "10-25 01:00", "10-25 02:00"]),
        ("0 * * * *", "2026-03-29T00:00", ["03-29 01:00", "03-29 02:00", "03-29 03:00"]),
    ],
)
def test_a_cron_line_follows_its_time_zone(cron: str, after: str, expected: list[str]) -> None:
    assert times(3, utc(after), cron=cron, zone="Europe/Berlin", every_s=0) == expected


def test_an_interval_counts_from_the_schedules_beginning_and_never_repeats() -> None:
    schedule = make_schedule(every_s=3600)
    first = next(next_times(schedule, NOW))
    assert first == NOW + HOUR
    assert next(next_times(schedule, first)) == NOW + 2 * HOUR
    assert next(next_times(schedule, first - timedelta(seconds=1))) == first


def test_nothing_is_due_before_its_time_or_when_the_ledgers_clock_went_back() -> None:
    assert find_due(make_schedule(every_s=3600), NOW + HOUR - timedelta(seconds=1)) == Due()
    assert find_due(make_schedule(every_s=3600, fired_to=NOW + 5 * HOUR), NOW) == Due()


def test_what_is_in_time_runs() -> None:
    due = find_due(make_schedule(every_s=3600), NOW + HOUR + timedelta(seconds=20))
    assert due == Due(to_run=(NOW + HOUR,), up_to=NOW + HOUR)


@pytest.mark.parametrize(
    ("catch_up", "to_run", "missed"),
    [
        (CatchUp.LATEST, [3], [1, 2]),
        (CatchUp.ALL, [1, 2, 3], []),
        (CatchUp.SKIP, [], [1, 2, 3]),
    ],
)
def test_what_came_while_nobody_looked_is_caught_up_with_as_told(catch_up, to_run, missed) -> None:
    due = find_due(make_schedule(every_s=3600, catch_up=catch_up), NOW + 3.5 * HOUR)
    assert due == Due(
        to_run=tuple(NOW + hours * HOUR for hours in to_run),
        missed=tuple(NOW + hours * HOUR for hours in missed),
        up_to=NOW + 3 * HOUR,
    )


def test_the_latest_is_the_one_that_is_in_time_if_there_is_one() -> None:
    due = find_due(make_schedule(every_s=3600), NOW + 3 * HOUR)
    assert (due.to_run, len(due.missed)) == ((NOW + 3 * HOUR,), 2)


def test_a_long_downtime_leaves_a_bounded_number_of_rows() -> None:
    due = find_due(make_schedule(every_s=60), NOW + 100 * 24 * HOUR)
    assert len(due.to_run) + len(due.missed) == MOST_LATE
    assert due.up_to == NOW + 100 * 24 * HOUR


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({}, "either a cron line or an interval"),
        ({"cron": "* * * * *", "every_s": 60}, "either a cron line or an interval"),
        ({"every_s": 59}, "a minute or more"),
        ({"cron": "61 * * * *"}, "61"),
        ({"cron": "0 0 31 2 *"}, "never comes"),
        ({"cron": "at night"}, "at night"),
        ({"cron": "0 0 * * *", "zone": "Mars/Base"}, "Mars/Base"),
        ({"cron": "0 0 * * *", "zone": "../etc"}, "time zone"),
    ],
)
def test_times_that_never_come_are_refused(facts, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        check_times(**{"cron": "", "zone": "UTC", "every_s": 0, **facts})


def test_times_that_come_are_taken() -> None:
    check_times(cron="30 2 * * mon-fri", zone="Europe/Berlin", every_s=0)
    check_times(cron="", zone="UTC", every_s=60)
