"""Starting and supervising the fleet's processes on one machine."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import structlog

from awcopy.errors import ServiceUnreachable
from awcopy.logs import configure_logging
from workers.stopping import Stopping

if TYPE_CHECKING:
    from types import FrameType

    from awcopy.config import Settings

log = structlog.get_logger(__name__)

FIRST_BACK_OFF_S = 1.0
MAX_BACK_OFF_S = 60.0
HEALTHY_AFTER_S = 60.0  # a process that ran this long is started again without delay
_LOOK_EVERY_S = 0.5


def run_worker(settings: Settings, concurrency: int, processes: int) -> None:
    """Run that many worker processes until SIGTERM or Ctrl-C; one that ends is started again.

    Stopping is passed on once: each process gives its items back after the block in flight and ends.
    """
    configure_logging(settings.log_level)
    supervisor = Supervisor([sys.executable, "-m", "workers.process", str(concurrency)], processes)
    signal.signal(signal.SIGTERM, supervisor.stop)
    signal.signal(signal.SIGINT, supervisor.stop)
    supervisor.run()


def run_beat(settings: Settings) -> None:
    """Reconcile until SIGTERM or Ctrl-C: it keeps jobs going also when every worker is busy or gone."""
    from awcopy.bootstrap import connect_fleet, make_step_context, open_messenger
    from workers.app import make_app
    from workers.housekeeping import Housekeeper, Notifier

    configure_logging(settings.log_level)
    context = make_step_context(settings, connect_fleet(settings))
    name = f"{settings.namespace}-beat-{os.getpid()}@{socket.gethostname()}"
    housekeeper = Housekeeper(make_app(settings), context, settings.reconcile_s, name=name)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: housekeeper.stop())
    structlog.get_logger(__name__).info("beat_running", name=name)
    Notifier(context.fleet, partial(open_messenger, settings), settings.reconcile_s).start()
    housekeeper.run()


def run_flower(settings: Settings, address: str, port: int) -> None:
    """Run Flower on the fleet's application."""
    from workers.app import make_app
    from workers.flower import find_password
    from workers.flower import run_flower as start_flower

    configure_logging(settings.log_level)
    start_flower(make_app(settings), find_password(settings.flower_password), address, port)


def count_own(settings: Settings, *, runs_tasks: bool) -> int:
    """Return how many processes of this machine's worker, or of its beat, said lately that they are there.

    Raises:
        ServiceUnreachable: None did, or Redis does not answer.
    """
    from awcopy.bootstrap import connect_live

    live = connect_live(settings)
    here = f"@{socket.gethostname()}"
    found = [one for one in live.processes() if one.name.endswith(here) and bool(one.slots) is runs_tasks]
    if not found:
        what = "worker" if runs_tasks else "beat"
        raise ServiceUnreachable(
            f"no {what} is running on this machine", hint=f"see what `awcopy {what}` logs"
        )
    return len(found)


@dataclass(slots=True)
class _Slot:
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    failures: int = 0
    start_at: float = 0.0


@dataclass(slots=True)
class Supervisor:
    """Keeps a number of equal processes running."""

    command: list[str]
    processes: int
    _slots: list[_Slot] = field(default_factory=list)
    _stopping: Stopping = field(default_factory=Stopping)

    def run(self) -> None:
        """Start the processes and look after them until ``stop`` and the end of all of them."""
        self._slots = [_Slot() for _ in range(self.processes)]
        while not self._stopping.is_set():
            for slot in self._slots:
                self._look_after(slot)
            self._stopping.wait(_LOOK_EVERY_S)
        running = [slot.process for slot in self._slots if slot.process]
        for process in running:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in running:
            process.wait()

    def stop(self, _number: int = 0, _frame: FrameType | None = None) -> None:
        """Stop the processes in good order."""
        self._stopping.set()

    def _look_after(self, slot: _Slot) -> None:
        now = time.monotonic()
        if slot.process is not None:
            status = slot.process.poll()
            if status is None:
                return
            slot.failures = 0 if now - slot.started_at > HEALTHY_AFTER_S else slot.failures + 1
            slot.start_at = now + back_off_s(slot.failures, random.random())  # noqa: S311 - spreads restarts
            log.warning("worker_process_ended", pid=slot.process.pid, status=status, failures=slot.failures)
            slot.process = None
        if now >= slot.start_at:
            # A session of its own keeps the terminal's Ctrl-C away from it: to stop it is up to this process.
            slot.process = subprocess.Popen(self.command, start_new_session=True)  # noqa: S603 - our own module
            slot.started_at = now


def back_off_s(failures: int, chance: float) -> float:
    """Return how long to wait before a process that ended is started again; 0 after a healthy life."""
    if failures == 0:
        return 0.0
    ceiling: float = min(MAX_BACK_OFF_S, FIRST_BACK_OFF_S * 2 ** min(failures - 1, 10))
    return ceiling * (0.5 + chance / 2)
