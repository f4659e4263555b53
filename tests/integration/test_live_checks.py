"""The checks of docs/live-checks.md: that they work, on the servers of this machine."""

from __future__ import annotations

import subprocess
import sys

from tests.live.__main__ import CHECKS


def run_checks(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.live", *words],
        env={"PATH": "/usr/bin:/bin", **env},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_without_accounts_they_say_so_in_one_line():
    done = run_checks(AWCOPY_LIVE_SOURCE="s3://bucket")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "make live: not run, AWCOPY_LIVE_SINK, AZURE_STORAGE_CONNECTION_STRING not set; see docs/live-checks.md"
    ]


def test_they_hold_before_what_plays_azures_part(azurite):  # which installs Azurite, or skips
    done = run_checks("--here", HOME=str(azurite.log_path.parent))
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line[:2] for line in done.stdout.splitlines()[::2]] == ["ok"] * len(CHECKS)
