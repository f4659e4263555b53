"""Texts that somebody else may choose, as keys or names, and that must stay text wherever they are shown."""

from __future__ import annotations

HOSTILE_TEXTS = (
    "<img src=x onerror=alert(1)>",
    '"><script>alert(1)</script>',
    "' onmouseover='alert(1)",
    "{{7*7}}",
    "${jndi:ldap://x}",
    "javascript:alert(1)",
    "a\r\nSet-Cookie: x=1",
    "\x1b]52;c;aGk=\x07",
    "\x1b[2J",
    "\x9b31m",
    "[red]x[/red]",
    "=cmd|'/c calc'!A1",
    "+1",
    "-1",
    "@x",
    "\t=1",
    "../../etc/passwd",
    "a//b",
    "a\\b",
    "con ",
    "%2e%2e%2f",
    "a?b#c&d",
    "caf\u00e9/cafe\u0301",
    "\U0001f600",
    "a\u202egpj.exe",
    "zero\u200bwidth",
    "line\u2028break",
    "k" * 1024,
)
