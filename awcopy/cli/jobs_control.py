"""``awcopy jobs pause|resume|cancel|retry|agents|bandwidth|rm|clean``: what changes jobs."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from awcopy.cli.console import print_line, print_note
from awcopy.cli.credentials import credentials_for, require_some
from awcopy.cli.encryption import key_options
from awcopy.cli.follow import watch_hint
from awcopy.cli.help import helpful
from awcopy.cli.preflight import check_given
from awcopy.cli.secrets import read_customer_key
from awcopy.cli.setup import begin, open_desk
from awcopy.cli.values import RATE, WHEN
from awcopy.config import load_store_defaults
from awcopy.errors import IllegalMove, UsageError
from awcopy.units import say_count, say_rate
from awcopy.vault.credentials import JobCredentials

if TYPE_CHECKING:
    from collections.abc import Mapping

    from awcopy.config import Settings
    from awcopy.model.job import Job

# What has only just ended is still watched, and its report fetched, by whoever waited for it.
_LEAST_AGE = timedelta(minutes=1)
_JOB_ARGUMENT = click.argument("job_id", metavar="ID")


@click.command("pause", cls=helpful("awcopy jobs pause 0d2k", "awcopy jobs pause @last"))
@_JOB_ARGUMENT
def pause_job(job_id: str) -> None:
    """Pause a job: its tasks end after the block or object they are at, within seconds."""
    desk = open_desk(begin())
    job = desk.find(job_id).job
    desk.pause(job.id)
    print_note(f"job {job.id} is paused; go on with: awcopy jobs resume {job.id}")


@click.command("resume", cls=helpful("awcopy jobs resume 0d2k", "awcopy jobs resume @last --credentials"))
@_JOB_ARGUMENT
@click.option(
    "--credentials", is_flag=True, help="Seal the credentials that the environment gives now, for this job."
)
@key_options
def resume_job(job_id: str, *, credentials: bool, **keys: str | None) -> None:
    """Go on with a job that was paused or has failed; nothing that was copied is sent again."""
    from awcopy.jobs.control import check_resumable

    settings = begin()
    desk = open_desk(settings)
    job = desk.find(job_id).job
    check_resumable(job)  # before the stores are looked at
    desk.resume(job, _credentials(settings, job, keys, wanted=credentials))
    print_note(f"job {job.id} goes on; {watch_hint(job.id)}")


@click.command("cancel", cls=helpful("awcopy jobs cancel 0d2k", "awcopy jobs cancel @last"))
@_JOB_ARGUMENT
def cancel_job(job_id: str) -> None:
    """Cancel a job: what is copied stays, everything else is recorded as cancelled."""
    desk = open_desk(begin())
    job = desk.find(job_id).job
    desk.cancel(job.id)
    print_note(f"job {job.id} is being cancelled; {watch_hint(job.id)}")


@click.command(
    "retry", cls=helpful("awcopy jobs retry 0d2k", "awcopy jobs retry @last --reason access_denied")
)
@_JOB_ARGUMENT
@click.option(
    "--reason", default="", metavar="REASON", help="Only what failed for this reason (see the report)."
)
@key_options
def retry_job(job_id: str, reason: str, **keys: str | None) -> None:
    """Try again what failed in a job that has ended, and nothing else."""
    from awcopy.jobs.control import check_retryable

    settings = begin()
    desk = open_desk(settings)
    job = desk.find(job_id).job
    check_retryable(job)
    objects = desk.retry(job, _credentials(settings, job, keys), reason)
    print_note(f"job {job.id} tries {say_count(objects, 'object')} again; {watch_hint(job.id)}")


@click.command("agents", cls=helpful("awcopy jobs agents 0d2k 16", "awcopy jobs agents @last 1"))
@_JOB_ARGUMENT
@click.argument("agents", type=click.IntRange(1, 1000), metavar="N")
def change_agents(job_id: str, agents: int) -> None:
    """Change how many tasks of a job run at once; those under way are not disturbed."""
    desk = open_desk(begin())
    job = desk.find(job_id).job
    desk.change_agents(job.id, agents)
    print_note(f"job {job.id} runs {say_count(agents, 'task')} at once from now on")


@click.command("bandwidth", cls=helpful("awcopy jobs bandwidth 0d2k 200M", "awcopy jobs bandwidth @last 0"))
@_JOB_ARGUMENT
@click.argument("bandwidth", type=RATE, metavar="RATE")
def change_bandwidth(job_id: str, bandwidth: int) -> None:
    """Change how many bytes of a job go a second, over all workers: 200M, 1.5G, or 0 for no limit.

    Workers notice within seconds, also those that wait for their turn.
    """
    desk = open_desk(begin())
    job = desk.find(job_id).job
    desk.change_bandwidth(job.id, bandwidth)
    print_note(f"bandwidth of job {job.id}: {say_rate(bandwidth)}")


@click.command("rm", cls=helpful("awcopy jobs rm 0d2k", "awcopy jobs rm 0d2k 0d2m"))
@click.argument("job_ids", metavar="ID...", nargs=-1, required=True)
def remove_jobs(job_ids: tuple[str, ...]) -> None:
    """Remove ended jobs with their reports. No blob is touched."""
    desk = open_desk(begin())
    for job in [desk.find(text).job for text in job_ids]:
        desk.remove(job.id)
        print_line(job.id)


@click.command(
    "clean",
    cls=helpful("awcopy jobs clean --older-than 2026-01-01", "awcopy jobs clean --older-than 90d --yes"),
)
@click.option(
    "--older-than",
    type=WHEN,
    required=True,
    metavar="WHEN",
    help="Ended before this age, of 1m or more, or date.",
)
@click.option("--yes", is_flag=True, help="Do not ask, remove.")
def clean_jobs(older_than: datetime, *, yes: bool) -> None:
    """Remove all jobs that ended before a time, with their reports. Asks first. No blob is touched."""
    now = datetime.now(UTC)
    if older_than > now:
        raise IllegalMove("that time is still to come")
    if older_than > now - _LEAST_AGE:
        raise UsageError(
            "that takes in jobs that have only just ended, whose reports nobody may have read yet",
            hint="write --older-than 1m or more, or name the jobs: awcopy jobs rm ID...",
        )
    if not yes:
        _ask_to_clean(older_than)
    removed = 0
    for job_id in open_desk(begin()).clean(older_than):
        print_line(job_id)
        removed += 1
    print_note(f"{say_count(removed, 'job')} removed")


def _ask_to_clean(older_than: datetime) -> None:
    if not sys.stdin.isatty():
        raise UsageError(
            "the removal has to be confirmed, and there is no terminal to ask at",
            hint="add --yes if you are sure",
        )
    question = f"Remove the reports of all jobs that ended before {older_than:%Y-%m-%d %H:%M} UTC?"
    if not click.confirm(question, err=True):
        raise UsageError("nothing was removed", hint="`awcopy jobs list` shows what there is")


CONTROL_COMMANDS = (
    pause_job,
    resume_job,
    cancel_job,
    retry_job,
    change_agents,
    change_bandwidth,
    remove_jobs,
    clean_jobs,
)


def _credentials(
    settings: Settings, job: Job, keys: Mapping[str, str | None], *, wanted: bool = False
) -> JobCredentials:
    """Return what is to be sealed for the job: when asked for, or when it came with some once.

    What is sealed takes the place of all that was, so a key that the job needs must be among it.
    """
    from awcopy.bootstrap import require_keys

    wanted = wanted or any(keys.values())
    if not wanted and (job.sealed or not job.was_sealed):
        return JobCredentials()
    if job.spec.source.profile and job.spec.sink.profile and not any(keys.values()):
        raise UsageError(
            f"job {job.id} uses profiles on both sides",
            hint="renew those on the workers, and resume it without",
        )
    given = replace(
        credentials_for(job.spec, load_store_defaults()),
        source_key=read_customer_key("--source-encryption-key", keys["source_encryption_key"]),
        sink_key=read_customer_key("--encryption-key", keys["encryption_key"]),
    )
    require_keys(job.spec, require_some(given))
    check_given(settings, job.spec, given)
    return given
