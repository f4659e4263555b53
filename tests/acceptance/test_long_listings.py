"""A long listing takes no more memory than a short one: the real command, and a server that makes up its pages."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

SHORT, LONG = 20_000, 200_000
PAGE = 1000
MORE = 1.1  # times the memory: not what keys take, which is far more
SIZE = 9 << 20  # more than the largest part that is counted alike for all block sizes
CLASSES = ("STANDARD", "STANDARD_IA", "GLACIER_IR", "DEEP_ARCHIVE")
LIMIT_S = 240  # for hangs, not a measurement
pytestmark = pytest.mark.timeout(2 * LIMIT_S)


class Handler(BaseHTTPRequestHandler):
    """Lists buckets that are named by the number of their keys, and holds none of the keys."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        keys, first = int(parts.path.strip("/").removeprefix("keys")), int(asked.get("continuation-token", 0))
        last = min(keys, first + min(PAGE, int(asked.get("max-keys", PAGE))))
        entries = "".join(
            f"<Contents><Key>folder/{number:09}{'k' * 200}</Key><LastModified>2026-09-21T13:33:20.000Z</LastModified>"
            f"<ETag>&quot;{number:032x}&quot;</ETag><Size>{SIZE}</Size>"
            f"<StorageClass>{CLASSES[number % len(CLASSES)]}</StorageClass></Contents>"
            for number in range(first, last)
        )
        following = f"<NextContinuationToken>{last}</NextContinuationToken>" if last < keys else ""
        cut = "true" if following else "false"
        body = f"<ListBucketResult><IsTruncated>{cut}</IsTruncated>{following}{entries}</ListBucketResult>".encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join(10)


# The command in a process of its own, which says at its end how much memory it ever had.
PROGRAM = """
import re, sys
from awcopy.cli.main import main
code = main(sys.argv[1:])
status = open("/proc/self/status", encoding="ascii").read()
sys.stderr.write("\\n" + re.search(r"VmHWM:\\s*(\\d+) kB", status)[1])
sys.exit(code)
"""
# The same, if it kept what it lists.
HOARDER = f"""
from awcopy.cli import listing
listing._text = lambda entry, kept=[]: kept.append(entry) or entry.key
{PROGRAM}"""


def list_keys(program: str, url: str, folder: Path, keys: int, *words: str) -> tuple[int, str]:
    """List a bucket of so many keys; return the peak of memory in KiB, and the end of what was printed."""
    env = {
        "PATH": os.environ["PATH"],  # noqa: TID251 - no setting of awcopy
        "HOME": str(folder), "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL": url, "AWCOPY_ALLOW_PRIVATE_ENDPOINTS": "1",
    }  # fmt: skip
    command = [sys.executable, "-c", program, "ls", "--recursive", *words, f"s3://keys{keys}"]
    printed, said = folder / "printed", folder / "said"
    with printed.open("wb") as out, said.open("wb") as err:
        subprocess.run(command, env=env, stdout=out, stderr=err, timeout=LIMIT_S, check=True)
    with printed.open(encoding="utf-8") as lines:
        end = deque(lines, maxlen=100)
        lines.seek(0)
        assert sum("folder/" in line for line in lines) == keys
    assert re.search(rf"^{keys:,} keys, ", said.read_text(), re.MULTILINE)
    return int(said.read_text().splitlines()[-1]), "".join(end)


@pytest.mark.parametrize(("output", "says"), [("table", f" {LONG:,} "), ("json", f'"objects": {LONG}')])
def test_an_estimate_of_a_long_listing_takes_the_memory_of_a_short_one(
    url: str, tmp_path: Path, output: str, says: str
) -> None:
    few, _ = list_keys(PROGRAM, url, tmp_path, SHORT, "--estimate", "-o", output)
    many, end = list_keys(PROGRAM, url, tmp_path, LONG, "--estimate", "-o", output)
    assert says in end
    assert many <= few * MORE, f"{few} KiB for {SHORT:,} keys, {many} KiB for {LONG:,}"


def test_memory_that_grows_with_the_listing_would_be_seen(url: str, tmp_path: Path) -> None:
    few, _ = list_keys(HOARDER, url, tmp_path, SHORT)
    many, _ = list_keys(HOARDER, url, tmp_path, LONG // 2)
    assert many > few * MORE
