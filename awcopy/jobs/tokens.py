"""Tokens: made, revoked, and told from their text. Where they are asked for is the callers' affair."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from awcopy.config import Secret
from awcopy.errors import Conflict, UsageError
from awcopy.model.token import Role, Token, is_token_name

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from awcopy.ledger.base import Ledger

LONGEST_LIFE_S = 10 * 366 * 86_400
# 192 bits: no salt and no slow hash are needed where nothing can be guessed.
_SECRET_BYTES = 24
# Begins with the program's name, so that whoever finds one, a scanner of repositories for instance, knows what it is.
_TEXT = re.compile(r"awc_([a-z0-9.-]{1,63})_([0-9a-f]{48})", re.ASCII)
_USE_APART = timedelta(minutes=10)


def create_token(ledger: Ledger, name: str, role: Role, life_s: float, user: str) -> tuple[Token, Secret]:
    """Add a token and return it with its text, which nobody can find out again.

    A name is free again once its token was revoked or has expired.

    Args:
        ledger: Where it is kept.
        name: What it is called, in the log too.
        role: What it may do.
        life_s: Seconds until it expires.
        user: Who makes it.

    Raises:
        UsageError: No token may bear this name, there is one, or it would live too long.
    """
    if not is_token_name(name):
        hint = "use lower-case letters, digits, '.' and '-'"
        raise UsageError(f"{name!r} cannot be the name of a token", hint=hint)
    if not 1 <= life_s <= LONGEST_LIFE_S:
        raise UsageError("a token expires after 1 second to 10 years", hint="write --expires 90d")
    ledger.prepare()
    now, secret = ledger.now(), secrets.token_hex(_SECRET_BYTES)
    token = Token(
        name=name,
        role=role,
        digest=_digest(secret),
        user=user,
        created_at=now,
        expires_at=now + timedelta(seconds=life_s),
    )
    return _add(ledger, token, now), Secret(f"awc_{name}_{secret}")


def revoke_token(ledger: Ledger, name: str) -> Token:
    """Make a token count no more, and return it. Its row stays, so that what asked for a token goes on to do so.

    Raises:
        UsageError: There is no such token.
    """
    while True:
        found = next((one for one in ledger.list_tokens() if one.name == name), None)
        if found is None:
            raise UsageError(f"there is no token {name!r}", hint="`awcopy token list` shows them all")
        if found.is_revoked:
            return found
        try:
            return ledger.update_token(replace(found, is_revoked=True))
        except Conflict:  # its use was noted in the meantime
            continue


def find_token(tokens: Iterable[Token], text: str, now: datetime) -> Token | None:
    """Return the token whose text this is, if it is still to be accepted."""
    parts = _TEXT.fullmatch(text)
    if parts is None:
        return None
    found = next((one for one in tokens if one.name == parts[1]), None)
    # In a time that does not depend on how much of it is right.
    if found is None or not hmac.compare_digest(found.digest, _digest(parts[2])):
        return None
    return found if found.is_good(now) else None


def note_use(ledger: Ledger, token: Token, now: datetime) -> bool:
    """Keep in the ledger that the token was used, at most every ten minutes; return whether it was time to."""
    if token.used_at and now - token.used_at < _USE_APART:
        return False
    with suppress(Conflict):  # another process notes the same, or it is being revoked
        ledger.update_token(replace(token, used_at=now))
    return True


def _add(ledger: Ledger, token: Token, now: datetime) -> Token:
    before = next((one for one in ledger.list_tokens() if one.name == token.name), None)
    try:
        if before is None:
            return ledger.add_token(token)
        if not before.is_good(now):
            return ledger.update_token(replace(token, version=before.version))
    except Conflict:  # somebody makes the same one right now
        pass
    raise UsageError(f"there is a token {token.name!r} already", hint=f"`awcopy token revoke {token.name}`")


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("ascii")).hexdigest()
