"""Handing a job to the fleet, from a process that is no worker: the command line and the dashboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from awcopy.errors import ServiceUnreachable
from workers.app import make_app
from workers.messages import publish_dispatch as send_dispatch

if TYPE_CHECKING:
    from awcopy.config import Settings
    from awcopy.model.job import JobId


def publish_dispatch(settings: Settings, job_id: JobId) -> None:
    """Ask the fleet to take up a job that is in the ledger.

    Raises:
        ServiceUnreachable: Redis does not take the message; ``reconcile`` will send another later.
    """
    with make_app(settings) as app:
        app.conf.task_publish_retry_policy = {"max_retries": 2, "interval_start": 0, "interval_step": 0.2}
        try:
            send_dispatch(app, job_id)
        except (OperationalError, RedisError, OSError) as error:
            hint = "check AWCOPY_REDIS_URL, and that Redis runs"
            raise ServiceUnreachable("Redis did not take the job's message", hint=hint) from error
