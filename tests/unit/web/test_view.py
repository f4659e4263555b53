from __future__ import annotations

import pytest

from web.view import escape_invisible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain / näme 写真", "plain / näme 写真"),
        ("a\u202eb", "a\\u202eb"),
        ("a\nb\x1b[31m", "a\\u000ab\\u001b[31m"),
        ("zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff"),
    ],
)
def test_what_cannot_be_seen_is_written_out(text, shown):
    assert escape_invisible(text) == shown
