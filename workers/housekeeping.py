"""What a process of the fleet does beside its tasks: say that it is there, fire schedules, and reconcile."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from awcopy import __version__
from awcopy.errors import AwcopyError
from awcopy.jobs.notifications import send_notifications, write_notifications
from awcopy.jobs.schedules import fire_schedules
from awcopy.live.base import Vitals
from awcopy.steps.reconcile import reconcile
from workers import messages
from workers.stopping import Stopping

if TYPE_CHECKING:
    from collections.abc import Callable

    from celery import Celery

    from awcopy.jobs.fleet import Fleet
    from awcopy.jobs.notifications import OpenMessenger
    from awcopy.steps.context import StepContext

log = structlog.get_logger(__name__)

BEAT_EVERY_S = 5.0
_STATM = Path("/proc/self/statm")


def memory_bytes() -> int:
    """Return how much memory this process has resident; 0 where the system does not say so."""
    try:
        pages = int(_STATM.read_text(encoding="ascii").split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


class Notifier:
    """One loop that tells whoever asked for it how jobs ended; apart, since receivers may take their time.

    Args:
        fleet: Where it stands who is to be told.
        open_messenger: Returns the way to a receiver, by the name of its profile on this machine.
        every_s: Seconds between two looks; all processes together look about twice in that time.
    """

    def __init__(self, fleet: Fleet, open_messenger: OpenMessenger, every_s: float) -> None:
        self._fleet = fleet
        self._open_messenger = open_messenger
        self._every_s = every_s

    def start(self) -> None:
        """Go round in a thread until the process ends; a message under way then is sent again by another."""
        threading.Thread(target=self._run, name="notifier", daemon=True).start()

    def _run(self) -> None:
        while True:
            safely("notifications_failed", self.look)
            time.sleep(self._every_s)

    def look(self) -> None:
        """Write down who is to be told, and send what is due."""
        if self._fleet.live.once_every("notify", self._every_s / 2):
            write_notifications(self._fleet)
        # Each by whoever knows the receiver, so that this is no matter of turns.
        send_notifications(self._fleet, self._open_messenger)


class Housekeeper:
    """One loop. Reconciling is done here and not by a task, so that no busy or missing worker can delay it.

    Args:
        app: Publishes what reconciling finds missing.
        context: The surroundings of the steps.
        reconcile_s: Seconds between two looks; all processes together look about twice in that time.
        slots: How many tasks the process runs at once; 0 for beat, which runs none.
        name: The process's name, for its heartbeat.
    """

    def __init__(
        self, app: Celery, context: StepContext, reconcile_s: float, *, name: str, slots: int = 0
    ) -> None:
        self._app = app
        self._context = context
        self._reconcile_s = reconcile_s
        self._slots = slots
        self._name = name
        self._stopping = Stopping()

    def stop(self) -> None:
        """End ``run`` after the round under way."""
        self._stopping.set()

    def run(self) -> None:
        """Go round until ``stop``; whatever goes wrong is logged and tried again in the next round."""
        reconciled_at = float("-inf")
        while not self._stopping.is_set():
            safely("heartbeat_lost", self._beat)
            if time.monotonic() - reconciled_at >= self._reconcile_s:
                reconciled_at = time.monotonic()
                safely("reconcile_failed", self._reconcile)
            self._stopping.wait(min(BEAT_EVERY_S, self._reconcile_s))

    def _beat(self) -> None:
        counts = self._context.retries
        vitals = Vitals(memory_bytes=memory_bytes(), retries=counts.retries, throttles=counts.throttles)
        self._context.fleet.live.beat(self._name, self._slots, __version__, vitals)

    def _reconcile(self) -> None:
        if self._context.fleet.live.once_every("reconcile", self._reconcile_s / 2):
            safely("schedules_failed", self._fire_schedules)
            messages.publish_repairs(self._app, reconcile(self._context))

    def _fire_schedules(self) -> None:
        for job_id in fire_schedules(self._context.fleet):
            messages.publish_dispatch(self._app, job_id)


def safely(event: str, act: Callable[[], None]) -> None:
    """Do something whose failure is logged, and ends no loop."""
    try:
        act()
    except AwcopyError as error:
        log.warning(event, error=error.code, message=error.message)
    except Exception:  # a loop that ended would leave the process without a heartbeat
        log.exception(event)
