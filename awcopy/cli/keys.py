"""``awcopy keys``: the pairs of keys by which credentials travel to the workers."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from awcopy.cli.console import print_line, print_note
from awcopy.cli.help import Exit, helpful, helpful_group
from awcopy.cli.setup import begin, open_desk, open_fleet
from awcopy.errors import CredentialsError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CODES = (Exit.OK, Exit.ERROR, Exit.USAGE, Exit.CREDENTIALS)


@click.group(cls=helpful_group("awcopy keys init", "awcopy keys rotate", exit_codes=_CODES))
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
    with _explaining_folder(folder):
        public = create_keys(folder)
    print_line(public)
    print_note(f"{folder}: copy {PRIVATE_FILE} to every worker, {PUBLIC_FILE} to whoever seals credentials")


@keys.command(
    "public",
    cls=helpful("awcopy keys public", "awcopy keys public > ~/.awcopy/keys/fleet.pub", exit_codes=_CODES),
)
def show_public_key() -> None:
    """Print the fleet's public key, to which credentials are sealed."""
    from awcopy.vault.sealing import encode_public_key, read_public_key

    settings = begin()
    key = open_desk(settings).public_key() if settings.api_url else read_public_key(settings.keys)
    print_line(encode_public_key(key))


@keys.command(
    "rotate",
    cls=helpful("awcopy keys rotate", "AWCOPY_KEYS=/etc/awcopy/keys awcopy keys rotate", exit_codes=_CODES),
)
def rotate() -> None:
    """Make a new key pair, print its public key, and keep the older private keys for jobs that need them.

    Copy fleet.key to every worker first, then fleet.pub to whoever seals credentials: what is sealed to a key that
    a worker does not have yet, it cannot open. Workers read the file anew for each job.
    """
    from awcopy.vault.sealing import PRIVATE_FILE, PUBLIC_FILE, rotate_keys

    folder = begin().keys.expanduser()
    with _explaining_folder(folder):
        public = rotate_keys(folder)
    print_line(public)
    print_note(
        f"{folder}: copy {PRIVATE_FILE} to every worker first, then {PUBLIC_FILE} to whoever seals credentials"
    )
    print_note("when the jobs of before have ended, `awcopy keys prune` removes the older keys")


@keys.command(
    "prune",
    cls=helpful(
        "awcopy keys prune", "awcopy jobs list && awcopy keys prune", exit_codes=(*_CODES, Exit.UNREACHABLE)
    ),
)
def prune() -> None:
    """Remove the older private keys that no job needs any more, and print how many.

    Reads from the ledger which jobs still hold credentials. What is sealed to a key that was removed never opens
    again, so first make sure that everybody has the new fleet.pub.
    """
    from awcopy.vault.sealing import prune_keys

    settings = begin()
    fleet, folder = open_fleet(settings, "awcopy keys prune"), settings.keys.expanduser()
    held = ((job.sealed, job.id) for job in fleet.ledger.open_jobs() if job.sealed)
    with _explaining_folder(folder):
        removed, left = prune_keys(folder, held)
    print_line(str(removed))
    print_note(
        f"{folder}: {left} {'key is' if left == 1 else 'keys are'} left; copy the file to every worker"
    )


@contextmanager
def _explaining_folder(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CredentialsError(
            f"{folder} cannot hold keys: {error.strerror}", hint="set AWCOPY_KEYS to another folder"
        ) from error
