"""Moments of a job, told by its requests: something is done at one, or a request is held until a test lets it go."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event

from tests.faults.fleet import FaultFleet
from tests.faults.http_proxy import Exchange, Fault, HttpProxy, Op

_NEVER_S = 120.0  # for hangs
_HELD_S = 20.0  # a request is let go then in any case, so that a failing test ends


class Moment:
    """The moment of one request: something is done just before it is passed on; a test can wait for that."""

    def __init__(self, act: Callable[[Exchange], object]) -> None:
        """Keep what to do."""
        self._act = act
        self._passed = Event()
        self.result: object = None

    def __call__(self, exchange: Exchange) -> None:
        """Do it."""
        try:
            self.result = self._act(exchange)
        finally:
            self._passed.set()

    def wait(self) -> object:
        """Return what came of it, once it was done."""
        assert self._passed.wait(_NEVER_S), "the moment never came"
        return self.result


class Gate:
    """Holds every request that meets it, until it is opened for good; a test can wait for the first."""

    def __init__(self, held_s: float = _HELD_S) -> None:
        """Begin closed."""
        self._held_s = held_s
        self._reached = Event()
        self._opened = Event()

    def __call__(self, _: Exchange) -> None:
        """Hold a request."""
        self._reached.set()
        self._opened.wait(self._held_s)

    def wait(self) -> None:
        """Return when a request is held, or was."""
        assert self._reached.wait(_NEVER_S), "nothing came to the gate"

    def open(self) -> None:
        """Let everything pass from now on."""
        self._opened.set()


def at_request(
    proxy: HttpProxy,
    op: Op,
    number: int,
    act: Callable[[Exchange], object],
    match: Callable[[Exchange], object] = lambda _: True,
) -> Moment:
    """Do something at the nth request of a kind."""
    moment = Moment(act)
    proxy.add(Fault(call=moment), op, match=match, after=number - 1, times=1, title="moment")
    return moment


def hold(
    proxy: HttpProxy,
    op: Op,
    number: int = 1,
    match: Callable[[Exchange], object] = lambda _: True,
    *,
    delay_s: float = 0.0,
    held_s: float = _HELD_S,
) -> Gate:
    """Hold all requests of a kind from the nth on, for so long at most; once they may pass, delay each."""
    gate = Gate(held_s)
    proxy.add(Fault(call=gate, delay_s=delay_s), op, match=match, after=number - 1, title="gate")
    return gate


def kill(fleet: FaultFleet, number: int) -> Callable[[Exchange], int]:
    """Return what sends a signal to the process that makes a request, and returns its id."""

    def act(exchange: Exchange) -> int:
        pid = fleet.worker_of(exchange)
        fleet.signal_worker(pid, number)
        return pid

    return act
