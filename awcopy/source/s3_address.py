"""Where a bucket is, and what signs the requests to it: found by botocore, which knows every kind of bucket."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from botocore.config import Config

from awcopy.config import AwsKeys, AwsLogin
from awcopy.errors import RequestRefused
from awcopy.http import Origin, Pool, encode_path, parse_origin
from awcopy.model.spec import Addressing, SourceSpec
from awcopy.source.s3_credentials import find_credentials, new_session
from awcopy.source.s3_errors import error_from_answer
from awcopy.source.sigv4 import Credentials, Signer

DEFAULT_REGION: Final = "us-east-1"
_ANY_REGION_URL: Final = "https://s3.us-east-1.amazonaws.com"  # tells any bucket's region, unsigned


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketAddress:
    """Where the bucket is, and with what requests to it are signed."""

    pool: Pool
    signer: Signer
    credentials: Any  # botocore's, which renew themselves
    bucket_path: str  # of the bucket itself: "/" or "/bucket"
    key_path: str  # put before each key: "/" or "/bucket/"


def find_address(
    spec: SourceSpec, access: AwsKeys | AwsLogin | None, new_pool: Callable[[Origin], Pool]
) -> BucketAddress:
    """Return where a bucket is; Amazon is asked for its region where the spec does not name it.

    Raises:
        RequestRefused: It is a bucket of a kind that cannot be read.
        StoreNotFound: There is no such bucket.
        CredentialsError: There are no credentials.
    """
    if spec.bucket.endswith("--x-s3"):  # such buckets list in no order, and want a session of their own
        raise RequestRefused(f"s3://{spec.bucket} is a directory bucket, which awcopy cannot read")
    credentials = find_credentials(access)
    region = spec.region or _region_of(spec, new_pool)
    url = _sample_url(spec, region, credentials.get_frozen_credentials())
    parts = urlsplit(url)
    scope = parse_qs(parts.query)["X-Amz-Credential"][0].split("/")
    pool = new_pool(parse_origin(url))
    key_path = parts.path.removesuffix("k")
    return BucketAddress(
        pool=pool,
        signer=Signer(host=pool.origin.netloc, region=scope[-3]),
        credentials=credentials,
        bucket_path=key_path.rstrip("/") or "/",
        key_path=key_path,
    )


def find_region(pool: Pool, bucket: str) -> str:
    """Return the region of a bucket, which S3 names in every answer to HEAD, refusals included.

    Raises:
        StoreNotFound: There is no such bucket.
    """
    answer = pool.request("HEAD", f"/{encode_path(bucket)}", {})
    pool.close()
    region = answer.headers.get("x-amz-bucket-region", "")
    if not region and answer.status >= 300:  # noqa: PLR2004 - HTTP
        raise error_from_answer(answer, op="finding the region", bucket=bucket, is_object=False)
    return region or DEFAULT_REGION


def _region_of(spec: SourceSpec, new_pool: Callable[[Origin], Pool]) -> str:
    if spec.endpoint_url or spec.bucket.startswith("arn:"):
        return DEFAULT_REGION
    return find_region(new_pool(parse_origin(_ANY_REGION_URL)), spec.bucket)


def _sample_url(spec: SourceSpec, region: str, keys: Credentials) -> str:
    """Return the signed URL of a key ``k``: botocore knows each kind of bucket's address and region."""
    style = spec.addressing
    if style is Addressing.AUTO:
        style = Addressing.PATH if spec.endpoint_url or "." in spec.bucket else Addressing.VIRTUAL
    config = Config(
        signature_version="s3v4",
        ignore_configured_endpoint_urls=True,  # the spec's endpoint has been decided already
        # A global address may redirect, which a sink that reads by itself does not follow.
        s3={
            "addressing_style": style.value,
            "us_east_1_regional_endpoint": "regional",
        },
    )
    client = new_session().create_client(
        "s3",
        region_name=region,
        endpoint_url=spec.endpoint_url or None,
        config=config,
        aws_access_key_id=keys.access_key,
        aws_secret_access_key=keys.secret_key,
        aws_session_token=keys.token,
    )
    url: str = client.generate_presigned_url("get_object", Params={"Bucket": spec.bucket, "Key": "k"})
    return url
