"""``awcopy config prices``: which table is in force, and its rows for an editor."""

from __future__ import annotations

import json

import pytest

from awcopy.cli.main import main
from awcopy.cost.prices import parse_prices, shipped_prices


@pytest.fixture(autouse=True)
def no_table(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWCOPY_PRICES", str(tmp_path / "none.csv"))


def test_the_table_in_use_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "prices"]) == 0
    assert capsys.readouterr().out.startswith(
        "the table shipped with awcopy: 229 prices, seen 2022 to 2026-09-28\n"
    )
    assert main(["config", "prices", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["azure_regions"] == ["eastus"]


def test_the_table_itself_can_be_edited_and_used(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "prices", "-o", "csv"]) == 0
    assert parse_prices(capsys.readouterr().out, "").rows == shipped_prices().rows


def test_a_region_without_a_refresh_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "prices", "--region", "eu-west-1"]) == 2
    assert "add --refresh" in capsys.readouterr().err
