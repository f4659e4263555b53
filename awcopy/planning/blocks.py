"""How an object is cut into blocks, how blocks are shared out in ranges, and what blocks are called."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from awcopy.errors import UsageError
from awcopy.model.objects import BlockId, Span
from awcopy.units import MIB

if TYPE_CHECKING:
    from awcopy.model.objects import SourceObject

# learn.microsoft.com, "Scalability and performance targets for Blob storage".
MAX_BLOCKS = 50_000
MAX_BLOCK_BYTES = 4000 * MIB

# Files above this are shared out over agents; it is also the least range worth a task of its own.
LARGE_FILE_BYTES = 64 * MIB
MAX_RANGE_BYTES = 512 * MIB
MAX_RANGES = 1000  # the CRCs of a file's ranges lie in one row of the ledger
_RANGES_PER_AGENT = 4  # so that the last agent to finish is not far behind the others

# A sink that reads by itself takes runs of blocks as one: each is a request that is billed. Sources give one
# reader 50 to 100 MiB/s, so that a run takes about a second. There are few enough of them that they and their
# receipts stay far below the 100,000 blocks that Azure holds uncommitted.
RUN_BYTES = 64 * MIB
_MOST_RUNS = 25_000

PIN_LENGTH = 16
_INDEX_LENGTH = 5
_CRC_LENGTH = 16
_ID_END = re.compile(f"[0-9a-f]{{{_INDEX_LENGTH + _CRC_LENGTH}}}")


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockPlan:
    """The blocks of one object, and the ranges of blocks that one task takes."""

    size_bytes: int
    block_size_bytes: int
    blocks: int
    blocks_per_range: int

    @property
    def ranges(self) -> int:
        """The number of ranges."""
        return -(-self.blocks // self.blocks_per_range)

    def span(self, index: int) -> Span:
        """Return the bytes of one block; the last one may be shorter, and is never empty."""
        offset = index * self.block_size_bytes
        return Span(offset=offset, size_bytes=min(self.block_size_bytes, self.size_bytes - offset))

    def extent(self, first: int, end: int) -> Span:
        """Return the bytes of the blocks ``first`` up to, not including, ``end``."""
        offset = first * self.block_size_bytes
        return Span(offset=offset, size_bytes=min(end * self.block_size_bytes, self.size_bytes) - offset)

    @property
    def blocks_per_run(self) -> int:
        """The most blocks that a sink which reads by itself takes as one, 1 or more."""
        wanted = max(RUN_BYTES // self.block_size_bytes, -(-self.blocks // _MOST_RUNS))
        return max(1, min(wanted, MAX_BLOCK_BYTES // self.block_size_bytes))

    def range_blocks(self, range_index: int) -> range:
        """Return the indexes of a range's blocks."""
        first = range_index * self.blocks_per_range
        return range(first, min(first + self.blocks_per_range, self.blocks))

    def range_bytes(self, range_index: int) -> int:
        """Return the number of bytes in a range."""
        blocks = self.range_blocks(range_index)
        return (
            min(blocks.stop * self.block_size_bytes, self.size_bytes) - blocks.start * self.block_size_bytes
        )


def check_block_size(size_bytes: int) -> int:
    """Return the size when a block blob can have such blocks.

    Raises:
        UsageError: It cannot.
    """
    if not 1 <= size_bytes <= MAX_BLOCK_BYTES:
        raise UsageError(
            f"a block of {size_bytes} bytes is not possible: Azure takes blocks of 1 byte to 4,000 MiB",
            hint="8M is the default for --block-size (/B)",
        )
    return size_bytes


def choose_block_size(object_bytes: int, requested_bytes: int) -> int:
    """Return the block size to use for an object, in bytes.

    The requested size is kept unless it would need more than 50,000 blocks; then the smallest whole MiB
    that fits is taken. Pure; equal inputs give equal blocks, which resume relies on.

    Raises:
        UsageError: Not even blocks of 4,000 MiB would do (more than 190 TiB).

    Source: learn.microsoft.com, "Scalability and performance targets for Blob storage".
    """
    if object_bytes <= requested_bytes * MAX_BLOCKS:
        return requested_bytes
    needed = -(-object_bytes // MAX_BLOCKS)
    size = -(-needed // MIB) * MIB
    if size > MAX_BLOCK_BYTES:
        raise UsageError(f"an object of {object_bytes} bytes is larger than any blob can be")
    return size


def plan_blocks(object_bytes: int, requested_bytes: int, agents: int) -> BlockPlan:
    """Return how an object is cut into blocks and ranges; an empty object has no blocks.

    A range aims at a quarter of an agent's share, within 64 MiB to 512 MiB, and holds at least one block.
    There are at most 1,000 ranges; a range is longer than 512 MiB only if it must be for that.
    """
    block_size = choose_block_size(object_bytes, requested_bytes)
    blocks = -(-object_bytes // block_size)
    share = -(-object_bytes // (agents * _RANGES_PER_AGENT))
    range_bytes = max(LARGE_FILE_BYTES, min(share, MAX_RANGE_BYTES))
    wanted = min(-(-range_bytes // block_size), MAX_RANGE_BYTES // block_size)
    return BlockPlan(
        size_bytes=object_bytes,
        block_size_bytes=block_size,
        blocks=blocks,
        blocks_per_range=max(1, wanted, -(-blocks // MAX_RANGES)),
    )


def pin_blocks(obj: SourceObject, block_size_bytes: int, restart: int, *, by_sink: bool = False) -> str:
    """Return the beginning of all block ids of one content of one object, 16 characters.

    Two workers that stage the same block give it the same id; a changed source, another block size or a
    restart never shares ids with what was staged before, nor does what the sink reads by itself.
    """
    # A server that gives no ETag tells two contents apart by their dates alone.
    content = obj.etag or obj.modified_at.isoformat()
    facts = f"{content}\n{obj.version_id}\n{obj.size_bytes}\n{block_size_bytes}\n{restart}"
    if by_sink:
        facts += "\nsink"
    return hashlib.sha256(facts.encode()).hexdigest()[:PIN_LENGTH]


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedFile:
    """One content of one object, the blob it goes to, and how it is cut; equal pins stage equal blocks."""

    object: SourceObject
    blob: str
    plan: BlockPlan
    restart: int = 0

    @property
    def pin(self) -> str:
        """The beginning of the ids of all blocks that workers send."""
        return pin_blocks(self.object, self.plan.block_size_bytes, self.restart)

    @property
    def sink_pin(self) -> str:
        """The beginning of the ids of all runs of blocks that the sink reads by itself."""
        return pin_blocks(self.object, self.plan.block_size_bytes, self.restart, by_sink=True)


def block_id(pin: str, index: int, crc64: int) -> BlockId:
    """Return a block's id: the pin, the index and the block's own CRC-64, all in hexadecimal.

    The CRC in the id is what makes resume possible without any note of ours: the sink lists the ids of the
    blocks it holds, and checked each block against this very CRC when it was staged.
    """
    return BlockId(f"{pin}{index:05x}{crc64:016x}")


def fit_block_id(name: BlockId, length: int) -> BlockId:
    """Return an id of that length, 1 to 64: the sink takes no block with one of another length than it holds."""
    return BlockId(name.rjust(length, "0")[-length:])


def read_block_id(pin: str, text: str) -> tuple[int, int] | None:
    """Return the index and CRC-64 of a block id with this pin; None for anyone else's block."""
    if not text.startswith(pin) or not _ID_END.fullmatch(text, len(pin)):
        return None
    return int(text[PIN_LENGTH:-_CRC_LENGTH], 16), int(text[-_CRC_LENGTH:], 16)
