"""Copying a batch of files."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from awcopy.errors import ConnectionLost, JobInterrupted, LeaseLost, ServerFault, StorageError, Throttled
from awcopy.model.items import Careful
from awcopy.model.outcome import Tally, tally_outcomes
from awcopy.planning.naming import blob_of
from awcopy.steps.restore import Attempt, wait_for_restores
from awcopy.transfer.engine import ENDS_THE_ITEM, copy_object, copy_objects, fail_object

if TYPE_CHECKING:
    from collections.abc import Sequence

    from awcopy.model.job import Job
    from awcopy.model.objects import SourceObject
    from awcopy.model.outcome import Outcome
    from awcopy.steps.context import StepContext
    from awcopy.steps.lease import Lease
    from awcopy.transfer.context import Transfer

log = structlog.get_logger(__name__)

# Attempts at an item after which it is done object by object, each marked before it is begun: by then either
# an object kills its worker, or something fails again and again.
CAREFUL_AFTER = 3
TRIES_PER_OBJECT = 2

# Failures that another worker, or a later time, may not meet; worth another attempt at the item.
PASSING = frozenset(error.code for error in (ConnectionLost, ServerFault, Throttled))


def copy_files(context: StepContext, job: Job, lease: Lease) -> None:
    """Copy the objects of the item's manifest and record an outcome for each.

    Done again after an interruption, it looks at the sink first: what the job has copied already is
    recorded as copied and not sent again. An item that is retried keeps the outcomes that are not.
    """
    transfer = context.transfer(job, lease)
    item = lease.item
    kept, objects = split_retried(context, job, lease, read_objects(context, lease))
    if item.attempts > CAREFUL_AFTER:
        outcomes = _copy_carefully(transfer, lease, objects)
    else:
        look_first = not job.sink_was_empty or item.fence > 1
        outcomes = copy_objects(transfer, objects, look_first=look_first)
        check_passing(lease, outcomes)
    if not wait_for_restores(context, job, lease, Attempt(transfer, objects, outcomes, kept)):
        record_outcomes(context, lease, [*kept, *outcomes], listed_bytes=item.size_bytes)


def read_objects(context: StepContext, lease: Lease) -> list[SourceObject]:
    """Return the objects of a leased item, as the lister wrote them that planned it."""
    item = lease.item
    return context.fleet.ledger.read_manifest(item.job_id, item.number, fence=item.manifest_fence)


def split_retried(
    context: StepContext, job: Job, lease: Lease, objects: list[SourceObject]
) -> tuple[list[Outcome], list[SourceObject]]:
    """Return the outcomes that stay and the objects that are to be done: all, unless the item is retried."""
    item = lease.item
    if item.retry is None:
        return [], objects
    before = context.fleet.ledger.read_outcomes(item.job_id, item.number, item.retry.fence)
    # By the blob, since several may be versions of one object.
    again = {outcome.blob for outcome in before if item.retry.takes(outcome)}
    objects = [obj for obj in objects if blob_of(job.spec, obj) in again]
    return [one for one in before if one.blob not in again], objects


def check_passing(lease: Lease, outcomes: Sequence[Outcome]) -> None:
    """Return when the outcomes are to be recorded.

    Raises:
        ConnectionLost: Some failed for a reason that may pass, and the item has not been tried often enough.
    """
    passing = sum(outcome.reason in PASSING for outcome in outcomes)
    if passing and lease.item.attempts <= CAREFUL_AFTER:
        raise ConnectionLost(f"{passing} objects met a failure that may pass")


def record_outcomes(
    context: StepContext, lease: Lease, outcomes: Sequence[Outcome], *, listed_bytes: int
) -> None:
    """Write an item's outcomes under its fence, then the item as done with their totals.

    An object may have changed its length since it was listed; what that adds to ``listed_bytes``, or takes
    away, counts as listed too, so that the job's bytes add up.
    """
    item = lease.item
    context.fleet.ledger.write_outcomes(item.job_id, item.number, item.fence, outcomes)
    totals = tally_outcomes(outcomes)
    correction = Tally(size_bytes=totals.ended.size_bytes - listed_bytes)
    lease.complete(replace(totals, listed=correction), has_outcomes=True)


def _copy_carefully(transfer: Transfer, lease: Lease, objects: list[SourceObject]) -> list[Outcome]:
    careful = _give_up_on_culprit(lease.item.careful)
    suspect, tries = careful.index, careful.tries
    outcomes = []
    for index, obj in enumerate(objects):
        if index in careful.crashed:
            detail = "each time it was begun, the worker that copied it died"
            outcomes.append(fail_object(transfer, obj, "crashed_worker", detail))
            continue
        careful = replace(careful, index=index, tries=tries + 1 if index == suspect else 1)
        lease.save(lambda item, careful=careful: replace(item, careful=careful))  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
        try:
            outcomes.append(_copy_safely(transfer, obj))
        except JobInterrupted:
            innocent = replace(careful, index=-1, tries=1)
            lease.save(lambda item, innocent=innocent: replace(item, careful=innocent))  # type: ignore[misc]  # likewise
            raise
    return outcomes


def _give_up_on_culprit(careful: Careful | None) -> Careful:
    """Return where to begin, with the object that was under way too often left out."""
    if careful is None:
        return Careful(index=-1)
    if careful.tries < TRIES_PER_OBJECT:
        return careful
    return Careful(index=-1, crashed=(*careful.crashed, careful.index))


def _copy_safely(transfer: Transfer, obj: SourceObject) -> Outcome:
    transfer.check()
    try:
        return copy_object(transfer, obj, look_first=True)
    except (LeaseLost, JobInterrupted, *ENDS_THE_ITEM):
        raise
    except StorageError as error:
        return fail_object(transfer, obj, error.code, error.message)
    except Exception:  # an object that awcopy cannot handle fails alone
        log.exception("object_failed")
        return fail_object(transfer, obj, "internal", "an error inside awcopy; the worker's log has it")
