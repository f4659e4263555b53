"""How the network is reached: which certificates are trusted, and which proxy stands before a URL."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from awcopy.config.settings import Settings


def ca_files(settings: Settings, *variables: str, environ: Mapping[str, str] | None = None) -> list[str]:
    """Return the files of certificates that are trusted beside the system's: the setting's, and the variables'.

    A certificate that is trusted in addition cannot break what worked without it, so files add up where other
    programs let one take the place of all.
    """
    env = os.environ if environ is None else environ
    named = (settings.ca_bundle, *(env.get(name, "") for name in variables))
    return [str(Path(path).expanduser()) for path in named if path]


def proxy_for(url: str, environ: Mapping[str, str] | None = None) -> str:
    """Return the forward proxy for a URL, from ``HTTPS_PROXY`` or ``HTTP_PROXY``; empty for none.

    ``NO_PROXY`` names hosts that are reached directly: ``*``, a host, a domain (with or without a dot before
    it), ``host:port``, or a network such as ``10.0.0.0/8``. Lower-case names of the variables count first.
    """
    env = os.environ if environ is None else environ
    parts = urlsplit(url)
    name = f"{parts.scheme}_proxy"
    proxy = env.get(name) or env.get(name.upper()) or env.get("all_proxy") or env.get("ALL_PROXY", "")
    exempt = env.get("no_proxy") or env.get("NO_PROXY", "")
    host = (parts.hostname or "").rstrip(".")
    names = {host, f"{host}:{parts.port}"}
    return "" if any(_is_exempt(host, names, entry.strip().lower()) for entry in exempt.split(",")) else proxy


def _is_exempt(host: str, names: set[str], entry: str) -> bool:
    if not entry:
        return False
    if "/" in entry:
        try:
            return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
        except ValueError:  # a name, which is not looked up for this
            return False
    return entry == "*" or entry.lstrip(".") in names or host.endswith(f".{entry.lstrip('.')}")
