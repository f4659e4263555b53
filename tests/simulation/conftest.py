"""How many seeds are tried, and which."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

# Given on the command line as ``pytest tests/simulation --sim-seeds=5000``.
DEFAULT_SEEDS = 300


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("simulation")
    group.addoption("--sim-seeds", type=int, default=DEFAULT_SEEDS, help="how many seeds to try")
    group.addoption("--sim-seed", type=int, default=None, help="the one seed to replay")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Hand out the seeds in runs of 25, so that progress shows and one failure does not hide all others."""
    if "seeds" not in metafunc.fixturenames:
        return
    one = metafunc.config.getoption("--sim-seed", None)
    count = metafunc.config.getoption("--sim-seeds", DEFAULT_SEEDS)
    runs = (
        [range(one, one + 1)]
        if one is not None
        else [range(at, min(at + 25, count)) for at in range(0, count, 25)]
    )
    metafunc.parametrize("seeds", runs, ids=[f"{run.start}-{run.stop - 1}" for run in runs])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """With ``-v``, list which run caught which mutant."""
    caught = [
        text
        for report in terminalreporter.getreports("passed")
        for name, text in report.user_properties
        if name == "caught"
    ]
    if caught and terminalreporter.config.get_verbosity() > 0:
        terminalreporter.section("mutants")
        for text in caught:
            terminalreporter.line(text)
