"""Comparing the two sides with rclone: a reader that shares no code with the copier."""

from __future__ import annotations

import subprocess
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from awcopy.errors import AwcopyError

if TYPE_CHECKING:
    from awcopy.demo.servers import AzureEndpoint, S3Endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What rclone found, a line a key: ``=`` the same, ``*`` different, ``+`` ``-`` on one side only."""

    lines: tuple[str, ...]

    @property
    def same(self) -> int:
        """The number of keys whose bytes are the same on both sides."""
        return sum(line.startswith("= ") for line in self.lines)

    @property
    def differences(self) -> tuple[str, ...]:
        """The lines of all other keys."""
        return tuple(line for line in self.lines if not line.startswith("= "))


def rclone_path() -> Path:
    """Return the rclone program that its wheel installed beside this interpreter."""
    return Path(sysconfig.get_path("scripts")) / "rclone"


def rclone_environment(source: S3Endpoint, sink: AzureEndpoint) -> dict[str, str]:
    """Return an environment in which ``src:`` is the S3 server and ``dst:`` the Azure account."""
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": "/nonexistent",
        "RCLONE_CONFIG": "",
        "RCLONE_CONFIG_SRC_TYPE": "s3",
        "RCLONE_CONFIG_SRC_PROVIDER": "SeaweedFS",
        "RCLONE_CONFIG_SRC_ENDPOINT": source.endpoint_url,
        "RCLONE_CONFIG_SRC_ACCESS_KEY_ID": source.access_key,
        "RCLONE_CONFIG_SRC_SECRET_ACCESS_KEY": source.secret_key,
        "RCLONE_CONFIG_SRC_REGION": source.region,
        "RCLONE_CONFIG_DST_TYPE": "azureblob",
        "RCLONE_CONFIG_DST_ACCOUNT": sink.account,
        "RCLONE_CONFIG_DST_KEY": sink.key,
        "RCLONE_CONFIG_DST_ENDPOINT": sink.blob_url,
    }


def compare(source: S3Endpoint, source_path: str, sink: AzureEndpoint, sink_path: str) -> Comparison:
    """Read both sides whole and compare them byte by byte.

    Args:
        source: The S3 server.
        source_path: ``bucket/prefix``.
        sink: The Azure account.
        sink_path: ``container/prefix``.

    Raises:
        AwcopyError: rclone itself failed.
    """
    done = subprocess.run(  # noqa: S603 - a program of this installation, with our own arguments
        [rclone_path(), "check", "--download", "--combined", "-", "--checkers", "8",
         f"src:{source_path}", f"dst:{sink_path}"],
        env=rclone_environment(source, sink),
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    lines = tuple(done.stdout.splitlines())
    if done.returncode not in (0, 1) or not lines:
        raise AwcopyError(f"rclone could not compare the two sides: {done.stderr[-500:]}")
    return Comparison(lines=lines)
