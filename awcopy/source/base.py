"""The port through which awcopy lists and reads a source; it decides nothing and retries nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from awcopy.model.objects import ObjectHead, SourceObject, Span


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPage:
    """One page of a listing, in the order in which the source gives it."""

    objects: tuple[SourceObject, ...]
    token: str = ""  # for the next page; empty on the last one


class Source(Protocol):
    """One bucket, read with one set of credentials. Safe to use from many threads.

    Every method raises the errors of :mod:`awcopy.errors` only: ``Throttled``, ``ConnectionLost`` or
    ``ServerFault`` when the same call may succeed later; ``StoreNotFound``, ``AccessDenied``,
    ``CredentialsRefused`` and the other permanent ones when it will not.
    """

    def probe(self, prefix: str) -> None:
        """Return when the bucket can be listed under the prefix; raise the reason when it cannot."""

    def list_page(self, prefix: str, *, after: str = "", token: str = "", limit: int = 1000) -> ListPage:
        """Return the next page of objects under a prefix, at most ``limit`` (1 to 1,000).

        Args:
            prefix: Only keys that start with it.
            after: Only keys above it in UTF-8 byte order; ignored when a token is given.
            token: The token of the page before.
            limit: Most objects in the page.
        """

    def list_versions(self, prefix: str, *, token: str = "", limit: int = 1000) -> ListPage:
        """Return the next page of all versions under a prefix, delete markers among them; else as ``list_page``.

        A key's versions stand together, newest first. Each has its ``version_id``: ``null`` where the bucket kept
        no versions when it was written. The token is a place in the listing, and does not expire.
        """

    def find_region(self) -> str:
        """Return the region that the bucket is in; empty where the source has no regions."""

    def head(self, key: str, *, version_id: str = "") -> ObjectHead:
        """Return what the headers of the object say now, or of that version of it.

        Raises:
            ObjectNotFound: There is no such object.
        """

    def read_tags(self, obj: SourceObject) -> Mapping[str, str]:
        """Return the object's tags, of its pinned version where there is one.

        Raises:
            ObjectNotFound: It is gone.
            TagsDenied: The credentials do not allow this.
        """

    def part_size(self, obj: SourceObject, number: int) -> int:
        """Return how many bytes one part of the pinned object has; 1 is the first part.

        Only asked where a checksum of parts says how many there are. What a store answers that does not tell
        parts apart is its own affair: the sum shows it.

        Raises:
            SourceChanged: The object is no longer the one that was listed.
            ObjectNotFound: It is gone.
        """

    def read_object(self, obj: SourceObject, into: memoryview) -> ObjectHead:
        """Fill ``into``, which is exactly as long as the object, and return what its headers say.

        Only the pinned content is read: by version where there is one, else by ETag.

        Raises:
            SourceChanged: The object is no longer the one that was listed.
            ObjectNotFound: It is gone.
            ObjectArchived: It must be restored first.
            IntegrityError: The answer was longer or shorter than the object.
        """

    def read_range(self, obj: SourceObject, span: Span, into: memoryview) -> None:
        """Fill ``into``, which is exactly as long as the span, with those bytes of the pinned object.

        A 200 in place of a 206 is taken when its Content-Range is the one asked for. Raises as
        :meth:`read_object` does.
        """

    def request_restore(self, obj: SourceObject, *, tier: str, days: int) -> None:
        """Ask for a copy of an archived object that can be read for some days; returns before it is there.

        May be called again while it is under way. An archive of Intelligent-Tiering is left for good.

        Args:
            obj: What the listing said of it.
            tier: ``Bulk``, ``Standard`` or ``Expedited``.
            days: How long the copy is kept, 1 or more.

        Raises:
            ObjectArchived: It is in no state to be restored, as one that can be read already.
            RequestRefused: Its class knows no such tier.
        """

    def presign(self, obj: SourceObject) -> str:
        """Return a URL from which anyone can read the object for an hour; empty when there can be none.

        Nothing is sent. The URL is a secret: it stands in no message, log or record. It names the object's
        version where that is known; otherwise it reads whatever the key holds by then.
        """

    def is_versioned(self) -> bool | None:
        """Return whether the bucket keeps the versions of what is deleted; None when it does not say."""

    def delete(self, key: str, *, etag: str) -> bool:
        """Delete the object if it still has this ETag; return whether only a marker was put over its versions.

        Some S3-compatible servers pass over the condition: look at the object first.

        Raises:
            SourceChanged: The object has another ETag, or, as some servers say it, is gone; it was not deleted.
            ObjectNotFound: It is gone.
            AccessDenied: The credentials, or a lock on the object, do not allow this.
        """

    def close(self) -> None:
        """Give up idle connections; the source can still be used afterwards."""
