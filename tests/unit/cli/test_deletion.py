"""``--delete-source``: what the options mean, and who is asked before anything is started."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import pytest

from awcopy.cli import deletion
from awcopy.cli.deletion import confirm_deletion
from awcopy.cli.help import Exit
from awcopy.cli.launch import run_locally, run_on_fleet
from awcopy.cli.legacy import read_legacy
from awcopy.cli.main import main
from awcopy.cli.summary import exit_code_of, next_command, summary_lines
from awcopy.errors import AccessDenied, UsageError
from awcopy.model.job import JobState
from awcopy.model.outcome import Proof, Totals
from awcopy.model.spec import Deletion
from awcopy.source.memory import MemorySource
from tests.unit.cli.snapshots import make_snapshot, tally
from tests.unit.cli.test_copy import LINE, launch_of, launched  # noqa: F401 - a fixture
from tests.unit.cli.test_launch import world  # noqa: F401 - a fixture
from tests.unit.factories import make_spec

DELETING = make_spec(deletion=Deletion())
LEGACY = [
    "bucket:photos", "path:a/", "accesskey:A", "secret:S", "container:cont", "storageaccount:acme",
    "storagekey:K",
]  # fmt: skip


def type_at_the_terminal(monkeypatch, text: str) -> None:
    monkeypatch.setattr(deletion.click, "prompt", lambda *_, **__: text)


def test_the_options_say_what_is_deleted(launched) -> None:  # noqa: F811
    spec = launch_of(
        launched, *LINE, "--local", "--delete-source", "--yes", "--max-delete", "9", "--delete-proof", "blocks",
        "--delete-despite-failures",
    ).spec  # fmt: skip
    assert spec.deletion == Deletion(most=9, weakest_proof=Proof.BLOCKS, despite_failures=True)


def test_nothing_is_deleted_by_default(launched) -> None:  # noqa: F811
    assert launch_of(launched, *LINE, "--local").spec.deletion is None


@pytest.mark.parametrize(
    "words", [["--max-delete", "1"], ["--yes"], ["--delete-proof", "md5"], ["--delete-despite-failures"]]
)
def test_its_options_mean_nothing_without_it(launched, words, capsys) -> None:  # noqa: F811
    assert main([*LINE, "--local", *words]) == Exit.USAGE
    assert f"{words[0]} goes with --delete-source" in capsys.readouterr().err


def test_blobs_without_stamps_prove_nothing(launched, capsys) -> None:  # noqa: F811
    assert main([*LINE, "--local", "--delete-source", "--yes", "--no-stamp"]) == Exit.USAGE
    assert "leave out --no-stamp" in capsys.readouterr().err


def test_what_is_kept_of_deleted_objects_is_not_copied_by_a_job_that_deletes(launched, capsys) -> None:  # noqa: F811
    assert main([*LINE, "--local", "--delete-source", "--yes", "--versions", "all"]) == Exit.USAGE
    assert "with a job of its own" in capsys.readouterr().err
    assert not launched


def test_without_a_terminal_nobody_can_confirm(launched, monkeypatch, capsys) -> None:  # noqa: F811
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False)
    assert main([*LINE, "--local", "--delete-source"]) == Exit.USAGE
    assert "add --yes" in capsys.readouterr().err
    assert launched == []


@pytest.mark.parametrize("typed", ["", "y", "yes", "Bucket", "bucket2"])
def test_anything_but_the_buckets_name_starts_nothing(monkeypatch, typed) -> None:
    type_at_the_terminal(monkeypatch, typed)
    with pytest.raises(UsageError, match="nothing was started"):
        confirm_deletion(DELETING, MemorySource(), is_confirmed=False)


def test_the_buckets_name_confirms(monkeypatch, capsys) -> None:
    type_at_the_terminal(monkeypatch, "bucket\n")
    confirm_deletion(DELETING, MemorySource(), is_confirmed=False)
    assert "is deleted there" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (MemorySource(), "keeps no versions"),
        (MemorySource(keeps_versions=True), "its versions stay"),
        (MemorySource(keeps_versions=None), "cannot be seen"),
        (None, "cannot be seen"),
    ],
)
def test_what_becomes_of_versions_is_said_before(source, said, capsys) -> None:
    confirm_deletion(DELETING, source, is_confirmed=True)
    assert said in capsys.readouterr().err


def test_a_limit_is_said(capsys) -> None:
    confirm_deletion(make_spec(deletion=Deletion(most=1000)), None, is_confirmed=True)
    assert "more than 1,000" in capsys.readouterr().err


def test_a_job_that_deletes_nothing_asks_nothing(capsys) -> None:
    confirm_deletion(make_spec(), MemorySource(is_denied=True), is_confirmed=False)
    assert capsys.readouterr().err == ""


def test_a_bucket_that_refuses_is_said_before_anybody_is_asked(monkeypatch) -> None:
    type_at_the_terminal(monkeypatch, "bucket")
    with pytest.raises(AccessDenied):
        confirm_deletion(DELETING, MemorySource(is_denied=True), is_confirmed=False)


def deleting_launch(world, **facts):  # noqa: F811
    launch = world.launch(**facts)
    return replace(launch, spec=replace(launch.spec, deletion=Deletion()))


@pytest.mark.parametrize("run", [run_locally, run_on_fleet])
def test_a_name_that_is_wrong_starts_no_job(world, monkeypatch, run) -> None:  # noqa: F811
    type_at_the_terminal(monkeypatch, "another")
    with pytest.raises(UsageError):
        run(deleting_launch(world))
    assert world.jobs() == []
    assert world.sink.blobs == {}


def test_a_local_move_leaves_the_source_empty(world, capsys) -> None:  # noqa: F811
    assert run_locally(deleting_launch(world, output="json", is_confirmed=True)) is Exit.OK
    totals = json.loads(capsys.readouterr().out)["totals"]
    assert totals["deleted"] == totals["copied"] == {"objects": 1, "bytes": 3}
    assert world.source.list_page("").objects == ()


def test_the_form_of_2015_deletes_too_and_takes_a_yes() -> None:
    assert "--delete-source" in read_legacy([*LEGACY, "/D"]).modern_argv()
    argv = read_legacy([*LEGACY, "/D", "--yes"]).modern_argv()
    assert argv[-2:] == ["--delete-source", "--yes"]


def test_a_yes_given_twice_is_a_mistake() -> None:
    with pytest.raises(UsageError, match="--yes is given twice"):
        read_legacy([*LEGACY, "/D", "--yes", "--yes"])


@pytest.mark.parametrize(
    ("guard", "failed", "code"),
    [("max_delete", 0, Exit.GUARDED), ("failures", 2, Exit.SOME_FAILED), ("", 0, Exit.SOME_FAILED)],
)
def test_the_exit_code_says_that_a_guard_tripped(guard, failed, code) -> None:
    snapshot = make_snapshot(JobState.COMPLETED_WITH_ERRORS, totals=Totals(failed=tally(failed)))
    assert exit_code_of(replace(snapshot, job=replace(snapshot.job, guard=guard))) is code


def test_the_summary_says_what_was_deleted_and_what_was_kept() -> None:
    totals = Totals(listed=tally(5, 50), copied=tally(5, 50), deleted=tally(3, 30), kept=tally(2, 20))
    snapshot = make_snapshot(JobState.COMPLETED_WITH_ERRORS, totals=totals)
    snapshot = replace(snapshot, job=replace(snapshot.job, spec=DELETING))
    lines = [" ".join(line.plain.split()) for line in summary_lines(snapshot)]
    assert "deleted 3 objects 30 B at the source" in lines
    assert "kept 2 objects 20 B there" in lines
    assert next_command(snapshot).endswith("--kept")
