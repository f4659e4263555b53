from __future__ import annotations

import socket
from contextlib import nullcontext
from dataclasses import replace

import pytest

from awcopy import bootstrap
from awcopy.bootstrap import (
    Stores,
    make_step_context,
    memory_fleet,
    open_job_stores,
    open_messenger,
    open_stores,
    require_known_sink,
    run_here,
)
from awcopy.config import AwsKeys, AzureKeys, Secret, Settings, parse_customer_key
from awcopy.errors import CredentialsError, UsageError
from awcopy.jobs.queries import read_report
from awcopy.jobs.submit import JobRequest
from awcopy.model.job import JobState
from awcopy.model.spec import SinkSpec
from awcopy.notify.mail import Mail
from awcopy.notify.webhook import Webhook
from awcopy.vault.credentials import JobCredentials
from awcopy.vault.profile_files import write_profile
from awcopy.vault.sealing import create_keys, read_public_key, seal
from tests.unit.factories import JOB_ID, make_job, make_spec
from tests.unit.world import World

CREDENTIALS = JobCredentials(
    aws=AwsKeys(access_key=Secret("AKIAX"), secret_key=Secret("hunter2")),
    azure=AzureKeys(account_key=Secret("a2V5")),
)


def spec_at(url, side="source"):
    spec = make_spec()
    return replace(spec, **{side: replace(getattr(spec, side), endpoint_url=url)})


@pytest.fixture
def resolve(monkeypatch):
    """Names stand for these addresses, in place of a name server."""

    def set_addresses(*addresses):
        found = [(0, 0, 0, "", (address, 0)) for address in addresses]
        monkeypatch.setattr(bootstrap.socket, "getaddrinfo", lambda *_: found)

    return set_addresses


@pytest.mark.parametrize("side", ["source", "sink"])
@pytest.mark.parametrize(
    "addresses",
    [
        ("127.0.0.1",),
        ("10.0.0.1",),
        ("192.168.1.1",),
        ("169.254.169.254",),  # a cloud's own service, which hands out credentials
        ("::1",),
        ("fd00::1",),
        ("::ffff:10.0.0.1",),
        ("0.0.0.0",),
        ("8.8.8.8", "10.0.0.1"),
    ],
)
def test_a_private_endpoint_is_refused(resolve, side, addresses):
    resolve(*addresses)
    with pytest.raises(UsageError, match="private address"):
        open_stores(Settings(), spec_at("https://store.example", side), CREDENTIALS)


@pytest.mark.parametrize("side", ["source", "sink"])
def test_a_private_endpoint_is_taken_where_the_settings_allow_it(resolve, side):
    resolve("10.0.0.1")
    settings = Settings(allow_private_endpoints=True)
    stores = open_stores(settings, spec_at("https://store.example", side), CREDENTIALS)
    stores.close()
    assert isinstance(stores, Stores)


def test_a_public_endpoint_is_taken(resolve):
    resolve("8.8.8.8", "2001:4860:4860::8888")
    stores = open_stores(Settings(), spec_at("https://store.example"), CREDENTIALS)
    stores.close()
    assert isinstance(stores, Stores)


def test_a_silent_store_is_given_up_when_the_settings_say(monkeypatch, resolve):
    opened = []
    for name in ("awcopy.source.s3.S3Source", "awcopy.sink.azure_blob.AzureBlobSink"):
        monkeypatch.setattr(name, lambda *_, **options: opened.append(options))
    resolve("8.8.8.8")
    open_stores(Settings(store_timeout_s=7), make_spec(), CREDENTIALS)
    assert [options["read_timeout_s"] for options in opened] == [7, 7]


def test_a_name_that_does_not_resolve_is_left_to_the_store_to_explain(monkeypatch):
    def fail(*_arguments):
        raise socket.gaierror

    monkeypatch.setattr(bootstrap.socket, "getaddrinfo", fail)
    open_stores(Settings(), spec_at("https://store.example"), CREDENTIALS).close()


def test_a_jobs_sealed_credentials_are_opened_for_its_stores(tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(bootstrap, "open_stores", lambda *given: opened.append(given[2]))
    create_keys(tmp_path / "keys")
    sealed = seal(CREDENTIALS, JOB_ID, read_public_key(tmp_path / "keys"))
    open_job_stores(Settings(keys=tmp_path / "keys"), make_job(sealed=sealed))
    assert opened == [CREDENTIALS]


def test_credentials_that_were_sealed_for_another_job_are_not_used(tmp_path):
    create_keys(tmp_path / "keys")
    sealed = seal(CREDENTIALS, "another", read_public_key(tmp_path / "keys"))
    with pytest.raises(CredentialsError):
        open_job_stores(Settings(keys=tmp_path / "keys"), make_job(sealed=sealed))


def test_a_fleet_in_memory_is_empty():
    assert memory_fleet().ledger.list_jobs() == []


def test_a_job_run_here_needs_no_fleet(monkeypatch):
    world = World()
    contents = world.put({"a": b"x", "b": b"y"})
    stores = Stores(source=world.source, sink=world.sink)
    request = JobRequest(spec=make_spec(agents=1), credentials=CREDENTIALS)
    snapshot, fleet = run_here(Settings(), stores, request, lambda _snapshot: None)
    assert snapshot.job.state is JobState.COMPLETED
    assert {outcome.key for outcome in read_report(fleet, snapshot.job.id)} == set(contents)
    assert snapshot.job.sealed == ""


@pytest.mark.parametrize(
    ("url", "is_known"),
    [
        ("", True),
        ("https://a.blob.core.windows.net", True),
        ("https://a.blob.core.usgovcloudapi.net/", True),
        ("https://blob.core.windows.net.evil.example", False),
        ("https://evil.example/?.blob.core.windows.net", False),
        ("http://127.0.0.1:10000/a", False),
    ],
)
def test_the_workers_own_credentials_are_shown_to_azure_alone(url, is_known):
    sink = SinkSpec(account="a", container="c", endpoint_url=url)
    with nullcontext() if is_known else pytest.raises(UsageError, match="own credentials"):
        require_known_sink(Settings(), sink)


KEY, OTHER_KEY = (parse_customer_key(letter * 32, "the test") for letter in (b"a", b"b"))


def keyed(url, side="sink"):
    spec = spec_at(url, side)
    return replace(spec, **{side: replace(getattr(spec, side), key_sha256=KEY.sha256)})


@pytest.mark.parametrize("side", ["source", "sink"])
@pytest.mark.parametrize("given", [None, OTHER_KEY])
def test_a_job_never_runs_without_the_key_that_it_began_with(resolve, side, given):
    resolve("8.8.8.8")
    credentials = replace(CREDENTIALS, **{f"{side}_key": given})
    with pytest.raises(CredentialsError, match="job"):
        open_stores(Settings(), keyed("https://store.example", side), credentials)


@pytest.mark.parametrize("side", ["source", "sink"])
def test_a_key_is_not_sent_over_plain_http(resolve, side):
    resolve("8.8.8.8")
    credentials = replace(CREDENTIALS, **{f"{side}_key": KEY})
    with pytest.raises(UsageError, match="never sent"):
        open_stores(Settings(allow_private_endpoints=True), keyed("http://store.example", side), credentials)


@pytest.mark.parametrize("side", ["source", "sink"])
def test_a_key_may_go_over_http_to_this_machine(side):
    credentials = replace(CREDENTIALS, **{f"{side}_key": KEY})
    spec = keyed("http://127.0.0.1:10000/account", side)
    stores = open_stores(Settings(allow_private_endpoints=True), spec, credentials)
    stores.close()
    assert isinstance(stores, Stores)


# Profiles.

PROFILE_SINK = {
    "kind": "sink",
    "account": "acme",
    "containers": ["backup"],
    "account_key": "a2V5",
    "endpoint_url": "http://127.0.0.1:10000/acme",
}
PROFILE_SOURCE = {
    "kind": "source",
    "buckets": ["photos"],
    "access_key": "AKIAX",
    "secret_key": "hunter2",
    "endpoint_url": "http://127.0.0.1:9000",
}


def with_profiles(spec, source="s", sink="k"):
    return replace(spec, source=replace(spec.source, profile=source), sink=replace(spec.sink, profile=sink))


@pytest.fixture
def profiles(tmp_path):
    write_profile(tmp_path, "s", {**PROFILE_SOURCE, "buckets": [make_spec().source.bucket]})
    sink = make_spec().sink
    write_profile(tmp_path, "k", {**PROFILE_SINK, "account": sink.account, "containers": [sink.container]})
    return Settings(profiles=tmp_path)


def test_a_profile_vouches_for_its_own_private_endpoint(profiles):
    stores = open_stores(profiles, with_profiles(make_spec()), JobCredentials())
    stores.close()
    assert isinstance(stores, Stores)


def test_a_job_with_profiles_is_opened_without_the_workers_own_credentials(profiles, monkeypatch):
    monkeypatch.setattr(bootstrap, "load_store_defaults", lambda: pytest.fail("they were looked for"))
    open_job_stores(profiles, make_job(spec=with_profiles(make_spec()))).close()


def test_what_a_profile_does_not_list_is_refused(profiles):
    spec = with_profiles(make_spec())
    other = replace(spec, source=replace(spec.source, bucket="salaries"))
    with pytest.raises(UsageError, match="does not allow the bucket salaries"):
        open_stores(profiles, other, CREDENTIALS)


def test_a_profile_that_this_machine_does_not_have_pauses_for_credentials(tmp_path):
    with pytest.raises(CredentialsError, match="no profile 's'"):
        open_stores(Settings(profiles=tmp_path), with_profiles(make_spec()), CREDENTIALS)


def test_a_receiver_is_what_its_profile_says(tmp_path):
    settings = Settings(profiles=tmp_path)
    write_profile(tmp_path, "hook", {"kind": "webhook", "url": "https://example.org/hook"})
    mail = {
        "kind": "email",
        "receivers": ["a@example.org"],
        "sender": "b@example.org",
        "smtp_url": "smtps://h",
    }
    write_profile(tmp_path, "ops", mail)
    assert isinstance(open_messenger(settings, "hook"), Webhook)
    assert isinstance(open_messenger(settings, "ops"), Mail)
    with pytest.raises(CredentialsError, match="no profile"):
        open_messenger(settings, "nobody")
    steps = make_step_context(settings, memory_fleet())
    steps.find_receiver("hook")
    with pytest.raises(CredentialsError, match="no profile 'nobody'"):
        steps.find_receiver("nobody")
