"""The summary of a job: its lines at 80 columns, and the exit code."""

from __future__ import annotations

from datetime import timedelta

import pytest

from awcopy.cli.help import Exit
from awcopy.cli.summary import exit_code_of, summary_lines
from awcopy.jobs.queries import Phase
from awcopy.model.job import JobState
from awcopy.model.outcome import FailureCount, FailureCounts, Totals
from tests.unit.cli.snapshots import BEGAN, SOME_FAILED, make_snapshot, tally

GOLDEN = """\
Job zyc0v3b8k2m4n6p8 (nightly) completed with errors in 3 m 20 s
  from s3://photos/2024/
  to   az://acme/backup/2024/

  listed            1,240,000 objects     10,995,116,277,760 B  10.0 TiB
    copied          1,239,000 objects     10,995,000,000,000 B  10.0 TiB
    skipped               900 objects            100,000,000 B  95.4 MiB
    failed                  1 object               6,277,760 B  6.0 MiB
    cancelled              99 objects             10,000,000 B  9.5 MiB
  excluded                 17 objects                      5 B  by the filters
  proofs      crc64 1,000,000, md5 200,000, blocks 39,000

Next: awcopy jobs report zyc0v3b8k2m4n6p8 --failed"""


def lines_of(*args, **facts) -> list[str]:
    return [line.plain for line in summary_lines(*args, **facts)]


def test_the_summary_of_a_job_with_failures() -> None:
    lines = lines_of(make_snapshot(JobState.COMPLETED_WITH_ERRORS, totals=SOME_FAILED))
    assert lines == GOLDEN.splitlines()
    assert max(map(len, lines)) <= 80


def test_the_summarys_numbers_add_up_as_printed() -> None:
    printed = [line.replace(",", "").split() for line in GOLDEN.splitlines()[4:9]]
    counts, sizes = [int(words[1]) for words in printed], [int(words[3]) for words in printed]
    assert counts[0] == sum(counts[1:])
    assert sizes[0] == sum(sizes[1:])


def test_a_running_job_shows_what_is_pending_and_how_to_watch_it() -> None:
    totals = Totals(listed=tally(10, 100), copied=tally(4, 40))
    lines = lines_of(make_snapshot(phase=Phase.LISTING, totals=totals), now=BEGAN + timedelta(hours=2))
    assert lines[0].endswith("running for 2 h 0 m")
    assert any("listed" in line and line.endswith("still listing") for line in lines)
    assert any(line.split()[:2] == ["pending", "6"] for line in lines)
    assert lines[-1] == "Next: awcopy jobs watch zyc0v3b8k2m4n6p8"


def test_why_objects_failed_is_said_with_what_may_help() -> None:
    reasons = {"name_not_allowed": 2, "access_denied": 1_200, "unheard_of": 1}
    counts = tuple(FailureCount(reason=reason, tally=tally(number)) for reason, number in reasons.items())
    totals = Totals(listed=tally(1_203), failed=tally(1_203), failures=FailureCounts(counts=counts))
    text = "\n".join(lines_of(make_snapshot(JobState.COMPLETED_WITH_ERRORS, totals=totals)))
    assert max(map(len, text.splitlines())) <= 80
    assert (
        """
  because of  access_denied 1,200: allow the job's credentials to read these
                objects and to write their blobs, then retry
              name_not_allowed 2: copy them with --names encode
              unheard_of 1
"""
        in text
    )


def test_filters_that_leave_nothing_are_told() -> None:
    totals = Totals(excluded=tally(17, 5))
    lines = lines_of(make_snapshot(JobState.COMPLETED, totals=totals))
    assert any(line.endswith("by the filters: all there is") for line in lines)


def test_objects_that_lost_something_on_the_way_are_told() -> None:
    totals = Totals(listed=tally(9), copied=tally(9), incomplete=2)
    assert "  incomplete  2 objects without all metadata, headers or tags: see notices" in lines_of(
        make_snapshot(JobState.COMPLETED, totals=totals)
    )


def test_a_job_without_failures_ends_with_its_report_and_a_local_one_with_nothing() -> None:
    snapshot = make_snapshot(JobState.COMPLETED, totals=Totals(listed=tally(1), copied=tally(1)))
    assert lines_of(snapshot)[-1] == "Next: awcopy jobs report zyc0v3b8k2m4n6p8"
    assert not any("awcopy jobs" in line for line in lines_of(snapshot, is_local=True))


def test_untrusted_text_in_a_summary_is_escaped() -> None:
    text = "\n".join(lines_of(make_snapshot(name="a\x1b[2J", detail="[red]\u202e")))
    assert "a\\x1b[2J" in text
    assert "[red]\\u202e" in text


@pytest.mark.parametrize(
    ("state", "reason", "code"),
    [
        (JobState.COMPLETED, "", Exit.OK),
        (JobState.COMPLETED_WITH_ERRORS, "", Exit.SOME_FAILED),
        (JobState.FAILED, "", Exit.ERROR),
        (JobState.CANCELLED, "", Exit.CANCELLED),
        (JobState.PAUSED, "auth", Exit.CREDENTIALS),
        (JobState.PAUSED, "user", Exit.OK),
    ],
)
def test_the_exit_code_says_how_the_job_ended(state: JobState, reason: str, code: Exit) -> None:
    assert exit_code_of(make_snapshot(state, pause_reason=reason)) is code
