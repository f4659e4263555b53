from __future__ import annotations

from functools import reduce
from operator import add

import pytest

from awcopy.model.outcome import (
    PROOF_NAMES,
    FailureCount,
    FailureCounts,
    Proof,
    ProofCounts,
    Result,
    Tally,
    Totals,
    tally_outcome,
    tally_outcomes,
)
from tests.unit.factories import make_outcome

OF_BLOBS = {Result.EXTRA, Result.DELETED, Result.KEPT}  # that stand for no listed object
OF_OBJECTS = [result for result in Result if result not in OF_BLOBS]


@pytest.mark.parametrize("result", Result)
def test_an_outcome_counts_once_under_its_result(result):
    totals = tally_outcome(make_outcome(result=result, size_bytes=9))
    assert getattr(totals, result.value) == Tally(objects=1, size_bytes=9)
    assert totals.ended == (Tally() if result in OF_BLOBS else Tally(objects=1, size_bytes=9))


@pytest.mark.parametrize("proof", [proof for proof in Proof if proof])
def test_a_proof_counts_once_under_its_name(proof):
    assert tally_outcome(make_outcome(proof=proof)).proofs == ProofCounts(**{proof.value: 1})


def test_without_a_proof_none_is_counted():
    assert tally_outcome(make_outcome(result=Result.FAILED)).proofs == ProofCounts()


def test_totals_add_up_tally_by_tally():
    outcomes = [make_outcome(result=result, proof=Proof.CRC64) for result in OF_OBJECTS for _ in range(3)]
    totals = reduce(add, map(tally_outcome, outcomes), Totals())
    assert totals.ended == Tally(objects=12, size_bytes=84)
    assert (totals.failed.objects, totals.proofs.crc64) == (3, 12)


def test_what_has_no_outcome_is_pending():
    totals = Totals(listed=Tally(objects=5, size_bytes=50), failed=Tally(objects=2, size_bytes=20))
    assert totals.pending == Tally(objects=3, size_bytes=30)


def test_what_the_filters_left_out_is_not_part_of_the_sum():
    totals = Totals(listed=Tally(objects=1), copied=Tally(objects=1), excluded=Tally(objects=9))
    assert totals.pending == Tally()


@pytest.mark.parametrize(
    ("notices", "incomplete"),
    [
        ((), 0),
        (("name_encoded", "metadata_renamed: 2", "tier: Cool"), 0),
        (("metadata_renamed: 2", "metadata_missing: 1"), 1),
        (("headers_excluded: 1", "metadata_excluded: 9", "tags_excluded: 1"), 1),
    ],
)
def test_objects_that_lost_something_are_counted_once(notices, incomplete):
    outcome = make_outcome(notices=notices)
    assert tally_outcomes([outcome, outcome]).incomplete == 2 * incomplete


def test_each_proof_is_counted_by_its_name_strongest_first():
    assert list(PROOF_NAMES) == [proof.value for proof in Proof if proof]


def fail(*reasons):
    return [make_outcome(result=Result.FAILED, reason=reason) for reason in reasons]


def test_failures_are_counted_by_reason():
    totals = tally_outcomes([make_outcome(), *fail("throttled", "corrupt", "throttled")])
    assert totals.failures.counts == (
        FailureCount(reason="throttled", tally=Tally(objects=2, size_bytes=14)),
        FailureCount(reason="corrupt", tally=Tally(objects=1, size_bytes=7)),
    )
    assert totals.are_failures_counted


def test_counts_of_failures_keep_where_the_first_was_recorded():
    one = tally_outcomes(fail("throttled")).failures.recorded(2, 1)
    two = tally_outcomes(fail("throttled", "corrupt")).failures.recorded(3, 4)
    found = [(count.reason, count.tally.objects, count.item, count.fence) for count in (one + two).counts]
    assert found == [("throttled", 2, 2, 1), ("corrupt", 1, 3, 4)]
    assert one + FailureCounts() == FailureCounts() + one == one


def test_totals_of_an_older_awcopy_do_not_count_as_counted():
    counted, older = tally_outcomes(fail("throttled")), Totals(failed=Tally(objects=1))
    assert (counted + Totals()).are_failures_counted
    assert not (counted + older).are_failures_counted
