from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from awcopy.errors import UsageError
from awcopy.units import (
    GIB,
    KIB,
    MIB,
    TIB,
    format_count,
    format_duration,
    format_size,
    parse_rate,
    parse_size,
    parse_when,
    say_rate,
    write_size,
)

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("0", 0),
        ("4096", 4096),
        ("512B", 512),
        ("4M", 4 * MIB),
        ("4m", 4 * MIB),
        ("4MiB", 4 * MIB),
        ("4MB", 4_000_000),
        ("64k", 64 * KIB),
        ("1.5GiB", 3 * GIB // 2),
        ("2T", 2 * TIB),
        ("1tb", 10**12),
        (" 8 M ", 8 * MIB),
    ],
)
def test_sizes_are_read_as_people_write_them(text, size_bytes):
    assert parse_size(text) == size_bytes


@pytest.mark.parametrize("text", ["", "M", "-1", "4X", "4 M B", "1,5M", "1e6", "0x10", "4MM", "nan", "1.M"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(UsageError, match="is not a size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (312, "312 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (5 * MIB, "5.0 MiB"),
        (3.25 * GIB, "3.2 GiB"),
        (50 * TIB, "50.0 TiB"),
        (5_000 * TIB, "5000.0 TiB"),
        (0.7, "0 B"),
    ],
)
def test_sizes_are_shown_in_binary_units(size_bytes, text):
    assert format_size(size_bytes) == text


@given(st.integers(0, 2**53))
def test_a_whole_number_of_bytes_is_read_exactly(size_bytes):
    assert parse_size(str(size_bytes)) == size_bytes


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0"), (999, "999"), (1_000, "1,000"), (10**8, "100,000,000")]
)
def test_counts_have_a_comma_between_thousands(count, text):
    assert format_count(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (9.4, "9 s"),
        (59.4, "59 s"),
        (59.6, "1 m 0 s"),
        (200, "3 m 20 s"),
        (3_599, "59 m 59 s"),
        (3_600, "1 h 0 m"),
        (7_500, "2 h 5 m"),
        (360_000, "100 h 0 m"),
    ],
)
def test_durations_are_shown_in_their_two_largest_units(seconds, text):
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("90s", NOW - timedelta(seconds=90)),
        ("15m", NOW - timedelta(minutes=15)),
        ("36h", NOW - timedelta(hours=36)),
        ("7d", NOW - timedelta(days=7)),
        ("1.5 d", NOW - timedelta(hours=36)),
        ("2w", NOW - timedelta(weeks=2)),
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        ("2026-01-31T12:00:00Z", NOW),
        ("2026-01-31T14:00:00+02:00", NOW),
        ("2026-01-31 12:00", NOW),
    ],
)
def test_moments_are_read_as_ages_or_dates(text, moment):
    assert parse_when(text, now=NOW) == moment
    assert parse_when(text, now=NOW).tzinfo is UTC


@pytest.mark.parametrize("text", ["", "7", "d", "-7d", "7 days", "yesterday", "2026-13-01", "31.1.2026"])
def test_what_is_no_moment_is_refused(text):
    with pytest.raises(UsageError, match="is not a time"):
        parse_when(text, now=NOW)


@pytest.mark.parametrize("text", ["9999999d", "99999999999999w", "0001-01-01T00:00+14:00"])
def test_a_moment_before_all_time_is_refused(text):
    with pytest.raises(UsageError):
        parse_when(text, now=NOW)


@pytest.mark.parametrize(
    ("text", "rate"),
    [("200M", 200 << 20), ("1.5GiB/s", 3 << 29), ("1K", 1024), (" 64K/s ", 1 << 16), ("0", 0)],
)
def test_a_rate_is_so_many_bytes_a_second(text: str, rate: int) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["1", "1023", "fast", "200M/m", ""])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_rate(text)


def test_a_rate_is_said_with_its_unit() -> None:
    assert (say_rate(200 << 20), say_rate(0)) == ("at most 200.0 MiB a second", "no limit")


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [(0, "0"), (1000, "1000"), (1536 * 1024, "1536K"), (200 << 20, "200M"), (3 << 40, "3T")],
)
def test_a_written_size_is_read_as_the_same(size_bytes, text):
    assert write_size(size_bytes) == text
    assert parse_size(text) == size_bytes
