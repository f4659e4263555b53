"""Copying a batch of files."""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import TYPE_CHECKING

from awcopy.model.outcome import Totals, tally_outcome
from awcopy.transfer.engine import copy_objects

if TYPE_CHECKING:
    from collections.abc import Sequence

    from awcopy.model.job import Job
    from awcopy.model.outcome import Outcome
    from awcopy.steps.context import StepContext
    from awcopy.steps.lease import Lease


def copy_files(context: StepContext, job: Job, lease: Lease) -> None:
    """Copy the objects of the item's manifest and record an outcome for each.

    Done again after an interruption, it looks at the sink first: what the job has copied already is
    recorded as copied and not sent again.
    """
    objects = context.fleet.ledger.read_manifest(job.id, lease.item.number)
    look_first = not job.sink_was_empty or lease.item.fence > 1
    outcomes = copy_objects(context.transfer(job, lease), objects, look_first=look_first)
    record_outcomes(context, lease, outcomes)


def record_outcomes(context: StepContext, lease: Lease, outcomes: Sequence[Outcome]) -> None:
    """Write an item's outcomes under its fence, then the item as done with their totals."""
    item = lease.item
    context.fleet.ledger.write_outcomes(item.job_id, item.number, item.fence, outcomes)
    lease.complete(reduce(add, map(tally_outcome, outcomes), Totals()), has_outcomes=True)
