"""Signatures (AWS Signature Version 4) of requests without a body, as the data plane of S3 sends them.

Signs our own requests by header, so that their URLs carry no signature, and URLs only for a sink that is to
read by itself. Keeps the day's signing key; equal to botocore's signer, which takes about 150 microseconds
where this takes about 10. Decides nothing about what is sent.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Final, NamedTuple, Protocol
from urllib.parse import quote

EMPTY_SHA256: Final = sha256().hexdigest()


class Credentials(Protocol):
    """Frozen credentials, as botocore gives them."""

    access_key: str
    secret_key: str
    token: str | None


class _DayKey(NamedTuple):
    secret_key: str
    day: str
    key: bytes


class Signer:
    """Signs requests to one host of one region. Safe for many threads."""

    def __init__(self, *, host: str, region: str, clock: Callable[[], float] = time.time) -> None:
        self._host = host
        self.region = region
        self._clock = clock
        self._day_key = _DayKey("", "", b"")  # replaced whole, so that threads never see half of one

    def sign(
        self,
        method: str,
        path: str,
        query: str,
        headers: Mapping[str, str],
        credentials: Credentials,
        *,
        body_sha256: str = EMPTY_SHA256,
    ) -> dict[str, str]:
        """Return the headers given and those of the signature; all but Accept-Encoding are signed.

        Args:
            method: ``GET``, ``HEAD`` or ``POST``.
            path: The path as it is sent, percent-encoded; it is signed as it is.
            query: The query as it is sent: percent-encoded, and sorted by name.
            headers: With lower-case names, values without blanks around them or two in a row.
            credentials: Whose signature it is to be.
            body_sha256: The hash of what is sent along, in hexadecimal.
        """
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._clock()))
        signed = {**headers, "host": self._host, "x-amz-content-sha256": body_sha256, "x-amz-date": stamp}
        if credentials.token:
            signed["x-amz-security-token"] = credentials.token
        names = sorted(signed)
        listed = ";".join(names)
        lines = "".join([f"{name}:{signed[name]}\n" for name in names])
        request = f"{method}\n{path}\n{query}\n{lines}\n{listed}\n{body_sha256}"
        scope = f"{stamp[:8]}/{self.region}/s3/aws4_request"
        digest = sha256(request.encode()).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}"
        signature = hmac.digest(self._key(credentials.secret_key, stamp[:8]), text.encode(), "sha256").hex()
        signed["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{scope}, "
            f"SignedHeaders={listed}, Signature={signature}"
        )
        del signed["host"]  # The connection adds it.
        signed["Accept-Encoding"] = "identity"  # Not signed: proxies are known to change it.
        return signed

    def presign(self, path: str, query: str, credentials: Credentials, *, expires_s: int) -> str:
        """Return the query of a signed URL with which anyone can GET the path; a secret while it lasts.

        Only the Host header is signed, since whoever uses the URL sends headers of its own choice.

        Args:
            path: The path as it will be sent, percent-encoded.
            query: More of the query, percent-encoded and sorted by name; its names sort after ``X-Amz-``.
            credentials: Whose signature it is to be; when they end, the URL does.
            expires_s: How long the URL can be used, at most a week.
        """
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._clock()))
        scope = f"{stamp[:8]}/{self.region}/s3/aws4_request"
        token = f"&X-Amz-Security-Token={quote(credentials.token, safe='-_.~')}" if credentials.token else ""
        signed = (
            "X-Amz-Algorithm=AWS4-HMAC-SHA256"
            f"&X-Amz-Credential={quote(f'{credentials.access_key}/{scope}', safe='-_.~')}"
            f"&X-Amz-Date={stamp}&X-Amz-Expires={expires_s}{token}&X-Amz-SignedHeaders=host"
            f"{'&' if query else ''}{query}"
        )
        request = f"GET\n{path}\n{signed}\nhost:{self._host}\n\nhost\nUNSIGNED-PAYLOAD"
        text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{sha256(request.encode()).hexdigest()}"
        signature = hmac.digest(self._key(credentials.secret_key, stamp[:8]), text.encode(), "sha256").hex()
        return f"{signed}&X-Amz-Signature={signature}"

    def _key(self, secret_key: str, day: str) -> bytes:
        kept = self._day_key
        if kept.day == day and kept.secret_key == secret_key:
            return kept.key
        key = f"AWS4{secret_key}".encode()
        for part in (day, self.region, "s3", "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        self._day_key = _DayKey(secret_key, day, key)
        return key
