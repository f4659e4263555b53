"""The headers by which Azure encrypts blobs with a scope of the account or a key of the user's, and says so.

Sends nothing. Source: learn.microsoft.com, "Provide an encryption key on a request to Blob storage" and
"Encryption scopes for Blob storage".
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from awcopy.errors import NotEncrypted

if TYPE_CHECKING:
    from awcopy.config import CustomerKey
    from awcopy.http import Headers
    from awcopy.model.spec import SinkSpec

SCOPE: Final = "x-ms-encryption-scope"
KEY_SHA256: Final = "x-ms-encryption-key-sha256"


class Encryption:
    """How the blobs of one sink are to be encrypted; none: as the account does by itself."""

    def __init__(self, spec: SinkSpec, key: CustomerKey | None) -> None:
        self._where = f"az://{spec.account}/{spec.container}"
        self._wanted: dict[str, str] = {}
        self.to_read: dict[str, str] = {}  # for requests about a blob that is there
        self.to_write: dict[str, str] = {}  # for what stages, writes or commits
        if key:
            self._wanted = {KEY_SHA256: key.sha256}
            self.to_read = self.to_write = {
                "x-ms-encryption-key": key.value.reveal(),
                KEY_SHA256: key.sha256,
                "x-ms-encryption-algorithm": "AES256",
            }
        elif spec.encryption_scope:
            self._wanted = self.to_write = {SCOPE: spec.encryption_scope}

    def __bool__(self) -> bool:
        """Return whether any is asked for."""
        return bool(self._wanted)

    @property
    def probe_name(self) -> str:
        """The name under which a block is staged to see whether Azure takes the encryption.

        Blocks of one name must all be encrypted alike, so each encryption has its own.
        """
        wanted = "\n".join(self._wanted.values())
        return f".awcopy-probe-{hashlib.sha256(wanted.encode()).hexdigest()[:8]}"

    def check(self, headers: Headers) -> None:
        """Return when the answer to a write says that it was encrypted as asked; Azure always says so.

        Raises:
            NotEncrypted: The server passed over what it was asked, as Azurite does with scopes.
        """
        for name, value in self._wanted.items():
            if headers.get(name) != value:
                what = "encryption scope" if name == SCOPE else "encryption key"
                raise NotEncrypted(f"{self._where} took no notice of the {what}, so nothing is copied to it")
