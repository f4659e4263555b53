"""A token: what a person or a program shows to the dashboard and the HTTP API, and what it may do there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Role(StrEnum):
    """What a token may do; each may do what those before it may."""

    VIEWER = "viewer"  # looks
    OPERATOR = "operator"  # creates and controls jobs and schedules
    ADMIN = "admin"  # the same of those that delete, and removes jobs with their reports

    def may(self, needed: Role) -> bool:
        """Return whether this role may do what the other is needed for."""
        ranks = list(Role)
        return ranks.index(self) >= ranks.index(needed)


# What a row's key, a line of the log and a token's own text take as it is.
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}", re.ASCII)


def is_token_name(text: str) -> bool:
    """Return whether a token may bear this name: lower-case letters, digits, ``.`` and ``-``."""
    return bool(_NAME.fullmatch(text))


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One row of the ledger's table of tokens. It holds no secret: from the digest, none can be found."""

    name: str
    role: Role
    digest: str  # SHA-256 of the secret part of the token's text, as hex digits
    user: str  # who made it
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None  # to some minutes
    is_revoked: bool = False
    version: str = ""  # the ledger's ETag of this row

    def is_good(self, now: datetime) -> bool:
        """Return whether the token is still to be accepted."""
        return not self.is_revoked and now < self.expires_at
