from __future__ import annotations

import pytest

from awcopy.errors import ProofTooWeak
from awcopy.model.objects import Algorithm, Checksum
from awcopy.model.outcome import Proof
from awcopy.model.spec import SourceSpec, Verify
from awcopy.planning.blocks import LARGE_FILE_BYTES
from awcopy.planning.proofs import ProofPlan, check_proof, plan_proof
from tests.unit.factories import make_head, make_spec

PLAIN = SourceSpec(bucket="bucket", endpoint_url="http://store.example:9000")
TLS = SourceSpec(bucket="bucket", endpoint_url="https://store.example")
SHARED = LARGE_FILE_BYTES + 1
SHA256 = Checksum(algorithm=Algorithm.SHA256, value=b"1")
SHA1_OF_PARTS = Checksum(algorithm=Algorithm.SHA1, value=b"2", parts=3)
MD5 = Checksum(algorithm=Algorithm.MD5, value=b"3")
CRC32C_OF_ONE_PART = Checksum(algorithm=Algorithm.CRC32C, value=b"4", parts=1)
CRC32 = Checksum(algorithm=Algorithm.CRC32, value=b"5")


def plan(head, *, reads_all=True, **asked) -> ProofPlan:
    return plan_proof(make_spec(**asked), make_head(**head), reads_all=reads_all)


# The ladder: what the source keeps, and the first of it that a single reading gives.
@pytest.mark.parametrize(
    ("head", "proof", "checksum"),
    [
        ({"crc64": 0, "checksums": (SHA256, MD5)}, Proof.CRC64, None),
        ({"checksums": (SHA256, MD5, CRC32)}, Proof.SHA, SHA256),
        ({"checksums": (SHA1_OF_PARTS, MD5)}, Proof.MD5, MD5),
        ({"checksums": (MD5, CRC32)}, Proof.MD5, MD5),
        ({"checksums": (CRC32C_OF_ONE_PART, CRC32)}, Proof.CRC32, CRC32C_OF_ONE_PART),
        ({"checksums": (CRC32,)}, Proof.CRC32, CRC32),
        ({"checksums": (SHA1_OF_PARTS,)}, Proof.BLOCKS, None),
        ({}, Proof.BLOCKS, None),
    ],
)
def test_the_strongest_checksum_that_one_reading_gives_is_the_proof(head, proof, checksum):
    assert plan(head) == ProofPlan(proof=proof, checksum=checksum)


def test_checksums_of_parts_are_computed_when_everything_is_to_be_verified():
    head = {"checksums": (SHA1_OF_PARTS, MD5)}
    assert plan(head, verify=Verify.FULL) == ProofPlan(proof=Proof.SHA, checksum=SHA1_OF_PARTS)


@pytest.mark.parametrize(
    ("size_bytes", "asked", "is_read_again"),
    [
        (LARGE_FILE_BYTES, {}, True),  # small enough, whatever the way
        (SHARED, {}, False),
        (SHARED, {"source": TLS}, False),
        (SHARED, {"source": PLAIN}, True),
        (SHARED, {"verify": Verify.FULL}, True),
        (SHARED, {"require_proof": Proof.CRC32}, True),
        (SHARED, {"require_proof": Proof.BLOCKS}, False),
    ],
)
def test_what_one_reading_does_not_give_takes_a_second_one_where_it_is_worth_it(
    size_bytes, asked, is_read_again
):
    found = plan({"size_bytes": size_bytes, "checksums": (MD5,)}, reads_all=False, **asked)
    assert (found.reads_again, found.checksum) == (is_read_again, MD5 if is_read_again else None)
    assert found.proof is (Proof.MD5 if is_read_again else Proof.BLOCKS)


def test_nothing_is_read_again_for_a_crc64():
    assert not plan({"crc64": 1}, reads_all=False, verify=Verify.FULL, source=PLAIN).reads_again


@pytest.mark.parametrize(
    ("head", "required"),
    [({}, Proof.CRC32), ({"checksums": (MD5,)}, Proof.SHA), ({"checksums": (SHA256,)}, Proof.CRC64)],
)
def test_an_object_that_cannot_have_the_required_proof_is_refused(head, required):
    with pytest.raises(ProofTooWeak) as caught:
        plan(head, require_proof=required)
    assert f"requires {required}" in caught.value.message


@pytest.mark.parametrize("required", [Proof.NONE, Proof.BLOCKS, Proof.CRC32, Proof.MD5])
def test_as_much_as_required_or_more_is_taken(required):
    assert check_proof(make_spec(require_proof=required), Proof.MD5) is None
