"""What Azure's answers mean and how its requests are allowed. No request leaves this process."""

from __future__ import annotations

import base64
from datetime import datetime
from types import SimpleNamespace
from urllib.parse import parse_qs

import pytest
from azure.core import exceptions as azure

from awcopy import errors
from awcopy.config import AzureKeys, Secret
from awcopy.crc64 import crc64, to_azure
from awcopy.http import Answer
from awcopy.model.objects import ALWAYS, IF_ABSENT, BlobProperties, BlockId, Span, StagedBlock
from awcopy.model.spec import SinkSpec
from awcopy.sink import azure_access
from awcopy.sink.azure_access import KeyAccess, SasAccess, TokenAccess, make_access
from awcopy.sink.azure_blob import AzureBlobSink
from awcopy.sink.azure_errors import error_from_answer, translating_azure
from awcopy.sink.azure_xml import parse_blob_page, parse_staged_blocks, write_block_list

SPEC = SinkSpec(account="acc", container="cont")
KEY = base64.b64encode(b"k" * 64).decode()


def refusal(
    status: int, code: str = "", message: str = "", *, in_header: bool = True, **headers: str
) -> Answer:
    body = (
        f"<Error><Code>{code}</Code><Message>{message}</Message></Error>" if message or not in_header else ""
    )
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if in_header and code:
        named["x-ms-error-code"] = code
    return Answer(status, named, body.encode(), len(body))


@pytest.mark.parametrize("in_header", [True, False])
@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (404, "ContainerNotFound", errors.StoreNotFound),
        (409, "ContainerBeingDeleted", errors.StoreNotFound),
        (404, "BlobNotFound", errors.ObjectNotFound),
        (403, "AuthenticationFailed", errors.CredentialsRefused),
        (403, "AuthorizationPermissionMismatch", errors.CredentialsRefused),
        (409, "BlobAlreadyExists", errors.BlobConflict),
        (412, "ConditionNotMet", errors.BlobConflict),
        (412, "LeaseIdMissing", errors.BlobProtected),
        (409, "BlobImmutableDueToPolicy", errors.BlobProtected),
        (409, "BlobImmutableDueToLegalHold", errors.BlobProtected),
        (409, "SnapshotsPresent", errors.BlobProtected),
        (409, "BlobArchived", errors.BlobProtected),
        (409, "InvalidBlobType", errors.BlobProtected),
        (409, "BlobOperationNotSupported", errors.BlobProtected),
        (409, "PathConflict", errors.NameConflict),
        (409, "ResourceTypeMismatch", errors.NameConflict),
        (400, "InvalidResourceName", errors.NameNotAllowed),
        (400, "MetadataTooLarge", errors.MetadataNotAllowed),
        (403, "UnauthorizedBlobOverwrite", errors.AccessDenied),
        (409, "BlobTierInadequateForContentLength", errors.RequestRefused),
        (413, "RequestBodyTooLarge", errors.RequestRefused),
        (400, "Crc64Mismatch", errors.IntegrityError),
        (400, "Md5Mismatch", errors.IntegrityError),
        (400, "InvalidBlockList", errors.BlocksMissing),
        (503, "ServerBusy", errors.Throttled),
        (500, "OperationTimedOut", errors.ServerFault),
        (400, "InvalidMetadata", errors.MetadataNotAllowed),
    ],
)
def test_a_refusal_means_one_error(status, code, kind, in_header):
    error = error_from_answer(refusal(status, code, in_header=in_header), op="writing", where="az://a/c")
    assert type(error) is kind
    assert (error.status, error.service_code) == (status, code)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, errors.CredentialsRefused),
        (403, errors.CredentialsRefused),
        (404, errors.ObjectNotFound),
        (408, errors.ServerFault),
        (412, errors.BlobConflict),
        (413, errors.RequestRefused),
        (429, errors.Throttled),
        (500, errors.ServerFault),
        (502, errors.ServerFault),
        (503, errors.Throttled),
        (504, errors.ServerFault),
    ],
)
def test_a_bare_status_means_one_error(status, kind):
    assert type(error_from_answer(refusal(status), op="writing", where="az://a/c")) is kind


def test_throttling_says_how_long_to_wait():
    error = error_from_answer(refusal(503, "ServerBusy", retry_after="4"), op="writing", where="az://a/c")
    assert error.retry_after_s == 4.0


@pytest.mark.parametrize(
    "reason",
    ["Signature not valid in the specified time frame: Start", "Lifetime failed. The token is expired."],
)
def test_credentials_that_have_expired_are_told_apart(reason):
    answer = refusal(403, "AuthenticationFailed", reason)
    error = error_from_answer(answer, op="writing", where="az://a/c")
    assert type(error) is errors.CredentialsRefused
    assert "renew" in error.hint


def test_a_version_that_the_server_does_not_know_is_hinted_at():
    answer = refusal(400, "InvalidHeaderValue", "The value for x-ms-version is not in the correct format.")
    assert "version" in error_from_answer(answer, op="writing", where="az://a/c").hint


def sdk_error(kind: type[azure.HttpResponseError], status: int, code: object) -> azure.HttpResponseError:
    error = kind(message="m", response=SimpleNamespace(status_code=status, reason="r", headers={}))
    error.error_code = code
    return error


@pytest.mark.parametrize(
    ("exc", "kind"),
    [
        (sdk_error(azure.ResourceExistsError, 409, "ContainerBeingDeleted"), errors.StoreNotFound),
        (
            sdk_error(azure.ResourceNotFoundError, 404, SimpleNamespace(value="ContainerNotFound")),
            errors.StoreNotFound,
        ),
        (sdk_error(azure.ClientAuthenticationError, 403, "AuthenticationFailed"), errors.CredentialsRefused),
        (azure.ClientAuthenticationError("no token"), errors.CredentialsError),
        (azure.ServiceRequestError("Failed to resolve 'acc.blob'"), errors.ConnectionLost),
        (azure.ServiceResponseError("reset"), errors.ConnectionLost),
    ],
)
def test_an_exception_of_the_sdk_means_one_error(exc, kind):
    with pytest.raises(errors.AwcopyError) as caught, translating_azure(op="creating", where="az://a/c"):
        raise exc
    assert type(caught.value) is kind
    assert caught.value.__cause__ is exc


def test_an_unknown_host_hints_at_the_accounts_name():
    with pytest.raises(errors.ConnectionLost) as caught, translating_azure(op="x", where="az://a/c"):
        raise azure.ServiceRequestError("Name or service not known")
    assert "account" in caught.value.hint


def test_a_sas_is_made_once_and_again_before_it_ends():
    now = [1_800_000_000.0]
    access = KeyAccess(SPEC, KEY, clock=lambda: now[0])
    first = access.proof()
    now[0] += 4.9 * 3600
    assert access.proof() is first
    now[0] += 0.2 * 3600
    second = access.proof()
    assert second is not first
    facts = {name: values[0] for name, values in parse_qs(second.query).items()}
    start, end = (datetime.fromisoformat(facts[name]).timestamp() - now[0] for name in ("st", "se"))
    assert (start, end) == (-900, 6 * 3600)
    assert (facts["sr"], set(facts["sp"])) == ("c", set("racwlt"))


def test_a_key_that_is_not_base64_is_refused():
    with pytest.raises(errors.CredentialsError):
        make_access(SPEC, AzureKeys(account_key=Secret("not base64!")))


@pytest.mark.parametrize(
    ("query", "has_expired"),
    [
        ("?sig=x&se=2026-01-01T00%3A00%3A00Z", True),
        ("se=2099-01-01&sig=x", False),
        ("si=policy", False),
        ("se=x", False),
    ],
)
def test_a_sas_token_knows_its_end(query, has_expired):
    access = make_access(SPEC, AzureKeys(sas_token=Secret(query)), clock=lambda: 1_800_000_000.0)
    assert isinstance(access, SasAccess)
    assert access.has_expired() is has_expired
    assert access.proof().query == access.container_proof().query == query.lstrip("?")


class FakeCredential:
    """Gives tokens that live for an hour."""

    def __init__(self, now: list[float]) -> None:
        self.now, self.asked = now, 0

    def get_token(self, scope: str) -> SimpleNamespace:
        assert scope == "https://storage.azure.com/.default"
        self.asked += 1
        return SimpleNamespace(token=f"t{self.asked}", expires_on=self.now[0] + 3600)


def test_a_token_is_asked_for_again_before_it_ends():
    now = [0.0]
    credential = FakeCredential(now)
    access = TokenAccess(credential, SPEC, clock=lambda: now[0])
    seen = []
    for now[0] in (0, 3299, 3300, 6599):
        seen.append(access.proof().headers["Authorization"])
    assert seen == ["Bearer t1", "Bearer t1", "Bearer t2", "Bearer t2"]
    assert not access.has_expired()
    assert access.container_proof() == access.proof()


def test_azure_identity_looks_in_all_its_places():
    credential = azure_access._default_credential()
    assert type(credential).__name__ == "DefaultAzureCredential"
    credential.close()


def test_without_keys_azure_identity_is_asked(monkeypatch):
    credential = FakeCredential([0.0])
    monkeypatch.setattr(azure_access, "_default_credential", lambda *_: credential)
    assert make_access(SPEC, None).proof().headers == {"Authorization": "Bearer t1"}


def test_a_token_is_never_sent_over_plain_http():
    with pytest.raises(errors.CredentialsError):
        make_access(SinkSpec(account="a", container="c", endpoint_url="http://127.0.0.1:1/a"), None)


def test_what_proves_a_request_hides_itself():
    access = KeyAccess(SPEC, KEY)
    assert "sig=" not in repr(access.proof())


def test_a_block_list_names_blocks_in_base64():
    assert write_block_list([BlockId("00000001")]).endswith(
        b"<BlockList><Latest>MDAwMDAwMDE=</Latest></BlockList>"
    )


def test_staged_blocks_are_read():
    body = (
        "\ufeff<?xml version='1.0'?><BlockList><CommittedBlocks><Block><Name>eA==</Name><Size>1</Size>"
        "</Block></CommittedBlocks><UncommittedBlocks><Block><Name>MDE=</Name><Size>7</Size></Block>"
        "</UncommittedBlocks></BlockList>"
    )
    assert parse_staged_blocks(body.encode()) == (StagedBlock(block_id=BlockId("01"), size_bytes=7),)


BLOB = (
    "<Blob><Name Encoded='true'>a%01b</Name><Properties>"
    "<Last-Modified>Sun, 06 Nov 1994 08:49:37 GMT</Last-Modified>"
    "<Etag>0x8D</Etag><Content-Length>5</Content-Length><Content-MD5>AAAA</Content-MD5></Properties>"
    "<Metadata><Colour>blue</Colour><Empty/></Metadata><OrMetadata/></Blob>"
)


def page_of(*blobs: str) -> bytes:
    inner = f"<Blobs>{''.join(blobs)}</Blobs><NextMarker>m</NextMarker>"
    return f"<EnumerationResults>{inner}</EnumerationResults>".encode()


def test_a_page_of_blobs_is_read():
    page = parse_blob_page(page_of(BLOB, "<BlobPrefix><Name>p/</Name></BlobPrefix>"))
    blob = page.blobs[0]
    assert (page.token, len(page.blobs)) == ("m", 1)
    assert (blob.name, blob.etag, blob.size_bytes) == ("a\x01b", "0x8D", 5)
    assert (blob.metadata, blob.content_md5) == ({"colour": "blue", "empty": ""}, bytes(3))


@pytest.mark.parametrize(
    "body",
    [
        page_of(BLOB)[:-9],
        b"<!DOCTYPE x><EnumerationResults/>",
        page_of(BLOB.replace("<Etag>0x8D</Etag>", "")),
        page_of(BLOB.replace("0x8D", "")),
        page_of(BLOB.replace(" Encoded='true'", "").replace("a%01b", "")),
        page_of(BLOB.replace("5</Content-Length>", "?</Content-Length>")),
        page_of("<Blob><Name>x</Name></Blob>"),
    ],
)
def test_a_page_that_would_lose_blobs_is_refused(body):
    with pytest.raises(errors.ServerFault):
        parse_blob_page(body)


@pytest.mark.parametrize(
    "entry", ["<Block><Name>MDE=</Name></Block>", "<Block><Name>!</Name><Size>1</Size></Block>"]
)
def test_a_list_of_blocks_that_cannot_be_read_is_refused(entry):
    with pytest.raises(errors.ServerFault):
        parse_staged_blocks(f"<BlockList><UncommittedBlocks>{entry}</UncommittedBlocks></BlockList>".encode())


class FakePool:
    """Answers by script, in place of connections."""

    def __init__(self, *answers: Answer | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[SimpleNamespace] = []

    def request(self, method, target, headers, body=None, into=None, *, check=None, is_repeatable=True):
        self.requests.append(
            SimpleNamespace(method=method, target=target, headers=headers, is_repeatable=is_repeatable)
        )
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def sink_with(*answers: Answer | Exception, sas: str = "sig=s") -> tuple[AzureBlobSink, FakePool]:
    sink = AzureBlobSink(SPEC, AzureKeys(sas_token=Secret(sas)), connections=1)
    sink._pool = pool = FakePool(*answers)
    return sink, pool


def put(sink: AzureBlobSink, condition=ALWAYS) -> str:
    return sink.put_blob(
        "a/../b c",
        memoryview(b"x"),
        crc64=crc64(b"x"),
        properties=BlobProperties(tier="Cool"),
        condition=condition,
    )


def test_a_blob_is_put_with_what_azure_asks_for():
    sink, pool = sink_with(Answer(201, {"etag": '"0x1"'}, b"", 0))
    assert put(sink) == "0x1"
    request = pool.requests[0]
    assert (request.method, request.target) == ("PUT", "/cont/a/../b%20c?sig=s")
    assert request.headers == {
        "x-ms-version": "2025-11-05",
        "x-ms-blob-type": "BlockBlob",
        "x-ms-content-crc64": to_azure(crc64(b"x")),
        "x-ms-access-tier": "Cool",
    }
    assert request.is_repeatable


MISMATCH = (403, "AuthorizationPermissionMismatch")


@pytest.mark.parametrize("code", ["AuthorizationPermissionMismatch", ""])
def test_a_write_that_is_refused_for_one_blob_alone_is_that_blobs_affair(code):
    sink, pool = sink_with(refusal(403, code), refusal(412, "ConditionNotMet"))
    with pytest.raises(errors.AccessDenied, match="allowed for other blobs") as caught:
        put(sink)
    assert type(caught.value) is errors.AccessDenied
    assert pool.requests[1].target == "/cont/.awcopy-probe-e3b0c442?sig=s"
    assert pool.requests[1].headers["If-Match"] == '"0x0"', "or the probe would be written"


def test_a_write_that_is_refused_for_other_blobs_too_is_the_credentials_affair():
    sink, pool = sink_with(refusal(*MISMATCH), refusal(*MISMATCH))
    with pytest.raises(errors.CredentialsRefused):
        put(sink)
    assert len(pool.requests) == 2


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (refusal(404, "BlobNotFound"), errors.AccessDenied),
        (refusal(*MISMATCH), errors.CredentialsRefused),
        (refusal(503, "ServerBusy"), errors.CredentialsRefused),
    ],
)
def test_whether_another_blob_can_be_looked_at_tells_whose_affair_a_refusal_is(answer, kind):
    sink, pool = sink_with(refusal(*MISMATCH), answer)
    with pytest.raises(errors.AccessDenied) as caught:
        sink.head("k")
    assert type(caught.value) is kind
    assert [request.method for request in pool.requests] == ["HEAD", "HEAD"]


@pytest.mark.parametrize("code", ["AuthenticationFailed", "AuthorizationFailure"])
def test_nothing_more_is_asked_where_the_credentials_as_such_are_refused(code):
    sink, pool = sink_with(refusal(403, code))
    with pytest.raises(errors.CredentialsRefused):
        put(sink)
    assert len(pool.requests) == 1


def test_the_right_to_write_tags_is_given_for_all_blobs():
    sink, pool = sink_with(refusal(*MISMATCH))
    properties = BlobProperties(tags={"stage": "raw"})
    with pytest.raises(errors.CredentialsRefused):
        sink.put_blob("k", memoryview(b"x"), crc64=crc64(b"x"), properties=properties, condition=ALWAYS)
    assert len(pool.requests) == 1


def test_the_probe_lies_under_the_sinks_prefix_where_the_rights_may_end():
    spec = SinkSpec(account="acc", container="cont", prefix="photos/")
    sink = AzureBlobSink(spec, AzureKeys(sas_token=Secret("sig=s")), connections=1)
    sink._pool = pool = FakePool(refusal(*MISMATCH), refusal(412, "ConditionNotMet"))
    with pytest.raises(errors.AccessDenied):
        put(sink)
    assert pool.requests[1].target.startswith("/cont/photos/.awcopy-probe-")


def test_a_conditional_write_is_never_sent_twice():
    sink, pool = sink_with(Answer(201, {}, b"", 0))
    put(sink, IF_ABSENT)
    assert pool.requests[0].headers["If-None-Match"] == "*"
    assert not pool.requests[0].is_repeatable


def test_a_checksum_that_azure_returns_must_be_ours():
    answer = Answer(201, {"x-ms-content-crc64": to_azure(1), "etag": '"0x1"'}, b"", 0)
    sink, _ = sink_with(answer, answer)
    with pytest.raises(errors.Miswritten) as caught:
        put(sink)
    assert caught.value.etag == "0x1"
    with pytest.raises(errors.IntegrityError):
        sink.stage_block("k", BlockId("1"), memoryview(b"x"), crc64=crc64(b"x"))


def test_an_empty_page_before_the_first_blob_is_not_the_end():
    sink, _ = sink_with(Answer(200, {}, page_of(), 0), Answer(200, {}, page_of(BLOB), 0))
    assert not sink.is_empty("")


def test_an_account_without_an_address_may_be_misspelt():
    sink, _ = sink_with(errors.ConnectionLost("no address", service_code="dns"))
    with pytest.raises(errors.ConnectionLost) as caught:
        sink.probe()
    assert "account" in caught.value.hint


def test_a_connection_that_broke_keeps_its_error():
    sink, _ = sink_with(errors.ConnectionLost("broke", service_code="closed"))
    with pytest.raises(errors.ConnectionLost) as caught:
        sink.probe()
    assert not caught.value.hint


def test_a_refusal_after_the_end_of_the_sas_means_that_it_has_expired():
    sink, _ = sink_with(refusal(403), sas="se=2020-01-01T00:00:00Z&sig=s")
    with pytest.raises(errors.CredentialsRefused):
        sink.probe()


def test_a_head_that_cannot_be_read_is_the_servers_fault():
    sink, _ = sink_with(Answer(200, {"content-length": "1"}, b"", 0))
    with pytest.raises(errors.ServerFault):
        sink.head("x")


@pytest.mark.parametrize(
    ("status", "facts", "kind"),
    [
        (403, {"status": "403"}, errors.SourceUnreadable),
        (404, {"status": "404", "error": "NoSuchKey"}, errors.SourceUnreadable),
        (403, {"status": "403", "error": "InvalidObjectState"}, errors.ObjectArchived),
        (412, {"status": "412"}, errors.SourceChanged),
        (416, {"status": "416", "error": "InvalidRange"}, errors.SourceChanged),
        (503, {"status": "503", "error": "SlowDown"}, errors.Throttled),
        (500, {"status": "500"}, errors.ServerFault),
        (403, {}, errors.SourceUnreadable),  # before 2024-02-04 the status alone was the source's
        (503, {}, errors.Throttled),
    ],
)
def test_a_refusal_of_the_source_is_not_one_of_the_sink(status, facts, kind):
    headers = {f"x_ms_copy_source_{name}_code": value for name, value in facts.items()}
    answer = refusal(status, "CannotVerifyCopySource", **headers)
    error = error_from_answer(answer, op="copying a block", where="az://acc/cont")
    assert type(error) is kind
    assert "asked the source" in error.message


def test_who_throttles_is_told_apart():
    by_source = refusal(503, "CannotVerifyCopySource", x_ms_copy_source_status_code="503")
    for answer, expected in ((by_source, True), (refusal(503, "ServerBusy"), False)):
        error = error_from_answer(answer, op="copying a block", where="az://acc/cont")
        assert isinstance(error, errors.Throttled)
        assert error.by_source is expected


class Asked:
    """Stands for the pool; keeps what was asked, and answers with the given headers."""

    def __init__(self, **headers: str) -> None:
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.requests: list = []

    def request(self, *arguments, **options) -> Answer:
        self.requests.append((arguments, options))
        return Answer(201, self.headers, b"", 0)


def copying_sink(monkeypatch, pool: Asked) -> AzureBlobSink:
    sink = AzureBlobSink(SPEC, AzureKeys(account_key=Secret(KEY)), connections=1)
    monkeypatch.setattr(sink, "_pool", pool)
    return sink


def test_azure_is_asked_once_to_read_a_span_and_says_what_it_read(monkeypatch):
    pool = Asked(x_ms_content_crc64=to_azure(crc64(b"Hell")))
    sink = copying_sink(monkeypatch, pool)
    url = "https://bucket.s3.eu-west-1.amazonaws.com/k?X-Amz-Signature=5e"
    found = sink.stage_block_from_url("b", BlockId("1"), url, Span(offset=4, size_bytes=4))
    assert found == crc64(b"Hell")
    (method, _, headers, body, _), options = pool.requests[0]
    assert (method, body, options["is_repeatable"]) == ("PUT", None, False)
    assert headers["x-ms-copy-source"] == url
    assert headers["x-ms-source-range"] == "bytes=4-7"
    assert "x-ms-source-if-match" not in headers


@pytest.mark.parametrize("headers", [{}, {"x_ms_content_crc64": "short"}])
def test_a_sink_that_does_not_say_what_it_read_is_not_believed(monkeypatch, headers):
    sink = copying_sink(monkeypatch, Asked(**headers))
    with pytest.raises(errors.RequestRefused, match="does not say"):
        sink.stage_block_from_url("b", BlockId("1"), "https://h/k", Span(offset=0, size_bytes=4))


@pytest.mark.parametrize(
    ("url", "authority"),
    [
        ("https://acc.blob.core.windows.net", ""),
        ("https://acc.z01.blob.storage.azure.net", ""),
        ("https://acc.blob.core.chinacloudapi.cn", "login.chinacloudapi.cn"),
        ("https://acc.blob.core.usgovcloudapi.net", "login.microsoftonline.us"),
        ("https://blob.example/acc", ""),
    ],
)
def test_each_cloud_has_its_own_place_to_sign_in(monkeypatch, url, authority):
    asked = []
    monkeypatch.setattr(azure_access, "_default_credential", lambda _id, host: asked.append(host))
    make_access(SinkSpec(account="acc", container="cont", endpoint_url=url), None)
    assert asked == [authority]


def test_azure_identity_is_told_the_authority():
    credential = azure_access._default_credential(authority="login.chinacloudapi.cn")
    assert type(credential).__name__ == "DefaultAzureCredential"
    credential.close()


def test_a_container_is_made_with_a_sas_of_the_account():
    sink = AzureBlobSink(SPEC, AzureKeys(account_key=Secret(KEY)), connections=1)
    sink._pool = pool = FakePool(Answer(201, {}, b"", 0), refusal(409, "ContainerAlreadyExists"))
    sink.create_container()
    sink.create_container()
    query = parse_qs(pool.requests[0].target.partition("?")[2])
    assert (query["restype"], query["srt"], query["sp"]) == (["container"], ["c"], ["wc"])
    assert len(pool.requests) == 2
