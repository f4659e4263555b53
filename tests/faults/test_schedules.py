"""What may happen to schedules: each time at which one is due leads to one job, or to the reason why not.

Times are made to come by writing a schedule's row as it would be had it been added hours ago; the processes, the
ledger and the stores are real.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import unquote

import pytest
from azure.storage.blob import AccountSasPermissions, ResourceTypes, generate_account_sas

from awcopy.demo.processes import ChildProcess, stop_all
from awcopy.demo.servers import S3Server
from awcopy.jobs.queries import read_report
from awcopy.jobs.watermark import OVERLAP
from awcopy.model.job import Job, JobId, JobState
from awcopy.model.outcome import Result
from awcopy.model.schedule import CatchUp, Fate, Occurrence, Overlap
from awcopy.vault.profile_files import write_profile
from tests.faults.fleet import RECONCILE_S, SINK_ACCOUNT, FaultFleet, client_of
from tests.faults.http_proxy import (
    APPLY_THEN_DROP,
    Drop,
    Exchange,
    Fault,
    HttpProxy,
    Op,
    is_later_page,
    refuse,
)
from tests.faults.moments import hold
from tests.faults.processes import wait_until

HOUR = timedelta(hours=1)
CONTENTS = {f"k{number}": b"%d" % number for number in range(5)}
WITHIN_S = 60.0
_numbers = itertools.count(1)

pytestmark = pytest.mark.timeout(240)


class Scheduled:
    """A fleet with hourly schedules; the hands of a user on them, and of time."""

    def __init__(self, fleet: FaultFleet, ledger: HttpProxy) -> None:
        """Keep the fleet, and the proxy through which a beat may be led to the ledger's tables."""
        self.fleet = fleet
        self.ledger = ledger
        self.names: list[str] = []
        self.started: list[ChildProcess] = []

    def add(self, *options: str) -> str:
        """Add a schedule by the command, of a bucket of its own; return its name."""
        name = f"nightly-{next(_numbers)}"
        self.fleet.make_bucket(name, CONTENTS)
        self.fleet.blobs.create_container(name)
        done = self.fleet.awcopy(
            "schedule", "add", name, f"s3://{name}", f"az://{SINK_ACCOUNT}/{name}", "--every", "1h",
            "--source-profile", "in", "--sink-profile", "out", *options,
            AWS_ENDPOINT_URL="", AZURE_STORAGE_CONNECTION_STRING="",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        self.names.append(name)
        return name

    def age(self, name: str, by: timedelta) -> datetime:
        """Let the schedule have been added so long ago, and looked at last then; return that time."""
        found = self.fleet.fleet.ledger.get_schedule(name)
        began = self.fleet.fleet.ledger.now().replace(microsecond=0) - by
        self.fleet.fleet.ledger.update_schedule(replace(found, created_at=began, fired_to=began))
        return began

    def occurrences(self, name: str) -> list[Occurrence]:
        """Return what became of each time at which it was due, the oldest first."""
        return list(self.fleet.fleet.ledger.list_occurrences(name))[::-1]

    def fates(self, name: str) -> list[Fate]:
        return [one.fate for one in self.occurrences(name)]

    def jobs(self, name: str) -> list[Job]:
        """Return all jobs of the schedule, in no order: the ledger tells its time in whole seconds."""
        return [job for job in self.fleet.fleet.ledger.list_jobs(limit=1000) if job.name == name]

    def wait_for(self, name: str, *fates: Fate) -> list[Job]:
        """Return the jobs, by occurrence, once those have come to these fates, and the jobs to good ends."""
        wait_until(
            f"occurrences of {name} are {fates}", lambda: self.fates(name) == [*fates], within_s=WITHIN_S
        )
        ids = [one.job_id for one in self.occurrences(name) if one.fate is Fate.STARTED]
        assert sorted(ids) == sorted(job.id for job in self.jobs(name))
        for job_id in ids:
            self.fleet.own(job_id)
            assert self.fleet.ended(job_id).state is JobState.COMPLETED, self.fleet.describe(job_id)
        return [self.fleet.job(job_id) for job_id in ids]

    def beat(self, *, through_proxy: bool = False) -> ChildProcess:
        """Start a beat, which reaches the ledger's tables through the proxy or by itself."""
        env = {}
        if through_proxy:
            endpoint = self.fleet.ledger_server.endpoint
            tables = f"{self.ledger.url}/{endpoint.account}"
            env["AWCOPY_LEDGER"] = replace(endpoint, table_url=tables).connection_string
        return self.start(self.fleet.beat(**env))

    def start(self, part: ChildProcess) -> ChildProcess:
        """Start a process, to be stopped at the end of the test."""
        self.started.append(part)
        part.start()
        return part

    def stop_workers(self) -> None:
        """Stop all workers, so that nothing but a beat fires schedules."""
        self.fleet.workers()
        self.fleet.worker.stop(timeout_s=30)


@pytest.fixture
def scheduled(fleet: FaultFleet) -> Iterator[Scheduled]:
    folder = fleet.folder / "profiles"
    source = {"access_key": fleet.source.access_key, "secret_key": fleet.source.secret_key}
    endpoint = {"endpoint_url": fleet.s3.url, "region": fleet.source.region}
    write_profile(folder, "in", {"kind": "source", "buckets": ["*"], **source, **endpoint}, replace_it=True)
    sink = replace(fleet.sink, blob_url=f"{fleet.azure.url}/{SINK_ACCOUNT}").connection_string
    facts = {"kind": "sink", "containers": ["*"], "connection_string": sink, "allow_delete": True}
    write_profile(folder, "out", facts, replace_it=True)
    table_port = int(fleet.ledger_server.endpoint.table_url.split("/")[2].rpartition(":")[2])
    with ExitStack() as stack:
        ledger = stack.enter_context(HttpProxy(table_port, "azure"))
        hands = Scheduled(fleet, ledger)
        yield hands
        for name in hands.names:
            fleet.fleet.ledger.delete_schedule(name)
        stop_all(hands.started)


def writes(table: str, method: str, *words: str) -> Callable[[Exchange], bool]:
    """Return whether a request writes a row of a table of the ledger, its path holding these words."""

    def match(exchange: Exchange) -> bool:
        path = unquote(exchange.path)
        return exchange.method == method and f"/awcopy{table}" in path and all(word in path for word in words)

    return match


def test_an_interval_schedule_fires_by_itself_once(scheduled: Scheduled) -> None:
    name = scheduled.add()
    began = scheduled.age(name, HOUR - timedelta(seconds=3))
    assert scheduled.fates(name) == []
    [job] = scheduled.wait_for(name, Fate.STARTED)
    assert scheduled.occurrences(name)[0].planned_at == began + HOUR
    assert job.created_at >= began + HOUR
    assert job.totals.copied.objects == len(CONTENTS)
    assert {key: scheduled.fleet.blob(name, key) for key in CONTENTS} == CONTENTS


# Where beat dies, in order: each is a request that changes the ledger, and how often it came before.
MOMENTS = {
    "before the occurrence's row": (writes("schedules", "POST"), False),
    "between its row and the schedule's": (writes("schedules", "PUT", "'schedules'"), False),
    "between reserving and deciding": (writes("schedules", "PUT", "'of:"), False),
    "between deciding and the job": (writes("jobs", "POST"), False),
    "between the job and its message": (writes("jobs", "POST"), True),
}


@pytest.mark.parametrize("when", MOMENTS)
def test_beat_sigkill_while_it_fires_leaves_one_job(scheduled: Scheduled, when: str) -> None:
    match, is_applied = MOMENTS[when]
    scheduled.stop_workers()
    name = scheduled.add()
    scheduled.age(name, HOUR + timedelta(seconds=1))

    def kill(_: Exchange) -> None:
        scheduled.started[0].kill()

    if is_applied:
        scheduled.ledger.add(APPLY_THEN_DROP, match=match, times=1)
        match = lambda _: bool(scheduled.ledger.log.faults())  # noqa: E731 - what comes after it
    # What was sent just before it died would still be passed on, and sometimes arrive.
    scheduled.ledger.add(Fault(call=kill, drop=Drop.BEFORE), match=match, times=1, title="killed")
    beat = scheduled.beat(through_proxy=True)
    wait_until("beat is killed", lambda: not beat.is_running, within_s=WITHIN_S)
    assert scheduled.ledger.log.faults()["killed"] == 1
    assert len(scheduled.jobs(name)) == int(is_applied)
    scheduled.fleet.start_workers()
    scheduled.wait_for(name, Fate.STARTED)
    assert scheduled.fleet.awcopy("schedule", "history", name).stdout.count("started") == 1


@pytest.mark.parametrize(
    ("catch_up", "fates"),
    [
        (CatchUp.LATEST, (Fate.MISSED, Fate.MISSED, Fate.STARTED)),
        (CatchUp.ALL, (Fate.STARTED, Fate.STARTED, Fate.STARTED)),
        (CatchUp.SKIP, (Fate.MISSED, Fate.MISSED, Fate.MISSED)),
    ],
)
def test_everything_was_down_over_three_occurrences(
    scheduled: Scheduled, catch_up: CatchUp, fates: tuple[Fate, ...]
) -> None:
    scheduled.fleet.kill_workers()
    name = scheduled.add("--catch-up", catch_up.value)
    scheduled.age(name, 3 * HOUR + timedelta(minutes=10))
    scheduled.beat()
    wait_until("all are written down", lambda: len(scheduled.fates(name)) == len(fates), within_s=WITHIN_S)
    scheduled.fleet.start_workers()
    jobs = scheduled.wait_for(name, *fates)
    # One after the other: each was submitted when the one before it had ended, by a clock that tells whole seconds.
    apart = [other.created_at - one.changed_at for one, other in itertools.pairwise(jobs)]
    assert all(time > timedelta(seconds=-1) for time in apart), apart
    assert [job.totals.copied.objects for job in jobs] == [len(CONTENTS), 0, 0][: len(jobs)]


def test_two_beats_and_two_workers_start_each_job_once(scheduled: Scheduled) -> None:
    scheduled.beat()
    scheduled.beat()
    names = [scheduled.add() for _ in range(4)]
    for name in names:
        scheduled.age(name, HOUR - timedelta(seconds=2))
    for name in names:
        [job] = scheduled.wait_for(name, Fate.STARTED)
        assert job.totals.copied.objects == len(CONTENTS)


def test_the_ledgers_clock_jumps_forward_and_back(scheduled: Scheduled) -> None:
    scheduled.stop_workers()
    name = scheduled.add()
    began = scheduled.age(name, timedelta(minutes=10))
    fleet = scheduled.fleet

    def at(moment: datetime) -> ChildProcess:
        scheduled.ledger.reset()
        dated = {"Date": format_datetime(moment, usegmt=True)}
        scheduled.ledger.add(Fault(headers=dated))
        return scheduled.beat(through_proxy=True)

    def looks(times: int = 2) -> int:
        return len([one for one in scheduled.ledger.log.all() if "of:" in unquote(one.query)]) >= times

    beat = at(began + HOUR + timedelta(minutes=1))  # 51 minutes ahead
    wait_until("the occurrence is fired", lambda: scheduled.fates(name) == [Fate.STARTED], within_s=WITHIN_S)
    beat.kill()
    for moment in (began - HOUR, began + timedelta(minutes=59), began + HOUR + timedelta(minutes=2)):
        beat = at(moment)
        wait_until("beat has looked twice", looks, within_s=WITHIN_S, every_s=RECONCILE_S / 10)
        beat.kill()
        assert scheduled.fates(name) == [Fate.STARTED]
    fleet.start_workers()
    [job] = scheduled.wait_for(name, Fate.STARTED)
    assert job.totals.copied.objects == len(CONTENTS)


DAY = timedelta(days=1)


def lead_to_stores_that_do_not_look_at_the_time(fleet: FaultFleet, moto: S3Server) -> None:
    """Make the workers' profiles for moto, which judges no signature, and a SAS, which is not signed by the worker."""
    folder = fleet.folder / "profiles"
    source = {"access_key": moto.endpoint.access_key, "secret_key": moto.endpoint.secret_key}
    endpoint = {"endpoint_url": moto.endpoint.endpoint_url, "region": moto.endpoint.region}
    write_profile(folder, "in", {"kind": "source", "buckets": ["*"], **source, **endpoint}, replace_it=True)
    token = generate_account_sas(
        SINK_ACCOUNT,
        fleet.sink.key,
        resource_types=ResourceTypes(service=True, container=True, object=True),
        permission=AccountSasPermissions(read=True, write=True, list=True, add=True, create=True),
        expiry=datetime.now(UTC) + 7 * DAY,
    )
    where = f"AccountName={SINK_ACCOUNT};BlobEndpoint={fleet.azure.url}/{SINK_ACCOUNT}"
    sink = f"{where};SharedAccessSignature={token}"
    write_profile(
        folder, "out", {"kind": "sink", "containers": ["*"], "connection_string": sink}, replace_it=True
    )


@pytest.mark.parametrize("ahead", [DAY, -DAY])
def test_a_worker_whose_clock_is_a_day_wrong_dates_nothing_by_it(
    scheduled: Scheduled, moto_server: S3Server, ahead: timedelta
) -> None:
    fleet, ledger = scheduled.fleet, scheduled.fleet.fleet.ledger
    lead_to_stores_that_do_not_look_at_the_time(fleet, moto_server)
    scheduled.stop_workers()
    name = scheduled.add("--since", "last")
    objects = client_of(moto_server.endpoint)
    objects.create_bucket(Bucket=name)
    for key, content in CONTENTS.items():
        objects.put_object(Bucket=name, Key=key, Body=content)
    began = scheduled.age(name, HOUR + timedelta(seconds=1))
    scheduled.start(fleet.wrong_worker(ahead))
    [first] = scheduled.wait_for(name, Fate.STARTED)
    # This worker alone has fired and run it; the moments are the ledger's.
    moments = [first.created_at, *(event.at for event in first.events), first.changed_at]
    assert began + HOUR <= min(moments)
    assert max(moments) <= ledger.now()
    dates = {one["Key"]: one["LastModified"] for one in objects.list_objects_v2(Bucket=name)["Contents"]}
    blobs = fleet.blobs.get_container_client(name).list_blobs(include=["metadata"])
    stamped = {blob.name: datetime.fromisoformat(blob.metadata["awcopy_modified"]) for blob in blobs}
    assert stamped == dates

    objects.put_object(Bucket=name, Key="k1", Body=b"changed since")
    found = ledger.get_schedule(name)
    ledger.update_schedule(replace(found, created_at=found.created_at - HOUR + timedelta(seconds=5)))
    _, second = scheduled.wait_for(name, Fate.STARTED, Fate.STARTED)
    assert second.spec.selection.newer_than == first.created_at - OVERLAP
    assert second.totals.copied.objects == 1
    assert fleet.blob(name, "k1") == b"changed since"


def test_a_worker_whose_clock_is_a_day_wrong_pauses_what_the_source_refuses(scheduled: Scheduled) -> None:
    scheduled.stop_workers()
    name = scheduled.add()
    scheduled.age(name, HOUR + timedelta(seconds=1))
    worker = scheduled.start(scheduled.fleet.wrong_worker(DAY))
    wait_until("the job is there", lambda: scheduled.jobs(name), within_s=WITHIN_S)
    [job] = scheduled.jobs(name)
    scheduled.fleet.own(job.id)
    paused = scheduled.fleet.ended(job.id)
    assert (paused.state, paused.pause_reason) == (JobState.PAUSED, "auth")
    assert "RequestTimeTooSkewed" in paused.detail
    worker.stop(timeout_s=30)
    scheduled.fleet.start_workers()
    assert scheduled.fleet.awcopy("jobs", "resume", job.id).returncode == 0
    [done] = scheduled.wait_for(name, Fate.STARTED)
    assert done.totals.copied.objects == len(CONTENTS)


@pytest.mark.parametrize(
    ("overlap", "fates", "jobs"),
    [(Overlap.SKIP, (Fate.STARTED, Fate.SKIPPED), 1), (Overlap.QUEUE, (Fate.STARTED, Fate.STARTED), 2)],
)
def test_a_run_that_is_still_under_way_when_the_next_one_is_due(
    scheduled: Scheduled, overlap: Overlap, fates: tuple[Fate, ...], jobs: int
) -> None:
    name = scheduled.add("--overlap", overlap.value)
    gate = hold(scheduled.fleet.s3, Op.LIST, match=lambda one: one.place == name)
    scheduled.age(name, HOUR + timedelta(seconds=1))
    gate.wait()
    found = scheduled.fleet.fleet.ledger.get_schedule(name)
    moved = replace(found, created_at=found.created_at - HOUR + timedelta(seconds=5))
    scheduled.fleet.fleet.ledger.update_schedule(moved)
    wait_until("the second one is decided", lambda: len(scheduled.fates(name)) == 2, within_s=WITHIN_S)
    second = scheduled.occurrences(name)[1]
    assert second.fate is not Fate.STARTED
    gate.open()
    assert len(scheduled.wait_for(name, *fates)) == jobs
    if overlap is Overlap.SKIP:
        assert "of an earlier occurrence, is " in scheduled.occurrences(name)[1].detail


def names_at_sink(scheduled: Scheduled, name: str) -> set[str]:
    return {blob.name for blob in scheduled.fleet.blobs.get_container_client(name).list_blobs()}


def test_a_source_that_was_emptied_deletes_nothing(scheduled: Scheduled) -> None:
    name = scheduled.add("--delete", "--max-delete", "100%")
    scheduled.age(name, HOUR + timedelta(seconds=1))
    [first] = scheduled.wait_for(name, Fate.STARTED)
    for key in CONTENTS:
        scheduled.fleet.client.delete_object(Bucket=name, Key=key)
    scheduled.fleet.awcopy("schedule", "run", name)
    [second] = [job for job in scheduled.jobs(name) if job.id != first.id]
    scheduled.fleet.own(second.id)
    ended = scheduled.fleet.ended(second.id)
    assert (ended.state, ended.guard) == (JobState.COMPLETED_WITH_ERRORS, "empty_source")
    assert names_at_sink(scheduled, name) == set(CONTENTS)
    assert not scheduled.fleet.azure.log.deletes()
    assert Counter(one.result for one in read_report(scheduled.fleet.fleet, ended.id)) == {
        Result.EXTRA: len(CONTENTS)
    }
    warned = scheduled.fleet.awcopy("doctor").stdout
    assert name in warned


@pytest.mark.parametrize("side", ["source", "sink"])
def test_a_listing_that_fails_half_way_deletes_nothing(
    scheduled: Scheduled, side: str, two_pages: str
) -> None:
    fleet = scheduled.fleet
    container = f"halfway-{side}"
    fleet.blobs.create_container(container)
    line = ("sync", f"s3://{two_pages}", f"az://{SINK_ACCOUNT}/{container}", "--delete", "-q", "-o", "json")
    done = fleet.awcopy(*line)
    assert done.returncode == 0, done.stderr
    copied = names_at_sink(scheduled, container)
    assert len(copied) > 1000  # S3 lists a thousand at once
    fleet.reset()
    if side == "source":
        fleet.s3.add(refuse(403, "AccessDenied"), Op.LIST, match=is_later_page)
    else:
        denied = refuse(403, "AuthorizationPermissionMismatch")
        fleet.azure.add(denied, Op.LIST, match=lambda one: one.place == container, after=2)
    fleet.client.delete_object(Bucket=two_pages, Key="k0001")
    try:
        job_id = JobId(json.loads(fleet.awcopy(*line, "--detach").stdout)["id"])
        fleet.own(job_id)
        ended = fleet.ended(job_id)
    finally:
        fleet.put(two_pages, "k0001", b"1")
    assert ended.state in (JobState.FAILED, JobState.PAUSED), fleet.describe(job_id)
    assert not fleet.azure.log.deletes()
    assert names_at_sink(scheduled, container) == copied
