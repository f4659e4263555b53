"""Which adapters stand behind the ports; the only module that picks them."""

from __future__ import annotations

import gc
import ipaddress
import socket
import ssl
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from awcopy.config import AZURE_AUTHORITIES, ca_files, load_store_defaults, proxy_for
from awcopy.errors import CredentialsError, UsageError
from awcopy.jobs.fleet import Fleet
from awcopy.loopback import is_loopback
from awcopy.vault.credentials import JobCredentials
from awcopy.vault.profile_files import read_receiver_profile, read_sink_profile, read_source_profile
from awcopy.vault.profiles import WebhookProfile
from awcopy.vault.sealing import open_sealed, read_private_keys

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from awcopy.config import AwsKeys, AwsLogin, AzureIdentity, AzureKeys, CustomerKey, Settings
    from awcopy.jobs.queries import JobSnapshot
    from awcopy.jobs.submit import JobRequest
    from awcopy.live.base import Live
    from awcopy.model.job import Job
    from awcopy.model.spec import JobSpec, SinkSpec, SourceSpec
    from awcopy.notify.base import Messenger
    from awcopy.sink.base import Sink
    from awcopy.source.base import Source
    from awcopy.steps.context import StepContext
    from awcopy.steps.lease import Lease


# Stands for whichever of Amazon's hosts a bucket turns out to be at, when a proxy is looked up.
AWS_URL = "https://s3.amazonaws.com"

# Of new objects that may be part of a cycle; then of looks at those, and of looks at older ones.
_COLLECTED_AFTER = (20_000, 20, 20)

# The blob services of Azure's public and national clouds.
AZURE_SUFFIXES = tuple(AZURE_AUTHORITIES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """The two ends of one job."""

    source: Source
    sink: Sink

    def close(self) -> None:
        """Give up idle connections on both sides."""
        self.source.close()
        self.sink.close()


def describe_own_aws() -> str:
    """Return where this machine's AWS credentials come from; raise ``CredentialsError`` if it has none."""
    from awcopy.source.s3_credentials import describe_own_credentials

    return describe_own_credentials()


def describe_own_azure() -> str:
    """Return how this machine signs in to Azure; raise ``CredentialsError`` if it cannot."""
    from awcopy.sink.azure_access import describe_own_credentials

    return describe_own_credentials()


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """How long a process waits for servers that take connections and say nothing."""

    redis_s: float
    ledger_s: float  # by what only reads


WORKER = Waits(redis_s=30, ledger_s=30)
# Somebody waits. Redis answers within milliseconds, and most of what is asked can be done without it.
COMMAND = Waits(redis_s=5, ledger_s=30)
DASHBOARD = Waits(redis_s=5, ledger_s=10)


def connect_fleet(settings: Settings, waits: Waits = WORKER, *, remembers: bool = False) -> Fleet:
    """Return the ledger and the live state that the settings name; nothing is contacted yet.

    Args:
        settings: Settings of this process.
        waits: How long it waits for either.
        remembers: Whether the same jobs are looked at again and again, so that what has not changed is not read again.
    """
    from awcopy.ledger.azure import AzureLedger

    ledger = AzureLedger(
        settings.ledger, settings.namespace, reads_silence_s=waits.ledger_s, remembers=remembers
    )
    return Fleet(ledger=ledger, live=connect_live(settings, waits))


def connect_live(settings: Settings, waits: Waits = WORKER) -> Live:
    """Return the live state alone, at the cost of none of the other SDKs; nothing is contacted yet."""
    from awcopy.live.redis import RedisLive

    return RedisLive(settings.redis_url, settings.namespace, silence_s=waits.redis_s)


def memory_fleet() -> Fleet:
    """Return a ledger and live state in this process, for local mode and tests."""
    from awcopy.ledger.memory import MemoryLedger
    from awcopy.live.memory import MemoryLive

    return Fleet(ledger=MemoryLedger(), live=MemoryLive())


def open_stores(settings: Settings, spec: JobSpec, credentials: JobCredentials) -> Stores:
    """Return the source and the sink of a job; a side without credentials uses this machine's own.

    Raises:
        UsageError: An endpoint lies at a private address and the settings do not allow that, a profile does not
            allow what it is named for, or a key would go over plain HTTP.
        CredentialsError: This machine has no profile of that name, or a key that the job needs is not among
            the credentials.
    """
    require_keys(spec, credentials)
    return Stores(
        source=open_source(
            settings, spec.source, credentials.aws, credentials.source_key, deletes=spec.deletion is not None
        ),
        sink=open_sink(
            settings, spec.sink, credentials.azure, credentials.sink_key, deletes=spec.pruning is not None
        ),
    )


def open_source(
    settings: Settings,
    spec: SourceSpec,
    keys: AwsKeys | None,
    customer_key: CustomerKey | None = None,
    *,
    deletes: bool = False,
) -> Source:
    """Return one job's source; a profile goes before keys. Errors as ``open_stores`` has them."""
    from awcopy.source.s3 import S3Source

    access: AwsKeys | AwsLogin | None = keys
    if spec.profile:
        profile = read_source_profile(settings.profiles, spec.profile)
        # Who wrote the profile has vouched for its endpoint, wherever it lies.
        spec, access = profile.admit(spec, deletes=deletes), profile.login
    else:
        _require_public(settings, spec.endpoint_url)
    if customer_key:
        _refuse_plain(settings, spec.endpoint_url)
    return S3Source(
        spec,
        access,
        connections=settings.connections,
        customer_key=customer_key,
        proxy_url=proxy_for(spec.endpoint_url or AWS_URL),
        ca_files=ca_files(settings, "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"),
        read_timeout_s=settings.store_timeout_s,
    )


def open_sink(
    settings: Settings,
    spec: SinkSpec,
    keys: AzureKeys | None,
    customer_key: CustomerKey | None = None,
    *,
    deletes: bool = False,
) -> Sink:
    """Return one job's sink; a profile goes before keys. Errors as ``open_stores`` has them."""
    from awcopy.sink.azure_blob import AzureBlobSink

    access: AzureKeys | AzureIdentity | None = keys
    if spec.profile:
        profile = read_sink_profile(settings.profiles, spec.profile)
        spec, access = profile.admit(spec, deletes=deletes), profile.access
    else:
        _require_public(settings, spec.endpoint_url)
    if customer_key:
        _refuse_plain(settings, spec.account_url)
    return AzureBlobSink(
        spec,
        access,
        connections=settings.connections,
        customer_key=customer_key,
        deletes=deletes,
        proxy_url=proxy_for(spec.account_url),
        ca_files=ca_files(settings, "REQUESTS_CA_BUNDLE"),
        read_timeout_s=settings.store_timeout_s,
    )


def open_messenger(settings: Settings, name: str) -> Messenger:
    """Return the way to a receiver of notifications, as this machine's profile of that name has it.

    Raises:
        CredentialsError: This machine has no such profile.
        UsageError: It is for something else, or something in it is wrong.
    """
    from awcopy.notify.mail import Mail
    from awcopy.notify.webhook import Webhook

    profile = read_receiver_profile(settings.profiles, name)
    context = ssl.create_default_context()
    for path in ca_files(settings, "REQUESTS_CA_BUNDLE"):
        context.load_verify_locations(path)
    allows_private = settings.allow_private_endpoints
    if isinstance(profile, WebhookProfile):
        return Webhook(profile.url, profile.signing_key, context=context, allows_private=allows_private)
    return Mail(
        profile.smtp_url, profile.sender, profile.receivers, context=context, allows_private=allows_private
    )


def open_job_stores(settings: Settings, job: Job) -> Stores:
    """Return the stores of a job as a worker sees them, its sealed credentials opened."""
    credentials = JobCredentials()
    if job.sealed:
        credentials = open_sealed(job.sealed, job.id, read_private_keys(settings.keys))
    if credentials.azure is None and not job.spec.sink.profile:
        require_known_sink(settings, job.spec.sink)
        own = load_store_defaults()
        if own.azure_account in ("", job.spec.sink.account):
            # Amazon's client reads the variables of its side by itself.
            credentials = replace(credentials, azure=own.azure)
    return open_stores(settings, job.spec, credentials)


def require_known_sink(settings: Settings, sink: SinkSpec) -> None:
    """Return when the worker's own credentials may be shown to the sink that a job names.

    Whoever can submit a job chooses its endpoint; without this, a job could have the worker send its SAS or
    its token to any host.

    Raises:
        UsageError: The endpoint is not Azure's own; private ones count as known where they are allowed.
    """
    host = urlsplit(sink.account_url).hostname or ""
    if not host.endswith(AZURE_SUFFIXES) and not settings.allow_private_endpoints:
        raise UsageError(
            f"the workers' own credentials are not sent to {host}, which is not Azure's",
            hint="submit the job with credentials of its own",
        )


def make_step_context(
    settings: Settings,
    fleet: Fleet,
    keep: Callable[[Lease], AbstractContextManager[None]] = lambda _lease: nullcontext(),
    stores: Stores | None = None,
) -> StepContext:
    """Return the surroundings of a process's steps.

    Args:
        settings: The process's settings.
        fleet: The ledger and the live state.
        keep: Renews a lease while its item is worked on; left out where no items are.
        stores: The stores of every job; left out, each job's own are opened.
    """
    from awcopy.steps.context import StepContext

    def open_them(job: Job) -> tuple[Source, Sink]:
        opened = stores or open_job_stores(settings, job)
        return opened.source, opened.sink

    return StepContext(
        fleet=fleet,
        open_stores=open_them,
        find_receiver=partial(read_receiver_profile, settings.profiles),
        lease_s=settings.lease_s,
        connections=settings.connections,
        restore_poll_s=settings.restore_poll_s,
        keep=keep,
    )


def collect_rarely() -> None:
    """Have Python look for cycles of dead objects more rarely, and never among those that are there by now.

    A page of a listing is 100,000 small objects and no cycle; looking through them again and again, and through all
    that the SDKs have loaded, takes a third of the CPU that a listing costs.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECTED_AFTER)


def run_here(
    settings: Settings, stores: Stores, request: JobRequest, on_progress: Callable[[JobSnapshot], None]
) -> tuple[JobSnapshot, Fleet]:
    """Run a job in this process; return its last snapshot, and the fleet whose ledger has its report."""
    from awcopy.jobs.submit import submit_job
    from awcopy.steps.lease import LeaseKeeper
    from awcopy.steps.local import run_job

    collect_rarely()
    fleet = memory_fleet()
    keeper = LeaseKeeper(fleet.ledger, settings.lease_s)
    context = make_step_context(settings, fleet, keeper.keep, stores)
    job = submit_job(fleet, replace(request, credentials=JobCredentials()))
    return run_job(context, job.id, on_progress, keeper.interrupt_all), fleet


def require_keys(spec: JobSpec, credentials: JobCredentials) -> None:
    """Return when the credentials hold the encryption keys that the job names by their SHA-256, and no others.

    So nothing is ever written without the key that was asked for, or with another one.

    Raises:
        CredentialsError: A key is missing, or is not the one that the job began with.
    """
    for option, sha256, key in (
        ("--source-encryption-key", spec.source.key_sha256, credentials.source_key),
        ("--encryption-key", spec.sink.key_sha256, credentials.sink_key),
    ):
        if (key.sha256 if key else "") != sha256:
            lacks = f"the job began with {option}, and its credentials no longer hold that key"
            raise CredentialsError(
                lacks if key is None else f"the job did not begin with this {option}",
                hint=f"give the same key again: awcopy jobs resume ID {option} @file:PATH",
            )


def _refuse_plain(settings: Settings, url: str) -> None:
    parts = urlsplit(url)
    is_own = settings.allow_private_endpoints and is_loopback(parts.hostname or "")
    if parts.scheme == "http" and not is_own:
        raise UsageError(
            f"an encryption key is never sent to {parts.hostname} over plain http",
            hint="use the store's https:// endpoint",
        )


def _require_public(settings: Settings, url: str) -> None:
    """Return when jobs may name this endpoint, an empty one included."""
    if not url or settings.allow_private_endpoints:
        return
    host = urlsplit(url).hostname or ""
    try:
        found = socket.getaddrinfo(host, None)
    except OSError:
        return  # the store's adapter will say that the name does not resolve
    addresses = (ipaddress.ip_address(entry[4][0]) for entry in found)
    if not all(address.is_global for address in addresses):
        raise UsageError(
            f"the endpoint {urlsplit(url).hostname} is at a private address",
            hint="set AWCOPY_ALLOW_PRIVATE_ENDPOINTS=1 here and on the workers, if that store is yours",
        )
