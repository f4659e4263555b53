"""What is compared, and the names of both sides paired in order."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from awcopy.compare.listing import list_sink, list_source
from awcopy.errors import CredentialsRefused, StoreNotFound
from awcopy.model.objects import SourceObject
from awcopy.model.spec import Versions
from awcopy.planning.compare import Finding, Level, Verdict
from awcopy.planning.filters import compile_selection
from awcopy.planning.merge import merge_join
from awcopy.planning.naming import key_of, name_problem
from awcopy.planning.versions import read_versioned_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from awcopy.errors import StorageError
    from awcopy.model.objects import BlobHead
    from awcopy.model.spec import JobSpec
    from awcopy.sink.base import Sink
    from awcopy.source.base import Source
    from awcopy.transfer.retry import Retrier

# Errors that say something about a whole side; they are no finding.
ENDS_THE_CHECK = (CredentialsRefused, StoreNotFound)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A source and a sink, and how closely they are compared."""

    spec: JobSpec
    source: Source
    sink: Sink
    retrier: Retrier
    level: Level = Level.LISTING
    at_once: int = 16  # objects, or spans of objects, that are looked at at once


@dataclass(slots=True, kw_only=True)
class LeftOut:
    """How many names were not compared because a copy would not take them."""

    excluded: int = 0  # by the selection
    folders: int = 0  # markers of folders
    delete_markers: int = 0  # in a listing of all versions


@dataclass(slots=True, kw_only=True)
class Pair:
    """An object and the blob of its name, and what is known of them so far."""

    obj: SourceObject
    blob: BlobHead
    finding: Finding | None = None

    def fail(self, error: StorageError) -> Finding:
        """Return that the two could not be compared.

        Raises:
            StorageError: It is not about these two.
        """
        if isinstance(error, ENDS_THE_CHECK):
            raise error
        return Finding(
            verdict=Verdict.FAILED,
            key=self.obj.key,
            blob=self.blob.name,
            version_id=self.obj.version_id,
            reason=error.code,
            size_bytes=self.obj.size_bytes,
            detail=error.message,
        )


def pair_sides(check: Check, left_out: LeftOut) -> Iterator[Pair | Finding]:
    """Yield each name of either side: a pair where both have it, else the finding; in the blobs' order."""
    account = check.retrier.call(check.sink.account)
    spec = replace(check.spec, sink=replace(check.spec.sink, has_directories=account.is_hierarchical))
    is_selected = compile_selection(spec.selection, spec.source.prefix)
    with (
        closing(list_source(check.source, spec, check.retrier)) as objects,
        closing(list_sink(check.sink, spec, check.retrier)) as blobs,
    ):
        for name, obj, blob in merge_join(objects, blobs):
            listed = obj or _object_of(spec, name, blob)
            if not (listed.key.startswith(spec.source.prefix) and is_selected(listed)):
                left_out.excluded += 1
            elif obj and obj.is_delete_marker:
                left_out.delete_markers += 1
            elif obj and blob:
                yield Pair(obj=obj, blob=blob)
            elif _is_folder(obj, blob):
                left_out.folders += 1
            else:
                has_directories = spec.sink.has_directories
                yield _one_sided(listed, name, is_missing=blob is None, has_directories=has_directories)


def _object_of(spec: JobSpec, name: str, blob: BlobHead | None) -> SourceObject:
    """Return the object that a blob would be a copy of, as far as a selection looks at it."""
    assert blob is not None  # noqa: S101 - a name that is joined is on one side at least
    key = key_of(spec, name)
    if spec.versions is Versions.ALL:
        key = read_versioned_key(key).key
    return SourceObject(key=key, size_bytes=blob.size_bytes, etag="", modified_at=blob.modified_at)


def _is_folder(obj: SourceObject | None, blob: BlobHead | None) -> bool:
    """Return whether it is a marker: an empty key with a slash, or a directory of a hierarchical account."""
    if obj:
        return obj.key.endswith("/") and not obj.size_bytes
    return blob is not None and blob.is_directory


def _one_sided(obj: SourceObject, name: str, *, is_missing: bool, has_directories: bool) -> Finding:
    return Finding(
        verdict=Verdict.MISSING if is_missing else Verdict.EXTRA,
        key=obj.key,
        blob=name,
        version_id=obj.version_id,
        reason="missing" if is_missing else "extra",
        size_bytes=obj.size_bytes,
        detail=name_problem(name, has_directories=has_directories) if is_missing else "",
    )
