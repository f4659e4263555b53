"""Which way the bytes of an object may take: from store to store, or through a worker. Nothing is asked here."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from awcopy.model.outcome import Route
from awcopy.units import MIB

if TYPE_CHECKING:
    from collections.abc import Callable

    from awcopy.model.objects import SourceObject
    from awcopy.model.spec import JobSpec

# Below this, streaming is cheaper on every count: one request each to source and sink where the server-side
# way takes one and two, one write that is billed where that takes two, and no more CPU of ours.
SMALLEST_BYTES = MIB

# learn.microsoft.com, "Put Block From URL": x-ms-copy-source is at most 2 KiB long.
LONGEST_URL = 2048

_PRIVATE_LINK = (".vpce.amazonaws.com", ".vpce.amazonaws.com.cn")  # reached from within one VPC only


def may_copy_server_side(spec: JobSpec) -> bool:
    """Return whether a job copies server-side at all, as far as its specification tells.

    By itself only from Amazon: it is what Azure is known to read from, its answers to GET agree with those to
    HEAD at once, and it keeps the CRC-64 that proves the copy. A store at another endpoint may have none of
    that, or lie where Azure cannot reach it; who knows better says ``--route server``.
    """
    if spec.route is Route.AUTO:
        host = urlsplit(spec.source.endpoint_url).hostname or ""
        return spec.source.is_amazon and not host.endswith(_PRIVATE_LINK)
    return spec.route is Route.SERVER


def why_streamed(route: Route, obj: SourceObject, presign: Callable[[SourceObject], str]) -> str:
    """Return why this object cannot, or by itself should not, be copied server-side; empty when it can.

    Args:
        route: What was asked for.
        obj: The object, which is not empty.
        presign: Makes its signed URL; empty if it can have none.
    """
    if route is Route.AUTO and obj.size_bytes < SMALLEST_BYTES:
        return "it is small"
    url = presign(obj)
    if not url:
        return "no signed URL can read it"
    if len(url) > LONGEST_URL:
        return f"its signed URL has more than the {LONGEST_URL} characters that Azure takes"
    if any(not segment.strip(".") or segment.endswith(".") for segment in obj.key.split("/") if segment):
        # Azure's own rewriting of names would make it ask for another key.
        return 'a part of its key is "." or "..", or ends with a dot'
    return ""
