"""Objects of a source and blobs of a sink, as far as a copy needs to know them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NewType

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

BlockId = NewType("BlockId", str)

# Classes whose objects must be restored before they can be read (docs.aws.amazon.com, RestoreObject).
ARCHIVED_CLASSES = frozenset({"GLACIER", "DEEP_ARCHIVE"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceObject:
    """One listed object: what pins its content, and what filters look at."""

    key: str
    size_bytes: int
    etag: str  # without quotes
    modified_at: datetime  # aware, UTC
    storage_class: str = "STANDARD"
    version_id: str = ""
    is_latest: bool = True  # else an older version of it, in a listing of all
    is_delete_marker: bool = False  # in a listing of versions: no bytes, only that the object was deleted
    is_restored: bool = False  # an archived object of which there is a copy that can be read, for a time

    @property
    def is_archived(self) -> bool:
        """Whether the listing says that it cannot be read; it does not tell of Intelligent-Tiering's archives."""
        return self.storage_class in ARCHIVED_CLASSES and not self.is_restored


class Algorithm(StrEnum):
    """How a source's checksum is computed, strongest first."""

    SHA256 = "sha256"
    SHA1 = "sha1"
    MD5 = "md5"
    CRC32C = "crc32c"
    CRC32 = "crc32"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checksum:
    """A checksum that a source keeps of an object's content, other than its CRC-64/NVME."""

    algorithm: Algorithm
    value: bytes
    parts: int = 0  # 0: of the whole content; else of the checksums of so many parts, one behind the other


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectHead:
    """What one object's headers say, read by HEAD or along with its bytes."""

    etag: str
    size_bytes: int
    modified_at: datetime
    headers: ContentHeaders
    metadata: Mapping[str, str] = field(default_factory=dict)  # names in lower case, without x-amz-meta-
    crc64: int | None = None  # CRC-64/NVME of the whole object, if the source keeps one
    checksums: tuple[Checksum, ...] = ()  # others that the source keeps, strongest first; an ETag's MD5 too
    version_id: str = ""
    tag_count: int = 0  # 0 also when the credentials do not allow reading tags
    extras: Mapping[str, str] = field(
        default_factory=dict
    )  # what Azure has no property for, by its name there
    missing_metadata: int = 0  # values that the source keeps and cannot send in a header

    @property
    def md5(self) -> bytes:
        """The content's MD5, where the ETag is known to be one."""
        return next((kept.value for kept in self.checksums if kept.algorithm is Algorithm.MD5), b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentHeaders:
    """The standard headers that both stores keep; empty means not set."""

    content_type: str = ""
    content_encoding: str = ""
    content_language: str = ""
    content_disposition: str = ""
    cache_control: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobProperties:
    """What is written beside a blob's bytes, all in one call at commit."""

    headers: ContentHeaders = field(default_factory=ContentHeaders)
    metadata: Mapping[str, str] = field(default_factory=dict)  # header-safe ASCII, names are C# identifiers
    content_md5: bytes = b""  # 16 bytes, or empty when unknown
    tier: str = ""  # Hot, Cool, Cold, Archive, or empty for the account's default
    tags: Mapping[str, str] = field(default_factory=dict)  # index tags, in the characters that Azure takes
    notices: tuple[str, ...] = ()  # what is otherwise than in the object; not sent as such


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobHead:
    """What a sink says about a blob that is there."""

    name: str
    etag: str
    size_bytes: int
    modified_at: datetime
    metadata: Mapping[str, str] = field(default_factory=dict)  # names in lower case
    headers: ContentHeaders = field(default_factory=ContentHeaders)
    content_md5: bytes = b""
    encryption_scope: str = ""  # empty: the account's own encryption
    key_sha256: str = ""  # of the key that its writer gave, base64; Azure does not keep the key
    is_being_copied: bool = False  # the sink has not come to the end of a copy of its own, or has given it up

    @property
    def is_directory(self) -> bool:
        """Whether it is one, where the account has directories; elsewhere it is a blob that stands for one."""
        return self.metadata.get("hdi_isfolder") == "true"


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkAccount:
    """What a sink's account can do; what the sink does not say counts as possible."""

    kind: str = ""  # StorageV2, BlockBlobStorage, ...; empty when it is not known
    is_hierarchical: bool = False  # has directories: a hierarchical namespace

    @property
    def has_tiers(self) -> bool:
        """Whether blobs have access tiers: not on premium accounts, nor on those of the first generation."""
        return self.kind in {"", "StorageV2", "BlobStorage"}


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedBlock:
    """One uncommitted block that a sink holds."""

    block_id: BlockId
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A run of bytes of one object, ``offset`` counted from 0, ``size_bytes`` 1 or more."""

    offset: int
    size_bytes: int

    @property
    def header(self) -> str:
        """The value of an HTTP Range header for this span."""
        return f"bytes={self.offset}-{self.offset + self.size_bytes - 1}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What must hold at the sink for a write to happen: nothing, absence, or one exact blob."""

    if_absent: bool = False
    if_match: str = ""


ALWAYS = Condition()
IF_ABSENT = Condition(if_absent=True)
