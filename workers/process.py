"""One worker process: Celery's worker with its threads, its heartbeat and its share of reconciling.

Run by the supervisor in ``lifecycle`` as ``python -m workers.process CONCURRENCY``.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING

import structlog
from celery.signals import worker_ready, worker_shutting_down

from awcopy.bootstrap import connect_fleet, make_step_context
from awcopy.config import load_settings
from awcopy.errors import AwcopyError
from awcopy.logs import configure_logging
from awcopy.steps.lease import LeaseKeeper
from awcopy.steps.reconcile import reconcile
from workers import messages
from workers.app import make_app
from workers.broker import guard_broker

if TYPE_CHECKING:
    from collections.abc import Callable

    from celery import Celery

    from awcopy.steps.context import StepContext

log = structlog.get_logger(__name__)

BEAT_EVERY_S = 5.0


def run_process(concurrency: int) -> None:
    """Run a worker with that many threads until it is told to stop."""
    settings = load_settings()
    configure_logging(settings.log_level)
    guard_broker()
    fleet = connect_fleet(settings)
    keeper = LeaseKeeper(fleet.ledger, settings.lease_s)
    app = make_app(settings)
    app.step_context = make_step_context(settings, fleet, keeper.keep)
    name = f"{settings.namespace}-{os.getpid()}@{socket.gethostname()}"
    housekeeper = Housekeeper(app, app.step_context, name, concurrency, settings.reconcile_s)

    def begin(**_: object) -> None:
        housekeeper.start()

    def drain(**_: object) -> None:
        housekeeper.stop()
        keeper.interrupt_all("the worker is stopping")

    worker_ready.connect(begin, weak=False)
    worker_shutting_down.connect(drain, weak=False)
    app.worker_main(
        ["worker", "--pool=threads", f"--concurrency={concurrency}", f"--hostname={name}",
         "--without-gossip", "--without-mingle", "--task-events", f"--loglevel={settings.log_level}"]
    )  # fmt: skip


class Housekeeper:
    """What a worker does beside its tasks, in one thread: say that it is there, and reconcile."""

    def __init__(self, app: Celery, context: StepContext, name: str, slots: int, reconcile_s: float) -> None:
        self._app = app
        self._reconcile_s = reconcile_s
        self._context = context
        self._name = name
        self._slots = slots
        self._parent = os.getppid()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeper", daemon=True)

    def start(self) -> None:
        """Begin, in the background."""
        self._thread.start()

    def stop(self) -> None:
        """End after the round under way."""
        self._stopping.set()

    def _run(self) -> None:
        reconciled_at = float("-inf")
        while not self._stopping.is_set():
            if os.getppid() != self._parent:  # the supervisor is gone, and nobody would start us again
                os.kill(os.getpid(), signal.SIGTERM)
                return
            self._safely("worker_beat_lost", lambda: self._context.fleet.live.beat(self._name, self._slots))
            if time.monotonic() - reconciled_at >= self._reconcile_s:
                reconciled_at = time.monotonic()
                self._safely("reconcile_failed", self._reconcile)
            self._stopping.wait(min(BEAT_EVERY_S, self._reconcile_s))

    def _reconcile(self) -> None:
        if self._context.fleet.live.once_every("reconcile", self._reconcile_s / 2):
            messages.publish_repairs(self._app, reconcile(self._context))

    def _safely(self, event: str, act: Callable[[], None]) -> None:
        try:
            act()
        except AwcopyError as error:
            log.warning(event, error=error.code, message=error.message)
        except Exception:  # a thread that ends would leave the worker without a heartbeat
            log.exception(event)


if __name__ == "__main__":
    run_process(int(sys.argv[1]))
