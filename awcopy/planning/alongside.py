"""Reading a sink's listing beside a source's, one page of it at a time, as far as names are asked for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from awcopy.model.spec import NamePolicy
from awcopy.planning.naming import blob_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from awcopy.model.objects import BlobHead
    from awcopy.model.spec import JobSpec

    # From a token, the blobs of the page and the token of the next one.
    Fetch = Callable[[str], tuple[Sequence[BlobHead], str]]

# From here on the order of UTF-16, in which some servers list, is not that of UTF-8, in which S3 does.
_ORDERED_OTHERWISE = re.compile("[\ud800-\U0010ffff]")


def sink_prefix(spec: JobSpec) -> str:
    """Return how the names of all blobs begin that an object under the source's prefix could become."""
    # The end of an encoded prefix need not be the beginning of an encoded name.
    return blob_name(spec, spec.source.prefix) if spec.names is NamePolicy.FAIL else spec.sink.prefix


class Alongside:
    """The blobs that are there, by names that are mostly asked for in the order in which they are listed.

    What is found is so. That nothing is found says something only as long as both sides are in one order.

    Args:
        fetch: Returns a page of the sink's listing by its token; the first page has the token "".
        is_ordered: Whether the sink is expected to list by its names' characters.
        on_passed: Is given each blob that no name asked for, once.
        token: Of the page at which to begin.
        after: Blobs up to and including this name are passed over.
    """

    def __init__(
        self,
        fetch: Fetch,
        *,
        is_ordered: bool = True,
        on_passed: Callable[[BlobHead], None] | None = None,
        token: str = "",
        after: str = "",
    ) -> None:
        self._fetch = fetch
        self._is_ordered = is_ordered
        self._on_passed = on_passed
        self._page: Sequence[BlobHead] = ()
        self._index = 0
        self._token, self._next_token = token, token
        self._has_more = True
        self._asked = self._seen = ""
        self._joined = after

    @property
    def token(self) -> str:
        """The token of the page in which the join stands."""
        return self._token

    @property
    def joined(self) -> str:
        """The name up to which blobs are joined."""
        return self._joined

    def find(self, name: str) -> BlobHead | None:
        """Return the blob of that name, if the listing comes to it at its place."""
        if name <= self._asked:
            return None
        self._asked = name
        while (at := self._at()) is not None and at.name < name:
            self._pass(at)
        if at is None or at.name != name:
            return None
        self._index += 1
        self._joined = name
        return at

    def tells(self, name: str, found: BlobHead | None) -> bool:
        """Return whether what ``find`` gave for a name is all that there is to know; else it is looked at by itself."""
        if not self._is_ordered or name != self._asked or _ORDERED_OTHERWISE.search(name):
            return False
        # The metadata of a blob under a customer's key is not listed.
        return not (found and found.key_sha256)

    def pass_some(self, most: int) -> bool:
        """Pass over at most so many of the blobs that are left; return whether there may be more."""
        for _ in range(most):
            at = self._at()
            if at is None:
                return False
            self._pass(at)
        return True

    def _pass(self, blob: BlobHead) -> None:
        self._index += 1
        if blob.name <= self._joined:
            return  # this listing was begun before the place where the join stands
        self._joined = blob.name
        if self._on_passed:
            self._on_passed(blob)

    def _at(self) -> BlobHead | None:
        while self._index >= len(self._page):
            if not self._has_more:
                return None
            self._token = self._next_token
            self._page, self._next_token = self._fetch(self._token)
            self._index, self._has_more = 0, bool(self._next_token)
            for blob in self._page:
                if blob.name <= self._seen:
                    self._is_ordered = False
                self._seen = blob.name
        return self._page[self._index]
