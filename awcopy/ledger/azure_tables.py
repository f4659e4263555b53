"""One table of the control account: rows that are written only if they are as they were read.

It knows nothing of what the rows mean.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import Any, TypeVar

from azure.core import MatchConditions
from azure.data.tables import TableEntity, UpdateMode

from awcopy.errors import Conflict
from awcopy.ledger.azure_account import Account
from awcopy.ledger.azure_errors import RowMissing, StoreMissing
from awcopy.ledger.azure_rows import WRITE_ID, Row

# What the service takes in one transaction, and gives in one page.
TRANSACTION_LIMIT = 100
PAGE_LIMIT = 1000
KEYS_ONLY = ["PartitionKey", "RowKey"]  # and the version, which comes with every row
# The service would send back each row that it has created.
_NO_ECHO = "return-no-content"

_Answer = TypeVar("_Answer")


class Table:
    """The rows of one table, each named by its partition and key. Safe to use from many threads.

    Every write carries an id of its own, which stays in the row. When a write conflicts after an attempt
    whose answer was lost, the row's id tells whether that attempt had done it.
    """

    def __init__(self, account: Account, name: str) -> None:
        self._account = account
        self._client = account.tables.get_table_client(name)

    def prepare(self) -> None:
        """Create the table if it is missing."""
        try:
            self._account.call(self._client.create_table)
        except Conflict:
            return  # it is there

    def get(self, partition: str, key: str) -> TableEntity | None:
        """Return one row, or None."""
        try:
            return self._account.call(lambda: self._client.get_entity(partition, key))
        except (RowMissing, StoreMissing):
            return None

    def create(self, row: Row) -> str:
        """Add a row and return its version.

        Raises:
            Conflict: The row is there already.
        """
        row = _sign(row)
        return self._account.call(
            lambda: _version(self._client.create_entity(row, response_preference=_NO_ECHO)),
            recover=lambda: self._find_write(row),
        )

    def replace(self, row: Row, version: str) -> str:
        """Replace a row and return its new version.

        Raises:
            Conflict: The row has another version, or is gone.
        """
        row, condition = _sign(row), _condition(version)
        return self._write(
            lambda: _version(self._client.update_entity(row, mode=UpdateMode.REPLACE, **condition)),
            lambda: self._find_write(row),
        )

    def replace_two(self, first: tuple[Row, str], second: tuple[Row, str]) -> tuple[str, str]:
        """Replace two rows of one partition, each given with its version, and return their new versions.

        Raises:
            Conflict: One of them has another version, or is gone; then neither was replaced.
        """
        signed = [(_sign(row), version) for row, version in (first, second)]
        operations = [
            ("update", row, {"mode": UpdateMode.REPLACE, **_condition(version)}) for row, version in signed
        ]

        def request() -> tuple[str, str]:
            one, other = self._client.submit_transaction(operations)
            return _version(one), _version(other)

        def recover() -> tuple[str, str] | None:
            one, other = (self._find_write(row) for row, _ in signed)
            # Were the other one replaced again meanwhile, its version would be somebody else's.
            return (one, other or "") if one else None

        return self._write(request, recover)

    def extend(self, row: Row, version: str, additions: Sequence[Row]) -> str:
        """Replace a row and add others of its partition, all or nothing; return its new version.

        Raises:
            Conflict: The row has another version or is gone, or one of the others is there already.
        """
        row = _sign(row)
        first = ("update", row, {"mode": UpdateMode.REPLACE, **_condition(version)})
        operations = [first, *(("create", added, {"response_preference": _NO_ECHO}) for added in additions)]
        return self._write(
            lambda: _version(self._client.submit_transaction(operations)[0]), lambda: self._find_write(row)
        )

    def query(
        self, condition: str, *, limit: int | None = None, select: list[str] | None = None
    ) -> Iterator[TableEntity]:
        """Yield the rows that meet a condition, by partition and key; a page is read when it is needed."""
        page_size = PAGE_LIMIT if limit is None else min(limit, PAGE_LIMIT)
        return islice(self._read_pages(condition, page_size, select), limit) if page_size else iter(())

    def delete(self, partition: str, key: str) -> None:
        """Remove one row, if it is there."""
        try:
            self._account.call(lambda: self._client.delete_entity(partition, key))
        except (RowMissing, StoreMissing):
            return

    def delete_partition(self, partition: str) -> None:
        """Remove all rows of a partition."""
        rows = self.query(f"PartitionKey eq {quote_text(partition)}", select=KEYS_ONLY)
        while batch := list(islice(rows, TRANSACTION_LIMIT)):
            self._delete_batch(batch)

    def _delete_batch(self, rows: list[TableEntity]) -> None:
        operations = [("delete", row) for row in rows]
        try:
            self._account.call(lambda: self._client.submit_transaction(operations))
        except RowMissing:  # another is deleting too, or the answer to the first attempt was lost
            for row in rows:
                self.delete(row["PartitionKey"], row["RowKey"])

    def _write(self, request: Callable[[], _Answer], recover: Callable[[], _Answer | None]) -> _Answer:
        try:
            return self._account.call(request, recover=recover)
        except RowMissing as exc:
            raise Conflict(exc.message) from exc

    def _find_write(self, row: Row) -> str | None:
        found = self.get(row["PartitionKey"], row["RowKey"])
        return version_of(found) if found and found.get(WRITE_ID) == row[WRITE_ID] else None

    def _read_pages(self, condition: str, page_size: int, select: list[str] | None) -> Iterator[TableEntity]:
        token: Any = None
        while True:
            try:
                rows, token = self._account.call(
                    partial(self._read_page, condition, page_size, select, token)
                )
            except StoreMissing:
                return
            yield from rows
            if not token:
                return

    def _read_page(
        self,
        condition: str,
        page_size: int,
        select: list[str] | None,
        token: Any,  # noqa: ANN401 - opaque, from the page before
    ) -> tuple[list[TableEntity], Any]:
        pages: Any = self._client.query_entities(condition, results_per_page=page_size, select=select)
        pages = pages.by_page(token)
        rows = list(next(pages, ()))
        return rows, pages.continuation_token


def version_of(row: TableEntity) -> str:
    """Return the version of a row that was read."""
    return str(row.metadata["etag"])


def find_version(row: TableEntity) -> str:
    """Return the version of a row of which not all was read; empty if the service has left that out, too."""
    return str(row.metadata.get("etag") or "")


def quote_text(text: str) -> str:
    """Return a text as a condition holds it."""
    return "'" + text.replace("'", "''") + "'"


def quote_moment(moment: datetime) -> str:
    """Return a moment as a condition holds it."""
    return f"datetime'{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}'"


def _sign(row: Row) -> Row:
    return {**row, WRITE_ID: secrets.token_hex(8)}


def _condition(version: str) -> dict[str, Any]:
    if not version:
        raise Conflict("a row that was never read cannot be replaced")
    return {"etag": version, "match_condition": MatchConditions.IfNotModified}


def _version(answer: Any) -> str:  # noqa: ANN401 - the SDK's headers by name
    return str(answer["etag"])
