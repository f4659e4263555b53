"""The two sides of a comparison as streams of names in order, each page fetched while the one before is used."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from awcopy.compare.sorting import sort_entries
from awcopy.model.spec import NamePolicy, Versions
from awcopy.planning.alongside import sink_prefix
from awcopy.planning.naming import blob_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from awcopy.model.objects import BlobHead, SourceObject
    from awcopy.model.spec import JobSpec
    from awcopy.sink.base import Sink
    from awcopy.source.base import Source
    from awcopy.transfer.retry import Retrier

T = TypeVar("T")

_KEPT_METADATA = ("awcopy_", "hdi_isfolder")


def list_source(
    source: Source, spec: JobSpec, retrier: Retrier
) -> Generator[tuple[str, SourceObject], None, None]:
    """Yield every object under the source's prefix with the name of the blob that it becomes, by that name.

    Where the spec says so, every version of each. Amazon lists in order. Of other servers that is not known, and
    encoded names, and those of versions, have an order of their own: such a listing is sorted first.
    """
    prefix, takes_all = spec.source.prefix, spec.versions is Versions.ALL
    list_some = source.list_versions if takes_all else source.list_page

    def fetch(token: str) -> tuple[tuple[SourceObject, ...], str]:
        page = retrier.call(lambda: list_some(prefix, token=token))
        return page.objects, page.token

    entries = ((blob_of(spec, obj), obj) for obj in _all_pages(fetch))
    is_sorted = not spec.source.endpoint_url and spec.names is NamePolicy.FAIL and not takes_all
    return entries if is_sorted else sort_entries(entries)


def list_sink(sink: Sink, spec: JobSpec, retrier: Retrier) -> Generator[tuple[str, BlobHead], None, None]:
    """Yield every blob that an object under the source's prefix could become, by name.

    Azure lists in order, by all that is known. Of other servers that is not known, nor of accounts with
    directories, which may list folder by folder: their listing is sorted first.
    """
    prefix = sink_prefix(spec)

    def fetch(token: str) -> tuple[tuple[BlobHead, ...], str]:
        page = retrier.call(lambda: sink.list_page(prefix, token=token))
        return page.blobs, page.token

    blobs = _all_pages(fetch)
    if not spec.sink.endpoint_url and not spec.sink.has_directories:
        return ((blob.name, blob) for blob in blobs)
    return sort_entries((blob.name, _shortened(blob)) for blob in blobs)


def _shortened(blob: BlobHead) -> BlobHead:
    """Return the blob with the metadata that a comparison looks at; the rest may be long."""
    kept = {name: value for name, value in blob.metadata.items() if name.startswith(_KEPT_METADATA)}
    return replace(blob, metadata=kept)


def _all_pages(fetch: Callable[[str], tuple[tuple[T, ...], str]]) -> Iterator[T]:
    with ThreadPoolExecutor(1, thread_name_prefix="listing") as pool:
        coming = pool.submit(fetch, "")
        while True:
            entries, token = coming.result()
            if token:
                coming = pool.submit(fetch, token)
            yield from entries
            if not token:
                return
