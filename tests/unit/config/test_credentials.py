from __future__ import annotations

import base64
import hashlib

import pytest

from awcopy.config import parse_customer_key
from awcopy.errors import CredentialsError

KEY_TEXT = base64.b64encode(bytes(range(32)))


@pytest.mark.parametrize("given", [bytes(range(32)), KEY_TEXT, KEY_TEXT + b"\n"])
def test_a_customers_key_is_32_bytes_or_their_base64(given):
    key = parse_customer_key(given, "the file")
    assert key.value.reveal() == KEY_TEXT.decode()
    assert base64.b64decode(key.sha256) == hashlib.sha256(bytes(range(32))).digest()
    assert base64.b64decode(key.md5) == hashlib.md5(bytes(range(32)), usedforsecurity=False).digest()


@pytest.mark.parametrize("given", [b"", b"short", b"x" * 33, b"!" * 44, base64.b64encode(b"x" * 16)])
def test_another_text_is_no_customers_key_and_is_not_shown(given):
    with pytest.raises(CredentialsError, match="the file holds no key") as caught:
        parse_customer_key(given, "the file")
    assert not given or given.decode() not in str(caught.value) + caught.value.hint
