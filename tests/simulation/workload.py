"""What a simulated job has to copy, drawn from a seed; small, but with every kind of object and blob."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from awcopy.crc64 import crc64
from awcopy.model.objects import ALWAYS, BlobProperties
from awcopy.model.outcome import Proof
from awcopy.model.spec import Deletion, JobSpec, Overwrite, Selection, SinkSpec, SourceSpec
from awcopy.planning.metadata import STAMP_ETAG, STAMP_SIZE
from awcopy.planning.naming import blob_name
from awcopy.sink.memory import MemorySink, StoredBlob
from awcopy.source.memory import MemorySource

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
LARGE_FILE_BYTES = 500
BLOCK_BYTES = 100


@dataclass(frozen=True, slots=True)
class Version:
    """One content that an object has had."""

    content: bytes
    etag: str
    has_crc64: bool


@dataclass(slots=True)
class Workload:
    """The stores, what was in them at first, and every content that an object has had."""

    source: MemorySource
    sink: MemorySink
    spec: JobSpec
    page: int
    versions: dict[str, list[Version]] = field(default_factory=lambda: defaultdict(list))
    deleted: set[str] = field(default_factory=set)  # at any time during the job
    added: set[str] = field(default_factory=set)
    archived: set[str] = field(default_factory=set)
    before: dict[str, StoredBlob] = field(default_factory=dict)
    others: list[StoredBlob] = field(default_factory=list)  # written by someone else meanwhile

    def put(
        self, key: str, content: bytes, at: datetime, *, has_crc64: bool = True, archived: bool = False
    ) -> None:
        """Give an object a content."""
        number = len(self.versions[key])
        etag = f"e{number}-{crc64(key.encode() + content):x}"
        storage = "GLACIER" if archived else "STANDARD"
        self.source.put_object(
            key, content, etag=etag, has_crc64=has_crc64, modified_at=at, storage_class=storage
        )
        self.versions[key].append(Version(content, etag, has_crc64))

    def copy_server_side(self) -> None:
        """Let the sink read from the source by itself."""
        self.source.has_urls = True
        self.sink.read_url = self.source.read_url

    def change(self, rng: random.Random, at: datetime) -> str:
        """Let someone change the source, and return what was done."""
        key = rng.choice(sorted(self.versions)) if self.versions else ""
        what = rng.random() if key else 1.0
        if what < 0.6 and key not in self.archived:
            size = len(self.versions[key][-1].content)
            size = size if rng.random() < 0.5 else _size(rng)
            if not key.endswith("/"):
                self.put(key, rng.randbytes(size), at, has_crc64=self.versions[key][-1].has_crc64)
                return f"{key} changed to {size} bytes"
        if what < 0.8:
            self.source.delete_object(key)
            self.deleted.add(key)
            return f"{key} deleted"
        key = f"{self.spec.source.prefix}{rng.choice('abcdefgh')}/new{len(self.added)}"
        self.put(key, rng.randbytes(_size(rng)), at)
        self.added.add(key)
        return f"{key} added"

    def write_over(self, rng: random.Random) -> str:
        """Let someone else write a blob where the job may write one too, and return what was done."""
        if not self.versions:
            return "nobody wrote anything"
        name = blob_name(self.spec, rng.choice(sorted(self.versions)))
        content = memoryview(b"someone else's " + rng.randbytes(8))
        self.sink.put_blob(name, content, crc64=crc64(content), properties=BlobProperties(), condition=ALWAYS)
        self.others.append(self.sink.blobs[name])
        return f"someone else wrote {name}"


def _size(rng: random.Random) -> int:
    kind = rng.random()
    if kind < 0.1:
        return rng.choice((0, 1, BLOCK_BYTES, LARGE_FILE_BYTES, LARGE_FILE_BYTES + 1))
    if kind < 0.6:
        return rng.randrange(BLOCK_BYTES)
    if kind < 0.8:
        return rng.randrange(LARGE_FILE_BYTES)
    return rng.randrange(LARGE_FILE_BYTES, 6 * LARGE_FILE_BYTES)


_OF_PACED = 3  # the number of files for a task of the jobs that have a bandwidth


def draw_workload(rng: random.Random) -> Workload:
    """Return a workload of up to thirty objects."""
    prefix = rng.choice(("", "data/", "data/x"))
    load = Workload(
        source=MemorySource(),
        sink=MemorySink(now=lambda: EPOCH),
        spec=JobSpec(
            source=SourceSpec(bucket="bucket", prefix=prefix),
            sink=SinkSpec(account="account", container="container", prefix=rng.choice(("", "to/"))),
            selection=Selection(exclude=("*.tmp",) if rng.random() < 0.3 else ()),
            overwrite=rng.choice(list(Overwrite)),
            agents=rng.randint(1, 4),
            block_size_bytes=BLOCK_BYTES,
            files_per_task=rng.randint(1, 8),
        ),
        page=rng.randint(2, 9),
    )
    if rng.random() < 0.5:
        deletion = Deletion(
            weakest_proof=rng.choice((Proof.MD5, Proof.BLOCKS)),
            most=rng.choice((None, None, None, 10)),
            despite_failures=rng.random() < 0.5,
        )
        load.spec = replace(load.spec, deletion=deletion)
    for number in range(rng.choice((0, 1, 3, 10, 20, 30))):
        _draw_object(load, number, rng)
    if rng.random() < 0.5:
        _draw_blobs(load, rng)
    load.before = dict(load.sink.blobs)
    if load.spec.files_per_task == _OF_PACED:  # not drawn, so that every seed stays what it was
        load.spec = replace(load.spec, bandwidth=LARGE_FILE_BYTES)
    return load


def _draw_object(load: Workload, number: int, rng: random.Random) -> None:
    name = f"{rng.choice('abcdefgh')}/{number:02}{rng.choice(('', '', '', '.tmp', '.'))}"
    at = EPOCH - timedelta(hours=rng.randrange(48))
    if rng.random() < 0.05:
        load.put(f"{load.spec.source.prefix}{name}/", b"", at)
        return
    key = load.spec.source.prefix + name
    archived = rng.random() < 0.05
    load.put(key, rng.randbytes(_size(rng)), at, has_crc64=rng.random() < 0.8, archived=archived)
    if archived:
        load.archived.add(key)


def _draw_blobs(load: Workload, rng: random.Random) -> None:
    for key in sorted(load.versions):
        if rng.random() < 0.5:
            continue
        name = blob_name(load.spec, key)
        version = load.versions[key][0]
        stamp = {}
        content = rng.randbytes(rng.randrange(300))
        if rng.random() < 0.4:  # an earlier job copied this very content
            stamp = {STAMP_ETAG: version.etag, STAMP_SIZE: str(len(version.content))}
            content = version.content
        properties = BlobProperties(metadata=stamp)
        view = memoryview(content)
        load.sink.put_blob(name, view, crc64=crc64(view), properties=properties, condition=ALWAYS)
    other = memoryview(b"another's")
    load.sink.put_blob("other/blob", other, crc64=crc64(other), properties=BlobProperties(), condition=ALWAYS)


def make_load(
    sizes: Sequence[int] = (30, 250, 1_200),
    *,
    overwrite: Overwrite = Overwrite.CHANGED,
    agents: int = 2,
    deletion: Deletion | None = None,
) -> Workload:
    """Return a short job with every kind of item: a small file, one of several blocks, one of several ranges."""
    rng = random.Random(1)
    load = Workload(
        source=MemorySource(),
        sink=MemorySink(now=lambda: EPOCH),
        spec=JobSpec(
            source=SourceSpec(bucket="bucket"),
            sink=SinkSpec(account="account", container="container"),
            overwrite=overwrite,
            agents=agents,
            block_size_bytes=BLOCK_BYTES,
            files_per_task=1,
            deletion=deletion,
        ),
        page=2,
    )
    for number, size in enumerate(sizes):
        load.put(f"k{number}", rng.randbytes(size), EPOCH)
    return load
