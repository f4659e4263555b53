"""Tokens: made once, told from their text, revoked for good."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from awcopy.errors import Conflict, UsageError
from awcopy.jobs.tokens import LONGEST_LIFE_S, create_token, find_token, note_use, revoke_token
from awcopy.ledger.memory import MemoryLedger
from awcopy.logs import mask_secrets
from awcopy.model.token import Role

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
DAY_S = 86_400


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(clock: Clock) -> MemoryLedger:
    return MemoryLedger(clock)


def make(ledger: MemoryLedger, name: str = "dana", role: Role = Role.OPERATOR) -> str:
    return create_token(ledger, name, role, DAY_S, "root")[1].reveal()


def test_a_token_is_told_from_its_text(ledger) -> None:
    text = make(ledger)
    make(ledger, "other")

    found = find_token(ledger.list_tokens(), text, NOW)

    assert found is not None
    assert (found.name, found.role, found.user, found.expires_at) == (
        "dana",
        Role.OPERATOR,
        "root",
        NOW + timedelta(days=1),
    )


def test_no_two_tokens_have_the_same_secret(ledger) -> None:
    assert len({make(ledger, f"t{n}").rpartition("_")[2] for n in range(50)}) == 50


@pytest.mark.parametrize(
    "garble",
    [
        lambda text: "",
        lambda text: text[:-1],
        lambda text: text + "0",
        lambda text: text + "\n",
        lambda text: text[:-1] + ("0" if text[-1] != "0" else "1"),
        lambda text: text.replace("dana", "other"),
        lambda text: text.replace("dana", "nobody"),
        lambda text: text.upper(),
        lambda text: text.replace("awc_", ""),
        lambda text: text.rpartition("_")[2],
        lambda text: text[:-48] + "\u0661" * 48,
    ],
)
def test_a_garbled_text_is_no_token(ledger, garble) -> None:
    text = make(ledger)
    make(ledger, "other")

    assert find_token(ledger.list_tokens(), garble(text), NOW) is None


def test_the_ledger_holds_nothing_by_which_one_gets_in(ledger) -> None:
    text = make(ledger)
    [row] = ledger.list_tokens()

    assert text.rpartition("_")[2] not in repr(row)
    assert find_token([row], f"awc_dana_{row.digest[:48]}", NOW) is None


def test_a_token_expires(ledger, clock) -> None:
    text = make(ledger)
    last = NOW + timedelta(days=1)

    assert find_token(ledger.list_tokens(), text, last - timedelta(microseconds=1))
    assert find_token(ledger.list_tokens(), text, last) is None


def test_a_revoked_token_counts_no_more_and_its_row_stays(ledger) -> None:
    text = make(ledger)

    assert revoke_token(ledger, "dana").is_revoked
    assert revoke_token(ledger, "dana").is_revoked

    assert find_token(ledger.list_tokens(), text, NOW) is None
    assert [one.name for one in ledger.list_tokens()] == ["dana"]


def test_what_is_not_there_cannot_be_revoked(ledger) -> None:
    with pytest.raises(UsageError, match="no token 'dana'"):
        revoke_token(ledger, "dana")


def test_a_revocation_outlasts_whoever_notes_a_use(ledger) -> None:
    make(ledger)
    [seen] = ledger.list_tokens()
    revoke_token(ledger, "dana")

    note_use(ledger, seen, NOW)

    assert ledger.list_tokens()[0].is_revoked


def test_a_revocation_is_tried_again_when_a_use_comes_between(ledger, monkeypatch) -> None:
    make(ledger)
    update, calls = ledger.update_token, []

    def update_late(token):
        calls.append(token)
        if len(calls) == 1:
            update(replace(ledger.list_tokens()[0], used_at=NOW))
        return update(token)

    monkeypatch.setattr(ledger, "update_token", update_late)

    assert revoke_token(ledger, "dana").used_at == NOW
    assert len(calls) == 2


def test_one_good_token_has_a_name_at_a_time(ledger, clock) -> None:
    first = make(ledger)
    with pytest.raises(UsageError, match="already"):
        make(ledger)

    revoke_token(ledger, "dana")
    second = make(ledger)
    clock.now = NOW + timedelta(days=2)
    third = make(ledger)

    tokens = ledger.list_tokens()
    assert [find_token(tokens, text, clock.now) is None for text in (first, second, third)] == [
        True,
        True,
        False,
    ]


def test_of_two_who_make_the_same_one_is_told(ledger, monkeypatch) -> None:
    def refuse(_token):
        raise Conflict("it is there")

    monkeypatch.setattr(ledger, "add_token", refuse)

    with pytest.raises(UsageError, match="already"):
        make(ledger)


@pytest.mark.parametrize("name", ["", "A", "a_b", "-a", "a b", "a" * 64, "\u00e4", "a\n", "a/b"])
def test_a_name_that_no_token_bears_is_refused(ledger, name) -> None:
    with pytest.raises(UsageError, match="cannot be the name"):
        make(ledger, name)


@pytest.mark.parametrize("life_s", [0, LONGEST_LIFE_S + 1, float("inf")])
def test_a_token_lives_neither_never_nor_for_ever(ledger, life_s) -> None:
    with pytest.raises(UsageError, match="expires after"):
        create_token(ledger, "dana", Role.VIEWER, life_s, "")


def test_a_use_is_noted_every_ten_minutes(ledger) -> None:
    make(ledger)
    for minutes in (0, 9, 10):
        note_use(ledger, ledger.list_tokens()[0], NOW + timedelta(minutes=minutes))
        if minutes == 9:
            assert ledger.list_tokens()[0].used_at == NOW

    assert ledger.list_tokens()[0].used_at == NOW + timedelta(minutes=10)


@pytest.mark.parametrize(
    ("role", "may"),
    [
        (Role.VIEWER, [True, False, False]),
        (Role.OPERATOR, [True, True, False]),
        (Role.ADMIN, [True, True, True]),
    ],
)
def test_each_role_may_what_those_before_it_may(role, may) -> None:
    assert [role.may(needed) for needed in Role] == may


def test_the_log_shows_no_token(ledger) -> None:
    text = make(ledger)

    assert mask_secrets(f"got {text}, and") == "got ***, and"
    assert mask_secrets(f"Authorization: Bearer {text}") == "Authorization: ***"
