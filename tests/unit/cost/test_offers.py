"""Reading the clouds' own price lists: what is taken, what is passed over, and what is refused."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from awcopy.cost.offers import aws_prices, azure_prices
from awcopy.errors import ServerFault, UsageError
from tests.price_lists import answers


def fetcher(**changed: bytes):
    found = answers()
    for part, body in changed.items():
        found = {path: body if part in path else known for path, known in found.items()}
    return lambda path: found[path.partition("?")[0]]


def rows(prices) -> dict[str, Decimal]:
    return {
        " ".join(filter(None, (row.kind, row.place, row.name, str(row.above_gb)))): row.value
        for row in prices
    }


def test_aws_prices_of_all_its_regions_and_no_zones() -> None:
    told: list[str] = []
    found = list(aws_prices(fetcher(), (), told.append))
    assert {row.seen for row in found} == {"2026-11-20"}
    assert rows(found) == {
        "egress eu-west-1 0": Decimal("0.09"),
        "egress eu-west-1 10240": Decimal("0.08"),
        "egress_free_gb eu-west-1 0": Decimal(100),
        "s3_list eu-west-1 0": Decimal("0.0051"),
        "s3_get eu-west-1 STANDARD 0": Decimal("0.00041"),
        "s3_get eu-west-1 GLACIER 0": Decimal("0.00041"),
        "s3_get eu-west-1 DEEP_ARCHIVE 0": Decimal("0.00041"),
        "s3_get eu-west-1 STANDARD_IA 0": Decimal("0.001"),
        "s3_retrieval eu-west-1 GLACIER_IR 0": Decimal("0.03"),
        "s3_retrieval eu-west-1 GLACIER 0": Decimal("0.012"),
        "s3_storage eu-west-1 DEEP_ARCHIVE 0": Decimal("0.00099"),
    }
    assert told == ["AWSDataTransfer eu-west-1", "AmazonS3 eu-west-1"]


def test_azure_prices_page_by_page() -> None:
    found = list(azure_prices(fetcher(), "2026-11-22", lambda _: None))
    assert {row.seen for row in found} == {"2026-11-22"}
    assert rows(found) == {
        "azure_write westeurope Hot 0": Decimal("0.054"),
        "azure_write westeurope Cool 0": Decimal("0.1"),
        "azure_other westeurope 0": Decimal("0.0043"),
    }


def test_a_region_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(UsageError, match="no region 'eu-west-9'") as caught:
        list(aws_prices(fetcher(), ("eu-west-9",), lambda _: None))
    assert caught.value.hint == "it has eu-west-1"


@pytest.mark.parametrize(
    ("part", "body", "says"),
    [
        ("region_index", b"<html>", "no JSON"),
        ("region_index", b"[]", "has no regions"),
        ("AWSDataTransfer/2026", b"{}", "another form"),
        ("AmazonS3/2026", b'{"products": {"A": {"attributes": {"usagetype": "Retrieval-GIR"}}}}', "another form"),
    ],
)  # fmt: skip
def test_an_answer_in_another_form_is_refused(part: str, body: bytes, says: str) -> None:
    with pytest.raises(ServerFault, match=says):
        list(aws_prices(fetcher(**{part: body}), (), lambda _: None))


@pytest.mark.parametrize("body", [b"{}", b'{"Items": [{}]}'])
def test_an_answer_of_azure_in_another_form_is_refused(body: bytes) -> None:
    with pytest.raises(ServerFault, match="another form"):
        list(azure_prices(fetcher(retail=body), "2026-11-22", lambda _: None))


def test_pages_without_end_are_not_followed_for_ever() -> None:
    body = json.dumps({"Items": [], "NextPageLink": "https://prices.azure.com/api/retail/prices"}).encode()
    with pytest.raises(ServerFault, match="more than 100 pages"):
        list(azure_prices(fetcher(retail=body), "2026-11-22", lambda _: None))
