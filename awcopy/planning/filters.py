"""Which listed objects a job takes."""

from __future__ import annotations

import fnmatch
import re
from typing import TYPE_CHECKING, Any

from awcopy.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from awcopy.model.objects import SourceObject
    from awcopy.model.spec import Selection


def compile_selection(selection: Selection, prefix: str) -> Callable[[SourceObject], bool]:
    """Return a test for one object; what is not asked about costs nothing.

    Globs look at the key after the source's folder (its prefix up to the last ``/``): one without ``/`` at
    the last path segment, one with ``/`` at the whole rest. ``*`` matches ``/`` too. A regular expression has
    to match the whole rest. A key is taken that any of the included ones matches, and none of the excluded.
    """
    cut = prefix.rfind("/") + 1
    tests: list[Callable[[SourceObject], bool]] = []
    if not selection.recursive:
        tests.append(lambda obj: "/" not in obj.key[len(prefix) :].rstrip("/"))
    tests += _bounds(selection)
    includes = [_glob(pattern, cut) for pattern in selection.include]
    includes += [_regex(pattern, cut) for pattern in selection.include_regex]
    excludes = [_glob(pattern, cut) for pattern in selection.exclude]
    excludes += [_regex(pattern, cut) for pattern in selection.exclude_regex]
    if includes:
        tests.append(lambda obj: any(matches(obj.key) for matches in includes))
    if excludes:
        tests.append(lambda obj: not any(matches(obj.key) for matches in excludes))
    return (lambda obj: all(test(obj) for test in tests)) if tests else (lambda _obj: True)


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


def check_regex(pattern: str) -> str:
    """Return a regular expression that can be used: of RE2, whose time grows with the key's length alone.

    Raises:
        UsageError: It is none, or uses what only slower engines have (references back, looking around).
    """
    _compile(pattern)
    return pattern


def _regex(pattern: str, cut: int) -> Callable[[str], bool]:
    compiled = _compile(pattern)
    return lambda key: compiled.fullmatch(key[cut:]) is not None


def _compile(pattern: str) -> Any:  # noqa: ANN401 - RE2's, which has no types
    import re2  # noqa: PLC0415 - most jobs have no regular expression

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options=options)
    except re2.error as error:
        reason = error.args[0].decode() if isinstance(error.args[0], bytes) else str(error.args[0])
        raise UsageError(
            f"{pattern!r} is not a regular expression of RE2: {reason}",
            hint="https://github.com/google/re2/wiki/Syntax lists what there is",
        ) from None
