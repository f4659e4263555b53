"""How much CPU a copy costs, beside rclone on the same servers and data, in one run: ratios, never times.

    make bench

The servers are those of the demo, so wall time is Azurite's and says nothing; the CPU seconds are those of
the copying process alone. What starting costs is taken out by copying a few and many objects.
"""

from __future__ import annotations

import os
import resource
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from awcopy.demo.fleet import awcopy_command, start_servers, user_environment
from awcopy.demo.sample import content_of, make_client
from awcopy.demo.verify import rclone_environment, rclone_path
from awcopy.units import KIB, MIB

FEW, MANY = 200, 4200
SMALL_BYTES = 4 * KIB
LARGE_FILES, LARGE_BYTES = 8, 64 * MIB


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A copier and the environment that it runs in."""

    name: str
    command: list[str]
    environment: dict[str, str]

    def cpu_s(self, source: str, sink: str) -> float:
        """Return the CPU seconds of one copy."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        words = [word.format(source=source, sink=sink) for word in self.command]
        subprocess.run(words, env=self.environment, capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Run the benchmark and print a table."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="awcopy-bench-")))
        servers = start_servers(folder, stack)
        client = make_client(servers.source)
        fill(client, "few", FEW, SMALL_BYTES)
        fill(client, "many", MANY, SMALL_BYTES)
        fill(client, "large", LARGE_FILES, LARGE_BYTES)
        copy = awcopy_command(
            "copy", "s3://{source}", "az://awcopydemo/{sink}", "--create-container", "--local", "-q"
        )
        tools = [
            Tool(name="awcopy", command=copy, environment=user_environment(servers, folder)),
            Tool(
                name="rclone",
                command=[
                    str(rclone_path()),
                    "copy",
                    "src:{source}",
                    "dst:{sink}",
                    "--metadata",
                    "--transfers",
                    "16",
                ],
                environment=rclone_environment(servers.source, servers.sink) | {"HOME": str(folder)},
            ),
        ]
        figures = {tool.name: measure(tool) for tool in tools}
    print(f"{'':24}{'awcopy':>12}{'rclone':>12}{'ratio':>8}")
    for what in figures["awcopy"]:
        ours, theirs = figures["awcopy"][what], figures["rclone"][what]
        print(f"{what:24}{ours:12.2f}{theirs:12.2f}{ours / theirs:8.2f}")


def fill(client: object, bucket: str, objects: int, size_bytes: int) -> None:
    """Create a bucket of equal objects, with the checksum that S3 keeps by itself today."""
    client.create_bucket(Bucket=bucket)

    def put(number: int) -> None:
        key = f"data/{number:06}"
        body = content_of(key, size_bytes)
        client.put_object(Bucket=bucket, Key=key, Body=body, ChecksumAlgorithm="CRC64NVME")

    with ThreadPoolExecutor(min(8, 2 * (os.cpu_count() or 1))) as writers:
        list(writers.map(put, range(objects)))


def measure(tool: Tool) -> dict[str, float]:
    """Return CPU milliseconds per small object and CPU seconds per GiB of large ones."""
    few = tool.cpu_s("few", f"{tool.name}-few")
    many = tool.cpu_s("many", f"{tool.name}-many")
    large = tool.cpu_s("large", f"{tool.name}-large")
    started = max(0.0, few - FEW * (many - few) / (MANY - FEW))
    gib = LARGE_FILES * LARGE_BYTES / 2**30
    return {
        "CPU ms per 4 KiB object": (many - few) / (MANY - FEW) * 1000,
        "CPU s per GiB": (large - started) / gib,
        "CPU s to start": started,
    }


if __name__ == "__main__":
    main()
