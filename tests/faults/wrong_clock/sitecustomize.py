"""Lets a process that has this folder in its PYTHONPATH see another time than its machine has.

The seconds by which it is ahead are in `TEST_CLOCK_AHEAD_S`. Python imports this before anything else, so that whoever
asks for the time asks here: by `time.time` and its like, or by `datetime.now` and its like. The monotonic clock is
as it was, as it is on a machine whose clock was set wrong before it started.
"""

from __future__ import annotations

import datetime as dt
import os
import time
from typing import Any

_AHEAD_S = float(os.environ["TEST_CLOCK_AHEAD_S"])  # noqa: TID251 - before any setting can be read
_time, _time_ns, _gmtime, _localtime = time.time, time.time_ns, time.gmtime, time.localtime
_Datetime = dt.datetime


class _OfAnyKind(type):
    """Moments that C code made are moments as well."""

    def __instancecheck__(cls, moment: object) -> bool:
        return isinstance(moment, _Datetime)


class _Shifted(_Datetime, metaclass=_OfAnyKind):
    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> _Shifted:
        return cls.fromtimestamp(time.time(), tz)

    @classmethod
    def utcnow(cls) -> _Shifted:
        return cls.now(dt.UTC).replace(tzinfo=None)

    @classmethod
    def today(cls) -> _Shifted:
        return cls.now()


def _shift() -> None:
    replaced: dict[str, Any] = {
        "time": lambda: _time() + _AHEAD_S,
        "time_ns": lambda: _time_ns() + int(_AHEAD_S * 1e9),
        "gmtime": lambda secs=None: _gmtime(time.time() if secs is None else secs),
        "localtime": lambda secs=None: _localtime(time.time() if secs is None else secs),
    }
    for name, instead in replaced.items():
        setattr(time, name, instead)
    dt.datetime = _Shifted  # type: ignore[misc]  # which is what this is for


_shift()
