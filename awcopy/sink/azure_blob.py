"""Looks at and writes one container of Azure Blob Storage, or of its emulator.

The SDKs make the credentials' proofs and the container; all else goes over `awcopy.http`, since the SDK's own
cost per call exceeds that of copying a small object, and since it rewrites names with dot segments.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final
from urllib.parse import quote, urlsplit

from awcopy import crc64 as crc
from awcopy.config import AzureIdentity, AzureKeys, CustomerKey
from awcopy.errors import (
    AccessDenied,
    BlobConflict,
    ConnectionLost,
    CredentialsRefused,
    IntegrityError,
    KeyMismatch,
    Miswritten,
    ObjectNotFound,
    PermanentError,
    RequestRefused,
    ServerFault,
    StorageError,
)
from awcopy.http import (
    CONNECT_TIMEOUT_S,
    READ_TIMEOUT_S,
    Answer,
    Headers,
    Pool,
    encode_path,
    parse_http_date,
    parse_origin,
)
from awcopy.model.objects import (
    BlobHead,
    BlobProperties,
    BlockId,
    Condition,
    ContentHeaders,
    SinkAccount,
    Span,
    StagedBlock,
)
from awcopy.model.spec import SinkSpec
from awcopy.planning.tags import write_tags
from awcopy.sink.azure_access import Proof, make_access
from awcopy.sink.azure_encryption import KEY_SHA256, SCOPE, Encryption
from awcopy.sink.azure_errors import WRONG_ACCOUNT, error_from_answer, may_concern_one_blob
from awcopy.sink.azure_xml import (
    encode_block_id,
    parse_blob_page,
    parse_staged_blocks,
    parse_tags,
    write_block_list,
)
from awcopy.sink.base import BlobPage

# Known to Azure for good, and to Azurite from 3.37 on; newer versions add nothing that is used here.
API_VERSION: Final = "2025-11-05"
_METADATA: Final = "x-ms-meta-"
_PROBE_BLOCK: Final = BlockId("probe")
_MISMATCH: Final = "Crc64Mismatch"
_OTHER_BYTES: Final = "the sink received other bytes than were sent"
_NO_KEY_NEEDED: Final = "BlobDoesNotUseCustomerSpecifiedEncryption"
_TAGS: Final = "x-ms-tags"
_COPIED: Final = "success"
_CONTENT_HEADERS: Final = {
    "content_type": "x-ms-blob-content-type",
    "content_encoding": "x-ms-blob-content-encoding",
    "content_language": "x-ms-blob-content-language",
    "content_disposition": "x-ms-blob-content-disposition",
    "cache_control": "x-ms-blob-cache-control",
}


class AzureBlobSink:
    """One container, written with one set of credentials; the port's contract is in `awcopy.sink.base`.

    Args:
        spec: The container; its endpoint's path is kept, as emulators have the account there.
        keys: The account's key or a SAS token; an identity, or None for any that azure-identity finds, over
            https only.
        customer_key: The key that blobs are encrypted with; None where the spec names none.
        deletes: Whether blobs are to be deleted; a SAS that is made here allows that only then.
        connections: Most requests under way at once; further callers wait.
        proxy_url: A forward proxy, or empty.
        ca_files: Files of certificates that are trusted beside the system's.
        connect_timeout_s: Longest wait for a connection.
        read_timeout_s: Longest silence within an answer.
    """

    def __init__(  # noqa: PLR0913 - what a store and the way to it have
        self,
        spec: SinkSpec,
        keys: AzureKeys | AzureIdentity | None,
        *,
        connections: int,
        customer_key: CustomerKey | None = None,
        deletes: bool = False,
        proxy_url: str = "",
        ca_files: Sequence[str] = (),
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        read_timeout_s: float = READ_TIMEOUT_S,
    ) -> None:
        self._spec = spec
        self._where = f"az://{spec.account}/{spec.container}"
        self._access = make_access(spec, keys, deletes=deletes)
        self._encryption = Encryption(spec, customer_key)
        self._probe_name = spec.prefix + self._encryption.probe_name  # where the rights are, if anywhere
        self._origin = "{0.scheme}://{0.netloc}".format(urlsplit(spec.account_url))
        self._container_path = f"{urlsplit(spec.account_url).path.rstrip('/')}/{encode_path(spec.container)}"
        self._pool = Pool(
            parse_origin(spec.account_url),
            connections=connections,
            proxy_url=proxy_url,
            ca_files=ca_files,
            connect_timeout_s=connect_timeout_s,
            read_timeout_s=read_timeout_s,
        )

    def probe(self) -> None:
        """Return when the container is there, the credentials are good, and it encrypts as it is asked to."""
        self.list_page("", limit=1)
        if self._encryption:
            # Nobody sees such a block, and Azure drops it within a week.
            self.stage_block(self._probe_name, _PROBE_BLOCK, memoryview(b"0"), crc64=crc.crc64(b"0"))

    def account(self) -> SinkAccount:
        """Return what the account can do; credentials for one container may not tell."""
        try:
            answer = self._request("HEAD", "", "restype=account&comp=properties", {}, op="asking the account")
        except PermanentError:
            return SinkAccount()
        return SinkAccount(
            kind=answer.headers.get("x-ms-account-kind", ""),
            is_hierarchical=answer.headers.get("x-ms-is-hns-enabled", "") == "true",
        )

    def create_container(self) -> None:
        """Create the container; nothing happens when it is there already."""
        op, proof = "creating the container", self._access.container_proof()
        with suppress(BlobConflict):  # it is there
            self._request("PUT", "", "restype=container", {}, op=op, proof=proof)

    def is_empty(self, prefix: str) -> bool:
        """Return whether no committed blob's name starts with the prefix."""
        page = self.list_page(prefix, limit=1)
        while not page.blobs and page.token:  # Azure may answer with empty pages before the first blob
            page = self.list_page(prefix, token=page.token, limit=1)
        return not page.blobs

    def list_page(self, prefix: str, *, token: str = "", limit: int = 5000) -> BlobPage:
        """Return the next page of committed blobs with their metadata; it may be empty and not the last."""
        asked = {"prefix": prefix, "marker": token}
        given = "".join(f"&{name}={quote(value, safe='')}" for name, value in asked.items() if value)
        query = f"restype=container&comp=list&include=metadata&maxresults={limit}{given}"
        return parse_blob_page(self._request("GET", "", query, {}, op="listing").body)

    def head(self, name: str) -> BlobHead | None:
        """Return the committed blob of that name, or None."""
        op = "looking at a blob"
        try:
            answer = self._request("HEAD", name, "", self._encryption.to_read, op=op)
        except ObjectNotFound:
            return None
        except KeyMismatch as exc:
            if exc.service_code != _NO_KEY_NEEDED:
                raise
            answer = self._request("HEAD", name, "", {}, op=op)
        return _blob_head(name, answer.headers)

    def read_range(self, blob: BlobHead, span: Span, into: memoryview) -> None:
        """Fill ``into`` with those bytes of the blob that was seen."""
        headers = {"x-ms-range": span.header, **_condition_headers(Condition(if_match=blob.etag))}
        keyed = self._encryption.to_read if blob.key_sha256 else {}
        self._request("GET", blob.name, "", {**headers, **keyed}, op="reading a blob", into=into)

    def put_blob(
        self, name: str, data: memoryview, *, crc64: int, properties: BlobProperties, condition: Condition
    ) -> str:
        """Write a whole block blob in one call and return its ETag; Azure checks the CRC-64 first.

        Azure computes and keeps the blob's MD5 itself here, and would refuse one sent along with the CRC.
        """
        headers = {
            "x-ms-blob-type": "BlockBlob",
            "x-ms-content-crc64": crc.to_azure(crc64),
            **self._encryption.to_write,
            **_property_headers(properties),
            **_condition_headers(condition),
        }
        # Sent twice, a conditional write could fail on its own success; the caller reads back instead.
        is_repeatable = not (condition.if_absent or condition.if_match)
        answer = self._request(
            "PUT", name, "", headers, op="writing a blob", body=data, is_repeatable=is_repeatable
        )
        if not _has_received(answer.headers, crc64):
            raise Miswritten(_OTHER_BYTES, etag=_etag(answer.headers), service_code=_MISMATCH)
        self._encryption.check(answer.headers)
        return _etag(answer.headers)

    def stage_block(self, name: str, block_id: BlockId, data: memoryview, *, crc64: int) -> None:
        """Stage one block; Azure checks the CRC-64 first."""
        query = f"comp=block&blockid={quote(encode_block_id(block_id), safe='')}"
        headers = {"x-ms-content-crc64": crc.to_azure(crc64), **self._encryption.to_write}
        answer = self._request("PUT", name, query, headers, op="staging a block", body=data)
        if not _has_received(answer.headers, crc64):
            raise IntegrityError(_OTHER_BYTES, service_code=_MISMATCH)
        self._encryption.check(answer.headers)

    def stage_block_from_url(self, name: str, block_id: BlockId, url: str, span: Span) -> int:
        """Have Azure read a span of a URL as one block; return the CRC-64 of what it staged.

        No condition on the source is sent: Azure knows those for its own blobs, and what it does with them
        for other servers is written nowhere. Whoever commits looks whether the source is still the same.
        """
        query = f"comp=block&blockid={quote(encode_block_id(block_id), safe='')}"
        headers = {
            "x-ms-copy-source": url,
            "x-ms-source-range": span.header,
            **self._encryption.to_write,
        }
        answer = self._request("PUT", name, query, headers, op="copying a block", is_repeatable=False)
        self._encryption.check(answer.headers)
        try:
            return crc.from_azure(answer.headers["x-ms-content-crc64"])
        except (KeyError, ValueError):
            raise RequestRefused("the sink does not say which bytes it has read from the source") from None

    def staged_blocks(self, name: str) -> tuple[StagedBlock, ...]:
        """Return the uncommitted blocks that the sink holds for this name; none for an unknown name."""
        query = "comp=blocklist&blocklisttype=uncommitted"
        try:
            answer = self._request("GET", name, query, {}, op="listing blocks")
        except ObjectNotFound:
            return ()
        return parse_staged_blocks(answer.body)

    def commit_blocks(
        self, name: str, block_ids: Sequence[BlockId], *, properties: BlobProperties, condition: Condition
    ) -> str:
        """Make the staged blocks, in this order, the blob's content; return its ETag."""
        body = write_block_list(block_ids)
        headers = {
            "x-ms-content-crc64": crc.to_azure(crc.crc64(body)),  # of the list itself, not of the blob
            **self._encryption.to_write,
            **_property_headers(properties),
            **_condition_headers(condition),
        }
        if properties.content_md5:  # kept as it is given; without it the blob has none
            headers["x-ms-blob-content-md5"] = base64.b64encode(properties.content_md5).decode("ascii")
        answer = self._request(
            "PUT", name, "comp=blocklist", headers, op="committing blocks", body=body, is_repeatable=False
        )
        self._encryption.check(answer.headers)
        return _etag(answer.headers)

    def copy_blob(self, name: str, to: str, *, etag: str) -> None:
        """Copy the blob that was seen to another name, within the container; return at the end.

        Copy Blob keeps headers and metadata by itself, tags and tier only where they are sent.
        """
        op = "copying a blob"
        seen = self._request(
            "HEAD", name, "", _condition_headers(Condition(if_match=etag)), op="looking at a blob"
        )
        proof = self._access.proof()
        url = f"{self._origin}{self._container_path}/{encode_path(name)}"
        headers = {
            "x-ms-copy-source": f"{url}?{proof.query}" if proof.query else url,
            "x-ms-source-if-match": f'"{etag}"',
        }
        tier = seen.headers.get("x-ms-access-tier", "")
        if tier and seen.headers.get("x-ms-access-tier-inferred", "") != "true":
            headers["x-ms-access-tier"] = tier
        if int(seen.headers.get("x-ms-tag-count", "0")):
            answer = self._request("GET", name, "comp=tags", {}, op="reading a blob's tags")
            headers[_TAGS] = write_tags(parse_tags(answer.body))
        answer = self._request("PUT", to, "", headers, op=op, is_repeatable=False)
        if answer.headers.get("x-ms-copy-status", _COPIED) != _COPIED:
            raise ServerFault("the sink has not come to the end of a copy of its own")

    def delete_blob(self, name: str, *, etag: str) -> None:
        """Delete the blob that was seen; one with snapshots is not deleted."""
        self._request("DELETE", name, "", _condition_headers(Condition(if_match=etag)), op="deleting a blob")

    def close(self) -> None:
        """Give up idle connections; the sink can still be used afterwards."""
        self._pool.close()

    def _request(  # noqa: PLR0913 - the parts of a request
        self,
        method: str,
        name: str,
        query: str,
        headers: Mapping[str, str],
        *,
        op: str,
        body: bytes | memoryview | None = None,
        into: memoryview | None = None,
        is_repeatable: bool = True,
        proof: Proof | None = None,
    ) -> Answer:
        proof = proof or self._access.proof()
        path = f"{self._container_path}/{encode_path(name)}" if name else self._container_path
        parts = "&".join(filter(None, (query, proof.query)))
        target = f"{path}?{parts}" if parts else path
        sent = {"x-ms-version": API_VERSION, **proof.headers, **headers}
        try:
            answer = self._pool.request(method, target, sent, body, into, is_repeatable=is_repeatable)
        except ConnectionLost as exc:
            if exc.service_code == "dns":
                exc.hint = WRONG_ACCOUNT
            raise
        if answer.status >= 300:  # noqa: PLR2004 - HTTP
            error = self._refused(answer, op)
            # The right to write tags is given for all blobs, and the probe does not try it.
            if name and _TAGS not in headers and may_concern_one_blob(error) and self._allows(method, name):
                message = f"{error.message}: the same is allowed for other blobs"
                error = AccessDenied(message, status=error.status, service_code=error.service_code)
            raise error
        return answer

    def _refused(self, answer: Answer, op: str) -> StorageError:
        error = error_from_answer(answer, op=op, where=self._where)
        if isinstance(error, AccessDenied) and self._access.has_expired():
            hint = "give a new SAS token, then resume the job"
            message = f"the SAS token for {self._where} has expired"
            return CredentialsRefused(message, hint=hint, status=403, service_code="AuthenticationFailed")
        return error

    def _allows(self, method: str, refused: str) -> bool:
        """Return whether something of the kind is allowed for a blob beside the one for which it is refused.

        Then the credentials as such are good, and the refusal is no reason to stop the whole job.
        """
        if refused == self._probe_name:
            return False
        # Rights are looked at before all else, and there is no such blob: so nothing is written or deleted.
        asked = {"x-ms-blob-type": "BlockBlob", "If-Match": '"0x0"', **self._encryption.to_write}
        try:
            if method == "PUT":
                self._request("PUT", self._probe_name, "", asked, op="trying to write", body=b"")
            else:
                method = "DELETE" if method == "DELETE" else "HEAD"
                self._request(method, self._probe_name, "", {}, op="trying that on another blob")
        except (BlobConflict, ObjectNotFound):
            return True
        except StorageError:
            return False
        return True


def _property_headers(properties: BlobProperties) -> dict[str, str]:
    headers = {f"{_METADATA}{name}": value for name, value in properties.metadata.items()}
    for field, header in _CONTENT_HEADERS.items():
        value = getattr(properties.headers, field)
        if value:
            headers[header] = value
    if properties.tier:
        headers["x-ms-access-tier"] = properties.tier
    if properties.tags:
        headers[_TAGS] = write_tags(properties.tags)
    return headers


def _condition_headers(condition: Condition) -> dict[str, str]:
    if condition.if_absent:
        return {"If-None-Match": "*"}
    return {"If-Match": f'"{condition.if_match}"'} if condition.if_match else {}


def _has_received(headers: Headers, crc64: int) -> bool:
    """Return whether Azure says that it received what was sent; older servers do not say."""
    return headers.get("x-ms-content-crc64") in (None, crc.to_azure(crc64))


def _etag(headers: Headers) -> str:
    return headers.get("etag", "").strip('"')


def _blob_head(name: str, headers: Headers) -> BlobHead:
    try:
        return BlobHead(
            name=name,
            etag=_etag(headers),
            size_bytes=int(headers["content-length"]),
            modified_at=parse_http_date(headers["last-modified"]),
            metadata={
                header[len(_METADATA) :]: value
                for header, value in headers.items()
                if header.startswith(_METADATA)
            },
            headers=ContentHeaders(
                content_type=headers.get("content-type", ""),
                content_encoding=headers.get("content-encoding", ""),
                content_language=headers.get("content-language", ""),
                content_disposition=headers.get("content-disposition", ""),
                cache_control=headers.get("cache-control", ""),
            ),
            content_md5=base64.b64decode(headers.get("content-md5", "")),
            encryption_scope=headers.get(SCOPE, ""),
            key_sha256=headers.get(KEY_SHA256, ""),
            is_being_copied=headers.get("x-ms-copy-status", _COPIED) != _COPIED,
        )
    except (KeyError, ValueError):
        raise ServerFault("the answer does not say the blob's length and date") from None
