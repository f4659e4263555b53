"""What the scheduler does when a fiber leaves its hands."""

from __future__ import annotations

import threading

import pytest

from tests.simulation import fibers
from tests.simulation.fibers import Process, Scheduler, Stuck


def test_a_fiber_that_really_waits_fails_the_run_soon_and_says_where(monkeypatch):
    monkeypatch.setattr(fibers, "_LOOK_S", 0.05)
    scheduler, never, after = Scheduler(), threading.Event(), []
    process = Process("worker")
    scheduler.spawn("waits for an event of the system", process, never.wait)
    scheduler.spawn("next", process, lambda: after.append(True))

    with pytest.raises(Stuck, match=r"(?s)waits for an event of the system.*threading\.py.*wait"):
        scheduler.run(lambda: False, deadline=1.0)
    scheduler.close()

    assert not after
    never.set()
