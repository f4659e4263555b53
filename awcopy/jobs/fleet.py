"""What all parts of a fleet share: the ledger and the live state."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from awcopy.errors import ServiceUnreachable

if TYPE_CHECKING:
    from collections.abc import Callable

    from awcopy.ledger.base import Ledger
    from awcopy.live.base import Live

_Answer = TypeVar("_Answer")

# A live state that took so long to say nothing is not asked again for some times as long: whoever looks at many jobs
# waits once, and not several times for each of them.
_RESTS_TIMES, _LONGEST_REST_S = 6, 30.0


class _Rest:
    """Until when the live state is not asked for what can be done without; the process's own."""

    def __init__(self) -> None:
        self.until = float("-inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """One ledger and one live state; every process of a fleet, CLI and dashboard included, sees the same."""

    ledger: Ledger
    live: Live
    clock: Callable[[], float] = field(default=time.monotonic, repr=False, compare=False)
    _rest: _Rest = field(default_factory=_Rest, init=False, repr=False, compare=False)

    def ask_live(self, question: Callable[[Live], _Answer]) -> _Answer | None:
        """Return what the live state says, for whoever can do without it; None while it does not answer."""
        asked = self.clock()
        if asked < self._rest.until:
            return None
        try:
            return question(self.live)
        except ServiceUnreachable:
            ended = self.clock()
            self._rest.until = ended + min(_LONGEST_REST_S, _RESTS_TIMES * (ended - asked))
            return None
