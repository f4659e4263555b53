"""The records of one table, found by a condition; those that were read before need not be read again.

A row has another version whenever it was written, so what was read under one version never changes. Whoever looks
at the same rows again and again, as the dashboard does, has the service list their keys and versions, which is a
tenth of the work on both sides, and reads only what is new or has changed. What is found is what is there now.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from awcopy.ledger.azure_tables import KEYS_ONLY, PAGE_LIMIT, Table, find_version, quote_text, version_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from azure.data.tables import TableEntity

_Record = TypeVar("_Record")

# So many rows are read one by one; more come together with those between them.
_FEW = 4


class Records(Generic[_Record]):
    """What a table's rows hold. Safe to use from many threads.

    Args:
        table: Where the rows are.
        read: Returns the record that a row of some version holds.
        most_kept: How many records are kept at most; with 0, each row is read whenever it is found.
    """

    def __init__(
        self, table: Table, read: Callable[[Mapping[str, Any], str], _Record], *, most_kept: int = 0
    ) -> None:
        self._table, self._read, self._most_kept = table, read, most_kept
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, str], tuple[str, _Record]] = OrderedDict()

    def find(self, condition: str, *, limit: int | None = None) -> Iterator[_Record]:
        """Yield the records whose rows meet a condition, which names one partition, by key.

        What is removed while it is looked up, or then meets the condition no more, may be missing.
        """
        if self._most_kept:
            return self._find_by_version(condition, limit)
        rows = self._table.query(condition, limit=limit)
        return (self._read(row, version_of(row)) for row in rows)

    def _find_by_version(self, condition: str, limit: int | None) -> Iterator[_Record]:
        listed = self._table.query(condition, limit=limit, select=KEYS_ONLY)
        while page := list(islice(listed, PAGE_LIMIT)):
            found = self._recall(page)
            changed = [row["RowKey"] for row in page if row["RowKey"] not in found]
            for narrowed in _narrow(condition, changed):
                found |= self._look_up(narrowed)
            yield from (found[row["RowKey"]] for row in page if row["RowKey"] in found)

    def _recall(self, page: Iterable[TableEntity]) -> dict[str, _Record]:
        """Return by their keys the records that are kept of these rows, in these versions."""
        recalled = {}
        with self._lock:
            for row in page:
                key = row["PartitionKey"], row["RowKey"]
                version, record = self._kept.get(key, ("", None))
                if record is not None and version == find_version(row):
                    recalled[row["RowKey"]] = record
                    self._kept.move_to_end(key)
        return recalled

    def _look_up(self, condition: str) -> dict[str, _Record]:
        """Return by their keys the records whose rows meet a condition, and keep them."""
        rows = list(self._table.query(condition))
        records = {row["RowKey"]: self._read(row, version_of(row)) for row in rows}
        with self._lock:
            for row in rows:
                key = row["PartitionKey"], row["RowKey"]
                self._kept[key] = version_of(row), records[row["RowKey"]]
                self._kept.move_to_end(key)
            while len(self._kept) > self._most_kept:
                self._kept.popitem(last=False)
        return records


def _narrow(condition: str, keys: list[str]) -> list[str]:
    """Return conditions that find the rows of these keys, which are in order, as far as they meet the given one."""
    if len(keys) <= _FEW:
        return [f"{condition} and RowKey eq {quote_text(key)}" for key in keys]
    return [f"{condition} and RowKey ge {quote_text(keys[0])} and RowKey le {quote_text(keys[-1])}"]
