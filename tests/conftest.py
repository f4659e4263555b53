"""Real servers for the tests that ask for them, and one marker per folder.

A server is started once per session, when the first test asks. One that cannot start skips its tests
on a developer's machine and fails them in CI.
"""

from __future__ import annotations

import os
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

TESTS = Path(__file__).parent
IN_CI = os.environ.get("CI") == "true"  # noqa: TID251 - no setting of awcopy

# How long an example takes says how busy the machine is, and nothing about the code.
settings.register_profile("awcopy", deadline=None)
settings.load_profile("awcopy")

AnyServer = TypeVar("AnyServer", bound=Server)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with its folder's name; block sockets in unit tests."""
    for item in items:
        kind = item.path.relative_to(TESTS).parts[0]
        if kind in {"unit", "contract", "integration", "acceptance", "faults", "browser"}:
            item.add_marker(kind)
        if kind == "unit":
            item.add_marker("disable_socket")


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
