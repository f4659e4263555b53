"""The system's Chromium, which the browser tests drive: where it is, and how it comes onto a build machine.

Playwright's own browsers are not used: they are downloaded from elsewhere, and pinned by nobody.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
MAC = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
_PATIENCE = ("-o", "DPkg::Lock::Timeout=120", "-o", "Acquire::Retries=3")
HOW = "the browser tests need Chromium (`apt-get install chromium`, `brew install --cask google-chrome`)"


def find_chromium() -> Path | None:
    """Return the browser's program, or None where there is none."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found:
        return Path(found)
    return MAC if MAC.exists() else None


def install_chromium() -> None:
    """Install Debian's Chromium if there is no browser yet and this process may; else change nothing."""
    if find_chromium() or os.geteuid() != 0 or not shutil.which("apt-get"):
        return
    sys.stderr.write("Installing Chromium for the browser tests with apt-get\n")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}  # noqa: TID251 - handed on as it is
    for words in (["update"], ["install", "-y", "--no-install-recommends", "chromium"]):
        done = subprocess.run(
            ["apt-get", "-qq", *_PATIENCE, *words], env=env, capture_output=True, text=True, check=False
        )
        if done.returncode:
            sys.stderr.write(f"{done.stderr}apt-get {words[0]} failed; {HOW}\n")
            return


if __name__ == "__main__":
    install_chromium()
