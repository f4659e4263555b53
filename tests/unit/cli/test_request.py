"""Jobs asked for by name and value are those of the command line, and can be told back as one."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from awcopy.cli.copy import copy, make_spec
from awcopy.cli.encryption import read_encryption
from awcopy.cli.main import cli
from awcopy.cli.request import read_request, request_options
from awcopy.cli.request_values import command_words, request_values
from awcopy.cli.sync import sync
from awcopy.config import Settings, StoreDefaults
from awcopy.errors import UsageError
from awcopy.model.outcome import Proof
from awcopy.model.spec import Approval, Compare, Deletion, Overwrite, Pruning, Sync

PLAIN = {"source": "s3://photos/2026/", "sink": "az://backup/photos"}
FULL = {
    **PLAIN,
    "name": "nightly -x",
    "recursive": False,
    "include": ["*.jpg", "-odd"],
    "exclude_regex": ["a.*b"],
    "newer_than": "2026-01-31T12:00:00+00:00",
    "older_than": "2026-02-01",
    "min_size": 0,
    "max_size": "5G",
    "overwrite": "newer",
    "agents": 16,
    "bandwidth": "200M",
    "block_size": "4M",
    "files_per_task": 10,
    "tags": True,
    "no_stamp": True,
    "names": "encode",
    "metadata": "fail",
    "versions": "all",
    "require_proof": "md5",
    "archived": "restore",
    "restore_tier": "Standard",
    "restore_days": 3,
    "restore_max_bytes": "1T",
    "encryption_scope": "payroll",
    "source_profile": "archive",
    "notify": ["oncall", "ops"],
    "region": "eu-west-1",
    "endpoint_url": "https://s3.example",
    "azure_endpoint": "https://blob.example/backup",
    "addressing": "path",
    "request_payer": "requester",
}
ID = "zybqxrvdbebn6m1p"
SHA256 = "A" * 43 + "="
KEYED = {"id": ID, "sealed": "c2VhbGVk", "encryption_key_sha256": SHA256}


def spec_of_command(words):
    with copy.make_context("copy", words, **cli.context_settings) as context:
        given = context.params
    return make_spec(given, StoreDefaults(), read_encryption(given, Settings()))


@pytest.mark.parametrize(
    "values", [PLAIN, FULL, {**PLAIN, "tier": "Cool", "verify": "full", "route": "stream"}]
)
def test_a_job_told_back_as_a_command_is_that_job(values):
    asked = read_request(values)

    words = command_words(asked.spec, asked.name)

    assert words[:2] == ["awcopy", "copy"]
    assert spec_of_command(words[2:]) == asked.spec


def test_a_job_that_deletes_is_told_with_what_keeps_objects_and_asks_again():
    spec = replace(read_request(PLAIN).spec, deletion=Deletion(most=9, weakest_proof=Proof.CRC64))

    words = command_words(spec, "default")

    assert spec_of_command(words[2:]) == spec
    assert "--yes" not in words


@pytest.mark.parametrize(
    ("asked", "more"),
    [
        (Sync(), []),
        (Sync(compare=Compare.CHECKSUM, since_last=True), ["--compare", "checksum", "--since", "last"]),
        (Sync(), ["--since", "2026-01-31T12:00:00+00:00"]),
        (Sync(pruning=Pruning(most=7)), ["--delete", "--max-delete", "7"]),
        (
            Sync(pruning=Pruning(most=None, most_percent=20.0, takes_unstamped=True)),
            ["--delete", "--max-delete", "20%", "--delete-unstamped"],
        ),
    ],
)
def test_a_sync_is_told_as_one(asked, more):
    since = more[more.index("--since") + 1] if "--since" in more and not asked.since_last else None
    values = {**PLAIN, "newer_than": since} if since else PLAIN
    spec = replace(read_request(values).spec, sync=asked)

    words = command_words(spec, "default")

    assert words == ["awcopy", "sync", "s3://photos/2026/", "az://backup/photos/", *more]
    with sync.make_context("sync", words[2:], **cli.context_settings) as context:
        assert context.params["compare"] == asked.compare.value


@pytest.mark.parametrize(
    "values",
    [
        PLAIN,
        FULL,
        {**PLAIN, "delete_source": True, "max_delete": 0, "delete_proof": "crc64"},
        {**PLAIN, "delete_source": True, "delete_despite_failures": True},
        {**PLAIN, "command": "sync"},
        {**PLAIN, "command": "sync", "compare": "size+mtime", "since": "2026-01-31", "agents": 7},
        {**PLAIN, "command": "sync", "since": "last", "delete": True, "max_delete": "33.333333%"},
        {**PLAIN, "command": "sync", "delete": True, "max_delete": 12, "delete_unstamped": True},
        {**PLAIN, **KEYED, "source_key_sha256": SHA256},
        {**PLAIN, "overwrite": "prompt", "approval": {"etags": ["0x1", "0x2"]}},
        {**PLAIN, "overwrite": "prompt", "approval": {"until": "2026-01-31T12:00:00+00:00"}},
    ],
)
def test_values_made_of_a_job_ask_for_that_job(values):
    asked = read_request(values)

    told = json.loads(json.dumps(request_values(asked.spec, asked.name)))

    sealed = {name: values[name] for name in ("id", "sealed") if name in values}
    assert read_request({**told, **sealed}) == asked


def test_a_whole_number_may_be_written_as_json_does():
    spec = read_request({**PLAIN, "agents": 7.0, "block_size": 8388608.0, "min_size": 1.0}).spec

    assert (spec.agents, spec.block_size_bytes, spec.selection.min_size_bytes) == (7, 8_388_608, 1)


def test_what_was_answered_goes_with_the_question():
    given = {**PLAIN, "overwrite": "prompt", "approval": {"etags": ["0x1"], "until": None}}

    assert read_request(given).spec.approval == Approval(etags=("0x1",))


def test_what_has_its_default_is_not_told():
    assert command_words(read_request(PLAIN).spec, "default") == [
        "awcopy", "copy", "s3://photos/2026/", "az://backup/photos/"
    ]  # fmt: skip


def test_every_option_of_a_request_is_one_of_the_command_and_told_back():
    others = {"exclude", "include_regex", "route", "tier", "verify", "restore_max_objects", "sink_profile"}
    deleting = {"delete_source", "max_delete", "delete_proof", "delete_despite_failures"}
    assert {*FULL, *others, *deleting} == {"source", "sink", *request_options()}
    assert read_request(FULL).spec.overwrite is Overwrite.NEWER


def test_the_environment_of_who_answers_does_not_count(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://elsewhere.example")

    assert read_request(PLAIN).spec.source.endpoint_url == ""


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"sink": "az://backup/photos"}, "source is missing"),
        ({"local": True}, "'local'"),
        ({"encryption_key": "@file:/etc/passwd"}, "'encryption_key'"),
        ({"source": 7}, "source is a text"),
        ({"source": "x" * 3000}, "source is a text"),
        ({"source": "--help"}, "'--help' is not a source"),
        ({"source": "s3://b/\ud800"}, "no text has"),
        ({"name": "a\0"}, "no text has"),
        ({"name": "a\nb"}, "printable"),
        ({"agents": 0}, "--agents"),
        ({"agents": True}, "agents is a whole number"),
        ({"agents": 4.5}, "agents is a whole number"),
        ({"agents": 1e300}, "agents is a whole number"),
        ({"agents": "4"}, "agents is a whole number"),
        ({"agents": 10**5000}, "out of range"),
        ({"tags": "yes"}, "tags is true or false"),
        ({"include": "*.jpg"}, "include is a list"),
        ({"include": ["x"] * 101}, "include is a list"),
        ({"include": [1]}, "include is a text"),
        ({"overwrite": "maybe"}, "--overwrite"),
        ({"overwrite": "prompt"}, "at a terminal"),
        ({"max_delete": 9}, "goes with --delete-source"),
        ({"yes": True, "delete_source": True}, "'yes'"),
        ({"compare": "stamp"}, "no 'compare' in a copy"),
        ({"command": "sync", "overwrite": "always"}, "no 'overwrite' in a sync"),
        ({"command": "sync", "delete_unstamped": True}, "goes with --delete"),
        ({"command": "rm"}, "no such command"),
        ({"command": []}, "no such command"),
        ({"id": "zybqxrvdbebn6m1"}, "no job's id"),
        ({"id": 7}, "no job's id"),
        ({"sealed": "c2VhbGVk"}, "needs the id"),
        ({"id": ID, "sealed": "not base64!"}, "sealed is not"),
        ({"id": ID, "sealed": "A" * 20_000}, "sealed is not"),
        ({"encryption_key_sha256": SHA256}, "sealed holds none"),
        ({"source_key_sha256": "short"}, "source_key_sha256 is not"),
        ({**KEYED, "encryption_scope": "payroll"}, "neither encryption_scope"),
        ({**KEYED, "tier": "Cool"}, "neither encryption_scope nor tier"),
        ({"approval": {}}, "approval is what was answered"),
        ({"overwrite": "prompt", "approval": []}, "an object of etags"),
        ({"overwrite": "prompt", "approval": {"all": True}}, "an object of etags"),
        ({"overwrite": "prompt", "approval": {"etags": ["e"] * 1001}}, "at most 1000"),
        ({"overwrite": "prompt", "approval": {"until": "soon"}}, "not a time"),
        ({"block_size": None}, "block_size is a text"),
        ({"block_size": 1.5}, "block_size is a whole number"),
        ({"block_size": -1}, "--block-size"),
        ({"include_regex": ["("]}, "--include-regex"),
        ({"endpoint_url": "file:///etc/passwd"}, "--endpoint-url"),
        ({"endpoint_url": "https://s3.amazonaws.com@evil.example"}, "no credentials"),
        ({"min_size": 2, "max_size": 1}, "--min-size is larger"),
        ({"archived": "restore"}, "needs a limit"),
        ({"tier": "Cool", "encryption_scope": "payroll"}, "no access tier"),
    ],
)
def test_what_the_command_line_refuses_is_refused_and_so_is_what_it_cannot_hold(values, says):
    given = values if "sink" in values else {**PLAIN, **values}

    with pytest.raises(UsageError, match=says):
        read_request(given)
