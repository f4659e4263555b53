from __future__ import annotations

import pytest

from web.view import escape_invisible, mark_codes


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


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("start `awcopy beat` now", "start <code>awcopy beat</code> now"),
        ("`<b>` is <i>", "<code>&lt;b&gt;</code> is &lt;i&gt;"),
        ("one ` alone <b>", "one ` alone &lt;b&gt;"),
    ],
)
def test_what_stands_between_backticks_is_code_and_all_of_it_is_text(text, html):
    assert mark_codes(text) == html
