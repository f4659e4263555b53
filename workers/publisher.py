"""Handing a job to the fleet, from a process that is no worker: the command line and the dashboard."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from awcopy.errors import ServiceUnreachable
from workers import messages
from workers.app import make_app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from celery import Celery

    from awcopy.config import Settings
    from awcopy.model.job import JobId
    from awcopy.steps.dispatch import Generation


# Somebody waits, and what they asked for is in the ledger already.
_SILENCE_S = 5
_REFUSALS = (
    OperationalError,
    RedisError,
    OSError,
    RuntimeError,
)  # the last one is of Celery's result backend


def publish_new(settings: Settings, job_id: JobId) -> None:
    """Ask the fleet to take up a job that was just submitted.

    Raises:
        ServiceUnreachable: As ``publish_dispatch`` has it; it names the job, which is there all the same.
    """
    try:
        publish_dispatch(settings, job_id)
    except ServiceUnreachable as error:
        hint = (
            f"it is written down and starts when they answer again; `awcopy jobs watch {job_id}` follows it"
        )
        raise ServiceUnreachable(
            f"job {job_id} could not be sent to the workers: {error.message}", hint=hint
        ) from error


def publish_dispatch(settings: Settings, job_id: JobId) -> None:
    """Ask the fleet to take up a job that is in the ledger.

    Raises:
        ServiceUnreachable: Redis does not take the message; ``reconcile`` will send another later.
    """
    with _publishing(settings) as app:
        messages.publish_dispatch(app, job_id)


def publish_finish(settings: Settings, job_id: JobId) -> None:
    """Ask the fleet to settle and end a job that is being cancelled. Raises as ``publish_dispatch`` does."""
    with _publishing(settings) as app:
        messages.publish_finish(app, job_id)


def publish_generation(settings: Settings, generation: Generation) -> None:
    """Start a generation that is in the ledger. Raises as ``publish_dispatch`` does."""
    with _publishing(settings) as app:
        messages.publish_generation(app, generation)


@contextmanager
def _publishing(settings: Settings) -> Iterator[Celery]:
    with make_app(settings) as app:
        app.conf.task_publish_retry_policy = {"max_retries": 2, "interval_start": 0, "interval_step": 0.2}
        app.conf.broker_transport_options = {
            **app.conf.broker_transport_options,
            "socket_timeout": _SILENCE_S,
        }
        app.conf.redis_socket_timeout = _SILENCE_S
        try:
            yield app
        except _REFUSALS as error:
            hint = "check AWCOPY_REDIS_URL; what was asked is in the ledger, and goes on when Redis is back"
            raise ServiceUnreachable("Redis did not take the job's message", hint=hint) from error
