"""What is looked at before a job is written or run, so that a mistake costs seconds and changes nothing."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import replace
from shlex import quote
from typing import TYPE_CHECKING

from awcopy.cli.console import print_warning
from awcopy.cli.credentials import AWS_VARIABLES, AZURE_VARIABLES
from awcopy.errors import ConnectionLost, CredentialsError, StoreNotFound, UsageError
from awcopy.model.spec import Versions
from awcopy.planning.filters import compile_selection
from awcopy.planning.splitting import LAST_CHARACTER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from awcopy.bootstrap import Stores
    from awcopy.config import Settings
    from awcopy.model.objects import SourceObject
    from awcopy.model.spec import JobSpec, SourceSpec
    from awcopy.sink.base import Sink
    from awcopy.source.base import Source
    from awcopy.vault.credentials import JobCredentials

_SHOWN_KEY = 80
_S3_ENDPOINT = "check the network, and --endpoint-url or AWS_ENDPOINT_URL"
_NO_CONTAINER = "check the container's name, or create it: `awcopy copy` does, with --create-container"
_AZURE_ENDPOINT = "check the network, and --azure-endpoint or AZURE_STORAGE_SERVICE_ENDPOINT"


def check_both(spec: JobSpec, stores: Stores, *, create_container: bool) -> None:
    """Return when the job can begin, the container created if it was missing and that was asked for."""
    from awcopy.jobs.submit import check_stores

    check_source(spec.source, stores.source, spec.versions)
    with _explaining(str(spec.sink), f"set {AZURE_VARIABLES}", _AZURE_ENDPOINT, _NO_CONTAINER):
        check_stores(spec, stores.source, stores.sink, create_container=create_container)
    warn_of_siblings(spec, stores.source)


def check_source(spec: SourceSpec, source: Source, versions: Versions = Versions.LATEST) -> None:
    """Return when the bucket can be listed and a key is there; an empty bucket is no mistake.

    Raises:
        UsageError: No key starts with the prefix.
    """
    from awcopy.jobs.submit import look

    with _explaining(str(spec), f"set {AWS_VARIABLES}", _S3_ENDPOINT):
        fetch = source.list_versions if versions is Versions.ALL else source.list_page
        page = look(lambda: fetch(spec.prefix, limit=1))
    if spec.prefix and not page.objects:
        hint = f"`awcopy ls {quote(f's3://{spec.bucket}')}` shows what there is"
        raise UsageError(f"no key of bucket {spec.bucket} starts with {spec.prefix!r}", hint=hint)


def warn_of_siblings(spec: JobSpec, source: Source) -> None:
    """Warn where a prefix that looks like a folder takes keys beside it, too: ``data`` takes ``data2/k``.

    Costs one list, and two more where there is such a folder.
    """
    prefix = spec.source.prefix
    if not prefix or prefix.endswith("/"):
        return
    folder = f"{prefix}/"
    if not _first_key(source, folder):
        return
    is_selected = compile_selection(spec.selection, prefix)
    # The first one may lie before the folder or behind it.
    for after in ("", f"{folder}{LAST_CHARACTER}"):
        found = _first_key(source, prefix, after)
        if found and not found.key.startswith(folder) and is_selected(found):
            shown = found.key if len(found.key) <= _SHOWN_KEY else f"{found.key[:_SHOWN_KEY]}..."
            print_warning(
                f"{spec.source} takes keys beside the folder, too, such as {shown}; "
                f"for what is in the folder alone, write {quote(f'{spec.source}/')}"
            )
            return


def _first_key(source: Source, prefix: str, after: str = "") -> SourceObject | None:
    from awcopy.jobs.submit import look

    return next(iter(look(lambda: source.list_page(prefix, after=after, limit=1)).objects), None)


def check_sink(spec: JobSpec, sink: Sink, *, create_container: bool) -> None:
    """Return when the container answers, created if it was missing and that was asked for."""
    from awcopy.jobs.submit import require_container

    with _explaining(str(spec.sink), f"set {AZURE_VARIABLES}", _AZURE_ENDPOINT, _NO_CONTAINER):
        require_container(sink, create_container=create_container)


def check_given(settings: Settings, spec: JobSpec, given: JobCredentials) -> None:
    """Return when each store that there are credentials for takes them; a side with a profile is not asked."""
    from awcopy.bootstrap import open_stores
    from awcopy.jobs.submit import look

    with closing(open_stores(settings, without_profiles(spec), given)) as stores:
        if given.aws:
            with _explaining(str(spec.source), f"set {AWS_VARIABLES}", _S3_ENDPOINT):
                look(lambda: stores.source.probe(spec.source.prefix))
        if given.azure:
            check_sink(spec, stores.sink, create_container=False)


def without_profiles(spec: JobSpec) -> JobSpec:
    """Return the specification as it opens stores here: a profile lies on the workers."""
    source, sink = replace(spec.source, profile=""), replace(spec.sink, profile="")
    return replace(spec, source=source, sink=sink)


@contextmanager
def _explaining(where: str, keys_hint: str, endpoint_hint: str, store_hint: str = "") -> Iterator[None]:
    """Say of a store's error what the command line can do about it."""
    try:
        yield
    except CredentialsError as error:
        hint = "; or ".join(filter(None, (keys_hint, error.hint)))
        raise CredentialsError(error.message, hint=hint) from error
    except StoreNotFound as error:
        raise StoreNotFound(error.message, hint=store_hint or error.hint) from error
    except ConnectionLost as error:
        raise ConnectionLost(f"{where}: {error.message}", hint=error.hint or endpoint_hint) from error
