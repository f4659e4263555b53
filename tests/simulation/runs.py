"""One run: a workload, a weather or a script, a world, and the checker's judgement."""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.simulation.checker import Checker
from tests.simulation.faults import Call, Fate, Weather, draw_weather
from tests.simulation.fibers import OutOfTime
from tests.simulation.workload import EPOCH, Workload, draw_workload, make_load
from tests.simulation.world import World

# A job must end this long after things have stopped going wrong.
BOUND_S = 1800.0
SERVER_SIDE = 0.3  # of the seeds have a sink that reads by itself

Script = Callable[[Call], Fate | None]


def build(seed: int) -> World:
    """Return the world of a seed."""
    rng = random.Random(f"{seed}")
    load = draw_workload(rng)
    if random.Random(f"route {seed}").random() < SERVER_SIDE:
        load.copy_server_side()
    return World(seed, load, draw_weather(rng), processes=rng.randint(1, 3), slots=rng.randint(1, 2))


def build_script(load: Workload, script: Script | None = None, *, processes: int = 2) -> World:
    """Return a world in which nothing goes wrong but what the script says."""
    return World(0, load, Weather(), script=script or (lambda _call: None), processes=processes)


def judge(world: World) -> str:
    """Run a world and return what is wrong with it; empty when nothing is."""
    checker = Checker(world)
    try:
        world.run(BOUND_S, lambda: bool(checker.first))
        checker.check_end()
    except (AssertionError, OutOfTime) as error:
        return str(error) or repr(error)
    return ""


def tell(world: World, what: str, replay: str = "", lines: int = 150) -> str:
    """Return the story of a run that went wrong."""
    story = [what, f"{world.weather}", f"{world.load.spec}", *list(world.trace)[-lines:]]
    return "\n".join([*story, what, replay])


def build_late_report() -> World:
    """Return a world in which a worker stands still before it reports that an object is gone.

    By the time it goes on, the object is there again, and another worker has copied it.
    """
    load = make_load([30])
    content = load.versions["k0"][0].content
    frozen: list[Call] = []

    def script(call: Call) -> Fate | None:
        if call.op == "read_object" and not frozen:
            load.source.delete_object("k0")
            load.deleted.add("k0")
        if call.op != "write_outcomes" or frozen:
            return None
        frozen.append(call)
        load.put("k0", content, EPOCH)
        return Fate.FREEZE_LONG

    return build_script(load, script)
