"""Tags of objects as index tags of blobs, which take fewer characters. Reads and writes none."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

from awcopy.errors import TagsNotAllowed
from awcopy.model.spec import MetadataPolicy

if TYPE_CHECKING:
    from collections.abc import Mapping

# Source: learn.microsoft.com, "Manage and find data with blob index tags"; the header's length is AzCopy's limit.
MAX_TAGS: Final = 10
MAX_TAG_NAME: Final = 128
MAX_TAG_VALUE: Final = 256
MAX_TAGS_HEADER: Final = 2000

_PLAIN = r"A-Za-z0-9 +\-./:=_"
_NOT_PLAIN = re.compile(f"[^{_PLAIN}]")
# Also each "_" that would begin an escape once the character after the digits is written.
_NOT_IN_TAGS = re.compile(rf"[^{_PLAIN}]|_(?=x[0-9a-f]+(?:_|[^{_PLAIN}]))")


def fit_tags(tags: Mapping[str, str], policy: MetadataPolicy) -> tuple[dict[str, str], list[str]]:
    """Return an object's tags as Azure takes them, and what was done to them.

    Raises:
        TagsNotAllowed: They cannot be written, or not as they are where the policy wants that.
    """
    if not tags:
        return {}, []
    if policy is MetadataPolicy.EXCLUDE:
        return _fitting(tags)
    if policy is MetadataPolicy.FAIL:
        odd = sum(bool(_NOT_PLAIN.search(name + value)) for name, value in tags.items())
        if odd:
            message = f"tags with characters that Azure's index tags do not take: {odd}"
            raise TagsNotAllowed(f"{message}; --metadata rename writes them in others")
        renamed = dict(tags)
    else:
        renamed = {encode_tag(name): encode_tag(value) for name, value in tags.items()}
    changed = sum(renamed.get(name) != value for name, value in tags.items())
    kept, _ = _fitting(renamed)
    if len(kept) < len(renamed):
        raise TagsNotAllowed(
            f"its tags are more or longer than Azure takes: {MAX_TAGS} of {MAX_TAG_NAME} and {MAX_TAG_VALUE}"
            f" characters, together {MAX_TAGS_HEADER} when they are sent; --metadata exclude leaves out the rest"
        )
    return renamed, [f"tags_renamed: {changed}"] if changed else []


def encode_tag(text: str) -> str:
    """Return a tag's name or value in Azure's characters; injective: ``@`` becomes ``_x40_``, and so on."""
    return _NOT_IN_TAGS.sub(lambda match: f"_x{ord(match[0]):x}_", text)


def decode_tag(text: str) -> str:
    """Return the text that ``encode_tag`` was given."""
    return re.sub(r"_x([0-9a-f]+)_", lambda match: chr(int(match[1], 16)), text)


def write_tags(tags: Mapping[str, str]) -> str:
    """Return tags as a header carries them."""
    return urlencode(tags, quote_via=quote, safe="")


def _fitting(tags: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Return the tags that Azure takes as they are, as many as it takes, by name."""
    kept: dict[str, str] = {}
    for name, value in sorted(tags.items()):
        is_taken = (
            0 < len(name) <= MAX_TAG_NAME
            and len(value) <= MAX_TAG_VALUE
            and not _NOT_PLAIN.search(name + value)
            and len(kept) < MAX_TAGS
            and len(write_tags({**kept, name: value})) <= MAX_TAGS_HEADER
        )
        if is_taken:
            kept[name] = value
    lost = len(tags) - len(kept)
    return kept, [f"tags_excluded: {lost}"] if lost else []
