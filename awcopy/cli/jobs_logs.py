"""``awcopy jobs logs``: what happened to a job as a whole, as the ledger keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from awcopy.cli.console import print_json, print_line, print_note, safe_text
from awcopy.cli.follow import follow_job
from awcopy.cli.help import Exit, helpful
from awcopy.cli.progress import QuietDisplay
from awcopy.cli.setup import begin, open_desk
from awcopy.cli.values import output_option
from awcopy.model.job import MOST_EVENTS

if TYPE_CHECKING:
    from awcopy.jobs.queries import JobSnapshot
    from awcopy.model.job import JobEvent


@click.command("logs", cls=helpful("awcopy jobs logs 0d2k", "awcopy jobs logs @last --follow"))
@click.argument("job_id", metavar="ID")
@click.option(
    "-f", "--follow", is_flag=True, help="Print what happens from now on too, until the job has ended."
)
@output_option("table", "ndjson")
def logs_job(job_id: str, output: str, *, follow: bool) -> Exit:
    """Print what happened to a job, oldest first, in UTC: its states and why, its generations, who changed it.

    How each object ended is in the report; what workers log is on their standard error.
    """
    desk = open_desk(begin())
    snapshot = desk.find(job_id)
    display = EventDisplay(output)
    if len(snapshot.job.events) == MOST_EVENTS:
        print_note(f"these are the latest {MOST_EVENTS}; those before are forgotten")
    try:
        if follow:
            follow_job(desk, snapshot.job.id, display)
        else:
            display.show(snapshot)
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    return Exit.OK


class EventDisplay(QuietDisplay):
    """Prints each event once, as it is seen."""

    def __init__(self, output: str) -> None:
        self._output = output
        self._seen: set[JobEvent] = set()

    def show(self, snapshot: JobSnapshot) -> None:
        """Print the events that are new."""
        for event in snapshot.job.events:
            if event not in self._seen:
                self._seen.add(event)
                self._print(event)

    def _print(self, event: JobEvent) -> None:
        if self._output == "ndjson":
            print_json(
                {"at": event.at.isoformat(), "event": event.what, "detail": event.detail}, is_line=True
            )
            return
        what = event.what.replace("_", " ")
        print_line(safe_text(f"{event.at:%Y-%m-%d %H:%M:%S}  {what:<21}  {event.detail}".rstrip()))
