"""A process may die between any two writes: what is done again ends as if nothing had happened."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from itertools import count

import pytest

from awcopy.live.memory import MemoryLive
from awcopy.source.base import ListPage
from awcopy.source.memory import MemorySource
from tests.unit.world import Crash, LossySink, World, make_paged_source

WRITES = frozenset(
    {"update_job", "add_item", "extend", "update_item", "update_file", "write_manifest", "write_outcomes"}
)

# Several pages, several packs, several writes to a page; names that are not allowed, and folders.
FILES = {f"k{number:02}": b"x" * number for number in range(13)}
# Two files of several ranges each, of which one needs more than one write for its items, and small ones.
LARGE = {"a": b"a", "big": bytes(range(130)) * 10, "bigger": bytes(range(251)) * 11, "c": b"c"}

pytestmark = pytest.mark.usefixtures("low_limits")


class FatalLedger:
    """A ledger whose process dies at its n-th write, just before it or just after."""

    def __init__(self, ledger, *, at, applied):
        self._ledger = ledger
        self._left = at
        self._applied = applied
        self.has_died = False

    def __getattr__(self, name):
        method = getattr(self._ledger, name)
        return self._dying(method) if name in WRITES else method

    def _dying(self, write):
        def call(*arguments, **options):
            self._left -= 1
            if self._left == 0:
                self.has_died = True
                if self._applied:
                    write(*arguments, **options)
                raise Crash
            return write(*arguments, **options)

        return call


def run_and_die(contents, spec, *, at, applied, forgets=False):
    """Run a job whose process dies at the n-th write, then recover; return the world, and whether it died."""
    world = World(source=make_paged_source(4))
    world.put(contents)
    ledger = world.ledger
    job = world.submit(spec=spec)
    fatal = FatalLedger(ledger, at=at, applied=applied)
    world.use_ledger(fatal)
    try:
        world.run(job)
    except Crash:
        if forgets:
            world.live = MemoryLive(world.clock.monotonic)
        world.use_ledger(ledger)
        world.recover(job)
    return world, job, fatal.has_died


@pytest.mark.parametrize("forgets", [False, True], ids=["", "redis-emptied"])
@pytest.mark.parametrize("applied", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("contents", [FILES, LARGE], ids=["files", "large-files"])
def test_a_crash_at_any_write_costs_no_object_and_counts_none_twice(spec, contents, applied, forgets):
    for at in count(1):
        world, job, has_died = run_and_die(contents, spec, at=at, applied=applied, forgets=forgets)
        world.assert_copied(job, contents)
        if not has_died:
            break
    assert at > 20


@pytest.mark.parametrize("contents", [FILES, LARGE], ids=["files", "large-files"])
def test_a_crash_after_a_write_sends_nothing_again_that_reached_the_sink(spec, contents):
    expected = None
    for at in count(1):
        world, _, has_died = run_and_die(contents, spec, at=at, applied=True)
        sent = {op: world.sink_calls.calls[op] for op in ("put_blob", "stage_block")}
        expected = expected or {
            "put_blob": len(world.sink.blobs) - _large(world),
            "stage_block": sent["stage_block"],
        }
        assert sent == expected
        if not has_died:
            break


@pytest.mark.parametrize("applied", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("contents", [FILES, LARGE], ids=["files", "large-files"])
def test_a_crash_at_any_write_to_the_sink_costs_no_object_and_counts_none_twice(spec, contents, applied):
    for at in count(1):
        world = World(source=make_paged_source(4), sink=_FatalSink())
        world.sink.begin(at, applied=applied)
        world.put(contents)
        job = world.submit(spec=spec)
        try:
            world.run(job)
        except Crash:
            world.use_ledger(world.ledger)
            world.recover(job)
        world.assert_copied(job, contents)
        if world.sink.left > 0:
            break
    assert at > 4


def test_crash_upon_crash_ends_well(spec):
    world = World(source=make_paged_source(4))
    contents = world.put(FILES | LARGE)
    ledger = world.ledger
    job = world.submit(spec=spec)
    for lifetime in (1, 2, 3, 5, 8, 13, 21, 4, 9, 2, 1, 7, 30):
        world.use_ledger(FatalLedger(ledger, at=lifetime, applied=lifetime % 2 == 0))
        try:
            world.recover(job)
        except Crash:
            continue
    world.use_ledger(ledger)
    world.recover(job)
    world.assert_copied(job, contents)


class FolderSource(MemorySource):
    """A store that lists folder by folder, as file systems do, and so not in the order of the keys."""

    __slots__ = ("goes_by_keys",)

    def list_page(self, prefix, *, after="", token="", limit=1000):
        keys = sorted(self._objects, key=lambda key: key.split("/"))
        if token or not self.goes_by_keys:
            start = (token or after).split("/")
            keys = [key for key in keys if key.split("/") > start]
        else:
            keys = [key for key in keys if key > after]
        listed = tuple(self._objects[key].listed for key in keys[:4])
        return ListPage(objects=listed, token=keys[3] if len(keys) > 4 else "")


@pytest.mark.parametrize(
    "goes_by_keys",
    [
        pytest.param(False, id="start-after-in-its-own-order"),
        pytest.param(True, id="start-after-by-keys"),
    ],
)
def test_a_crash_while_a_store_lists_out_of_order_costs_no_object(spec, goes_by_keys):
    contents = {f"{folder}{number}": b"x" for folder in ("a/", "a-") for number in range(6)}
    for at in range(1, 30):
        world = World(source=FolderSource())
        world.source.goes_by_keys = goes_by_keys
        world.put(contents)
        ledger, job = world.ledger, world.submit(spec=replace(spec, files_per_task=1))
        world.use_ledger(FatalLedger(ledger, at=at, applied=True))
        with suppress(Crash):
            world.run(job)
        world.use_ledger(ledger)
        world.recover(job)
        world.assert_copied(job, contents)


def _large(world):
    return sum(len(blob.content) > 400 for blob in world.sink.blobs.values())


class _FatalSink(LossySink):
    """A sink whose caller dies at its n-th write, just before it or just after."""

    __slots__ = ("applied", "left")

    def begin(self, at, *, applied):
        self.left, self.applied, self.lost = at, applied, []

    def put_blob(self, *arguments, **named):
        return self._die(LossySink.put_blob, *arguments, **named)

    def stage_block(self, *arguments, **named):
        return self._die(LossySink.stage_block, *arguments, **named)

    def commit_blocks(self, *arguments, **named):
        return self._die(LossySink.commit_blocks, *arguments, **named)

    def _die(self, write, *arguments, **named):
        self.left -= 1
        if self.left == 0:
            if self.applied:
                write(self, *arguments, **named)
            raise Crash
        return write(self, *arguments, **named)
