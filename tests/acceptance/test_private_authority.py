"""Stores behind TLS whose certificate an authority of one's own has signed."""

from __future__ import annotations

import uuid
from urllib.parse import urlsplit

import pytest

from tests.acceptance.conftest import Place
from tests.acceptance.tls_relay import TlsRelay, write_certificate

OBJECTS = {"a.txt": b"a", "b/c.bin": b"c" * 100_000}


@pytest.mark.parametrize("variable", ["AWCOPY_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", ""])
def test_both_stores_are_trusted_by_the_authority_that_is_named(place: Place, tmp_path, variable):
    bucket = f"authority-{uuid.uuid4().hex[:8]}"
    place.make_bucket(bucket, OBJECTS)
    authority = write_certificate(tmp_path)
    source, sink = urlsplit(place.servers.source.endpoint_url), urlsplit(place.servers.sink.blob_url)
    with TlsRelay(source.port or 0, tmp_path) as s3, TlsRelay(sink.port or 0, tmp_path) as azure:
        account = place.servers.sink.account
        words = (f"s3://{bucket}", f"az://{account}/{bucket}", "--local", "--create-container")
        done = place.awcopy(
            "copy", *words, "--endpoint-url", f"https://127.0.0.1:{s3.port}",
            "--azure-endpoint", f"https://127.0.0.1:{azure.port}/{account}",
            **({variable: str(authority)} if variable else {}),
        )  # fmt: skip
    if variable:
        assert done.returncode == 0, done.stderr
        client = place.blobs.get_container_client(bucket)
        found = {blob.name: client.download_blob(blob.name).readall() for blob in client.list_blobs()}
        assert found == OBJECTS
    else:
        assert done.returncode == 7
        assert "AWCOPY_CA_BUNDLE" in done.stderr
