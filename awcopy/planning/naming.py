r"""Which blob an object becomes, and which names Azure would not keep as they are.

Azure resolves ``.`` and ``..`` segments, drops dots at a segment's end and turns ``\`` into ``/``, all silently,
so that such a name lands on another blob. It refuses control characters and what is too long, and its
listings cannot carry U+FFFE and U+FFFF as they are. Accounts with a hierarchical namespace have real directories,
whose names cannot be empty: there ``a//b`` is ``a/b``.

Source: learn.microsoft.com, "Naming and referencing containers, blobs, and metadata"; the aliasing was
seen on the live service (Azure/azure-sdk-for-rust issue 5275).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from awcopy.model.spec import NamePolicy, Versions
from awcopy.planning.versions import versioned_key

if TYPE_CHECKING:
    from awcopy.model.objects import SourceObject
    from awcopy.model.spec import JobSpec

MAX_NAME_CHARACTERS = 1024
MAX_NAME_SEGMENTS = 254
# The code points that a list answer cannot carry as they are; and with them C0, DEL and C1 controls.
_UNLISTABLE = "\ufffe\uffff"
_CONTROLS = f"\x00-\x1f\x7f-\x9f{_UNLISTABLE}"
_CONTROL = re.compile(f"[{_CONTROLS}]")
# Bytes of a key that are no UTF-8 are held as these, which only some S3-compatible servers can give.
_NOT_UTF8 = re.compile("[\ud800-\udfff]")
# What the encoding can produce after its "%", and nothing else; in capitals, as it is written.
_CODES = "[01][0-9A-F]|25|2E|5C|7F|C2%[89][0-9A-F]|EF%BF%B[EF]"
_ODD = rf"[{_CONTROLS}\\]|\.+(?=/|\Z)"
# The slashes beside an empty segment, as far as others are left that part all segments.
_SURPLUS = r"(?<=/)/|\A/|/\Z"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rules:
    is_encoded: re.Pattern[str]
    to_encode: re.Pattern[str]


def _rules(codes: str, odd: str) -> _Rules:
    # A "%" that is there already is encoded only where it would be taken for the encoding.
    return _Rules(is_encoded=re.compile(f"%(?:{codes})"), to_encode=re.compile(f"{odd}|%(?={codes})"))


_FLAT = _rules(_CODES, _ODD)
_WITH_DIRECTORIES = _rules(f"{_CODES}|2F", f"{_ODD}|{_SURPLUS}")


def blob_of(spec: JobSpec, obj: SourceObject) -> str:
    """Return the blob that a listed object becomes; injective for all objects of one job, versions included."""
    return blob_name(spec, key_in_name(spec, obj))


def key_in_name(spec: JobSpec, obj: SourceObject) -> str:
    """Return the key that the blob's name is made of: the object's own, but of an older version."""
    return versioned_key(obj) if spec.versions is Versions.ALL else obj.key


def blob_name(spec: JobSpec, key: str) -> str:
    """Return the blob that a key's object becomes: the sink's prefix, then the key below the source's folder.

    The source's folder is its prefix up to and including the last ``/``; so ``data/`` and ``data/rep``
    both turn ``data/report.csv`` into ``report.csv``. Where the job says so, what Azure would not keep is
    encoded. Injective for the keys of one job, either way.
    """
    name = _below_folder(spec, key)
    if spec.names is NamePolicy.ENCODE:
        name = encode_blob_name(name, has_directories=spec.sink.has_directories)
    return spec.sink.prefix + name


def key_of(spec: JobSpec, name: str) -> str:
    """Return what the name is made of, which lies under the sink's prefix: a key, or what ``key_in_name`` returns."""
    below = name.removeprefix(spec.sink.prefix)
    folder = spec.source.prefix[: spec.source.prefix.rfind("/") + 1]
    if spec.names is NamePolicy.ENCODE:
        below = decode_blob_name(below, has_directories=spec.sink.has_directories)
    return folder + below


def is_renamed(spec: JobSpec, key: str, blob: str) -> bool:
    """Return whether the blob bears another name than the key's own, because that one had to be encoded."""
    return spec.names is NamePolicy.ENCODE and blob != spec.sink.prefix + _below_folder(spec, key)


def encode_blob_name(name: str, *, has_directories: bool = False) -> str:
    r"""Return the name with exactly what Azure would not keep as ``%XX`` of its UTF-8 bytes.

    That is: all dots at a segment's end, ``\``, control characters, U+FFFE and U+FFFF; and, so that no two
    names meet, each ``%`` that begins what looks like one of these. All else stays, ``%2F`` for example; but
    where the account has directories, slashes beside an empty segment are encoded too. Injective;
    ``decode_blob_name`` tells the name back.
    """
    rules = _WITH_DIRECTORIES if has_directories else _FLAT
    return rules.to_encode.sub(_percent, name)


def decode_blob_name(name: str, *, has_directories: bool = False) -> str:
    """Return the name that ``encode_blob_name`` was given."""
    rules = _WITH_DIRECTORIES if has_directories else _FLAT
    return rules.is_encoded.sub(lambda match: unquote(match[0]), name)


def is_utf8(text: str) -> bool:
    """Return whether UTF-8 can carry a key, or a part of one."""
    return not _NOT_UTF8.search(text)


def name_problem(name: str, *, has_directories: bool = False) -> str:  # noqa: PLR0911 - a list of rules
    """Return why Azure would not keep this blob name as it is, or nothing when it would."""
    if not name:
        return "the name is empty"
    if len(name) > MAX_NAME_CHARACTERS:
        return f"the name has more than {MAX_NAME_CHARACTERS} characters"
    if name.count("/") >= MAX_NAME_SEGMENTS:
        return f"the name has more than {MAX_NAME_SEGMENTS} path segments"
    if not is_utf8(name):
        return "the name is not valid UTF-8"
    if "\\" in name:
        return "the name has a backslash, which Azure turns into a slash"
    if found := _CONTROL.search(name):
        if found[0] in _UNLISTABLE:
            return "the name has U+FFFE or U+FFFF, which Azure's listings cannot carry"
        return "the name has a control character"
    if name.endswith(".") or "./" in name:
        return "a path segment of the name ends in a dot, which Azure drops"
    if has_directories and "" in name.split("/"):
        return "a path segment of the name is empty, and the account's directories have names"
    return ""


def _below_folder(spec: JobSpec, key: str) -> str:
    folder = spec.source.prefix.rpartition("/")
    return key[len(folder[0] + folder[1]) :]


def _percent(match: re.Match[str]) -> str:
    return "".join([f"%{byte:02X}" for byte in match[0].encode()])
