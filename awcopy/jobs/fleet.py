"""What all parts of a fleet share: the ledger and the live state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from awcopy.ledger.base import Ledger
    from awcopy.live.base import Live


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """One ledger and one live state; every process of a fleet, CLI and dashboard included, sees the same."""

    ledger: Ledger
    live: Live
