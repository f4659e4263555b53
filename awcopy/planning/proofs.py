"""Which proof an object can have, and what has to be computed and read for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from awcopy.errors import ProofTooWeak
from awcopy.model.objects import Algorithm
from awcopy.model.outcome import Proof
from awcopy.model.spec import Verify
from awcopy.planning.blocks import LARGE_FILE_BYTES

if TYPE_CHECKING:
    from awcopy.model.objects import Checksum, ObjectHead
    from awcopy.model.spec import JobSpec

PROOFS = {
    Algorithm.SHA256: Proof.SHA,
    Algorithm.SHA1: Proof.SHA,
    Algorithm.MD5: Proof.MD5,
    Algorithm.CRC32C: Proof.CRC32,
    Algorithm.CRC32: Proof.CRC32,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofPlan:
    """The proof that an object will have if its bytes are right."""

    proof: Proof
    checksum: Checksum | None = None  # to be computed of the bytes in their order, beside their CRC-64
    reads_again: bool = False  # not all of the bytes are at hand while they are staged


def plan_proof(spec: JobSpec, head: ObjectHead, *, reads_all: bool, by_sink: bool = False) -> ProofPlan:
    """Return how an object is proved, the strongest way that the job pays for.

    The CRC-64 costs nothing, since blocks have one anyway and those of the parts give that of the whole. Any
    other checksum has to be computed of all bytes in their order. That is done where one worker reads them
    all. Where several share a file, or some of its blocks were staged before, it takes a second reading,
    which costs the same egress again: of what came over plain http, where a flipped bit may go unnoticed,
    and of what is small; of the rest only if that is asked for. So are checksums of parts, since each
    part's length is a request. What the sink reads by itself is at hand nowhere, and is read here only if
    that is asked for.

    Args:
        spec: The job's.
        head: What the source says about the object.
        reads_all: Whether every block is about to be read by whoever asks, or by the sink.
        by_sink: Whether the sink reads them by itself.

    Raises:
        ProofTooWeak: The job requires more.
    """
    plan = _strongest_plan(spec, head, reads_all=reads_all and not by_sink, by_sink=by_sink)
    check_proof(spec, plan.proof)
    return plan


def is_thorough(spec: JobSpec) -> bool:
    """Return whether the job pays for a proof, by a second reading if need be."""
    return spec.verify is Verify.FULL or Proof.BLOCKS.is_weaker_than(spec.require_proof)


def check_proof(spec: JobSpec, proof: Proof) -> None:
    """Return when the job takes objects with this proof.

    Raises:
        ProofTooWeak: It requires more.
    """
    if spec.require_proof and proof.is_weaker_than(spec.require_proof):
        raise ProofTooWeak(f"the proof would be {proof}, and the job requires {spec.require_proof}")


def _strongest_plan(spec: JobSpec, head: ObjectHead, *, reads_all: bool, by_sink: bool) -> ProofPlan:
    if head.crc64 is not None:
        return ProofPlan(proof=Proof.CRC64)
    is_paid_for = is_thorough(spec)
    is_cheap = not by_sink and (spec.source.is_plain or head.size_bytes <= LARGE_FILE_BYTES)
    if reads_all or is_paid_for or is_cheap:
        for checksum in head.checksums:
            if checksum.parts <= 1 or is_paid_for:
                proof = PROOFS[checksum.algorithm]
                return ProofPlan(proof=proof, checksum=checksum, reads_again=not reads_all)
    return ProofPlan(proof=Proof.BLOCKS)
