"""Credentials sealed to the fleet: anyone with the public key can seal, only a worker can open.

RFC 9180 (HPKE, base mode) with X25519, HKDF-SHA-256 and AES-256-GCM; the job's id is the ``info``, so that
what was sealed for one job does not open for another. Keys are files in one folder: ``fleet.pub`` is the
public key, ``fleet.key`` holds the private keys, one base64 line each, newest first.
"""

from __future__ import annotations

import base64
import json
import os
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from awcopy.config import AwsKeys, AzureKeys, CustomerKey, Secret
from awcopy.errors import CredentialsError
from awcopy.vault.credentials import JobCredentials

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from awcopy.model.job import JobId

PUBLIC_FILE = "fleet.pub"
PRIVATE_FILE = "fleet.key"
_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_OTHERS_MAY = 0o077


def create_keys(folder: Path) -> str:
    """Create the fleet's first key pair in a folder and return the public key as text.

    Raises:
        CredentialsError: There is a key pair already; it is left as it is.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    private = X25519PrivateKey.generate()
    public = _encode(private.public_key().public_bytes_raw())
    try:
        descriptor = os.open(folder / PRIVATE_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        hint = "use it as it is: `awcopy keys public` prints the public key"
        raise CredentialsError(f"{folder} holds a key pair already", hint=hint) from None
    with os.fdopen(descriptor, "w") as file:
        file.write(_encode(private.private_bytes_raw()) + "\n")
    (folder / PUBLIC_FILE).write_text(public + "\n")
    return public


def rotate_keys(folder: Path) -> str:
    """Add a new key pair, to which is sealed from now on, and return its public key as text.

    The private keys before it stay, and open what was sealed to them.

    Raises:
        CredentialsError: The folder has no private keys, or others may read them.
    """
    private = X25519PrivateKey.generate()
    _write_private(folder, (private, *read_private_keys(folder)))
    public = _encode(private.public_key().public_bytes_raw())
    (folder / PUBLIC_FILE).write_text(public + "\n")
    return public


def prune_keys(folder: Path, held: Iterable[tuple[str, JobId]]) -> tuple[int, int]:
    """Remove the older private keys that nothing is sealed to, and return how many were removed and are left.

    Args:
        folder: Where the keys are.
        held: What the jobs hold: what was sealed, and for which job.

    Raises:
        CredentialsError: The folder has no private keys, or others may read them.
    """
    newest, *older = read_private_keys(folder)
    sealed = list(held)
    needed = [key for key in older if any(_opens(key, text, job_id) for text, job_id in sealed)]
    if len(needed) < len(older):
        _write_private(folder, (newest, *needed))
    return len(older) - len(needed), 1 + len(needed)


def _write_private(folder: Path, keys: Sequence[X25519PrivateKey]) -> None:
    """Replace the file of private keys in one move, since workers read it for each job."""
    draft = folder / f".{PRIVATE_FILE}.{os.getpid()}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.writelines(_encode(key.private_bytes_raw()) + "\n" for key in keys)
    draft.replace(folder / PRIVATE_FILE)


def _opens(key: X25519PrivateKey, sealed: str, job_id: JobId) -> bool:
    try:
        _SUITE.decrypt(base64.b64decode(sealed), key, info=_info(job_id))
    except InvalidTag:
        return False
    return True


def has_public_key(folder: Path) -> bool:
    """Return whether the folder has a key to seal with."""
    return (folder.expanduser() / PUBLIC_FILE).exists()


def decode_public_key(text: str) -> X25519PublicKey:
    """Return the key that a text is; raise ``ValueError`` if it is none."""
    return X25519PublicKey.from_public_bytes(base64.b64decode(text, validate=True))


def encode_public_key(key: X25519PublicKey) -> str:
    """Return a key as text, as ``fleet.pub`` holds it."""
    return _encode(key.public_bytes_raw())


def read_public_key(folder: Path) -> X25519PublicKey:
    """Return the key to seal with.

    Raises:
        CredentialsError: The folder has none, or the file does not hold a key.
    """
    path = folder.expanduser() / PUBLIC_FILE
    try:
        return X25519PublicKey.from_public_bytes(base64.b64decode(path.read_text(), validate=False))
    except FileNotFoundError:
        hint = (
            "on a worker's host run `awcopy keys init`, then copy fleet.pub into the folder that AWCOPY_KEYS "
            "names here; "
            "or leave the credentials out, so that the workers use their own"
        )
        raise CredentialsError(
            f"no public key of the fleet in {folder} to seal the credentials with", hint=hint
        ) from None
    except OSError as error:
        raise _unreadable(path, error) from error
    except ValueError as error:
        hint = (
            f"run `awcopy keys public` on a worker's host, and put the line that it prints into {path.name}"
        )
        raise CredentialsError(f"{path} does not hold a public key of a fleet", hint=hint) from error


def read_private_keys(folder: Path) -> tuple[X25519PrivateKey, ...]:
    """Return the keys that can open, newest first.

    Raises:
        CredentialsError: There is none, or others than the owner may read the file.
    """
    path = folder.expanduser() / PRIVATE_FILE
    try:
        if path.stat().st_mode & _OTHERS_MAY:
            raise CredentialsError(f"{path} can be read by others", hint=f"run `chmod 600 {path}`")
        lines = path.read_text().split()
        keys = tuple(X25519PrivateKey.from_private_bytes(base64.b64decode(line)) for line in lines)
    except FileNotFoundError:
        hint = "set AWCOPY_KEYS to the folder with fleet.key on every worker (`awcopy keys init` makes one)"
        raise CredentialsError(f"no private key of the fleet in {folder}", hint=hint) from None
    except OSError as error:
        raise _unreadable(path, error) from error
    except ValueError:
        keys = ()
    if not keys:
        hint = (
            f"copy {path.name} again from a worker that has it; what was sealed for a lost key is given anew"
        )
        raise CredentialsError(f"{path} does not hold private keys of a fleet", hint=hint)
    return keys


def _unreadable(path: Path, error: OSError) -> CredentialsError:
    hint = "let its owner run this, or set AWCOPY_KEYS to another folder"
    return CredentialsError(f"{path} cannot be read: {error.strerror}", hint=hint)


def seal(credentials: JobCredentials, job_id: JobId, public_key: X25519PublicKey) -> str:
    """Return the credentials as base64 ciphertext that opens for this job only."""
    return _encode(_SUITE.encrypt(_to_bytes(credentials), public_key, info=_info(job_id)))


def open_sealed(sealed: str, job_id: JobId, private_keys: tuple[X25519PrivateKey, ...]) -> JobCredentials:
    """Return what was sealed for this job.

    Raises:
        CredentialsError: None of the keys opens it, or it was sealed for another job.
    """
    ciphertext = base64.b64decode(sealed)
    for key in private_keys:
        try:
            return _from_bytes(_SUITE.decrypt(ciphertext, key, info=_info(job_id)))
        except InvalidTag:
            continue
    hint = "the CLI's fleet.pub and the workers' fleet.key must be one pair; seal again with the right one"
    raise CredentialsError("the sealed credentials of this job do not open with this fleet's keys", hint=hint)


def _info(job_id: JobId) -> bytes:
    return f"awcopy/job-credentials/1:{job_id}".encode()


def _encode(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _to_bytes(credentials: JobCredentials) -> bytes:
    facts: dict[str, dict[str, str] | str] = {}
    if credentials.aws:
        facts["aws"] = {name: getattr(credentials.aws, name).reveal() for name in AwsKeys.__slots__}
    if credentials.azure:
        facts["azure"] = {name: getattr(credentials.azure, name).reveal() for name in AzureKeys.__slots__}
    if credentials.source_key:
        facts["source_key"] = credentials.source_key.value.reveal()
    if credentials.sink_key:
        facts["sink_key"] = credentials.sink_key.value.reveal()
    return json.dumps(facts).encode()


def _from_bytes(raw: bytes) -> JobCredentials:
    facts = json.loads(raw)
    aws, azure = facts.get("aws"), facts.get("azure")
    source_key, sink_key = facts.get("source_key"), facts.get("sink_key")
    return JobCredentials(
        aws=AwsKeys(**{name: Secret(value) for name, value in aws.items()}) if aws else None,
        azure=AzureKeys(**{name: Secret(value) for name, value in azure.items()}) if azure else None,
        source_key=CustomerKey(value=Secret(source_key)) if source_key else None,
        sink_key=CustomerKey(value=Secret(sink_key)) if sink_key else None,
    )
