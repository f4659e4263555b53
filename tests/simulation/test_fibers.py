"""What the scheduler does when a fiber leaves its hands."""

from __future__ import annotations

import time

import pytest

from tests.simulation import fibers
from tests.simulation.fibers import Process, Scheduler, Stuck


def test_a_fiber_that_really_waits_fails_the_run(monkeypatch):
    monkeypatch.setattr(fibers, "_STUCK_AFTER_S", 0.01)
    scheduler, after = Scheduler(), []
    process = Process("worker")
    scheduler.spawn("sleeper", process, lambda: time.sleep(0.02))
    scheduler.spawn("next", process, lambda: after.append(True))

    with pytest.raises(Stuck, match="sleeper was away for"):
        scheduler.run(lambda: False, deadline=1.0)

    assert not after
