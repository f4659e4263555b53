"""How older versions of an object are named beside it, and how such a name is told from a key that looks like one.

``a/photo.jpg`` of 1 May 2024 becomes ``a/photo-v2024-05-01-093000-000-ID.jpg``: the date in the form in which rclone
writes it, before the extension, and the version's id, so that no two versions meet. What blobs are named for any key
is decided in ``naming``, after this.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from awcopy.model.objects import SourceObject

# An id is written without "-v", so that only one place of a name can begin the mark.
_MARK = r"-v(\d{4}-\d\d-\d\d-\d{6}-\d{3})-((?:[0-9A-Za-z_~]|-(?!v))+)"
_LOOKS_OLDER = re.compile(rf".*{_MARK}\Z", re.DOTALL | re.ASCII)
# A current key that looks like that gets one more "-v", and so does one that looks as if it had got it.
_LOOKS_MARKED = re.compile(rf".*{_MARK}(?:-v)*\Z", re.DOTALL | re.ASCII)
_ESCAPE = "-v"
_NOT_IN_IDS = re.compile(r"[^0-9A-Za-z_-]|-(?=v)|-\Z", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What a name says: the key, and of an older version its date and its id."""

    key: str
    version_id: str = ""
    modified: str = ""  # as it stands in the name


def versioned_key(obj: SourceObject) -> str:
    """Return the key under which a version is kept, where all of them are: the key's own for the current one.

    Injective over all versions of all keys; ``read_versioned_key`` tells both back. The last ``/`` stays where it is.
    """
    folder, stem, extension = _split(obj.key)
    if obj.is_latest and not obj.is_delete_marker:
        mark = _ESCAPE if _LOOKS_MARKED.match(stem) else ""
    else:
        at = obj.modified_at.astimezone(UTC)
        date = f"{at:%Y-%m-%d-%H%M%S}-{at.microsecond // 1000:03d}"
        mark = f"-v{date}-{_NOT_IN_IDS.sub(_escape, obj.version_id)}"
    return f"{folder}{stem}{mark}{extension}"


def read_versioned_key(name: str) -> Named:
    """Return what ``versioned_key`` was given."""
    folder, stem, extension = _split(name)
    if found := _LOOKS_OLDER.match(stem):
        key = f"{folder}{stem[: found.start(1) - len(_ESCAPE)]}{extension}"
        return Named(key=key, version_id=unquote(found[2].replace("~", "%")), modified=found[1])
    if _LOOKS_MARKED.match(stem):
        return Named(key=f"{folder}{stem.removesuffix(_ESCAPE)}{extension}")
    return Named(key=name)


def _split(key: str) -> tuple[str, str, str]:
    """Return the folder, the name in it, and the extension, which begins at the last dot but not with the name."""
    cut = key.rfind("/") + 1
    dot = key.rfind(".", cut + 1)
    return (key[:cut], key[cut:dot], key[dot:]) if dot > 0 else (key[:cut], key[cut:], "")


def _escape(match: re.Match[str]) -> str:
    return "".join([f"~{byte:02X}" for byte in match[0].encode()])
