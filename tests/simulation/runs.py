"""One seed: a workload, a weather, a world, and the checker's judgement."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.simulation.checker import Checker
from tests.simulation.faults import Call, Fate, Weather, draw_weather
from tests.simulation.fibers import OutOfTime
from tests.simulation.workload import Workload, draw_workload
from tests.simulation.world import World

if TYPE_CHECKING:
    pass

# A job must end this long after things have stopped going wrong.
BOUND_S = 1800.0


def build(seed: int, *, weather: Weather | None = None) -> World:
    """Return the world of a seed."""
    rng = random.Random(f"{seed}")
    load = draw_workload(rng)
    drawn = draw_weather(rng)
    return World(seed, load, weather or drawn, processes=rng.randint(1, 3), slots=rng.randint(1, 2))


def judge(world: World, bound_s: float = BOUND_S) -> str:
    """Run a world and return what is wrong with it; empty when nothing is."""
    checker = Checker(world)
    try:
        world.run(bound_s, lambda: bool(checker.first))
        checker.check_end()
    except (AssertionError, OutOfTime) as error:
        return str(error) or repr(error)
    return ""


def tell(world: World, seed: int, what: str, lines: int = 120) -> str:
    """Return the story of a run that went wrong."""
    last = list(world.trace)[-lines:]
    return "\n".join(
        [f"seed {seed}: {what}", f"weather: {world.weather}", *last, f"pytest tests/simulation --sim-seed={seed}"]
    )
