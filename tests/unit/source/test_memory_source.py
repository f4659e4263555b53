from dataclasses import replace

import pytest

from awcopy.errors import ObjectArchived, ObjectNotFound, Throttled
from awcopy.model.objects import Span
from awcopy.source.memory import MemorySource


def test_a_fault_is_raised_before_anything_is_done():
    seen = []

    def fault(op: str, name: str) -> None:
        seen.append((op, name))
        if op == "head":
            raise Throttled("slow down", retry_after_s=1.0)

    source = MemorySource(fault=fault)
    source.put_object("k", b"x")
    source.list_page("")
    with pytest.raises(Throttled):
        source.head("k")
    assert seen == [("list_page", ""), ("head", "k")]


def test_an_object_may_have_no_checksum_or_a_given_one():
    source = MemorySource()
    source.put_object("none", b"x", has_crc64=False)
    source.put_object("given", b"x", crc64=7, etag="e-2")
    assert source.head("none").crc64 is None
    assert (source.head("given").crc64, source.head("given").etag) == (7, "e-2")


def test_another_version_than_the_one_there_is_not_found():
    source = MemorySource()
    obj = source.put_object("k", b"x", version_id="v1")
    pinned = type(obj)(key="k", size_bytes=1, etag=obj.etag, modified_at=obj.modified_at, version_id="v0")
    with pytest.raises(ObjectNotFound):
        source.read_object(pinned, memoryview(bytearray(1)))


def test_a_url_reads_what_the_key_holds_by_then():
    source = MemorySource(has_urls=True)
    url = source.presign(source.put_object("a b/ü?#", b"before"))
    source.put_object("a b/ü?#", b"after!")
    assert source.read_url(url, Span(offset=1, size_bytes=4)) == b"fter"


def test_a_url_reads_its_version_only():
    source = MemorySource(has_urls=True)
    obj = replace(source.put_object("k", b"x", version_id="v1"), version_id="v0")
    with pytest.raises(ObjectNotFound):
        source.read_url(source.presign(obj), Span(offset=0, size_bytes=1))


def test_a_source_has_no_urls_unless_it_is_told_so():
    source = MemorySource()
    assert source.presign(source.put_object("k")) == ""


def test_an_archived_object_is_not_read_from_its_url():
    source = MemorySource(has_urls=True)
    url = source.presign(source.put_object("k", b"x", storage_class="GLACIER"))
    with pytest.raises(ObjectArchived):
        source.read_url(url, Span(offset=0, size_bytes=1))
