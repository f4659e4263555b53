"""What a profile can do: looks at the buckets and containers that it names, as a worker would."""

from __future__ import annotations

import secrets
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

from awcopy.crc64 import crc64
from awcopy.errors import AwcopyError
from awcopy.jobs.health import Check, Finding, State
from awcopy.model.objects import BlockId, Span
from awcopy.model.spec import SinkSpec, SourceSpec
from awcopy.vault.profiles import EmailProfile, SourceProfile, WebhookProfile

if TYPE_CHECKING:
    from awcopy.config import Settings
    from awcopy.sink.base import Sink
    from awcopy.source.base import Source

_WILDCARDS = frozenset("*?[")
_TRIAL = b"awcopy"


def make_checks(settings: Settings, name: str, bucket: str, container: str) -> list[Check]:
    """Return the checks of one profile: one for each bucket or container that it names in full, or that is given."""
    from awcopy.vault.profile_files import read_profile

    try:
        found = read_profile(settings.profiles, name)
    except AwcopyError as error:
        return [Check(part=name, look=partial(_raise, error))]
    if isinstance(found, (WebhookProfile, EmailProfile)):
        return [Check(part=name, look=partial(_try_receiver, settings, name))]
    if isinstance(found, SourceProfile):
        buckets = [bucket] if bucket else _full_names(found.buckets)
        specs = [SourceSpec(bucket=one, profile=name) for one in buckets]
        checks = [Check(part=f"{name} {spec}", look=partial(_try_source, settings, spec)) for spec in specs]
        return checks or [_nothing_named(name, "--bucket")]
    containers = [container] if container else _full_names(found.containers)
    sinks = [SinkSpec(account=found.account, container=one, profile=name) for one in containers]
    checks = [Check(part=f"{name} {spec}", look=partial(_try_sink, settings, spec)) for spec in sinks]
    return checks or [_nothing_named(name, "--container")]


def _try_receiver(settings: Settings, name: str) -> Finding:
    from awcopy.bootstrap import open_messenger
    from awcopy.jobs.notification_text import trial_message

    open_messenger(settings, name).send(trial_message(f"test-{secrets.token_hex(8)}"))
    return Finding(part=name, state=State.OK, says="has taken a test message")


def _raise(error: AwcopyError) -> Finding:
    raise error


def _full_names(globs: tuple[str, ...]) -> list[str]:
    return [glob for glob in globs if not _WILDCARDS & set(glob)]


def _nothing_named(name: str, option: str) -> Check:
    finding = Finding(
        part=name,
        state=State.WARN,
        says="it allows by wildcards only",
        advice=f"name one to try with {option}",
    )
    return Check(part=name, look=lambda: finding)


def _try_source(settings: Settings, spec: SourceSpec) -> Finding:
    from awcopy.bootstrap import open_source

    with closing(open_source(settings, spec, None)) as source:
        return Finding(part=f"{spec.profile} {spec}", state=State.OK, says=_use_source(source))


def _use_source(source: Source) -> str:
    page = source.list_page("")
    first = next((obj for obj in page.objects if obj.size_bytes), None)
    if first is None:
        found = "what begins the listing is empty" if page.objects else "it is empty"
        return f"can list; {found}, so that there is nothing to try to read"
    source.read_range(first, Span(offset=0, size_bytes=1), memoryview(bytearray(1)))
    return "can list and read"


def _try_sink(settings: Settings, spec: SinkSpec) -> Finding:
    from awcopy.bootstrap import open_sink

    with closing(open_sink(settings, spec, None)) as sink:
        _use_sink(sink)
    return Finding(part=f"{spec.profile} {spec}", state=State.OK, says="can list and write")


def _use_sink(sink: Sink) -> None:
    sink.probe()
    name = f"awcopy-profile-test-{secrets.token_hex(8)}"
    sink.stage_block(name, BlockId("0" * 32), memoryview(_TRIAL), crc64=crc64(_TRIAL))
