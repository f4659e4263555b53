"""Child processes of this one: started in a session of their own, waited for, and always ended.

Owns starting, readiness, logs and the end of one process. Does not know what the process serves.
A child ends with `ChildProcess.stop` or ``kill``, at this interpreter's exit, and, on Linux, when this
process dies in any other way. Only process ids that were started here are ever signalled.
"""

from __future__ import annotations

import atexit
import functools
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from awcopy.demo import leash, ports
from awcopy.errors import ServiceUnreachable

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 10.0
POLL_S = 0.05
PORT_RACES = 5
LOG_LINES = 15
LOST_RACE = ("already in use", "is not available", "eaddrinuse")


def always() -> bool:
    """Return True: the readiness test of a process that is ready once it listens."""
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What to run, and how to know that it serves.

    Attributes:
        name: Names the log, ``FOLDER/NAME.log``, and the errors.
        command: Absolute path of a program, then its arguments.
        folder: Working folder; made when missing.
        ports: Loopback ports that the process itself must listen on before it counts as ready.
        is_ready: Asked after that, repeatedly; an OSError means no.
        environment: The whole environment, or None for this process's own.
        leftovers: Files outside the folder that the program leaves behind; removed once it has ended.
    """

    name: str
    command: Sequence[str | Path]
    folder: Path
    ports: Sequence[int] = ()
    is_ready: Callable[[], bool] = always
    environment: Mapping[str, str] | None = field(default=None, repr=False)
    leftovers: Sequence[Path] = ()


class ChildProcess:
    """One started program; every method may be called from any thread and more than once."""

    def __init__(self, launch: Launch) -> None:
        """Keep what to run; `start` runs it."""
        self.launch = launch
        self.log_path = launch.folder / f"{launch.name}.log"
        self._owner_pid = os.getpid()
        self._popen: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Process id of the latest start; 0 before the first."""
        return self._popen.pid if self._popen else 0

    @property
    def is_running(self) -> bool:
        """Whether the process has been started and has not ended."""
        return self._popen is not None and self._popen.poll() is None

    @property
    def exit_code(self) -> int | None:
        """Exit code, minus the signal that ended it, or None while it runs."""
        return self._popen.poll() if self._popen else None

    def start(self, *, timeout_s: float = START_TIMEOUT_S) -> None:
        """Run the program and wait until it is ready.

        Raises:
            ServiceUnreachable: It ended, or was not ready in time; it is killed then, and the error
                ends with the last lines of its log.
        """
        self.launch.folder.mkdir(parents=True, exist_ok=True)
        self._popen = _starter().submit(lambda: _spawn(self.launch, self.log_path))
        _RUNNING.add(self)
        try:
            self._wait_until_ready(timeout_s)
        except BaseException:
            self.kill()
            raise

    def stop(self, *, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """Ask the process to end (SIGTERM) and wait; kill it when it takes longer than ``timeout_s``."""
        self._end(signal.SIGTERM, timeout_s)

    def kill(self) -> None:
        """End the process at once (SIGKILL) and wait until it is gone."""
        self._end(signal.SIGKILL, STOP_TIMEOUT_S)

    def restart(self, *, timeout_s: float = START_TIMEOUT_S) -> None:
        """Stop the process if it runs, then start the same command again on the same ports."""
        self.stop()
        self.start(timeout_s=timeout_s)

    def log_tail(self, lines: int = LOG_LINES) -> str:
        """Return the last lines of the process's output."""
        if not self.log_path.exists():
            return ""
        return "\n".join(self.log_path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])

    def _end(self, signal_number: signal.Signals, timeout_s: float) -> None:
        # A forked copy of this object must not end its parent's child.
        if self._popen is None or os.getpid() != self._owner_pid:
            return
        self._popen.send_signal(signal_number)
        try:
            self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait(timeout_s)
        _RUNNING.discard(self)
        for path in self.launch.leftovers:
            path.unlink(missing_ok=True)

    def _wait_until_ready(self, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while not self._serves():
            if not self.is_running:
                self._fail(f"{self.launch.name} ended with exit code {self.exit_code} before it was ready")
            if time.monotonic() > deadline:
                self._fail(f"{self.launch.name} was not ready after {timeout_s:.0f} s")
            time.sleep(POLL_S)

    def _serves(self) -> bool:
        try:
            return (
                all(ports.is_listening(port, pid=self.pid) for port in self.launch.ports)
                and self.launch.is_ready()
            )
        except OSError:
            return False

    def _fail(self, what: str) -> None:
        message = f"{what}; the last lines of {self.log_path}:\n{self.log_tail()}"
        raise ServiceUnreachable(message)


def start_on_free_ports(
    pick: Callable[[], Sequence[int]],
    plan: Callable[[Sequence[int]], Launch],
) -> ChildProcess:
    """Return a started, ready process on ports that were free; tries others when a port was lost to a race.

    Args:
        pick: Returns the ports to try.
        plan: Returns what to run on those ports.

    Raises:
        ServiceUnreachable: It does not start, or lost the race for a port 5 times.
    """
    for _ in range(PORT_RACES - 1):
        child = _with_new_log(plan(pick()))
        try:
            child.start()
        except ServiceUnreachable:
            if not _lost_race(child):
                raise
        else:
            return child
    child = _with_new_log(plan(pick()))
    child.start()
    return child


def _with_new_log(launch: Launch) -> ChildProcess:
    child = ChildProcess(launch)
    child.log_path.unlink(missing_ok=True)
    return child


def _lost_race(child: ChildProcess) -> bool:
    log = child.log_tail().lower()
    return any(words in log for words in LOST_RACE)


def stop_all(children: Sequence[ChildProcess], *, timeout_s: float = STOP_TIMEOUT_S) -> None:
    """Stop all of them at the same time; returns when none runs."""
    if children:
        with ThreadPoolExecutor(len(children)) as pool:
            list(pool.map(lambda child: child.stop(timeout_s=timeout_s), children))


def _spawn(launch: Launch, log_path: Path) -> subprocess.Popen[bytes]:
    # -I and -S: the leash needs nothing but the standard library, and starts in half the time.
    tied = [sys.executable, "-I", "-S", leash.__file__, str(os.getpid())]
    with log_path.open("ab") as log:
        return subprocess.Popen(  # noqa: S603 - a list built here, no shell
            [*tied, *map(str, launch.command)],
            cwd=launch.folder,
            env=launch.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


Spawn = Callable[[], subprocess.Popen[bytes]]


class _Starter:
    """One thread that starts all children, because Linux kills a tied child when its starting thread ends."""

    def __init__(self) -> None:
        self._work: queue.SimpleQueue[tuple[Spawn, Future[subprocess.Popen[bytes]]]] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="process-starter", daemon=True).start()

    def submit(self, work: Spawn) -> subprocess.Popen[bytes]:
        started: Future[subprocess.Popen[bytes]] = Future()
        self._work.put((work, started))
        return started.result()

    def _run(self) -> None:
        while True:
            work, started = self._work.get()
            try:
                started.set_result(work())
            except OSError as exc:
                started.set_exception(exc)


@functools.cache
def _starter_of(_pid: int) -> _Starter:
    return _Starter()


def _starter() -> _Starter:
    # A forked process has none of its parent's threads, so it gets a starter of its own.
    return _starter_of(os.getpid())


_RUNNING: weakref.WeakSet[ChildProcess] = weakref.WeakSet()


@atexit.register
def _stop_what_is_left() -> None:
    for child in list(_RUNNING):
        child.kill()
