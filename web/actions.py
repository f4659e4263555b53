"""What a visitor does to jobs, for the API and the pages alike; each leaves a line in the log."""

from __future__ import annotations

import re
import shlex
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING

import structlog
from flask import current_app
from flask import request as http_request

from awcopy.cli.copy import MOST_AGENTS
from awcopy.cli.request import check_sealed, read_request
from awcopy.cli.request_values import command_words
from awcopy.errors import IllegalMove, UsageError
from awcopy.jobs import control as jobs_control
from awcopy.jobs.submit import JobRequest, submit_job
from awcopy.jobs.submit_once import submit_once
from awcopy.jobs.watermark import resolve_since
from web.auth import current_visitor, require_deleting_role
from web.fleet import current_fleet, current_settings
from web.rates import Rate
from workers import control, publisher

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Flask

    from awcopy.model.job import Job, JobId

log = structlog.get_logger(__name__)

LONGEST_KEY = 255
LONGEST_REASON = 100
MOST_CREATIONS = 30
LARGEST_BANDWIDTH = 2**53  # what every JSON reader keeps exactly
MOST_CLEANED = 100  # jobs, by one request
_RATE = "awcopy.creations"
_CLOCKS_DIFFER = timedelta(minutes=5)
_KEY = re.compile(r"[\x21-\x7e]+", re.ASCII)


def limit_creations(app: Flask) -> None:
    """Let each visitor submit so many jobs a minute."""
    app.extensions[_RATE] = Rate(MOST_CREATIONS, "new jobs")


def create_job(values: Mapping[str, object], key: str | None, body: bytes) -> tuple[Job, bool]:
    """Submit the job that the values describe, and return it with whether it is new.

    Its credentials are sealed where it was asked for; without any, the workers use profiles, which it may name, or
    their own.

    Args:
        values: As ``awcopy.cli.request`` reads them.
        key: What the sender calls the request, so that it may be sent twice; None for no name.
        body: The request as it was sent.

    Raises:
        UsageError: The job cannot be done as it is written, or the key is none.
        IllegalMove: The key was another request's.
        ServiceUnreachable: Redis or the ledger does not answer.
        RoleRefused: The job deletes, and the visitor may not have jobs delete.
        TooManyRequests: The visitor submitted too many within a minute.
    """
    rate: Rate = current_app.extensions[_RATE]
    rate.take(current_visitor().name or http_request.remote_addr or "")
    asked = read_request(values)
    if asked.spec.deletes:
        require_deleting_role()
    if key is not None and not (_KEY.fullmatch(key) and len(key) <= LONGEST_KEY):
        raise UsageError(f"Idempotency-Key is 1 to {LONGEST_KEY} characters of ASCII, without spaces")
    fleet = current_fleet()
    request = JobRequest(
        spec=resolve_since(fleet, asked.spec),
        name=asked.name,
        user=current_visitor().name,
        job_id=asked.job_id,
        sealed=asked.sealed,
    )
    job, is_new = (
        (submit_job(fleet, request), True) if key is None else submit_once(fleet, request, key, body)
    )
    if is_new:
        _note("create", job.id)
        publisher.publish_new(current_settings(), job.id)
    return job, is_new


def pause_job(job_id: JobId) -> Job:
    """Pause a job. Raises as ``awcopy.jobs.control`` does."""
    _note("pause", job_id)
    return jobs_control.pause_job(current_fleet(), job_id)


def resume_job(job_id: JobId, sealed: str = "") -> Job:
    """Go on with a job, with what was sealed to it now, else with the credentials that it has.

    Raises:
        UsageError: What was sealed cannot be that.
        IllegalMove: As ``awcopy.jobs.control`` has it.
    """
    _require_startable(job_id, sealed)
    _note("resume", job_id)
    return control.resume_job(current_settings(), current_fleet(), job_id, sealed)


def cancel_job(job_id: JobId) -> Job:
    """Cancel a job. Raises as ``awcopy.jobs.control`` does."""
    _note("cancel", job_id)
    return control.cancel_job(current_settings(), current_fleet(), job_id)


def retry_job(job_id: JobId, reason: str = "", sealed: str = "") -> tuple[Job, int]:
    """Try again what failed, for one reason or at all; return the job and how many objects that is.

    Raises:
        UsageError: The reason is too long to be one, or what was sealed cannot be that.
        IllegalMove: As ``awcopy.jobs.control`` has it.
    """
    if len(reason) > LONGEST_REASON:
        raise UsageError(f"a reason has at most {LONGEST_REASON} characters")
    _require_startable(job_id, sealed)
    _note("retry", job_id, reason=reason)
    return control.retry_job(current_settings(), current_fleet(), job_id, reason=reason, sealed=sealed)


def change_agents(job_id: JobId, agents: int) -> Job:
    """Change how many items of a job run at once. Raises ``UsageError`` when a job cannot have so many."""
    if not 1 <= agents <= MOST_AGENTS:
        raise UsageError(f"a job has 1 to {MOST_AGENTS} agents")
    _note("agents", job_id, agents=agents)
    return control.change_agents(current_settings(), current_fleet(), job_id, agents)


def change_bandwidth(job_id: JobId, bandwidth: int) -> Job:
    """Change how many bytes of a job go a second; raise ``UsageError`` when that can be no limit."""
    if not 0 <= bandwidth <= LARGEST_BANDWIDTH:
        raise UsageError("bandwidth is a number of bytes a second, or 0 for no limit")
    _note("bandwidth", job_id, bandwidth=bandwidth)
    return jobs_control.change_bandwidth(current_fleet(), job_id, bandwidth)


def remove_job(job_id: JobId) -> None:
    """Remove an ended job with its report. Raises as ``awcopy.jobs.control`` does."""
    _note("remove", job_id)
    jobs_control.remove_job(current_fleet(), job_id)


def clean_jobs(older_than: datetime) -> tuple[list[JobId], bool]:
    """Remove some of the jobs that ended before a moment; return which, and whether there may be more.

    Raises:
        UsageError: That moment is still to come.
    """
    fleet = current_fleet()
    if older_than > fleet.ledger.now() + _CLOCKS_DIFFER:
        raise UsageError("that time is still to come")
    removed = []
    for job_id in islice(jobs_control.clean_jobs(fleet, older_than), MOST_CLEANED):
        _note("remove", job_id)
        removed.append(job_id)
    return removed, len(removed) == MOST_CLEANED


def command_of(job: Job) -> str:
    """Return the command line that asks for the same job."""
    return shlex.join(command_words(job.spec, job.name))


def _note(action: str, job_id: JobId, **facts: str | int) -> None:
    """Log what is asked for, before it is tried: also of what is refused, and of what ends in the middle."""
    visitor, address = current_visitor(), http_request.remote_addr
    log.info("asked_over_http", action=action, job_id=job_id, token=visitor.name, address=address, **facts)


def _require_startable(job_id: JobId, sealed: str) -> None:
    """Return when a job may go on from here: with its credentials or new ones, and with who asks for it."""
    if sealed:
        check_sealed(sealed)
    job = current_fleet().ledger.get_job(job_id)
    if job.spec.deletes:
        require_deleting_role()
    if job.was_sealed and not (job.sealed or sealed):
        # Its end wiped them. Without this, the workers would go on with their own, which nobody asked for.
        raise IllegalMove(
            f"job {job_id} came with credentials, which are wiped when it ends",
            hint=f"use `awcopy jobs resume {job_id} --credentials`, or `awcopy jobs retry {job_id}`, where they are",
        )
