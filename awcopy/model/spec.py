"""What a job is asked to do: where from, where to, and by which rules."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from urllib.parse import urlsplit

from awcopy.model.outcome import Proof, Route
from awcopy.units import MIB

_AMAZON = (".amazonaws.com", ".amazonaws.com.cn")


class Overwrite(StrEnum):
    """What happens to a blob that is there already."""

    ALWAYS = "always"
    NEVER = "never"
    CHANGED = "changed"  # replaced unless its stamp says that it is this very object
    NEWER = "newer"  # replaced if the object was modified after the blob
    PROMPT = "prompt"  # those that changed are, if somebody said so before the job; see ``Approval``


class Compare(StrEnum):
    """By what an object counts as unchanged, where only changed ones replace their blobs."""

    STAMP = "stamp"  # size and ETag, as the blob's stamp has them; or the MD5 that Azure computed
    SIZE_MTIME = "size+mtime"  # size and date; the stamp's date, or else the blob is no older than the object
    CHECKSUM = "checksum"  # the source's checksum and that of the stamp; asks the source for each object


class NamePolicy(StrEnum):
    """What happens to an object whose name Azure would not keep as it is."""

    FAIL = "fail"
    ENCODE = "encode"  # what Azure would not keep is written as %XX; see ``awcopy.planning.naming``


class MetadataPolicy(StrEnum):
    """What happens to metadata, tags and headers that Azure does not take as they are."""

    RENAME = "rename"  # written in a form that Azure takes, and that the original can be told from
    EXCLUDE = "exclude"  # left out
    FAIL = "fail"  # the object is not copied


class Versions(StrEnum):
    """Which versions of an object are copied, where the bucket keeps some."""

    LATEST = "latest"  # what the key holds now
    ALL = "all"  # older ones too, each as a blob of its own; see ``awcopy.planning.versions``


class Verify(StrEnum):
    """How much is read and computed for the sake of a proof."""

    AUTO = "auto"  # what one reading gives; a second one only of what came unprotected
    FULL = "full"  # the strongest proof that the source's checksums allow, a second reading included


class Archived(StrEnum):
    """What becomes of objects that cannot be read before they are restored."""

    SKIP = "skip"
    FAIL = "fail"
    RESTORE = "restore"  # they are restored, waited for, and copied


class RestoreTier(StrEnum):
    """How soon, and at which price, S3 restores."""

    BULK = "Bulk"  # within 12 hours; of Deep Archive within 48
    STANDARD = "Standard"  # within 5 hours; of Deep Archive within 12
    EXPEDITED = "Expedited"  # within minutes; not of Deep Archive


@dataclass(frozen=True, slots=True, kw_only=True)
class Restore:
    """How archived objects are restored, and how many at most."""

    tier: RestoreTier = RestoreTier.BULK
    days: int = 7  # that S3 keeps the restored copies; also how long they are waited for
    most_objects: int = 0  # 0: no limit
    most_bytes: int = 0


class Addressing(StrEnum):
    """Where a request to S3 names the bucket."""

    AUTO = "auto"  # in the path at an endpoint of one's own, and where a dot would break the certificate
    PATH = "path"  # https://endpoint/bucket/key
    VIRTUAL = "virtual"  # https://bucket.endpoint/key


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSpec:
    """Where objects come from."""

    bucket: str
    prefix: str = ""
    region: str = ""
    endpoint_url: str = ""  # empty: AWS's own
    addressing: Addressing = Addressing.AUTO
    pays_requests: bool = False  # of a bucket whose readers are charged: this job's account may be
    key_sha256: str = ""  # of the key that objects are encrypted with (SSE-C); the key is a credential
    profile: str = ""  # the workers' credentials of this name; empty: the job's, or a worker's own

    def __str__(self) -> str:
        """Return the source as an ``s3://`` address."""
        return f"s3://{self.bucket}/{self.prefix}"

    @property
    def is_amazon(self) -> bool:
        """Whether it is Amazon itself, and not another store that speaks its protocol."""
        host = urlsplit(self.endpoint_url).hostname or ""
        return not self.endpoint_url or host.endswith(_AMAZON)

    @property
    def is_plain(self) -> bool:
        """Whether its bytes come over plain http, which notices fewer errors on the way than TLS does."""
        return self.endpoint_url.startswith("http://")


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkSpec:
    """Where blobs go."""

    account: str
    container: str
    prefix: str = ""
    endpoint_url: str = ""  # the account's blob endpoint; empty: Azure's public cloud
    encryption_scope: str = ""  # the account's, which blobs are to be encrypted with
    key_sha256: str = ""  # of the key that blobs are to be encrypted with; the key itself is a credential
    profile: str = ""  # as the source's
    has_directories: bool = False  # as the account says when the job is taken up; nobody asks for it

    def __str__(self) -> str:
        """Return the sink as an ``az://`` address."""
        return f"az://{self.account}/{self.container}/{self.prefix}"

    @property
    def account_url(self) -> str:
        """The URL of the account's blob service, without a slash at its end."""
        return self.endpoint_url.rstrip("/") or f"https://{self.account}.blob.core.windows.net"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which of the listed keys a job takes."""

    recursive: bool = True  # else only keys with no further "/" after the prefix
    include: tuple[str, ...] = ()  # globs on the key after the prefix; none: everything
    exclude: tuple[str, ...] = ()
    include_regex: tuple[str, ...] = ()  # RE2's, which the whole key below the source's folder has to match
    exclude_regex: tuple[str, ...] = ()
    newer_than: datetime | None = None
    older_than: datetime | None = None
    min_size_bytes: int | None = None
    max_size_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruning:
    """Which extra blobs are deleted at the sink once all else ended well, and what keeps all of them."""

    most: int | None = None  # if there are more extra blobs than this, none is deleted
    most_percent: float | None = 50.0  # likewise; of the objects listed and the extra blobs together
    takes_unstamped: bool = False  # also blobs that do not say that they are copied from this source


@dataclass(frozen=True, slots=True, kw_only=True)
class Sync:
    """How a job keeps a sink like its source: both are listed side by side, and what is unchanged is not touched."""

    compare: Compare = Compare.STAMP
    since_last: bool = False  # only objects modified since the last such job that completed was submitted
    backup: str = (
        ""  # folder of the container's in which what is replaced or deleted is kept; may hold {date}
    )
    pruning: Pruning | None = None  # else blobs that no object stands for are left alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """Which objects are deleted at the source once everything is copied, and what keeps all of them."""

    weakest_proof: Proof = Proof.MD5  # objects whose copy has a weaker one are kept
    most: int | None = None  # if more objects than this could be deleted, none is
    despite_failures: bool = False  # else none is deleted when any object failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """Which of the blobs that are there somebody agreed to replace, as they were when that was asked."""

    etags: tuple[str, ...] = ()  # of these blobs
    until: datetime | None = None  # or of all that were written no later than this, by the sink's clock


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """What the user asked for. Holds no credential."""

    source: SourceSpec
    sink: SinkSpec
    selection: Selection = field(default_factory=Selection)
    overwrite: Overwrite = Overwrite.CHANGED
    route: Route = Route.AUTO
    agents: int = 4  # most items of the job that run at once
    bandwidth: int = 0  # most bytes a second, over all workers; 0: as many as there can be
    block_size_bytes: int = 8 * MIB
    files_per_task: int = 500
    tier: str = ""  # Hot, Cool, Cold, Archive; auto: by the storage class; empty: the account's own
    archived: Archived = Archived.SKIP
    restore: Restore = Restore()
    names: NamePolicy = NamePolicy.FAIL
    metadata: MetadataPolicy = MetadataPolicy.RENAME
    versions: Versions = Versions.LATEST
    copies_tags: bool = False
    has_stamps: bool = True  # blobs say in their metadata which object they are a copy of
    verify: Verify = Verify.AUTO
    require_proof: Proof = Proof.NONE  # objects that would have less fail, and nothing of them is committed
    notify: tuple[str, ...] = ()  # profiles of the workers' that say whom to tell how it ended
    sync: Sync | None = None  # of `awcopy sync`; else each blob is looked at when its object's turn comes
    approval: Approval = Approval()  # what --overwrite prompt was answered
    deletion: Deletion | None = None  # what is copied is deleted at the source, after all is copied

    @property
    def deletes(self) -> bool:
        """Whether the job deletes objects at the source, or blobs at the sink."""
        return self.deletion is not None or self.pruning is not None

    @property
    def pruning(self) -> Pruning | None:
        """What is deleted at the sink, if anything is."""
        return self.sync.pruning if self.sync else None

    def since(self, moment: datetime | None) -> JobSpec:
        """Return the specification of the same for objects modified since a moment, or for all."""
        return replace(self, selection=replace(self.selection, newer_than=moment))
