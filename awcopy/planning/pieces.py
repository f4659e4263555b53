"""What of a file is staged, piece by piece: blocks that a worker sent, and runs that the sink read by itself.

A piece that a worker sent is one block of the plan, and its id holds its CRC-64. A piece that the sink read by
itself is a run of blocks, and its CRC-64 is known only afterwards. Its id therefore holds a random number, so
that no two requests ever write to one id, and a *receipt* holds the CRC-64: a block of one byte that is never
committed, whose own id says which piece it is for and which CRC-64 the sink computed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from awcopy.model.outcome import Route
from awcopy.planning.blocks import PIN_LENGTH, block_id, read_block_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from awcopy.model.objects import BlockId, StagedBlock
    from awcopy.planning.blocks import BlockPlan

RECEIPT = b"\0"  # Azure takes no block without bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One staged block, and the blocks of the plan that it holds: ``first`` up to, not including, ``end``."""

    block_id: BlockId
    first: int
    end: int
    crc64: int
    by_sink: bool = False  # whether the sink read it by itself


def receipt_id(piece: Piece) -> BlockId:
    """Return the id of a piece's receipt, which is as long as all other ids."""
    return block_id(_receipt_pin(piece.block_id), piece.first, piece.crc64)


def read_pieces(plan: BlockPlan, pin: str, sink_pin: str, staged: Iterable[StagedBlock]) -> dict[int, Piece]:
    """Return what is staged of a file, by first block: the longest piece where there are several.

    What was staged with two different contents is left out, and so is a run without a receipt: it was under
    way when its worker died.

    Args:
        plan: How the file is cut.
        pin: The beginning of the ids of blocks that workers sent.
        sink_pin: The beginning of the ids of runs that the sink read by itself.
        staged: All that the sink holds under the blob's name.
    """
    sizes = {block.block_id: block.size_bytes for block in staged}
    by_pin = {name[:PIN_LENGTH]: name for name in sizes}
    contents: dict[tuple[int, int], dict[int, Piece]] = {}
    for name, size_bytes in sizes.items():
        piece = _sent_piece(plan, pin, name) or _run_piece(plan, sink_pin, name, size_bytes, by_pin)
        if piece and plan.extent(piece.first, piece.end).size_bytes == size_bytes:
            contents.setdefault((piece.first, piece.end), {})[piece.crc64] = piece
    found: dict[int, Piece] = {}
    for (first, _), pieces in sorted(contents.items()):
        if len(pieces) == 1:
            found[first] = next(iter(pieces.values()))
    return found


def cover_blocks(staged: Mapping[int, Piece], indexes: range) -> tuple[dict[int, Piece], list[int]]:
    """Return the pieces that hold these blocks, each block once, and the blocks that none of them holds."""
    used: dict[int, Piece] = {}
    missing: list[int] = []
    index = indexes.start
    while index < indexes.stop:
        piece = staged.get(index)
        if piece and piece.end <= indexes.stop:
            used[index] = piece
            index = piece.end
        else:
            missing.append(index)
            index += 1
    return used, missing


def in_order(pieces: Mapping[int, Piece], indexes: range) -> list[Piece]:
    """Return the pieces of consecutive blocks, all of which are held."""
    found = []
    index = indexes.start
    while index < indexes.stop:
        found.append(pieces[index])
        index = found[-1].end
    return found


def split_runs(indexes: Iterable[int], longest: int) -> list[range]:
    """Return the blocks as runs of neighbours, none longer than ``longest``."""
    runs: list[range] = []
    for index in indexes:
        last = runs[-1] if runs else range(0)
        if last and last.stop == index and len(last) < longest:
            runs[-1] = range(last.start, index + 1)
        else:
            runs.append(range(index, index + 1))
    return runs


def route_of(pieces: Iterable[Piece]) -> Route:
    """Return the way that a file's bytes took: ``server`` if no worker saw any of them."""
    return Route.SERVER if all(piece.by_sink for piece in pieces) else Route.STREAM


def _sent_piece(plan: BlockPlan, pin: str, name: BlockId) -> Piece | None:
    read = read_block_id(pin, name)
    if read is None or read[0] >= plan.blocks:
        return None
    return Piece(block_id=name, first=read[0], end=read[0] + 1, crc64=read[1])


def _run_piece(
    plan: BlockPlan, sink_pin: str, name: BlockId, size_bytes: int, by_pin: Mapping[str, BlockId]
) -> Piece | None:
    read = read_block_id(sink_pin, name)
    pin = _receipt_pin(name) if read else ""
    receipt = read_block_id(pin, by_pin.get(pin, "")) if read else None
    if read is None or receipt is None or read[0] >= plan.blocks:
        return None
    end = min(read[0] + -(-size_bytes // plan.block_size_bytes), plan.blocks)
    return Piece(block_id=name, first=read[0], end=end, crc64=receipt[1], by_sink=True)


def _receipt_pin(name: BlockId) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:PIN_LENGTH]
