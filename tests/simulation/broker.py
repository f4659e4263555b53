"""Redis as a Celery broker and chord backend, with what it does when processes die or it is emptied itself.

It imitates Celery 5.7: late acknowledgement, redelivery after the visibility timeout, messages lost between
pop and ``unacked``, and the chord's counter, which counts each task id once and is lost with Redis.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from awcopy.config import Settings
from workers import messages

if TYPE_CHECKING:
    from awcopy.steps.dispatch import Generation
    from tests.simulation.world import Worker, World

PUBLISH_PATIENCE_S = 30.0  # as task_publish_retry_policy: ten tries, at most 5 s apart


class BrokerAway(Exception):
    """Redis did not take a message in time; kombu's OperationalError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One task in the queue. A redelivery has the same id."""

    id: int
    name: str
    kwargs: str  # JSON, as on the wire
    chord: str = ""  # the body's arguments; empty: the task is in no chord
    group: int = 0
    group_index: int = 0


@dataclass(slots=True)
class Chord:
    """The counter of one chord."""

    size: int | None = None  # not known before the whole header is published
    returned: set[tuple[int, int]] = field(default_factory=set)
    has_failed: bool = False


class Broker:
    """The queue, what was taken from it and not acknowledged, and the chords."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._ids = itertools.count(1)
        self.queue: list[Message] = []
        self.under_way: dict[int, tuple[Message, Worker]] = {}
        self.late = 0  # messages that are published and not yet to be seen
        self._tags = itertools.count(1)
        self._chords: dict[int, Chord] = {}
        self._fired: set[int] = set()
        self._epoch = 0
        self._is_pumping = False

    @property
    def is_idle(self) -> bool:
        """Whether no message is anywhere."""
        return not (self.queue or self.under_way or self.late)

    def send(self, name: str, kwargs: dict[str, Any], *, part_of: Message | None = None) -> Message:
        """Publish a task, in the place of another in its chord if one is given."""
        message = Message(id=next(self._ids), name=name, kwargs=json.dumps(kwargs))
        if part_of is not None and part_of.chord:
            message = replace(
                message, chord=part_of.chord, group=part_of.group, group_index=part_of.group_index
            )
        self.publish(message)
        return message

    def publish(self, message: Message) -> None:
        """Put a message into the queue; patient while Redis is away.

        Raises:
            BrokerAway: It stayed away.
        """
        world = self._world
        begun = world.scheduler.now
        while world.is_redis_away:
            if world.scheduler.now - begun > PUBLISH_PATIENCE_S:
                raise BrokerAway
            world.scheduler.pause(2.0)
        world.call("broker", f"publish {message.name}", lambda: self._arrive(message), writes=True)

    def _arrive(self, message: Message) -> None:
        world = self._world
        for delay in world.choose_deliveries(message):
            self.late += 1
            world.scheduler.after(delay, lambda epoch=self._epoch: self._enqueue(message, epoch))

    def _enqueue(self, message: Message, epoch: int) -> None:
        self.late -= 1
        if epoch == self._epoch:
            self.queue.append(message)
            self.pump()

    def start_generation(self, generation: Generation) -> None:
        """Publish a chord of agents; its size is written just before the last of its header."""
        group = next(self._ids)
        turns = generation.turns()
        body = json.dumps({"job": generation.job_id, "generation": generation.number})
        for index, turn in enumerate(turns):
            if index == len(turns) - 1:
                self._world.call(
                    "broker", "set_chord_size", lambda: self._set_size(group, len(turns)), writes=True
                )
            head = Message(id=0, name="", kwargs="", chord=body, group=group, group_index=index)
            self.send(messages.turn_task(turn), messages.turn_message(turn), part_of=head)

    def _set_size(self, group: int, size: int) -> None:
        self._chords.setdefault(group, Chord()).size = size

    def pump(self) -> None:
        """Hand messages to idle workers, as soon as it is the scheduler's turn."""
        if not self._is_pumping:
            self._is_pumping = True
            self._world.scheduler.after(0.001, self._hand_out)

    def _hand_out(self) -> None:
        self._is_pumping = False
        world = self._world
        while self.queue and not world.is_redis_away:
            idle = [worker for worker in world.workers if worker.is_idle]
            if not idle:
                return
            worker = world.rng.choice(idle)
            message = self.queue.pop(world.choose_in_queue(len(self.queue)))
            tag = next(self._tags)
            self.under_way[tag] = (message, worker)
            world.scheduler.after(Settings().visibility_s, lambda tag=tag: self.redeliver(tag))
            worker.take(tag, message)

    def redeliver(self, tag: int) -> None:
        """Put a message back that was not acknowledged; nothing happens when it was."""
        if tag in self.under_way:
            message, _ = self.under_way.pop(tag)
            self.queue.append(message)
            self.pump()

    def acknowledge(self, tag: int) -> None:
        """Forget a message that was worked off."""
        if not self._world.is_redis_away:
            self._world.call("broker", "ack", lambda: self.under_way.pop(tag, None), writes=True)

    def lose_worker(self, worker: Worker, choose: Callable[[Message], float | None]) -> None:
        """Decide what becomes of a dead worker's messages: redelivered after a while, or never."""
        for tag, (message, holder) in sorted(self.under_way.items()):
            if holder is worker:
                delay = choose(message)
                if delay is None:
                    del self.under_way[tag]
                else:
                    self._world.scheduler.after(delay, lambda tag=tag: self.redeliver(tag))

    def return_place(self, message: Message, *, is_failure: bool = False) -> None:
        """Count a header task that ended, and publish the body when all have; once for each task."""
        if self._world.is_redis_away:
            raise BrokerAway
        if self._world.call("broker", "part_return", lambda: self._count(message, is_failure), writes=True):
            self.send(messages.FINISH, json.loads(message.chord))

    def _count(self, message: Message, is_failure: bool) -> bool:
        if message.group in self._fired:
            return False
        chord = self._chords.setdefault(message.group, Chord())
        chord.returned.add((message.id, message.group_index))
        chord.has_failed |= is_failure
        if chord.size is None or len(chord.returned) < chord.size:
            return False
        self._fired.add(message.group)
        return not chord.has_failed

    def flush(self) -> None:
        """Forget everything."""
        self._epoch += 1
        self.queue.clear()
        self.under_way.clear()
        self._chords.clear()
        self._fired.clear()
