"""Keys that somebody else may choose, each under a folder of its own, in a bucket that takes any bytes."""

from __future__ import annotations

from tests.unit.hostile import HOSTILE_TEXTS

# What no list of texts for pages needs, but a bucket may hold.
ODD_TEXTS = (
    *(text for text in HOSTILE_TEXTS if len(text) < 1000),
    "<svg onload=window.canary=1>",
    "<script>window.canary=1</script>",
    "</script><script>window.canary=1</script>",
    "a/./b",
    "..",
    "/abs",
    "folder/",
    "trail.",
    "nul\0",
    "\ufffe",
    "$root",
    "k" * 1000,
)


def folder_of(number: int) -> str:
    """Return the prefix under which one of the texts lies."""
    return f"{number:02}/"


ODD_OBJECTS = {f"{folder_of(number)}{text}".encode(): b"x" for number, text in enumerate(ODD_TEXTS)}
