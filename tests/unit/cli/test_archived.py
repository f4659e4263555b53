"""What a command line may say about archived objects."""

from __future__ import annotations

import pytest

from awcopy.cli.archived import read_archived
from awcopy.errors import UsageError
from awcopy.model.spec import Archived, Restore, RestoreTier

NOTHING = {
    "archived": "skip",
    "restore_tier": None,
    "restore_days": None,
    "restore_max_objects": None,
    "restore_max_bytes": None,
}


@pytest.mark.parametrize("policy", ["skip", "fail"])
def test_without_restoring_there_is_nothing_more_to_say(policy):
    assert read_archived({**NOTHING, "archived": policy}) == (Archived(policy), Restore())


def test_restoring_has_defaults_and_a_limit():
    found = read_archived({**NOTHING, "archived": "restore", "restore_max_objects": 10})
    assert found == (Archived.RESTORE, Restore(most_objects=10))


def test_every_option_reaches_the_job():
    options = {"restore_tier": "Expedited", "restore_days": 2, "restore_max_bytes": 5}
    _, restore = read_archived({**NOTHING, "archived": "restore", **options})
    assert restore == Restore(tier=RestoreTier.EXPEDITED, days=2, most_bytes=5)


def test_restoring_without_a_limit_is_refused():
    with pytest.raises(UsageError, match="needs a limit") as caught:
        read_archived({**NOTHING, "archived": "restore"})
    assert "--restore-max-objects" in caught.value.hint


@pytest.mark.parametrize(
    "option", ["restore_tier", "restore_days", "restore_max_objects", "restore_max_bytes"]
)
def test_how_to_restore_says_nothing_where_nothing_is_restored(option):
    with pytest.raises(UsageError, match=option.replace("_", "-")):
        read_archived({**NOTHING, option: 1})
