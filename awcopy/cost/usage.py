"""What copying listed objects takes of both stores: bytes, requests and blocks, counted one object at a time.

Owns the counting, in memory that does not grow with the number of objects. Knows no price.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from awcopy.model.objects import SourceObject
from awcopy.planning.blocks import choose_block_size
from awcopy.units import MIB

# Offered beside the block size that was asked for. Larger ones save little more, and a worker's memory
# grows with them.
OFFERED_BLOCK_SIZES = (4 * MIB, 8 * MIB, 16 * MIB, 32 * MIB, 64 * MIB)
KEYS_PER_LIST = 1000
_DAY_S = 86_400


@dataclass(slots=True, kw_only=True)
class ClassUsage:
    """The objects of one storage class."""

    objects: int = 0
    size_bytes: int = 0
    blocks: dict[int, int] = field(default_factory=dict)  # by block size, of objects of several blocks
    split: dict[int, int] = field(default_factory=dict)  # by block size, how many objects those are
    # What would be charged for and not be stored, if the objects were deleted at once.
    early_byte_seconds: int = 0

    def reads(self, block_size_bytes: int) -> int:
        """Return the GETs and HEADs at S3: a GET for an object of one block, else one for each, and two HEADs."""
        return self._requests(block_size_bytes, beside_blocks=2)

    def writes(self, block_size_bytes: int) -> int:
        """Return the writes at Azure: a Put Blob for one block, else a Put Block for each, and a Put Block List."""
        return self._requests(block_size_bytes, beside_blocks=1)

    def looks(self, block_size_bytes: int) -> int:
        """Return the other operations at Azure: a HEAD each; for several blocks Get Block List and a HEAD more."""
        return self.objects + 2 * self.split.get(block_size_bytes, 0)

    def _requests(self, block_size_bytes: int, *, beside_blocks: int) -> int:
        split = self.split.get(block_size_bytes, 0)
        return self.objects - split + self.blocks.get(block_size_bytes, 0) + beside_blocks * split


@dataclass(slots=True, kw_only=True)
class Usage:
    """All objects that were listed.

    Args:
        block_size_bytes: What was asked for with ``--block-size``.
        now: When the listing is taken to be, for the age of objects.
        least_days: How long each class is charged for at least.
        least_bytes: How many bytes an object of each class is charged for at least.
    """

    block_size_bytes: int
    now: datetime
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

    def add(self, obj: SourceObject) -> None:
        """Count an object that is to be copied; folder markers are only listed."""
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
        if size > self.block_sizes[0]:
            self._count_blocks(of_class, size)
        if obj.storage_class in self.least_days:
            self._count_early(of_class, obj)

    def exclude(self) -> None:
        """Count an object that was listed and not asked for."""
        self.listed += 1

    def leave(self) -> None:
        """Count an object that was listed and compared, and is not copied."""
        self.listed += 1
        self.left_alone += 1

    def _count_blocks(self, of_class: ClassUsage, size: int) -> None:
        for block_size in self.block_sizes:
            blocks = -(-size // choose_block_size(size, block_size))
            if blocks > 1:
                of_class.blocks[block_size] = of_class.blocks.get(block_size, 0) + blocks
                of_class.split[block_size] = of_class.split.get(block_size, 0) + 1

    def _count_early(self, of_class: ClassUsage, obj: SourceObject) -> None:
        age_s = max(0, int((self.now - obj.modified_at).total_seconds()))
        left_s = self.least_days[obj.storage_class] * _DAY_S - age_s
        if left_s > 0:
            charged = max(obj.size_bytes, self.least_bytes.get(obj.storage_class, 0))
            of_class.early_byte_seconds += charged * left_s
