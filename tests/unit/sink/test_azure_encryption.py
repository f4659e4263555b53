"""What is sent and checked when blobs are to be encrypted. No request leaves this process."""

from __future__ import annotations

import pytest

from awcopy.config import AzureKeys, Secret, parse_customer_key
from awcopy.crc64 import crc64
from awcopy.errors import KeyMismatch, NotEncrypted
from awcopy.http import Answer
from awcopy.model.objects import ALWAYS, BlobProperties, BlockId
from awcopy.model.spec import SinkSpec
from awcopy.sink.azure_blob import AzureBlobSink
from tests.unit.sink.test_azure_parts import FakePool, refusal

KEY = parse_customer_key(b"k" * 32, "the test")
SCOPED = SinkSpec(account="acc", container="cont", encryption_scope="projects")
KEYED = SinkSpec(account="acc", container="cont", key_sha256=KEY.sha256)
KEY_HEADERS = {
    "x-ms-encryption-key": KEY.value.reveal(),
    "x-ms-encryption-key-sha256": KEY.sha256,
    "x-ms-encryption-algorithm": "AES256",
}
ECHO = {
    "scope": {"x-ms-encryption-scope": "projects"},
    "key": {"x-ms-encryption-key-sha256": KEY.sha256},
}
HEAD = {"content-length": "1", "last-modified": "Sun, 06 Nov 1994 08:49:37 GMT", "etag": '"0x1"'}


def sink_with(how: str, *answers: Answer) -> tuple[AzureBlobSink, FakePool]:
    spec, key = (SCOPED, None) if how == "scope" else (KEYED, KEY)
    sink = AzureBlobSink(spec, AzureKeys(sas_token=Secret("sig=s")), connections=1, customer_key=key)
    sink._pool = pool = FakePool(*answers)
    return sink, pool


def write(sink: AzureBlobSink, how: str) -> None:
    data, facts = memoryview(b"x"), {"properties": BlobProperties(), "condition": ALWAYS}
    if how == "put":
        sink.put_blob("k", data, crc64=crc64(b"x"), **facts)
    elif how == "stage":
        sink.stage_block("k", BlockId("1"), data, crc64=crc64(b"x"))
    else:
        sink.commit_blocks("k", [BlockId("1")], **facts)


@pytest.mark.parametrize("kind", ["put", "stage", "commit"])
def test_each_write_names_the_scope_and_no_key(kind):
    sink, pool = sink_with("scope", Answer(201, ECHO["scope"], b"", 0))
    write(sink, kind)
    sent = pool.requests[0].headers
    assert sent["x-ms-encryption-scope"] == "projects"
    assert not KEY_HEADERS.keys() & sent.keys()


@pytest.mark.parametrize("kind", ["put", "stage", "commit"])
def test_each_write_brings_the_whole_key(kind):
    sink, pool = sink_with("key", Answer(201, ECHO["key"], b"", 0))
    write(sink, kind)
    assert KEY_HEADERS.items() <= pool.requests[0].headers.items()


@pytest.mark.parametrize("how", ["scope", "key"])
@pytest.mark.parametrize("kind", ["put", "stage", "commit"])
def test_a_write_that_is_not_said_to_be_encrypted_as_asked_is_an_error(kind, how):
    sink, _ = sink_with(how, Answer(201, {}, b"", 0))
    with pytest.raises(NotEncrypted, match=f"took no notice of the encryption {how}"):
        write(sink, kind)


def test_a_blob_is_looked_at_with_the_key_and_tells_its_encryption():
    sink, pool = sink_with("key", Answer(200, {**HEAD, **ECHO["key"]}, b"", 0))
    assert sink.head("k").key_sha256 == KEY.sha256
    assert KEY_HEADERS.items() <= pool.requests[0].headers.items()


def test_a_blob_without_a_key_is_looked_at_again_without_it():
    answers = (refusal(409, "BlobDoesNotUseCustomerSpecifiedEncryption"), Answer(200, HEAD, b"", 0))
    sink, pool = sink_with("key", *answers)
    assert sink.head("k").key_sha256 == ""
    assert not KEY_HEADERS.keys() & pool.requests[1].headers.keys()


@pytest.mark.parametrize(
    "code", ["BlobUsesCustomerSpecifiedEncryption", "BlobCustomerSpecifiedEncryptionMismatch"]
)
def test_a_blob_with_another_key_is_said_to_have_one(code):
    sink, _ = sink_with("key", refusal(409, code))
    with pytest.raises(KeyMismatch, match="give the key that the blob has been encrypted with"):
        sink.head("k")


def test_a_probe_stages_one_block_to_see_the_encryption():
    page = b"<EnumerationResults><Blobs/></EnumerationResults>"
    sink, pool = sink_with("scope", Answer(200, {}, page, 0), Answer(201, {}, b"", 0))
    with pytest.raises(NotEncrypted):
        sink.probe()
    assert "/cont/.awcopy-probe-" in pool.requests[1].target
    assert "comp=block&" in pool.requests[1].target


def test_a_plain_sink_sends_nothing_about_encryption():
    spec = SinkSpec(account="acc", container="cont")
    sink = AzureBlobSink(spec, AzureKeys(sas_token=Secret("sig=s")), connections=1)
    sink._pool = pool = FakePool(Answer(201, {}, b"", 0))
    write(sink, "put")
    assert not [name for name in pool.requests[0].headers if "encryption" in name]
