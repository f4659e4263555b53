"""A fleet in memory, and limits so low that a few hundred bytes make a large file."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from tests.unit.factories import make_spec
from tests.unit.world import World

BLOCK_BYTES = 100
LARGE_BYTES = 400  # files above this are shared out, in ranges of this length


@pytest.fixture
def world():
    return World()


@pytest.fixture(autouse=True)
def records():
    """What was logged; rendering it, tracebacks above all, takes longer than the tests."""
    with capture_logs() as captured:
        yield captured


@pytest.fixture
def low_limits(monkeypatch):
    """Large files above 400 bytes; at most five rows in one write to the ledger."""
    for module in ("awcopy.planning.blocks", "awcopy.planning.proofs", "awcopy.steps.list_objects"):
        monkeypatch.setattr(f"{module}.LARGE_FILE_BYTES", LARGE_BYTES)
    for module in ("awcopy.steps.list_objects", "awcopy.steps.copy_blocks"):
        monkeypatch.setattr(f"{module}.EXTEND_LIMIT", 5)


@pytest.fixture
def spec():
    return make_spec(block_size_bytes=BLOCK_BYTES, files_per_task=3)
