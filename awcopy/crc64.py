"""CRC-64/NVME: computing it, combining it, and the one place that turns it into either store's text.

Amazon's ``x-amz-checksum-crc64nvme`` and Azure's ``x-ms-content-crc64`` are the same number; Amazon writes it
big-endian and Azure little-endian, each in base64. What to do about a mismatch is decided elsewhere.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Final, TypeAlias

from awscrt.checksums import combine_crc64nvme, crc64nvme

Buffer: TypeAlias = bytes | bytearray | memoryview

EMPTY: Final = 0  # the checksum of no bytes at all
_SIZE_BYTES: Final = 8


def crc64(data: Buffer, previous: int = EMPTY) -> int:
    """Return the CRC-64/NVME of the data, or of all data so far when ``previous`` is what came before it.

    Runs at more than 20 GB/s on CPUs that multiply without carry (CLMUL, PMULL).
    """
    value: int = crc64nvme(data, previous)
    return value


def combine(first: int, second: int, second_bytes: int) -> int:
    """Return the checksum of two runs of bytes, one behind the other, from the checksum of each.

    Args:
        first: Checksum of the first run.
        second: Checksum of the second run.
        second_bytes: Length of the second run; takes the same time whatever it is.
    """
    value: int = combine_crc64nvme(first, second, second_bytes)
    return value


def to_azure(crc: int) -> str:
    """Return the value of an ``x-ms-content-crc64`` header."""
    return b64encode(crc.to_bytes(_SIZE_BYTES, "little")).decode("ascii")


def from_azure(text: str) -> int:
    """Return the checksum that an ``x-ms-content-crc64`` header names.

    Raises:
        ValueError: The text is not base64 of eight bytes.
    """
    return int.from_bytes(_decode(text), "little")


def to_s3(crc: int) -> str:
    """Return the value of an ``x-amz-checksum-crc64nvme`` header."""
    return b64encode(crc.to_bytes(_SIZE_BYTES, "big")).decode("ascii")


def from_s3(text: str) -> int:
    """Return the checksum that an ``x-amz-checksum-crc64nvme`` header names.

    Raises:
        ValueError: The text is not base64 of eight bytes; a checksum of checksums (``...-3``) is none either.
    """
    return int.from_bytes(_decode(text), "big")


def to_hex(crc: int) -> str:
    """Return the checksum as 16 lower-case hexadecimal digits, as reports and metadata carry it."""
    return f"{crc:016x}"


def from_hex(text: str) -> int:
    """Return the checksum that 16 hexadecimal digits name.

    Raises:
        ValueError: The text is something else.
    """
    raw = bytes.fromhex(text)
    if len(raw) != _SIZE_BYTES:
        raise ValueError("a CRC-64 has 16 hexadecimal digits")
    return int.from_bytes(raw, "big")


def _decode(text: str) -> bytes:
    raw = b64decode(text, validate=True)
    if len(raw) != _SIZE_BYTES:
        raise ValueError("a CRC-64 has 8 bytes")
    return raw
