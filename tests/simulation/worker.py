"""One simulated worker process: production's tasks, housekeeper and leases, and slots to run messages in."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from types import MethodType, SimpleNamespace
from typing import TYPE_CHECKING, Any

from celery import Celery

from awcopy.errors import AwcopyError
from awcopy.jobs.fleet import Fleet
from awcopy.steps.context import StepContext
from awcopy.steps.lease import LeaseKeeper
from tests.simulation.broker import BrokerAway
from tests.simulation.fibers import Process
from tests.simulation.ports import Port, SinkPort, SourcePort
from workers.housekeeping import Housekeeper
from workers.tasks import StepTask

if TYPE_CHECKING:
    from collections.abc import Iterator

    from awcopy.steps.lease import Lease
    from tests.simulation.broker import Message
    from tests.simulation.world import World

LEASE_S = 30.0
RECONCILE_S = 15.0

# Only for the functions of its tasks; it never runs.
_app = Celery("simulation", set_as_current=False, broker="memory://")
_app.finalize()


class _OrderedSet(dict[Any, None]):
    """A set that is gone through in the same order in every run; a set of objects goes by their addresses."""

    def add(self, one: Any) -> None:
        """Add it."""
        self[one] = None

    def discard(self, one: Any) -> None:
        """Remove it."""
        self.pop(one, None)


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
        self.ledger = Port(world, "ledger", lambda: world.ledger)
        self.live = Port(world, "live", lambda: world.live)
        self.app = SimpleNamespace(send_task=self._send_task)

    @property
    def is_idle(self) -> bool:
        """Whether it would take a message now."""
        alive = not self.process.is_dead and self.process.frozen_until <= self.world.scheduler.now
        return alive and self.busy < self.slots

    def prepare(self) -> None:
        """Make what a process makes when it starts."""
        world = self.world
        self._keeper = LeaseKeeper(self.ledger, LEASE_S)
        self._keeper._held = _OrderedSet()
        self.at_work: list[int] = []
        self.app.step_context = StepContext(
            fleet=Fleet(ledger=self.ledger, live=self.live, clock=lambda: world.scheduler.now),
            open_stores=lambda _job: (
                SourcePort(world, "source", lambda: world.load.source),
                SinkPort(world, "sink", lambda: world.load.sink),
            ),
            lease_s=LEASE_S,
            connections=1,
            keep=self._keep,
            sleep=world.scheduler.pause,
            chance=world.rng.random,
        )
        self._housekeeper = Housekeeper(
            self.app, self.app.step_context, RECONCILE_S, slots=self.slots, name=self.name
        )

    @contextmanager
    def _keep(self, lease: Lease) -> Iterator[None]:
        """Keep a lease, and let the checker see that its item is worked on."""
        number = lease.item.number
        with self._keeper.keep(lease):
            self.at_work.append(number)
            self.world.watch()
            try:
                yield
            finally:
                self.at_work.remove(number)

    def start(self) -> None:
        """Begin to take messages and to look after the fleet."""
        world = self.world
        world.scheduler.spawn(f"{self.name}:housekeeper", self.process, self._housekeeper.run)
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
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a defect
            self.world.surprises.append(f"{message.name} raised {error!r}")
            return True
        return False

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
