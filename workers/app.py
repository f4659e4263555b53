"""The Celery application: its settings, each with its reason. What tasks do is in ``tasks``."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from celery import Celery
from kombu.entity import Queue

if TYPE_CHECKING:
    from awcopy.config import Settings


def make_app(settings: Settings) -> Celery:
    """Return the application for one fleet; nothing is contacted yet."""
    url = settings.redis_url.reveal()
    # A server that cannot prove who it is gets no message; redis-py reads the same URL with the same default.
    tls = {"ssl_cert_reqs": ssl.CERT_REQUIRED} if url.startswith("rediss://") else None
    app = Celery("awcopy", broker=url, backend=url, include=["workers.tasks"])
    app.conf.update(
        # Messages are small JSON; anything else is refused.
        task_serializer="json",
        result_serializer="json",
        accept_content=["json"],
        result_accept_content=["json"],
        # A worker that is killed leaves its message to be delivered again; every step may run twice.
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,  # more would make idle slots wait behind busy ones
        # The ledger knows how items ended. The backend serves the chord alone; one that expires is a callback
        # that does not come, and reconciling ends the job in its place.
        task_ignore_result=True,
        result_chord_expires=7 * 86_400,
        result_expires=86_400,
        broker_use_ssl=tls,
        redis_backend_use_ssl=tls,
        # One queue, so that jobs take turns in proportion to their agents; a name nobody reads is an error.
        task_queues=[Queue(settings.namespace)],  # type: ignore[no-untyped-call]  # kombu has few types
        task_default_queue=settings.namespace,
        task_create_missing_queues=False,
        # A worker waits for Redis as long as it takes, but never on a socket that is half open.
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            # An item that takes longer is delivered once more, and looked at: leases decide who works on what.
            "visibility_timeout": settings.visibility_s,
            "unacked_restore_interval": 10,  # else a killed worker's message waits up to 100 s more
            "unacked_restore_throttle": 1,
            "priority_steps": [0],  # priorities are not used; this keeps BRPOP to one key
            "socket_timeout": 30,
            "socket_connect_timeout": 5,
            "socket_keepalive": True,
            "health_check_interval": 25,
        },
        result_backend_transport_options={"retry_policy": {"timeout": 10.0}},
        redis_socket_connect_timeout=5,
        redis_socket_timeout=30,
        redis_socket_keepalive=True,
        redis_backend_health_check_interval=25,
        task_publish_retry_policy={
            "max_retries": 10,
            "interval_start": 0,
            "interval_step": 0.5,
            "interval_max": 5,
        },
        # Killing a running copy because Redis blinked would cost more than finishing it under its lease.
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_hijack_root_logger=False,
        worker_send_task_events=True,  # for Flower; an item is minutes of work, so this costs nothing
        task_send_sent_event=False,
        worker_detect_quorum_queues=False,
        enable_utc=True,
    )
    return app
