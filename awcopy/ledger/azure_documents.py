"""The documents of the control account: compressed lines of JSON in one container."""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING

import zstandard

from awcopy.errors import AwcopyError, Conflict
from awcopy.ledger.azure_account import Account
from awcopy.ledger.azure_errors import RowMissing, StoreMissing

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient

# What the service takes in one batch of deletions.
_BATCH_LIMIT = 256
_CONTENT_TYPE = "application/zstd"


class Documents:
    """Texts by name, each written whole. Safe to use from many threads."""

    def __init__(self, account: Account, container: str) -> None:
        self._account = account
        self._container = container

    @cached_property
    def _client(self) -> ContainerClient:
        return self._account.blobs.get_container_client(self._container)

    def prepare(self) -> None:
        """Create the container if it is missing."""
        try:
            self._account.call(self._client.create_container)
        except Conflict:
            return  # it is there

    def write(self, name: str, text: str) -> None:
        """Store an ASCII text; one of the same name is replaced."""
        from azure.storage.blob import ContentSettings  # noqa: PLC0415 - slow to import, and not always needed

        content = ContentSettings(content_type=_CONTENT_TYPE)
        packed = zstandard.ZstdCompressor(write_checksum=True).compress(text.encode("ascii"))
        try:
            self._account.call(
                lambda: self._client.upload_blob(name, packed, overwrite=True, content_settings=content)
            )
        except RowMissing as exc:
            raise AwcopyError(exc.message) from exc

    def read(self, name: str) -> str | None:
        """Return a text, or None when there is none of this name.

        Raises:
            AwcopyError: What is stored is damaged.
        """
        try:
            packed = self._account.call(lambda: self._client.download_blob(name).readall())
            return zstandard.ZstdDecompressor().decompress(packed).decode("ascii")
        except (RowMissing, StoreMissing):
            return None
        except (zstandard.ZstdError, UnicodeDecodeError) as exc:
            raise AwcopyError(f"the ledger's document {name} is damaged") from exc

    def delete_below(self, prefix: str) -> None:
        """Remove all documents whose names begin with the prefix."""
        try:
            while names := self._account.call(lambda: self._list_some(prefix)):
                self._account.call(partial(self._delete_some, names))
        except StoreMissing:
            return

    def _list_some(self, prefix: str) -> list[str]:
        names = self._client.list_blob_names(name_starts_with=prefix, results_per_page=_BATCH_LIMIT)
        return list(next(names.by_page(), ()))

    def _delete_some(self, names: list[str]) -> None:
        self._client.delete_blobs(*names, raise_on_any_failure=False)
