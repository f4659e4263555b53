"""A sample bucket: what a real one holds that a toy one does not. Copies nothing."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from awcopy.units import KIB, MIB

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from awcopy.demo.servers import S3Endpoint

BUCKET = "awcopy-sample"
SMALL_FILES = 3000
LARGE_FILES = (100 * MIB, 120 * MIB, 128 * MIB + 1)
_WRITERS = 8

# Names that copiers are known to stumble over, and that both stores keep as they are.
ODD_NAMES = (
    "ä ö/日本 語+%41&=.txt",
    "plus+and space.txt",
    "percent%2Fnot-a-slash.txt",
    "question?hash#amp&.txt",
    "quotes'\"<b>&amp;.html",
    "emoji/🐍 and 🚀.bin",
    "decomposed/e\u0301 beside é.txt",
    "case/README and case/readme.txt",
    "UPPER/Case.TXT",
    "upper/case.txt",
    "=cmd|' starts like a formula.csv",
    "-starts-with-a-dash",
    "tilde~ and (brackets) [x] {y}",
    " leading and trailing blanks ",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleObject:
    """One object of the sample."""

    key: str
    size_bytes: int
    has_crc64: bool = True  # else S3 keeps only its MD5, as of objects from before 2025
    headers: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)


def sample_objects() -> Iterator[SampleObject]:
    """Yield the objects of the sample bucket; always the same ones."""
    for number in range(SMALL_FILES):
        yield SampleObject(key=f"photos/2024/{number:05}.jpg", size_bytes=4 * KIB, has_crc64=number % 10 != 0)
    for number, size in enumerate(LARGE_FILES):
        yield SampleObject(key=f"videos/{number}.mp4", size_bytes=size, headers={"ContentType": "video/mp4"})
    for name in ODD_NAMES:
        yield SampleObject(key=f"odd names/{name}", size_bytes=len(name))
    yield SampleObject(key="documents/empty.txt", size_bytes=0, headers={"ContentType": "text/plain"})
    yield SampleObject(
        key="documents/report.html",
        size_bytes=20 * KIB,
        headers={
            "ContentType": "text/html; charset=utf-8",
            "ContentLanguage": "de",
            "CacheControl": "max-age=60",
            "ContentDisposition": 'attachment; filename="report.html"',
        },
        metadata={"author": "=?UTF-8?B?SsO8cmdlbg==?=", "reviewed-by": "Ada", "2nd-draft": "yes"},
    )
    yield SampleObject(key="documents/nineteen-mib.bin", size_bytes=19 * MIB)


def make_sample(endpoint: S3Endpoint) -> tuple[int, int]:
    """Create the sample bucket and return the number of its objects and their bytes."""
    client = make_client(endpoint)
    client.create_bucket(Bucket=BUCKET)
    objects = list(sample_objects())
    with ThreadPoolExecutor(_WRITERS) as writers:
        for written in [writers.submit(_put, client, one) for one in objects]:
            written.result()
    return len(objects), sum(one.size_bytes for one in objects)


def content_of(key: str, size_bytes: int) -> bytes:
    """Return an object's content: random to the eye, the same each time."""
    return random.Random(key).randbytes(size_bytes)  # noqa: S311 - sample data, not a secret


def _put(client: Any, one: SampleObject) -> None:  # noqa: ANN401 - as below
    checksum = {"ChecksumAlgorithm": "CRC64NVME"} if one.has_crc64 else {}
    client.put_object(
        Bucket=BUCKET,
        Key=one.key,
        Body=content_of(one.key, one.size_bytes),
        Metadata=dict(one.metadata),
        **one.headers,
        **checksum,
    )


def make_client(endpoint: S3Endpoint) -> Any:  # noqa: ANN401 - boto3 makes its clients at run time
    """Return a client of the S3 server that shares no code with awcopy."""
    import boto3  # noqa: PLC0415 - an SDK is imported when it is needed
    from botocore.config import Config  # noqa: PLC0415 - likewise

    return boto3.client(
        "s3",
        endpoint_url=endpoint.endpoint_url,
        aws_access_key_id=endpoint.access_key,
        aws_secret_access_key=endpoint.secret_key,
        region_name=endpoint.region,
        config=Config(
            s3={"addressing_style": "path"},
            max_pool_connections=_WRITERS,
            request_checksum_calculation="when_required",
        ),
    )
