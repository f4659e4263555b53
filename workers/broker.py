"""A guard against one fault of one release of the broker's client; to be dropped with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import kombu
from kombu.transport import redis as kombu_redis

if TYPE_CHECKING:
    from collections.abc import Callable

FAULTY_KOMBU = "5.7.0"


def guard_broker() -> None:
    """Keep a partly busy worker alive when Redis goes away.

    In kombu 5.7.0, ``QoS.restore_unacked_once`` uses the channel's connection after it was collected, raises
    AttributeError, and the worker ends. What it would have restored comes back by the visibility timeout,
    and awcopy's own leases do not depend on it. Only that exact release is touched.
    """
    if kombu.__version__ != FAULTY_KOMBU or getattr(kombu_redis.QoS, "is_guarded", False):
        return
    qos: Any = kombu_redis.QoS
    restore: Callable[..., Any] = qos.restore_unacked_once

    def restore_unless_gone(self: Any, stderr: Any = None) -> Any:  # noqa: ANN401 - kombu has no types
        connection = self.channel.connection
        if connection is None or connection.client is None:
            self._on_collect.cancel()
            self._delivered.clear()
            self._delivered.restored = True
            return None
        return restore(self, stderr)

    qos.restore_unacked_once = restore_unless_gone
    qos.is_guarded = True
