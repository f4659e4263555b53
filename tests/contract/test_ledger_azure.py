"""What only the ledger on Azure Storage can meet: lost answers, missing tables, wrong keys, nobody there."""

from __future__ import annotations

import secrets
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
from azure.core.exceptions import ServiceRequestError, ServiceResponseError
from azure.core.pipeline.transport import RequestsTransport

from awcopy.config import DEVELOPMENT_STORAGE, Secret
from awcopy.errors import AwcopyError, Conflict, CredentialsError, JobNotFound, ServiceUnreachable, UsageError
from awcopy.ledger.azure import AzureLedger
from awcopy.model.items import Item, ItemKind
from awcopy.model.job import Job, JobId, JobState
from awcopy.model.spec import JobSpec, SinkSpec, SourceSpec
from tests.faults.tcp_proxy import TcpProxy

NOW = datetime(2026, 1, 2, tzinfo=UTC)
SPEC = JobSpec(source=SourceSpec(bucket="photos"), sink=SinkSpec(account="acc", container="c"))
JOB = JobId("0abc")
CANARY = "Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5"


class LossyTransport(RequestsTransport):
    """Loses answers to requests that were served, or the requests themselves, as told in ``losses``."""

    def __init__(self) -> None:
        super().__init__(connection_timeout=5, read_timeout=30)
        self.losses: list[str] = []
        self.after_loss = lambda: None
        self.sent = 0

    def send(self, request, **kwargs):
        loss = self.losses.pop(0) if self.losses else ""
        if loss == "request":
            raise ServiceRequestError("lost")
        self.sent += 1
        response = super().send(request, **kwargs)
        if loss == "answer":
            self.after_loss()
            raise ServiceResponseError("lost")
        return response


@pytest.fixture
def transport():
    return LossyTransport()


@pytest.fixture
def ledger(azurite, transport):
    account = Secret(azurite.endpoint.connection_string)
    with AzureLedger(account, f"t{secrets.token_hex(8)}", transport=transport) as azure:
        azure.prepare()
        yield azure


def make_job(**changes) -> Job:
    facts = {"name": "n", "user": "u", "spec": SPEC, "state": JobState.QUEUED}
    return Job(**{"id": JOB, "created_at": NOW, "changed_at": NOW, **facts, **changes})


def make_item(number: int = 1, **changes) -> Item:
    return Item(**{"job_id": JOB, "number": number, "kind": ItemKind.COPY_FILES, **changes})


@pytest.mark.parametrize("losses", ["answer", "answer request", "request answer", "answer answer"])
def test_an_update_whose_answer_was_lost_has_happened_once(ledger, transport, losses):
    item = ledger.add_item(make_item())
    transport.losses = losses.split()
    updated = ledger.update_item(replace(item, objects=5))
    assert ledger.get_item(JOB, 1) == updated
    assert ledger.update_item(replace(updated, objects=6)).objects == 6


def test_an_addition_whose_answer_was_lost_has_happened_once(ledger, transport):
    transport.losses = ["answer"]
    added = ledger.add_job(make_job())
    assert ledger.get_job(JOB) == added
    with pytest.raises(Conflict):
        ledger.add_job(make_job())


def test_an_extension_whose_answer_was_lost_has_happened_once(ledger, transport):
    parent = ledger.add_item(make_item())
    transport.losses = ["answer"]
    updated = ledger.extend(parent, [make_item(2), make_item(3)], [])
    assert ledger.get_item(JOB, 1) == updated
    assert [item.number for item in ledger.list_items(JOB)] == [1, 2, 3]


@pytest.mark.parametrize("loss", ["answer", "request"])
def test_a_conflict_after_a_lost_attempt_is_still_a_conflict(ledger, transport, loss):
    item = ledger.add_item(make_item())
    other = ledger.update_item(replace(item, objects=1))
    transport.losses = [loss]
    with pytest.raises(Conflict):
        ledger.update_item(replace(item, objects=2))
    assert ledger.get_item(JOB, 1) == other


def test_an_update_that_was_overtaken_before_it_was_tried_again_is_a_conflict(ledger, transport):
    item = ledger.add_item(make_item())

    def overtake():
        ledger.update_item(replace(ledger.get_item(JOB, 1), agent=7))

    transport.after_loss = overtake
    transport.losses = ["answer"]
    with pytest.raises(Conflict):
        ledger.update_item(replace(item, objects=2))
    assert ledger.get_item(JOB, 1).agent == 7


def test_a_conflict_at_the_first_attempt_costs_one_request(ledger, transport):
    item = ledger.add_item(make_item())
    ledger.update_item(item)
    transport.sent = 0
    with pytest.raises(Conflict):
        ledger.update_item(item)
    assert transport.sent == 1


def test_a_page_whose_answer_was_lost_is_read_again(ledger, transport):
    for number in (1, 2):
        ledger.add_item(make_item(number))
    transport.losses = ["answer"]
    assert [item.number for item in ledger.list_items(JOB)] == [1, 2]


def test_a_deletion_whose_answers_were_lost_is_finished(ledger, transport):
    parent = ledger.add_item(make_item())
    ledger.extend(parent, [make_item(number) for number in range(2, 90)], [])
    ledger.write_manifest(JOB, 2, [])
    transport.losses = ["", "answer", "", "answer"]
    ledger.delete_job(JOB)
    assert list(ledger.list_items(JOB)) == []


def test_two_may_delete_one_job_at_once(ledger):
    parent = ledger.add_item(make_item())
    for first in range(2, 300, 90):
        parent = ledger.extend(parent, [make_item(number) for number in range(first, first + 90)], [])
    for number in range(300):
        ledger.write_manifest(JOB, number, [])
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(ledger.delete_job, [JOB, JOB]))
    assert list(ledger.list_items(JOB)) == []
    with pytest.raises(JobNotFound):
        ledger.read_manifest(JOB, 299)


def test_the_time_is_asked_for_once(azurite, transport):
    account = Secret(azurite.endpoint.connection_string)
    with AzureLedger(account, "unprepared", transport=transport) as ledger:
        first = ledger.now()
        assert ledger.now() >= first
    assert transport.sent == 1


def test_a_ledger_that_was_never_prepared_is_empty_and_says_so_when_written(azurite):
    account = Secret(azurite.endpoint.connection_string)
    with AzureLedger(account, f"t{secrets.token_hex(8)}") as ledger:
        assert ledger.list_jobs() == []
        assert list(ledger.list_items(JOB)) == []
        assert ledger.read_outcomes(JOB, 1, 1) == []
        ledger.delete_job(JOB)
        for write in (
            lambda: ledger.add_job(make_job()),
            lambda: ledger.update_item(make_item(version='W/"x"')),
            lambda: ledger.extend(make_item(version='W/"x"'), [make_item(2)], []),
            lambda: ledger.write_manifest(JOB, 1, []),
        ):
            with pytest.raises(ServiceUnreachable, match="no tables yet"):
                write()


def test_a_damaged_document_is_no_empty_one(ledger):
    ledger.write_outcomes(JOB, 1, 1, [])
    blob = ledger._account.blobs.get_blob_client(ledger._documents._client.container_name, _only_blob(ledger))
    blob.upload_blob(b"not zstd", overwrite=True)
    with pytest.raises(AwcopyError, match="damaged"):
        ledger.read_outcomes(JOB, 1, 1)


def _only_blob(ledger) -> str:
    (name,) = ledger._documents._client.list_blob_names()
    return name


def test_a_row_of_a_newer_version_is_read_as_far_as_it_is_known(ledger):
    added = ledger.add_job(make_job())
    row = ledger._jobs.get("jobs", JOB)
    row["colour"] = "blue"
    row["json"] = row["json"][:-1] + ',"mood":{"x":[1]}}'
    ledger._jobs._client.upsert_entity(row)
    assert replace(ledger.get_job(JOB), version="") == replace(added, version="")


def test_a_wrong_key_is_named_and_not_shown(azurite):
    text = azurite.endpoint.connection_string
    key = text.partition("AccountKey=")[2].partition(";")[0]
    with AzureLedger(Secret(text.replace(key, CANARY)), "awcopy") as ledger:
        with pytest.raises(CredentialsError) as caught:
            ledger.list_jobs()
        assert "AWCOPY_LEDGER" in caught.value.hint
        assert CANARY not in f"{caught.value} {caught.value.hint}"
        with pytest.raises(CredentialsError):
            ledger.write_manifest(JOB, 1, [])


def test_when_nobody_answers_the_error_comes_within_seconds():
    address = (
        f"DefaultEndpointsProtocol=http;AccountName=acc;AccountKey={CANARY};"
        "BlobEndpoint=http://127.0.0.1:9/acc;TableEndpoint=http://127.0.0.1:9/acc;"
    )
    started = time.monotonic()
    with AzureLedger(Secret(address), "awcopy") as ledger, pytest.raises(ServiceUnreachable) as caught:
        ledger.list_jobs()
    assert time.monotonic() - started < 20
    assert "127.0.0.1:9 cannot be reached: the connection was refused" in str(caught.value)
    assert "AWCOPY_LEDGER" in caught.value.hint


def test_a_service_that_says_nothing_is_asked_again_once_it_has_been_silent_for_so_long(azurite):
    port = urlsplit(azurite.endpoint.blob_url).port
    with TcpProxy(port) as wire:
        wire.blackhole()
        address = (
            f"DefaultEndpointsProtocol=http;AccountName=acc;AccountKey={CANARY};"
            f"TableEndpoint=http://127.0.0.1:{wire.port}/acc;"
        )
        ledger = AzureLedger(Secret(address), "awcopy", reads_silence_s=0.2)
        with ledger, pytest.raises(ServiceUnreachable, match="did not answer in time"):
            ledger.list_jobs()
        assert wire.connections > 1


@pytest.mark.parametrize(
    "address",
    [
        "",
        CANARY,
        f"AccountKey={CANARY}",
        f"AccountName=acc;AccountKey={CANARY};x",
        f"https://example.com/?sig={CANARY}",
        f"https://acc.blob.core.windows.net/path?sig={CANARY}",
        "http://acc.blob.core.windows.net",
    ],
)
def test_an_address_that_names_no_account_is_refused_and_not_shown(address):
    with pytest.raises(UsageError) as caught:
        AzureLedger(Secret(address), "awcopy")
    assert CANARY not in f"{caught.value!r} {caught.value.hint}"
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("address", "domain"),
    [
        ("AccountName=acc;AccountKey=a2V5", "core.windows.net"),
        ("AccountName=acc;AccountKey=a2V5;EndpointSuffix=core.chinacloudapi.cn", "core.chinacloudapi.cn"),
        ("https://acc.blob.core.windows.net/", "core.windows.net"),
        ("https://acc.blob.core.windows.net?sv=1&sig=x", "core.windows.net"),
        ("https://acc.blob.core.chinacloudapi.cn", "core.chinacloudapi.cn"),
    ],
)
def test_an_address_names_both_services(address, domain):
    with AzureLedger(Secret(address), "awcopy") as ledger:
        assert ledger._account.tables.url.startswith(f"https://acc.table.{domain}")
        assert ledger._account.blobs.url.startswith(f"https://acc.blob.{domain}")


@pytest.mark.parametrize("address", [DEVELOPMENT_STORAGE, "usedevelopmentstorage=true;"])
def test_the_short_form_names_an_emulator_here(address):
    with AzureLedger(Secret(address), "awcopy") as ledger:
        assert ledger._account.tables.url == "http://127.0.0.1:10002/devstoreaccount1"
        assert "://127.0.0.1:10000/devstoreaccount1" in ledger._account.blobs.url


@pytest.mark.parametrize("namespace", ["", "ab", "Awcopy", "1awcopy", "aw-copy", "a" * 52])
def test_a_namespace_that_cannot_name_tables_is_refused(namespace):
    with pytest.raises(UsageError, match="AWCOPY_NAMESPACE"):
        AzureLedger(Secret(DEVELOPMENT_STORAGE), namespace)


def test_importing_the_ledger_leaves_azure_identity_alone():
    code = "import sys, awcopy.ledger.azure; sys.exit('azure.identity' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
