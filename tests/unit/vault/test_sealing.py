"""Sealing: what one job's credentials may and may not be opened with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from awcopy.config import AwsKeys, AzureKeys, Secret, parse_customer_key
from awcopy.errors import CredentialsError
from awcopy.model.job import JobId
from awcopy.vault.credentials import JobCredentials
from awcopy.vault.sealing import (
    PRIVATE_FILE,
    PUBLIC_FILE,
    create_keys,
    open_sealed,
    prune_keys,
    read_private_keys,
    read_public_key,
    rotate_keys,
    seal,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CREDENTIALS = JobCredentials(
    aws=AwsKeys(access_key=Secret("AKIAEXAMPLE"), secret_key=Secret("wJalr")),
    azure=AzureKeys(account_key=Secret("a2V5")),
)
JOB = JobId("job1")


def test_sealed_credentials_open_with_the_private_key(tmp_path: Path) -> None:
    create_keys(tmp_path)
    sealed = seal(CREDENTIALS, JOB, read_public_key(tmp_path))
    assert open_sealed(sealed, JOB, read_private_keys(tmp_path)) == CREDENTIALS


def test_sealed_text_shows_no_secret(tmp_path: Path) -> None:
    create_keys(tmp_path)
    sealed = seal(CREDENTIALS, JOB, read_public_key(tmp_path))
    assert "wJalr" not in sealed
    assert sealed != seal(CREDENTIALS, JOB, read_public_key(tmp_path))


def test_sealed_credentials_do_not_open_for_another_job(tmp_path: Path) -> None:
    create_keys(tmp_path)
    sealed = seal(CREDENTIALS, JOB, read_public_key(tmp_path))
    with pytest.raises(CredentialsError, match="do not open"):
        open_sealed(sealed, JobId("job2"), read_private_keys(tmp_path))


def test_sealed_credentials_do_not_open_with_another_fleets_key(tmp_path: Path) -> None:
    create_keys(tmp_path / "ours")
    create_keys(tmp_path / "theirs")
    sealed = seal(CREDENTIALS, JOB, read_public_key(tmp_path / "ours"))
    with pytest.raises(CredentialsError, match="do not open"):
        open_sealed(sealed, JOB, read_private_keys(tmp_path / "theirs"))


def test_one_side_alone_can_be_sealed(tmp_path: Path) -> None:
    create_keys(tmp_path)
    only_azure = JobCredentials(azure=AzureKeys(sas_token=Secret("sv=1&sig=2")))
    sealed = seal(only_azure, JOB, read_public_key(tmp_path))
    assert open_sealed(sealed, JOB, read_private_keys(tmp_path)) == only_azure


def test_existing_keys_are_never_replaced(tmp_path: Path) -> None:
    create_keys(tmp_path)
    before = (tmp_path / PRIVATE_FILE).read_bytes()
    with pytest.raises(CredentialsError, match="already"):
        create_keys(tmp_path)
    assert (tmp_path / PRIVATE_FILE).read_bytes() == before


def test_a_private_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    create_keys(tmp_path)
    (tmp_path / PRIVATE_FILE).chmod(0o644)
    with pytest.raises(CredentialsError, match="read by others"):
        read_private_keys(tmp_path)


def test_a_missing_public_key_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(CredentialsError) as caught:
        read_public_key(tmp_path)
    assert "awcopy keys init" in caught.value.hint


@pytest.mark.parametrize("content", [b"CANARY", b"a2V5", b"\xff", b""])
@pytest.mark.parametrize(
    ("name", "read", "advice"),
    [
        (PUBLIC_FILE, read_public_key, "`awcopy keys public`"),
        (PRIVATE_FILE, read_private_keys, "copy fleet.key"),
    ],
)
def test_a_file_without_keys_says_what_to_do_and_nothing_of_itself(
    tmp_path: Path, name: str, read: Callable[[Path], object], advice: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    (tmp_path / name).chmod(0o600)
    with pytest.raises(
        CredentialsError, match=r"does not hold (a public key|private keys) of a fleet$"
    ) as caught:
        read(tmp_path)
    assert advice in caught.value.hint
    assert "CANARY" not in caught.value.message


@pytest.mark.parametrize(
    ("name", "read"), [(PUBLIC_FILE, read_public_key), (PRIVATE_FILE, read_private_keys)]
)
def test_a_file_of_keys_that_cannot_be_read_says_why_and_what_to_do(
    tmp_path: Path, name: str, read: Callable[[Path], object]
) -> None:
    (tmp_path / name).mkdir(mode=0o700)
    with pytest.raises(CredentialsError, match=f"{name} cannot be read: Is a directory") as caught:
        read(tmp_path)
    assert "AWCOPY_KEYS" in caught.value.hint


def test_encryption_keys_are_sealed_too(tmp_path: Path) -> None:
    create_keys(tmp_path)
    keys = [parse_customer_key(letter * 32, "the test") for letter in (b"a", b"b")]
    given = JobCredentials(source_key=keys[0], sink_key=keys[1])
    assert given
    sealed = seal(given, JOB, read_public_key(tmp_path))
    assert open_sealed(sealed, JOB, read_private_keys(tmp_path)) == given


def test_after_a_rotation_is_sealed_to_the_new_key_and_both_open(tmp_path: Path) -> None:
    first = create_keys(tmp_path)
    before = seal(CREDENTIALS, JOB, read_public_key(tmp_path))
    second = rotate_keys(tmp_path)
    after = seal(CREDENTIALS, JOB, read_public_key(tmp_path))
    keys = read_private_keys(tmp_path)
    assert first != second
    assert (tmp_path / PUBLIC_FILE).read_text() == f"{second}\n"
    assert [open_sealed(sealed, JOB, keys) for sealed in (before, after)] == [CREDENTIALS] * 2
    assert open_sealed(after, JOB, keys[:1]) == CREDENTIALS


def test_keys_that_a_job_needs_are_not_removed(tmp_path: Path) -> None:
    create_keys(tmp_path)
    oldest = seal(CREDENTIALS, JOB, read_public_key(tmp_path))
    rotate_keys(tmp_path)
    rotate_keys(tmp_path)
    assert prune_keys(tmp_path, [(oldest, JOB)]) == (1, 2)
    assert open_sealed(oldest, JOB, read_private_keys(tmp_path)) == CREDENTIALS
    assert prune_keys(tmp_path, []) == (1, 1)
    assert prune_keys(tmp_path, []) == (0, 1)
    with pytest.raises(CredentialsError, match="do not open"):
        open_sealed(oldest, JOB, read_private_keys(tmp_path))


def test_without_keys_there_is_nothing_to_rotate(tmp_path: Path) -> None:
    with pytest.raises(CredentialsError, match="no private key"):
        rotate_keys(tmp_path)
    assert list(tmp_path.iterdir()) == []
