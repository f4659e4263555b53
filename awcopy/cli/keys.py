"""``awcopy keys``: the pair of keys by which credentials travel to the workers."""

from __future__ import annotations

import base64

import click

from awcopy.cli.console import print_line, print_note
from awcopy.cli.help import Exit, helpful, helpful_group
from awcopy.cli.setup import begin
from awcopy.errors import CredentialsError

_CODES = (Exit.OK, Exit.ERROR, Exit.USAGE, Exit.CREDENTIALS)


@click.group(cls=helpful_group("awcopy keys init", "awcopy keys public", exit_codes=_CODES))
def keys() -> None:
    """Make and show the fleet's keys: fleet.pub seals credentials, fleet.key (workers only) opens them.

    They lie in the folder that AWCOPY_KEYS names.
    """


@keys.command(
    "init",
    cls=helpful("awcopy keys init", "AWCOPY_KEYS=/etc/awcopy/keys awcopy keys init", exit_codes=_CODES),
)
def init_keys() -> None:
    """Make the fleet's first key pair and print the public key. Keys that are there are never replaced."""
    from awcopy.vault.sealing import PRIVATE_FILE, PUBLIC_FILE, create_keys

    folder = begin().keys.expanduser()
    try:
        public = create_keys(folder)
    except OSError as error:
        raise CredentialsError(
            f"{folder} cannot hold keys: {error.strerror}", hint="set AWCOPY_KEYS to another folder"
        ) from error
    print_line(public)
    print_note(f"{folder}: copy {PRIVATE_FILE} to every worker, {PUBLIC_FILE} to whoever seals credentials")


@keys.command(
    "public",
    cls=helpful("awcopy keys public", "awcopy keys public > ~/.awcopy/keys/fleet.pub", exit_codes=_CODES),
)
def show_public_key() -> None:
    """Print the fleet's public key."""
    from awcopy.vault.sealing import read_public_key

    print_line(base64.b64encode(read_public_key(begin().keys).public_bytes_raw()).decode("ascii"))
