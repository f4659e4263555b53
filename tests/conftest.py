"""Real servers for the tests that ask for them, one marker per folder, and one seed for the faults of a run.

A server is started once per session, when the first test asks. One that cannot start skips its tests
on a developer's machine and fails them in CI.
"""

from __future__ import annotations

import os
import secrets
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import settings

from awcopy.demo.servers import (
    AzuriteServer,
    RedisServer,
    S3Server,
    Server,
    start_azurite,
    start_moto,
    start_redis,
    start_s3,
)
from awcopy.errors import ServiceUnreachable

# Whatever imports them first: without this their asserts say nothing.
pytest.register_assert_rewrite("tests.faults.fleet", "tests.faults.invariants", "tests.faults.moments")

# A shell has what it runs in the background ignore Ctrl-C, and so would all that the tests start and then interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

TESTS = Path(__file__).parent
IN_CI = os.environ.get("CI") == "true"  # noqa: TID251 - no setting of awcopy

# How long an example takes says how busy the machine is, and nothing about the code.
settings.register_profile("awcopy", deadline=None)
settings.load_profile("awcopy")

AnyServer = TypeVar("AnyServer", bound=Server)


KINDS = ("faults", "acceptance", "browser", "integration", "contract", "simulation", "unit")
MARKED = {*KINDS} - {"simulation"}

SEED_VARIABLE = "AWCOPY_FAULT_SEED"
OWN_SEED = int(os.environ.get(SEED_VARIABLE) or secrets.randbelow(10**6))  # noqa: TID251 - no setting of awcopy


def fault_seed(config: pytest.Config) -> int:
    """Return the seed of the run's faults, the same in all processes of pytest-xdist."""
    return getattr(config, "workerinput", {}).get(SEED_VARIABLE, OWN_SEED)


@pytest.hookimpl(optionalhook=True)  # there is such a hook only where tests run side by side
def pytest_configure_node(node) -> None:
    node.workerinput[SEED_VARIABLE] = OWN_SEED


@pytest.hookimpl(trylast=True)  # after its letter
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Say in CI at once what failed and why: a run that is cut off never comes to its summary."""
    if IN_CI and report.failed:
        crash = getattr(report.longrepr, "reprcrash", None)
        why = crash.message.splitlines()[0] if crash else report.longreprtext[-300:]
        sys.stdout.write(f"\n{report.nodeid} ({report.when}): {why}\n")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say the seed at the end of every run with faults, however it went."""
    ran = (report for reports in terminalreporter.stats.values() for report in reports)
    if any(getattr(report, "nodeid", "").startswith("tests/faults/") for report in ran):
        terminalreporter.write_line(
            f"faults: seed {OWN_SEED}; {SEED_VARIABLE}={OWN_SEED} injects the same faults again"
        )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark each test with its folder's name; block sockets in unit tests; order what runs side by side."""
    for item in items:
        kind = kind_of(item)
        if kind in MARKED:
            item.add_marker(kind)
        if kind == "unit":
            item.add_marker("disable_socket")
    if hasattr(config, "workerinput"):
        items.sort(key=_turns(items).__getitem__)


def _turns(items: list[pytest.Item]) -> dict[pytest.Item, float]:
    """Return when each test's file has its turn where tests run side by side.

    What waits (faults) is spread among what computes, or several would wait and then several compute at once.
    Unit tests come last: their many small files even out the end.
    """
    files: dict[str, list[Path]] = {kind: [] for kind in KINDS}
    for item in items:
        if item.path not in files[kind_of(item)]:
            files[kind_of(item)].append(item.path)
    turn = {path: at / len(paths) for paths in files.values() for at, path in enumerate(paths)}
    return {item: turn[item.path] + (kind_of(item) == "unit") for item in items}


def kind_of(item: pytest.Item) -> str:
    """Return the name of the test's folder."""
    return item.path.relative_to(TESTS).parts[0]


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    yield from _serve(start_redis, tmp_path_factory.mktemp("redis"))


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """SeaweedFS, which checks signatures and checksums."""
    yield from _serve(start_s3, tmp_path_factory.mktemp("s3"))


@pytest.fixture(scope="session")
def moto_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """moto, which takes every key and lists in S3's order, and accepts any credentials."""
    yield from _serve(start_moto, tmp_path_factory.mktemp("moto"))


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AzuriteServer]:
    yield from _serve(start_azurite, tmp_path_factory.mktemp("azurite"))


def _serve(start: Callable[[Path], AnyServer], folder: Path) -> Iterator[AnyServer]:
    try:
        server = start(folder)
    except ServiceUnreachable as exc:
        if IN_CI:
            raise
        pytest.skip(str(exc))
    with server:
        yield server
