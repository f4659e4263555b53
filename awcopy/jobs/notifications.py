"""Telling whoever asked for it that a job has ended, or that no job runs for an occurrence.

A job's row, or an occurrence's, says that nobody was told yet, in the same write that ends it. From that a row is
made for each receiver, and whoever sends it writes down the attempt before, and removes the row after: so any number
of processes may do this at once and die at any point. A message may come twice, under one id, and is never lost.
Nothing here can change what becomes of a job.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from awcopy.errors import AwcopyError, Conflict, CredentialsError, JobNotFound
from awcopy.jobs.notification_text import compose
from awcopy.model.job import remember
from awcopy.model.notification import (
    MISSED_FATES,
    MOST_ATTEMPTS,
    begin_attempt,
    of_job,
    of_occurrence,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from awcopy.jobs.fleet import Fleet
    from awcopy.model.job import Job
    from awcopy.model.notification import Notification
    from awcopy.model.schedule import Occurrence, Schedule
    from awcopy.notify.base import Messenger

    # Returns the way to a receiver; raises CredentialsError where this machine does not know it.
    OpenMessenger = Callable[[str], Messenger]

log = structlog.get_logger(__name__)

# How long a receiver that this machine does not know is left to others.
PATIENCE = timedelta(hours=12)
_LOOKED_BACK = 200  # occurrences; no more are missed at once
EVENT = "notification"  # of a job's events


def write_notifications(fleet: Fleet) -> None:
    """Write down who is to be told of what has happened since the last time."""
    for job in fleet.ledger.untold_jobs():
        _write_of_job(fleet, job)
    for schedule in fleet.ledger.list_schedules():
        if schedule.spec.notify:
            _write_of_schedule(fleet, schedule)


def send_notifications(fleet: Fleet, open_messenger: OpenMessenger) -> None:
    """Send what is due, each once in this round; what fails is due again later, for some hours."""
    for one in fleet.ledger.list_notifications():
        if one.due_at > fleet.ledger.now():
            continue
        try:
            _send(fleet, one, open_messenger)
        except Conflict:
            continue  # somebody else is at it


def _write_of_job(fleet: Fleet, job: Job) -> None:
    now = fleet.ledger.now()
    for receiver in job.spec.notify:
        _add(fleet, of_job(job, receiver, now))
    try:
        fleet.ledger.update_job(replace(job, is_untold=False))
    except Conflict:
        log.info("job_changed_meanwhile", job_id=job.id)


def _write_of_schedule(fleet: Fleet, schedule: Schedule) -> None:
    past = fleet.ledger.list_occurrences(schedule.name, fates=MISSED_FATES, limit=_LOOKED_BACK)
    untold = [one for one in past if one.is_untold]
    if not untold:
        return
    # After a long silence one message tells of all that is missed.
    latest, earlier = untold[0], len(untold) - 1
    if earlier:
        more = f"; and {earlier} earlier {'one' if earlier == 1 else 'ones'}"
        latest = replace(latest, detail=f"{latest.detail}{more}")
    now = fleet.ledger.now()
    for receiver in schedule.spec.notify:
        _add(fleet, of_occurrence(latest, receiver, now))
    for one in reversed(untold):
        _mark_told(fleet, one)


def _mark_told(fleet: Fleet, occurrence: Occurrence) -> None:
    try:
        fleet.ledger.update_occurrence(replace(occurrence, is_untold=False))
    except Conflict:
        log.info("occurrence_changed_meanwhile", schedule=occurrence.schedule)


def _add(fleet: Fleet, notification: Notification) -> None:
    try:
        fleet.ledger.add_notification(notification)
    except Conflict:
        log.info("notification_is_there", id=notification.id)


def _send(fleet: Fleet, one: Notification, open_messenger: OpenMessenger) -> None:
    """Send one, or write down that it could not be sent.

    Raises:
        Conflict: Somebody else is sending it.
    """
    now = fleet.ledger.now()
    try:
        messenger = open_messenger(one.receiver)
    except CredentialsError as error:
        if now - one.created_at > PATIENCE:
            _give_up(fleet, one, error.message)
        return
    except AwcopyError as error:
        _failed(fleet, fleet.ledger.update_notification(begin_attempt(one, now)), error)
        return
    begun = fleet.ledger.update_notification(begin_attempt(one, now))
    try:
        messenger.send(compose(fleet, begun))
    except AwcopyError as error:
        _failed(fleet, begun, error)
        return
    fleet.ledger.delete_notification(begun.id)
    log.info("notification_sent", id=begun.id, receiver=begun.receiver, job_id=begun.job_id)


def _failed(fleet: Fleet, begun: Notification, error: AwcopyError) -> None:
    log.warning("notification_not_sent", id=begun.id, receiver=begun.receiver, why=error.message)
    if begun.attempts >= MOST_ATTEMPTS:
        _give_up(fleet, begun, error.message)


def _give_up(fleet: Fleet, one: Notification, why: str) -> None:
    log.error("notification_given_up", id=one.id, receiver=one.receiver, job_id=one.job_id, why=why)
    fleet.ledger.delete_notification(one.id)
    try:
        job = fleet.ledger.get_job(one.job_id) if one.job_id else None
        if job:
            detail = f"{one.receiver} could not be told that it {one.event.value}: {why}"
            fleet.ledger.update_job(remember(job, EVENT, at=fleet.ledger.now(), detail=detail))
    except (Conflict, JobNotFound):
        log.info("job_changed_meanwhile", job_id=one.job_id)
