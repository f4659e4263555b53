"""``awcopy jobs``: what there is to know about jobs on the fleet; ``jobs_control`` changes them."""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING

import click

from awcopy.cli.console import print_csv, print_json, print_note, print_records, print_table
from awcopy.cli.follow import follow_job, watch_hint
from awcopy.cli.help import COPY_CODES, Exit, helpful, helpful_group
from awcopy.cli.jobs_control import CONTROL_COMMANDS
from awcopy.cli.jobs_logs import logs_job
from awcopy.cli.launch import conclude
from awcopy.cli.progress import choose_display
from awcopy.cli.setup import begin, open_desk
from awcopy.cli.summary import print_summary
from awcopy.cli.values import output_option
from awcopy.jobs.report import REPORT_COLUMNS, report_cells, report_record
from awcopy.jobs.search import JobFilter
from awcopy.model.job import JobState
from awcopy.units import format_count, format_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from awcopy.jobs.queries import JobSnapshot
    from awcopy.model.outcome import Outcome

_COLUMNS = ("ID", "NAME", "STATE", "COPIED", "FAILED", "LISTED", "SIZE", "CREATED (UTC)", "FROM", "TO")
_JOB_ARGUMENT = click.argument("job_id", metavar="ID")


@click.group(cls=helpful_group("awcopy jobs list", "awcopy jobs watch @last"))
def jobs() -> None:
    """List, show, watch, report and control jobs.

    An ID may be cut short as long as it names one job; @last is the newest.
    """


@jobs.command(
    "list",
    cls=helpful(
        "awcopy jobs list --state running --state paused",
        "awcopy jobs list --text photos -o json | jq -r '.[].id'",
    ),
)
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="Most jobs to list."
)
@click.option("--all", "wants_all", is_flag=True, help="List all jobs, however many there are.")
@click.option(
    "--state",
    "states",
    type=click.Choice([state.value for state in JobState]),
    multiple=True,
    help="List only jobs in this state; may be repeated.",
)
@click.option(
    "--text",
    default="",
    metavar="TEXT",
    help="List only jobs with this in their name, source or destination.",
)
@output_option("table", "json", "ndjson")
def list_jobs(limit: int, states: tuple[str, ...], text: str, output: str, *, wants_all: bool) -> None:
    """List jobs, newest first."""
    wanted = JobFilter(states=frozenset(map(JobState, states)), text=text)
    found = open_desk(begin()).list_jobs(None if wants_all else limit + 1, wanted)
    snapshots = found if wants_all else islice(found, limit)
    if output == "table":
        print_table(_COLUMNS, map(_row, snapshots))
    else:
        print_records((snapshot.to_json() for snapshot in snapshots), output)
    if next(found, None):
        print_note(f"these are the newest {limit}; there are more: --limit N, or --all")


@jobs.command("show", cls=helpful("awcopy jobs show 0d2k", "awcopy jobs show @last -o json | jq .totals"))
@_JOB_ARGUMENT
@output_option("table", "json", "ndjson")
def show_job(job_id: str, output: str) -> None:
    """Show one job: its state, its numbers and what to do next."""
    snapshot = open_desk(begin()).find(job_id)
    if output == "table":
        print_summary(snapshot)
    else:
        print_json(snapshot.to_json(), is_line=output == "ndjson")


@jobs.command(
    "watch",
    cls=helpful("awcopy jobs watch 0d2k", "awcopy jobs watch @last -o ndjson", exit_codes=COPY_CODES),
)
@_JOB_ARGUMENT
@output_option("table", "json", "ndjson")
@click.option("-q", "--quiet", is_flag=True, help="Show no progress and no summary.")
def watch_job(job_id: str, output: str, *, quiet: bool) -> Exit:
    """Follow a job until its end; the exit code says how it ended. Ctrl-C leaves it running."""
    desk = open_desk(begin())
    job = desk.find(job_id).job
    try:
        with choose_display(output, quiet=quiet) as display:
            snapshot = follow_job(desk, job.id, display)
    except KeyboardInterrupt:
        print_note(f"awcopy: job {job.id} goes on; {watch_hint(job.id)}")
        return Exit.INTERRUPTED
    return conclude(snapshot, output=output, quiet=quiet)


@jobs.command(
    "report",
    cls=helpful("awcopy jobs report 0d2k --failed", "awcopy jobs report @last -o csv > report.csv"),
)
@_JOB_ARGUMENT
@click.option("--copied", is_flag=True, help="Only the objects that were copied.")
@click.option("--skipped", is_flag=True, help="Only those that were skipped.")
@click.option("--failed", is_flag=True, help="Only those that failed.")
@click.option("--cancelled", is_flag=True, help="Only those that were not attempted any more.")
@click.option("--deleted", is_flag=True, help="Only those that were deleted at the source.")
@click.option("--kept", is_flag=True, help="Only those that were to be deleted there and were not.")
@output_option("ndjson", "csv")
def report_job(job_id: str, output: str, **only: bool) -> None:
    """Print the outcome of every object that has one, a line each, as it is read.

    Of --copied, --skipped and the others several may be given; without any, all are printed.

    Both formats hold the same columns. ndjson keeps every key exactly; csv shows escaped what cannot be seen, and
    quotes what a spreadsheet would run.
    """
    desk = open_desk(begin())
    wanted = {name for name, is_given in only.items() if is_given}
    outcomes = desk.read_report(desk.find(job_id).job.id)
    chosen = (one for one in outcomes if not wanted or wanted & {one.result.value, one.at_source.value})
    if output == "csv":
        print_csv(REPORT_COLUMNS, map(report_cells, _answered(chosen)))
    else:
        for outcome in chosen:
            print_json(report_record(outcome), is_line=True)


for _command in (logs_job, *CONTROL_COMMANDS):
    jobs.add_command(_command)


def _answered(outcomes: Iterator[Outcome]) -> Iterator[Outcome]:
    """Return the outcomes once the first is read, so that a ledger that is away leaves no lonely header."""
    first = next(outcomes, None)
    return iter(()) if first is None else chain((first,), outcomes)


def _row(snapshot: JobSnapshot) -> tuple[str, ...]:
    job, totals = snapshot.job, snapshot.totals
    return (
        job.id,
        job.name,
        job.state.value,
        format_count(totals.copied.objects),
        format_count(totals.failed.objects),
        format_count(totals.listed.objects) + ("+" if snapshot.is_listing else ""),
        format_size(totals.listed.size_bytes),
        f"{job.created_at:%Y-%m-%d %H:%M}",
        str(job.spec.source),
        str(job.spec.sink),
    )
