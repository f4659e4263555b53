"""A copy asked for by name and value instead of on a command line, and a job told back as a command line.

The values become the words of ``awcopy copy``, which reads and checks them: no other code decides what a job may
be. Only options in ``REQUEST_OPTIONS`` are taken, since others read files or variables of the machine that they
are given on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import click

from awcopy.cli.copy import copy, make_spec
from awcopy.cli.encryption import read_encryption
from awcopy.cli.main import cli
from awcopy.cli.sync import DECIDED, LAST
from awcopy.config import Settings, StoreDefaults
from awcopy.errors import UsageError
from awcopy.model.job import Archived, Compare, Overwrite
from awcopy.model.outcome import Proof

if TYPE_CHECKING:
    from awcopy.model.job import Deletion, JobSpec, Pruning

REQUEST_OPTIONS = (
    "name", "recursive", "include", "exclude", "include_regex", "exclude_regex", "newer_than", "older_than",
    "min_size", "max_size", "overwrite", "route", "agents", "bandwidth", "block_size", "files_per_task", "tier", "tags",
    "names", "metadata", "versions", "no_stamp", "verify", "require_proof", "archived", "restore_tier", "restore_days",
    "restore_max_objects", "restore_max_bytes", "encryption_scope", "source_profile", "sink_profile", "notify",
    "region", "endpoint_url", "azure_endpoint", "addressing", "request_payer",
)  # fmt: skip
ADDRESSES = ("source", "sink")
LONGEST_VALUE = 2_048  # of one text; a key has 1,024 bytes
MOST_VALUES = 100  # of one option that may be repeated
_NO_TEXT = re.compile("[\0\ud800-\udfff]")  # what neither a command line nor UTF-8 can carry
_LARGEST_NUMBER = 2**63


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyRequest:
    """What was asked for, read and checked as the command line's."""

    spec: JobSpec
    name: str


def read_request(values: Mapping[str, object]) -> CopyRequest:
    """Return the job that ``source``, ``sink`` and the options by name describe.

    The environment's defaults do not count: they are those of the machine that answers, not of who asks.

    Raises:
        UsageError: A value is missing, unknown, of the wrong type, or refused as on the command line.
    """
    if unknown := sorted(set(values) - {*ADDRESSES, *REQUEST_OPTIONS}):
        raise UsageError(
            f"there is no {unknown[0][:LONGEST_VALUE]!r} in a job", hint="the API's document names all"
        )
    for name in ADDRESSES:
        if name not in values:
            raise UsageError(f"{name} is missing", hint="a job needs a source and a sink")
    options = request_options()
    words = [word for name in options if name in values for word in _words(options[name], values[name])]
    words += ["--", *(_text(name, values[name]) for name in ADDRESSES)]
    try:
        # As the program itself calls it: Click keeps a command's --help as it was first made.
        with copy.make_context("copy", words, parent=click.Context(cli, **cli.context_settings)) as context:
            given = context.params
    except click.UsageError as error:
        raise UsageError(error.format_message()) from error
    if given["overwrite"] == Overwrite.PROMPT.value:
        raise UsageError("overwrite: prompt asks at a terminal", hint="write changed, always, newer or never")
    spec = make_spec(given, StoreDefaults(), read_encryption(given, Settings()))
    return CopyRequest(spec=spec, name=given["name"])


def request_options() -> dict[str, click.Option]:
    """Return the command's options that a request may hold, by name and in their order."""
    known = {option.name: option for option in copy.params if isinstance(option, click.Option)}
    return {name: known[name] for name in REQUEST_OPTIONS}


def command_words(spec: JobSpec, name: str) -> list[str]:
    """Return the words of the ``awcopy copy`` or ``sync`` that asks for this job; defaults are left out.

    Encryption keys are never known here: their options say ``-``, so that the command asks for them. Whoever runs
    it is asked again before anything is replaced or deleted.
    """
    words = ["awcopy", "sync" if spec.sync else "copy", str(spec.source), str(spec.sink)]
    options = request_options()
    for option, value in _said(spec, name).items():
        parameter = options[option]
        if spec.sync and option in DECIDED:
            continue
        if value in ("", None, (), usual_value(parameter)):
            continue
        if parameter.is_flag:
            words.append(_flag(parameter, is_on=value))
            continue
        for one in value if isinstance(value, tuple) else (value,):
            words += _pair(parameter.opts[-1], one.isoformat() if isinstance(one, datetime) else str(one))
    for flag, digest in (
        ("--source-encryption-key", spec.source.key_sha256),
        ("--encryption-key", spec.sink.key_sha256),
    ):
        words += [flag, "-"] if digest else []
    return [*words, *_sync_words(spec), *_deletion_words(spec.deletion)]


def _sync_words(spec: JobSpec) -> list[str]:
    if not spec.sync:
        return []
    words = [] if spec.sync.compare is Compare.STAMP else ["--compare", spec.sync.compare.value]
    since = spec.selection.newer_than
    if spec.sync.since_last:
        words += ["--since", LAST]
    elif since:
        words += ["--since", since.isoformat()]
    words += ["--backup-prefix", spec.sync.backup] if spec.sync.backup else []
    return [*words, *_pruning_words(spec.sync.pruning)]


def _pruning_words(pruning: Pruning | None) -> list[str]:
    if not pruning:
        return []
    most = f"{pruning.most_percent:g}%" if pruning.most is None else str(pruning.most)
    words = ["--delete", "--max-delete", most]
    return [*words, "--delete-unstamped"] if pruning.takes_unstamped else words


def _deletion_words(deletion: Deletion | None) -> list[str]:
    if not deletion:
        return []
    words = ["--delete-source"]
    words += [] if deletion.most is None else ["--max-delete", str(deletion.most)]
    words += [] if deletion.weakest_proof is Proof.MD5 else ["--delete-proof", deletion.weakest_proof.value]
    return [*words, "--delete-despite-failures"] if deletion.despite_failures else words


def _said(spec: JobSpec, name: str) -> dict[str, Any]:
    """Return the value of each option that a request may hold, as the specification has it."""
    selection, source, sink = spec.selection, spec.source, spec.sink
    restores = spec.archived is Archived.RESTORE
    values: dict[str, object] = {
        "name": name,
        "recursive": selection.recursive,
        "include": selection.include,
        "exclude": selection.exclude,
        "include_regex": selection.include_regex,
        "exclude_regex": selection.exclude_regex,
        "newer_than": selection.newer_than,
        "older_than": selection.older_than,
        "min_size": selection.min_size_bytes,
        "max_size": selection.max_size_bytes,
        "overwrite": spec.overwrite,
        "route": spec.route,
        "agents": spec.agents,
        "bandwidth": spec.bandwidth or None,
        "block_size": spec.block_size_bytes,
        "files_per_task": spec.files_per_task,
        "tier": spec.tier,
        "tags": spec.copies_tags,
        "names": spec.names,
        "metadata": spec.metadata,
        "versions": spec.versions,
        "no_stamp": not spec.has_stamps,
        "verify": spec.verify,
        "require_proof": spec.require_proof,
        "archived": spec.archived,
        "restore_tier": spec.restore.tier if restores else None,
        "restore_days": spec.restore.days if restores else None,
        "restore_max_objects": spec.restore.most_objects or None,
        "restore_max_bytes": spec.restore.most_bytes or None,
        "encryption_scope": sink.encryption_scope,
        "source_profile": source.profile,
        "sink_profile": sink.profile,
        "region": source.region,
        "endpoint_url": source.endpoint_url,
        "azure_endpoint": sink.endpoint_url,
        "addressing": source.addressing,
        "notify": spec.notify,
        "request_payer": "requester" if source.pays_requests else None,
    }
    return {key: value.value if isinstance(value, StrEnum) else value for key, value in values.items()}


def _words(option: click.Option, value: object) -> list[str]:
    """Return an option with its value, or with each of its values, as words."""
    name = str(option.name)
    if option.is_flag:
        if not isinstance(value, bool):
            raise UsageError(f"{name} is true or false")
        return [] if value == usual_value(option) else [_flag(option, is_on=value)]
    if option.multiple:
        if not isinstance(value, list) or len(value) > MOST_VALUES:
            raise UsageError(f"{name} is a list of at most {MOST_VALUES} texts")
        return [f"{option.opts[-1]}={_text(name, one)}" for one in value]
    if isinstance(option.type, click.IntRange):
        if isinstance(value, bool) or not isinstance(value, int):
            raise UsageError(f"{name} is a whole number")
        return [f"{option.opts[-1]}={_digits(name, value)}"]
    if takes_number(option) and isinstance(value, int) and not isinstance(value, bool):
        return [f"{option.opts[-1]}={_digits(name, value)}"]
    return [f"{option.opts[-1]}={_text(name, value)}"]


def usual_value(option: click.Option) -> object:
    """Return what an option has where nobody says anything; None where that is nothing."""
    if option.is_flag:
        return option.default is True
    return option.default if isinstance(option.default, (str, int)) else None


def takes_number(option: click.Option) -> bool:
    """Return whether an option takes a size, which may also be a number of bytes."""
    return option.type.name == "size"


def _flag(option: click.Option, *, is_on: bool) -> str:
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


def _pair(option: str, value: str) -> list[str]:
    return [f"{option}={value}"] if value.startswith("-") else [option, value]
