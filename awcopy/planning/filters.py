"""Which listed objects a job takes."""

from __future__ import annotations

import fnmatch
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from awcopy.model.job import Selection
    from awcopy.model.objects import SourceObject


def compile_selection(selection: Selection, prefix: str) -> Callable[[SourceObject], bool]:
    """Return a test for one object; what is not asked about costs nothing.

    Globs look at the key after the source's folder (its prefix up to the last ``/``): one without ``/`` at
    the last path segment, one with ``/`` at the whole rest. ``*`` matches ``/`` too.
    """
    cut = prefix.rfind("/") + 1
    tests: list[Callable[[SourceObject], bool]] = []
    if not selection.recursive:
        tests.append(lambda obj: "/" not in obj.key[len(prefix) :].rstrip("/"))
    tests += _bounds(selection)
    if selection.include:
        includes = [_glob(pattern, cut) for pattern in selection.include]
        tests.append(lambda obj: any(matches(obj.key) for matches in includes))
    if selection.exclude:
        excludes = [_glob(pattern, cut) for pattern in selection.exclude]
        tests.append(lambda obj: not any(matches(obj.key) for matches in excludes))
    return lambda obj: all(test(obj) for test in tests)


def _bounds(selection: Selection) -> list[Callable[[SourceObject], bool]]:
    tests: list[Callable[[SourceObject], bool]] = []
    newer, older = selection.newer_than, selection.older_than
    smallest, largest = selection.min_size_bytes, selection.max_size_bytes
    if newer is not None:
        tests.append(lambda obj: obj.modified_at > newer)
    if older is not None:
        tests.append(lambda obj: obj.modified_at < older)
    if smallest is not None:
        tests.append(lambda obj: obj.size_bytes >= smallest)
    if largest is not None:
        tests.append(lambda obj: obj.size_bytes <= largest)
    return tests


def _glob(pattern: str, cut: int) -> Callable[[str], bool]:
    matches = re.compile(fnmatch.translate(pattern)).match
    if "/" in pattern:
        return lambda key: matches(key, cut) is not None
    return lambda key: matches(key, max(cut, key.rfind("/") + 1)) is not None
