"""One fleet for all tests, healed before each test."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from awcopy.errors import ServiceUnreachable
from tests.conftest import IN_CI, fault_seed
from tests.faults.fleet import TWO_PAGES, FaultFleet

_TAIL = 40


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let a proxy's connection that a fault cut in two be collected late; in awcopy itself that is an error."""
    here = __file__.rsplit("/", 1)[0]
    for item in items:
        if str(item.path).startswith(here):
            item.add_marker(pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"))
            item.add_marker(pytest.mark.filterwarnings("ignore::ResourceWarning"))


@pytest.fixture(scope="session")
def seed(pytestconfig: pytest.Config) -> int:
    """The seed of the run."""
    return fault_seed(pytestconfig)


@pytest.fixture(scope="session")
def one_fleet(tmp_path_factory: pytest.TempPathFactory, seed: int) -> Iterator[FaultFleet]:
    """The run's fleet."""
    with ExitStack() as stack:
        try:
            fleet = stack.enter_context(FaultFleet(tmp_path_factory.mktemp("faults"), seed=seed))
        except ServiceUnreachable as exc:
            if IN_CI:
                raise
            pytest.skip(str(exc))
        yield fleet


@pytest.fixture(scope="session")
def two_pages(one_fleet: FaultFleet) -> str:
    """The name of a bucket whose listing has a second page."""
    one_fleet.make_bucket("two-pages", {f"k{number:04}": b"%d" % number for number in range(TWO_PAGES)})
    return "two-pages"


@pytest.fixture
def fleet(one_fleet: FaultFleet) -> Iterator[FaultFleet]:
    """The fleet, with every earlier fault undone; what it logged is shown when the test fails."""
    one_fleet.reset()
    logged = one_fleet.worker.log_path.stat().st_size
    yield one_fleet
    with one_fleet.worker.log_path.open("rb") as log:
        log.seek(logged)
        lines = log.read().decode("utf-8", "replace").splitlines()
    # pytest shows what is written here when the test failed.
    sys.stdout.write("\n".join([f"seed {one_fleet.seed}; the worker's last lines:", *lines[-_TAIL:], ""]))
