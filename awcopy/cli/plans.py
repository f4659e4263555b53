"""How a dry run is shown: a line for each object with what a copy would do and why, then what it comes to."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from awcopy.cli.console import print_json, print_line, safe_text
from awcopy.cli.estimates import estimate_record, print_estimate
from awcopy.jobs.dry_run import Intent
from awcopy.model.outcome import Tally
from awcopy.units import format_count, format_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from awcopy.cost.estimate import Estimate
    from awcopy.jobs.dry_run import Plan

SCHEMA = "awcopy.plan/1"


@dataclass(slots=True)
class PlanSums:
    """What the plans come to."""

    tallies: dict[Intent, Tally] = field(default_factory=lambda: {intent: Tally() for intent in Intent})
    reasons: dict[Intent, dict[str, int]] = field(default_factory=lambda: {intent: {} for intent in Intent})
    excluded: int = 0

    def add(self, plan: Plan) -> None:
        """Count one plan."""
        self.tallies[plan.intent] += Tally(objects=1, size_bytes=plan.object.size_bytes)
        reasons = self.reasons[plan.intent]
        reasons[plan.reason] = reasons.get(plan.reason, 0) + 1

    @property
    def record(self) -> dict[str, Any]:
        """The sums for programs."""
        totals = {
            intent.value: {
                "objects": tally.objects,
                "bytes": tally.size_bytes,
                "reasons": self.reasons[intent],
            }
            for intent, tally in self.tallies.items()
        }
        return {"schema": SCHEMA, "totals": totals, "excluded": self.excluded}


def print_plans(
    plans: Iterable[Plan], sums: PlanSums, output: str, estimated: Callable[[], Estimate | None]
) -> None:
    """Print the plans as they come, then their sums, which are complete by then, and the estimate if there is one."""
    if output == "json":
        _print_document(plans, sums, estimated)
        return
    for plan in plans:
        if output == "ndjson":
            print_json(_record(plan), is_line=True)
        else:
            print_line(_text(plan))
    if output == "ndjson":
        print_json(sums.record, is_line=True)
    else:
        _print_sums(sums)
    found = estimated()
    if found and output == "table":
        print_line()
    print_estimate(found, output)


def _print_document(plans: Iterable[Plan], sums: PlanSums, estimated: Callable[[], Estimate | None]) -> None:
    sys.stdout.write('{"objects": [')
    opening = "\n"
    for plan in plans:
        sys.stdout.write(f"{opening}{json.dumps(_record(plan))}")
        opening = ",\n"
    found = estimated()
    rest = {**sums.record, **({"estimate": estimate_record(found)} if found else {})}
    print_line(f"],\n{json.dumps(rest)[1:]}")


def _print_sums(sums: PlanSums) -> None:
    print_line()
    for intent, tally in sums.tallies.items():
        if intent is Intent.DELETE and not tally.objects:
            continue  # only a sync deletes
        size = f"{format_count(tally.size_bytes):>23} B  {format_size(tally.size_bytes)}"
        why = ", ".join(
            f"{name} {format_count(count)}" for name, count in sorted(sums.reasons[intent].items())
        )
        objects = f"{format_count(tally.objects):>15} {'object ' if tally.objects == 1 else 'objects'}"
        line = f"  {intent.value:<12}{objects}{size:<38}{why}"
        print_line(safe_text(line.rstrip()))
    if sums.excluded:
        print_line(f"  {'excluded':<12}{format_count(sums.excluded):>15} objects, by the filters")


def _text(plan: Plan) -> str:
    key = plan.object.key
    elsewhere = "" if key.endswith(plan.blob) else f" -> {plan.blob}"
    size = format_count(plan.object.size_bytes)
    why = f"  ({plan.detail})" if plan.detail else ""
    return safe_text(f"{plan.intent.value:<9}  {plan.reason:<16}  {size:>19}  {key}{elsewhere}{why}")


def _record(plan: Plan) -> dict[str, str | int]:
    return {
        "key": plan.object.key,
        "blob": plan.blob,
        "plan": plan.intent.value,
        "reason": plan.reason,
        "bytes": plan.object.size_bytes,
        "detail": plan.detail,
    }
