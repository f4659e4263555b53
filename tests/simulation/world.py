"""A fleet in one thread: production's tasks and steps on the in-memory twins, in virtual time.

Every call of a step into the ledger, the live state, a store or the broker comes through ``World.call``,
where time passes, others run, and whatever the seed wants goes wrong. Nothing in production code is
replaced but clocks, locks and sizes.
"""

from __future__ import annotations

import random
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from types import SimpleNamespace
from typing import TypeVar
from unittest.mock import patch

from awcopy.errors import AwcopyError
from awcopy.ledger.memory import MemoryLedger
from awcopy.live.memory import MemoryLive
from awcopy.model.job import Job, JobId, JobState
from awcopy.model.outcome import Outcome, Result
from awcopy.planning.naming import blob_name
from tests.simulation.broker import Broker, BrokerAway, Message
from tests.simulation.faults import Call, Fate, Weather, draw_fate, lost_answer, refusal
from tests.simulation.fibers import (
    Fiber,
    FiberCondition,
    FiberEvent,
    FiberLock,
    FiberThread,
    Process,
    Scheduler,
)
from tests.simulation.user import User
from tests.simulation.worker import LEASE_S, Worker
from tests.simulation.workload import BLOCK_BYTES, EPOCH, LARGE_FILE_BYTES, Workload

T = TypeVar("T")

_THERE = {Result.COPIED, Result.SKIPPED}
LATE_S = 20.0  # the ledger's and the stores' clients wait no longer
TRACE_LINES = 3000


@dataclass(frozen=True)
class Deletion:
    """One object that the job has deleted at the source."""

    etag: str
    is_late: bool  # its worker stood still at the very request


class World:
    """One run.

    Args:
        seed: Decides everything that ``script`` does not.
        load: What is to be copied.
        weather: What goes wrong by chance.
        script: What goes wrong at which call, in place of chance.
        processes: Worker processes.
        slots: Tasks that one of them runs at once.
    """

    def __init__(
        self,
        seed: int,
        load: Workload,
        weather: Weather,
        *,
        script: Callable[[Call], Fate | None] | None = None,
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
        self.is_redis_away = False
        self.is_ledger_away = False
        self.is_store_away = False
        self.late_writes: set[str] = set()  # ETags of blobs by workers that stood still at the very request
        self.requests_begun: dict[Fiber, float] = {}  # that are not sent yet
        self.deletions: dict[str, Deletion] = {}  # by the job, the last one of each key
        self.surprises: list[str] = []  # errors that production code should not have met
        self.watchers: list[Callable[[], None]] = []
        self.choose_deliveries: Callable[[Message], list[float]] = self._draw_deliveries
        self.ledger = MemoryLedger(self.clock)
        self.live = MemoryLive(lambda: self.scheduler.now)
        self.broker = Broker(self)
        self.script = script
        self.workers = [Worker(self, f"w{number}", slots) for number in range(processes)]
        self.workers.append(Worker(self, "beat", 0))
        self.job_id = JobId("job0")
        self.outside = Process("outside")  # neither dies nor freezes: the command line

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
        if self.is_calm or self.script:
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
        self,
        port: str,
        op: str,
        effect: Callable[[], T],
        *,
        writes: bool = False,
        spoil: Callable[[], None] | None = None,
    ) -> T:
        """Let time pass, make the call, and let go wrong what is to; ``spoil`` flips a bit of the result."""
        fiber = self.scheduler.current
        if fiber is None:
            return effect()
        # A request to a store begins with the question how many may be under way.
        self.requests_begun[fiber] = self.requests_begun.get(fiber, self.scheduler.now)
        if op != "shared_limit":
            del self.requests_begun[fiber]
        self.scheduler.pause(self._latency(port))
        call = Call(number=self.calls, port=port, op=op, task=self.scheduler.current.name, writes=writes)
        self.calls += 1
        fate = self._fate(call)
        if fate:
            self.say(f"{fate.name} at {port}.{op}")
            self._strike_before(fate)
        self._refuse(call, fate)
        try:
            result = effect()
        except AwcopyError as error:
            self.say(f"{port}.{op} -> {type(error).__name__}")
            raise
        if writes:
            self.watch()
        if fate is Fate.FLIPPED and spoil:
            spoil()
        if fate is Fate.UNANSWERED and port == "broker":
            return effect()  # kombu sends it again
        if fate:
            self._strike_after(call, fate)
        return result

    def watch(self) -> None:
        """Let whoever watches look at what is now."""
        for watch in self.watchers:
            watch()

    def items_at_work(self) -> set[int]:
        """Return the numbers of the items on which a worker is."""
        return {number for worker in self.workers for number in worker.at_work}

    def _strike_before(self, fate: Fate) -> None:
        process = self.scheduler.current.process
        if fate is Fate.CRASH_BEFORE:
            self.crash(process)
        elif fate is Fate.FREEZE_BEFORE:
            self.freeze(process, self._draw_freeze())
        elif fate is Fate.FREEZE_LONG:
            self.freeze(process, LEASE_S * 20)

    def _strike_after(self, call: Call, fate: Fate) -> None:
        process = self.scheduler.current.process
        if fate is Fate.CRASH_AFTER:
            self.crash(process)
        elif fate is Fate.FREEZE_AFTER:
            self.freeze(process, self._draw_freeze())
        elif fate is Fate.LATE:
            self.scheduler.pause(self.rng.random() * LATE_S)
        elif fate is Fate.UNANSWERED:
            raise lost_answer(call)

    def _draw_freeze(self) -> float:
        return LEASE_S * self.rng.choice((0.2, 1.5, 4.0)) * (0.5 + self.rng.random())

    def _fate(self, call: Call) -> Fate | None:
        if self.scheduler.current.process is self.outside:
            return None
        if self.script:
            fate = self.script(call)
        elif self.is_calm:
            return None
        else:
            fate = draw_fate(self.weather, call, self.rng)
        self.faults += fate is not None
        return fate

    def _refuse(self, call: Call, fate: Fate | None) -> None:
        away = {"live": self.is_redis_away, "ledger": self.is_ledger_away}.get(call.port, self.is_store_away)
        if call.port == "broker":
            return
        if away:
            self.scheduler.pause(4.0)
        if away or fate is Fate.REFUSED:
            raise refusal(call, self.rng)

    def note_deletion(self, key: str, etag: str, *, is_late: bool) -> None:
        """Keep that the job has deleted an object, and that this was wrong if its copy is not proved."""
        self.deletions[key] = Deletion(etag, is_late)
        proved = [one for one in self.outcomes() if one.key == key and one.result in _THERE]
        if not any(one.etag == etag for one in proved):
            self.surprises.append(f"{key} was deleted before a copy of {etag} was recorded")
        wanted = next(version.content for version in self.load.versions[key] if version.etag == etag)
        blob = self.load.sink.blobs.get(blob_name(self.load.spec, key))
        is_others = any(blob is other for other in self.load.others)  # written since the last look
        if not is_others and (blob is None or blob.content != wanted):
            self.surprises.append(f"{key} was deleted, and its blob is not a copy of it")

    def outcomes(self) -> Iterator[Outcome]:
        """Yield every outcome that the ledger holds as true now."""
        for item in self.ledger._contents[self.job_id].items.values():
            if item.outcome_fence:
                yield from self.ledger.read_outcomes(self.job_id, item.number, item.outcome_fence)

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
        self.workers[number].prepare()
        self.workers[number].start()

    def freeze(self, process: Process, seconds: float) -> None:
        """Let a process stand still, with all its threads."""
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
        repeat(weather.sink_changes_every_s, lambda: self.say(self.load.write_over(self.rng)))
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
                    # A command that was slow may have begun the job once more.
                    self.scheduler.run(
                        lambda: is_over() or (self._is_quiet() and self._job().has_ended),
                        self.scheduler.now + 2000,
                    )
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
        self.scheduler.spawn("user", self.outside, User(self, self.weather.user_acts_every_s).run)

    def _job(self) -> Job:
        return self.ledger.get_job(self.job_id)

    def _is_quiet(self) -> bool:
        frozen = any(worker.process.frozen_until > self.scheduler.now for worker in self.workers)
        return not frozen and self.broker.is_idle

    @contextmanager
    def _patched(self) -> Iterator[None]:
        """Replace clocks, locks, threads, logs and sizes in production code."""
        scheduler = self.scheduler
        clock = SimpleNamespace(monotonic=lambda: scheduler.now, sleep=scheduler.pause)
        threads = SimpleNamespace(
            Lock=lambda: FiberLock(scheduler),
            Condition=lambda: FiberCondition(scheduler),
            Event=lambda: FiberEvent(scheduler),
            Thread=lambda **facts: FiberThread(scheduler, facts["target"], facts["name"]),
        )
        replaced = {
            "awcopy.planning.blocks.LARGE_FILE_BYTES": LARGE_FILE_BYTES,
            "awcopy.steps.list_objects.LARGE_FILE_BYTES": LARGE_FILE_BYTES,
            "awcopy.steps.list_objects.EXTEND_LIMIT": 5,
            "awcopy.steps.copy_blocks.EXTEND_LIMIT": 2,
            "awcopy.steps.list_objects.PAGES_PER_TURN": 3,
            "awcopy.steps.list_objects.PAGES_AT_ONCE": 2,
            "awcopy.steps.list_objects.PAGES_PER_SPLIT": 1,
            "awcopy.steps.lease.time": clock,
            "awcopy.steps.lease.threading": threads,
            "awcopy.planning.blocks.RUN_BYTES": 2 * BLOCK_BYTES,
            "awcopy.planning.route.SMALLEST_BYTES": BLOCK_BYTES,
            "awcopy.transfer.breaker.threading": threads,
            "awcopy.transfer.limiter.threading": threads,
            "awcopy.transfer.limiter.Limiter.__init__.__defaults__": (clock.monotonic,),
            "workers.housekeeping.time": clock,
            "workers.housekeeping.threading": threads,
            "workers.housekeeping.Stopping": threads.Event,
            "workers.housekeeping.memory_bytes": lambda: 0,
            "workers.messages.publish_generation": lambda _, generation: self.broker.start_generation(
                generation
            ),
        }
        for name, module in sorted(sys.modules.items()):
            if name.startswith(("awcopy.", "workers.")) and hasattr(module, "log"):
                replaced[f"{name}.log"] = _Ear(self)
            if name.startswith(("awcopy.steps.", "awcopy.jobs.", "awcopy.model.job")) and hasattr(
                module, "datetime"
            ):
                replaced[f"{name}.datetime"] = _calendar(self)
        with ExitStack() as stack:
            for name, value in replaced.items():
                stack.enter_context(patch(name, value))
            timed = {"monotonic": clock.monotonic}
            stack.enter_context(patch.dict("awcopy.steps.lease.Lease.__init__.__kwdefaults__", timed))
            for worker in self.workers:
                worker.prepare()
            yield


def _calendar(world: World) -> type[datetime]:
    class Calendar(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return world.clock().astimezone(tz)

    return Calendar


class _Ear:
    """Stands in for a logger: what production code says goes into the trace."""

    def __init__(self, world: World) -> None:
        self._world = world

    def __getattr__(self, level: str) -> Callable[..., None]:
        return self._hear if level != "exception" else self._hear_exception

    def _hear(self, event: str, **facts: object) -> None:
        self._world.say(f"log {event} " + " ".join(f"{name}={fact}" for name, fact in facts.items()))

    def _hear_exception(self, event: str, **facts: object) -> None:
        self._hear(event, **facts)
        error = sys.exc_info()[1]
        if not isinstance(error, BrokerAway):
            self._world.surprises.append(f"{event}: {error!r}")
