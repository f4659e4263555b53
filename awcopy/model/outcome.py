"""How each listed object ended, and sums of that."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from functools import reduce
from itertools import starmap
from operator import add
from typing import TypeAlias

# The reason of what is skipped because an earlier job has copied this very object.
UNCHANGED = "unchanged"


class Result(StrEnum):
    """The one way in which an object ended."""

    COPIED = "copied"  # the blob is committed and proved
    SKIPPED = "skipped"  # not copied, and rightly so; the reason says why
    FAILED = "failed"  # not copied; the reason says why
    CANCELLED = "cancelled"  # not attempted, because the job was cancelled
    EXTRA = "extra"  # no object: a blob that none stands for, which is to be deleted at the sink
    DELETED = "deleted"  # an extra blob that is not there any more
    KEPT = "kept"  # an extra blob that was not deleted; the reason says why


class AtSource(StrEnum):
    """What became of a copied object at the source, in a job that deletes there."""

    DELETED = "deleted"  # it is not there any more
    KEPT = "kept"  # it was not deleted; the reason says why
    UNTOUCHED = ""  # nothing was tried


class Proof(StrEnum):
    """What shows that the blob's bytes are the object's, strongest first."""

    CRC64 = "crc64"  # the source's own CRC-64/NVME of the whole object equals that of the bytes Azure checked
    SHA = "sha"  # the source's SHA-256 or SHA-1 equals that of the bytes sent
    MD5 = "md5"  # the object's ETag is its MD5, and it equals that of the bytes sent
    CRC32 = "crc32"  # the source's CRC-32 or CRC-32C equals that of the bytes sent
    BLOCKS = "blocks"  # Azure checked each block's CRC; the source keeps no checksum of the whole
    LENGTH = "length"  # only the lengths agree
    NONE = ""  # nothing was copied

    def is_weaker_than(self, other: Proof) -> bool:
        """Return whether it shows less than the other does."""
        return _STRENGTH[self] > _STRENGTH[other]


_STRENGTH = {proof: place for place, proof in enumerate(Proof)}


class Route(StrEnum):
    """Which way the bytes take."""

    AUTO = "auto"  # chosen for each object; what was copied went one of the other two
    SERVER = "server"  # Azure reads from the source's signed URL
    STREAM = "stream"  # through the worker


# Of notices: something of the object is not in the blob at all.
_LOSSES = ("_excluded", "_missing")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One line of a job's report."""

    key: str
    blob: str
    result: Result
    reason: str = ""
    proof: Proof = Proof.NONE
    size_bytes: int = 0
    etag: str = ""  # the source's, of what was copied
    version_id: str = ""  # likewise, where it is known
    crc64: int | None = None
    attempts: int = 1
    detail: str = ""  # one sentence for a person, without secrets
    notices: tuple[str, ...] = ()  # what the blob has otherwise than the object: "metadata_renamed: 2"
    route: Route | None = (
        None  # of what was copied: ``server`` if no worker saw a byte of it, else ``stream``
    )
    at_source: AtSource = AtSource.UNTOUCHED
    source_reason: str = ""  # why it was kept; of a deleted one "delete_marker", if its versions stay

    @property
    def is_incomplete(self) -> bool:
        """Whether the blob lacks metadata, headers or tags that the object has."""
        return any(notice.partition(":")[0].endswith(_LOSSES) for notice in self.notices)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """A number of objects and their bytes."""

    objects: int = 0
    size_bytes: int = 0

    def __add__(self, other: Tally) -> Tally:
        """Add both numbers."""
        return Tally(objects=self.objects + other.objects, size_bytes=self.size_bytes + other.size_bytes)

    def __sub__(self, other: Tally) -> Tally:
        """Take both numbers away."""
        return Tally(objects=self.objects - other.objects, size_bytes=self.size_bytes - other.size_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofCounts:
    """How many copied objects have which proof; the sum is the number of objects copied."""

    crc64: int = 0
    sha: int = 0
    md5: int = 0
    crc32: int = 0
    blocks: int = 0
    length: int = 0

    def __add__(self, other: ProofCounts) -> ProofCounts:
        """Add count by count."""
        return ProofCounts(
            **{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(ProofCounts)}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteCounts:
    """How many copied objects took which way."""

    server: int = 0
    stream: int = 0

    def __add__(self, other: RouteCounts) -> RouteCounts:
        """Add count by count."""
        return RouteCounts(server=self.server + other.server, stream=self.stream + other.stream)


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureCount:
    """How many objects failed for one reason, and where one of them can be looked up."""

    reason: str
    tally: Tally = Tally()
    item: int = 0  # that has the outcome of one of them; 0: not known
    fence: int = 0  # of the claim that recorded it


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureCounts:
    """What failed, by reason; each reason stands here once."""

    counts: tuple[FailureCount, ...] = ()

    def __add__(self, other: FailureCounts) -> FailureCounts:
        """Add reason by reason."""
        if not (self.counts and other.counts):
            return self if self.counts else other
        sums = {count.reason: count for count in self.counts}
        for count in other.counts:
            known = sums.get(count.reason)
            sums[count.reason] = replace(known, tally=known.tally + count.tally) if known else count
        return FailureCounts(counts=tuple(sums.values()))

    @property
    def objects(self) -> int:
        """How many objects failed, for any reason."""
        return sum(count.tally.objects for count in self.counts)

    def recorded(self, item: int, fence: int) -> FailureCounts:
        """Return the same counts as those of outcomes that one claim of an item recorded."""
        return FailureCounts(counts=tuple([replace(count, item=item, fence=fence) for count in self.counts]))


# By what outcomes are counted: result, the reason where that counts, proof, route, at the source, whether incomplete.
_Kind: TypeAlias = tuple[Result, str, Proof, Route | None, AtSource, bool]
PROOF_NAMES = tuple(count.name for count in fields(ProofCounts))  # strongest first


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """How many objects a job or an item met, by what became of them.

    ``listed`` is what the selection took in; copied + skipped + failed + cancelled never exceeds it, and
    equals it when the job has ended. Beside that sum: ``excluded``, which the filters left out; what a job that
    deletes did at the source with its copied and unchanged objects, ``deleted`` and ``kept``, or a sync that
    deletes at the sink with blobs that no object stands for; and those of them that it left alone, ``extra``;
    beside those, ``foreign``, blobs that belong to others.
    """

    listed: Tally = Tally()
    copied: Tally = Tally()
    skipped: Tally = Tally()
    failed: Tally = Tally()
    cancelled: Tally = Tally()
    unchanged: Tally = Tally()  # of the skipped, those that an earlier job has copied
    deleted: Tally = Tally()  # of the copied and the unchanged, at the source
    kept: Tally = Tally()  # of the same, those that should have been deleted and were not
    extra: Tally = (
        Tally()
    )  # blobs that no object stands for; each of them ends as deleted or kept, or stays extra
    foreign: Tally = Tally()  # blobs below the sink's prefix that are no copies of this source's; left alone
    excluded: Tally = Tally()
    proofs: ProofCounts = ProofCounts()
    routes: RouteCounts = RouteCounts()
    incomplete: int = 0  # of those copied; each has notices that say what its blob lacks
    failures: FailureCounts = FailureCounts()  # the failed ones by reason

    def __add__(self, other: Totals) -> Totals:
        """Add tally by tally."""
        return Totals(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(Totals)})

    @property
    def are_failures_counted(self) -> bool:
        """Whether each failure is counted by its reason; those of rows that an older awcopy wrote are not."""
        return self.failures.objects == self.failed.objects

    @property
    def ended(self) -> Tally:
        """All objects that have an outcome."""
        return self.copied + self.skipped + self.failed + self.cancelled

    @property
    def deletable(self) -> Tally:
        """The objects that a job may delete at the source, if their proofs stand; deleted ones left out."""
        return self.copied + self.unchanged - self.deleted

    @property
    def pending(self) -> Tally:
        """Listed objects that have no outcome yet."""
        return self.listed - self.ended


def tally_outcomes(outcomes: Iterable[Outcome]) -> Totals:
    """Return the totals of several outcomes."""
    # Added up kind by kind: a sync has hundreds of millions of outcomes, nearly all of one kind.
    kinds: defaultdict[_Kind, list[int]] = defaultdict(list)
    for one in outcomes:
        reason = one.reason if one.result is Result.FAILED or one.reason == UNCHANGED else ""
        is_incomplete = bool(one.notices) and one.is_incomplete
        kind = (one.result, reason, one.proof, one.route, one.at_source, is_incomplete)
        kinds[kind].append(one.size_bytes)
    return reduce(add, starmap(_total, kinds.items()), Totals())


def tally_outcome(outcome: Outcome) -> Totals:
    """Return the totals of a single outcome."""
    return tally_outcomes((outcome,))


def _total(kind: _Kind, sizes: list[int]) -> Totals:
    result, reason, proof, route, at_source, is_incomplete = kind
    count, tally = len(sizes), Tally(objects=len(sizes), size_bytes=sum(sizes))
    tallies = {result.value: tally}
    if result is Result.SKIPPED and reason == UNCHANGED:
        tallies["unchanged"] = tally
    if at_source:
        tallies[at_source.value] = tally
    failures = FailureCounts()
    if result is Result.FAILED:
        failures = FailureCounts(counts=(FailureCount(reason=reason, tally=tally),))
    return Totals(
        proofs=ProofCounts(**{proof.value: count}) if proof else ProofCounts(),
        routes=RouteCounts(**{route.value: count}) if route else RouteCounts(),
        incomplete=count if is_incomplete else 0,
        failures=failures,
        **tallies,
    )
