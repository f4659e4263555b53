from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from workers import lifecycle
from workers.lifecycle import FIRST_BACK_OFF_S, HEALTHY_AFTER_S, MAX_BACK_OFF_S, Supervisor, back_off_s


@pytest.mark.parametrize(
    ("failures", "chance", "wait_s"),
    [
        (0, 0.9, 0.0),
        (1, 0.0, FIRST_BACK_OFF_S / 2),
        (1, 1.0, FIRST_BACK_OFF_S),
        (2, 1.0, 2 * FIRST_BACK_OFF_S),
        (4, 1.0, 8 * FIRST_BACK_OFF_S),
        (50, 1.0, MAX_BACK_OFF_S),
        (50, 0.0, MAX_BACK_OFF_S / 2),
    ],
)
def test_a_process_that_keeps_ending_is_started_again_later_and_later(failures, chance, wait_s):
    assert back_off_s(failures, chance) == wait_s


class FakeProcess:
    """A process that runs until it is told its end."""

    started: list[FakeProcess]

    def __init__(self, command, *, start_new_session):
        self.command, self.has_session, self.status, self.signals = command, start_new_session, None, []
        self.pid = len(self.started)
        self.started.append(self)

    def poll(self):
        return self.status

    def send_signal(self, number):
        self.signals.append(number)
        self.status = -number

    def wait(self):
        return self.status


@pytest.fixture
def processes(monkeypatch):
    FakeProcess.started = []
    monkeypatch.setattr(lifecycle.subprocess, "Popen", FakeProcess)
    monkeypatch.setattr(lifecycle.random, "random", lambda: 1.0)
    with capture_logs():
        yield FakeProcess.started


@pytest.fixture
def clock(monkeypatch):
    now = [1_000.0]
    monkeypatch.setattr(lifecycle.time, "monotonic", lambda: now[0])
    return now


def look(supervisor):
    for slot in supervisor._slots:
        supervisor._look_after(slot)


def make_supervisor(count=2):
    supervisor = Supervisor(["worker"], count)
    supervisor._slots = [lifecycle._Slot() for _ in range(count)]
    return supervisor


def test_every_slot_gets_a_process_in_a_session_of_its_own(processes, clock):
    look(make_supervisor(3))
    assert [(one.command, one.has_session) for one in processes] == [(["worker"], True)] * 3


def test_a_process_that_runs_is_left_alone(processes, clock):
    supervisor = make_supervisor(1)
    for _ in range(3):
        look(supervisor)
    assert len(processes) == 1


def test_a_process_that_ended_after_a_healthy_life_is_started_again_at_once(processes, clock):
    supervisor = make_supervisor(1)
    look(supervisor)
    clock[0] += HEALTHY_AFTER_S + 1
    processes[0].status = -9
    look(supervisor)
    assert len(processes) == 2


def test_a_process_that_ended_at_once_is_started_again_after_a_while(processes, clock):
    supervisor = make_supervisor(1)
    look(supervisor)
    processes[0].status = 1
    look(supervisor)
    assert len(processes) == 1
    clock[0] += FIRST_BACK_OFF_S
    look(supervisor)
    assert len(processes) == 2


def test_a_process_that_keeps_ending_waits_longer_each_time(processes, clock):
    supervisor = make_supervisor(1)
    waits = []
    for _ in range(4):
        look(supervisor)
        processes[-1].status = 1
        look(supervisor)
        slot = supervisor._slots[0]
        waits.append(slot.start_at - clock[0])
        clock[0] = slot.start_at
    assert waits == [1.0, 2.0, 4.0, 8.0]


def test_stopping_is_passed_on_to_every_process_once(processes, clock):
    supervisor = Supervisor(["worker"], 2)
    supervisor.stop()
    supervisor.run()
    assert processes == []
    supervisor = Supervisor(["worker"], 2)
    supervisor._stopping.wait = lambda _seconds: supervisor.stop()
    supervisor.run()
    assert [one.signals for one in processes] == [[15], [15]]
