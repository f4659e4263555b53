"""The price table: what is shipped, what is read, and what is refused."""

from __future__ import annotations

import pytest

from awcopy.cost.prices import Kind, Price, format_prices, parse_prices, shipped_prices
from awcopy.errors import UsageError

PRICES = shipped_prices()
LINES = format_prices(PRICES).splitlines()


def changed(old: str, new: str) -> str:
    text = "\n".join(LINES)
    assert old in text
    return text.replace(old, new, 1)


def test_the_shipped_table_names_a_source_and_a_date_for_every_price() -> None:
    assert len(PRICES.places(Kind.EGRESS)) >= 27
    assert all(row.source.startswith("https://") and row.seen >= "2022" for row in PRICES.rows)
    assert PRICES.seen == ("2022", "2026-09-28")


def test_egress_gets_cheaper_by_amount_in_every_region() -> None:
    for place in PRICES.places(Kind.EGRESS):
        values = [step.value for step in PRICES.steps(Kind.EGRESS, place)]
        assert values == sorted(values, reverse=True)


def test_a_table_is_read_as_it_is_written() -> None:
    again = parse_prices(format_prices(PRICES), PRICES.origin)
    assert again == PRICES


def test_remarks_and_empty_lines_are_passed_over() -> None:
    assert parse_prices("# mine\n\n" + "\n".join(LINES), "mine").rows == PRICES.rows


def test_a_price_of_everywhere_is_found_where_a_place_has_none_of_its_own() -> None:
    assert str(PRICES.find(Kind.S3_GET, "eu-west-1", "GLACIER_IR").value) == "0.01"
    assert PRICES.find(Kind.EGRESS_FREE_GB, "us-gov-west-1").value == 0
    assert PRICES.find(Kind.S3_GET, "eu-west-1", "SNOW") is None


def test_updating_replaces_all_steps_together_and_keeps_the_rest() -> None:
    new = Price(kind=Kind.EGRESS, place="eu-west-1", value=0, seen="2027-01-12", source="https://x")
    table = PRICES.updated([new], "fetched")
    assert table.steps(Kind.EGRESS, "eu-west-1") == (new,)
    assert table.steps(Kind.EGRESS, "us-east-1") == PRICES.steps(Kind.EGRESS, "us-east-1")
    assert (table.origin, len(table.rows)) == ("fetched", len(PRICES.rows) - 3)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is no price table"),
        ("a,b\n1,2", "is no price table"),
        (changed("egress,us-east-1,,0,0.09", "egress,us-east-1,,0,$0.09"), "'$0.09' is no price"),
        (changed("egress,us-east-1,,0,0.09", "egress,us-east-1,,0,-1"), "'-1' is no price"),
        (changed("egress,us-east-1,,0,0.09", "egress,us-east-1,,0,NaN"), "'NaN' is no price"),
        (changed("egress,us-east-1,,0,0.09", "ingress,us-east-1,,0,0.09"), "no kind 'ingress'"),
        (changed("egress,us-east-1,,0,0.09", "egress,US East,,0,0.09"), "cannot be read"),
        (changed("egress,us-east-1,,0,0.09", "egress,us-east-1,,1,0.09"), "no price from 0 GB on"),
        (changed("egress,us-east-1,,0,0.09,", "egress,us-east-1,,0,0.09,0,"), "8 cells where 7 belong"),
        ("\n".join([*LINES, LINES[-1]]), "two prices of azure_other eastus"),
        ("\n".join(LINES[:-1]), "lacks a price: azure_other eastus"),
    ],
)
def test_a_table_that_cannot_be_relied_on_is_refused(text: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_prices(text, "mine.csv")
    assert says in caught.value.message
    assert caught.value.message.startswith("mine.csv")
