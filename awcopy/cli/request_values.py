"""A job told back: as the values that ask for it over the API, and as a command line."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from awcopy.cli.request import flag_word, request_options, usual_value
from awcopy.cli.sync import LAST
from awcopy.model.outcome import Proof
from awcopy.model.spec import Archived, Overwrite

if TYPE_CHECKING:
    from awcopy.model.spec import JobSpec


def request_values(spec: JobSpec, name: str) -> dict[str, Any]:
    """Return the values that ask for this job, as JSON has them; what has its usual value is left out.

    ``read_request`` returns the same specification for them; but for ``since: last``, for which it names no date.
    """
    values: dict[str, Any] = {"command": "sync"} if spec.sync else {}
    values |= {"source": str(spec.source), "sink": str(spec.sink)}
    options = request_options("sync" if spec.sync else "copy")
    for option, value in {**_said(spec, name), **_said_last(spec)}.items():
        if option in options and value not in ("", None, (), usual_value(options[option])):
            values[option] = _plain(value)
    digests = {"source_key_sha256": spec.source.key_sha256, "encryption_key_sha256": spec.sink.key_sha256}
    values |= {member: digest for member, digest in digests.items() if digest}
    if spec.overwrite is Overwrite.PROMPT:
        until = spec.approval.until
        approval = {"etags": list(spec.approval.etags), "until": until.isoformat() if until else None}
        values["approval"] = approval
    return values


def command_words(spec: JobSpec, name: str) -> list[str]:
    """Return the words of the ``awcopy copy`` or ``sync`` that asks for this job; defaults are left out.

    Encryption keys are never known here: their options say ``-``, so that the command asks for them. Whoever runs
    it is asked again before anything is replaced or deleted.
    """
    values, command = request_values(spec, name), "sync" if spec.sync else "copy"
    words = ["awcopy", command, values["source"], values["sink"]]
    options = request_options(command)
    for option, value in values.items():
        if option not in options:
            continue
        parameter = options[option]
        if parameter.is_flag:
            words.append(flag_word(parameter, is_on=value))
            continue
        for one in value if isinstance(value, list) else (value,):
            words += _pair(parameter.opts[-1], str(one))
    for flag, member in (
        ("--source-encryption-key", "source_key_sha256"),
        ("--encryption-key", "encryption_key_sha256"),
    ):
        words += [flag, "-"] if member in values else []
    return words


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
        "notify": spec.notify,
        "region": source.region,
        "endpoint_url": source.endpoint_url,
        "azure_endpoint": sink.endpoint_url,
        "addressing": source.addressing,
        "request_payer": "requester" if source.pays_requests else None,
    }
    return {key: value.value if isinstance(value, StrEnum) else value for key, value in values.items()}


def _said_last(spec: JobSpec) -> dict[str, Any]:
    """Return the values of what a sync has of its own, and of what is deleted."""
    values: dict[str, object] = {}
    if spec.sync:
        pruning, since = spec.sync.pruning, spec.selection.newer_than
        values = {"compare": spec.sync.compare.value, "since": LAST if spec.sync.since_last else since}
        values["backup_prefix"] = spec.sync.backup
        if pruning:
            most: str | int | None = pruning.most
            if most is None:
                most = f"{pruning.most_percent:.6f}".rstrip("0").rstrip(".") + "%"
            values |= {"delete": True, "max_delete": most, "delete_unstamped": pruning.takes_unstamped}
    elif spec.deletion:
        weakest = spec.deletion.weakest_proof
        values = {
            "delete_source": True,
            "max_delete": spec.deletion.most,
            "delete_proof": "" if weakest is Proof.MD5 else weakest.value,
            "delete_despite_failures": spec.deletion.despite_failures,
        }
    return values


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    return list(value) if isinstance(value, tuple) else value


def _pair(option: str, value: str) -> list[str]:
    return [f"{option}={value}"] if value.startswith("-") else [option, value]
