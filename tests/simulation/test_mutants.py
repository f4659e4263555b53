"""The checker would notice: each known way to lose, double or corrupt data is built in, and must be caught.

A mutant counts as caught only by a seed with which the unchanged code passes.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from awcopy.errors import StorageError
from awcopy.ledger.memory import MemoryLedger
from awcopy.live.memory import MemoryLive
from awcopy.model.items import ItemKind, ItemState, claim
from awcopy.model.outcome import Proof, Totals, tally_outcomes
from awcopy.planning.blocks import BlockPlan
from awcopy.sink.memory import MemorySink
from awcopy.source.memory import MemorySource
from awcopy.steps import copy_files, finish
from awcopy.transfer import blocks
from awcopy.transfer.engine import _Copied
from tests.simulation.runs import build, build_late_report, judge
from tests.simulation.workload import BLOCK_BYTES

MOST_SEEDS = 300


def skip_the_verification(patch: pytest.MonkeyPatch) -> None:
    def prove(head: Any, whole: int, digest: Any) -> Proof:
        return Proof.CRC64 if head.crc64 is not None else Proof.BLOCKS

    patch.setattr("awcopy.transfer.blocks.prove", prove)
    patch.setattr("awcopy.transfer.engine.prove", prove)


def ignore_the_version(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(MemoryLedger, "_update", MemoryLedger._put)


def drop_if_match_at_the_source(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(MemorySource, "_pinned", lambda source, obj: source._find(obj.key))


def drop_the_overwrite_condition(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(MemorySink, "_check_condition", lambda *_: None)


def count_twice(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(copy_files, "tally_outcomes", lambda outcomes: tally_outcomes([*outcomes, *outcomes]))


def report_twice(patch: pytest.MonkeyPatch) -> None:
    write = MemoryLedger.write_outcomes
    patch.setattr(
        MemoryLedger,
        "write_outcomes",
        lambda ledger, job, number, fence, outcomes: write(
            ledger, job, number, fence, [*outcomes, *outcomes]
        ),
    )


def report_without_the_fence(patch: pytest.MonkeyPatch) -> None:
    write, read = MemoryLedger.write_outcomes, MemoryLedger.read_outcomes
    patch.setattr(
        MemoryLedger,
        "write_outcomes",
        lambda ledger, job, number, fence, outcomes: write(ledger, job, number, 0, outcomes),
    )
    patch.setattr(
        MemoryLedger, "read_outcomes", lambda ledger, job, number, fence: read(ledger, job, number, 0)
    )


def forget_a_failure(patch: pytest.MonkeyPatch) -> None:
    write = MemoryLedger.write_outcomes
    patch.setattr(
        MemoryLedger,
        "write_outcomes",
        lambda ledger, job, number, fence, outcomes: write(
            ledger, job, number, fence, [one for one in outcomes if not one.detail]
        ),
    )


def commit_before_all_blocks_are_staged(patch: pytest.MonkeyPatch) -> None:
    def copy_blocks(transfer: Any, file: Any, condition: Any) -> Any:
        staged = blocks.staged_pieces(transfer, file) or blocks.stage_blocks(transfer, file, [0])
        there = 0
        while there in staged:
            there = staged[there].end
        size = min(file.plan.size_bytes, there * BLOCK_BYTES)
        plan = BlockPlan(
            size_bytes=size, block_size_bytes=BLOCK_BYTES, blocks=there, blocks_per_range=there or 1
        )
        proof, whole, notices = blocks.commit_file(transfer, replace(file, plan=plan), staged, condition)
        return _Copied(proof=proof, crc64=whole, notices=notices)

    skip_the_verification(patch)
    patch.setattr("awcopy.transfer.engine._copy_blocks", copy_blocks)


def never_free_a_lease(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("awcopy.steps.reconcile._free", lambda *_: None)


def never_start_a_generation_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("awcopy.steps.reconcile.next_generation", lambda *_: None)
    patch.setattr("awcopy.steps.reconcile.revive_places", lambda *_: None)


def claim_under_the_old_fence(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        "awcopy.steps.agent.claim", lambda item, **facts: replace(claim(item, **facts), fence=item.fence)
    )


def claim_what_is_leased(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        "awcopy.steps.agent.claim",
        lambda item, **facts: claim(replace(item, state=ItemState.READY), **facts),
    )
    get_item = MemoryLedger.get_item

    def looks_ready(ledger: Any, job: Any, number: int) -> Any:
        item = get_item(ledger, job, number)
        return replace(item, state=ItemState.READY) if item and item.state is ItemState.LEASED else item

    patch.setattr(MemoryLedger, "get_item", looks_ready)


def hand_a_place_on_twice(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(MemoryLive, "pass_turn", lambda *_: True)
    if hasattr(MemoryLive, "turn_of"):
        patch.setattr(MemoryLive, "turn_of", lambda *_: None)


def finish_while_items_are_open(patch: pytest.MonkeyPatch) -> None:
    def sum_items(context: Any, job: Any) -> Totals:
        totals = Totals()
        for item in context.fleet.ledger.list_items(job.id):
            totals += item.totals
        return totals

    patch.setattr(finish, "_sum_items", sum_items)


def keep_the_credentials(patch: pytest.MonkeyPatch) -> None:
    ended = finish._ended
    patch.setattr(
        finish,
        "_ended",
        lambda job, *rest, **facts: replace(ended(job, *rest, **facts), sealed=job.sealed),
    )


def delete_before_the_proof(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("awcopy.transfer.deletion.why_blob_does_not_do", lambda *_: "")
    patch.setattr("awcopy.transfer.deletion.is_still", lambda *_: True)
    patch.setattr("awcopy.transfer.deletion.may_go", lambda _outcome: True)


def delete_before_everything_is_copied(patch: pytest.MonkeyPatch) -> None:
    complete = copy_files.record_outcomes

    def record(context: Any, lease: Any, outcomes: Any, **facts: Any) -> None:
        source, _ = context.stores_of(context.fleet.ledger.get_job(lease.item.job_id))
        for one in outcomes:
            if lease.item.number % 2 and one.etag:
                with suppress(StorageError):
                    source.delete(one.key, etag=one.etag)
        complete(context, lease, outcomes, **facts)

    patch.setattr(copy_files, "record_outcomes", record)


def drop_if_match_of_the_deletion(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(MemorySource, "delete", lambda source, key, **_: source.delete_object(key))
    patch.setattr("awcopy.transfer.deletion.is_still", lambda *_: True)


def delete_in_spite_of_failures(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(finish, "find_guard", lambda *_: None)


def forget_what_is_split_off(patch: pytest.MonkeyPatch) -> None:
    extend = MemoryLedger.extend

    def forget(ledger: Any, parent: Any, children: Any, files: Any) -> Any:
        kept = [child for child in children if child.kind is not ItemKind.LIST_OBJECTS]
        return extend(ledger, parent, kept, files)

    patch.setattr(MemoryLedger, "extend", forget)


def list_what_is_split_off_twice(patch: pytest.MonkeyPatch) -> None:
    extend = MemoryLedger.extend

    def keep(ledger: Any, parent: Any, children: Any, files: Any) -> Any:
        for child in children:
            if child.kind is ItemKind.LIST_OBJECTS:
                parent = replace(parent, range=replace(parent.range, before=child.range.before))
        return extend(ledger, parent, children, files)

    patch.setattr(MemoryLedger, "extend", keep)


MUTANTS: list[Callable[[pytest.MonkeyPatch], None]] = [
    skip_the_verification,
    ignore_the_version,
    drop_if_match_at_the_source,
    drop_the_overwrite_condition,
    count_twice,
    report_twice,
    report_without_the_fence,
    forget_a_failure,
    commit_before_all_blocks_are_staged,
    never_free_a_lease,
    never_start_a_generation_again,
    claim_under_the_old_fence,
    claim_what_is_leased,
    hand_a_place_on_twice,
    finish_while_items_are_open,
    keep_the_credentials,
    delete_before_the_proof,
    delete_before_everything_is_copied,
    drop_if_match_of_the_deletion,
    delete_in_spite_of_failures,
    forget_what_is_split_off,
    list_what_is_split_off_twice,
]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_the_checker_catches(mutant, monkeypatch, request):
    runs = {"a late report": build_late_report}
    runs |= {f"seed {seed}": partial(build, seed) for seed in range(MOST_SEEDS)}
    for tried, (name, run) in enumerate(runs.items()):
        with monkeypatch.context() as patch:
            mutant(patch)
            wrong = judge(run())
        if wrong and not judge(run()):
            request.node.user_properties.append(
                ("caught", f"{mutant.__name__}: run {tried + 1}, {name}: {wrong}")
            )
            return
    pytest.fail(f"{mutant.__name__} was not caught in {len(runs)} runs")
