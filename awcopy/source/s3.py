"""Lists and reads a bucket of Amazon S3 or of a server that speaks its protocol.

Where the bucket is, `s3_address` finds; the requests are signed by `sigv4` and sent over `awcopy.http`, since
botocore's own cost per call exceeds that of copying a small object.
"""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Final
from urllib.parse import quote

import botocore.exceptions

from awcopy.config import AwsKeys, AwsLogin, CustomerKey
from awcopy.errors import (
    AccessDenied,
    CredentialsRefused,
    IntegrityError,
    RequestRefused,
    SourceChanged,
    StorageError,
    TagsDenied,
)
from awcopy.http import (
    CONNECT_TIMEOUT_S,
    READ_TIMEOUT_S,
    Answer,
    HeadCheck,
    Headers,
    Pool,
    encode_path,
)
from awcopy.model.objects import ARCHIVED_CLASSES, ObjectHead, SourceObject, Span
from awcopy.model.spec import SourceSpec
from awcopy.source.base import ListPage
from awcopy.source.s3_address import BucketAddress, find_address
from awcopy.source.s3_errors import error_from_answer, error_from_botocore, translating_botocore
from awcopy.source.s3_headers import etag_of, head_from_headers
from awcopy.source.s3_listing import parse_list_page, parse_tags, parse_version_page, parse_versioning
from awcopy.source.sigv4 import EMPTY_SHA256, Credentials

_CHECKSUMS: Final = {"x-amz-checksum-mode": "ENABLED"}
_CONTENT_RANGE: Final = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_XML_NAMESPACE: Final = "http://s3.amazonaws.com/doc/2006-03-01/"
# Which of the archived objects can be read, said along with each of them.
_LISTED_BESIDE: Final = {"x-amz-optional-object-attributes": "RestoreStatus"}
_IN_TOKENS: Final = "\n"  # between a key and a version's id, which has no such character
_OK: Final = 200
_BAD_REQUEST: Final = 400
# Long enough for a clock that is as wrong as Amazon accepts, 15 minutes, and for a read that waits.
_URL_LIFE_S: Final = 3600
_REFUSED_HEADS: Final = frozenset({400, 401, 403})


class S3Source:
    """One bucket, read with one set of credentials; the port's contract is in `awcopy.source.base`.

    Nothing is sent, and no credential is looked for, before the first call.

    Args:
        spec: The bucket; without a region, Amazon is asked for it, and other servers are taken to be in
            us-east-1.
        access: The credentials, or the way to them; None for what boto3 finds (environment, profile, role).
            All but plain keys renew themselves.
        connections: Most requests under way at once; further callers wait.
        customer_key: The key that objects may be encrypted with (SSE-C); None where the spec names none.
        proxy_url: A forward proxy, or empty.
        ca_files: Files of certificates that are trusted beside the system's.
        connect_timeout_s: Longest wait for a connection.
        read_timeout_s: Longest silence within an answer.
    """

    def __init__(  # noqa: PLR0913 - what a store and the way to it have
        self,
        spec: SourceSpec,
        access: AwsKeys | AwsLogin | None,
        *,
        connections: int,
        customer_key: CustomerKey | None = None,
        proxy_url: str = "",
        ca_files: Sequence[str] = (),
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        read_timeout_s: float = READ_TIMEOUT_S,
    ) -> None:
        self._spec = spec
        self._access = access
        self._always = {"x-amz-request-payer": "requester"} if spec.pays_requests else {}
        self._decryption = _decryption_headers(customer_key)
        self._new_pool = functools.partial(
            Pool,
            connections=connections,
            proxy_url=proxy_url,
            ca_files=ca_files,
            connect_timeout_s=connect_timeout_s,
            read_timeout_s=read_timeout_s,
        )
        self._proxy_url = proxy_url
        self._lock = threading.Lock()
        self._address: BucketAddress | None = None

    def probe(self, prefix: str) -> None:
        """Return when the bucket can be listed under the prefix; raise the reason when it cannot."""
        self.list_page(prefix, limit=1)

    def list_page(self, prefix: str, *, after: str = "", token: str = "", limit: int = 1000) -> ListPage:
        """Return the next page of objects under a prefix.

        Keys are asked for in URL encoding, since XML cannot carry all of them.
        """
        place = {"continuation-token": token} if token else {}
        rest = {"encoding-type": "url", "list-type": "2", "max-keys": str(limit)}
        if prefix:
            rest["prefix"] = prefix
        if after and not token:
            rest["start-after"] = after
        # In the order of their names, as the signature wants them.
        query = "&".join([f"{name}={_quote(value)}" for name, value in (place | rest).items()])
        bucket_path = self._locate().bucket_path
        answer = self._request("GET", bucket_path, query, _LISTED_BESIDE, op="listing", is_object=False)
        return parse_list_page(answer.body, token=token)

    def list_versions(self, prefix: str, *, token: str = "", limit: int = 1000) -> ListPage:
        """Return the next page of all versions; a token is the key and the version of the one before it."""
        asked = {"encoding-type": "url", "max-keys": str(limit), "versions": ""}
        if prefix:
            asked["prefix"] = prefix
        if token:
            asked["key-marker"], _, asked["version-id-marker"] = token.rpartition(_IN_TOKENS)
        query = "&".join([f"{name}={_quote(value)}" for name, value in sorted(asked.items())])
        bucket_path = self._locate().bucket_path
        answer = self._request(
            "GET", bucket_path, query, _LISTED_BESIDE, op="listing versions", is_object=False
        )
        return parse_version_page(answer.body, token=token, between=_IN_TOKENS)

    def find_region(self) -> str:
        """Return the region that requests are signed for, which is the bucket's."""
        return self._locate().signer.region

    def head(self, key: str, *, version_id: str = "") -> ObjectHead:
        """Return what the object's headers say now, its checksum included where that may be read."""
        path = self._locate().key_path + encode_path(key)
        query = _version_query(version_id)
        try:
            answer = self._request_object("HEAD", path, query, _CHECKSUMS, op="looking at an object")
        except (AccessDenied, RequestRefused) as exc:
            if exc.status not in _REFUSED_HEADS:
                raise
            # The checksum of an object under a KMS key needs kms:Decrypt, the rest of its headers does not.
            answer = self._head_plainly(path, query)
        return head_from_headers(answer.headers)

    def read_tags(self, obj: SourceObject) -> Mapping[str, str]:
        """Return the object's tags."""
        path = self._locate().key_path + encode_path(obj.key)
        query = "&".join(filter(None, ("tagging=", _version_query(obj.version_id))))
        try:
            answer = self._request("GET", path, query, {}, op="reading an object's tags")
        except CredentialsRefused:
            raise
        except AccessDenied as exc:
            hint = "the credentials need s3:GetObjectTagging; or leave the tags behind"
            raise TagsDenied(
                exc.message, hint=hint, status=exc.status, service_code=exc.service_code
            ) from exc
        return parse_tags(answer.body)

    def part_size(self, obj: SourceObject, number: int) -> int:
        """Return how many bytes one part of the pinned object has."""
        path = self._locate().key_path + encode_path(obj.key)
        query = "&".join(filter(None, (f"partNumber={number}", _version_query(obj.version_id))))
        pinned = {"if-match": f'"{obj.etag}"'} if obj.etag else {}
        answer = self._request_object("HEAD", path, query, pinned, op="looking at a part")
        _check_pinned(obj, answer.headers)
        return head_from_headers(answer.headers).size_bytes

    def read_object(self, obj: SourceObject, into: memoryview) -> ObjectHead:
        """Fill ``into`` with the pinned object and return what its headers say."""
        return head_from_headers(self._read(obj, _CHECKSUMS, into, None).headers)

    def read_range(self, obj: SourceObject, span: Span, into: memoryview) -> None:
        """Fill ``into`` with those bytes of the pinned object."""
        self._read(obj, {"range": span.header}, into, span)

    def request_restore(self, obj: SourceObject, *, tier: str, days: int) -> None:
        """Ask for a copy of an archived object that can be read for some days."""
        # What leaves an archive of Intelligent-Tiering stays outside, so that it takes no days.
        kept = f"<Days>{days}</Days>" if obj.storage_class in ARCHIVED_CLASSES else ""
        how = f"{kept}<GlacierJobParameters><Tier>{tier}</Tier></GlacierJobParameters>"
        body = f'<RestoreRequest xmlns="{_XML_NAMESPACE}">{how}</RestoreRequest>'.encode()
        path = self._locate().key_path + encode_path(obj.key)
        query = "&".join(filter(None, ("restore=", _version_query(obj.version_id))))
        try:
            self._request("POST", path, query, {}, op="restoring an object", body=body)
        except RequestRefused as exc:
            if exc.service_code != "RestoreAlreadyInProgress":
                raise

    def presign(self, obj: SourceObject) -> str:
        """Return a URL at the bucket's own region from which anyone can read the object for an hour.

        There is none where a request must bring headers of its own: whoever reads a URL sends none.
        """
        if self._always or self._decryption:
            return ""
        address = self._address or self._locate()
        path = address.key_path + encode_path(obj.key)
        credentials = self._frozen_credentials(address)
        query = address.signer.presign(
            path, _version_query(obj.version_id), credentials, expires_s=_URL_LIFE_S
        )
        origin = address.pool.origin
        return f"{origin.scheme}://{origin.netloc}{path}?{query}"

    def is_versioned(self) -> bool | None:
        """Return whether the bucket keeps versions; None where that may not be asked."""
        bucket_path = self._locate().bucket_path
        try:
            answer = self._request("GET", bucket_path, "versioning=", {}, op="asking for versions")
        except CredentialsRefused:
            raise
        except (AccessDenied, RequestRefused):
            return None
        return parse_versioning(answer.body)

    def delete(self, key: str, *, etag: str) -> bool:
        """Delete the object if it still has this ETag."""
        path = self._locate().key_path + encode_path(key)
        condition = {"if-match": f'"{etag}"'}
        try:
            answer = self._request("DELETE", path, "", condition, op="deleting an object")
        except CredentialsRefused:
            raise
        except AccessDenied as exc:
            hint = "the credentials need s3:DeleteObject, and no lock may be on the object"
            raise AccessDenied(
                exc.message, hint=hint, status=exc.status, service_code=exc.service_code
            ) from exc
        return answer.headers.get("x-amz-delete-marker", "").lower() == "true"

    def close(self) -> None:
        """Give up idle connections; the source can still be used afterwards."""
        if self._address:
            self._address.pool.close()

    def _read(
        self, obj: SourceObject, headers: Mapping[str, str], into: memoryview, span: Span | None
    ) -> Answer:
        address = self._address or self._locate()
        path = address.key_path + encode_path(obj.key)
        query = _version_query(obj.version_id)
        if obj.etag:
            headers = {**headers, "if-match": f'"{obj.etag}"'}

        def check(status: int, answered: Headers) -> None:
            _check_pinned(obj, answered)
            if span:
                _check_span(obj, span, status, answered)

        op = "reading an object"
        return self._request_object("GET", path, query, headers, op=op, into=into, check=check)

    def _request_object(  # noqa: PLR0913 - the parts of a request
        self,
        method: str,
        path: str,
        query: str,
        headers: Mapping[str, str],
        *,
        op: str,
        into: memoryview | None = None,
        check: HeadCheck | None = None,
    ) -> Answer:
        """Ask with the objects' key, if there is one, and without it for an object that it is not for."""
        if self._decryption:
            try:
                keyed = {**headers, **self._decryption}
                return self._request(method, path, query, keyed, op=op, into=into, check=check)
            except RequestRefused as exc:
                if exc.status != _BAD_REQUEST:
                    raise
        return self._request(method, path, query, headers, op=op, into=into, check=check)

    def _request(  # noqa: PLR0913 - the parts of a request
        self,
        method: str,
        path: str,
        query: str,
        headers: Mapping[str, str],
        *,
        op: str,
        is_object: bool = True,
        body: bytes | None = None,
        into: memoryview | None = None,
        check: HeadCheck | None = None,
    ) -> Answer:
        address = self._address or self._locate()
        body_sha256 = sha256(body).hexdigest() if body else EMPTY_SHA256
        sent, credentials = {**headers, **self._always}, self._frozen_credentials(address)
        signed = address.signer.sign(method, path, query, sent, credentials, body_sha256=body_sha256)
        target = f"{path}?{query}" if query else path
        answer = address.pool.request(method, target, signed, body, into, check=check)
        if answer.status >= 300:  # noqa: PLR2004 - HTTP: redirects are not followed, so they are refusals too
            raise error_from_answer(answer, op=op, bucket=self._spec.bucket, is_object=is_object)
        return answer

    def _frozen_credentials(self, address: BucketAddress) -> Credentials:
        try:
            frozen: Credentials = address.credentials.get_frozen_credentials()
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as exc:
            raise error_from_botocore(exc, op="renewing the credentials", bucket=self._spec.bucket) from exc
        return frozen

    def _head_plainly(self, path: str, query: str) -> Answer:
        """Ask without the checksum; if that is refused too, find out why, since HEAD's answers do not say."""
        try:
            return self._request_object("HEAD", path, query, {}, op="looking at an object")
        except (AccessDenied, RequestRefused):
            try:
                self.probe("")
            except StorageError as exc:
                if exc.service_code not in {"", "AccessDenied"}:  # the credentials as such are at fault
                    raise
            raise

    def _locate(self) -> BucketAddress:
        """Return where the bucket is, found on the first call."""
        if self._address:
            return self._address
        with self._lock, translating_botocore(op="finding the bucket", bucket=self._spec.bucket):
            if self._address is None:
                self._address = find_address(self._spec, self._access, self._new_pool)
            return self._address


def _version_query(version_id: str) -> str:
    return f"versionId={_quote(version_id)}" if version_id else ""


def _quote(value: str) -> str:
    return quote(value, safe="-_.~", errors="surrogateescape")


def _decryption_headers(key: CustomerKey | None) -> dict[str, str]:
    prefix = "x-amz-server-side-encryption-customer-"
    if key is None:
        return {}
    return {
        f"{prefix}algorithm": "AES256",
        f"{prefix}key": key.value.reveal(),
        f"{prefix}key-md5": key.md5,
    }


def _check_pinned(obj: SourceObject, headers: Headers) -> None:
    if obj.etag and etag_of(headers) != obj.etag:
        raise SourceChanged("the object is no longer the one that was listed")


def _check_span(obj: SourceObject, span: Span, status: int, headers: Headers) -> None:
    """Refuse other bytes than the span's; some servers answer 200 with the right Content-Range."""
    match = _CONTENT_RANGE.fullmatch(headers.get("content-range", ""))
    last = span.offset + span.size_bytes - 1
    if match:
        is_right = (int(match[1]), int(match[2])) == (span.offset, last)
        is_right = is_right and match[3] in {"*", str(obj.size_bytes)}
    else:
        is_right = status == _OK and span.offset == 0 and span.size_bytes == obj.size_bytes
    if not is_right:
        raise IntegrityError("the answer holds another range than the one asked for", status=status)
