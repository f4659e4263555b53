from __future__ import annotations

import base64
import hashlib
import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from awcopy.model.objects import Algorithm, Checksum
from awcopy.transfer.digests import Digest

# The check values of the algorithms' own definitions, of the digits 1 to 9.
DIGITS = b"123456789"
KNOWN = {
    Algorithm.MD5: "25f9e794323b453885f5181f1b624d0b",
    Algorithm.SHA1: "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
    Algorithm.SHA256: "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
    Algorithm.CRC32: "cbf43926",
    Algorithm.CRC32C: "e3069283",
}


@pytest.mark.parametrize("algorithm", Algorithm)
@pytest.mark.parametrize("cuts", [(), (4,), (1, 2, 8)])
def test_each_algorithm_is_that_of_its_definition(algorithm, cuts):
    digest = Digest(Checksum(algorithm=algorithm, value=bytes.fromhex(KNOWN[algorithm])))
    for index, (start, end) in enumerate(zip((0, *cuts), (*cuts, 9), strict=True)):
        digest.take(index, memoryview(DIGITS)[start:end])
    assert digest.agrees()


def test_other_bytes_do_not_agree():
    digest = Digest(Checksum(algorithm=Algorithm.CRC32, value=bytes.fromhex(KNOWN[Algorithm.CRC32])))
    digest.take(0, memoryview(b"123456788"))
    assert not digest.agrees()


def test_nothing_at_all_has_a_checksum_too():
    assert Digest(Checksum(algorithm=Algorithm.MD5, value=hashlib.md5().digest())).agrees()


def test_a_checksum_of_parts_is_as_amazon_documents_it():
    """docs.aws.amazon.com, "Checking object integrity": the checksum of the parts' checksums in a row."""
    parts = [b"a" * 5, b"b" * 5, b"c"]
    joined = b"".join(hashlib.sha256(part).digest() for part in parts)
    value = base64.b64encode(hashlib.sha256(joined).digest())
    digest = Digest(Checksum(algorithm=Algorithm.SHA256, value=base64.b64decode(value), parts=3), (5, 5, 1))
    digest.take(0, memoryview(b"".join(parts)))
    assert digest.agrees()


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=6), st.integers(1, 25))
def test_parts_and_blocks_may_be_cut_differently(parts, block_bytes):
    joined = b"".join(hashlib.sha1(part, usedforsecurity=False).digest() for part in parts)
    value = hashlib.sha1(joined, usedforsecurity=False).digest()
    checksum = Checksum(algorithm=Algorithm.SHA1, value=value, parts=len(parts))
    digest = Digest(checksum, [len(part) for part in parts])
    content = memoryview(b"".join(parts))
    for index, offset in enumerate(range(0, max(1, len(content)), block_bytes)):
        digest.take(index, content[offset : offset + block_bytes])
    assert digest.agrees()


def test_blocks_of_many_threads_are_taken_in_their_order():
    content = random.Random(7).randbytes(64_000)
    value = hashlib.md5(content, usedforsecurity=False).digest()
    digest = Digest(Checksum(algorithm=Algorithm.MD5, value=value))
    with ThreadPoolExecutor(8) as pool:
        list(
            pool.map(lambda at: digest.take(at, memoryview(content)[at * 1000 : (at + 1) * 1000]), range(64))
        )
    assert digest.agrees()


def test_whoever_waits_for_a_block_that_failed_waits_no_longer():
    digest = Digest(Checksum(algorithm=Algorithm.MD5, value=b""))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(digest.take, 1, memoryview(b"second"))
        with pytest.raises(OSError, match="first"), digest.failing():
            raise OSError("first")
        assert waiting.result(timeout=10) is None
