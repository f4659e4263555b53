import base64
import random

import pytest

from awcopy import crc64

# Recorded answers of the live service to Put Block, and the check value of the catalogue of CRCs.
VECTORS = [
    (b"123456789", 0xAE8B14860A799888, "iJh5CoYUi64=", "rosUhgp5mIg="),
    (b"HelloWorld", 0xB1D353EF219A1DF1, "8R2aIe9T07E=", "sdNT7yGaHfE="),
    (b"Hell", 0xA0063CD716D0E59E, "nuXQFtc8BqA=", "oAY81xbQ5Z4="),
    (b"oWor", 0xB411E60AB868A09F, "n6BouArmEbQ=", "tBHmCrhooJ8="),
    (b"ld", 0xC73F2479C349C2B0, "sMJJw3kkP8c=", "xz8kecNJwrA="),
    (b"Hello World!", 0x02E51CC85EFCE1A5, "peH8Xsgc5QI=", "AuUcyF784aU="),
    (b"", 0, "AAAAAAAAAAA=", "AAAAAAAAAAA="),
]


@pytest.mark.parametrize(("content", "value", "azure", "s3"), VECTORS)
def test_known_values_are_computed_and_written_as_each_store_does(content, value, azure, s3):
    assert crc64.crc64(content) == value
    assert crc64.crc64(memoryview(bytearray(content))) == value
    assert (crc64.to_azure(value), crc64.to_s3(value)) == (azure, s3)
    assert crc64.from_azure(azure) == crc64.from_s3(s3) == crc64.from_hex(crc64.to_hex(value)) == value


def test_a_running_checksum_goes_on_from_the_one_before():
    assert crc64.crc64(b"oWorld", crc64.crc64(b"Hell")) == crc64.crc64(b"HelloWorld")


def test_blocks_combine_to_the_whole():
    content = random.Random(1).randbytes(100_000)
    whole, start = crc64.EMPTY, 0
    for size in (1, 4096, 50_000, 45_903):
        whole = crc64.combine(whole, crc64.crc64(content[start : start + size]), size)
        start += size
    assert (start, whole) == (len(content), crc64.crc64(content))


def test_combining_takes_lengths_of_terabytes():
    assert crc64.combine(1, 2, 50 * 10**12) == crc64.combine(crc64.combine(1, 0, 25 * 10**12), 2, 25 * 10**12)


@pytest.mark.parametrize("text", ["", "rosUhgp5mIg=-3", "rosUhgp5", "not base64!", "rosUhgp5mIgAAA=="])
def test_a_text_that_is_no_checksum_is_refused(text):
    for read in (crc64.from_s3, crc64.from_azure):
        with pytest.raises(ValueError, match=r".*"):
            read(text)


def test_hexadecimal_digits_are_sixteen():
    assert crc64.to_hex(1) == "0000000000000001"
    for text in ("1", "zz", "00" * 9):
        with pytest.raises(ValueError, match=r".*"):
            crc64.from_hex(text)


def test_the_two_stores_write_the_bytes_in_opposite_order():
    value = 0x0102030405060708
    assert base64.b64decode(crc64.to_azure(value)) == base64.b64decode(crc64.to_s3(value))[::-1]
