"""How an estimate is shown: each figure with the word beside it and the arithmetic behind it, and what was assumed."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

from awcopy.cli.console import print_json, print_line, print_sentence, safe_text
from awcopy.model.objects import ARCHIVED_CLASSES
from awcopy.units import KIB, MIB, format_count, format_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from awcopy.cost.charges import Charge, Part
    from awcopy.cost.estimate import BlockChoice, Estimate
    from awcopy.cost.usage import Usage

SCHEMA = "awcopy.estimate/1"
TOTALS_SCHEMA = "awcopy.totals/1"
_SENTENCE = "  - "  # how a line begins that is no figure
_CENT = Decimal("0.01")
_MICRO = Decimal("0.000001")
_COUNTED = ("requests", "operations")


def print_estimate(estimate: Estimate | None, output: str) -> None:
    """Print an estimate that stands alone, or after other records; None prints nothing."""
    if estimate is None:
        return
    if output == "table":
        for line in estimate_lines(estimate):
            print_estimate_line(line)
    else:
        print_json(estimate_record(estimate), is_line=output == "ndjson")


def print_estimate_line(line: str) -> None:
    """Print a line of an estimate; figures stay in their columns, sentences are fitted to a terminal."""
    if line.startswith(_SENTENCE):
        print_sentence(line)
    else:
        print_line(safe_text(line))


def estimate_lines(estimate: Estimate) -> Iterator[str]:
    """Yield the lines of an estimate."""
    oldest, newest = estimate.seen
    yield "Estimate in US dollars at list prices, before tax"
    yield f"(prices of {oldest} to {newest}: {estimate.origin})"
    yield ""
    yield from class_lines(estimate.usage)
    yield ""
    for charge in estimate.charges:
        yield from _charge_lines(charge)
    yield _figure("total", estimate.total_usd)
    yield _figure("total without egress", estimate.without_egress_usd, "where it is waived: see below")
    if estimate.beside:
        yield ""
        yield "In no total:"
        for charge in estimate.beside:
            yield from _charge_lines(charge)
    yield ""
    yield from _block_lines(estimate)
    yield ""
    yield "Assumed:"
    yield from (f"{_SENTENCE}{line}" for line in estimate.assumptions)
    yield ""
    yield "Free egress:"
    yield from (f"{_SENTENCE}{line}" for line in estimate.programmes)


def class_lines(usage: Usage) -> Iterator[str]:
    """Yield the objects and bytes of each storage class, and their sum."""
    yield f"  {'storage class':<22}{'objects':>15}{'bytes':>23}  size"
    for name, used in sorted(usage.classes.items()):
        fate = "restored first" if usage.restores else "skipped until restored"
        note = f"  archived: {fate}" if name in ARCHIVED_CLASSES else ""
        yield _class_line(name, used.objects, used.size_bytes) + note
    if usage.folder_markers:
        yield _class_line("(folder markers)", usage.folder_markers, 0) + "  skipped"
    yield _class_line("all", *_sum(usage))


def estimate_record(estimate: Estimate) -> dict[str, Any]:
    """Return the estimate for programs; dollars are numbers, rounded to a millionth."""
    cheaper = estimate.cheaper_block
    return {
        "schema": SCHEMA,
        "is_estimate": True,
        "currency": "USD",
        "price_table": {"origin": estimate.origin, "oldest": estimate.seen[0], "newest": estimate.seen[1]},
        "region": estimate.region,
        "azure_region": estimate.azure_region,
        "tier": estimate.tier,
        "block_size": estimate.usage.block_size_bytes,
        **_class_records(estimate.usage),
        "charges": [_charge_record(charge) for charge in estimate.charges],
        "total_usd": _number(estimate.total_usd),
        "total_without_egress_usd": _number(estimate.without_egress_usd),
        "beside": [_charge_record(charge) for charge in estimate.beside],
        "block_sizes": [
            {
                "block_size": each.block_size_bytes,
                "s3_requests": each.reads,
                "azure_writes": each.writes,
                "usd": _number(each.usd),
            }
            for each in estimate.blocks
        ],
        "cheaper_block_size": cheaper.block_size_bytes if cheaper else None,
        "assumptions": list(estimate.assumptions),
        "programmes": list(estimate.programmes),
    }


def totals_record(usage: Usage) -> dict[str, Any]:
    """Return the totals by storage class for programs, where no estimate is asked for."""
    return {"schema": TOTALS_SCHEMA, **_class_records(usage)}


def format_usd(usd: Decimal) -> str:
    """Return dollars for people, with cents; what is less than a cent is not shown as nothing."""
    return "< 0.01" if 0 < usd < _CENT else f"{usd.quantize(_CENT, ROUND_HALF_UP):,}"


def format_block_size(size_bytes: int) -> str:
    """Return a block size as ``--block-size`` takes it."""
    for factor, letter in ((MIB, "M"), (KIB, "K")):
        if size_bytes % factor == 0:
            return f"{size_bytes // factor}{letter}"
    return str(size_bytes)


def _class_records(usage: Usage) -> dict[str, Any]:
    objects, size_bytes = _sum(usage)
    classes = [
        {
            "storage_class": name,
            "objects": used.objects,
            "bytes": used.size_bytes,
            "is_archived": name in ARCHIVED_CLASSES,
        }
        for name, used in sorted(usage.classes.items())
    ]
    return {
        "objects": objects,
        "bytes": size_bytes,
        "folder_markers": usage.folder_markers,
        "classes": classes,
    }


def _sum(usage: Usage) -> tuple[int, int]:
    classes = usage.classes.values()
    return usage.folder_markers + sum(used.objects for used in classes), sum(
        used.size_bytes for used in classes
    )


def _class_line(name: str, objects: int, size_bytes: int) -> str:
    return f"  {name:<22}{format_count(objects):>15}{format_count(size_bytes):>23}  {format_size(size_bytes)}"


def _figure(about: str, usd: Decimal, how: str = "") -> str:
    return f"  {about:<40}{format_usd(usd):>14}  estimate  {how}".rstrip()


def _charge_lines(charge: Charge) -> Iterator[str]:
    first, *more = [_how(part) for part in charge.parts] or [""]
    yield _figure(charge.about, charge.usd, first)
    yield from (f"{'':68}{how}" for how in more)


def _how(part: Part) -> str:
    amount = _amount(part)
    price = f"at {part.price}" + (f" / {format_count(part.per)}" if part.per > 1 else "")
    return " ".join(filter(None, (part.name, amount, price if part.price else "free")))


def _amount(part: Part) -> str:
    if part.unit in _COUNTED:
        return format_count(int(part.quantity))
    shown = part.quantity.quantize(_CENT, ROUND_HALF_UP)
    return f"{'< 0.01' if not shown and part.quantity else f'{shown:,}'} {part.unit}"


def _block_lines(estimate: Estimate) -> Iterator[str]:
    yield f"  {'by block size':<14}{'S3 requests':>13}{'Azure writes':>13}"
    for each in estimate.blocks:
        mark = "  (asked for)" if each.block_size_bytes == estimate.usage.block_size_bytes else ""
        name = format_block_size(each.block_size_bytes)
        about = f"{name:<14}{format_count(each.reads):>13}{format_count(each.writes):>13}"
        yield _figure(about, each.usd) + mark
    if cheaper := estimate.cheaper_block:
        yield _advice(estimate, cheaper)


def _advice(estimate: Estimate, cheaper: BlockChoice) -> str:
    size = format_block_size(cheaper.block_size_bytes)
    saving = format_usd(estimate.saving_usd(cheaper))
    advice = f"  --block-size {size} is cheaper by {saving} (estimate)"
    times = cheaper.block_size_bytes / estimate.usage.block_size_bytes
    return f"{advice}; what streams then takes {times:.3g} times the memory" if times > 1 else advice


def _charge_record(charge: Charge) -> dict[str, Any]:
    return {
        "charge": charge.code,
        "usd": _number(charge.usd),
        "parts": [
            {
                "name": part.name,
                "quantity": int(part.quantity) if part.unit in _COUNTED else _number(part.quantity),
                "unit": part.unit,
                "price": float(part.price),
                "per": part.per,
                "usd": _number(part.usd),
            }
            for part in charge.parts
        ],
    }


def _number(value: Decimal) -> float:
    return float(value.quantize(_MICRO, ROUND_HALF_UP))
