"""Virtual time, and tasks that run one at a time: every switch between them is the scheduler's, none the system's.

A fiber is a greenlet, so production code stays as it is, and equal seeds give equal runs. Nothing here knows what
the fibers do.
"""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from greenlet import getcurrent, greenlet

Act = Callable[[], None]

# A fiber computes for milliseconds between two switches, also on a slow machine.
_STUCK_AFTER_S = 4.0


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

    __slots__ = ("_act", "greenlet", "name", "process")

    def __init__(self, name: str, process: Process, act: Act, home: greenlet) -> None:
        self.name = name
        self.process = process
        self.greenlet = greenlet(self._run, home)
        self._act = act

    @property
    def is_done(self) -> bool:
        """Whether it has come to its end."""
        return self.greenlet.dead

    def _run(self) -> None:
        with suppress(Killed):
            if not self.process.is_dead:
                self._act()


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
        self._fibers: set[Fiber] = set()
        self._home = getcurrent()

    def at(self, when: float, act: Act) -> None:
        """Run a callback at a time."""
        heapq.heappush(self._events, (max(when, self.now), next(self._numbers), act))

    def after(self, delay: float, act: Act) -> None:
        """Run a callback after a delay."""
        self.at(self.now + delay, act)

    def spawn(self, name: str, process: Process, act: Act) -> Fiber:
        """Start a fiber, which runs when the scheduler next gets its turn."""
        fiber = Fiber(name, process, act, self._home)
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
        self._home.switch()
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
        """Unwind every fiber that is left."""
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
        self.current, since = fiber, time.monotonic()
        try:
            fiber.greenlet.switch()
        finally:
            self.current = None
            if fiber.is_done:
                self._fibers.discard(fiber)
                fiber.process.fibers.discard(fiber)
        if time.monotonic() - since > _STUCK_AFTER_S:
            raise Stuck(f"{fiber.name} was away for {time.monotonic() - since:.1f} s of real time")


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
