from __future__ import annotations

from dataclasses import replace

import pytest

from awcopy.errors import IllegalMove
from awcopy.jobs.submit import JobRequest
from awcopy.jobs.submit_once import REMEMBERED_FOR, submit_once
from awcopy.live.memory import MemoryLive
from tests.unit.factories import make_spec
from tests.unit.world import World

REQUEST = JobRequest(spec=make_spec())


@pytest.fixture
def world():
    return World()


def test_the_same_request_finds_its_job_also_when_redis_has_lost_everything(world):
    job, is_new = submit_once(world.fleet, REQUEST, "key", b"body")
    without_memory = replace(world.fleet, live=MemoryLive())

    again = submit_once(without_memory, REQUEST, "key", b"body")

    assert is_new
    assert again == (job, False)


def test_after_a_day_the_key_is_free(world):
    first, _ = submit_once(world.fleet, REQUEST, "key", b"body")
    world.clock.seconds += REMEMBERED_FOR.total_seconds() + 1

    second, is_new = submit_once(world.fleet, REQUEST, "key", b"other")

    assert is_new
    assert second.id != first.id


def test_a_key_with_another_body_is_refused(world):
    submit_once(world.fleet, REQUEST, "key", b"body")

    with pytest.raises(IllegalMove, match="another"):
        submit_once(world.fleet, REQUEST, "key", b"other")


def test_of_two_at_once_one_submits(world):
    job, _ = submit_once(world.fleet, REQUEST, "key", b"body")
    world.ledger.delete_job(job.id)  # as the other sees it, who has looked before it was written

    with pytest.raises(IllegalMove, match="is being submitted"):
        submit_once(world.fleet, REQUEST, "key", b"body")
