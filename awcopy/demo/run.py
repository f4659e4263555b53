"""``make demo``: a real copy on real servers, watched, and proved by a stranger's reader."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from awcopy.demo.azurite_install import install_azurite
from awcopy.demo.fleet import awcopy_command, start_fleet, start_servers, user_environment
from awcopy.demo.sample import BUCKET, make_sample
from awcopy.demo.verify import compare
from awcopy.errors import AwcopyError
from awcopy.units import format_count, format_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from awcopy.demo.fleet import FleetProcesses, Servers

CONTAINER = "copied"
_STOPPING_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


def run_demo(*, keep: bool) -> int:
    """Run the demo and return the exit code: 0 when every object was copied and proved.

    All data lies in one temporary folder, which is removed. With ``keep`` everything goes on running until
    Ctrl-C.
    """
    with _ending_by_signal(), ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="awcopy-demo-")))
        install_azurite()
        with _step("Starting Redis, an S3 server (SeaweedFS) and Azure Blob Storage (Azurite)"):
            servers = start_servers(folder, stack)
        with _step("Starting a worker with 2 processes, the dashboard and Flower"):
            fleet = start_fleet(servers, folder, stack)
        with _step(f"Filling the bucket s3://{BUCKET}") as say:
            objects, size = make_sample(servers.source)
            say(f"{format_count(objects)} objects, {format_size(size)}")
        print(f"\n{_where(fleet)}\n", flush=True)
        code = _copy(servers, folder)
        if code == 0:
            code = _prove(servers, objects)
        if keep:
            _wait_for_ctrl_c(servers, fleet, folder)
        return code


def _where(fleet: FleetProcesses) -> str:
    flower = f"{fleet.flower_url}  (any name, password {fleet.flower_password})"
    return f"  Dashboard  {fleet.web_url}\n  Flower     {flower}"


def _copy(servers: Servers, folder: Path) -> int:
    command = [
        "copy",
        f"s3://{BUCKET}",
        f"az://{servers.sink.account}/{CONTAINER}",
        "--create-container",
        "--name",
        "demo",
    ]
    print(f"$ awcopy {' '.join(command)}", flush=True)
    return subprocess.run(
        awcopy_command(*command), env=user_environment(servers, folder), check=False
    ).returncode


def _prove(servers: Servers, objects: int) -> int:
    with _step("\nReading both sides back with rclone, byte by byte") as say:
        found = compare(servers.source, BUCKET, servers.sink, CONTAINER)
        say(f"{format_count(found.same)} the same, {len(found.differences)} differences")
    for line in found.differences[:20]:
        print(f"  {line!r}")
    is_proved = found.same == objects and not found.differences
    print(
        "Every object arrived, byte for byte." if is_proved else "NOT every object arrived as it was.",
        flush=True,
    )
    return 0 if is_proved else 1


def _wait_for_ctrl_c(servers: Servers, fleet: FleetProcesses, folder: Path) -> None:
    with contextlib.suppress(KeyboardInterrupt):
        print("\nEverything goes on running; Ctrl-C ends it. To use it from another shell:\n")
        print(f"  export PATH='{Path(sys.executable).parent}':\"$PATH\"")
        for name, value in user_environment(servers, folder).items():
            if name.startswith(("AWCOPY_", "AWS_", "AZURE_")):
                print(f"  export {name}='{value}'")
        print(f"\n{_where(fleet)}", flush=True)
        threading.Event().wait()


@contextlib.contextmanager
def _step(title: str) -> Iterator[_Say]:
    begun = time.monotonic()
    print(f"{title} ...", end=" ", flush=True)
    say = _Say()
    try:
        yield say
    except AwcopyError:
        print("failed", flush=True)
        raise
    print(f"{say.text + ', ' if say.text else ''}{time.monotonic() - begun:.1f} s", flush=True)


class _Say:
    """What a step has to say for itself when it is done."""

    text = ""

    def __call__(self, text: str) -> None:
        """Keep the text for the end of the step's line."""
        self.text = text


@contextlib.contextmanager
def _ending_by_signal() -> Iterator[None]:
    """Turn a polite request to end into the exception that ends everything in order."""

    def end(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, end) for number in _STOPPING_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
