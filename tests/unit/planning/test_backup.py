"""Where backups of a sync may lie, and which blob counts as one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from awcopy.errors import UsageError
from awcopy.model.spec import Sync
from awcopy.planning.backup import backup_name, can_be_told, check_backup, is_backup_of
from tests.unit.factories import make_blob, make_job, make_spec


def spec(backup: str, to: str = "current/", **sink):
    made = make_spec(to=to, sync=Sync(backup=backup))
    return replace(made, sink=replace(made.sink, **sink))


@pytest.mark.parametrize(
    ("backup", "to"),
    [
        ("current/", "current/"),
        ("current/old/", "current/"),
        ("a/", "a/b/"),
        ("old/", ""),
        ("{date}/", "2026-01-31/"),
        ("a/{date}/", "a/b/"),
    ],
)
def test_backups_that_would_lie_where_the_sync_looks_are_refused(backup, to):
    with pytest.raises(UsageError, match="overlap"):
        check_backup(spec(backup, to))


@pytest.mark.parametrize(
    ("backup", "to"), [("old/", "current/"), ("a/old/{date}/", "a/new/"), ("currently/", "current/")]
)
def test_backups_elsewhere_in_the_container_are_taken(backup, to):
    assert check_backup(spec(backup, to)).sync.backup == backup


@pytest.mark.parametrize("sink", [{"key_sha256": "x"}, {"encryption_scope": "s"}])
def test_blobs_that_azure_cannot_copy_by_itself_are_refused(sink):
    with pytest.raises(UsageError, match="Azure copies no blob"):
        check_backup(spec("old/", **sink))


def test_a_backup_bears_the_name_below_the_destination_and_the_jobs_day():
    job = make_job(spec=spec("old/{date}/"))
    assert backup_name(job, "current/a/b") == "old/2026-01-31/a/b"
    assert backup_name(make_job(spec=make_spec(sync=Sync())), "current/a") == ""
    assert backup_name(make_job(), "a") == ""


def test_a_backup_is_a_whole_copy():
    blob = make_blob(content_md5=b"m", metadata={"a": "1"})
    assert is_backup_of(replace(blob, name="old/k", etag="other"), blob)
    for changes in (
        {"size_bytes": 8}, {"content_md5": b"n"}, {"metadata": {}}, {"is_being_copied": True},
    ):  # fmt: skip
        assert not is_backup_of(replace(blob, **changes), blob)
    assert not is_backup_of(None, blob)
    assert can_be_told(blob)
    assert can_be_told(make_blob(metadata={"awcopy_crc64": "0"}))
    assert not can_be_told(make_blob())
