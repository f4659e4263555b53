"""Checksums that have to be computed of an object's bytes in their order, by threads that read them out of order."""

from __future__ import annotations

import hashlib
import threading
import zlib
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Protocol

from awscrt.checksums import crc32c

from awcopy.model.objects import Algorithm
from awcopy.transfer.context import run_each

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from awcopy.crc64 import Buffer
    from awcopy.model.objects import Checksum, SourceObject
    from awcopy.transfer.context import Transfer

_CRC32_BYTES = 4


class _Hash(Protocol):
    def update(self, data: Buffer, /) -> None: ...

    def digest(self) -> bytes: ...


class _Crc32:
    def __init__(self, compute: Callable[[Buffer, int], int]) -> None:
        self._compute = compute
        self._value = 0

    def update(self, data: Buffer, /) -> None:
        self._value = self._compute(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(_CRC32_BYTES, "big")


_HASHES: dict[Algorithm, Callable[[], _Hash]] = {
    Algorithm.SHA256: hashlib.sha256,
    Algorithm.SHA1: partial(hashlib.sha1, usedforsecurity=False),
    Algorithm.MD5: partial(hashlib.md5, usedforsecurity=False),
    Algorithm.CRC32C: partial(_Crc32, crc32c),
    Algorithm.CRC32: partial(_Crc32, zlib.crc32),
}


class Digest:
    """One checksum of all bytes of an object, which are given block by block.

    Args:
        checksum: The one that the source keeps.
        part_sizes: The lengths of the source's parts, for a checksum of theirs.
    """

    def __init__(self, checksum: Checksum, part_sizes: Sequence[int] = ()) -> None:
        self.checksum = checksum
        self._new = _HASHES[checksum.algorithm]
        self._hash = self._new()
        self._parts = self._new()  # takes the checksum of each part
        self._sizes = list(reversed(part_sizes))
        self._next = 0
        self._is_given_up = False
        self._turn = threading.Condition()

    def take(self, index: int, block: memoryview) -> None:
        """Add the block once all before it are added; to be begun in their order, or it waits for ever."""
        with self._turn:
            self._turn.wait_for(lambda: self._is_given_up or self._next == index)
            if self._is_given_up:
                return
        self._add(block)
        with self._turn:
            self._next += 1
            self._turn.notify_all()

    @contextmanager
    def failing(self) -> Iterator[None]:
        """Let nobody wait any longer for a block that will not come, if an error ends this block of code."""
        try:
            yield
        except BaseException:
            with self._turn:
                self._is_given_up = True
                self._turn.notify_all()
            raise

    def agrees(self) -> bool:
        """Return whether what was taken has the source's checksum; to be asked once, at the end."""
        digest = self._parts.digest() if self.checksum.parts else self._hash.digest()
        return digest == self.checksum.value

    def _add(self, block: memoryview) -> None:
        while self._sizes and self._sizes[-1] <= len(block):
            ends = self._sizes.pop()
            self._hash.update(block[:ends])
            self._parts.update(self._hash.digest())
            self._hash, block = self._new(), block[ends:]
        self._hash.update(block)
        if self._sizes:
            self._sizes[-1] -= len(block)


def open_digest(transfer: Transfer, obj: SourceObject, checksum: Checksum | None) -> Digest | None:
    """Return what computes the checksum; for one of parts, the source is asked how long each of them is.

    None where there is no checksum, and where the source does not tell its parts apart.
    """
    if checksum is None:
        return None
    if checksum.parts <= 1:
        return Digest(checksum, (obj.size_bytes,) * checksum.parts)

    def ask(number: int) -> int:
        return transfer.retrier.call(lambda: transfer.source.part_size(obj, number))

    sizes = run_each(transfer, ask, range(1, checksum.parts + 1))
    return Digest(checksum, sizes) if sum(sizes) == obj.size_bytes else None
