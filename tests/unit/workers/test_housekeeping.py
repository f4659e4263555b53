from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from awcopy import __version__
from awcopy.errors import ConnectionLost, CredentialsError, ServiceUnreachable, Throttled
from awcopy.notify.memory import MemoryMessenger
from awcopy.steps.reconcile import Repairs
from tests.unit.factories import JOB_ID, make_schedule, make_spec
from tests.unit.world import World
from workers import housekeeping
from workers.housekeeping import Housekeeper, Notifier


class House:
    """A housekeeper whose rounds are counted, and end after some of them."""

    def __init__(self, monkeypatch):
        self.world = World()
        self.published = []
        self.repairs = Repairs(dispatches=[JOB_ID])
        self.now = 0.0
        monkeypatch.setattr(housekeeping, "reconcile", lambda _context: self.repairs)
        monkeypatch.setattr(
            housekeeping.messages, "publish_repairs", lambda _app, repairs: self.published.append(repairs)
        )
        monkeypatch.setattr(housekeeping.time, "monotonic", lambda: self.now)

    def run(self, rounds, *, slots=8, name="w1", every_s=15.0):
        keeper = Housekeeper(None, self.world.context, every_s, slots=slots, name=name)
        waits = []

        def wait(seconds):
            waits.append(seconds)
            self.now += seconds
            self.world.clock.seconds += seconds
            if len(waits) == rounds:
                keeper.stop()

        keeper._stopping.wait = wait
        keeper.run()
        return waits


@pytest.fixture
def house(monkeypatch):
    with capture_logs() as records:
        house = House(monkeypatch)
        house.records = records
        yield house


def events(house):
    return [record["event"] for record in house.records]


def test_a_worker_says_in_every_round_that_it_is_there(house):
    waits = house.run(3)
    assert waits == [housekeeping.BEAT_EVERY_S] * 3
    [beat] = house.world.live.workers()
    assert (beat.name, beat.slots, beat.seconds_ago) == ("w1", 8, 5.0)
    assert beat.version == __version__
    assert (beat.vitals.memory_bytes > 2**20) is Path("/proc/self/statm").exists()


def test_a_worker_tells_how_often_it_has_tried_again(house):
    house.world.context.retries.note(ConnectionLost("lost"))
    house.world.context.retries.note(Throttled("slow down"))
    house.run(1)
    [beat] = house.world.live.workers()
    assert (beat.vitals.retries, beat.vitals.throttles) == (2, 1)


def test_where_the_system_tells_no_memory_there_is_none(house, monkeypatch):
    monkeypatch.setattr(housekeeping, "_STATM", Path("/there/is/no/such"))
    house.run(1)
    assert house.world.live.workers()[0].vitals.memory_bytes == 0


def test_a_process_that_runs_no_tasks_is_seen_but_is_no_worker(house):
    house.run(1, slots=0, name="beat")
    assert [process.name for process in house.world.live.processes()] == ["beat"]
    assert house.world.live.workers() == []


def test_reconciling_is_done_at_once_and_then_every_so_often(house):
    house.run(7)
    assert len(house.published) == 3  # after 0, 15 and 30 seconds


def test_several_processes_together_reconcile_no_more_than_twice_as_often(house):
    for _ in range(5):
        house.run(1)
        house.world.clock.seconds -= housekeeping.BEAT_EVERY_S
    assert len(house.published) == 1


def test_what_reconciling_finds_is_published(house):
    house.run(1)
    assert house.published == [house.repairs]


@pytest.mark.parametrize("error", [ServiceUnreachable("Redis is gone"), ZeroDivisionError()])
def test_whatever_goes_wrong_the_next_round_tries_again(house, error):
    def refuse(*_arguments):
        raise error

    beat, house.world.live.beat = house.world.live.beat, refuse
    house.run(2)
    assert events(house).count("heartbeat_lost") == 2
    house.world.live.beat = beat
    house.run(1)
    assert house.world.live.workers()


def test_reconciling_that_fails_is_tried_again(house, monkeypatch):
    def refuse(_context):
        raise ServiceUnreachable("the ledger does not answer")

    monkeypatch.setattr(housekeeping, "reconcile", refuse)
    house.run(7)
    assert events(house).count("reconcile_failed") == 3


def test_schedules_are_fired_and_their_jobs_dispatched_once(house, monkeypatch):
    sent = []
    monkeypatch.setattr(housekeeping.messages, "publish_dispatch", lambda _app, job_id: sent.append(job_id))
    house.world.ledger.add_schedule(make_schedule(every_s=60))
    house.run(20)
    assert sent == [job.id for job in house.world.ledger.list_jobs()]
    assert len(sent) == 1


def test_receivers_are_told_by_whoever_knows_them():
    world, receiver = World(), MemoryMessenger()
    job = world.submit(spec=make_spec(notify=("ops",)))
    world.run(job)

    def nobody(name):
        raise CredentialsError(f"there is no profile {name!r}")

    Notifier(world.context.fleet, nobody, 15.0).look()
    assert len(world.ledger.list_notifications()) == 1
    Notifier(
        world.context.fleet, lambda _name: receiver, 15.0
    ).look()  # also when it is not its turn to look for more
    assert [job.id in message.subject for message in receiver.messages] == [True]
    assert world.ledger.list_notifications() == []
