"""What may happen to the fleet's own processes, to Redis and to the ledger, and how a job must end all the same."""

from __future__ import annotations

import os
import signal
from collections import Counter
from contextlib import ExitStack
from dataclasses import replace
from threading import Event

import pytest

from awcopy.model.items import Item, ItemKind, ItemState
from awcopy.model.job import JobId
from awcopy.model.outcome import Tally
from awcopy.units import MIB
from tests.faults.fleet import AMAZON_URL, LEASE_S, RECONCILE_S, VISIBILITY_S, FaultFleet, content_of
from tests.faults.http_proxy import Exchange, Fault, Op
from tests.faults.invariants import Expected, assert_invariants, is_heard
from tests.faults.moments import at_request, kill
from tests.faults.processes import full_disk, is_alive, stopped, wait_until

OBJECTS = 120
PER_TASK = 6
SLOTS = 4  # of each process; it holds no more messages than it works on, and as many in advance
LOST = Expected(
    lost_messages=2 * SLOTS
)  # Redis keeps a dead worker's messages for as long as Celery is told to
RESTORE_S = 25  # two looks of Celery's at what was not acknowledged, and the work itself
NOTICED_S = LEASE_S + 2 * RECONCILE_S  # a worker's death, by its leases

pytestmark = pytest.mark.timeout(180)


def start(fleet: FaultFleet, bucket: str, *, delay_s: float = 0.1) -> JobId:
    """Start a job of 120 small objects in 20 items."""
    fleet.s3.add(Fault(delay_s=delay_s), Op.GET, title="slow")
    fleet.make_bucket(bucket, {f"k{number:03}": content_of(f"{number}", 2000) for number in range(OBJECTS)})
    return fleet.submit(bucket, "--files-per-task", str(PER_TASK))


def given_back(items: list[Item]) -> list[Item]:
    """Return the items that were taken more than once though no attempt was lost."""
    return [item for item in items if item.fence > item.attempts]


# --- worker processes


def test_worker_process_sigkill_mid_copy(fleet: FaultFleet) -> None:
    moment = at_request(fleet.s3, Op.GET, 40, kill(fleet, signal.SIGKILL))
    job_id = start(fleet, "worker-kill")
    killed = moment.wait()
    fleet.ended(job_id, within_s=NOTICED_S + 20)
    assert_invariants(fleet, job_id, "worker-kill", LOST)
    assert len(fleet.s3.log.gets()) <= OBJECTS + SLOTS * PER_TASK
    assert len(fleet.azure.log.puts()) <= OBJECTS + SLOTS * PER_TASK
    fleet.wait_for_workers()
    assert killed not in fleet.workers()


def test_worker_process_sigkill_while_it_lists(fleet: FaultFleet) -> None:
    moment = at_request(fleet.s3, Op.LIST, 2, kill(fleet, signal.SIGKILL), match=fleet.worker_of)
    job_id = start(fleet, "lister-kill")
    assert moment.wait()
    fleet.ended(job_id, within_s=NOTICED_S + 20)
    assert_invariants(fleet, job_id, "lister-kill", LOST)


def test_worker_process_sigkill_while_it_lists_what_was_split_off(fleet: FaultFleet) -> None:
    objects = {f"{number:05}": b"%d" % number for number in range(7_000)}
    fleet.make_bucket("split-off", objects)

    def is_upper_part(exchange: Exchange) -> object:
        return "start-after=" in exchange.query and "max-keys=1000&" in exchange.query

    moment = at_request(fleet.s3, Op.LIST, 1, kill(fleet, signal.SIGKILL), match=is_upper_part)
    # Amazon's name, since no other store's order of keys is relied on. Few are copied, so that agents lack work.
    job_id = fleet.submit("split-off", "--endpoint-url", AMAZON_URL, "--include", "*00")
    assert moment.wait()
    fleet.ended(job_id, within_s=NOTICED_S + 20)
    only = {key for key in objects if key.endswith("00")}
    assert_invariants(fleet, job_id, "split-off", replace(LOST, only=only))
    ranges = [item for item in fleet.items(job_id) if item.kind is ItemKind.LIST_OBJECTS]
    assert len(ranges) > 1
    found = sum((item.totals.listed + item.totals.excluded for item in ranges), Tally())
    assert found.objects == len(objects)


def test_worker_process_sigkill_while_it_takes_the_job_up(fleet: FaultFleet) -> None:
    moment = at_request(fleet.s3, Op.LIST, 1, kill(fleet, signal.SIGKILL), match=fleet.worker_of)
    job_id = start(fleet, "dispatch-kill")
    assert moment.wait()
    fleet.ended(job_id, within_s=2 * NOTICED_S + 20)
    assert_invariants(fleet, job_id, "dispatch-kill", LOST)


def test_worker_process_sigkill_three_times(fleet: FaultFleet) -> None:
    moments = [at_request(fleet.s3, Op.GET, 30 * turn, kill(fleet, signal.SIGKILL)) for turn in range(1, 4)]
    job_id = start(fleet, "kill-three")
    for moment in moments:
        assert moment.wait()
    fleet.ended(job_id, within_s=2 * NOTICED_S + 30)
    assert_invariants(fleet, job_id, "kill-three", Expected(lost_messages=3 * 2 * SLOTS))


def test_supervisor_sigkill_ends_its_processes_too(fleet: FaultFleet) -> None:
    moment = at_request(fleet.s3, Op.GET, 30, lambda _: fleet.kill_supervisor())
    job_id = start(fleet, "supervisor-kill", delay_s=0.8)  # its processes look for it every two seconds
    left = moment.wait()
    assert isinstance(left, list)
    assert len(left) == fleet.processes
    wait_until("its processes end", lambda: not any(map(is_alive, left)), within_s=20)
    held = [item for item in fleet.items(job_id) if item.state is ItemState.LEASED]
    assert not held, "they gave back what they held"
    assert not fleet.job(job_id).has_ended
    fleet.start_workers()
    fleet.ended(job_id, within_s=NOTICED_S + 20)
    assert_invariants(fleet, job_id, "supervisor-kill", LOST)


def test_all_workers_sigkill_and_back_after_their_leases_ran_out(fleet: FaultFleet) -> None:
    moment = at_request(fleet.s3, Op.GET, 30, lambda _: fleet.kill_workers())
    job_id = start(fleet, "all-gone")
    moment.wait()
    leases = [item.lease_until for item in fleet.items(job_id) if item.lease_until]
    assert leases
    wait_until("the leases run out", lambda: fleet.fleet.ledger.now() > max(leases), within_s=LEASE_S + 5)
    assert not fleet.job(job_id).has_ended
    fleet.start_workers()
    fleet.ended(job_id, within_s=NOTICED_S + 20)
    assert_invariants(fleet, job_id, "all-gone", Expected(lost_messages=4 * SLOTS))


def test_worker_process_sigterm_mid_copy_gives_its_items_back_at_once(fleet: FaultFleet) -> None:
    moment = at_request(fleet.s3, Op.GET, 40, kill(fleet, signal.SIGTERM))
    job_id = start(fleet, "worker-term", delay_s=0.3)
    pid = moment.wait()
    assert isinstance(pid, int)
    wait_until("it ends", lambda: not is_alive(pid), within_s=15)
    fleet.ended(job_id)
    assert_invariants(fleet, job_id, "worker-term")
    items = fleet.items(job_id)
    assert given_back(items)
    assert max(item.attempts for item in items) == 1
    assert not fleet.logged(job_id, "lease_ran_out")


def test_worker_sigterm_mid_copy_leaves_no_item_leased(fleet: FaultFleet) -> None:
    moment = at_request(fleet.s3, Op.GET, 40, lambda _: os.kill(fleet.worker.pid, signal.SIGTERM))
    job_id = start(fleet, "term-all", delay_s=0.3)
    moment.wait()
    fleet.worker.stop(timeout_s=20)
    assert fleet.worker.exit_code == 0
    assert not [item for item in fleet.items(job_id) if item.state is ItemState.LEASED]
    assert not fleet.job(job_id).has_ended
    fleet.start_workers()
    fleet.ended(job_id, within_s=NOTICED_S + 20)
    assert_invariants(fleet, job_id, "term-all")
    assert max(item.attempts for item in fleet.items(job_id)) == 1


def test_zombie_sigstop_beyond_its_lease_then_sigcont_records_nothing(fleet: FaultFleet) -> None:
    """A frozen process wakes up when another has done its work: it writes neither to the ledger nor to the sink."""
    moment = at_request(fleet.s3, Op.GET, 40, kill(fleet, signal.SIGSTOP))
    job_id = start(fleet, "zombie")
    pid = moment.wait()
    assert isinstance(pid, int)
    try:
        fleet.ended(job_id, within_s=2 * NOTICED_S + 20)
        rows, blobs = fleet.items(job_id), blob_etags(fleet, "zombie")
        assert max(item.fence for item in rows) > 1
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_until("it finds its item lost", lambda: fleet.logged(job_id, "item_lost"), within_s=20)
    assert_invariants(fleet, job_id, "zombie", LOST)
    assert fleet.items(job_id) == rows
    assert blob_etags(fleet, "zombie") == blobs


def blob_etags(fleet: FaultFleet, container: str) -> dict[str, str]:
    """Return the ETag of every blob: it changes with each write."""
    return {blob.name: blob.etag for blob in fleet.blobs.get_container_client(container).list_blobs()}


@pytest.mark.timeout(900)  # 1 GiB, on a machine that may be busy
def test_worker_sigkill_at_half_of_a_large_file_sends_again_only_what_was_under_way(
    fleet: FaultFleet,
) -> None:
    size, block = 1024 * MIB, 8 * MIB
    part = content_of("large", 16 * MIB)
    content = b"".join(part[shift:] + part[:shift] for shift in range(64))
    fleet.make_bucket("half", {"large.bin": content})
    known: set[str] = set()  # blocks that were staged, and said to be, before the kill
    under_way: set[str] = set()
    reads: list[Exchange] = []

    def act(exchange: Exchange) -> int:
        known.update(one.block_id for one in fleet.azure.log.staged() if is_heard(one))
        under_way.update(one.block_id for one in fleet.azure.log.staged() if one.seconds is None)
        reads.extend(fleet.s3.log.under_way())
        return kill(fleet, signal.SIGKILL)(exchange)

    moment = at_request(fleet.azure, Op.PUT_BLOCK, size // block // 2, act)
    job_id = fleet.submit("half")
    assert moment.wait()
    fleet.ended(job_id, within_s=600)
    assert_invariants(fleet, job_id, "half", LOST)
    staged = fleet.azure.log.staged("large.bin")
    sent = Counter(one.block_id for one in staged)
    again = {block_id for block_id, times in sent.items() if times > 1}
    unheard = {one.block_id for one in staged if not is_heard(one)}
    assert len(sent) == size // block
    assert not again & known, "a block was sent again that was there"
    assert again <= under_way | unheard
    assert len(fleet.azure.log.commits("large.bin")) == 1
    assert len(fleet.s3.log.gets("large.bin")) <= len(staged) + len(reads)


# --- Redis


def test_redis_flushall_mid_job(fleet: FaultFleet) -> None:
    moment = at_request(fleet.s3, Op.GET, 40, lambda _: fleet.redis.flushall())
    job_id = start(fleet, "flushall")
    assert moment.wait()
    fleet.ended(job_id, within_s=NOTICED_S + 20)
    assert_invariants(fleet, job_id, "flushall", LOST)


@pytest.mark.parametrize("with_data", [True, False], ids=["with-its-data", "empty"])
def test_redis_sigkill_and_restart_mid_job(fleet: FaultFleet, with_data: bool) -> None:
    bucket = f"redis-kill-{with_data:d}"
    moment = at_request(fleet.s3, Op.GET, 40, lambda _: fleet.kill_redis())
    job_id = start(fleet, bucket, delay_s=0.3)
    moment.wait()
    with pytest.raises(TimeoutError):  # away for a while
        fleet.wait(job_id, "it ends", lambda seen: seen.job.has_ended, within_s=3)
    fleet.start_redis(with_data=with_data)
    fleet.ended(job_id, within_s=60)
    assert_invariants(fleet, job_id, bucket, Expected(lost_messages=4 * SLOTS))


def test_redis_restarts_with_the_end_of_its_file_cut_off(fleet: FaultFleet) -> None:
    """Of the last commands one is cut in two, and the others are as if they had never been given."""
    moment = at_request(fleet.s3, Op.GET, 60, lambda _: fleet.kill_redis())
    job_id = start(fleet, "redis-cut", delay_s=0.3)
    moment.wait()
    fleet.cut_redis_file(10_001)
    fleet.start_redis()
    fleet.ended(job_id, within_s=60)
    assert_invariants(fleet, job_id, "redis-cut", Expected(lost_messages=4 * SLOTS))


@pytest.mark.parametrize("where", ["server", "wire"])
def test_redis_silent_for_longer_than_a_lease(fleet: FaultFleet, where: str) -> None:
    """It takes connections and answers nothing; the leases are the ledger's, and run on."""
    bucket = f"redis-silent-{where}"
    with ExitStack() as stack:

        def fall_silent(_: Exchange) -> None:
            if where == "server":
                stack.enter_context(stopped(fleet.redis_server.pid))
            else:
                fleet.redis_wire.blackhole()
                stack.callback(fleet.redis_wire.heal)

        moment = at_request(fleet.s3, Op.GET, 40, fall_silent)
        job_id = start(fleet, bucket, delay_s=0.3)
        moment.wait()
        silent = Event()
        silent.wait(LEASE_S + 2)  # the fault itself: nobody can be asked meanwhile
        assert not fleet.job(job_id).has_ended
    fleet.ended(job_id, within_s=60)
    assert_invariants(fleet, job_id, bucket, LOST)
    assert len(fleet.azure.log.puts()) == OBJECTS


def test_redis_connections_reset_again_and_again(fleet: FaultFleet) -> None:
    for number in range(20, OBJECTS, 20):
        at_request(fleet.s3, Op.GET, number, lambda _: fleet.redis_wire.reset_all())
    job_id = start(fleet, "redis-resets", delay_s=0.3)
    fleet.ended(job_id, within_s=60)
    assert_invariants(fleet, job_id, "redis-resets", Expected(lost_messages=4 * SLOTS))


def test_redis_answers_late(fleet: FaultFleet) -> None:
    fleet.redis_wire.delay_s.update(up=0.03, down=0.03)
    job_id = start(fleet, "redis-late")
    fleet.ended(job_id, within_s=60)
    fleet.redis_wire.heal()
    assert_invariants(fleet, job_id, "redis-late")


def test_redis_disk_full_mid_job(fleet: FaultFleet) -> None:
    """Redis refuses every write (MISCONF) until its file can grow again."""
    with ExitStack() as stack:
        moment = at_request(
            fleet.s3, Op.GET, 40, lambda _: stack.enter_context(full_disk(fleet.redis_server.pid))
        )
        job_id = start(fleet, "redis-full", delay_s=0.3)
        moment.wait()
        wait_until("Redis refuses to write", lambda: not _takes_writes(fleet), within_s=20)
        with pytest.raises(TimeoutError):
            fleet.wait(job_id, "it ends", lambda seen: seen.job.has_ended, within_s=3)
    wait_until("Redis writes again", lambda: _takes_writes(fleet), within_s=20)
    fleet.ended(job_id, within_s=60)
    assert_invariants(fleet, job_id, "redis-full", Expected(lost_messages=4 * SLOTS))


def _takes_writes(fleet: FaultFleet) -> bool:
    return fleet.redis.info("persistence")["aof_last_write_status"] == "ok"


def test_nothing_of_jobs_that_have_ended_stays_in_redis(fleet: FaultFleet) -> None:
    """What dead workers had not acknowledged comes back, and does nothing; what stays belongs to no job."""
    wait_until(
        "no message is unacknowledged",
        lambda: not fleet.redis.hlen("unacked") and not fleet.redis.llen("awcopy"),
        within_s=VISIBILITY_S + RESTORE_S,
    )
    kept = {name for name in fleet.redis.scan_iter(count=1000) if fleet.redis.ttl(name) == -1}
    assert not {name for name in kept if not name.startswith(b"_kombu.binding")}


# --- the ledger, and the workers' own disk


def test_ledger_sigstop_beyond_the_leases_then_sigcont(fleet: FaultFleet) -> None:
    """No worker can renew: each stops by itself, and nothing is recorded twice."""
    with ExitStack() as stack:
        moment = at_request(
            fleet.s3, Op.GET, 40, lambda _: stack.enter_context(stopped(fleet.ledger_server.pid))
        )
        job_id = start(fleet, "ledger-stop", delay_s=0.3)
        moment.wait()
        silent = Event()
        silent.wait(LEASE_S + 2)  # the fault itself: nobody can be asked meanwhile
    fleet.ended(job_id, within_s=60)
    assert_invariants(fleet, job_id, "ledger-stop", LOST)


def test_workers_disk_full_mid_job(fleet: FaultFleet) -> None:
    """Not a line can be logged; the copying does not need that."""
    with ExitStack() as stack:
        for pid in fleet.workers():
            stack.enter_context(full_disk(pid))
        job_id = start(fleet, "log-full")
        fleet.ended(job_id)
    assert_invariants(fleet, job_id, "log-full")
