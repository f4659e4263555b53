from __future__ import annotations

from datetime import timedelta

import pytest

from awcopy.config import AwsKeys, Secret
from awcopy.errors import (
    AccessDenied,
    CredentialsError,
    IllegalMove,
    ServiceUnreachable,
    StoreNotFound,
    TagsDenied,
    UsageError,
)
from awcopy.jobs.submit import JobRequest, check_stores, make_job, submit_job
from awcopy.model.job import JobState, made_at, new_job_id
from awcopy.model.objects import SinkAccount
from awcopy.vault.credentials import JobCredentials
from awcopy.vault.sealing import create_keys, open_sealed, read_private_keys, read_public_key
from tests.unit.factories import make_spec
from tests.unit.world import World

CREDENTIALS = JobCredentials(aws=AwsKeys(access_key=Secret("AKIAX"), secret_key=Secret("hunter2")))


@pytest.fixture
def world():
    return World()


def test_a_submitted_job_is_queued_in_the_ledger(world):
    job = submit_job(world.fleet, JobRequest(spec=make_spec(), name="nightly", user="dana"))
    assert world.ledger.get_job(job.id) == job
    assert (job.state, job.name, job.user, job.sealed) == (JobState.QUEUED, "nightly", "dana", "")


@pytest.mark.parametrize("late", [timedelta(0), timedelta(milliseconds=999)])
def test_a_newer_job_stands_before_an_older_one_however_late_its_process_takes_it_to_be(world, late):
    moment = world.ledger.now()
    moments = iter(moment - number * late for number in range(9))
    world.ledger.now = lambda: next(moments)
    ids = [submit_job(world.fleet, JobRequest(spec=make_spec())).id for _ in range(9)]
    assert [job.id for job in world.ledger.list_jobs()] == ids[::-1]


def test_credentials_are_sealed_for_this_job(world, tmp_path):
    folder = tmp_path / "keys"
    create_keys(folder)
    request = JobRequest(spec=make_spec(), credentials=CREDENTIALS)
    job = submit_job(world.fleet, request, read_public_key(folder))
    assert "hunter2" not in repr(world.ledger.get_job(job.id))
    assert open_sealed(job.sealed, job.id, read_private_keys(folder)) == CREDENTIALS


def test_credentials_without_a_key_to_seal_them_are_never_written(world):
    with pytest.raises(CredentialsError, match="public key"):
        submit_job(world.fleet, JobRequest(spec=make_spec(), credentials=CREDENTIALS))
    assert world.ledger.list_jobs() == []


def test_what_was_sealed_elsewhere_is_kept_with_the_id_that_it_was_sealed_to(world):
    job_id = new_job_id(world.ledger.now())
    job = submit_job(world.fleet, JobRequest(spec=make_spec(), job_id=job_id, sealed="c2VhbGVk"))
    assert (job.id, job.sealed, job.was_sealed) == (job_id, "c2VhbGVk", True)


def test_an_id_is_given_once(world):
    request = JobRequest(spec=make_spec(), job_id=new_job_id(world.ledger.now()))
    submit_job(world.fleet, request)
    with pytest.raises(IllegalMove, match="already"):
        submit_job(world.fleet, request)


def test_a_job_whose_id_is_of_another_time_holds_up_no_other(world):
    strange = new_job_id(world.ledger.now() + timedelta(days=9999))
    request = JobRequest(spec=make_spec())
    world.ledger.add_job(make_job(request, strange, world.ledger.now(), why=""))
    assert abs(made_at(submit_job(world.fleet, request).id) - world.ledger.now()) < timedelta(minutes=1)


@pytest.mark.parametrize("minutes", [-16, 16])
def test_an_id_of_another_time_is_refused(world, minutes):
    job_id = new_job_id(world.ledger.now() + timedelta(minutes=minutes))
    with pytest.raises(UsageError, match="not of this time"):
        submit_job(world.fleet, JobRequest(spec=make_spec(), job_id=job_id))
    assert world.ledger.list_jobs() == []


def test_a_live_state_that_does_not_answer_is_told_before_anything_is_written(world):
    def refuse():
        raise ServiceUnreachable("Redis is gone")

    world.live.ping = refuse
    with pytest.raises(ServiceUnreachable):
        submit_job(world.fleet, JobRequest(spec=make_spec()))
    assert world.ledger.list_jobs() == []


def test_stores_that_answer_are_in_order(world):
    check_stores(make_spec(), world.source, world.sink)
    assert world.sink.has_container


@pytest.mark.parametrize("create_container", [True, False])
def test_a_missing_container_is_created_only_when_asked(world, create_container):
    world.sink.has_container = False
    if create_container:
        check_stores(make_spec(), world.source, world.sink, create_container=True)
    else:
        with pytest.raises(StoreNotFound):
            check_stores(make_spec(), world.source, world.sink)
    assert world.sink.has_container is create_container


def check(world, **spec):
    check_stores(make_spec(**spec), world.source, world.sink)


@pytest.mark.parametrize("kind", ["BlockBlobStorage", "Storage"])
def test_a_tier_is_refused_for_an_account_that_has_none(world, kind):
    world.sink.facts = SinkAccount(kind=kind)
    check(world)
    with pytest.raises(UsageError, match=f"{kind}, which has no access tiers"):
        check(world, tier="Cool")


def test_tags_are_refused_for_an_account_that_has_none(world):
    world.sink.facts = SinkAccount(kind="StorageV2", is_hierarchical=True)
    check(world, tier="Cool")
    with pytest.raises(UsageError, match="hierarchical namespace"):
        check(world, copies_tags=True)


def test_an_account_that_does_not_say_what_it_can_do_is_no_mistake(world):
    world.sink.facts = SinkAccount()
    check(world, tier="Cool", copies_tags=True)
    assert world.sink.has_container


def test_tags_that_may_not_be_read_are_told_before_anything_is_written(world):
    world.source.put_object("k", b"x")
    world.source.hides_tags = True
    check(world)
    with pytest.raises(TagsDenied):
        check(world, copies_tags=True)


def test_no_container_is_created_for_a_source_that_cannot_be_listed(world):
    world.sink.has_container = False
    world.source.is_denied = True
    with pytest.raises(AccessDenied):
        check_stores(make_spec(), world.source, world.sink, create_container=True)
    assert not world.sink.has_container
