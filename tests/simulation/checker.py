"""What must be true of a simulated run: at every write, and when nothing moves any more.

It looks at the twins themselves, never through production code, and knows nothing of what went wrong.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from awcopy.crc64 import crc64
from awcopy.model.items import Item, ItemState
from awcopy.model.job import MOVES, Job, JobState
from awcopy.model.outcome import AtSource, Outcome, Proof, Result, Totals

if TYPE_CHECKING:
    from awcopy.sink.memory import StoredBlob
    from tests.simulation.fibers import Fiber
    from tests.simulation.workload import Version
    from tests.simulation.world import World

_ITEM_MOVES = {
    (ItemState.READY, ItemState.LEASED): 1,  # by how much the fence grows
    (ItemState.LEASED, ItemState.LEASED): 0,
    (ItemState.LEASED, ItemState.READY): 0,
    (ItemState.LEASED, ItemState.DONE): 0,
}
_END_BY_FAILED = {False: JobState.COMPLETED, True: JobState.COMPLETED_WITH_ERRORS}


class Violation(AssertionError):
    """Something is not as it must be."""


@dataclass(slots=True)
class Checker:
    """Watches one world; the first violation ends the run."""

    world: World
    first: str = ""  # kept, not raised: production code would catch it
    _items: dict[int, Item] = field(default_factory=dict)
    _job: Job | None = None
    _most_agents: int = 0
    _totals: Totals = field(default_factory=Totals)
    _holders: dict[int, Fiber] = field(default_factory=dict)
    _claimed_at: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.world.watchers.append(self.watch)

    # --- at every write ---

    def watch(self) -> None:
        """Look at what the last write changed."""
        if self.first:
            return
        try:
            self._watch()
        except Violation as violation:
            self.world.say(f"VIOLATION {violation}")
            self.first = str(violation)

    def _watch(self) -> None:
        world = self.world
        job = world.ledger.get_job(world.job_id)
        if job is not self._job:
            self._watch_job(job)
        for number, item in world.ledger._contents[world.job_id].items.items():
            before = self._items.get(number)
            if before is not item:
                self._watch_item(before, item)
                self._items[number] = item
        self._watch_agents()

    def _watch_job(self, job: Job) -> None:
        before, self._job = self._job, job
        self._most_agents = max(self._most_agents, job.spec.agents)
        if before is None:
            return
        if job.state is not before.state and job.state not in MOVES[before.state]:
            self.fail(f"the job went from {before.state} to {job.state}")
        if job.generation < before.generation:
            self.fail("the job's generation went back")
        if before.has_ended and job.state is before.state:
            self.fail("an ended job was written again")

    def _watch_item(self, before: Item | None, item: Item) -> None:
        self._totals = self._totals + item.totals if before is None else self._recount(item)
        if before is None:
            if item.state is not ItemState.READY or item.fence:
                self.fail(f"item {item.number} did not begin as ready")
            return
        grown = _ITEM_MOVES.get((before.state, item.state))
        if item.retry and item.state is ItemState.READY and item.totals == before.totals:
            return  # what failed is to be tried again
        if before.state is ItemState.DONE and item.is_deleting != before.is_deleting:
            self._watch_deletion(item)
            return
        if before.state is ItemState.DONE and item.state is ItemState.READY and item.is_deleting:
            return  # what was kept is looked at once more
        if grown is None:
            self.fail(f"item {item.number} went from {before.state} to {item.state}")
        if item.fence != before.fence + grown:
            self.fail(f"item {item.number} went from fence {before.fence} to {item.fence} as {item.state}")
        self._watch_holder(before, item)
        if self._totals.ended.objects > self._totals.listed.objects:
            self.fail(f"more objects ended than were listed: {self._totals}")
        if self._totals.ended.size_bytes > self._totals.listed.size_bytes:
            self.fail(f"more bytes ended than were listed: {self._totals}")

    def _watch_deletion(self, item: Item) -> None:
        """Nothing is deleted while anything is not copied."""
        copying = [other.number for other in self._items.values() if self._copies(other, item)]
        if item.is_deleting and copying:
            self.fail(f"item {item.number} is to delete while others copy: {copying}")

    def _copies(self, other: Item, item: Item) -> bool:
        is_open = other.state is not ItemState.DONE and not other.is_deleting
        return is_open and other.number != item.number

    def _recount(self, item: Item) -> Totals:
        total = item.totals
        for number, other in self._items.items():
            if number != item.number:
                total += other.totals
        return total

    def _watch_holder(self, before: Item, item: Item) -> None:
        fiber = self.world.scheduler.current
        if item.fence > before.fence:
            self._holders[item.number] = fiber
            self._claimed_at[item.number] = self.world.scheduler.now
        elif fiber is None or fiber.process is not self._holders[item.number].process:
            frees = item.state is ItemState.READY and before.lease_until <= self.world.clock()
            if not frees:
                self.fail(f"item {item.number} was written by a process that does not hold it")

    def _watch_agents(self) -> None:
        """Count the items that are worked on; one that is claimed and given back at once is not."""
        now = self.world.clock()
        held = [
            item
            for item in map(self._items.__getitem__, self.world.items_at_work())
            if item.state is ItemState.LEASED
            and item.lease_until > now
            and item.agent >= 0
            and self._is_running(item.number)
        ]
        if len(held) > self._most_agents:
            numbers = [(item.number, item.agent) for item in held]
            self.fail(f"{len(held)} items run at once, with {self._most_agents} agents: {numbers}")

    def _is_running(self, number: int) -> bool:
        """Whether the item's task runs, and has not stood still since it claimed the item."""
        fiber = self._holders[number]
        was_frozen = fiber.process.frozen_until > self._claimed_at[number]
        return not (fiber.is_done or fiber.process.is_dead or was_frozen)

    # --- at the end ---

    def check_end(self) -> None:
        """Compare what the job reports with what is in the stores."""
        world = self.world
        if self.first:
            self.fail(self.first)
        if world.surprises:
            self.fail("; ".join(world.surprises))
        job = world.ledger.get_job(world.job_id)
        if not job.has_ended:
            self.fail(f"the job is still {job.state} at {world.scheduler.now:.0f} s")
        items = world.ledger._contents[world.job_id].items
        leased = [number for number, item in items.items() if item.state is ItemState.LEASED]
        if leased:
            self.fail(f"items are still leased: {leased}")
        if job.sealed:
            self.fail("the sealed credentials are still there")
        if job.state is JobState.FAILED:
            self.fail(f"the job failed: {job.detail}")
        outcomes = list(world.outcomes())
        self._check_sums(job, outcomes)
        self._check_keys(job, outcomes)
        for outcome in outcomes:
            self._check_outcome(outcome)
        self._check_blobs(outcomes)
        self._check_deletions(job, outcomes)

    def _check_deletions(self, job: Job, outcomes: list[Outcome]) -> None:
        """What is gone from the source is what the report says is gone, and nothing else."""
        world, load = self.world, self.world.load
        totals = job.totals
        for fate, tally in ((AtSource.DELETED, totals.deleted), (AtSource.KEPT, totals.kept)):
            count = sum(outcome.at_source is fate for outcome in outcomes)
            if count != tally.objects:
                self.fail(f"{fate}: the totals say {tally}, the report {count} objects")
        if world.deletions and load.spec.deletion is None:
            self.fail(f"nobody asked for these deletions: {sorted(world.deletions)}")
        if world.deletions and totals.failed.objects and not load.spec.deletion.despite_failures:
            self.fail(f"objects failed, and others were deleted: {sorted(world.deletions)}")
        for outcome in outcomes:
            self._check_fate(outcome)
        if load.spec.deletion and not job.guard and job.state is not JobState.CANCELLED:
            idle = [one.key for one in outcomes if one.result is Result.COPIED and not one.at_source]
            if idle:
                self.fail(f"copied, and nobody tried to delete it: {idle}")

    def _check_fate(self, outcome: Outcome) -> None:
        load, deletion = self.world.load, self.world.deletions.get(outcome.key)
        stored = load.source._objects.get(outcome.key)
        if outcome.at_source is AtSource.DELETED:
            if stored and stored.head.etag == outcome.etag:
                self.fail(f"{outcome.key} is deleted, and still there")
            if deletion is None and outcome.key not in load.deleted:
                self.fail(f"{outcome.key} is deleted, and nobody deleted it")
        elif deletion and not deletion.is_late and deletion.etag == outcome.etag:
            was_replaced = len(load.versions[outcome.key]) > 1
            if not was_replaced and outcome.key not in load.added:
                self.fail(
                    f"{outcome.key} is {outcome.at_source or 'untouched'} in the report, and was deleted"
                )

    def _check_sums(self, job: Job, outcomes: list[Outcome]) -> None:
        totals = job.totals
        if totals.listed != totals.ended:
            self.fail(f"listed {totals.listed}, but ended {totals.ended}")
        counted = Counter(outcome.result.value for outcome in outcomes)
        sizes = Counter()
        for outcome in outcomes:
            sizes[outcome.result.value] += outcome.size_bytes
        for result in (Result.COPIED, Result.SKIPPED, Result.FAILED, Result.CANCELLED):
            tally = getattr(totals, result.value)
            if (tally.objects, tally.size_bytes) != (counted[result.value], sizes[result.value]):
                self.fail(f"{result}: the totals say {tally}, the report {counted[result.value]} objects")
        reasons = Counter(outcome.reason for outcome in outcomes if outcome.result is Result.FAILED)
        told = {count.reason: count.tally.objects for count in totals.failures.counts}
        if told != reasons:
            self.fail(f"the totals say {told} failed, the report {dict(reasons)}")
        for count in totals.failures.counts:
            recorded = self.world.ledger.read_outcomes(job.id, count.item, count.fence)
            if not any(one.reason == count.reason for one in recorded):
                self.fail(f"no example of {count.reason} is where the totals say: {count}")
        expected = _END_BY_FAILED[bool(totals.failed.objects or totals.kept.objects or job.guard)]
        if job.state is not expected and not (
            job.state is JobState.CANCELLED and self.world.weather.user_acts_every_s
        ):
            self.fail(f"the job is {job.state}, not {expected}")

    def _check_keys(self, job: Job, outcomes: list[Outcome]) -> None:
        load = self.world.load
        seen = Counter(outcome.key for outcome in outcomes)
        twice = [key for key, count in seen.items() if count > 1]
        if twice:
            self.fail(f"keys with two outcomes: {twice}")
        known = set(load.versions)
        excluded = {key for key in known if load.spec.selection.exclude and key.endswith(".tmp")}
        required = known - excluded - load.deleted - load.added
        missing = {key for key in required if key.startswith(load.spec.source.prefix)} - seen.keys()
        if missing and job.state is not JobState.CANCELLED:
            self.fail(f"keys without an outcome: {sorted(missing)}")
        strange = seen.keys() - (known - excluded)
        if strange:
            self.fail(f"outcomes of keys that were not to be copied: {sorted(strange)}")

    def _check_outcome(self, outcome: Outcome) -> None:
        world = self.world
        blob = world.load.sink.blobs.get(outcome.blob)
        before = world.load.before.get(outcome.blob)
        if any(blob is other for other in world.load.others):
            return  # whatever was there before, someone else wrote over it
        if outcome.result is not Result.COPIED:
            if blob is not before and not self._is_late(outcome, blob):
                self.fail(f"{outcome.key} is {outcome.result} ({outcome.reason}), but its blob was written")
            if outcome.result is Result.FAILED:
                self._check_reason(outcome)
            return
        if blob is None:
            self.fail(f"{outcome.key} is copied, but there is no blob")
        version = self._version(outcome.key, outcome.etag)
        if version is None:
            self.fail(f"{outcome.key} is copied, but never had the ETag {outcome.etag}")
        if blob.content != version.content:
            self.fail(f"{outcome.key} is copied, but its blob does not hold what the object held")
        if outcome.crc64 != crc64(version.content):
            self.fail(f"{outcome.key} is copied with a wrong CRC-64 in its outcome")
        if version.has_crc64 and outcome.proof is not Proof.CRC64:
            self.fail(f"{outcome.key} is copied with the proof {outcome.proof!r}")

    def _is_late(self, outcome: Outcome, blob: StoredBlob | None) -> bool:
        """Whether a frozen worker's request reached the sink after all was over.

        No condition of the sink can rule that out when nobody wrote that blob meanwhile; what it wrote is
        one whole content of the object.
        """
        contents = [version.content for version in self.world.load.versions[outcome.key]]
        return blob is not None and blob.head.etag in self.world.late_writes and blob.content in contents

    def _check_reason(self, outcome: Outcome) -> None:
        world = self.world
        reasons = {"connection_lost", "throttled", "server_fault", "crashed_worker", "corrupt"}
        allowed = (
            (outcome.reason in reasons and world.faults)
            or (outcome.reason == "not_found" and outcome.key in world.load.deleted)
            or (outcome.reason == "source_unstable" and len(world.load.versions[outcome.key]) > 1)
            or (outcome.reason == "archived" and outcome.key in world.load.archived)
            or (outcome.reason == "name_not_allowed" and outcome.key.endswith("."))
            or (outcome.reason == "blob_conflict" and world.faults)
        )
        if not allowed:
            self.fail(f"{outcome.key} failed without a cause: {outcome.reason} {outcome.detail}")

    def _version(self, key: str, etag: str) -> Version | None:
        found = [version for version in self.world.load.versions[key] if version.etag == etag]
        return found[0] if found else None

    def _check_blobs(self, outcomes: list[Outcome]) -> None:
        load = self.world.load
        known = load.before.keys() | {other.head.name for other in load.others}
        known |= {outcome.blob for outcome in outcomes}
        phantoms = load.sink.blobs.keys() - known
        if phantoms:
            self.fail(f"blobs that nobody reported: {sorted(phantoms)}")
        reported = {outcome.blob for outcome in outcomes}
        for name, blob in load.before.items():
            if (
                name not in reported
                and not any(load.sink.blobs.get(name) is other for other in load.others)
                and load.sink.blobs.get(name) is not blob
            ):
                self.fail(f"the blob {name} was none of the job's, and was changed")

    def fail(self, what: str) -> None:
        """End the run."""
        raise Violation(what)
