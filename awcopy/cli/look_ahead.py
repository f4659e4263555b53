"""``copy --dry-run`` and ``copy --estimate``: what a copy would do and cost. Reads both stores, writes to neither."""

from __future__ import annotations

import random
import time
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from awcopy.cli.console import print_note
from awcopy.cli.estimates import print_estimate
from awcopy.cli.help import Exit
from awcopy.cli.plans import PlanSums, print_plans
from awcopy.cli.preflight import check_sink, check_source, warn_of_siblings
from awcopy.cli.pricing import load_prices, make_terms
from awcopy.cost.estimate import estimate_copy, start_usage
from awcopy.errors import StoreNotFound
from awcopy.jobs.dry_run import Intent, list_pages, plan_copy
from awcopy.planning.filters import compile_selection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from awcopy.bootstrap import Stores
    from awcopy.cli.launch import Launch
    from awcopy.cost.estimate import Estimate
    from awcopy.cost.usage import Usage
    from awcopy.jobs.dry_run import Plan
    from awcopy.transfer.retry import Retrier

_WRITTEN = (Intent.COPY, Intent.OVERWRITE)
_COUNTED_REASONS = ("archived", "folder_marker")


def look_ahead(launch: Launch, options: Mapping[str, Any]) -> Exit:
    """Print the plan, the estimate, or both; return the exit code.

    Some objects that would fail are told by the exit code as a copy would tell it.
    """
    from awcopy.bootstrap import open_stores

    prices = load_prices(launch.settings, options["price_table"])
    usage = start_usage(prices, launch.spec, datetime.now(UTC))
    with closing(open_stores(launch.settings, launch.spec, launch.credentials)) as stores:
        check_source(launch.spec.source, stores.source, launch.spec.versions)
        warn_of_siblings(launch.spec, stores.source)
        terms = make_terms(options, launch.spec.source, stores.source) if options["estimate"] else None

        def estimated() -> Estimate | None:
            return estimate_copy(usage, prices, terms) if terms else None

        if options["dry_run"]:
            return _dry_run(launch, stores, usage, estimated)
        _count(launch, stores, usage)
        print_estimate(estimated(), launch.output)
    return Exit.OK


def _count(launch: Launch, stores: Stores, usage: Usage) -> None:
    """Count all objects that the filters take, as if none of them were copied already."""
    spec = launch.spec
    is_selected = compile_selection(spec.selection, spec.source.prefix)
    for page in list_pages(stores.source, spec, _retrier().call):
        for obj in page:
            if is_selected(obj) and not obj.is_delete_marker:
                usage.add(obj)
            else:
                usage.exclude()


def _dry_run(launch: Launch, stores: Stores, usage: Usage, estimated: Callable[[], Estimate | None]) -> Exit:
    _check_container(launch, stores)
    sums = PlanSums()
    plans = plan_copy(
        launch.spec,
        stores.source,
        stores.sink,
        _retrier().call,
        connections=launch.settings.connections,
        now=datetime.now(UTC),
    )
    print_plans(_counted(plans, sums, usage), sums, launch.output, estimated)
    if not launch.quiet:
        print_note("awcopy: a dry run; nothing was written")
    return Exit.SOME_FAILED if sums.tallies[Intent.FAIL].objects else Exit.OK


def _counted(plans: Iterable[Plan | None], sums: PlanSums, usage: Usage) -> Iterator[Plan]:
    """Yield the plans of what the filters take, each counted."""
    for plan in plans:
        if plan is None:
            sums.excluded += 1
            usage.exclude()
            continue
        sums.add(plan)
        # What is archived is not copied now, and its restore is a part of the estimate.
        if plan.intent in _WRITTEN or plan.reason in _COUNTED_REASONS:
            usage.add(plan.object, replaces=plan.intent is Intent.OVERWRITE)
        else:
            usage.leave()
        yield plan


def _check_container(launch: Launch, stores: Stores) -> None:
    """Return when the container answers, or is missing and a copy would create it."""
    try:
        check_sink(launch.spec, stores.sink, create_container=False)
    except StoreNotFound:
        if not launch.create_container:
            raise
        print_note("awcopy: the container is missing; a copy would create it")


def _retrier() -> Retrier:
    from awcopy.transfer.retry import Retrier

    return Retrier(wait=time.sleep, chance=random.random)
