from __future__ import annotations

import pytest

from awcopy.model.objects import Algorithm, Checksum
from awcopy.planning.compare import Verdict, judge_bytes, judge_checksums, judge_listing
from tests.unit.factories import make_blob, make_head, make_object

STAMP = {"awcopy_etag": "e1", "awcopy_size": "7", "awcopy_crc64": "0000000000000009", "awcopy_proof": "crc64"}
OLD_STAMP = {**STAMP, "awcopy_etag": "e0"}
MD5 = bytes(range(16))


@pytest.mark.parametrize(
    ("obj", "blob", "verdict", "reason", "by"),
    [
        ({}, {"metadata": STAMP}, Verdict.SAME, "", "stamp"),
        ({}, {"metadata": STAMP, "size_bytes": 8}, Verdict.DIFFERENT, "size", ""),
        ({}, {"metadata": OLD_STAMP}, Verdict.DIFFERENT, "etag", ""),
        ({}, {"metadata": {**STAMP, "awcopy_size": "6"}}, Verdict.DIFFERENT, "etag", ""),
        ({"etag": MD5.hex()}, {"content_md5": MD5}, Verdict.SAME, "", "md5"),
        ({"etag": MD5.hex()}, {"content_md5": MD5, "metadata": OLD_STAMP}, Verdict.DIFFERENT, "etag", ""),
        # Perhaps changed, perhaps encrypted so that its ETag is no MD5: the listing does not tell.
        ({"etag": MD5.hex()}, {"content_md5": bytes(16)}, Verdict.FAILED, "not_comparable", ""),
        ({}, {}, Verdict.FAILED, "not_comparable", ""),
        ({"size_bytes": 0}, {"size_bytes": 0}, Verdict.SAME, "", "length"),
        ({"size_bytes": 0}, {"size_bytes": 1}, Verdict.DIFFERENT, "size", ""),
    ],
)
def test_what_the_listings_say(obj, blob, verdict, reason, by):
    found = judge_listing(make_object(**obj), make_blob(**blob))
    assert (found.verdict, found.reason, found.by) == (verdict, reason, by)
    assert (found.key, found.blob, bool(found.detail)) == ("k", "k", verdict is not Verdict.SAME)


@pytest.mark.parametrize(
    ("head", "blob", "verdict", "reason", "by"),
    [
        ({"crc64": 9}, {"metadata": STAMP}, Verdict.SAME, "", "crc64"),
        ({"crc64": 9}, {"metadata": OLD_STAMP}, Verdict.SAME, "", "crc64"),  # written again, and the same
        ({"crc64": 8}, {"metadata": STAMP}, Verdict.DIFFERENT, "crc64", ""),
        ({"crc64": 9}, {"metadata": STAMP, "size_bytes": 8}, Verdict.DIFFERENT, "size", ""),
        (
            {"checksums": (Checksum(algorithm=Algorithm.MD5, value=MD5),)},
            {"content_md5": MD5},
            Verdict.SAME,
            "",
            "md5",
        ),
        (
            {"checksums": (Checksum(algorithm=Algorithm.MD5, value=MD5),)},
            {"content_md5": bytes(16)},
            Verdict.DIFFERENT,
            "md5",
            "",
        ),
        ({}, {"metadata": STAMP}, Verdict.SAME, "", "stamp"),  # nothing in common: the listings decide
        ({"crc64": 9}, {}, Verdict.FAILED, "not_comparable", ""),
    ],
)
def test_what_the_checksums_say(head, blob, verdict, reason, by):
    found = judge_checksums(make_object(), make_head(**head), make_blob(**blob))
    assert (found.verdict, found.reason, found.by) == (verdict, reason, by)


@pytest.mark.parametrize(("is_same", "verdict"), [(True, Verdict.SAME), (False, Verdict.DIFFERENT)])
def test_what_the_bytes_say(is_same, verdict):
    assert judge_bytes(make_object(), make_blob(), is_same=is_same).verdict is verdict
