"""Virtual time, and tasks that run one at a time: every switch between them is the scheduler's, none the system's.

A fiber is a thread that runs only while it holds the baton, so production code stays as it is, and equal
seeds give equal runs. Nothing here knows what the fibers do.
"""

from __future__ import annotations

import heapq
import itertools
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field

Act = Callable[[], None]

# No fiber computes so long between two switches, even on a slow machine; one that stands still counts as one look.
_STUCK_AFTER_LOOKS = 4
_LOOK_S = 1.0


class Killed(BaseException):
    """The fiber's process is dead; not an Exception, so that nothing in production code holds it up."""


class OutOfTime(Exception):
    """Too many events: something spins."""


class Stuck(Exception):
    """A fiber waits for something that is no fiber's: production code whose waiting nobody has replaced."""


@dataclass(eq=False, slots=True)
class Process:
    """What dies, and freezes, as one."""

    name: str
    fibers: set[Fiber] = field(default_factory=set)
    is_dead: bool = False
    frozen_until: float = 0.0


class Fiber:
    """One run of a function in a process."""

    __slots__ = ("_act", "_thread", "error", "is_done", "name", "process")

    def __init__(self, name: str, process: Process, act: Act) -> None:
        self.name = name
        self.process = process
        self.is_done = False
        self.error: BaseException | None = None
        self._act = act
        self._thread: _Thread | None = None


class _Thread:
    """A thread that runs one fiber after the other; starting a thread costs more than a whole task."""

    def __init__(self) -> None:
        self.go = threading.Lock()
        self.go.acquire()
        self.fiber: Fiber | None = None
        self.back: threading.Lock | None = None
        self._thread = threading.Thread(target=self._run, name="fiber", daemon=True)
        self._thread.start()

    def stack(self) -> str:
        """Return where the thread is now."""
        frame = sys._current_frames().get(self._thread.ident)
        return "".join(traceback.format_stack(frame))

    def _run(self) -> None:
        while True:
            self.go.acquire()
            fiber, back = self.fiber, self.back
            try:
                if not fiber.process.is_dead:
                    fiber._act()
            except Killed:
                pass
            except BaseException as error:  # noqa: BLE001 - handed to the world, which fails the run
                fiber.error = error
            fiber.is_done = True
            self.fiber = None
            back.release()


_idle: list[_Thread] = []


class Scheduler:
    """Runs callbacks and fibers in the order of their times.

    Args:
        most_events: More than this many switches end the run with OutOfTime.
    """

    def __init__(self, most_events: int = 200_000) -> None:
        self.now = 0.0
        self.current: Fiber | None = None
        self._events: list[tuple[float, int, Act]] = []
        self._numbers = itertools.count()
        self._left = most_events
        self._main = threading.Lock()
        self._main.acquire()
        self._fibers: set[Fiber] = set()
        self._is_stuck = False

    def at(self, when: float, act: Act) -> None:
        """Run a callback at a time."""
        heapq.heappush(self._events, (max(when, self.now), next(self._numbers), act))

    def after(self, delay: float, act: Act) -> None:
        """Run a callback after a delay."""
        self.at(self.now + delay, act)

    def spawn(self, name: str, process: Process, act: Act) -> Fiber:
        """Start a fiber, which runs when the scheduler next gets the baton."""
        fiber = Fiber(name, process, act)
        process.fibers.add(fiber)
        self._fibers.add(fiber)
        self.at(self.now, lambda: self._resume(fiber))
        return fiber

    def pause(self, delay: float) -> None:
        """Let time pass in the current fiber, or be killed in it."""
        fiber = self.current
        assert fiber is not None
        self.check_alive()
        until = max(self.now + delay, fiber.process.frozen_until)
        self._spend()
        if not self._events or self._events[0][0] > until:
            self.now = until  # nobody else is due before
            return
        self.at(until, lambda: self._resume(fiber))
        thread = fiber._thread
        self._main.release()
        thread.go.acquire()
        self.check_alive()

    def check_alive(self) -> None:
        """Raise Killed in a fiber of a dead process."""
        if self.current is not None and self.current.process.is_dead:
            raise Killed

    def kill(self, process: Process) -> None:
        """Let a process die: its fibers unwind at once, and reach nothing while they do."""
        process.is_dead = True
        process.frozen_until = 0.0
        for fiber in sorted(process.fibers, key=lambda one: one.name):
            if fiber is not self.current:
                self.at(self.now, lambda fiber=fiber: self._resume(fiber))

    def run(self, until: Callable[[], bool], deadline: float) -> bool:
        """Run until the condition holds, and return whether it did before the deadline."""
        while not until():
            if not self._events or self._events[0][0] > deadline:
                return False
            self._spend()
            self.now, _, act = heapq.heappop(self._events)
            act()
        return True

    def close(self) -> None:
        """Unwind every fiber that is left; none of a run that got stuck, where the baton is lost."""
        if self._is_stuck:
            return
        for fiber in sorted(self._fibers, key=lambda one: one.name):
            fiber.process.is_dead = True
            self._resume(fiber)

    def _spend(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise OutOfTime(f"too many events by {self.now:.1f} s")

    def _resume(self, fiber: Fiber) -> None:
        if fiber.is_done:
            return
        if fiber.process.frozen_until > self.now:
            self.at(fiber.process.frozen_until, lambda: self._resume(fiber))
            return
        if fiber._thread is None:
            fiber._thread = _idle.pop() if _idle else _Thread()
            fiber._thread.fiber, fiber._thread.back = fiber, self._main
        thread = fiber._thread
        self.current = fiber
        thread.go.release()
        if not any(self._main.acquire(timeout=_LOOK_S) for _ in range(_STUCK_AFTER_LOOKS)):
            self._is_stuck = True
            raise Stuck(f"{fiber.name} does not come back:\n{thread.stack()}")
        self.current = None
        if fiber.is_done:
            self._fibers.discard(fiber)
            fiber.process.fibers.discard(fiber)
            _idle.append(thread)
            if fiber.error is not None:
                raise fiber.error


class FiberLock:
    """A lock between fibers, for production code that calls a port while it holds one."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._is_held = False

    def __enter__(self) -> None:
        while self._is_held:
            self._scheduler.pause(0.005)
        self._is_held = True

    def __exit__(self, *_: object) -> None:
        self._is_held = False


class FiberCondition(FiberLock):
    """A condition between fibers; whoever waits looks again every few milliseconds."""

    def wait_for(self, holds: Callable[[], bool]) -> bool:
        """Return when it holds; the lock is free meanwhile."""
        while not holds():
            self._is_held = False
            self._scheduler.pause(0.01)
            self.__enter__()
        return True

    def notify(self) -> None:
        """Do nothing: everyone looks for themselves."""


class FiberEvent:
    """An event that one fiber sets and others wait for."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._is_set = False

    def is_set(self) -> bool:
        """Return whether it was set."""
        return self._is_set

    def set(self) -> None:
        """Set it."""
        self._is_set = True

    def wait(self, timeout: float) -> None:
        """Let the time pass."""
        self._scheduler.pause(timeout)


class FiberThread:
    """A thread of production code that becomes a fiber, in the process of whoever starts it."""

    def __init__(self, scheduler: Scheduler, target: Act, name: str) -> None:
        self._scheduler = scheduler
        self._target = target
        self._name = name

    def start(self) -> None:
        """Start it."""
        process = self._scheduler.current.process
        self._scheduler.spawn(f"{process.name}:{self._name}", process, self._target)
