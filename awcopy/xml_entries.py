"""Reads what the XML of a listing repeats thousands of times: its entries, as texts by name. Knows no store.

A parser makes objects of all elements, most of which nobody asks for; for a sync that finds nothing changed, that
costs more than all else. So the tags of an entry become a pattern, which reads the entries after it that have the
same tags. A pattern takes only what every parser reads alike: plain tags that close in their order, and texts
between them. A page in which anything else stands is the parser's, as a whole.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import TypeVar

from awcopy.errors import ServerFault

_T = TypeVar("_T")
# Texts by their names, by the name of the element that holds them: "" for the entry itself. An attribute of a text
# is one as well, named as in ``Name@Encoded``.
Entry = Mapping[str, Mapping[str, str]]
# Tells of a text, by the element that holds it and its own name, under which name it is kept; None: not at all.
Keep = Callable[[str, str], str | None]
# Returns a document's root and what its elements' names begin with, in braces if anything; raises ``ServerFault``.
Parse = Callable[[bytes], tuple[ET.Element, str]]
# Returns what makes a record of an entry, from the same.
Reader = Callable[[ET.Element, str], Callable[[Entry], _T]]

# With more of them in one page than this, trying one after the other costs what a parser does.
_MOST_FORMS = 12
# No store's entries come near these; to make a pattern of what does would cost more than to parse it.
_DEEPEST, _MOST_PARTS, _LONGEST = 8, 400, 64 * 1024

_NAME = "[A-Za-z_][A-Za-z0-9_.-]*"
_BLANKS = "[ \t\n]*"
# Without the characters that a parser refuses, or, as the carriage return, changes; and without "]]>".
_TEXT = "[^<>\0-\x08\x0b-\x1f\ufffe\uffff]*"
_UNESCAPED = _TEXT.replace(">", ">&")
_PART = re.compile(
    rf"<(?P<leaf>{_NAME})(?:>{_TEXT}</(?P=leaf)>| ?/>)"
    rf"|<(?P<opening>{_NAME})>|</(?P<closing>{_NAME})>|(?P<blanks>[ \t\n]+)"
)
_DECLARATION = re.compile(
    "\ufeff?(?:<\\?xml version=[\"']1.0[\"'](?: encoding=[\"']utf-8[\"'])?"
    "(?: standalone=[\"'](?:yes|no)[\"'])? ?\\?>)?",
    re.IGNORECASE,
)
_MARKUP = re.compile("<[!?]")  # comments, instructions, sections, document types


def read_entries(
    body: bytes, path: str, keep: Keep, parse: Parse, reader: Reader[_T]
) -> tuple[ET.Element, str, tuple[_T, ...]]:
    """Return a page's root, what its elements' names begin with, and its entries, in the page's order.

    Args:
        body: The whole document.
        path: Where entries stand below the root: ``Contents``, ``Blobs/Blob``.
        keep: Which of their texts are wanted. Elements that hold elements themselves hold no text.
        parse: Parses a document, which is the page, or what of it is not entries with an empty one in their place.
        reader: What makes a record of each entry.
    """
    # What the page without its entries is refused for need not be so of the page.
    with suppress(_NotPlain, ET.ParseError, ServerFault):
        page = _find_entries(body, path.rpartition("/")[2])
        root, space = parse(page.frame)
        # They might be no entries where they stand, or others stand elsewhere.
        if root.find(_in_space(path, space)) is not None and _count(root, f"{space}{page.name}") == 1:
            return root, space, page.read(keep, reader(root, space))
    root, space = parse(body)
    read = reader(root, space)
    entries = root.iterfind(_in_space(path, space))
    return root, space, tuple([read(read_parsed(entry, space, keep)) for entry in entries])


class _NotPlain(Exception):
    """Something stands in the page that only a parser can read."""


@dataclass(frozen=True, slots=True)
class _Form:
    """What entries with the same tags have in common."""

    pattern: re.Pattern[str]
    # What holds them, the names that they are kept under, and their places among the texts of the pattern.
    kept: Sequence[tuple[str, Sequence[tuple[str, int]]]]

    def read(self, match: re.Match[str]) -> Entry:
        texts: Sequence[str] = match.groups("")
        if match.string.find("&", match.start(), match.end()) >= 0:
            texts = [_unescape(text) if "&" in text else text for text in texts]
        return {holder: {name: texts[place] for name, place in names} for holder, names in self.kept}


@dataclass(frozen=True, slots=True)
class _Page:
    """A page whose entries stand, if they are plain, between two places of its text."""

    text: str
    begin: int
    end: int
    name: str

    @property
    def frame(self) -> bytes:
        return f"{self.text[: self.begin]}<{self.name}/>{self.text[self.end :]}".encode()

    def read(self, keep: Keep, read: Callable[[Entry], _T]) -> tuple[_T, ...]:
        """Return the records of the entries; raises ``_NotPlain`` or ``ParseError`` if a parser has to read them."""
        records: list[_T] = []
        forms: list[_Form] = []
        at = self.begin
        while at < self.end:
            for form in forms:
                if match := form.pattern.match(self.text, at):
                    records.append(read(form.read(match)))
                    at = match.end()
                    break
            else:
                if len(forms) == _MOST_FORMS:
                    raise _NotPlain
                forms.append(_learn(self.text, at, self.name, keep))
        return tuple(records)


def _find_entries(body: bytes, name: str) -> _Page:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise _NotPlain from None
    last = f"</{name}>"
    begin, end = text.find(f"<{name}>"), text.rfind(last) + len(last)
    declared = _DECLARATION.match(text)
    # What looks like an entry may be in a comment, and there may be another encoding.
    if not declared or not 0 <= begin < end or _MARKUP.search(text, declared.end(), begin):
        raise _NotPlain
    return _Page(text, begin, end, name)


def _learn(text: str, at: int, entry: str, keep: Keep) -> _Form:
    """Return the form of the entry there, which its pattern matches; raises ``_NotPlain`` if there is none."""
    begun = re.compile(f"{_BLANKS}<{entry}>").match(text, at)
    if not begun:
        raise _NotPlain
    end, at = at + _LONGEST, begun.end()
    pattern, opened = [begun.re.pattern], [entry]
    kept: dict[str, list[tuple[str, int]]] = {}
    holders: set[str] = set()
    places = count()
    while opened:
        is_usual = len(opened) <= _DEEPEST and len(pattern) <= _MOST_PARTS
        part = _PART.match(text, at, end) if is_usual else None
        if not part:
            raise _NotPlain
        at = part.end()
        if leaf := part["leaf"]:
            holder = "/".join(opened[1:])
            known = keep(holder, leaf)
            if known is not None:
                kept.setdefault(holder, []).append((known, next(places)))
            elif "&" in part[0]:
                raise _NotPlain
            pattern.append(_leaf(leaf, _UNESCAPED if known is None else f"({_TEXT})"))
            continue
        pattern.append(re.escape(part[0]))
        if opening := part["opening"]:
            opened.append(opening)
            holder = "/".join(opened[1:])
            if holder in holders:
                raise _NotPlain
            holders.add(holder)
        elif (closing := part["closing"]) and opened.pop() != closing:
            raise _NotPlain
    return _Form(re.compile("".join(pattern)), list(kept.items()))


def _leaf(name: str, inner: str) -> str:
    name = re.escape(name)
    return f"<{name}(?:>{inner}</{name}>| ?/>)"


def _unescape(text: str) -> str:
    """Return what a parser makes of a text; raises ``ParseError`` where a "&" begins nothing."""
    plain = text.replace("&quot;", '"')  # as around S3's ETags
    return plain if "&" not in plain else ET.fromstring(f"<t>{text}</t>").text or ""  # noqa: S314 - no document type, so there are no entities to expand


def read_parsed(entry: ET.Element, space: str, keep: Keep) -> Entry:
    """Return what is kept of an entry that was parsed; of elements of one name that hold others, the first's.

    What lies deeper than any store's entries is passed over.
    """
    kept: dict[str, dict[str, str]] = {}
    holders: set[str] = set()

    def read(element: ET.Element, holder: str) -> None:
        if holder in holders:
            return
        holders.add(holder)
        for child in element:
            name = child.tag.removeprefix(space)
            if len(child) and holder.count("/") < _DEEPEST:
                read(child, f"{holder}/{name}" if holder else name)
            elif not len(child) and (known := keep(holder, name)) is not None:
                texts = kept.setdefault(holder, {})
                texts[known] = child.text or ""
                texts.update({f"{known}@{attribute}": value for attribute, value in child.items()})

    read(entry, "")
    return kept


def _count(root: ET.Element, tag: str) -> int:
    return sum(1 for _ in root.iter(tag))


def _in_space(path: str, space: str) -> str:
    return "/".join([f"{space}{name}" for name in path.split("/")])
