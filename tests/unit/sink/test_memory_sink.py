import pytest

from awcopy.crc64 import crc64
from awcopy.errors import (
    AccessDenied,
    NameConflict,
    ObjectNotFound,
    RequestRefused,
    SourceUnreadable,
    Throttled,
)
from awcopy.model.objects import ALWAYS, BlobProperties, BlockId, SinkAccount, Span
from awcopy.sink import memory
from awcopy.sink.memory import MemorySink


def test_a_fault_is_raised_before_anything_is_done():
    def fault(op: str, name: str) -> None:
        raise Throttled(f"{op} {name}")

    sink = MemorySink(fault=fault, has_container=False)
    for call in (sink.probe, sink.create_container, lambda: sink.head("b")):
        with pytest.raises(Throttled):
            call()
    assert not sink.has_container


def test_azures_limits_hold(monkeypatch):
    monkeypatch.setattr(memory, "MAX_BLOCKS", 1)
    monkeypatch.setattr(memory, "MAX_STAGED_BLOCKS", 2)
    sink = MemorySink()
    for number in ("1", "2", "1"):
        sink.stage_block("b", BlockId(number), memoryview(b"x"), crc64=crc64(b"x"))
    with pytest.raises(RequestRefused):
        sink.stage_block("b", BlockId("3"), memoryview(b"x"), crc64=crc64(b"x"))
    with pytest.raises(RequestRefused):
        sink.commit_blocks("b", [BlockId("1"), BlockId("2")], properties=BlobProperties(), condition=ALWAYS)


def test_a_sink_that_reaches_no_source_reads_nothing_by_itself():
    with pytest.raises(SourceUnreadable):
        MemorySink().stage_block_from_url("b", BlockId("1"), "memory://b/k", Span(offset=0, size_bytes=1))


@pytest.mark.parametrize("reason", [AccessDenied("no", status=403), ObjectNotFound("gone", status=404)])
def test_a_refusal_of_the_source_is_the_sources(reason):
    def refuse(_url: str, _span: Span) -> bytes:
        raise reason

    with pytest.raises(SourceUnreadable) as caught:
        MemorySink(read_url=refuse).stage_block_from_url(
            "b", BlockId("1"), "memory://b/k", Span(offset=0, size_bytes=1)
        )
    assert caught.value.status == reason.status


def test_where_an_account_has_directories_they_have_the_names_of_folders():
    sink = MemorySink(facts=SinkAccount(is_hierarchical=True))

    def put(name: str) -> None:
        sink.put_blob(
            name, memoryview(b"x"), crc64=crc64(b"x"), properties=BlobProperties(), condition=ALWAYS
        )

    put("a/b/c")
    put("ab")
    assert [(blob.name, blob.is_directory) for blob in sink.list_page("").blobs] == [
        ("a", True), ("a/b", True), ("a/b/c", False), ("ab", False),
    ]  # fmt: skip
    folder = sink.head("a/b")
    assert folder
    assert folder.is_directory
    assert sink.head("b") is None
    for taken in ("a", "a/b", "ab/c", "a/b/c/d"):
        with pytest.raises(NameConflict):
            put(taken)
        with pytest.raises(NameConflict):
            sink.stage_block(taken, BlockId("1"), memoryview(b"x"), crc64=crc64(b"x"))
    assert sorted(sink.blobs) == ["a/b/c", "ab"]
