"""Secrets as configuration gives them: a text that never shows itself, written out or lying elsewhere."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from awcopy.errors import CredentialsError

if TYPE_CHECKING:
    from collections.abc import Mapping

# How a secret is written that lies elsewhere.
FROM_VARIABLE = "@env:"
FROM_FILE = "@file:"


class Secret:
    """A text that never shows itself: not in ``repr``, not in ``str``, not in a pickle."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the secret itself, for the one call that needs it."""
        return self._value

    def __bool__(self) -> bool:
        """Return whether there is anything to hide."""
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        """Compare by value, for tests and caches."""
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        """Hash by value."""
        return hash(self._value)

    def __repr__(self) -> str:
        """Hide the value."""
        return "**redacted**"

    __str__ = __repr__

    def __reduce__(self) -> str:
        """Refuse to be pickled."""
        raise TypeError("a Secret is never serialized")


def resolve_secret(where: str, text: str, environ: Mapping[str, str] | None = None) -> Secret:
    """Return the secret that ``@env:NAME`` or ``@file:PATH`` stands for; any other text is one itself.

    Raises:
        CredentialsError: The variable or file is not there, or empty; ``where`` begins the message.
    """
    env = os.environ if environ is None else environ
    if text.startswith(FROM_VARIABLE):
        value = env.get(text.removeprefix(FROM_VARIABLE), "")
    elif text.startswith(FROM_FILE):
        value = _read_secret(where, Path(text.removeprefix(FROM_FILE)))
    else:
        return Secret(text)
    if not value.strip():
        raise CredentialsError(f"{where}: {text} is empty", hint="set it and try again")
    return Secret(value.strip())


def _read_secret(where: str, path: Path) -> str:
    try:
        return path.expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise CredentialsError(
            f"{where}: cannot be read from {path}: {reason}", hint="name a file with only the secret"
        ) from None
