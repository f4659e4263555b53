"""What copying listed objects takes of both stores: bytes, requests and blocks, counted one object at a time.

Owns the counting, in memory that does not grow with the number of objects. Knows no price.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from awcopy.model.objects import SourceObject
from awcopy.planning.blocks import plan_blocks
from awcopy.units import MIB

# Offered beside the block size that was asked for. Larger ones save little more, and a worker's memory
# grows with them.
OFFERED_BLOCK_SIZES = (4 * MIB, 8 * MIB, 16 * MIB, 32 * MIB, 64 * MIB)
KEYS_PER_LIST = 1000
_DAY_S = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """What copying an object, or several, asks of the stores."""

    reads: int = 0  # GETs and HEADs at S3
    writes: int = 0  # Put Blob, Put Block (From URL), Put Block List
    looks: int = 0  # HEAD and Get Block List at Azure

    def __add__(self, other: Requests) -> Requests:
        """Add each number."""
        return Requests(
            reads=self.reads + other.reads, writes=self.writes + other.writes, looks=self.looks + other.looks
        )

    def times(self, objects: int) -> Requests:
        """Return what that many such objects ask."""
        return Requests(reads=self.reads * objects, writes=self.writes * objects, looks=self.looks * objects)


STREAMED_WHOLE = Requests(reads=1, writes=1, looks=1)  # a GET, a HEAD at Azure and a Put Blob
REPLACED_WHOLE = Requests(reads=1, writes=2, looks=1)  # a Put Block and Put Block List in its place
# Put Block From URL, for which Azure makes one GET; a HEAD at S3, a HEAD at Azure, and Put Block List.
SERVER_WHOLE = Requests(reads=2, writes=2, looks=1)


def count_requests(
    size_bytes: int, block_size_bytes: int, *, by_sink: bool, replaces: bool = False
) -> Requests:
    """Return the requests for one object that nothing goes wrong with; ``replaces`` when a blob has its name.

    Of several blocks: a GET for each block, or for each run of them that Azure reads by itself, and two HEADs;
    a Put Block for each, where it is one of several runs a receipt too, and Put Block List; Get Block List and
    two HEADs.
    """
    plan = plan_blocks(size_bytes, block_size_bytes, 1)
    if plan.blocks <= 1:
        streamed = REPLACED_WHOLE if replaces and size_bytes else STREAMED_WHOLE
        return SERVER_WHOLE if by_sink and size_bytes else streamed
    pieces = -(-plan.blocks // plan.blocks_per_run) if by_sink else plan.blocks
    receipts = pieces if by_sink and pieces > 1 else 0
    return Requests(reads=pieces + 2, writes=pieces + receipts + 1, looks=3)


@dataclass(slots=True, kw_only=True)
class ClassUsage:
    """The objects of one storage class."""

    objects: int = 0
    size_bytes: int = 0
    server_whole: int = 0  # objects of one block, whatever its size, that Azure reads by itself
    replaced_whole: int = 0  # the others of one block, not empty, where a blob is replaced
    counted: int = 0  # objects whose requests depend on the block size
    requests: dict[int, Requests] = field(default_factory=dict)  # of these, by block size
    # What would be charged for and not be stored, if the objects were deleted at once.
    early_byte_seconds: int = 0

    def requests_of(self, block_size_bytes: int) -> Requests:
        """Return the requests of all objects."""
        replaced = REPLACED_WHOLE.times(self.replaced_whole)
        new = STREAMED_WHOLE.times(self.objects - self.server_whole - self.replaced_whole - self.counted)
        rest = self.requests.get(block_size_bytes, Requests())
        return new + replaced + SERVER_WHOLE.times(self.server_whole) + rest


@dataclass(slots=True, kw_only=True)
class Usage:
    """All objects that were listed.

    Args:
        block_size_bytes: What was asked for with ``--block-size``.
        server_from_bytes: Objects of this size and more are read by Azure itself; None: all go through workers.
        restores: Whether archived objects are restored and copied; otherwise they are left alone.
        deletes: Whether what is copied is deleted at the source, so that early deletion is charged for.
        may_read_twice: Whether some objects are read a second time, which is not counted.
        now: When the listing is taken to be, for the age of objects.
        least_days: How long each class is charged for at least.
        least_bytes: How many bytes an object of each class is charged for at least.
    """

    block_size_bytes: int
    now: datetime
    server_from_bytes: int | None = None
    may_read_twice: bool = False
    restores: bool = False
    deletes: bool = False
    least_days: Mapping[str, int] = field(default_factory=dict)
    least_bytes: Mapping[str, int] = field(default_factory=dict)
    classes: dict[str, ClassUsage] = field(default_factory=dict)
    listed: int = 0
    folder_markers: int = 0  # listed, and never copied
    left_alone: int = 0  # listed, looked at and not copied
    block_sizes: tuple[int, ...] = field(init=False)  # that are counted for, in order

    def __post_init__(self) -> None:
        self.block_sizes = tuple(sorted({self.block_size_bytes, *OFFERED_BLOCK_SIZES}))

    @property
    def lists(self) -> int:
        """The lists that the keys took; an empty bucket takes one too."""
        return max(1, -(-self.listed // KEYS_PER_LIST))

    def add(self, obj: SourceObject, *, replaces: bool = False) -> None:
        """Count an object that is to be copied, over a blob or as a new one; folder markers are only listed."""
        self.listed += 1
        size = obj.size_bytes
        if not size and obj.key.endswith("/"):
            self.folder_markers += 1
            return
        of_class = self.classes.get(obj.storage_class)
        if of_class is None:
            of_class = self.classes[obj.storage_class] = ClassUsage()
        of_class.objects += 1
        of_class.size_bytes += size
        by_sink = self.server_from_bytes is not None and size >= self.server_from_bytes
        if size > self.block_sizes[0]:
            self._count_blocks(of_class, size, by_sink=by_sink, replaces=replaces)
        elif by_sink:
            of_class.server_whole += 1
        elif replaces and size:
            of_class.replaced_whole += 1
        if obj.storage_class in self.least_days:
            self._count_early(of_class, obj)

    def exclude(self) -> None:
        """Count an object that was listed and not asked for."""
        self.listed += 1

    def leave(self) -> None:
        """Count an object that was listed and compared, and is not copied."""
        self.listed += 1
        self.left_alone += 1

    def _count_blocks(self, of_class: ClassUsage, size: int, *, by_sink: bool, replaces: bool) -> None:
        of_class.counted += 1
        for block_size in self.block_sizes:
            before = of_class.requests.get(block_size, Requests())
            asked = count_requests(size, block_size, by_sink=by_sink, replaces=replaces)
            of_class.requests[block_size] = before + asked

    def _count_early(self, of_class: ClassUsage, obj: SourceObject) -> None:
        age_s = max(0, int((self.now - obj.modified_at).total_seconds()))
        left_s = self.least_days[obj.storage_class] * _DAY_S - age_s
        if left_s > 0:
            charged = max(obj.size_bytes, self.least_bytes.get(obj.storage_class, 0))
            of_class.early_byte_seconds += charged * left_s
