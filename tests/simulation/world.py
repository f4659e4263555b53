"""A fleet in one thread: production's tasks and steps on the in-memory twins, in virtual time.

Every call of a step into the ledger, the live state, a store or the broker comes through ``World.call``,
where time passes, others run, and whatever the seed wants goes wrong. Nothing in production code is
replaced but clocks, locks and sizes.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MethodType, SimpleNamespace
from typing import Any, TypeVar
from unittest.mock import patch

from celery import Celery

from awcopy.errors import AwcopyError, Conflict, ServiceUnreachable
from awcopy.jobs.fleet import Fleet
from awcopy.ledger.memory import MemoryLedger
from awcopy.live.memory import MemoryLive
from awcopy.model.items import ItemState
from awcopy.model.job import Job, JobId, JobState
from awcopy.steps.context import StepContext
from awcopy.steps.lease import LeaseKeeper
from awcopy.steps.reconcile import reconcile
from tests.simulation.broker import Broker, BrokerAway, Message
from tests.simulation.faults import Call, Fate, Weather, draw_fate, lost_answer, refusal
from tests.simulation.fibers import FiberCondition, FiberLock, Killed, Process, Scheduler
from tests.simulation.workload import BLOCK_BYTES, EPOCH, LARGE_FILE_BYTES, Workload
from workers import messages
from workers.tasks import StepTask

T = TypeVar("T")

LEASE_S = 60.0
RECONCILE_S = 15.0
LATE_S = 20.0  # the ledger's and the stores' clients wait no longer
TRACE_LINES = 3000
_WRITES = {
    "ledger": ("add", "update", "extend", "write", "delete"),
    "live": ("push", "pop", "pass", "begin", "once", "add", "share", "beat", "forget"),
    "source": (),
    "sink": ("put", "stage", "commit", "create"),
}

_app = Celery("simulation", set_as_current=False, broker="memory://")
_app.finalize()


class World:
    """One run.

    Args:
        seed: Decides everything that ``fates`` does not.
        load: What is to be copied.
        weather: What goes wrong by chance.
        fates: What goes wrong at which call, in place of chance.
        processes: Worker processes.
        slots: Tasks that one of them runs at once.
    """

    def __init__(
        self,
        seed: int,
        load: Workload,
        weather: Weather,
        *,
        fates: Callable[[Call], Fate | None] | None = None,
        processes: int = 2,
        slots: int = 1,
    ) -> None:
        self.rng = random.Random(seed)
        self.load = load
        self.weather = weather
        self.scheduler = Scheduler()
        self.trace: deque[str] = deque(maxlen=TRACE_LINES)
        self.calls = 0
        self.faults = 0
        self.counts: dict[Fate, int] = {}
        self.is_redis_away = False
        self.is_ledger_away = False
        self.is_store_away = False
        self.surprises: list[str] = []  # errors that production code should not have met
        self.tolerated: list[str] = []
        self.watchers: list[Callable[[], None]] = []
        self.choose_deliveries: Callable[[Message], list[float]] = self._draw_deliveries
        self.ledger = MemoryLedger(self.clock)
        self.live = MemoryLive(lambda: self.scheduler.now)
        self.broker = Broker(self)
        self._fates = fates
        self.workers = [Worker(self, f"w{number}", slots) for number in range(processes)]
        self.job_id = JobId("job0")
        self.job_states: list[JobState] = []

    # --- time and chance ---

    def clock(self) -> datetime:
        """Return the time of day."""
        return EPOCH + timedelta(seconds=self.scheduler.now)

    @property
    def is_calm(self) -> bool:
        """Whether nothing goes wrong any more."""
        return self.scheduler.now >= self.weather.calm_at_s

    def say(self, text: str) -> None:
        """Keep a line for whoever has to find out what happened."""
        fiber = self.scheduler.current
        self.trace.append(f"{self.scheduler.now:9.3f} {fiber.name if fiber else '-':24} {text}")

    def choose_in_queue(self, length: int) -> int:
        """Return which message of the queue is taken."""
        if not self.is_calm and self.rng.random() < self.weather.message_jumps_queue:
            return self.rng.randrange(length)
        return 0

    def _draw_deliveries(self, message: Message) -> list[float]:
        if self.is_calm or self._fates:
            return [0.0]
        rng, weather = self.rng, self.weather
        if rng.random() < weather.message_lost:
            self.say(f"LOST {message.name} {message.kwargs}")
            return []
        delays = [0.0]
        if rng.random() < weather.message_late:
            delays = [rng.choice((0.5, 5.0, 100.0)) * rng.random()]
        if rng.random() < weather.message_doubled:
            self.say(f"DOUBLED {message.name} {message.kwargs}")
            delays.append(rng.choice((0.0, 5.0, 100.0)) * rng.random())
        return delays

    def _draw_redelivery(self, message: Message) -> float | None:
        kind = self.rng.random()
        if kind < 0.1:
            self.say(f"LOST with its worker: {message.name} {message.kwargs}")
            return None
        return self.rng.random() * 20 if kind < 0.6 else 900.0

    # --- the one way into the world ---

    def call(
        self, port: str, op: str, effect: Callable[[], T], *, writes: bool = False, spoil: Callable[[], None] | None = None
    ) -> T:
        """Let time pass, make the call, and let go wrong what is to."""
        if self.scheduler.current is None:
            return effect()
        self.scheduler.pause(self._latency(port))
        fiber = self.scheduler.current
        call = Call(number=self.calls, port=port, op=op, task=fiber.name, writes=writes)
        self.calls += 1
        fate = self._fate(call)
        if fate:
            self.say(f"{fate.name} at {port}.{op}")
        if fate is Fate.CRASH_BEFORE:
            self.crash(fiber.process)
        if fate is Fate.FREEZE_BEFORE:
            self.freeze(fiber.process)
        self._refuse(call, fate)
        try:
            result = effect()
        except AwcopyError as error:
            self.say(f"{port}.{op} -> {type(error).__name__}")
            raise
        if writes:
            for watch in self.watchers:
                watch()
        if fate is Fate.CRASH_AFTER:
            self.crash(fiber.process)
        if fate is Fate.FREEZE_AFTER:
            self.freeze(fiber.process)
        if fate is Fate.FLIPPED and spoil:
            spoil()
        if fate is Fate.LATE:
            self.scheduler.pause(self.rng.random() * LATE_S)
        if fate is Fate.UNANSWERED:
            raise lost_answer(call)
        return result

    def _fate(self, call: Call) -> Fate | None:
        if self._fates:
            fate = self._fates(call)
        elif self.is_calm or call.task in {"cli", "beat"}:
            return None
        else:
            fate = draw_fate(self.weather, call, self.rng)
        if fate:
            self.faults += 1
            self.counts[fate] = self.counts.get(fate, 0) + 1
        return fate

    def _refuse(self, call: Call, fate: Fate | None) -> None:
        away = {"live": self.is_redis_away, "ledger": self.is_ledger_away}.get(call.port, self.is_store_away)
        if call.port == "broker":
            return
        if away:
            self.scheduler.pause(4.0)
        if away or fate is Fate.REFUSED:
            raise refusal(call, self.rng)

    def _latency(self, port: str) -> float:
        mean = {"live": 0.002, "broker": 0.002, "ledger": 0.02}.get(port, 0.05)
        return self.rng.expovariate(1 / mean)

    # --- what happens to processes ---

    def crash(self, process: Process) -> None:
        """Kill a process; its supervisor starts another."""
        number = next(place for place, worker in enumerate(self.workers) if worker.process is process)
        self.say(f"CRASHED {process.name}")
        dead = self.workers[number]
        self.scheduler.kill(process)
        self.broker.lose_worker(dead, self._draw_redelivery)
        self.scheduler.after(1 + self.rng.random() * 9, lambda: self._start_again(number))
        self.scheduler.check_alive()

    def _start_again(self, number: int) -> None:
        old = self.workers[number]
        self.workers[number] = Worker(self, old.name, old.slots)
        self.workers[number].start()

    def freeze(self, process: Process) -> None:
        """Let a process stand still, with all its threads."""
        seconds = LEASE_S * self.rng.choice((0.2, 1.5, 4.0)) * (0.5 + self.rng.random())
        process.frozen_until = self.scheduler.now + seconds
        self.say(f"FROZEN {process.name} until {process.frozen_until:.1f}")
        self.scheduler.pause(0.0)
        self.say("THAWED")

    # --- what happens to services ---

    def flush_redis(self) -> None:
        """Let Redis forget everything."""
        self.say("FLUSHALL")
        self.faults += 1
        self.broker.flush()
        self.live = MemoryLive(lambda: self.scheduler.now)

    def _begin_weather(self) -> None:
        def repeat(every_s: float, act: Callable[[], None]) -> None:
            if not every_s:
                return

            def strike() -> None:
                if not self.is_calm:
                    act()
                    repeat(every_s, act)

            self.scheduler.after(self.rng.expovariate(1 / every_s), strike)

        weather = self.weather
        repeat(weather.flush_every_s, self.flush_redis)
        repeat(weather.redis_away_every_s, lambda: self._outage("is_redis_away"))
        repeat(weather.ledger_away_every_s, lambda: self._outage("is_ledger_away"))
        repeat(weather.store_away_every_s, lambda: self._outage("is_store_away"))
        repeat(weather.source_changes_every_s, lambda: self.say(self.load.change(self.rng, self.clock())))

    def _outage(self, flag: str) -> None:
        setattr(self, flag, True)
        self.faults += 1
        seconds = self.rng.choice((1.0, 10.0, 100.0)) * self.rng.random()
        self.say(f"{flag} for {seconds:.1f} s")

        def end() -> None:
            setattr(self, flag, False)
            self.broker.pump()

        self.scheduler.after(seconds, end)

    # --- a run ---

    def run(self, bound_s: float, is_over: Callable[[], bool] = lambda: False) -> bool:
        """Submit the job and run until it has ended and nothing moves; False if not within the bound."""
        with self._patched():
            self._start()
            calm = max(self.weather.calm_at_s, 0.0)
            try:
                has_ended = self.scheduler.run(
                    lambda: is_over() or (self.is_calm and self._job().has_ended), calm + bound_s
                )
                if has_ended:
                    self.scheduler.run(lambda: is_over() or self._is_quiet(), self.scheduler.now + 2000)
            finally:
                self.scheduler.close()
        return has_ended

    def _start(self) -> None:
        now = self.clock()
        job = Job(
            id=self.job_id, name="sim", user="u", spec=self.load.spec, state=JobState.QUEUED,
            created_at=now, changed_at=now, sealed="sealed",
        )  # fmt: skip
        self.ledger.add_job(job)
        for worker in self.workers:
            worker.start()
        self._begin_weather()
        # What is outside the fleet neither dies nor freezes here: the command line.
        outside = Process("outside")
        self.scheduler.spawn("cli", outside, lambda: self.broker.send(messages.DISPATCH, {"job": self.job_id}))

    def _job(self) -> Job:
        return self.ledger.get_job(self.job_id)

    def _is_quiet(self) -> bool:
        frozen = any(worker.process.frozen_until > self.scheduler.now for worker in self.workers)
        return not frozen and self.broker.is_idle

    @contextmanager
    def _patched(self) -> Iterator[None]:
        """Replace clocks, locks, threads and sizes in production code."""
        scheduler = self.scheduler
        clock = SimpleNamespace(monotonic=lambda: scheduler.now, sleep=scheduler.pause)
        threads = SimpleNamespace(
            Lock=lambda: FiberLock(scheduler),
            Condition=lambda: FiberCondition(scheduler),
            Thread=lambda **facts: _FiberThread(scheduler, facts["target"], facts["name"]),
        )
        sizes = {
            "awcopy.planning.blocks.LARGE_FILE_BYTES": LARGE_FILE_BYTES,
            "awcopy.steps.list_objects.LARGE_FILE_BYTES": LARGE_FILE_BYTES,
            "awcopy.steps.list_objects.EXTEND_LIMIT": 5,
            "awcopy.steps.copy_blocks.EXTEND_LIMIT": 2,
            "awcopy.steps.list_objects.PAGES_PER_TURN": 3,
            "awcopy.steps.lease.time": clock,
            "awcopy.steps.lease.threading": threads,
            "awcopy.transfer.limiter.threading": threads,
            "workers.messages.publish_generation": lambda _app, generation: self.broker.start_generation(generation),
        }
        patches = [patch(name, value) for name, value in sizes.items()]
        patches.append(patch.dict("awcopy.steps.lease.Lease.__init__.__kwdefaults__", monotonic=clock.monotonic))
        patches.append(patch("awcopy.transfer.limiter.Limiter.__init__.__defaults__", (clock.monotonic,)))
        for one in patches:
            one.start()
        try:
            yield
        finally:
            for one in reversed(patches):
                one.stop()


class _FiberThread:
    """A thread of production code that becomes a fiber of its process."""

    def __init__(self, scheduler: Scheduler, target: Callable[[], None], name: str) -> None:
        self._scheduler = scheduler
        self._target = target
        self._name = name

    def start(self) -> None:
        """Start it in the process of whoever calls."""
        process = self._scheduler.current.process
        self._scheduler.spawn(f"{process.name}:{self._name}", process, self._target)


@dataclass(eq=False)
class Worker:
    """One worker process: its slots, its housekeeper, and its surroundings."""

    world: World
    name: str
    slots: int

    def __post_init__(self) -> None:
        world = self.world
        self.process = Process(self.name)
        self.busy = 0
        self.held: dict[tuple[int, int], float] = {}  # items by number and fence
        self.ledger = Port(world, "ledger", lambda: world.ledger)
        self.live = Port(world, "live", lambda: world.live)
        self.app = SimpleNamespace(send_task=self._send_task)

    @property
    def is_idle(self) -> bool:
        """Whether it would take a message now."""
        alive = not self.process.is_dead and self.process.frozen_until <= self.world.scheduler.now
        return alive and self.busy < self.slots

    def start(self) -> None:
        """Begin to take messages and to look after the fleet."""
        world = self.world
        keeper = LeaseKeeper(self.ledger, LEASE_S)
        self.app.step_context = StepContext(
            fleet=Fleet(ledger=self.ledger, live=self.live),
            open_stores=lambda _job: (
                SourcePort(world, "source", lambda: world.load.source),
                Port(world, "sink", lambda: world.load.sink),
            ),
            lease_s=LEASE_S,
            connections=1,
            keep=keeper.keep,
            sleep=world.scheduler.pause,
            chance=world.rng.random,
        )
        world.scheduler.spawn(f"{self.name}:housekeeper", self.process, self._keep_house)
        world.broker.pump()

    def take(self, tag: int, message: Message) -> None:
        """Run a message's task in a slot of its own."""
        self.busy += 1
        name = f"{self.name}:{message.name.removeprefix('awcopy.')}#{message.id}"
        self.world.scheduler.spawn(name, self.process, lambda: self._run(tag, message))

    def _run(self, tag: int, message: Message) -> None:
        world = self.world
        task = _Task(self, message)
        try:
            world.say(f"begins {message.kwargs}")
            is_failure = self._run_task(task, message)
            if task.request.chord:
                world.broker.return_place(message, is_failure=is_failure)
            world.say("ends")
            world.broker.acknowledge(tag)
        except BrokerAway:
            world.say("Redis is away at the end of a task")
        finally:
            self.busy -= 1
            world.broker.pump()

    def _run_task(self, task: _Task, message: Message) -> bool:
        import json

        run = _app.tasks[message.name].run.__func__
        try:
            run(task, **json.loads(message.kwargs))
        except BrokerAway:
            self.world.say("FAILED: Redis is away")
            return True
        except AwcopyError as error:
            self.world.say(f"FAILED: {error!r}")
            if task.request.chord:
                self.world.surprises.append(f"{message.name} raised {error!r}, which breaks its chord")
            return True
        except Exception as error:  # whatever it is, it is a defect
            self.world.surprises.append(f"{message.name} raised {error!r}")
            return True
        return False

    def _keep_house(self) -> None:
        world, context = self.world, self.app.step_context
        while True:
            try:
                if context.fleet.live.once_every("reconcile", RECONCILE_S / 2):
                    messages.publish_repairs(self.app, reconcile(context))
            except (AwcopyError, BrokerAway) as error:
                world.say(f"reconcile failed: {error!r}")
            world.scheduler.pause(RECONCILE_S)

    def _send_task(self, name: str, *, kwargs: dict[str, Any], **facts: Any) -> None:
        part_of = facts.get("chord")
        self.world.broker.send(name, kwargs, part_of=part_of)


class _Task:
    """What a bound Celery task is to the production code of one run."""

    def __init__(self, worker: Worker, message: Message) -> None:
        self.app = worker.app
        self.context = worker.app.step_context
        self.request = SimpleNamespace(
            id=str(message.id),
            chord=message if message.chord else None,
            group=message.group,
            group_index=message.group_index,
        )

    def __getattr__(self, name: str) -> Any:
        return MethodType(getattr(StepTask, name), self)


class Port:
    """A twin behind the world: every method takes time and may go wrong."""

    def __init__(self, world: World, port: str, inner: Callable[[], Any]) -> None:
        self._world = world
        self._port = port
        self._inner = inner

    def __getattr__(self, op: str) -> Any:
        special = _SPECIAL.get(f"{self._port}.{op}")
        if special:
            return MethodType(special, self)
        writes = op.startswith(_WRITES[self._port])

        def method(*args: Any, **facts: Any) -> Any:
            return self._world.call(self._port, op, lambda: getattr(self._inner(), op)(*args, **facts), writes=writes)

        self.__dict__[op] = method
        return method


class SourcePort(Port):
    """A source behind the world: pages are small, and what is read may have a wrong bit."""

    def list_page(self, prefix: str, *, after: str = "", token: str = "", limit: int = 1000) -> Any:
        """List a page that is smaller than asked for."""
        limit = min(limit, self._world.load.page)
        return self._world.call(
            "source",
            "list_page",
            lambda: self._inner().list_page(prefix, after=after, token=token, limit=limit),
        )

    def read_object(self, obj: Any, into: memoryview) -> Any:
        """Read an object, perhaps wrongly."""
        return self._world.call(
            "source", "read_object", lambda: self._inner().read_object(obj, into), spoil=self._flip(obj, into)
        )

    def read_range(self, obj: Any, span: Any, into: memoryview) -> None:
        """Read a range, perhaps wrongly."""
        self._world.call(
            "source",
            "read_range",
            lambda: self._inner().read_range(obj, span, into),
            spoil=self._flip(obj, into),
        )

    def _flip(self, obj: Any, into: memoryview) -> Callable[[], None] | None:
        """Only what the source keeps a checksum of: nothing else could show it."""
        if not len(into) or not self._world.load.versions[obj.key][-1].has_crc64:
            return None

        def flip() -> None:
            place = self._world.rng.randrange(len(into))
            into[place] ^= 1 << self._world.rng.randrange(8)

        return flip


def _now(port: Port) -> datetime:
    return port._inner().now()


def _list_items(port: Port, job_id: JobId, *, states: Any = (), limit: int | None = None) -> Iterator[Any]:
    """Yield items page by page, each as it is when its page is read, as a table does."""
    after, left = 0, limit
    while left is None or left > 0:
        rows = port._world.call(
            "ledger",
            "list_items",
            lambda after=after: [
                item for item in port._inner().list_items(job_id, states=states) if item.number > after
            ][:4],
        )
        if not rows:
            return
        for item in rows:
            if left is not None:
                if left == 0:
                    return
                left -= 1
            yield item
        after = rows[-1].number


def _pop_ready(port: Port, job_id: JobId, *, timeout_s: float = 0.0) -> int | None:
    """Wait for a hint in virtual time."""
    scheduler = port._world.scheduler
    until = scheduler.now + timeout_s
    while True:
        number = port._world.call(
            "live", "pop_ready", lambda: port._inner().pop_ready(job_id, timeout_s=0.0), writes=True
        )
        if number is not None or scheduler.now >= until:
            return number
        scheduler.pause(min(0.5, max(until - scheduler.now, 0.001)))


def _waiting_messages(port: Port) -> int:
    return port._world.call("live", "waiting_messages", lambda: len(port._world.broker.queue))


_SPECIAL = {
    "ledger.now": _now,
    "ledger.list_items": _list_items,
    "live.pop_ready": _pop_ready,
    "live.waiting_messages": _waiting_messages,
}
