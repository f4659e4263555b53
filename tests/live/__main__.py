"""Copies a few objects of one's own between real accounts, and looks at the blobs with the SDKs alone.

    make live            on the accounts that the environment names
    make live HERE=1     the same on servers of this machine: shows that the checks work, and nothing of Azure

Writes under a prefix of its own in the bucket and in the container, and removes that at the end. Each check says
what was seen; the exit code is 0 if all of them hold, 1 if not, and 2 if the accounts are not named.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import boto3
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import (
    BlobClient,
    BlobServiceClient,
    ContainerClient,
    ContainerSasPermissions,
    generate_container_sas,
)
from botocore.config import Config

from awcopy.crc64 import crc64, from_azure
from awcopy.demo.fleet import awcopy_command, start_servers, user_environment
from awcopy.demo.sample import content_of
from awcopy.planning.splitting import LAST_CHARACTER
from awcopy.units import MIB
from tests.faults.copying_proxy import CopyingProxy

SOURCE, SINK = "AWCOPY_LIVE_SOURCE", "AWCOPY_LIVE_SINK"
NEEDED = (SOURCE, SINK, "AZURE_STORAGE_CONNECTION_STRING")
API_VERSION = "2025-11-05"
COMMAND_S = 1800
SIZES = {
    "one-run.bin": 2 * MIB + 1,
    "two-runs.bin": 70 * MIB,
    "a b+c%/ü?x#y.bin": MIB,
    "small.txt": 1000,
    "empty": 0,
}


class Failed(Exception):
    """A check that does not hold; says what was seen."""


@dataclass(kw_only=True)
class Accounts:
    """The two places, clients of them that share no code with awcopy, and the awcopy command."""

    bucket: str
    prefix: str
    account: str
    account_key: str = field(repr=False)
    container: str
    s3: Any
    blobs: ContainerClient
    env: Mapping[str, str]
    is_here: bool
    contents: dict[str, bytes] = field(default_factory=dict)

    def copy(self, to: str, *options: str, command: str = "copy") -> dict[str, dict[str, Any]]:
        """Copy or sync all objects to a folder of the sink in this process; return the report's lines by key."""
        with tempfile.TemporaryDirectory() as folder:
            journal = Path(folder) / "journal"
            words = (
                f"s3://{self.bucket}/{self.prefix}",
                f"az://{self.account}/{self.container}/{self.prefix}{to}/",
            )
            done = subprocess.run(
                awcopy_command(command, *words, "--local", "-q", "--journal", str(journal), *options),
                env=dict(self.env), capture_output=True, text=True, timeout=COMMAND_S, check=False,
            )  # fmt: skip
            lines = (
                [json.loads(line) for line in journal.read_text().splitlines()] if journal.exists() else []
            )
        found = {line["key"].removeprefix(self.prefix): line for line in lines if "outcome" in line}
        if len(found) != len(self.contents):
            raise Failed(f"{len(found)} outcomes, exit code {done.returncode}: {done.stderr.strip()[-300:]}")
        return found

    def blob(self, to: str, name: str) -> Any:
        """Return the SDK's client of a copied blob."""
        return self.blobs.get_blob_client(f"{self.prefix}{to}/{name}")

    def url(self, key: str, *, expires_s: int = 300) -> str:
        """Return a signed URL as the SDK makes it."""
        where = {"Bucket": self.bucket, "Key": self.prefix + key}
        return self.s3.generate_presigned_url("get_object", Params=where, ExpiresIn=expires_s)

    def stage(self, key: str, url: str, **more: Any) -> dict[str, str]:
        """Have Azure read 100 bytes of a URL; return status, code and the headers about the source."""
        # A SAS, as awcopy has: a signature of the account's key would be for the one request alone.
        sas = generate_container_sas(
            self.account,
            self.container,
            account_key=self.account_key,
            permission=ContainerSasPermissions(create=True, write=True),
            expiry=datetime.now(UTC) + timedelta(hours=1),
        )
        seen: dict[str, str] = {}
        blob = BlobClient.from_blob_url(
            f"{self.blobs.url}/{quote(f'{self.prefix}raw/{key}')}?{sas}", api_version=API_VERSION
        )

        def keep(answer: Any) -> None:
            seen.update({name.lower(): value for name, value in answer.http_response.headers.items()})
            seen["status"] = str(answer.http_response.status_code)

        try:
            blob.stage_block_from_url(
                "0" * 8, url, source_offset=0, source_length=100, raw_response_hook=keep, **more
            )
        except HttpResponseError as error:
            seen["code"] = str(getattr(error.error_code, "value", error.error_code))
        return seen


def need(holds: object, seen: object) -> str:
    """Return what was seen, if the check holds."""
    if not holds:
        raise Failed(str(seen))
    return str(seen)


def check_server_side(accounts: Accounts) -> str:
    """Azure reads signed URLs of S3, and its CRC-64 proves each object."""
    lines = accounts.copy("server", "--route", "server")
    seen = {name: (line["outcome"], line["route"], line["proof"]) for name, line in lines.items()}
    wanted = ("copied", "server", "crc64")
    return need(all(facts == wanted for name, facts in seen.items() if accounts.contents[name]), seen)


def check_bytes(accounts: Accounts) -> str:
    """Each blob has its object's bytes, read by the SDK."""
    for name, content in accounts.contents.items():
        found = accounts.blob("server", name).download_blob().readall()
        need(hashlib.sha256(found).digest() == hashlib.sha256(content).digest(), name)
    return f"{len(accounts.contents)} blobs"


def check_auto(accounts: Accounts) -> str:
    """By itself, awcopy copies Amazon's objects of 1 MiB and more server-side, and streams all others."""
    lines = accounts.copy("auto")
    seen = {name: line["route"] for name, line in lines.items()}
    wanted = {
        name: "server" if len(content) >= MIB and not accounts.is_here else "stream"
        for name, content in accounts.contents.items()
    }
    return need(seen == wanted, seen)


def check_conditions(accounts: Accounts) -> str:
    """What is there and unchanged is skipped, which the blobs' own stamps tell."""
    lines = accounts.copy("server", "--route", "server")
    return need({line["outcome"] for line in lines.values()} == {"skipped"}, "all skipped")


def check_tier(accounts: Accounts) -> str:
    """Blobs that Azure read by itself are in the tier that was asked for."""
    accounts.copy("cool", "--route", "server", "--tier", "Cool")
    seen = {str(accounts.blob("cool", name).get_blob_properties().blob_tier) for name in accounts.contents}
    return need(seen == {"Cool"}, seen)


def check_crc_header(accounts: Accounts) -> str:
    """Put Block From URL answers with the CRC-64 of what it staged."""
    seen = accounts.stage("one-run.bin", accounts.url("one-run.bin"))
    told = seen.get("x-ms-content-crc64", "")
    return need(
        seen.get("status") == "201"
        and told
        and from_azure(told) == crc64(accounts.contents["one-run.bin"][:100]),
        told or seen,
    )


def check_expired(accounts: Accounts) -> str:
    """A refusal of the source is told as one: 403, CannotVerifyCopySource."""
    url = accounts.url("one-run.bin", expires_s=1)
    time.sleep(3)  # there is nothing to wait for but the clock
    seen = accounts.stage("one-run.bin", url)
    facts = {
        name: value for name, value in seen.items() if name in {"status", "code"} or "copy-source" in name
    }
    return need(seen.get("code") == "CannotVerifyCopySource" and "403" in facts.values(), facts)


def check_missing(accounts: Accounts) -> str:
    """A missing object is told as the source's: 404, CannotVerifyCopySource."""
    seen = accounts.stage("one-run.bin", accounts.url("no-such-object"))
    facts = {
        name: value for name, value in seen.items() if name in {"status", "code"} or "copy-source" in name
    }
    return need(seen.get("code") == "CannotVerifyCopySource" and "404" in facts.values(), facts)


def look_at_conditions(accounts: Accounts) -> str:
    """What Azure does with x-ms-source-if-match for S3; awcopy rests on nothing here, so that any answer holds."""
    condition = {"x-ms-source-if-match": '"no-such-etag"'}
    seen = accounts.stage("one-run.bin", accounts.url("one-run.bin"), headers=condition)
    return f"status {seen.get('status', 'none')} {seen.get('code', '')}".rstrip()


def check_replaced(accounts: Accounts) -> str:
    """Blobs of one call are replaced by a block each, under their ETags, and have their tier and metadata."""
    before = {name: accounts.blob("auto", name).get_blob_properties().etag for name in accounts.contents}
    lines = accounts.copy("auto", "--route", "stream", "--overwrite", "always", "--tier", "Cool")
    for name, content in accounts.contents.items():
        blob = accounts.blob("auto", name)
        facts = blob.get_blob_properties()
        need(facts.etag != before[name] and str(facts.blob_tier) == "Cool", (name, facts.blob_tier))
        need(facts.metadata["awcopy_crc64"] == lines[name]["crc64"], name)
        need(blob.download_blob().readall() == content, name)
    blocks, _ = accounts.blob("auto", "small.txt").get_block_list("committed")
    return need(len(blocks) == 1, f"{len(blocks)} block")


def check_backup(accounts: Accounts) -> str:
    """Copy Blob keeps, with all that it has, what a sync replaces."""
    changed = ("small.txt", "a b+c%/ü?x#y.bin")
    before = {}
    for number, name in enumerate(changed):
        blob = accounts.blob("auto", name)
        blob.upload_blob(b"kept %d" % number, overwrite=True, metadata={"mine": str(number)})
        blob.set_blob_tags({"team": "a b"})
        blob.set_standard_blob_tier("Cool")
        before[name] = _facts(blob)
    options = ("--route", "stream", "--backup-prefix", f"{accounts.prefix}old")
    lines = accounts.copy("auto", *options, command="sync")
    copied = {name for name, line in lines.items() if line["outcome"] == "copied"}
    need(copied == set(changed), copied)
    for name in changed:
        need(accounts.blob("auto", name).download_blob().readall() == accounts.contents[name], name)
        kept = _facts(accounts.blob("old", name))
        need(kept == before[name], (name, kept, before[name]))
    return f"{len(changed)} blobs with bytes, headers, metadata, tags and tier"


def _facts(blob: BlobClient) -> tuple[object, ...]:
    seen = blob.get_blob_properties()
    headers = {name: value for name, value in seen.content_settings.items() if name != "content_md5"}
    md5 = bytes(seen.content_settings.content_md5 or b"")
    return (
        blob.download_blob().readall(),
        headers,
        md5,
        seen.metadata,
        str(seen.blob_tier),
        blob.get_blob_tags(),
    )


def check_versions(accounts: Accounts) -> str:
    """Every version is copied by its id, which is null where the bucket kept none, on both routes."""
    seen: dict[str, str] = {}
    for route in ("server", "stream"):
        lines = accounts.copy("versions", "--versions", "all", "--route", route, "--overwrite", "always")
        need({line["outcome"] for line in lines.values()} == {"copied"}, lines)
        seen |= {f"{route} {name}": line["version"] for name, line in lines.items()}
    return need("" not in seen.values(), ", ".join(sorted(set(seen.values()))) or seen)


def check_rights_first(accounts: Accounts) -> str:
    """A write that is not allowed is refused as such, 403, though its condition does not hold either."""
    sas = generate_container_sas(
        accounts.account,
        accounts.container,
        account_key=accounts.account_key,
        permission=ContainerSasPermissions(read=True),
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )
    blob = BlobClient.from_blob_url(
        f"{accounts.blobs.url}/{quote(accounts.prefix)}none?{sas}", api_version=API_VERSION
    )
    try:
        blob.upload_blob(b"", etag='"0x0"', match_condition=MatchConditions.IfNotModified, overwrite=True)
    except HttpResponseError as error:
        return need(error.status_code == 403, f"{error.status_code} {error.error_code}")
    raise Failed("the write was allowed")


def check_split(accounts: Accounts) -> str:
    """S3 lists from behind all keys that begin alike, for which one that ends with U+10FFFF is named."""
    after = f"{accounts.prefix}small{LAST_CHARACTER}"
    page = accounts.s3.list_objects_v2(
        Bucket=accounts.bucket, Prefix=accounts.prefix, StartAfter=after, MaxKeys=1
    )
    seen = [one["Key"].removeprefix(accounts.prefix) for one in page.get("Contents", ())]
    return need(seen == ["two-runs.bin"], seen)


CHECKS: tuple[Callable[[Accounts], str], ...] = (
    check_server_side,
    check_bytes,
    check_auto,
    check_conditions,
    check_tier,
    check_crc_header,
    check_expired,
    check_missing,
    check_backup,
    check_replaced,
    check_versions,
    check_rights_first,
    check_split,
    look_at_conditions,
)


def main() -> int:
    """Run every check and say what each has seen."""
    environ = dict(os.environ)  # noqa: TID251 - handed on to the command
    is_here = "--here" in sys.argv[1:]
    missing = [] if is_here else [name for name in NEEDED if not environ.get(name)]
    if missing:
        sys.stderr.write(f"make live: not run, {', '.join(missing)} not set; see docs/live-checks.md\n")
        return 2
    with ExitStack() as stack:
        accounts = open_here(stack) if is_here else open_accounts(environ, stack)
        stack.callback(clean, accounts)
        fill(accounts)
        results = [run(check, accounts) for check in CHECKS]
    return 0 if all(results) else 1


def run(check: Callable[[Accounts], str], accounts: Accounts) -> bool:
    """Run one check, print its line, and return whether it holds."""
    title = (check.__doc__ or "").partition("\n")[0]
    try:
        seen, holds = check(accounts), True
    except (Failed, HttpResponseError) as error:
        seen, holds = str(error).partition("\n")[0], False
    sys.stdout.write(f"{'ok    ' if holds else 'FAILED'} {title}\n       {seen}\n")
    sys.stdout.flush()
    return holds


def open_accounts(environ: dict[str, str], stack: ExitStack) -> Accounts:
    """Return the accounts that the environment names, with a prefix of our own in both."""
    source, sink = urlsplit(environ[SOURCE]), urlsplit(environ[SINK])
    container, _, folder = sink.path.lstrip("/").partition("/")
    own = f"{folder.rstrip('/')}/" if folder else ""
    return _connect(environ, source.netloc, own, sink.netloc, container, stack, is_here=False)


def open_here(stack: ExitStack) -> Accounts:
    """Start servers on this machine, and what plays Azure's part before Azurite; return them as accounts."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="awcopy-live-")))
    servers = start_servers(folder, stack)
    proxy = stack.enter_context(CopyingProxy(servers.azurite.process.launch.ports[0]))
    sink = replace(servers.sink, blob_url=f"{proxy.url}/{servers.sink.account}")
    environ = user_environment(servers, folder) | {"AZURE_STORAGE_CONNECTION_STRING": sink.connection_string}
    accounts = _connect(environ, "live", "", sink.account, "live", stack, is_here=True)
    accounts.s3.create_bucket(Bucket="live")
    accounts.blobs.create_container()
    return accounts


def _connect(
    environ: dict[str, str],
    bucket: str,
    folder: str,
    account: str,
    container: str,
    stack: ExitStack,
    *,
    is_here: bool,
) -> Accounts:
    s3 = boto3.client(
        "s3",
        endpoint_url=environ.get("AWS_ENDPOINT_URL"),
        region_name=environ.get("AWS_REGION"),
        aws_access_key_id=environ.get("AWS_ACCESS_KEY_ID"),
        aws_secret_access_key=environ.get("AWS_SECRET_ACCESS_KEY"),
        aws_session_token=environ.get("AWS_SESSION_TOKEN"),
        config=Config(signature_version="s3v4"),
    )
    stack.callback(s3.close)
    text = environ["AZURE_STORAGE_CONNECTION_STRING"]
    service = stack.enter_context(BlobServiceClient.from_connection_string(text, api_version=API_VERSION))
    return Accounts(
        bucket=bucket,
        prefix=f"{folder}awcopy-live-{secrets.token_hex(4)}/",
        account=account,
        account_key=service.credential.account_key,
        container=container,
        s3=s3,
        blobs=service.get_container_client(container),
        env=environ,
        is_here=is_here,
    )


def fill(accounts: Accounts) -> None:
    """Write the objects, with the checksum that S3 keeps by itself today."""
    for name, size in SIZES.items():
        content = accounts.contents[name] = content_of(name, size)
        where = {"Bucket": accounts.bucket, "Key": accounts.prefix + name}
        accounts.s3.put_object(**where, Body=content, ChecksumAlgorithm="CRC64NVME")


def clean(accounts: Accounts) -> None:
    """Remove what was written, on both sides."""
    for name in accounts.contents:
        accounts.s3.delete_object(Bucket=accounts.bucket, Key=accounts.prefix + name)
    for blob in accounts.blobs.list_blobs(name_starts_with=accounts.prefix):
        accounts.blobs.delete_blob(blob.name)


if __name__ == "__main__":
    sys.exit(main())
