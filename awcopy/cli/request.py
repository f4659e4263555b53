"""A job asked for by name and value instead of on a command line; ``request_values`` tells one back.

The values become the words of ``awcopy copy`` or ``awcopy sync``, which reads and checks them: no other code decides
what a job may be. Only options in ``REQUEST_OPTIONS`` and ``SYNC_OPTIONS`` are taken, since others read files or
variables of the machine that they are given on. Beside them stand a few members that a command line decides where it
runs, such as the credentials that it sealed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from awcopy.cli.copy import copy, make_spec
from awcopy.cli.encryption import read_encryption
from awcopy.cli.main import cli
from awcopy.cli.sync import DECIDED, make_sync, sync
from awcopy.config import Settings, StoreDefaults
from awcopy.errors import UsageError
from awcopy.model.job import JobId, is_job_id
from awcopy.model.spec import Approval, Overwrite
from awcopy.planning.backup import check_backup
from awcopy.units import parse_when

if TYPE_CHECKING:
    from awcopy.model.spec import JobSpec

REQUEST_OPTIONS = (
    "name", "recursive", "include", "exclude", "include_regex", "exclude_regex", "newer_than", "older_than",
    "min_size", "max_size", "overwrite", "route", "agents", "bandwidth", "block_size", "files_per_task", "tier", "tags",
    "names", "metadata", "versions", "no_stamp", "verify", "require_proof", "archived", "restore_tier", "restore_days",
    "restore_max_objects", "restore_max_bytes", "encryption_scope", "source_profile", "sink_profile", "notify",
    "region", "endpoint_url", "azure_endpoint", "addressing", "request_payer",
    "delete_source", "max_delete", "delete_proof", "delete_despite_failures",
)  # fmt: skip
# What a sync has of its own, in place of what it decides.
SYNC_OPTIONS = ("compare", "since", "backup_prefix", "delete", "max_delete", "delete_unstamped")
COMMANDS = {"copy": copy, "sync": sync}
ADDRESSES = ("source", "sink")
# What no option says: see ``CopyRequest`` and the description of the API.
OTHERS = ("id", "sealed", "source_key_sha256", "encryption_key_sha256", "approval")
LONGEST_SEALED = 16_384
MOST_APPROVED = 1_000  # blobs, as in ``awcopy.cli.conflicts``
SHA256 = r"^[A-Za-z0-9+/]{43}=$"
SEALED = r"^[A-Za-z0-9+/]+={0,2}$"
LONGEST_VALUE = 2_048  # of one text; a key has 1,024 bytes
MOST_VALUES = 100  # of one option that may be repeated
_NO_TEXT = re.compile("[\0\ud800-\udfff]")  # what neither a command line nor UTF-8 can carry
_LARGEST_NUMBER = 2**63
_LARGEST_FLOAT = 2**53  # beyond it a float stands for several whole numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyRequest:
    """What was asked for, read and checked as the command line's."""

    spec: JobSpec
    name: str
    job_id: JobId | None = None  # chosen by who asks, since credentials are sealed to it
    sealed: str = ""  # these credentials; nobody but a worker can look whether they are any


def read_request(values: Mapping[str, object], *, command: str = "") -> CopyRequest:
    """Return the job that ``source``, ``sink`` and the options by name describe.

    The environment's defaults do not count: they are those of the machine that answers, not of who asks.

    Args:
        values: The names and values.
        command: ``copy`` or ``sync``; left out, the values say, and say a copy where they say nothing.

    Raises:
        UsageError: A value is missing, unknown, of the wrong type, or refused as on the command line.
    """
    command = command or _choose_command(values)
    options = request_options(command)
    if unknown := sorted(set(values) - {"command", *ADDRESSES, *OTHERS, *options}):
        raise UsageError(
            f"there is no {unknown[0][:LONGEST_VALUE]!r} in a {command}", hint="the API's document names all"
        )
    for name in ADDRESSES:
        if name not in values:
            raise UsageError(f"{name} is missing", hint="a job needs a source and a sink")
    words = [word for name in options if name in values for word in _words(options[name], values[name])]
    words += ["--", *(_text(name, values[name]) for name in ADDRESSES)]
    try:
        # As the program itself calls it: Click keeps a command's --help as it was first made.
        parent = click.Context(cli, **cli.context_settings)
        with COMMANDS[command].make_context(command, words, parent=parent) as context:
            given = context.params
    except click.UsageError as error:
        raise UsageError(error.format_message()) from error
    spec = _make_sync_spec(given) if command == "sync" else _make_spec(given)
    return _with_others(CopyRequest(spec=spec, name=given["name"]), values)


def request_options(command: str = "copy") -> dict[str, click.Option]:
    """Return the options of a command that a request may hold, by name and in their order."""
    params = COMMANDS[command].params
    known = {option.name: option for option in params if isinstance(option, click.Option)}
    own = SYNC_OPTIONS if command == "sync" else ()
    return {name: known[name] for name in dict.fromkeys((*REQUEST_OPTIONS, *own)) if name in known}


def _choose_command(values: Mapping[str, object]) -> str:
    command = values.get("command", "copy")
    if command not in list(COMMANDS):
        raise UsageError("there is no such command", hint=f"write {' or '.join(COMMANDS)}")
    return str(command)


def _make_spec(given: Mapping[str, Any]) -> JobSpec:
    return make_spec(given, StoreDefaults(), read_encryption(given, Settings()))


def _make_sync_spec(given: Mapping[str, Any]) -> JobSpec:
    asked = make_sync(given)
    decided = {**given, **DECIDED, "newer_than": None if asked.since_last else given["since"]}
    return check_backup(replace(_make_spec(decided), sync=asked))


def _with_others(asked: CopyRequest, values: Mapping[str, object]) -> CopyRequest:
    """Return the request with what no option says."""
    spec = replace(
        asked.spec,
        source=replace(asked.spec.source, key_sha256=_match(values, "source_key_sha256", SHA256)),
        sink=replace(asked.spec.sink, key_sha256=_match(values, "encryption_key_sha256", SHA256)),
        approval=_read_approval(asked.spec, values),
    )
    if spec.sink.key_sha256 and (spec.sink.encryption_scope or spec.tier):
        raise UsageError("encryption_key_sha256 goes with neither encryption_scope nor tier")
    job_id, sealed = values.get("id", ""), _match(values, "sealed", SEALED)
    if "id" in values and not (isinstance(job_id, str) and is_job_id(job_id)):
        raise UsageError("id is no job's id", hint="leave it out, unless there is something sealed to it")
    if sealed and not job_id:
        raise UsageError("sealed needs the id that it is sealed to")
    if (spec.source.key_sha256 or spec.sink.key_sha256) and not sealed:
        raise UsageError("a key is named by its SHA-256, and sealed holds none")
    return replace(asked, spec=spec, job_id=JobId(str(job_id)) if job_id else None, sealed=sealed)


def _read_approval(spec: JobSpec, values: Mapping[str, object]) -> Approval:
    if (spec.overwrite is Overwrite.PROMPT) != ("approval" in values):
        raise UsageError(
            "overwrite: prompt asks at a terminal, and approval is what was answered there",
            hint="write changed, always, newer or never",
        )
    given = values.get("approval", {})
    if not isinstance(given, dict) or set(given) - {"etags", "until"}:
        raise UsageError("approval is an object of etags and until")
    etags, until = given.get("etags", []), given.get("until")
    if not isinstance(etags, list) or len(etags) > MOST_APPROVED:
        raise UsageError(f"approval's etags are a list of at most {MOST_APPROVED} texts")
    named = tuple(_text("approval's etag", etag) for etag in etags)
    written = None if until is None else parse_when(_text("until", until), now=datetime.now(UTC))
    return Approval(etags=named, until=written)


def _words(option: click.Option, value: object) -> list[str]:
    """Return an option with its value, or with each of its values, as words."""
    name = str(option.name)
    if option.is_flag:
        if not isinstance(value, bool):
            raise UsageError(f"{name} is true or false")
        return [] if value == usual_value(option) else [flag_word(option, is_on=value)]
    if option.multiple:
        if not isinstance(value, list) or len(value) > MOST_VALUES:
            raise UsageError(f"{name} is a list of at most {MOST_VALUES} texts")
        return [f"{option.opts[-1]}={_text(name, one)}" for one in value]
    if isinstance(option.type, click.IntRange):
        return [f"{option.opts[-1]}={_digits(name, read_whole(value, name))}"]
    if takes_number(option) and isinstance(value, int | float) and not isinstance(value, bool):
        return [f"{option.opts[-1]}={_digits(name, read_whole(value, name))}"]
    return [f"{option.opts[-1]}={_text(name, value)}"]


def read_whole(value: object, name: str) -> int:
    """Return a member that is a whole number, which JSON also writes as 4.0; raise ``UsageError`` if it is none."""
    if isinstance(value, float) and value.is_integer() and abs(value) < _LARGEST_FLOAT:
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise UsageError(f"{name} is a whole number")
    return value


def usual_value(option: click.Option) -> object:
    """Return what an option has where nobody says anything; None where that is nothing."""
    if option.is_flag:
        return option.default is True
    return option.default if isinstance(option.default, (str, int)) else None


def takes_number(option: click.Option) -> bool:
    """Return whether an option takes a number besides a text: of bytes, or of what there may be at most."""
    return option.type.name in {"size", "number"}


def flag_word(option: click.Option, *, is_on: bool) -> str:
    """Return the word that gives a flag."""
    return option.opts[-1] if is_on else option.secondary_opts[-1]


def _digits(name: str, value: int) -> str:
    if abs(value) >= _LARGEST_NUMBER:
        raise UsageError(f"{name} is out of range")
    return str(value)


def _text(name: str, value: object) -> str:
    if not isinstance(value, str) or len(value) > LONGEST_VALUE:
        raise UsageError(f"{name} is a text of at most {LONGEST_VALUE} characters")
    if _NO_TEXT.search(value):
        raise UsageError(f"{name} holds what no text has")
    return value


def check_sealed(text: str) -> str:
    """Return what is to be sealed credentials, if it can be some; raise ``UsageError`` if not."""
    return _match({"sealed": text}, "sealed", SEALED)


def _match(values: Mapping[str, object], name: str, pattern: str) -> str:
    value = values.get(name, "")
    if name in values and not (
        isinstance(value, str) and len(value) <= LONGEST_SEALED and re.fullmatch(pattern, value)
    ):
        raise UsageError(f"{name} is not what `awcopy` sends")
    return str(value)
