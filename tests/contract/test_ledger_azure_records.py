"""A ledger that remembers asks Azure's tables for what is new, and finds what is there now."""

from __future__ import annotations

import secrets
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
from azure.core.pipeline.transport import RequestsTransport

from awcopy.config import Secret
from awcopy.ledger import azure
from awcopy.ledger.azure import AzureLedger
from awcopy.model.items import ItemState
from awcopy.model.job import JobState
from tests.unit.factories import JOB_ID, make_item, make_job


class ToldTransport(RequestsTransport):
    """Tells what was asked for: of each request, whether it was for keys alone."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def send(self, request, **kwargs):
        query = parse_qs(urlsplit(request.url).query)
        self.asked.append("keys" if "$select" in query else "rows")
        return super().send(request, **kwargs)

    def told(self) -> list[str]:
        told, self.asked = self.asked, []
        return told


@pytest.fixture
def transport():
    return ToldTransport()


@pytest.fixture
def writer(azurite):
    with AzureLedger(Secret(azurite.endpoint.connection_string), f"t{secrets.token_hex(8)}") as ledger:
        ledger.prepare()
        yield ledger


@pytest.fixture
def reader(azurite, writer, transport):
    namespace = writer._jobs._client.table_name.removesuffix("jobs")
    account = Secret(azurite.endpoint.connection_string)
    with AzureLedger(account, namespace, transport=transport, remembers=True) as ledger:
        yield ledger


def add_items(writer, count):
    return [writer.add_item(make_item(number)) for number in range(1, count + 1)]


def numbers(found):
    return [item.number for item in found]


def test_what_was_read_before_is_not_read_again(writer, reader, transport):
    items = add_items(writer, 20)
    assert list(reader.list_items(JOB_ID)) == items
    assert transport.told() == ["keys", "rows"]
    assert list(reader.list_items(JOB_ID)) == items
    assert transport.told() == ["keys"]


def test_a_row_that_changed_is_read_alone(writer, reader, transport):
    items = add_items(writer, 20)
    list(reader.list_items(JOB_ID))
    transport.told()
    items[7] = writer.update_item(replace(items[7], objects=9))
    assert list(reader.list_items(JOB_ID)) == items
    assert transport.told() == ["keys", "rows"]
    items.append(writer.add_item(make_item(21)))
    assert list(reader.list_items(JOB_ID)) == items
    assert transport.told() == ["keys", "rows"]


def test_many_rows_that_changed_are_read_at_once(writer, reader, transport):
    items = add_items(writer, 20)
    list(reader.list_items(JOB_ID))
    transport.told()
    items = [writer.update_item(replace(item, objects=9)) for item in items]
    assert list(reader.list_items(JOB_ID)) == items
    assert transport.told() == ["keys", "rows"]


def test_a_row_that_was_removed_is_not_found_any_more(writer, reader):
    writer.add_job(make_job())
    assert [job.id for job in reader.list_jobs()] == [JOB_ID]
    writer.delete_job(JOB_ID)
    assert reader.list_jobs() == []


def test_a_row_that_meets_the_condition_no_more_is_not_found_though_it_is_known(writer, reader):
    items = add_items(writer, 3)
    job = writer.add_job(make_job())
    assert numbers(reader.list_items(JOB_ID, states=(ItemState.READY,))) == [1, 2, 3]
    assert [one.id for one in reader.open_jobs()] == [JOB_ID]
    writer.update_item(replace(items[1], state=ItemState.DONE))
    writer.update_job(replace(job, state=JobState.COMPLETED))
    assert numbers(reader.list_items(JOB_ID, states=(ItemState.READY,))) == [1, 3]
    assert reader.open_jobs() == []


def test_a_row_that_changes_while_it_is_looked_up_is_not_given_for_what_it_is_not(writer, reader, transport):
    items = add_items(writer, 3)
    send = transport.send

    def change_first(request, **kwargs):
        if "$select" not in request.url and "%24select" not in request.url:
            transport.send = send
            writer.update_item(replace(items[1], state=ItemState.DONE))
        return send(request, **kwargs)

    transport.send = change_first
    assert numbers(reader.list_items(JOB_ID, states=(ItemState.READY,))) == [1, 3]


def test_of_very_many_rows_the_latest_are_kept(azurite, writer, transport, monkeypatch):
    monkeypatch.setattr(azure, "_MOST_REMEMBERED", 5)
    namespace = writer._jobs._client.table_name.removesuffix("jobs")
    items = add_items(writer, 8)
    account = Secret(azurite.endpoint.connection_string)
    with AzureLedger(account, namespace, transport=transport, remembers=True) as reader:
        assert list(reader.list_items(JOB_ID)) == items
        transport.told()
        assert list(reader.list_items(JOB_ID)) == items
        assert transport.told() == ["keys", "rows", "rows", "rows"]


def test_a_page_is_cut_where_it_is_asked_to_be(writer, reader):
    add_items(writer, 5)
    assert numbers(reader.list_items(JOB_ID, limit=2)) == [1, 2]
    assert numbers(reader.list_items(JOB_ID, limit=4)) == [1, 2, 3, 4]
    assert numbers(reader.list_items(JOB_ID, limit=0)) == []
