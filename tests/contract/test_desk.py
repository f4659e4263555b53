"""What every desk does: the suite of the port, run on each adapter over one and the same fleet."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from werkzeug.serving import make_server

from awcopy import __version__
from awcopy.bootstrap import memory_fleet
from awcopy.cli.desk.fleet import FleetDesk
from awcopy.cli.desk.http import HttpDesk
from awcopy.config import AwsKeys, AzureKeys, Secret, Settings
from awcopy.errors import (
    AwcopyError,
    CredentialsError,
    IllegalMove,
    JobNotFound,
    ScheduleNotFound,
    ServiceUnreachable,
    UsageError,
)
from awcopy.jobs.fleet import Fleet
from awcopy.jobs.health import PARTS, run_checks
from awcopy.jobs.schedule_control import ScheduleRequest
from awcopy.jobs.search import JobFilter
from awcopy.jobs.submit import JobRequest
from awcopy.jobs.tokens import create_token
from awcopy.jobs.watermark import OVERLAP
from awcopy.model.items import Item, ItemKind, ItemState
from awcopy.model.job import JobId, JobState, move, new_job_id
from awcopy.model.outcome import AtSource, Outcome, Proof, Result, Route, tally_outcomes
from awcopy.model.spec import Approval, Deletion, Overwrite, Pruning, Selection, Sync
from awcopy.model.token import Role
from awcopy.vault.credentials import JobCredentials
from awcopy.vault.sealing import create_keys, open_sealed, read_private_keys
from tests.unit.factories import make_job, make_spec
from web import reports
from web.app import create_app
from workers import publisher

S = JobState
CREDENTIALS = JobCredentials(
    aws=AwsKeys(access_key=Secret("AKIAX"), secret_key=Secret("hunter2")),
    azure=AzureKeys(account_key=Secret("a2V5")),
)
NONE = JobCredentials()
HOSTILE = "a'b\"c\\d/é\u2028😀\n\t\x01\x7f #?%"


@dataclass(kw_only=True)
class Place:
    """A fleet in memory, and what its desks need."""

    fleet: Fleet
    settings: Settings
    published: list

    def add_job(self, **changes):
        """Add a job that ended just now, or as it is said."""
        now = datetime.now(UTC).replace(microsecond=0)
        facts = {"id": new_job_id(now), "state": S.COMPLETED, "created_at": now, "changed_at": now}
        return self.fleet.ledger.add_job(make_job(**{**facts, **changes}))

    def add_outcomes(self, job, *items):
        """Add an item with these outcomes for each, and count them."""
        for number, outcomes in enumerate(items, start=1):
            self.fleet.ledger.write_outcomes(job.id, number, 1, list(outcomes))
            self.fleet.ledger.add_item(
                Item(
                    job_id=job.id, number=number, kind=ItemKind.COPY_FILES, state=ItemState.DONE,
                    outcome_fence=1, fence=1, totals=tally_outcomes(outcomes),
                )
            )  # fmt: skip
        totals = tally_outcomes(outcome for outcomes in items for outcome in outcomes)
        self.fleet.ledger.update_job(replace(self.job(job.id), totals=totals))

    def job(self, job_id):
        return self.fleet.ledger.get_job(job_id)


@pytest.fixture
def place(tmp_path, monkeypatch):
    keys = tmp_path / "keys"
    create_keys(keys)
    published = []
    for name in ("publish_dispatch", "publish_finish", "publish_generation"):
        monkeypatch.setattr(
            publisher, name, lambda _settings, what, name=name: published.append((name, what))
        )
    return Place(fleet=memory_fleet(), settings=Settings(keys=keys), published=published)


@contextmanager
def served(place, token=""):
    """Run the dashboard of the fleet, and yield the settings of a user who has nothing but its address."""
    app = create_app(place.settings, place.fleet)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Settings(
            api_url=f"http://127.0.0.1:{server.server_port}/",
            api_token=Secret(token),
            keys=place.settings.keys.parent / "none",
            ledger=Secret("no connection string"),
            redis_url=Secret("redis://nowhere.invalid"),
        )
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(params=["fleet", "http"])
def desk(request, place):
    if request.param == "fleet":
        yield FleetDesk(place.settings, place.fleet)
        return
    token = create_token(place.fleet.ledger, "dana", Role.ADMIN, 3600, "")[1].reveal()
    with served(place, token) as settings:
        desk = HttpDesk(settings)
        yield desk
        desk.close()


def ask(**changes):
    return JobRequest(**{"spec": make_spec(), "name": "nightly", "user": "dana", **changes})


# Submitting.


@pytest.mark.parametrize(
    "spec",
    [
        make_spec(prefix="a b/%é", to="x"),
        make_spec(
            agents=7,
            bandwidth=1_000_000,
            copies_tags=True,
            selection=Selection(include=("*.jpg", "-x"), min_size_bytes=0),
        ),
        make_spec(deletion=Deletion(most=0, weakest_proof=Proof.CRC64, despite_failures=True)),
        make_spec(sync=Sync(pruning=Pruning(most=None, most_percent=33.333333, takes_unstamped=True))),
        make_spec(overwrite=Overwrite.PROMPT, approval=Approval(etags=("0x1", "0x2"))),
        make_spec(
            overwrite=Overwrite.PROMPT, approval=Approval(until=datetime(2026, 1, 31, 1, 2, 3, 4, UTC))
        ),
    ],
)
def test_a_job_is_submitted_as_it_was_asked_for(place, desk, spec):
    spec = replace(spec, sink=replace(spec.sink, prefix=f"{spec.sink.prefix}/" if spec.sink.prefix else ""))
    desk.admit(ask(spec=spec))

    submitted = desk.submit(ask(spec=spec))

    job = place.job(submitted.job.id)
    assert (job.spec, job.name, job.user, job.state) == (spec, "nightly", "dana", S.QUEUED)
    assert submitted.job.spec == spec
    assert submitted.to_json() == desk.look(job.id).to_json()
    assert place.published == [("publish_dispatch", job.id)]


def test_credentials_are_sealed_for_that_job(place, desk):
    desk.admit(ask(credentials=CREDENTIALS))

    job = place.job(desk.submit(ask(credentials=CREDENTIALS)).job.id)

    assert open_sealed(job.sealed, job.id, read_private_keys(place.settings.keys)) == CREDENTIALS
    assert job.was_sealed


def test_credentials_without_a_key_to_seal_them_leave_no_job(place, desk):
    (place.settings.keys / "fleet.pub").unlink()

    with pytest.raises((CredentialsError, ServiceUnreachable), match="public key"):
        desk.admit(ask(credentials=CREDENTIALS))
    with pytest.raises((CredentialsError, ServiceUnreachable), match="public key"):
        desk.submit(ask(credentials=CREDENTIALS))
    assert place.fleet.ledger.list_jobs() == []


def test_the_key_that_seals_can_be_looked_at(place, desk):
    private = read_private_keys(place.settings.keys)[0]

    assert desk.public_key().public_bytes_raw() == private.public_key().public_bytes_raw()


def test_a_fleet_whose_live_state_is_away_takes_no_job(place, desk, monkeypatch):
    def away():
        raise ServiceUnreachable("Redis is away", hint="start it")

    monkeypatch.setattr(place.fleet.live, "ping", away)
    with pytest.raises(ServiceUnreachable, match="Redis is away"):
        desk.submit(ask())


def test_a_sync_since_the_last_one_begins_when_that_was_submitted(place, desk):
    spec = make_spec(sync=Sync(since_last=True))
    began = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
    place.add_job(spec=make_spec(sync=Sync()), created_at=began)

    assert desk.resolve_since(spec).selection.newer_than == began - OVERLAP
    assert (
        desk.resolve_since(make_spec(prefix="other/", sync=Sync(since_last=True))).selection.newer_than
        is None
    )
    job = place.job(desk.submit(ask(spec=desk.resolve_since(spec))).job.id)
    assert job.spec == desk.resolve_since(spec)


def test_workers_are_counted(place, desk):
    assert desk.count_workers() == 0
    place.fleet.live.beat("worker@host", 4, __version__)
    assert desk.count_workers() == 1


# Looking.


def test_a_job_is_found_by_the_beginning_of_its_id(place, desk):
    ids = ["zyc0v3b8k2m4n6p0", "zyc0v3b8k2m4n6p1", "zyd0v3b8k2m4n6p1"]
    for job_id in ids:
        place.add_job(id=JobId(job_id))

    assert desk.find("zyd").job.id == ids[2]
    assert desk.find("ZYC0V3B8K2M4N6P1").job.id == ids[1]
    assert desk.find("@last").job.id == ids[0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("zy", "more than one"),
        ("0000", "no job's id starts with"),
        ("' or 1 eq 1", "no job's id starts with"),
    ],
)
def test_what_names_no_job_or_several_is_refused(place, desk, text, says):
    for job_id in ("zyc0v3b8k2m4n6p0", "zyc0v3b8k2m4n6p1"):
        place.add_job(id=JobId(job_id))

    with pytest.raises(JobNotFound, match=says) as caught:
        desk.find(text)
    assert caught.value.hint


def test_the_last_of_no_jobs_is_none(desk):
    with pytest.raises(JobNotFound, match="no job yet"):
        desk.find("@last")


def test_a_snapshot_is_whole(place, desk):
    now = datetime.now(UTC)
    job = make_job(
        id=new_job_id(now), created_at=now, changed_at=now, name=HOSTILE, sealed="ciphertext", was_sealed=True,
        request_id="secret.digest", spec=make_spec(prefix=HOSTILE, deletion=Deletion()),
    )  # fmt: skip
    job = place.fleet.ledger.add_job(move(job, S.PAUSED, at=now, detail=HOSTILE))
    place.add_outcomes(job, [Outcome(key="k", blob="k", result=Result.FAILED)])

    seen = desk.look(job.id)

    there = place.job(job.id)
    assert replace(seen.job, sealed="", request_id="", version="") == replace(
        there, sealed="", request_id="", version=""
    )
    assert (seen.job.events, bool(seen.job.sealed)) == (there.events, True)
    assert seen.totals.failed.objects == 1


def test_the_api_shows_no_credentials_not_even_sealed(place):
    job = place.add_job(sealed="ciphertext", was_sealed=True)
    with served(place) as settings:
        assert "ciphertext" not in repr(HttpDesk(settings).look(job.id))


def test_a_job_that_is_not_there_is_not_found(desk):
    for act in (desk.look, desk.read_report, desk.pause, desk.cancel, desk.remove):
        with pytest.raises(JobNotFound):
            act(JobId("zyc0v3b8k2m4n6p0"))


@pytest.mark.parametrize(("limit", "count"), [(3, 3), (250, 250), (1000, 450), (None, 450)])
def test_jobs_are_listed_newest_first_as_many_as_are_asked_for(place, desk, limit, count):
    ids = [f"zyc0v3b8k2m4{number:04}" for number in range(450)]
    for job_id in ids:
        place.add_job(id=JobId(job_id))

    assert [one.job.id for one in desk.list_jobs(limit)] == ids[:count]


@pytest.mark.parametrize(
    ("wanted", "limit", "names"),
    [
        (JobFilter(states=frozenset({S.FAILED})), None, ["cow", "ant"]),
        (JobFilter(states=frozenset({S.FAILED, S.RUNNING})), 2, ["dog", "cow"]),
        (JobFilter(text="EE"), 5, ["bee"]),
        (JobFilter(text="\udcff"), 5, []),
        (JobFilter(states=frozenset({S.CANCELLED})), None, []),
    ],
)
def test_jobs_are_found_by_state_and_text(place, desk, wanted, limit, names):
    jobs = {"ant": S.FAILED, "bee": S.COMPLETED, "cow": S.FAILED, "dog": S.RUNNING}
    for left, (name, state) in zip("9876", jobs.items(), strict=True):
        place.add_job(name=name, state=state, id=JobId(f"zyc0v3b8k2m4n6p{left}"))
    assert [one.job.name for one in desk.list_jobs(limit, wanted)] == names


def test_a_report_has_every_line_as_it_is(place, desk, monkeypatch):
    monkeypatch.setattr(reports, "PAGE_LINES", 3)
    first = Outcome(
        key=HOSTILE, blob=HOSTILE, result=Result.COPIED, proof=Proof.CRC64, size_bytes=5, etag="e", crc64=0xABC,
        attempts=2, detail=HOSTILE, notices=("metadata_renamed: 2",), route=Route.SERVER,
        at_source=AtSource.KEPT, source_reason="changed", version_id="v1",
    )  # fmt: skip
    job = place.add_job()
    outcomes = [
        Outcome(key=str(number), blob="b", result=Result.SKIPPED, reason="exists") for number in range(9)
    ]
    items = [[first], outcomes[:1], outcomes[1:6], [], outcomes[6:7], outcomes[7:]]
    place.add_outcomes(job, *items)

    assert list(desk.read_report(job.id)) == [first, *outcomes]
    assert list(desk.read_report(place.add_job(id=JobId("zyc0v3b8k2m4n6p0")).id)) == []


# Changing.


def test_a_job_is_paused_resumed_and_cancelled(place, desk):
    job = place.add_job(state=S.RUNNING)

    desk.pause(job.id)
    assert place.job(job.id).state is S.PAUSED
    desk.resume(job, NONE)
    assert place.job(job.id).state is S.QUEUED
    desk.cancel(job.id)
    assert place.job(job.id).state is S.CANCELLING
    assert place.published == [("publish_dispatch", job.id), ("publish_finish", job.id)]


@pytest.mark.parametrize("verb", ["resume", "retry"])
def test_new_credentials_go_with_a_job_that_goes_on(place, desk, verb):
    job = place.add_job(state=S.PAUSED if verb == "resume" else S.COMPLETED_WITH_ERRORS, was_sealed=True)
    place.add_outcomes(job, [Outcome(key="k", blob="k", result=Result.FAILED, reason="access_denied")])

    getattr(desk, verb)(job, CREDENTIALS)

    sealed = place.job(job.id).sealed
    assert open_sealed(sealed, job.id, read_private_keys(place.settings.keys)) == CREDENTIALS


def test_what_failed_is_counted_when_it_is_tried_again(place, desk):
    job = place.add_job(state=S.COMPLETED_WITH_ERRORS)
    failed = [
        Outcome(key=str(number), blob="b", result=Result.FAILED, reason=reason)
        for number, reason in enumerate(["throttled", "corrupt", "corrupt"])
    ]
    place.add_outcomes(job, failed)

    assert desk.retry(job, NONE, "corrupt") == 2
    assert place.job(job.id).retry_reason == "corrupt"


def test_what_a_state_does_not_allow_is_said_as_it_is(place, desk):
    job = place.add_job(state=S.COMPLETED)

    with pytest.raises(IllegalMove, match="is completed and cannot be paused"):
        desk.pause(job.id)
    with pytest.raises(IllegalMove, match="only one that completed with errors") as caught:
        desk.retry(job, NONE)
    assert caught.value.hint == "nothing of it failed"


def test_agents_are_changed(place, desk):
    job = place.add_job(state=S.PAUSED)

    desk.change_agents(job.id, 17)

    assert place.job(job.id).spec.agents == 17


def test_the_bandwidth_is_changed(place, desk):
    job = place.add_job(state=S.RUNNING)

    desk.change_bandwidth(job.id, 200_000_000)

    assert place.job(job.id).spec.bandwidth == 200_000_000


def test_an_ended_job_is_removed_and_no_other(place, desk):
    ended, running = place.add_job(), place.add_job(state=S.RUNNING)

    desk.remove(ended.id)
    with pytest.raises(IllegalMove, match="running") as caught:
        desk.remove(running.id)

    assert caught.value.hint == "cancel it first"
    assert [job.id for job in place.fleet.ledger.list_jobs()] == [running.id]


def test_all_that_ended_before_a_time_are_removed(place, desk):
    before = datetime.now(UTC) - timedelta(days=1)
    old = [place.add_job(id=JobId(f"zyc0v3b8k2m4{number:04}"), changed_at=before).id for number in range(230)]
    kept = {place.add_job().id, place.add_job(state=S.RUNNING, changed_at=before).id}

    assert sorted(desk.clean(before + timedelta(seconds=1))) == old
    assert {job.id for job in place.fleet.ledger.list_jobs()} == kept


# Schedules.


def make_request(**changes):
    spec = make_spec(sync=Sync(since_last=True, pruning=Pruning(most=9, most_percent=None)))
    facts = {"name": "nightly", "user": "dana", "spec": spec, "cron": "30 2 * * *", "zone": "Europe/Berlin"}
    return ScheduleRequest(**{**facts, **changes})


def test_a_schedule_is_added_listed_shown_paused_resumed_and_removed(place, desk):
    added = desk.add_schedule(make_request())
    desk.add_schedule(make_request(name="weekly", cron="", zone="UTC", every_s=604_800))

    [one, other] = place.fleet.ledger.list_schedules()
    assert (one.spec, one.cron, one.zone, one.user) == (
        make_request().spec,
        "30 2 * * *",
        "Europe/Berlin",
        "dana",
    )
    assert other.every_s == 604_800
    assert added["next"]
    assert [found["name"] for found in desk.list_schedules()] == ["nightly", "weekly"]
    desk.pause_schedule("nightly")
    assert desk.show_schedule("nightly")["state"] == "paused"
    desk.resume_schedule("nightly")
    assert desk.show_schedule("nightly")["state"] == "active"
    desk.remove_schedule("weekly")
    assert [found["name"] for found in desk.list_schedules()] == ["nightly"]


def test_a_schedule_that_cannot_be_is_refused(desk):
    desk.add_schedule(make_request())

    with pytest.raises(UsageError, match="there is a schedule") as caught:
        desk.add_schedule(make_request())
    assert "awcopy schedule rm nightly" in caught.value.hint
    with pytest.raises(UsageError, match="70"):
        desk.add_schedule(make_request(name="other", cron="70 * * * *"))


def test_a_schedule_that_is_not_there_is_not_found(desk):
    for act in (desk.show_schedule, desk.run_schedule, desk.pause_schedule, desk.remove_schedule):
        with pytest.raises(ScheduleNotFound):
            act("nightly")
    with pytest.raises(ScheduleNotFound):
        desk.list_occurrences("nightly", 5)


def test_a_run_by_hand_says_what_became_of_it_and_so_does_the_history(place, desk):
    desk.add_schedule(make_request())

    ran = desk.run_schedule("nightly")

    assert ran["what"] == "started"
    assert place.job(JobId(ran["job"])).name == "nightly"
    assert place.published == [("publish_dispatch", ran["job"])]
    assert [one["job"] for one in desk.list_occurrences("nightly", 5)] == [ran["job"]]


# Checks.


def test_every_part_is_checked(place, desk):
    place.fleet.live.beat("worker@host", 4, __version__)

    findings = {one.part: one for one in run_checks(desk.checks(__version__))}

    assert set(findings) - {"api"} == set(PARTS)
    assert findings["workers"].says.startswith("1 process with 4 slots")


def test_what_fails_is_told_with_its_exit_code(desk):
    findings = {one.part: one for one in run_checks(desk.checks(__version__))}

    assert (findings["workers"].state, findings["workers"].exit_code) == ("fail", 7)


# What only the way through the API has.


@pytest.mark.parametrize(
    ("role", "spec", "is_admitted"),
    [
        (Role.VIEWER, make_spec(), False),
        (Role.OPERATOR, make_spec(), True),
        (Role.OPERATOR, make_spec(deletion=Deletion()), False),
        (Role.ADMIN, make_spec(deletion=Deletion()), True),
    ],
)
def test_a_role_that_does_not_do_is_told_before_anything_is_done(place, role, spec, is_admitted):
    token = create_token(place.fleet.ledger, "dana", role, 3600, "")[1].reveal()
    with served(place, token) as settings:
        desk = HttpDesk(settings)
        if is_admitted:
            desk.admit(ask(spec=spec))
            desk.submit(ask(spec=spec))
            return
        for act in (desk.admit, desk.submit):
            with pytest.raises(CredentialsError, match=f"and this token has {role.value}") as caught:
                act(ask(spec=spec))
            assert caught.value.exit_code == 4
    assert place.fleet.ledger.list_jobs() == []


@pytest.mark.parametrize(
    ("token", "says"), [("", "asks for a token"), ("awc_dana_wrong", "does not take the token")]
)
def test_without_a_token_that_counts_nobody_is_let_in(place, token, says):
    create_token(place.fleet.ledger, "dana", Role.ADMIN, 3600, "")
    with served(place, token) as settings:
        desk = HttpDesk(settings)
        for act in (lambda: desk.find("@last"), lambda: desk.submit(ask()), lambda: list(desk.list_jobs())):
            with pytest.raises(CredentialsError, match=says) as caught:
                act()
            assert "AWCOPY_API_TOKEN" in caught.value.hint


def test_a_key_that_was_brought_by_hand_goes_before_the_dashboards_word(place, tmp_path):
    create_keys(tmp_path / "other")
    with served(place) as settings:
        desk = HttpDesk(replace(settings, keys=tmp_path / "other"))
        job = place.job(desk.submit(ask(credentials=CREDENTIALS)).job.id)

    assert open_sealed(job.sealed, job.id, read_private_keys(tmp_path / "other")) == CREDENTIALS


def test_the_checks_name_the_api_who_asks_and_another_version(place):
    token = create_token(place.fleet.ledger, "dana", Role.VIEWER, 3600 * 24 * 90, "")[1].reveal()
    with served(place, token) as settings:
        [same, *_] = run_checks(HttpDesk(settings).checks(__version__))
        [other, *_] = run_checks(HttpDesk(settings).checks("9.9"))
    assert (same.part, same.state) == ("api", "ok")
    assert "as dana, viewer" in same.says
    assert (other.state, "9.9 here" in other.says) == ("warn", True)


def test_a_dashboard_that_is_gone_is_the_reason_for_all_that_is_not_known(place):
    with served(place) as settings:
        pass
    findings = run_checks(HttpDesk(settings).checks(__version__))

    assert (findings[0].state, findings[0].exit_code) == ("fail", 7)
    assert {one.says for one in findings[1:]} == {"not known, for the reason given for api"}


def test_what_cannot_be_read_says_so(place, monkeypatch):
    with served(place) as settings:
        desk = HttpDesk(settings)
        monkeypatch.setattr("web.api.snapshot_record", lambda _snapshot: {"phase": "dreaming"})
        with pytest.raises(AwcopyError, match="cannot read"):
            desk.look(place.add_job().id)
