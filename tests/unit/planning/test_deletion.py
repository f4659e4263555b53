from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from awcopy.model.outcome import AtSource, Proof, Result, Tally, Totals
from awcopy.model.spec import Deletion
from awcopy.planning.deletion import find_guard, is_still, may_go, why_blob_does_not_do
from tests.unit.factories import JOB_ID, NOW, make_blob, make_head, make_job, make_outcome, make_spec

STAMP = {
    "awcopy_etag": "e1",
    "awcopy_size": "7",
    "awcopy_job": JOB_ID,
    "awcopy_proof": "crc64",
    "awcopy_crc64": "00000000000000ff",
    "awcopy_modified": NOW.isoformat(),
}
BLOB = make_blob(metadata=STAMP)
COPIED = make_outcome(etag="e1", proof=Proof.CRC64)
UNCHANGED = make_outcome(etag="e1", result=Result.SKIPPED, reason="unchanged")


def some(**tallies: int) -> Totals:
    return Totals(**{name: Tally(objects=count) for name, count in tallies.items()})


def stamped(**changes: str):
    return replace(BLOB, metadata={**STAMP, **changes})


def why(outcome, blob, **rule):
    return why_blob_does_not_do(make_job(spec=make_spec(deletion=Deletion(**rule))), outcome, blob)


@pytest.mark.parametrize(
    ("rule", "totals", "code"),
    [
        (Deletion(), some(copied=9), ""),
        (Deletion(), some(copied=9, failed=1), "failures"),
        (Deletion(despite_failures=True), some(copied=9, failed=1), ""),
        (Deletion(most=9), some(copied=9), ""),
        (Deletion(most=8), some(copied=9), "max_delete"),
        (Deletion(most=8), some(copied=5, skipped=4, unchanged=4), "max_delete"),
        (Deletion(most=8), some(copied=5, skipped=40), ""),
        (Deletion(most=8), some(copied=9, deleted=5), ""),
        (Deletion(most=0), some(copied=1), "max_delete"),
    ],
)
def test_a_guard_keeps_everything_or_nothing(rule, totals, code):
    guard = find_guard(rule, totals)
    assert (guard.code if guard else "") == code


@pytest.mark.parametrize(
    ("outcome", "may"),
    [
        (COPIED, True),
        (UNCHANGED, True),
        (replace(COPIED, at_source=AtSource.KEPT), True),
        (replace(COPIED, at_source=AtSource.DELETED), False),
        (replace(UNCHANGED, reason="exists"), False),
        (replace(UNCHANGED, reason="folder_marker"), False),
        (make_outcome(result=Result.FAILED, reason="unchanged"), False),
        (make_outcome(result=Result.CANCELLED), False),
    ],
)
def test_only_objects_whose_copy_is_there_may_go(outcome, may):
    assert may_go(outcome) is may


@pytest.mark.parametrize("outcome", [COPIED, UNCHANGED])
def test_a_blob_that_says_what_it_is_a_copy_of_does(outcome):
    assert why(outcome, BLOB) == ""


@pytest.mark.parametrize(
    ("blob", "reason"),
    [
        (None, "blob_missing"),
        (make_blob(), "blob_differs"),
        (replace(BLOB, size_bytes=8), "blob_differs"),
        (stamped(awcopy_etag="e2"), "blob_differs"),
        (stamped(awcopy_notices="metadata_renamed: 1; metadata_missing: 2"), "metadata_missing"),
    ],
)
@pytest.mark.parametrize("outcome", [COPIED, UNCHANGED])
def test_a_blob_that_is_gone_or_another_does_not(outcome, blob, reason):
    assert why(outcome, blob) == reason


def test_what_was_copied_must_have_been_copied_by_this_job_and_what_was_unchanged_need_not():
    others = stamped(awcopy_job="another")
    assert (why(COPIED, others), why(UNCHANGED, others)) == ("blob_differs", "")


@pytest.mark.parametrize("proof", Proof)
@pytest.mark.parametrize("weakest", [Proof.CRC64, Proof.MD5, Proof.BLOCKS])
def test_a_proof_weaker_than_asked_for_keeps_the_object(proof, weakest):
    expected = "proof_too_weak" if proof.is_weaker_than(weakest) else ""
    copied, blob = replace(COPIED, proof=proof), stamped(awcopy_proof=proof.value)
    assert why(copied, blob, weakest_proof=weakest) == expected
    assert why(UNCHANGED, blob, weakest_proof=weakest) == expected


def test_a_stamp_without_a_proof_proves_nothing():
    bare = {name: value for name, value in STAMP.items() if name != "awcopy_crc64"}
    assert why(UNCHANGED, replace(BLOB, metadata=bare)) == "proof_too_weak"


@pytest.mark.parametrize(
    ("head", "is_so"),
    [
        (make_head(), True),
        (make_head(modified_at=NOW + timedelta(microseconds=600_000)), True),
        (make_head(modified_at=NOW + timedelta(seconds=1)), False),
        (make_head(etag="e2"), False),
        (make_head(size_bytes=8), False),
    ],
)
def test_an_object_that_was_written_since_is_not_the_one_that_was_copied(head, is_so):
    assert is_still(COPIED, head, BLOB) is is_so


@pytest.mark.parametrize("stamp", [{}, {"awcopy_modified": "?"}, {"awcopy_modified": "2020-01-01T00:00:00"}])
def test_without_a_date_in_the_stamp_the_etag_decides(stamp):
    assert is_still(COPIED, make_head(), make_blob(metadata=stamp))
