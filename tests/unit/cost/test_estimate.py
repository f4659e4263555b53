"""Estimates against examples that were worked out by hand, at the prices of the shipped table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from awcopy.cost.book import Terms
from awcopy.cost.estimate import Estimate, estimate_copy, start_usage
from awcopy.cost.prices import Kind, shipped_prices
from awcopy.cost.usage import ClassUsage
from awcopy.model.objects import SourceObject
from awcopy.model.outcome import Route
from awcopy.model.spec import Archived, Verify
from awcopy.units import GIB, KIB, MIB
from tests.unit.factories import make_spec

NOW = datetime(2026, 11, 22, tzinfo=UTC)
PRICES = shipped_prices()
LONG_AGO = timedelta(days=1000)


def make_object(
    size: int, storage_class: str = "STANDARD", *, age: timedelta = LONG_AGO, key="k"
) -> SourceObject:
    return SourceObject(
        key=key, size_bytes=size, etag="e", modified_at=NOW - age, storage_class=storage_class
    )


def estimate(*objects: SourceObject, block: int = 8 * MIB, route: Route = Route.STREAM, **terms) -> Estimate:
    usage = start_usage(PRICES, make_spec(block_size_bytes=block, route=route), NOW)
    for obj in objects:
        usage.add(obj)
    return estimate_copy(usage, PRICES, Terms(**{"region": "us-east-1", "azure_region": "eastus", **terms}))


def estimate_class(storage_class: str, region: str, objects: int, size: int) -> Estimate:
    """Return the estimate of many small objects, without listing them one by one."""
    usage = start_usage(PRICES, make_spec(route=Route.STREAM), NOW)
    usage.classes[storage_class] = ClassUsage(objects=objects, size_bytes=size)
    usage.listed = objects
    return estimate_copy(usage, PRICES, Terms(region=region, azure_region="eastus"))


def usd(found: Estimate, code: str) -> Decimal:
    (charge,) = (each for each in (*found.charges, *found.beside) if each.code == code)
    return charge.usd


# The first 100 GB of a month are free; the steps of 10 TB (10,240 GB), 40 TB (40,960 GB) and 100 TB
# (102,400 GB) count what lies beyond them, so that prices change at 10,340, 51,300 and 153,700 GB.
EGRESS = [
    # us-east-1: 0.09, 0.085, 0.07, 0.05
    ("us-east-1", "0", "0"),
    ("us-east-1", "99.99", "0"),
    ("us-east-1", "100", "0"),
    ("us-east-1", "100.01", "0.0009"),  # 0.01 x 0.09
    ("us-east-1", "10240", "912.60"),  # 10,140 x 0.09
    ("us-east-1", "10339.99", "921.5991"),  # 10,239.99 x 0.09
    ("us-east-1", "10340", "921.60"),  # 10,240 x 0.09
    ("us-east-1", "10340.01", "921.60085"),  # 921.60 + 0.01 x 0.085
    ("us-east-1", "51200", "4394.70"),  # 921.60 + 40,860 x 0.085
    ("us-east-1", "51299.99", "4403.19915"),  # 921.60 + 40,959.99 x 0.085
    ("us-east-1", "51300", "4403.20"),  # 921.60 + 40,960 x 0.085
    ("us-east-1", "51300.01", "4403.2007"),  # 4,403.20 + 0.01 x 0.07
    ("us-east-1", "153600", "11564.20"),  # 4,403.20 + 102,300 x 0.07
    ("us-east-1", "153700", "11571.20"),  # 4,403.20 + 102,400 x 0.07
    ("us-east-1", "153700.01", "11571.2005"),  # 11,571.20 + 0.01 x 0.05
    ("us-east-1", "204800", "14126.20"),  # 11,571.20 + 51,100 x 0.05
    # eu-west-1: as us-east-1
    ("eu-west-1", "10340.01", "921.60085"),
    ("eu-west-1", "204800", "14126.20"),
    # ap-south-1: 0.1093, 0.085, 0.082, 0.08
    ("ap-south-1", "100.01", "0.001093"),
    ("ap-south-1", "10340", "1119.232"),  # 10,240 x 0.1093
    ("ap-south-1", "51300", "4600.832"),  # 1,119.232 + 40,960 x 0.085
    ("ap-south-1", "153700", "12997.632"),  # 4,600.832 + 102,400 x 0.082
    ("ap-south-1", "204800", "17085.632"),  # 12,997.632 + 51,100 x 0.08
    # sa-east-1: 0.15, 0.138, 0.126, 0.114
    ("sa-east-1", "100.01", "0.0015"),
    ("sa-east-1", "10340", "1536.00"),  # 10,240 x 0.15
    ("sa-east-1", "51300", "7188.48"),  # 1,536 + 40,960 x 0.138
    ("sa-east-1", "153700", "20090.88"),  # 7,188.48 + 102,400 x 0.126
    ("sa-east-1", "204800", "25916.28"),  # 20,090.88 + 51,100 x 0.114
    # ap-northeast-1: 0.114, 0.089, 0.086, 0.084
    ("ap-northeast-1", "100.01", "0.00114"),
    ("ap-northeast-1", "10340", "1167.36"),  # 10,240 x 0.114
    ("ap-northeast-1", "51300", "4812.80"),  # 1,167.36 + 40,960 x 0.089
    ("ap-northeast-1", "153700", "13619.20"),  # 4,812.80 + 102,400 x 0.086
    ("ap-northeast-1", "204800", "17911.60"),  # 13,619.20 + 51,100 x 0.084
    # us-gov-west-1: 0.155 throughout, nothing free
    ("us-gov-west-1", "100", "15.50"),
]


@pytest.mark.parametrize(("region", "size_gb", "expected"), EGRESS)
def test_egress_is_charged_by_region_and_step(region: str, size_gb: str, expected: str) -> None:
    size = int(Decimal(size_gb) * GIB)
    found = estimate_class("STANDARD", region, objects=1, size=size)
    # A hundredth of a GB is no whole number of bytes, so the last byte may be missing.
    assert usd(found, "egress") == pytest.approx(Decimal(expected), abs=Decimal("1e-9"))
    assert found.region == region


def test_what_has_left_aws_this_month_is_charged_first() -> None:
    # 60 GB are free and left; 50 more: 10 of them free no more.
    assert usd(estimate(make_object(50 * GIB), sent_bytes=60 * GIB), "egress") == Decimal("0.90")
    # All of the first step is used up.
    assert usd(estimate(make_object(GIB), sent_bytes=10_340 * GIB), "egress") == Decimal("0.085")


# 1,024,000 objects of 1 MiB: 1,000 GB, a GET each; 1,024 thousand GETs.
CLASSES = [
    # storage class, region, GETs and HEADs, retrieval of 1,000 GB
    ("STANDARD", "us-east-1", "0.4096", "0"),  # 1,024 x 0.0004
    ("STANDARD", "eu-central-1", "0.44032", "0"),  # 1,024 x 0.00043
    ("STANDARD", "ap-northeast-1", "0.37888", "0"),  # 1,024 x 0.00037
    ("STANDARD", "ap-southeast-2", "0.45056", "0"),  # 1,024 x 0.00044
    ("STANDARD", "sa-east-1", "0.57344", "0"),  # 1,024 x 0.00056
    ("INTELLIGENT_TIERING", "us-east-1", "0.4096", "0"),
    ("INTELLIGENT_TIERING", "sa-east-1", "0.57344", "0"),
    ("REDUCED_REDUNDANCY", "us-east-1", "0.4096", "0"),
    ("STANDARD_IA", "us-east-1", "1.024", "10"),  # 1,024 x 0.001; 1,000 x 0.01
    ("STANDARD_IA", "eu-central-1", "1.024", "10"),
    ("ONEZONE_IA", "us-east-1", "1.024", "10"),
    ("ONEZONE_IA", "ap-southeast-2", "1.024", "10"),
    ("GLACIER_IR", "us-east-1", "10.24", "30"),  # 1,024 x 0.01; 1,000 x 0.03
    ("GLACIER_IR", "ap-northeast-1", "10.24", "30"),
    ("EXPRESS_ONEZONE", "us-east-1", "0.03072", "0.60"),  # 1,024 x 0.00003; 1,000 x 0.0006
]


@pytest.mark.parametrize(("storage_class", "region", "requests", "retrieval"), CLASSES)
def test_requests_and_retrieval_are_charged_by_class(
    storage_class: str, region: str, requests: str, retrieval: str
) -> None:
    found = estimate_class(storage_class, region, objects=1_024_000, size=1000 * GIB)
    assert usd(found, "s3_requests") == Decimal(requests)
    assert usd(found, "s3_retrieval") == Decimal(retrieval)
    assert usd(found, "s3_lists") == Decimal("1.024") * (
        Decimal("4.7") if region == "ap-northeast-1" else 5
    ) / Decimal(1000)


ARCHIVED = [
    # 1,024 thousand requests and 1,000 GB in the Standard tier
    ("GLACIER", "us-east-1", "61.20"),  # 1,024 x 0.05 + 1,000 x 0.01
    ("DEEP_ARCHIVE", "us-east-1", "122.40"),  # 1,024 x 0.10 + 1,000 x 0.02
    ("GLACIER", "ap-northeast-1", "62.20"),  # 1,024 x 0.05 (us-east-1's) + 1,000 x 0.011
]


@pytest.mark.parametrize(("storage_class", "region", "restore"), ARCHIVED)
def test_archived_objects_are_beside_the_total(storage_class: str, region: str, restore: str) -> None:
    found = estimate_class(storage_class, region, objects=1_024_000, size=1000 * GIB)
    assert usd(found, "egress") == 0
    assert usd(found, "s3_requests") == 0
    assert usd(found, "restore") == Decimal(restore)


def test_copying_what_was_restored_is_charged_after_all_the_rest() -> None:
    found = estimate(make_object(100 * GIB), make_object(1 * GIB, "GLACIER"))
    assert usd(found, "egress") == 0  # the free 100 GB are used up
    # 0.09 of egress; 128 blocks: 130 at 0.0004 / 1,000, 129 at 0.05 / 10,000; 3 looks at 0.004 / 10,000.
    assert usd(found, "restored_copy") == Decimal("0.09") + Decimal("0.000052") + Decimal(
        "0.000645"
    ) + Decimal("0.0000012")


def test_what_a_job_restores_is_in_its_total() -> None:
    usage = start_usage(PRICES, make_spec(archived=Archived.RESTORE, route=Route.STREAM), NOW)
    usage.add(make_object(100 * GIB))
    usage.add(make_object(1000 * GIB, "DEEP_ARCHIVE"))
    found = estimate_copy(usage, PRICES, Terms(region="us-east-1"))
    assert usd(found, "egress") == Decimal(90)  # 1,000 x 0.09
    assert usd(found, "restore") == Decimal("20.0001")  # 1,000 x 0.02 + 0.10 / 1,000
    assert "restore" in {charge.code for charge in found.charges}
    assert "restored in the Standard tier" in "\n".join(found.assumptions)


EARLY = [
    # class, age in days, 100 GB: what is left of the least time, in months of 30 days, times the storage price
    ("STANDARD", 0, None),
    ("STANDARD_IA", 0, "1.25"),  # 100 x 1 x 0.0125
    ("STANDARD_IA", 15, "0.625"),  # 100 x 0.5 x 0.0125
    ("STANDARD_IA", 30, None),
    ("ONEZONE_IA", 0, "1.00"),  # 100 x 1 x 0.01
    ("GLACIER_IR", 0, "1.20"),  # 100 x 3 x 0.004
    ("GLACIER_IR", 60, "0.40"),  # 100 x 1 x 0.004
    ("GLACIER", 0, "1.08"),  # 100 x 3 x 0.0036
    ("DEEP_ARCHIVE", 0, "0.594"),  # 100 x 6 x 0.00099
]


@pytest.mark.parametrize(("storage_class", "days", "expected"), EARLY)
def test_deleting_early_is_charged_by_what_is_left_of_the_least_time(
    storage_class: str, days: int, expected: str | None
) -> None:
    found = estimate(make_object(100 * GIB, storage_class, age=timedelta(days=days)))
    charges = {each.code: each.usd for each in found.beside}
    if expected is None:
        assert "early_deletion" not in charges
    else:
        assert charges["early_deletion"] == pytest.approx(Decimal(expected), abs=Decimal("1e-12"))


def test_a_small_object_is_charged_as_128_kib_when_it_is_deleted_early() -> None:
    tiny, least = (estimate(make_object(size, "STANDARD_IA", age=timedelta(0))) for size in (1, 128 * KIB))
    assert usd(tiny, "early_deletion") == usd(least, "early_deletion") > 0


def hundred_tib(block: int, tier: str) -> Estimate:
    return estimate(*[make_object(100 * GIB)] * 1024, block=block, tier=tier)


WRITES = [
    # 1,024 objects of 100 GiB. 4 MiB: 25,600 blocks and a Put Block List each, 26,215,424 writes in all.
    (4 * MIB, "Hot", "131.07712"),  # 2,621.5424 x 0.05
    (4 * MIB, "Cool", "262.15424"),  # 2,621.5424 x 0.10
    (4 * MIB, "Cold", "471.877632"),  # 2,621.5424 x 0.18
    (4 * MIB, "Archive", "262.15424"),  # 2,621.5424 x 0.10
    # 8 MiB: 12,800 blocks each, 13,108,224 writes in all.
    (8 * MIB, "Hot", "65.54112"),  # 1,310.8224 x 0.05
    (8 * MIB, "Cool", "131.08224"),  # 1,310.8224 x 0.10
    (8 * MIB, "Cold", "235.948032"),  # 1,310.8224 x 0.18
    (8 * MIB, "Archive", "131.08224"),  # 1,310.8224 x 0.10
    # 64 MiB: 1,600 blocks each, 1,639,424 writes in all.
    (64 * MIB, "Hot", "8.19712"),  # 163.9424 x 0.05
    (64 * MIB, "Cool", "16.39424"),  # 163.9424 x 0.10
    (64 * MIB, "Cold", "29.509632"),  # 163.9424 x 0.18
    (64 * MIB, "Archive", "16.39424"),  # 163.9424 x 0.10
    # 100 MiB: 1,024 blocks each, 1,049,600 writes in all.
    (100 * MIB, "Hot", "5.248"),  # 104.96 x 0.05
]


@pytest.mark.parametrize(("block", "tier", "expected"), WRITES)
def test_each_block_is_a_write_at_azure(block: int, tier: str, expected: str) -> None:
    found = hundred_tib(block, tier)
    assert usd(found, "azure_writes") == Decimal(expected)
    # Get Block List and two HEADs each: 3,072 x 0.004 / 10,000.
    assert usd(found, "azure_looks") == Decimal("0.0012288")


def test_writes_by_auto_are_charged_by_the_tier_of_each_class() -> None:
    found = estimate(make_object(1), make_object(1), make_object(1, "GLACIER_IR"), tier="auto")
    # Two into Hot, one into Cold: 2 x 0.05 / 10,000 + 0.18 / 10,000.
    assert usd(found, "azure_writes") == Decimal("0.000028")


def test_runs_that_azure_reads_by_itself_are_fewer_writes() -> None:
    found = estimate(*[make_object(100 * GIB)] * 1024, route=Route.AUTO)
    # 1,600 runs of 64 MiB, as many receipts, a Put Block List: 1,024 x 3,201 = 3,277,824 writes at 0.05 / 10,000.
    assert usd(found, "azure_writes") == Decimal("16.38912")
    # 1,024 x 1,602 at 0.0004 / 1,000.
    assert usd(found, "s3_requests") == Decimal("0.6561792")
    assert "objects of 1.0 MiB and more are read by Azure itself" in "\n".join(found.assumptions)


def test_the_cheaper_block_size_is_named_with_its_saving() -> None:
    found = hundred_tib(4 * MIB, "Hot")
    cheaper = found.cheaper_block
    assert cheaper is not None
    assert cheaper.block_size_bytes == 64 * MIB
    # Writes 131.07712 - 8.19712, GETs 26,215.424 x 0.0004 - 1,639.424 x 0.0004.
    assert found.saving_usd(cheaper) == Decimal("122.88") + Decimal("9.8304")


def test_no_block_size_is_named_that_saves_less_than_a_cent() -> None:
    assert estimate(make_object(GIB)).cheaper_block is None
    assert estimate(make_object(1)).cheaper_block is None


def test_the_total_is_the_sum_of_charges_that_can_be_worked_out_again() -> None:
    found = hundred_tib(8 * MIB, "Cool")
    parts = [part for charge in found.charges for part in charge.parts]
    assert found.total_usd == sum(part.quantity * part.price / part.per for part in parts)
    assert found.without_egress_usd == found.total_usd - usd(found, "egress")


def test_what_is_assumed_is_said() -> None:
    def said(**terms) -> str:
        return "\n".join(estimate(make_object(1, "SNOW"), **terms).assumptions)

    assert "egress from xx-new-1: the table has no price, so us-east-1's" in said(region="xx-new-1")
    assert "prices of GETs of" not in said(region="us-east-1")
    assert "price of lists of eu-west-1: the table has none, so us-east-1's" in said(region="eu-west-1")
    assert "storage class SNOW: the table does not know it, so priced as STANDARD" in said()
    assert "the bucket's region is not known" in said(region="")
    assert "the source is not AWS" in said(is_aws=False)
    assert "only the first step's price is known" in said(region="us-gov-west-1")
    assert "the table does not know mars (" not in said(azure_region="")
    assert "the account is in eastus, LRS (the table does not know mars)" in said(azure_region="mars")
    assert "blobs go to the Hot tier" in said(tier="")
    assert "10.0 GiB have left it before" in said(sent_bytes=10 * GIB)


def test_that_a_second_reading_is_not_counted_is_said() -> None:
    usage = start_usage(PRICES, make_spec(verify=Verify.FULL), NOW)
    found = estimate_copy(usage, PRICES, Terms(region="us-east-1"))
    assert "a second time for its proof" in "\n".join(found.assumptions)


def test_a_region_without_egress_price_keeps_its_own_other_prices() -> None:
    found = estimate_class("STANDARD", "il-central-1", objects=1_000_000, size=0)
    assert found.region == "us-east-1"
    assert usd(found, "s3_requests") == Decimal("0.44")  # 1,000 x 0.00044


def test_programmes_of_free_egress_are_named() -> None:
    assert ["AWS Support" in line or "EU Data Act" in line for line in estimate().programmes] == [True, True]


SIZES = st.lists(
    st.tuples(
        st.integers(0, 48 * 1024 * GIB),  # the largest object that S3 takes
        st.sampled_from([*sorted(PRICES.names(Kind.S3_GET)), "NEW"]),
        st.integers(0, 400),
    ),
    max_size=6,
)


def objects_of(sizes) -> list[SourceObject]:
    return [make_object(size, of_class, age=timedelta(days=days)) for size, of_class, days in sizes]


@given(SIZES, SIZES, st.sampled_from(PRICES.places(Kind.EGRESS)))
def test_more_objects_never_cost_less(some, more, region: str) -> None:
    few = estimate(*objects_of(some), region=region)
    many = estimate(*objects_of(some), *objects_of(more), region=region)
    for charge in few.charges:
        assert usd(many, charge.code) >= charge.usd


@given(SIZES, SIZES)
def test_costs_add_up_in_any_order_and_egress_after_egress(some, more) -> None:
    first, second = objects_of(some), objects_of(more)
    both, turned = estimate(*first, *second), estimate(*second, *first)
    assert both.total_usd == turned.total_usd
    sent = sum(obj.size_bytes for obj in first if obj.storage_class not in {"GLACIER", "DEEP_ARCHIVE"})
    parts = estimate(*first), estimate(*second, sent_bytes=sent)
    for code in ("egress", "s3_requests", "s3_retrieval", "azure_writes", "azure_looks"):
        assert usd(both, code) == pytest.approx(sum(usd(part, code) for part in parts), abs=Decimal("1e-12"))
