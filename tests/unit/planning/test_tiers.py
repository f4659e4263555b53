from __future__ import annotations

import pytest

from awcopy.planning.tiers import choose_tier


@pytest.mark.parametrize(
    ("storage_class", "tier"),
    [
        ("STANDARD", "Hot"),
        ("INTELLIGENT_TIERING", "Hot"),
        ("STANDARD_IA", "Cool"),
        ("ONEZONE_IA", "Cool"),
        ("GLACIER_IR", "Cold"),
        ("GLACIER", "Archive"),
        ("DEEP_ARCHIVE", "Archive"),
        ("SNOW", ""),
    ],
)
def test_auto_takes_the_tier_of_the_objects_class(storage_class, tier):
    assert choose_tier("auto", storage_class) == tier


@pytest.mark.parametrize("asked", ["", "Cool"])
def test_otherwise_the_class_does_not_matter(asked):
    assert choose_tier(asked, "DEEP_ARCHIVE") == asked
