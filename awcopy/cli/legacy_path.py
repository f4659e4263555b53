"""What ``path:`` means on a command line of 2015: a key, a prefix, a wildcard, or a regular expression."""

from __future__ import annotations

import re
from dataclasses import dataclass

from awcopy.planning.filters import check_regex

_EVERYTHING = {"*", "*.*"}
# What no wildcard and hardly a key holds: a key with one of these has to be quoted by backslashes.
_REGEX_SIGNS = re.compile(
    r"^\^"  # anchored in front
    r"|\\[.dwsDWSbBAzpP\[\](){}*+?|^$/\\-]"  # a class, or a sign that is quoted
    r"|(?:^|/)\.[*+]"  # anything, where no file's name is before the dot
    r"|\.\+|\.\{"
    r"|[\])](?:[*+?]|\{\d)"  # repeated
    r"|\((?:[^()]*\||\?)"  # one of several
)
_SIGNS = set("\\.^$*+?{}[]()|")
_REPEATS = set("*+?{")


@dataclass(frozen=True, slots=True, kw_only=True)
class LegacyPath:
    """A path as today's command line says it."""

    folder: str  # becomes the sink's prefix too, so that a blob's name is the whole key, as it was in 2015
    prefix: str  # to list
    pattern: str = ""  # of the rest of the key
    is_regex: bool = False

    @property
    def filters(self) -> list[str]:
        """The options that keep other keys out."""
        if not self.pattern:
            return []
        return ["--include-regex" if self.is_regex else "--include", self.pattern]


def check_path(text: str) -> str:
    """Return the path if it can be read.

    Raises:
        UsageError: It looks like a regular expression, and is none.
    """
    return check_regex(text) if is_regex(text) else text


def is_regex(text: str) -> bool:
    """Return whether a path can only be meant as a regular expression."""
    return text not in _EVERYTHING and _REGEX_SIGNS.search(text) is not None


def read_path(text: str, *, recursive: bool) -> LegacyPath:
    """Return what a path means; ``recursive`` (/S) makes a prefix of what is otherwise one key."""
    if is_regex(text):
        return _read_regex(text)
    first_wildcard = min((found for mark in "*?" if (found := text.find(mark)) >= 0), default=len(text))
    folder = text[: text.rfind("/", 0, first_wildcard) + 1]
    rest = text[len(folder) :]
    if rest in _EVERYTHING:
        return LegacyPath(folder=folder, prefix=folder)
    if first_wildcard < len(text):
        return LegacyPath(folder=folder, prefix=folder, pattern=_quote_glob(rest))
    # Without a wildcard it is a prefix with /S, else one key: the glob keeps longer ones out.
    return LegacyPath(folder=folder, prefix=text, pattern="" if recursive or not rest else _quote_glob(rest))


def _read_regex(text: str) -> LegacyPath:
    """Return the folders in front, in which nothing has a meaning, and the expression for the rest of a key."""
    bare = text.removeprefix("^")
    plain = next((place for place, sign in enumerate(bare) if sign in _SIGNS), len(bare))
    if plain < len(bare) and bare[plain] in _REPEATS:
        plain -= 1  # what is repeated is the sign before
    folder = "" if _has_choice_outside(bare) else bare[: bare.rfind("/", 0, max(plain, 0)) + 1]
    return LegacyPath(folder=folder, prefix=folder, pattern=bare[len(folder) :], is_regex=True)


def _has_choice_outside(text: str) -> bool:
    """Return whether ``|`` stands outside all brackets, so that the folders in front belong to one choice only."""
    depth, in_class, quoted = 0, False, False
    for sign in text:
        if quoted:
            quoted = False
        elif sign == "\\":
            quoted = True
        elif in_class:
            in_class = sign != "]"
        elif sign == "[":
            in_class = True
        elif sign == "|" and depth == 0:
            return True
        else:
            depth += (sign == "(") - (sign == ")")
    return False


def _quote_glob(text: str) -> str:
    """Return the text as a glob in which only ``*`` and ``?`` have a meaning, as in 2015."""
    return text.replace("[", "[[]")
