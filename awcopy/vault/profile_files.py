"""The files of profiles: one TOML file for each, in one folder, readable by its owner alone."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from awcopy.config import (
    AwsKeys,
    AwsLogin,
    AzureIdentity,
    AzureKeys,
    Secret,
    parse_connection_string,
    resolve_secret,
)
from awcopy.config.files import parse_toml, suggest
from awcopy.errors import CredentialsError, UsageError
from awcopy.vault.profiles import (
    EmailProfile,
    Profile,
    ReceiverProfile,
    SinkProfile,
    SourceProfile,
    WebhookProfile,
    check_profile_name,
)

_SUFFIX = ".toml"
_OTHERS_MAY = 0o077
_Kind = TypeVar("_Kind", bound="SourceProfile | SinkProfile")

# What a file holds, as TOML has it.
Facts = Mapping[str, str | bool | list[str]]
SECRETS = frozenset(
    {
        "secret_key", "session_token", "account_key", "sas_token", "connection_string", "url", "signing_key",
        "smtp_url",
    }
)  # fmt: skip
_TEXTS = {
    "source": (
        "access_key", "secret_key", "session_token", "aws_profile", "role_arn", "external_id", "role_session_name",
        "web_identity_token_file", "region", "endpoint_url",
    ),
    "sink": ("account", "account_key", "sas_token", "connection_string", "identity_client_id", "endpoint_url"),
    "webhook": ("url", "signing_key"),
    "email": ("smtp_url", "sender"),
}  # fmt: skip
_LISTS = {"source": ("buckets",), "sink": ("containers",), "webhook": (), "email": ("receivers",)}
_FLAGS = {"source": ("allow_delete",), "sink": ("allow_delete",), "webhook": (), "email": ()}
_KNOWN = {kind: ("kind", *_LISTS[kind], *_TEXTS[kind], *_FLAGS[kind]) for kind in _LISTS}
# Neither blanks nor what has a meaning in a header.
_ADDRESS = re.compile(r"[^\s@<>,;:\"()\[\]\\]{1,64}@[A-Za-z0-9.-]{1,255}", re.ASCII)


def list_profiles(folder: Path) -> list[str]:
    """Return the names of the profiles that are there; none where there is no folder."""
    files = folder.expanduser().glob(f"*{_SUFFIX}")
    return sorted(file.name.removesuffix(_SUFFIX) for file in files)


def read_source_profile(folder: Path, name: str) -> SourceProfile:
    """Return a profile for a source.

    Raises:
        CredentialsError: There is none of this name, or others may read it.
        UsageError: It is for a sink, or something in it is wrong.
    """
    return _of_kind(SourceProfile, read_profile(folder, name))


def read_sink_profile(folder: Path, name: str) -> SinkProfile:
    """Return a profile for a sink; errors as ``read_source_profile`` has them."""
    return _of_kind(SinkProfile, read_profile(folder, name))


def read_receiver_profile(folder: Path, name: str) -> ReceiverProfile:
    """Return a profile for a receiver of notifications; errors as ``read_source_profile`` has them."""
    profile = read_profile(folder, name)
    if isinstance(profile, (WebhookProfile, EmailProfile)):
        return profile
    hint = "`awcopy profile add` with --webhook or --email makes one"
    raise UsageError(f"profile {name!r} is not for a receiver of notifications", hint=hint)


def read_profile(folder: Path, name: str) -> Profile:
    """Return a profile, its secrets resolved; errors as ``read_source_profile`` has them."""
    return make_profile(name, read_facts(folder, name))


def read_facts(folder: Path, name: str) -> Facts:
    """Return what a profile's file holds, secrets as they are written in it."""
    path = _path(folder, name)
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        hint = f"`awcopy profile add {name}` makes it, on every worker's machine; AWCOPY_PROFILES names the folder"
        raise CredentialsError(f"there is no profile {name!r} in {folder}", hint=hint) from None
    except OSError as error:
        hint = "let this user read the folder, or set AWCOPY_PROFILES to another one"
        raise CredentialsError(f"{path} cannot be read: {error.strerror}", hint=hint) from None
    if mode & _OTHERS_MAY:
        raise CredentialsError(f"{path} can be read by others", hint=f"run `chmod 600 {path}`")
    return parse_toml(path)


def make_profile(name: str, facts: Facts) -> Profile:
    """Return the profile that these facts describe.

    Raises:
        UsageError: A key is unknown, missing, or of the wrong kind, or two contradict each other.
        CredentialsError: A secret that lies elsewhere is not there.
    """
    kind = facts.get("kind")
    if not isinstance(kind, str) or kind not in _LISTS:
        raise UsageError(f"profile {name!r}: kind is none of {', '.join(_LISTS)}")
    return _Reading(name, kind, facts).profile()


def write_profile(folder: Path, name: str, facts: Facts, *, replace_it: bool = False) -> None:
    """Write a profile's file, readable by its owner alone, once it is known to make a profile.

    Raises:
        UsageError: It makes none, or there is one of this name and it is not to be replaced.
        OSError: The folder cannot be written.
    """
    make_profile(name, facts)
    path = _path(folder, name)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists() and not replace_it:
        raise UsageError(f"there is a profile {name!r} already", hint="pass --replace to write it anew")
    # Written beside it and moved, so that no worker reads half of it.
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        # TOML writes texts, lists and flags as JSON does.
        file.writelines(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in facts.items())
    draft.replace(path)


def remove_profile(folder: Path, name: str) -> None:
    """Remove a profile's file.

    Raises:
        CredentialsError: There is none.
    """
    try:
        _path(folder, name).unlink()
    except FileNotFoundError:
        raise CredentialsError(f"there is no profile {name!r} in {folder}") from None


@dataclass(frozen=True, slots=True)
class _Reading:
    """One file's facts on their way to a profile."""

    name: str
    kind: str
    facts: Facts

    def profile(self) -> Profile:
        known = dict.fromkeys(_KNOWN[self.kind])
        for key in self.facts:
            if key not in known:
                raise self._wrong(f"there is no key {key!r} in a {self.kind}'s", hint=suggest(key, known))
        make: Mapping[str, Callable[[], Profile]] = {
            "source": self._source,
            "sink": self._sink,
            "webhook": self._webhook,
            "email": self._email,
        }
        return make[self.kind]()

    def _source(self) -> SourceProfile:
        self._at_most_one_of("access_key", "aws_profile", "web_identity_token_file")
        self._together("access_key", "secret_key")
        for key in ("external_id", "role_session_name", "web_identity_token_file"):
            if self._text(key) and not self._text("role_arn"):
                raise self._wrong(f"{key} goes with a role_arn, and there is none")
        keys = AwsKeys(
            access_key=self._secret("access_key"),
            secret_key=self._secret("secret_key"),
            session_token=self._secret("session_token"),
        )
        login = AwsLogin(
            keys=keys if keys.access_key else None,
            aws_profile=self._text("aws_profile"),
            role_arn=self._text("role_arn"),
            external_id=self._text("external_id"),
            session_name=self._text("role_session_name") or "awcopy",
            web_identity_token_file=self._text("web_identity_token_file"),
            region=self._text("region"),
        )
        return SourceProfile(
            name=self.name,
            login=login,
            buckets=self._list("buckets"),
            region=self._text("region"),
            endpoint_url=self._text("endpoint_url").rstrip("/"),
            allow_delete=self._flag("allow_delete"),
        )

    def _sink(self) -> SinkProfile:
        self._at_most_one_of("account_key", "sas_token", "connection_string", "identity_client_id")
        text = self._secret("connection_string").reveal()
        parts = parse_connection_string(f"profile {self.name!r}: connection_string", text)
        keys = AzureKeys(
            account_key=self._secret("account_key") or Secret(parts.get("accountkey", "")),
            sas_token=self._secret("sas_token") or Secret(parts.get("sharedaccesssignature", "")),
        )
        identity = AzureIdentity(client_id=self._text("identity_client_id"))
        account = self._text("account") or parts.get("accountname", "")
        if not account:
            raise self._wrong("account is missing", hint="it names the storage account")
        return SinkProfile(
            name=self.name,
            access=keys if keys.account_key or keys.sas_token else identity,
            account=account,
            containers=self._list("containers"),
            endpoint_url=(self._text("endpoint_url") or parts.get("blobendpoint", "")).rstrip("/"),
            allow_delete=self._flag("allow_delete"),
        )

    def _webhook(self) -> WebhookProfile:
        url = self._secret("url")
        if not re.fullmatch(r"https?://[!-~]+", url.reveal()):
            raise self._wrong("url is no URL of http or https", hint="write it like https://example.org/hook")
        return WebhookProfile(name=self.name, url=url, signing_key=self._secret("signing_key"))

    def _email(self) -> EmailProfile:
        receivers, sender = self._list("receivers"), self._text("sender")
        for one in (*receivers, sender):
            if not _ADDRESS.fullmatch(one):
                raise self._wrong(
                    "an address is none", hint="write them like ops@example.org, the sender's too"
                )
        smtp_url = self._secret("smtp_url")
        if not re.fullmatch(r"smtps?://[!-~]+", smtp_url.reveal()):
            hint = "write it like smtps://USER:PASSWORD@smtp.example.org"
            raise self._wrong("smtp_url is no URL of smtp or smtps", hint=hint)
        return EmailProfile(name=self.name, receivers=receivers, smtp_url=smtp_url, sender=sender)

    def _text(self, key: str) -> str:
        value = self.facts.get(key, "")
        if not isinstance(value, str):
            raise self._wrong(f"{key} is not a text", hint="write it in quotes")
        return value

    def _secret(self, key: str) -> Secret:
        return resolve_secret(f"profile {self.name!r}: {key}", self._text(key))

    def _flag(self, key: str) -> bool:
        value = self.facts.get(key, False)
        if not isinstance(value, bool):
            raise self._wrong(f"{key} is neither true nor false")
        return value

    def _list(self, key: str) -> tuple[str, ...]:
        value: object = self.facts.get(key)
        names = value if isinstance(value, list) else []
        if not names or not all(isinstance(one, str) and one for one in names):
            hint = f'write them like {key} = ["photos", "logs-*"]; "*" allows all'
            raise self._wrong(f"{key} is not a list of names", hint=hint)
        return tuple(names)

    def _at_most_one_of(self, *keys: str) -> None:
        given = [key for key in keys if self._text(key)]
        if len(given) > 1:
            raise self._wrong(f"{' and '.join(given)} contradict each other", hint="leave one of them out")

    def _together(self, first: str, second: str) -> None:
        if bool(self._text(first)) != bool(self._text(second)):
            raise self._wrong(f"{first} and {second} go together, and one is missing")

    def _wrong(self, what: str, *, hint: str = "") -> UsageError:
        return UsageError(f"profile {self.name!r}: {what}", hint=hint)


def _path(folder: Path, name: str) -> Path:
    return folder.expanduser() / f"{check_profile_name(name)}{_SUFFIX}"


def _of_kind(kind: type[_Kind], profile: Profile) -> _Kind:
    if isinstance(profile, kind):
        return profile
    wanted = "source" if kind is SourceProfile else "sink"
    raise UsageError(
        f"profile {profile.name!r} is not for a {wanted}", hint="`awcopy profile list` shows them"
    )
