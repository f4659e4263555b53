"""Sorting a listing of any length in little memory, for stores that do not list in order."""

from __future__ import annotations

import heapq
import os
import pickle
from itertools import islice
from operator import itemgetter
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

T = TypeVar("T")

RUN_ENTRIES = 20_000  # sorted in memory at once: some 30 MB
_CHUNK_ENTRIES = 50  # of each run that are in memory while the runs are merged

_name_of = itemgetter(0)


def sort_entries(
    entries: Iterable[tuple[str, T]], *, run_entries: int = RUN_ENTRIES, chunk_entries: int = _CHUNK_ENTRIES
) -> Generator[tuple[str, T], None, None]:
    """Yield the entries in strictly rising order of their names; of equal names the first.

    What does not fit into one run goes to a temporary file without a name, some 300 bytes an entry.
    """
    todo = iter(entries)
    run = sorted(islice(todo, run_entries), key=_name_of)
    if len(run) < run_entries:
        yield from _without_repeats(run)
        return
    with TemporaryFile(prefix="awcopy-") as file:
        runs: list[list[tuple[int, int]]] = []
        while run:
            runs.append(
                [
                    _write(file.fileno(), run[at : at + chunk_entries])
                    for at in range(0, len(run), chunk_entries)
                ]
            )
            run = sorted(islice(todo, run_entries), key=_name_of)
        sorted_runs: list[Iterator[tuple[str, T]]] = [_read(file.fileno(), chunks) for chunks in runs]
        merged = heapq.merge(*sorted_runs, key=_name_of)
        yield from _without_repeats(merged)


def _write(file: int, entries: list[tuple[str, T]]) -> tuple[int, int]:
    packed = pickle.dumps(entries, pickle.HIGHEST_PROTOCOL)
    offset = os.lseek(file, 0, os.SEEK_END)
    with os.fdopen(file, "wb", closefd=False) as writer:
        writer.write(packed)
    return offset, len(packed)


def _read(file: int, chunks: list[tuple[int, int]]) -> Iterator[tuple[str, T]]:
    for offset, size_bytes in chunks:
        entries: list[tuple[str, T]] = pickle.loads(os.pread(file, size_bytes, offset))  # noqa: S301 - written above, to a file that nobody else can open
        yield from entries


def _without_repeats(entries: Iterable[tuple[str, T]]) -> Iterator[tuple[str, T]]:
    last = None
    for entry in entries:
        if entry[0] != last:
            yield entry
            last = entry[0]
