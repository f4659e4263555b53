"""A job ends, exactly right, whatever goes wrong: by chance in many seeds, and at every single call once."""

from __future__ import annotations

import random

import pytest

from awcopy.crc64 import crc64
from awcopy.model.objects import ALWAYS, BlobProperties
from awcopy.model.spec import Deletion, Overwrite
from tests.simulation.faults import Fate
from tests.simulation.runs import build, build_script, judge, tell
from tests.simulation.workload import EPOCH, make_load

MOST_CALLS = 400  # of the short job below; more than it makes


def test_a_job_ends_exactly_right(seeds):
    for seed in seeds:
        world = build(seed)
        wrong = judge(world)
        if wrong:
            pytest.fail(tell(world, f"seed {seed}: {wrong}", f"pytest tests/simulation --sim-seed={seed}"))


def test_equal_seeds_give_equal_runs():
    first, second = build(7), build(7)
    assert judge(first) == judge(second)
    assert first.calls > 100
    assert list(first.trace) == list(second.trace)


def at_call(number: int, fate: Fate):
    return lambda call: fate if call.number == number else None


def each_call(fate: Fate, *, needs_write: bool = False, **facts) -> int:
    """Run the short job again and again, and let this happen at its first call, its second, and so on.

    Return how many calls there were.
    """
    number = 0
    while True:
        assert number < MOST_CALLS
        world = build_script(make_load(**facts), at_call(number, fate))
        wrong = judge(world)
        if wrong:
            pytest.fail(tell(world, f"{fate} at call {number}: {wrong}"))
        if world.calls <= number:
            return number
        number += 1


@pytest.mark.parametrize(
    "fate", [Fate.CRASH_BEFORE, Fate.CRASH_AFTER, Fate.FREEZE_BEFORE, Fate.REFUSED, Fate.UNANSWERED]
)
@pytest.mark.parametrize("deletion", [None, Deletion()], ids=["copy", "move"])
def test_each_call_goes_wrong_once(fate, deletion):
    assert each_call(fate, deletion=deletion) > 50


def test_redis_is_emptied_at_each_call():
    number = 0
    while True:
        world = build_script(make_load(deletion=Deletion()))

        def flush(call, world=world, number=number):
            if call.number == number:
                world.flush_redis()

        world.script = flush
        wrong = judge(world)
        if wrong:
            pytest.fail(tell(world, f"FLUSHALL at call {number}: {wrong}"))
        if world.calls <= number:
            break
        number += 1
    assert number > 0


@pytest.mark.parametrize("delay_s", [0.0, 0.05, 1.0, 60.0])
def test_every_message_arrives_twice(delay_s):
    world = build_script(make_load(agents=3))
    world.choose_deliveries = lambda _message: [0.0, delay_s]
    wrong = judge(world)
    assert not wrong, tell(world, wrong)


@pytest.mark.parametrize("nth", [2, 3, 5, 7])
def test_every_nth_message_is_lost(nth):
    world = build_script(make_load(agents=3))
    sent = iter(range(1, 100_000))
    world.choose_deliveries = lambda _message: (
        [] if next(sent) % nth == 0 and world.scheduler.now < 300 else [0.0]
    )
    wrong = judge(world)
    assert not wrong, tell(world, wrong)


def test_messages_arrive_in_any_order():
    for seed in range(20):
        rng = random.Random(seed)
        world = build_script(make_load(agents=4))
        world.choose_deliveries = lambda _message, rng=rng: [rng.random() * 20]
        wrong = judge(world)
        assert not wrong, tell(world, wrong)


@pytest.mark.parametrize("overwrite", list(Overwrite))
@pytest.mark.parametrize("op", ["put_blob", "commit_blocks", "stage_block", "read_object"])
def test_a_frozen_workers_late_request_undoes_nothing(overwrite, op):
    """It stands still at the request, the object changes, another worker copies the new content, it goes on."""
    load = make_load([30, 250], overwrite=overwrite)
    old = memoryview(b"was there before")
    for name in ("k0", "k1") if op != "put_blob" else ():  # what is there is replaced by other requests
        load.sink.put_blob(name, old, crc64=crc64(old), properties=BlobProperties(), condition=ALWAYS)
    load.before = dict(load.sink.blobs)
    frozen = []

    def freeze_once(call):
        if call.op != op or frozen:
            return None
        frozen.append(call)
        rng = random.Random(2)
        for key in ("k0", "k1"):
            load.put(key, rng.randbytes(len(load.versions[key][0].content)), EPOCH)
        return Fate.FREEZE_LONG

    world = build_script(load, freeze_once)
    wrong = judge(world)
    assert not wrong, tell(world, wrong)
    assert frozen or overwrite in {Overwrite.NEVER, Overwrite.NEWER, Overwrite.PROMPT}


def test_a_missing_container_ends_the_job_and_says_why():
    load = make_load()
    world = build_script(load)

    def lose_container(call):
        load.sink.has_container = load.sink.has_container and call.op != "put_blob"

    world.script = lose_container
    wrong = judge(world)
    assert wrong.startswith("the job failed: there is no such container"), tell(world, wrong)
