"""A browser, and a running fleet for it to look at; both are started once.

Without a browser, tests skip on a developer's machine and fail in CI.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.acceptance.conftest import Place
from tests.acceptance.conftest import place as place  # noqa: PLC0414 - a fleet of these tests' own
from tests.browser.chromium import HOW, find_chromium
from tests.browser.stage import Stage, open_stage
from tests.browser.visitor import LIMIT_MS, Visitor, launch
from tests.conftest import IN_CI

expect.set_options(timeout=LIMIT_MS)


@pytest.fixture(scope="session")
def chromium_path() -> Path:
    """The program to hand to Playwright as ``executable_path``."""
    found = find_chromium()
    if found is None:
        if IN_CI:
            raise FileNotFoundError(HOW)
        pytest.skip(HOW)
    return found


@pytest.fixture(scope="session")
def browser(chromium_path: Path) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = launch(playwright, chromium_path)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def stage(place: Place) -> Iterator[Stage]:
    with open_stage(place) as stage:
        yield stage


@pytest.fixture
def visitor(browser: Browser, stage: Stage) -> Iterator[Visitor]:
    """Somebody at a desktop; whatever the browser complains of fails the test."""
    with Visitor.arrive(browser, stage.url) as visitor:
        yield visitor


@pytest.fixture
def page(visitor: Visitor) -> Page:
    """An empty tab."""
    return visitor.context.new_page()
