"""The browser that is driven; without one, tests skip on a developer's machine and fail in CI."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.chromium import HOW, find_chromium
from tests.conftest import IN_CI


@pytest.fixture(scope="session")
def chromium_path() -> Path:
    """The program to hand to Playwright as ``executable_path``."""
    found = find_chromium()
    if found is None:
        if IN_CI:
            raise FileNotFoundError(HOW)
        pytest.skip(HOW)
    return found
