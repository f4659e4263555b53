"""What goes wrong, and when: drawn from a seed, or written down call by call. It does nothing itself."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from enum import Enum, auto

from awcopy.errors import ConnectionLost, IntegrityError, ServerFault, ServiceUnreachable, Throttled


class Fate(Enum):
    """What happens at one call."""

    CRASH_BEFORE = auto()  # the process dies, and the call was never made
    CRASH_AFTER = auto()  # the call took effect, and the process dies before it learns that
    FREEZE_BEFORE = auto()  # the process stands still for longer than a lease, and then makes the call
    FREEZE_AFTER = auto()
    FREEZE_LONG = auto()  # until the others have long done its work
    REFUSED = auto()  # the service does not take the call
    UNANSWERED = auto()  # the call took effect, and the answer is lost
    LATE = auto()  # the call took effect, and the answer takes so long that others come between
    FLIPPED = auto()  # one bit of what was read is wrong


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of production code into the world."""

    number: int  # over the whole run, from 0
    port: str  # ledger, live, source, sink or broker
    op: str
    task: str  # the name of the fiber
    writes: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """Chances per call or message, and mean seconds between events; 0: never."""

    crash: float = 0.0
    freeze: float = 0.0
    message_lost: float = 0.0
    message_doubled: float = 0.0
    message_late: float = 0.0
    message_jumps_queue: float = 0.0
    live_refused: float = 0.0
    ledger_refused: float = 0.0
    ledger_unanswered: float = 0.0
    ledger_late: float = 0.0
    store_refused: float = 0.0
    store_unanswered: float = 0.0
    store_late: float = 0.0
    flipped: float = 0.0
    flush_every_s: float = 0.0
    redis_away_every_s: float = 0.0
    ledger_away_every_s: float = 0.0
    store_away_every_s: float = 0.0
    source_changes_every_s: float = 0.0
    sink_changes_every_s: float = 0.0
    user_acts_every_s: float = 0.0
    calm_at_s: float = 0.0  # nothing goes wrong any more


_MOST = Weather(
    crash=0.02,
    freeze=0.01,
    message_lost=0.2,
    message_doubled=0.3,
    message_late=0.3,
    message_jumps_queue=0.5,
    live_refused=0.05,
    ledger_refused=0.02,
    ledger_unanswered=0.02,
    ledger_late=0.03,
    store_refused=0.1,
    store_unanswered=0.1,
    store_late=0.05,
    flipped=0.05,
    flush_every_s=20.0,
    redis_away_every_s=60.0,
    ledger_away_every_s=60.0,
    store_away_every_s=60.0,
    source_changes_every_s=2.0,
    sink_changes_every_s=2.0,
    user_acts_every_s=10.0,
)


def draw_weather(rng: random.Random) -> Weather:
    """Return a weather in which some things go wrong often, some seldom, and most not at all."""
    share = rng.choice((0.1, 0.3, 0.6, 0.9))
    chosen = {}
    for one in fields(Weather):
        most = getattr(_MOST, one.name)
        if not most or rng.random() > share:
            continue
        strength = rng.choice((0.1, 0.3, 1.0))
        chosen[one.name] = most / strength if one.name.endswith("_every_s") else most * strength
    return replace(Weather(calm_at_s=rng.choice((10.0, 60.0, 200.0, 600.0))), **chosen)


def draw_fate(weather: Weather, call: Call, rng: random.Random) -> Fate | None:
    """Return what happens at a call; a single random number decides in most cases."""
    chance = rng.random()
    for limit, fates in _fates(weather, call):
        if chance < limit:
            return rng.choice(fates)
        chance -= limit
    return None


_CRASHES = (Fate.CRASH_BEFORE, Fate.CRASH_AFTER)
_FREEZES = (Fate.FREEZE_BEFORE, Fate.FREEZE_AFTER)


# Where what other processes did meanwhile matters most.
_DELICATE = frozenset(
    {
        "put_blob",
        "commit_blocks",
        "delete",
        "write_manifest",
        "extend",
        "update_item",
        "update_file",
        "write_outcomes",
    }
)


def _fates(weather: Weather, call: Call) -> list[tuple[float, tuple[Fate, ...]]]:
    weight = 4 if call.op in _DELICATE else 1
    fates = [(weather.crash * weight / 2, _CRASHES), (weather.freeze * weight, _FREEZES)]
    if call.port == "ledger":
        fates.append((weather.ledger_refused, (Fate.REFUSED,)))
        if call.writes:
            fates += [(weather.ledger_unanswered, (Fate.UNANSWERED,)), (weather.ledger_late, (Fate.LATE,))]
    elif call.port == "live":
        fates.append((weather.live_refused, (Fate.REFUSED, Fate.UNANSWERED)))
    elif call.port in {"source", "sink"}:
        fates += [(weather.store_refused, (Fate.REFUSED,)), (weather.store_late, (Fate.LATE,))]
        if call.writes:
            fates.append((weather.store_unanswered, (Fate.UNANSWERED,)))
        if call.op.startswith("read"):
            fates.append((weather.flipped, (Fate.FLIPPED,)))
    return fates


def refusal(call: Call, rng: random.Random) -> Exception:
    """Return the error of a service that does not take a call."""
    if call.port in {"ledger", "live"}:
        return ServiceUnreachable(f"{call.port} does not answer")
    errors: list[Callable[[], Exception]] = [
        lambda: Throttled("slow down", retry_after_s=rng.choice((0.0, 2.0))),
        lambda: ConnectionLost("connection reset"),
        lambda: ServerFault("internal error", status=500),
    ]
    if call.op in {"read_object", "read_range", "put_blob", "stage_block"}:
        errors.append(lambda: IntegrityError("wrong length"))
    return rng.choice(errors)()


def lost_answer(call: Call) -> Exception:
    """Return the error of a call that took effect, as far as nobody knows."""
    if call.port in {"ledger", "live"}:
        return ServiceUnreachable(f"{call.port} did not answer")
    return ConnectionLost("no answer")
