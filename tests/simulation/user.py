"""Someone who submits the job, then cannot leave it alone; in the end they want it done."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from awcopy.errors import AwcopyError, IllegalMove
from awcopy.jobs import control
from awcopy.jobs.fleet import Fleet
from awcopy.model.job import JobState
from awcopy.steps.dispatch import next_generation
from tests.simulation.broker import BrokerAway
from tests.simulation.ports import Port
from workers import messages

if TYPE_CHECKING:
    from tests.simulation.world import World


class User:
    """One person at the command line.

    Args:
        world: Where they live.
        every_s: Mean seconds between two commands; 0: none but the first.
    """

    def __init__(self, world: World, every_s: float) -> None:
        self._world = world
        self._every_s = every_s
        self._fleet = Fleet(
            ledger=Port(world, "ledger", lambda: world.ledger),
            live=Port(world, "live", lambda: world.live),
            clock=lambda: world.scheduler.now,
        )
        self._app = SimpleNamespace(send_task=self._send_task)

    def run(self) -> None:
        """Submit, meddle, and see the job to its end."""
        world = self._world
        self._try(lambda: messages.publish_dispatch(self._app, world.job_id))
        while self._every_s and not world.is_calm:
            world.scheduler.pause(world.rng.expovariate(1 / self._every_s))
            self._try(world.rng.choice((self._pause, self._resume, self._resume, self._agents, self._retry)))
            if world.rng.random() < 0.05:
                self._try(self._cancel)
        while True:
            if world.is_calm and world.ledger.get_job(world.job_id).state is JobState.PAUSED:
                self._try(self._resume)
            world.scheduler.pause(60.0)

    def _try(self, act: Any) -> None:
        try:
            act()
        except IllegalMove:
            return
        except (AwcopyError, BrokerAway) as error:
            self._world.say(f"the command failed: {error!r}")

    def _pause(self) -> None:
        control.pause_job(self._fleet, self._world.job_id)
        self._world.say("paused the job")

    def _resume(self) -> None:
        control.resume_job(self._fleet, self._world.job_id)
        self._world.say("resumed the job")
        messages.publish_dispatch(self._app, self._world.job_id)

    def _cancel(self) -> None:
        control.cancel_job(self._fleet, self._world.job_id)
        self._world.say("cancelled the job")
        messages.publish_finish(self._app, self._world.job_id)

    def _retry(self) -> None:
        control.retry_job(self._fleet, self._world.job_id)
        self._world.say("retried the job")
        messages.publish_dispatch(self._app, self._world.job_id)

    def _agents(self) -> None:
        agents = self._world.rng.randint(1, 5)
        job = control.change_agents(self._fleet, self._world.job_id, agents)
        self._world.say(f"changed the job's agents to {agents}")
        generation = next_generation(self._fleet, job) if job.state is JobState.RUNNING else None
        if generation:
            messages.publish_generation(self._app, generation)

    def _send_task(self, name: str, *, kwargs: dict[str, Any], **_: Any) -> None:
        self._world.broker.send(name, kwargs)
