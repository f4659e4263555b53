"""Which blob an object becomes, and which names Azure would not keep as they are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from awcopy.model.job import JobSpec

MAX_NAME_CHARACTERS = 1024
MAX_NAME_SEGMENTS = 254
# C0, DEL and C1 controls, and the code points that a list answer cannot carry as they are.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\ufffe\uffff]")


def blob_name(spec: JobSpec, key: str) -> str:
    """Return the blob that an object becomes: the sink's prefix, then the key below the source's folder.

    The source's folder is its prefix up to and including the last ``/``; so ``data/`` and ``data/rep``
    both turn ``data/report.csv`` into ``report.csv``. Injective for the keys of one job.
    """
    folder = spec.source.prefix.rpartition("/")
    return spec.sink.prefix + key[len(folder[0] + folder[1]) :]


def name_problem(name: str) -> str:  # noqa: PLR0911 - a list of rules
    r"""Return why Azure would not keep this blob name as it is, or nothing when it would.

    Azure resolves ``.`` and ``..`` segments, drops a dot at a segment's end and turns ``\`` into ``/``,
    all silently, so that such a name lands on another blob.

    Source: learn.microsoft.com, "Naming and referencing containers, blobs, and metadata"; the aliasing was
    seen on the live service (Azure/azure-sdk-for-rust issue 5275).
    """
    if not name:
        return "the name is empty"
    if len(name) > MAX_NAME_CHARACTERS:
        return f"the name has more than {MAX_NAME_CHARACTERS} characters"
    if name.count("/") >= MAX_NAME_SEGMENTS:
        return f"the name has more than {MAX_NAME_SEGMENTS} path segments"
    if "\\" in name:
        return "the name has a backslash, which Azure turns into a slash"
    if _CONTROLS.search(name):
        return "the name has a control character"
    if name.endswith(".") or "./" in name:
        return "a path segment of the name ends in a dot, which Azure drops"
    return ""
