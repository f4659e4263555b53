"""Where a sync keeps what it would replace or delete, and what shows that it is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from awcopy.errors import UsageError
from awcopy.planning.metadata import STAMP_CRC64

if TYPE_CHECKING:
    from awcopy.model.job import Job
    from awcopy.model.objects import BlobHead
    from awcopy.model.spec import JobSpec

DATE = "{date}"
BACKED_UP = "backed_up"  # the notice of an object whose blob replaced one that is kept


def check_backup(spec: JobSpec) -> JobSpec:
    """Return the specification when its backups can lie where it says.

    Raises:
        UsageError: They would lie where the sync itself looks, or could not be encrypted as it asks.
    """
    backup = spec.sync.backup if spec.sync else ""
    if not backup:
        return spec
    own = spec.sink.prefix
    fixed = backup.partition(DATE)[0]
    if not own or backup.startswith(own) or own.startswith(fixed):
        where = f"below {own}" if own else "the whole container"
        raise UsageError(
            f"--backup-prefix {backup} and the destination, {where}, overlap",
            hint="sync to a folder, az://ACCOUNT/CONTAINER/current, and keep backups in another: --backup-prefix old",
        )
    if spec.sink.key_sha256 or spec.sink.encryption_scope:
        raise UsageError(
            "Azure copies no blob by itself that is encrypted with a key or a scope of its own",
            hint="leave out --backup-prefix, and switch on the account's soft delete or versioning",
        )
    return spec


def backup_name(job: Job, blob: str) -> str:
    """Return the name under which a blob is kept before it goes; empty where the job keeps none."""
    sync = job.spec.sync
    if sync is None or not sync.backup:
        return ""
    folder = sync.backup.replace(DATE, f"{job.created_at:%Y-%m-%d}")
    return folder + blob.removeprefix(job.spec.sink.prefix)


def can_be_told(blob: BlobHead) -> bool:
    """Return whether a copy of the blob can be told from that of another one of its length."""
    return bool(blob.content_md5) or STAMP_CRC64 in blob.metadata


def is_backup_of(kept: BlobHead | None, blob: BlobHead) -> bool:
    """Return whether a blob is a whole copy of another one."""
    if kept is None or kept.is_being_copied:
        return False
    facts = ("size_bytes", "content_md5", "metadata", "headers")
    return all(getattr(kept, fact) == getattr(blob, fact) for fact in facts)
