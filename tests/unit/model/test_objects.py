from __future__ import annotations

import pytest

from awcopy.model.objects import Span


@pytest.mark.parametrize(
    ("offset", "size_bytes", "header"),
    [(0, 1, "bytes=0-0"), (0, 8, "bytes=0-7"), (8, 8, "bytes=8-15"), (2**45, 1, f"bytes={2**45}-{2**45}")],
)
def test_a_range_header_names_the_first_and_the_last_byte(offset, size_bytes, header):
    assert Span(offset=offset, size_bytes=size_bytes).header == header
