"""Running one copy: on the fleet, followed until its end, or here. What to copy has been decided before."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from awcopy.cli.conflicts import settle_conflicts
from awcopy.cli.console import print_json, print_line, print_note, print_warning
from awcopy.cli.deletion import confirm_deletion
from awcopy.cli.follow import follow_job, watch_hint
from awcopy.cli.help import Exit
from awcopy.cli.preflight import check_both, check_sink, check_source, warn_of_siblings, without_profiles
from awcopy.cli.progress import choose_display, journalled
from awcopy.cli.setup import open_desk, user_name
from awcopy.cli.summary import exit_code_of, print_summary
from awcopy.errors import ServiceUnreachable, UsageError
from awcopy.jobs.queries import read_report
from awcopy.model.outcome import Result
from awcopy.units import format_count

if TYPE_CHECKING:
    from awcopy.bootstrap import Stores
    from awcopy.cli.desk.base import Desk
    from awcopy.config import Settings
    from awcopy.jobs.fleet import Fleet
    from awcopy.jobs.journal import Journal
    from awcopy.jobs.queries import JobSnapshot
    from awcopy.jobs.submit import JobRequest
    from awcopy.model.job import JobId
    from awcopy.model.spec import JobSpec
    from awcopy.vault.credentials import JobCredentials

SHOWN_FINDINGS = 20  # of failures, and of notices


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A copy as it is to be run, and how to show it."""

    settings: Settings
    spec: JobSpec
    name: str
    credentials: JobCredentials
    create_container: bool = False
    is_detached: bool = False
    output: str = "table"
    quiet: bool = False
    verbose: bool = False
    journal: Journal | None = None
    is_confirmed: bool = False  # what is to be deleted at the source may be

    @property
    def request(self) -> JobRequest:
        """The job as the service takes it."""
        from awcopy.jobs.submit import JobRequest

        return JobRequest(spec=self.spec, name=self.name, user=user_name(), credentials=self.credentials)


def run_on_fleet(launch: Launch) -> Exit:
    """Submit the job, follow it to its end unless detached, and return the exit code."""
    desk = open_desk(launch.settings)
    submitted = _submit(launch, desk)
    job = submitted.job
    if not launch.quiet:
        _warn_without_workers(desk)
    if launch.is_detached:
        _print_submitted(launch, submitted)
        return Exit.OK
    try:
        with journalled(choose_display(launch.output, quiet=launch.quiet), launch.journal) as display:
            snapshot = follow_job(desk, job.id, display)
    except KeyboardInterrupt:
        print_note(f"awcopy: detached; job {job.id} goes on: {watch_hint(job.id)}")
        return Exit.INTERRUPTED
    if launch.journal:
        launch.journal.close(desk.read_report(job.id))
    return conclude(snapshot, output=launch.output, quiet=launch.quiet)


def run_locally(launch: Launch) -> Exit:
    """Run the job in this process, without a fleet, and return the exit code."""
    from awcopy.bootstrap import open_stores, run_here

    with closing(open_stores(launch.settings, launch.spec, launch.credentials)) as stores:
        check_both(launch.spec, stores, create_container=launch.create_container)
        launch = settled(launch, stores)
        confirm_deletion(launch.spec, stores.source, is_confirmed=launch.is_confirmed)
        with journalled(choose_display(launch.output, quiet=launch.quiet), launch.journal) as display:
            snapshot, fleet = run_here(launch.settings, stores, launch.request, display.show)
            display.show(snapshot)
    if launch.journal:
        launch.journal.close(read_report(fleet, snapshot.job.id))
    if not launch.quiet:
        _print_findings(fleet, snapshot.job.id)
    return conclude(snapshot, output=launch.output, quiet=launch.quiet, is_local=True)


def conclude(snapshot: JobSnapshot, *, output: str, quiet: bool = False, is_local: bool = False) -> Exit:
    """Print how the job ended, in the format asked for, and return the exit code."""
    code = exit_code_of(snapshot)
    if output == "json":
        print_json(snapshot.to_json())
    elif output == "table" and not quiet:
        print_summary(snapshot, is_local=is_local)
    if code is Exit.CREDENTIALS:
        print_note(f"awcopy: job {snapshot.job.id} is paused for its credentials: {snapshot.job.detail}")
    return code


def _submit(launch: Launch, desk: Desk) -> JobSnapshot:
    """Return the submitted job. Whatever can be known to be wrong is found before anything is written."""
    desk.admit(launch.request)
    launch = _check_own_sides(launch)
    return desk.submit(launch.request)


def settled(launch: Launch, stores: Stores | None) -> Launch:
    """Return the launch with what was answered about blobs that are there already."""
    spec = settle_conflicts(launch.spec, stores, connections=launch.settings.connections)
    return replace(launch, spec=spec)


def _check_own_sides(launch: Launch) -> Launch:
    """Check each store that this process has credentials for; the workers check the others.

    Return the launch with what was asked and answered.
    """
    from awcopy.bootstrap import open_stores

    given = launch.credentials
    if launch.create_container and not given.azure:
        raise UsageError(
            "--create-container needs the destination's credentials here, and there are none",
            hint="set AZURE_STORAGE_KEY, or create the container beforehand",
        )
    if not (given.aws or given.azure):
        _say(launch, "the workers check the source and the destination, with their own credentials")
        launch = settled(launch, None)
        confirm_deletion(launch.spec, None, is_confirmed=launch.is_confirmed)
        return launch
    with closing(open_stores(launch.settings, without_profiles(launch.spec), given)) as stores:
        if given.aws and given.azure:
            check_both(launch.spec, stores, create_container=launch.create_container)
        elif given.aws:
            _say(launch, "the workers check the destination, with their own credentials")
            check_source(launch.spec.source, stores.source, launch.spec.versions)
            warn_of_siblings(launch.spec, stores.source)
        else:
            _say(launch, "the workers check the source, with their own credentials")
            check_sink(launch.spec, stores.sink, create_container=launch.create_container)
        launch = settled(launch, stores if given.aws and given.azure else None)
        source = stores.source if given.aws else None
        confirm_deletion(launch.spec, source, is_confirmed=launch.is_confirmed)
    return launch


def _warn_without_workers(desk: Desk) -> None:
    try:
        workers = desk.count_workers()
    except ServiceUnreachable:
        return  # following the job will say so
    if not workers:
        print_warning("no worker is running; the job waits in the queue: start one with `awcopy worker`")


def _print_submitted(launch: Launch, snapshot: JobSnapshot) -> None:
    job = snapshot.job
    if launch.output == "table":
        print_line(job.id)
    else:
        print_json(snapshot.to_json(), is_line=launch.output == "ndjson")
    if not launch.quiet:
        print_note(f"job {job.id} is submitted; {watch_hint(job.id)}")


def _print_findings(fleet: Fleet, job_id: JobId) -> None:
    """Print the first failures and notices of a local job, whose ledger is gone with this process."""
    failed = (
        f"failed: {one.key}: {one.reason}: {one.detail}".rstrip(": ")
        for one in read_report(fleet, job_id)
        if one.result is Result.FAILED
    )
    noticed = (
        f"notice: {one.key}: {', '.join(one.notices)}" for one in read_report(fleet, job_id) if one.notices
    )
    for lines in (failed, noticed):
        for line in islice(lines, SHOWN_FINDINGS):
            print_note(line)
        if rest := sum(1 for _ in lines):
            print_note(f"... and {format_count(rest)} more; --journal writes all of them to a file")


def _say(launch: Launch, text: str) -> None:
    if launch.verbose:
        print_note(f"awcopy: {text}")
