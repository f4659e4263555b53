from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest

from awcopy.model.objects import ALWAYS, IF_ABSENT, Condition
from awcopy.model.spec import Approval, Overwrite
from awcopy.planning.overwrite import Act, decide_overwrite
from tests.unit.factories import JOB_ID, NOW, make_blob, make_job, make_object, make_spec

IF_SEEN = Condition(if_match="0x1")
STAMP = {"awcopy_etag": "e1", "awcopy_size": "7"}
LATER, EARLIER = NOW + timedelta(seconds=1), NOW - timedelta(seconds=1)


@pytest.mark.parametrize(
    ("blob", "act"),
    [
        (make_blob(modified_at=NOW), Act.SKIP),
        (make_blob(modified_at=LATER), Act.SKIP),
        (make_blob(modified_at=EARLIER), Act.COPY),
        (make_blob(modified_at=LATER, size_bytes=8), Act.COPY),
    ],
)
def test_without_stamps_a_later_blob_of_the_same_size_is_taken_for_unchanged(blob, act):
    job = make_job(spec=make_spec(has_stamps=False))
    assert decide_overwrite(job, make_object(), blob).act is act


def decide(overwrite, blob, **changes):
    return decide_overwrite(make_job(spec=make_spec(overwrite=overwrite)), make_object(**changes), blob)


@pytest.mark.parametrize("overwrite", Overwrite)
def test_where_no_blob_is_the_copy_is_made_if_still_none_is(overwrite):
    decision = decide(overwrite, None)
    assert (decision.act, decision.condition) == (Act.COPY, IF_ABSENT)


@pytest.mark.parametrize("overwrite", Overwrite)
def test_what_this_job_has_copied_already_is_kept(overwrite):
    blob = make_blob(metadata={**STAMP, "awcopy_job": JOB_ID})
    assert decide(overwrite, blob).act is Act.KEEP


@pytest.mark.parametrize("overwrite", list(Overwrite))
def test_what_this_job_has_copied_from_another_content_is_kept_too(overwrite):
    blob = make_blob(metadata={**STAMP, "awcopy_job": JOB_ID, "awcopy_etag": "e0"})
    decision = decide(overwrite, blob)
    assert (decision.act, decision.kept) == (Act.KEEP, blob)


@pytest.mark.parametrize(
    ("overwrite", "blob", "act", "condition", "reason"),
    [
        (Overwrite.ALWAYS, make_blob(), Act.COPY, IF_SEEN, ""),
        (Overwrite.ALWAYS, make_blob(metadata=STAMP), Act.COPY, IF_SEEN, ""),
        (Overwrite.NEVER, make_blob(), Act.SKIP, ALWAYS, "exists"),
        (Overwrite.NEVER, make_blob(metadata=STAMP), Act.SKIP, ALWAYS, "exists"),
        (Overwrite.CHANGED, make_blob(metadata=STAMP), Act.SKIP, ALWAYS, "unchanged"),
        (Overwrite.CHANGED, make_blob(), Act.COPY, IF_SEEN, ""),
        (Overwrite.CHANGED, make_blob(size_bytes=8, metadata=STAMP), Act.COPY, IF_SEEN, ""),
        (Overwrite.CHANGED, make_blob(metadata={**STAMP, "awcopy_etag": "e0"}), Act.COPY, IF_SEEN, ""),
        (Overwrite.NEWER, make_blob(modified_at=EARLIER), Act.COPY, IF_SEEN, ""),
        (Overwrite.NEWER, make_blob(modified_at=NOW), Act.SKIP, ALWAYS, "not_newer"),
        (Overwrite.NEWER, make_blob(modified_at=LATER), Act.SKIP, ALWAYS, "not_newer"),
    ],
)
def test_a_blob_that_is_there_is_treated_as_asked(overwrite, blob, act, condition, reason):
    decision = decide(overwrite, blob)
    assert (decision.act, decision.condition, decision.reason) == (act, condition, reason)


@pytest.mark.parametrize(("size_bytes", "act"), [(7, Act.SKIP), (8, Act.COPY)])
def test_a_blob_without_stamp_is_unchanged_if_md5_and_size_agree(size_bytes, act):
    md5 = hashlib.md5(b"content", usedforsecurity=False).digest()
    blob = make_blob(content_md5=md5, size_bytes=size_bytes)
    assert decide(Overwrite.CHANGED, blob, etag=md5.hex().upper()).act is act


def test_a_blob_without_md5_is_not_taken_for_an_object_without_etag():
    assert decide(Overwrite.CHANGED, make_blob(), etag="").act is Act.COPY


def test_a_stamp_without_etag_names_no_object():
    blob = make_blob(metadata={**STAMP, "awcopy_etag": ""})
    assert decide(Overwrite.CHANGED, blob, etag="").act is Act.COPY


@pytest.mark.parametrize(
    ("stamped", "act"),
    [
        (LATER.isoformat(), Act.SKIP),
        (EARLIER.isoformat(), Act.COPY),
        ("yesterday", Act.COPY),  # then the blob's own time counts
        ("2099-01-01", Act.COPY),  # a time without an offset says nothing
    ],
)
def test_newer_compares_with_the_object_that_was_copied_not_with_the_time_of_the_copy(stamped, act):
    blob = make_blob(modified_at=EARLIER, metadata={"awcopy_modified": stamped})
    assert decide(Overwrite.NEWER, blob).act is act


@pytest.mark.parametrize("wanted", [{"encryption_scope": "projects"}, {"key_sha256": "hash"}])
def test_a_blob_that_is_not_encrypted_as_asked_is_another(wanted):
    spec = make_spec()
    job = make_job(spec=replace(spec, sink=replace(spec.sink, **wanted)))
    for stamp in (STAMP, {**STAMP, "awcopy_job": JOB_ID}):
        plain, encrypted = make_blob(metadata=stamp), make_blob(metadata=stamp, **wanted)
        assert decide_overwrite(job, make_object(), plain).act is Act.COPY
        assert decide_overwrite(job, make_object(), encrypted).act is not Act.COPY


def test_a_job_that_asks_for_no_encryption_takes_any():
    blob = make_blob(metadata=STAMP, encryption_scope="projects", key_sha256="hash")
    assert decide(Overwrite.CHANGED, blob).act is Act.SKIP


@pytest.mark.parametrize(
    ("approval", "may_replace"),
    [
        (Approval(), False),
        (Approval(etags=("0x1",)), True),
        (Approval(etags=("0x2",)), False),
        (Approval(until=NOW), True),
        (Approval(until=EARLIER), False),
    ],
)
def test_what_was_asked_about_is_replaced_as_long_as_it_is_the_same_blob(approval, may_replace):
    job = make_job(spec=make_spec(overwrite=Overwrite.PROMPT, approval=approval))
    decision = decide_overwrite(job, make_object(), make_blob())
    expected = (Act.COPY, IF_SEEN, "") if may_replace else (Act.SKIP, ALWAYS, "not_approved")
    assert (decision.act, decision.condition, decision.reason) == expected


def test_what_is_unchanged_is_skipped_whatever_was_answered():
    job = make_job(spec=make_spec(overwrite=Overwrite.PROMPT, approval=Approval(etags=("0x1",))))
    assert decide_overwrite(job, make_object(), make_blob(metadata=STAMP)).reason == "unchanged"
