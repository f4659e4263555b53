"""The port through which a message leaves; when, and whether again, is decided by its callers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is sent, in both of its forms."""

    id: str  # the same however often it is sent
    subject: str  # one line
    text: str  # for people
    body: bytes  # for programs: JSON


class Messenger(Protocol):
    """The way to one receiver."""

    def send(self, message: Message) -> None:
        """Return when the receiver has taken the message; the same one may be sent again.

        Raises:
            AwcopyError: It has not, or nobody knows; the message says why, and holds no secret.
        """
