from __future__ import annotations

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from awcopy.transfer.buffers import BufferPool


def address_of(view: memoryview) -> int:
    return id(view.obj)


@pytest.mark.parametrize("size_bytes", [0, 1, 4096])
def test_a_buffer_is_exactly_as_long_as_asked(size_bytes):
    with BufferPool().lend(size_bytes) as block:
        assert len(block) == size_bytes
        assert not block.readonly


def test_a_buffer_that_was_given_back_is_lent_again():
    pool = BufferPool()
    with pool.lend(100) as block:
        first = block.obj
    with pool.lend(60) as block:
        assert block.obj is first
        assert len(block) == 60


def test_two_borrowers_never_share_a_buffer():
    pool = BufferPool()
    with pool.lend(100) as one, pool.lend(100) as other:
        assert one.obj is not other.obj


def test_a_buffer_that_is_too_short_is_not_lent():
    pool = BufferPool()
    with pool.lend(10):
        pass
    with pool.lend(11) as block:
        assert len(block) == 11


def test_a_buffer_cannot_be_used_after_it_was_given_back():
    with BufferPool().lend(4) as block:
        pass
    with pytest.raises(ValueError, match="released"):
        block[0]


def test_a_buffer_is_given_back_when_its_borrower_fails():
    pool = BufferPool()
    with contextlib.suppress(ZeroDivisionError), pool.lend(8) as block:
        first = block.obj
        raise ZeroDivisionError
    with pool.lend(8) as block:
        assert block.obj is first


def test_no_more_is_kept_than_the_pool_may_hold():
    pool = BufferPool(kept_bytes=150)
    with pool.lend(100), pool.lend(100):
        pass
    assert pool._idle_bytes == sum(map(len, pool._idle)) == 100


def test_memory_depends_on_the_borrowers_not_on_the_blocks():
    pool = BufferPool()
    seen = set()
    lock = threading.Lock()

    def borrow(_index):
        with pool.lend(64) as block, lock:
            seen.add(address_of(block))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(borrow, range(200)))
    assert len(seen) <= 4
    assert pool._idle_bytes <= 4 * 64
