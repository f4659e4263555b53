"""One worker process: Celery's worker with its threads, and its housekeeping.

Run by the supervisor in ``lifecycle`` as ``python -m workers.process CONCURRENCY``.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from functools import partial

from celery.signals import worker_ready, worker_shutting_down

from awcopy.bootstrap import collect_rarely, connect_fleet, make_step_context, open_messenger
from awcopy.config import load_settings
from awcopy.logs import configure_logging
from awcopy.steps.lease import LeaseKeeper
from workers.app import make_app
from workers.broker import guard_broker
from workers.housekeeping import Housekeeper, Notifier

_LOOK_EVERY_S = 2.0


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
    housekeeper = Housekeeper(app, app.step_context, settings.reconcile_s, slots=concurrency, name=name)
    notifier = Notifier(fleet, partial(open_messenger, settings), settings.reconcile_s)
    threading.Thread(target=_end_with, args=(os.getppid(),), name="parent-watch", daemon=True).start()

    def begin(**_: object) -> None:
        threading.Thread(target=housekeeper.run, name="housekeeper", daemon=True).start()
        notifier.start()

    def drain(**_: object) -> None:
        housekeeper.stop()
        keeper.interrupt_all("the worker is stopping")

    collect_rarely()
    worker_ready.connect(begin, weak=False)
    worker_shutting_down.connect(drain, weak=False)
    app.worker_main(
        ["--quiet", "worker", "--pool=threads", f"--concurrency={concurrency}", f"--hostname={name}",
         "--without-gossip", "--without-mingle", "--task-events", f"--loglevel={settings.log_level}"]
    )  # fmt: skip


def _end_with(parent: int) -> None:
    """Stop this process in good order when its supervisor is gone: nobody would start it again."""
    while os.getppid() == parent:
        time.sleep(_LOOK_EVERY_S)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    run_process(int(sys.argv[1]))
