"""A receiver in memory, for tests."""

from __future__ import annotations

from dataclasses import dataclass, field

from awcopy.errors import ServiceUnreachable
from awcopy.notify.base import Message


@dataclass(slots=True)
class MemoryMessenger:
    """Implements ``awcopy.notify.base.Messenger``; keeps what it is given, or refuses it."""

    is_away: bool = False
    messages: list[Message] = field(default_factory=list)

    def send(self, message: Message) -> None:
        """Keep the message."""
        if self.is_away:
            raise ServiceUnreachable("the receiver does not answer")
        self.messages.append(message)
