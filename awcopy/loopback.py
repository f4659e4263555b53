"""Which addresses and names only this machine can reach; what listens there is the callers' affair."""

from __future__ import annotations

import ipaddress
import re

from awcopy.errors import UsageError

_OWN_NAMES = re.compile(r"(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?", re.ASCII | re.IGNORECASE)


def is_own_name(host: str) -> bool:
    """Return whether an HTTP ``Host`` header, port or not, is what this machine calls itself.

    A page from elsewhere whose name was made to point here (DNS rebinding) sends that name.
    """
    return _OWN_NAMES.fullmatch(host) is not None


def is_loopback(address: str) -> bool:
    """Return whether an address to listen at is this machine's own; of names, only localhost is."""
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def require_loopback(address: str, *, what: str) -> None:
    """Return when only this machine can reach the address.

    Args:
        address: Address to listen at.
        what: What would listen there, for the message.

    Raises:
        UsageError: Others can reach it.
    """
    if not is_loopback(address):
        raise UsageError(
            f"{what} speaks plain HTTP and is for its own machine: it does not listen at {address!r}",
            hint="listen at 127.0.0.1 and reach it through an SSH tunnel: ssh -L PORT:127.0.0.1:PORT HOST",
        )


def http_url(address: str, port: int) -> str:
    """Return the URL of what listens at an address, an IPv6 one in brackets."""
    return f"http://[{address}]:{port}/" if ":" in address else f"http://{address}:{port}/"
