from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from awcopy.errors import ServiceUnreachable
from awcopy.live.base import Vitals
from awcopy.model.items import Item, ItemKind, ItemState
from awcopy.model.job import JobState
from awcopy.model.outcome import Tally, Totals
from web.metrics import FRESH_S, OUTCOMES, FleetNumbers, Scrapes
from web.watching import History


def read(page):
    """Return the value of each sample by its name and labels."""
    families = text_string_to_metric_families(page if isinstance(page, str) else page.decode())
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


def add_item(fleet, job, number, state, **changes):
    facts = {"job_id": job.id, "number": number, "kind": ItemKind.COPY_FILES, "state": state}
    fleet.ledger.add_item(Item(**{**facts, **changes}))


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def test_the_outcomes_of_a_job_add_up_to_what_it_listed(client, fleet, add_job):
    job = add_job(state=JobState.COMPLETED, changed_at=fleet.ledger.now())

    found = read(client.get("/metrics").text)

    for unit, whole in (("objects", 1_000), ("bytes", 10_000)):
        parts = [found[f"awcopy_job_{unit}", job.id, outcome] for outcome in OUTCOMES]
        assert sum(parts) == found[f"awcopy_job_listed_{unit}", job.id] == whole
    assert found["awcopy_job_objects", job.id, "failed"] == 3
    assert found["awcopy_jobs", "completed"] == 1
    assert found["awcopy_jobs", "failed"] == 0


def test_an_open_job_is_counted_by_its_items(client, fleet, add_job):
    job = add_job(state=JobState.RUNNING)
    listed = Totals(listed=Tally(objects=7, size_bytes=70), copied=Tally(objects=2, size_bytes=20))
    add_item(fleet, job, 1, ItemState.DONE, totals=listed)
    add_item(fleet, job, 2, ItemState.LEASED)
    for number in (3, 4):
        add_item(fleet, job, number, ItemState.READY)

    found = read(client.get("/metrics").text)

    assert found["awcopy_job_objects", job.id, "pending"] == 5
    assert found["awcopy_job_leases", job.id] == 1
    assert found["awcopy_job_ready_items", job.id] == 2
    assert found["awcopy_job_open_items", job.id] == 3
    assert found["awcopy_job_agents", job.id] == job.spec.agents


def test_processes_tell_their_memory_and_retries(client, fleet):
    fleet.live.beat("worker@host", 8, "1.0", Vitals(memory_bytes=100, retries=7, throttles=2))

    found = read(client.get("/metrics").text)

    assert found["awcopy_process_memory_bytes", "worker@host"] == 100
    assert found["awcopy_process_retries_total", "worker@host"] == 7
    assert found["awcopy_process_throttles_total", "worker@host"] == 2
    assert (found["awcopy_workers",], found["awcopy_queue_messages",], found["awcopy_redis_up",]) == (1, 0, 1)


def test_how_long_an_item_has_been_next_in_line_is_told(fleet, add_job):
    clock = Clock()
    numbers = FleetNumbers(fleet, History(), clock)
    job = add_job(state=JobState.RUNNING)
    waiting = add_job(state=JobState.PAUSED)
    for one in (job, waiting):
        for number in (1, 2):
            add_item(fleet, one, number, ItemState.READY)
    waits = []
    for seconds in (0, 20, 50):
        if seconds == 50:
            fleet.ledger.update_item(replace(fleet.ledger.get_item(job.id, 1), state=ItemState.DONE))
        clock.now = 100.0 + seconds
        waits.append(read(numbers.collect_page())["awcopy_oldest_ready_seconds",])
    assert waits == [0, 20, 0]


def test_a_name_is_a_label_and_nothing_else(client, add_job):
    name = 'a"} 1\nawcopy_redis_up 7\n\u202e\\'
    job = add_job(name=name)

    found = read(client.get("/metrics").text)

    assert [key for key in found if key[0] == "awcopy_job_info" and key[1] == job.id]
    assert found["awcopy_redis_up",] == 1


def test_no_label_is_one_that_prometheus_gives_itself(client, fleet, add_job):
    add_job()
    fleet.live.beat("worker@host", 8)
    families = text_string_to_metric_families(client.get("/metrics").text)
    labels = {label for family in families for sample in family.samples for label in sample.labels}
    assert {"job_id", "outcome", "process"} <= labels
    assert not labels & {"job", "instance"}


def test_redis_may_be_away_and_the_ledger_may_not(client, fleet, monkeypatch):
    def fail(*_, **__):
        raise ServiceUnreachable("away")

    monkeypatch.setattr(fleet.live, "waiting_messages", fail)
    assert read(client.get("/metrics").text)["awcopy_redis_up",] == 0


def test_a_ledger_that_is_away_gives_no_numbers(client, fleet, monkeypatch):
    def fail(*_, **__):
        raise ServiceUnreachable("away")

    monkeypatch.setattr(fleet.ledger, "open_jobs", fail)
    assert client.get("/metrics").status_code == 503


def test_whoever_asks_within_seconds_gets_the_same_page():
    clock = Clock()
    pages = iter([b"one", b"two"])
    scrapes = Scrapes(lambda: next(pages), clock)

    assert [scrapes.latest() for _ in range(3)] == [b"one"] * 3
    clock.now += FRESH_S
    assert scrapes.latest() == b"two"


def test_while_a_page_takes_long_the_one_before_is_given(monkeypatch):
    monkeypatch.setattr("web.metrics.LONGEST_WAIT_S", 0.01)
    clock, go_on = Clock(), threading.Event()
    pages = iter([b"one", b"two"])
    scrapes = Scrapes(lambda: (go_on.wait(30), next(pages))[1], clock)
    go_on.set()
    assert scrapes.latest() == b"one"
    go_on.clear()
    clock.now += FRESH_S

    assert [scrapes.latest() for _ in range(2)] == [b"one"] * 2
    thread = scrapes._thread
    go_on.set()
    thread.join(30)
    assert scrapes.latest() == b"two"


@pytest.mark.parametrize("error", [ServiceUnreachable("away"), RuntimeError("a fault of ours")])
def test_an_error_is_told_until_a_page_is_there_again(error):
    clock = Clock()
    answers = iter([b"one", error, b"two"])

    def collect():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    scrapes = Scrapes(collect, clock)
    assert scrapes.latest() == b"one"
    clock.now += FRESH_S
    for _ in range(2):
        with pytest.raises(type(error)):
            scrapes.latest()
    clock.now += FRESH_S
    assert scrapes.latest() == b"two"
