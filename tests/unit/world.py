"""A fleet in memory that tests drive turn by turn, on a clock of their own, with faults where they want them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from awcopy.errors import ConnectionLost
from awcopy.jobs.fleet import Fleet
from awcopy.jobs.queries import JobSnapshot, read_report, take_snapshot
from awcopy.ledger.memory import MemoryLedger
from awcopy.live.memory import MemoryLive
from awcopy.model.job import Job, JobState
from awcopy.model.outcome import Outcome
from awcopy.sink.memory import MemorySink
from awcopy.source.base import ListPage
from awcopy.source.memory import MemorySource
from awcopy.steps.agent import take_turn
from awcopy.steps.context import StepContext
from awcopy.steps.dispatch import Generation, dispatch
from awcopy.steps.finish import finish
from awcopy.steps.places import Turn
from awcopy.steps.reconcile import reconcile
from awcopy.transfer.context import Transfer
from awcopy.transfer.retry import Retrier
from tests.unit.factories import NOW, make_job

LEASE_S = 60.0


class Crash(BaseException):
    """The process is gone: nothing catches it, nothing is cleaned up."""


@dataclass
class Clock:
    """One time for the ledger and the live state."""

    seconds: float = 0.0

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


@dataclass
class Recorder:
    """Counts the calls of a twin; a plan for one of them may raise. Passed as the twin's ``fault``."""

    calls: Counter[str] = field(default_factory=Counter)
    plans: dict[tuple[str, str], Callable[[], None]] = field(default_factory=dict)

    def __call__(self, op: str, name: str) -> None:
        self.calls[op] += 1
        plan = self.plans.get((op, name)) or self.plans.get((op, ""))
        if plan:
            plan()

    def fail(self, op: str, error: BaseException, *, name: str = "", times: int = 1_000_000) -> None:
        """Let the next calls fail; without a name, those for any."""
        left = [times]

        def plan() -> None:
            if left[0]:
                left[0] -= 1
                raise error

        self.plans[op, name] = plan

    def do(self, op: str, act: Callable[[], Any], *, name: str = "", times: int = 1_000_000) -> None:
        """Let something happen just before the next calls."""
        left = [times]

        def plan() -> None:
            if left[0]:
                left[0] -= 1
                act()

        self.plans[op, name] = plan


class LossySink(MemorySink):
    """A sink that does what it is asked, and whose answer to the first call of some kinds is lost."""

    __slots__ = ("lost",)

    def lose_answer(self, *ops: str) -> LossySink:
        self.lost = list(ops)
        return self

    def put_blob(self, *args: Any, **kwargs: Any) -> str:
        return self._lose("put_blob", MemorySink.put_blob(self, *args, **kwargs))

    def stage_block(self, *args: Any, **kwargs: Any) -> None:
        self._lose("stage_block", MemorySink.stage_block(self, *args, **kwargs))

    def commit_blocks(self, *args: Any, **kwargs: Any) -> str:
        return self._lose("commit_blocks", MemorySink.commit_blocks(self, *args, **kwargs))

    def _lose(self, op: str, answer: Any) -> Any:
        if op in self.lost:
            self.lost.remove(op)
            raise ConnectionLost("the answer was lost")
        return answer


@dataclass
class World:
    """A source, a sink, a fleet, and the surroundings of steps that never sleep."""

    clock: Clock = field(default_factory=Clock)
    source: MemorySource = field(default_factory=MemorySource)
    sink: MemorySink = field(default_factory=MemorySink)
    source_calls: Recorder = field(default_factory=Recorder)
    sink_calls: Recorder = field(default_factory=Recorder)
    ledger: MemoryLedger = field(init=False)
    live: MemoryLive = field(init=False)
    context: StepContext = field(init=False)

    def __post_init__(self) -> None:
        self.source.fault = self.source_calls
        self.sink.fault = self.sink_calls
        self.live = MemoryLive(self.clock.monotonic)
        self.use_ledger(MemoryLedger(self.clock.now))

    def use_ledger(self, ledger: Any) -> None:
        """Let the steps use this ledger from now on, as a process that was just started."""
        self.ledger = ledger
        self.context = StepContext(
            fleet=Fleet(ledger=ledger, live=self.live, clock=self.clock.monotonic),
            open_stores=lambda _job: (self.source, self.sink),
            lease_s=LEASE_S,
            connections=1,
            wait_for_work_s=0.0,
            sleep=lambda _seconds: None,
            chance=lambda: 0.0,
        )

    @property
    def fleet(self) -> Fleet:
        return self.context.fleet

    def submit(self, **changes: Any) -> Job:
        """Put a job into the ledger as queued."""
        return self.ledger.add_job(make_job(**{"state": JobState.QUEUED, "sealed": "sealed", **changes}))

    def snapshot(self, job: Job) -> JobSnapshot:
        return take_snapshot(self.fleet, job.id)

    def report(self, job: Job) -> dict[str, Outcome]:
        """Return the job's outcomes by key; every key has one."""
        outcomes = list(read_report(self.fleet, job.id))
        keys = Counter(outcome.key for outcome in outcomes)
        assert not [key for key, times in keys.items() if times > 1], "a key has more than one outcome"
        return {outcome.key: outcome for outcome in outcomes}

    def start(self, job: Job) -> Generation:
        """Dispatch a job that can be begun."""
        generation = dispatch(self.context, job.id)
        assert generation
        return generation

    def take_turns(self, generation: Generation, *, most: int = 10_000) -> None:
        """Let the places of a generation take their turns one after the other until all are given up."""
        self.take_all(generation.turns(), most=most)

    def take_all(self, turns: list[Turn], *, most: int = 10_000) -> None:
        """Let the places that these turns are in take turns one after the other until all are given up."""
        turns = list(turns)
        for _ in range(most):
            if not turns:
                return
            following = take_turn(self.context, turns.pop(0))
            if isinstance(following, Turn):
                turns.append(following)
                self.clock.seconds += 0.01
        raise AssertionError("the places do not come to their end")

    def run(self, job: Job) -> JobSnapshot:
        """Dispatch a job and run it to the end of its first generation, and of each that follows from that."""
        generation = dispatch(self.context, job.id)
        while generation:
            self.take_turns(generation)
            generation = finish(self.context, job.id).generation
        return self.snapshot(job)

    def recover(self, job: Job, *, most: int = 50) -> JobSnapshot:
        """Let time pass, and reconcile and run what that starts, until the job runs no more."""
        for _ in range(most):
            if self.ledger.get_job(job.id).state not in (JobState.QUEUED, JobState.RUNNING):
                return self.snapshot(job)
            self.clock.seconds += 2 * LEASE_S
            repairs = reconcile(self.context)
            for job_id in repairs.dispatches:
                generation = dispatch(self.context, job_id)
                repairs.generations += [generation] if generation else []
            self.take_all([turn for one in repairs.generations for turn in one.turns()] + repairs.turns)
            generation = finish(self.context, job.id).generation
            if generation:
                self.take_turns(generation)
        raise AssertionError("the job does not come to its end")

    def assert_copied(self, job: Job, contents: dict[str, bytes]) -> None:
        """Check that the job ended well, and that each object has its blob and its one outcome."""
        snapshot = self.snapshot(job)
        assert snapshot.job.state is JobState.COMPLETED, snapshot.job.detail
        assert {name: blob.content for name, blob in self.sink.blobs.items()} == contents
        assert set(self.report(job)) == set(contents)
        totals = snapshot.totals
        assert totals.copied.objects == totals.listed.objects == len(contents)
        assert totals.copied.size_bytes == totals.listed.size_bytes == sum(map(len, contents.values()))

    def put(self, contents: dict[str, bytes]) -> dict[str, bytes]:
        """Put objects into the source and return them."""
        for key, content in contents.items():
            self.source.put_object(key, content)
        return contents


def make_transfer(world: World, job: Job | None = None, **changes: Any) -> Transfer:
    """Return what the copy of single objects needs, with no lease behind it."""
    transfer = Transfer(
        job=job or make_job(),
        source=world.source,
        sink=world.sink,
        retrier=Retrier(wait=lambda _seconds: None, chance=lambda: 0.0),
        check=lambda: None,
        moved=lambda _size_bytes: None,
        connections=1,
    )
    return replace(transfer, **changes)


class PagedSource(MemorySource):
    """A source whose pages are short; what is to happen between a page's answer and its use can be set."""

    __slots__ = ("after_page", "page_length")

    def list_page(self, prefix: str, *, after: str = "", token: str = "", limit: int = 1000) -> ListPage:
        limit = min(limit, self.page_length)
        page = MemorySource.list_page(self, prefix, after=after, token=token, limit=limit)
        act, self.after_page = self.after_page, None
        if act:
            act()
        return page


def make_paged_source(page_length: int) -> PagedSource:
    source = PagedSource()
    source.page_length, source.after_page = page_length, None
    return source
